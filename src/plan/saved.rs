//! A plan in a file: what was decided, and what it was decided upon.
//!
//! The file holds everything that applying needs and no secret. It is good for one application: what it touches is read
//! again first, and any difference to what the plan saw makes it stale. A plan that was applied is remembered by its
//! digest in the ledger, and is refused from then on.

use super::step::{Action, Plan, ResolvedReferences, SegmentRef, Step, Target, exact_digest};
use crate::definition::{Digest, Digests};
use crate::model::{
    Lifecycle, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentName, hexadecimal,
};
use crate::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The version of the file's format. A file of another version is refused, never guessed at.
const FORMAT_VERSION: u32 = 2;

/// A plan that was written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// When it was made.
    pub created_at: Timestamp,
    /// The segctl that made it.
    pub segctl_version: String,
    /// Which service and workspace it was made for; a digest, as such names are nobody's business.
    pub workspace_fingerprint: String,
    /// Every live segment that was seen.
    pub expected: BTreeMap<SegmentId, ExpectedSegment>,
    /// By what names the ledger knew the segments that the plan writes to; those that it did not know are left out.
    pub state_names: BTreeMap<SegmentId, SegmentName>,
    /// What was decided.
    pub plan: Plan,
}

/// A live segment as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSegment {
    /// Its name.
    pub name: SegmentName,
    /// Whether it was in use.
    pub lifecycle: Lifecycle,
    /// The exact digest of its definition, where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What is not as the plan saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The service does not know the segment any more.
    Missing(SegmentName, SegmentId),
    /// The segment has another name.
    Renamed(SegmentName, SegmentName),
    /// The segment has another definition.
    DefinitionChanged(SegmentName),
    /// The segment was put away.
    Archived(SegmentName),
    /// The segment was taken out.
    Unarchived(SegmentName),
    /// The ledger knows the segment by another name, or did not know it: another run wrote it.
    AppliedByAnotherRun(SegmentName, SegmentId),
    /// A segment that the plan refers to is not listed any more.
    Unlisted(SegmentName, SegmentId),
    /// Another segment has a name that the plan takes.
    NameTaken(SegmentName, SegmentId),
    /// Another segment has the filters that the plan gives the segment named first.
    DefinitionTaken(SegmentName, SegmentRef),
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name, id) => write!(formatter, "`{name}` (id {id}) is gone"),
            Self::Renamed(before, now) => write!(formatter, "`{before}` was renamed to `{now}`"),
            Self::DefinitionChanged(name) => write!(formatter, "the definition of `{name}` was changed"),
            Self::Archived(name) => write!(formatter, "`{name}` was archived"),
            Self::Unarchived(name) => write!(formatter, "`{name}` was unarchived"),
            Self::AppliedByAnotherRun(name, id) => write!(
                formatter,
                "another run applied `{name}` (id {id}) while the plan was made or since"
            ),
            Self::Unlisted(name, id) => write!(
                formatter,
                "`{name}` (id {id}), which the plan refers to, is not listed any more: it was archived or is gone"
            ),
            Self::DefinitionTaken(name, SegmentRef { name: holder, id }) => write!(
                formatter,
                "the filters that `{name}` is to have were taken meanwhile by `{holder}` (id {id})"
            ),
            Self::NameTaken(name, id) => write!(formatter, "the name `{name}` was taken meanwhile (id {id})"),
        }
    }
}

/// Why a file is no plan that can be applied.
#[derive(Debug)]
pub enum SavedPlanError {
    /// It is no JSON, or not of the shape that segctl writes.
    Malformed(serde_json::Error),
    /// It is something else, such as a plan that `--json` printed.
    NotAPlan,
    /// It is of another version.
    UnsupportedVersion(u64),
    /// It was changed since it was written.
    DigestMismatch,
}

impl fmt::Display for SavedPlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(
                formatter,
                "it is no plan that `segctl plan --out` wrote, or it is broken"
            ),
            Self::NotAPlan => write!(formatter, "it is no plan that `segctl plan --out` wrote"),
            Self::UnsupportedVersion(version) => write!(
                formatter,
                "it has format version {version}, and this segctl knows {FORMAT_VERSION}; plan again"
            ),
            Self::DigestMismatch => write!(formatter, "it was changed since it was written; plan again"),
        }
    }
}

impl std::error::Error for SavedPlanError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::NotAPlan | Self::UnsupportedVersion(_) | Self::DigestMismatch => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPlanFile {
    saved_plan_format: u32,
    /// SHA-256 of the plan as canonical JSON.
    digest: String,
    saved_plan: SavedPlan,
}

impl SavedPlan {
    /// Puts down `plan` with what it was decided upon.
    #[must_use]
    pub fn new(
        plan: Plan,
        (observed, ledger): (&ObservedWorkspace, &State),
        service: String,
        created_at: Timestamp,
    ) -> Self {
        let seen = observed.segments.values();
        let known = |id: SegmentId| {
            let name = ledger.managed_entry(&id)?.name.clone();
            Some((id, name))
        };
        Self {
            state_names: target_ids(&plan).into_iter().filter_map(known).collect(),
            created_at,
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            workspace_fingerprint: service,
            expected: seen
                .map(|live| (live.id.clone(), ExpectedSegment::of(live, &plan.references)))
                .collect(),
            plan,
        }
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let file = SavedPlanFile {
            saved_plan_format: FORMAT_VERSION,
            digest: self.digest(),
            saved_plan: self.clone(),
        };
        // Plain structures of text and numbers always serialise.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// Whether a text claims to be a saved plan, sound or not.
    #[must_use]
    pub fn looks_like_saved_plan(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok_and(|value| value.get("saved_plan_format").is_some())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// Text that is no saved plan of this version, whole and as it was written.
    pub fn from_text(text: &str) -> Result<Self, SavedPlanError> {
        let value: Value = serde_json::from_str(text).map_err(SavedPlanError::Malformed)?;
        let Some(version) = value.get("saved_plan_format") else {
            return Err(SavedPlanError::NotAPlan);
        };
        let version = version.as_u64();
        if let Some(version) = version.filter(|version| *version != u64::from(FORMAT_VERSION)) {
            return Err(SavedPlanError::UnsupportedVersion(version));
        }
        let file: SavedPlanFile = serde_json::from_value(value).map_err(SavedPlanError::Malformed)?;
        if file.saved_plan.digest() != file.digest {
            return Err(SavedPlanError::DigestMismatch);
        }
        Ok(file.saved_plan)
    }

    /// What the ledger knows the plan by.
    #[must_use]
    pub fn digest(&self) -> String {
        let text = serde_json_canonicalizer::to_string(self).unwrap_or_default();
        hexadecimal(&Sha256::digest(text.as_bytes()))
    }

    /// The live segments that the plan writes to.
    #[must_use]
    pub fn target_ids(&self) -> BTreeSet<SegmentId> {
        target_ids(&self.plan)
    }

    /// What has to be read to know whether the plan still holds: what it touches, and of what is `listed` now that of which
    /// it saw no definition, where one of its own could clash with it.
    #[must_use]
    pub fn ids_to_recheck(&self, listed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
        let mut ids = self.target_ids();
        if self.plan.definition_writes().next().is_some() {
            let live = listed.segments.values();
            let was_read = |id| self.expected.get(id).is_some_and(|seen| seen.digest.is_some());
            let unread = live.filter(|live| live.kind == RemoteKind::Filter && !was_read(&live.id));
            ids.extend(unread.map(|live| live.id.clone()));
        }
        ids
    }

    /// Everything that the plan touches, refers to or clashes with and that is not as it saw it. `now` holds the list and a
    /// fresh read of what is [to be read](Self::to_read), and `ledger` what was applied by now.
    #[must_use]
    pub fn differences(&self, now: &ObservedWorkspace, ledger: &State) -> Vec<Difference> {
        let mut found: Vec<Difference> = Vec::new();
        let mut seen = BTreeSet::new();
        for step in &self.plan.steps {
            // Later steps on one segment expect what the earlier ones leave.
            if let Some(target) = step.action.target().filter(|target| seen.insert(&target.id)) {
                found.extend(self.difference(target, now));
                let known = ledger.managed_entry(&target.id).map(|entry| &entry.name);
                if known != self.state_names.get(&target.id) {
                    let name = known.unwrap_or(&target.remote_name).clone();
                    found.push(Difference::AppliedByAnotherRun(name, target.id.clone()));
                }
            }
        }
        found.extend(self.references_lost(now));
        found.extend(self.names_taken(now));
        found.extend(self.definitions_taken(now));
        found
    }

    fn difference(&self, target: &Target, now: &ObservedWorkspace) -> Vec<Difference> {
        let name = &target.remote_name;
        let Some(live) = now.segments.get(&target.id) else {
            return vec![Difference::Missing(name.clone(), target.id.clone())];
        };
        let mut found = Vec::new();
        if live.name != *name {
            found.push(Difference::Renamed(name.clone(), live.name.clone()));
        }
        match (target.lifecycle, live.lifecycle) {
            (Lifecycle::Active, Lifecycle::Archived) => found.push(Difference::Archived(name.clone())),
            (Lifecycle::Archived, Lifecycle::Active) => found.push(Difference::Unarchived(name.clone())),
            (Lifecycle::Active, Lifecycle::Active) | (Lifecycle::Archived, Lifecycle::Archived) => {}
        }
        let digest = live
            .definition
            .as_ref()
            .map(|payload| exact_digest(payload, &self.plan.references));
        if digest != target.digest {
            found.push(Difference::DefinitionChanged(name.clone()));
        }
        found
    }

    /// The segments that the plan refers to and does not touch, which it saw in use under another name, or at all.
    fn references_lost(&self, now: &ObservedWorkspace) -> Vec<Difference> {
        let mut ids = self.referenced_ids();
        let touched = self.target_ids();
        ids.retain(|id| !touched.contains(id));
        let lost = ids.into_iter().filter_map(|id| {
            let seen = self.expected.get(&id)?;
            match now.segments.get(&id) {
                Some(live) if live.name == seen.name => None,
                Some(live) => Some(Difference::Renamed(seen.name.clone(), live.name.clone())),
                // The list did not show it then either.
                None if seen.lifecycle == Lifecycle::Archived => None,
                None => Some(Difference::Unlisted(seen.name.clone(), id)),
            }
        });
        lost.collect()
    }

    /// The live segments that what the plan sends refers to.
    fn referenced_ids(&self) -> BTreeSet<SegmentId> {
        let wanted = self.plan.steps.iter().filter_map(|step| step.action.desired());
        wanted
            .flat_map(|wanted| wanted.referenced_ids(&self.plan.references))
            .collect()
    }

    fn definitions_taken(&self, now: &ObservedWorkspace) -> Vec<Difference> {
        let touched = self.target_ids();
        let is_other =
            |live: &&ObservedSegment| live.lifecycle == Lifecycle::Active && !touched.contains(&live.id);
        let taken = now.segments.values().filter(is_other).filter_map(|live| {
            let holder = SegmentRef {
                name: live.name.clone(),
                id: live.id.clone(),
            };
            Some(Difference::DefinitionTaken(
                self.conflicting_segment(live)?.clone(),
                holder,
            ))
        });
        taken.collect()
    }

    /// The segment that the plan gives the definition of one that came into use since. Whether the order of filters makes
    /// another definition is not documented: where it can be told, any order counts.
    fn conflicting_segment(&self, live: &ObservedSegment) -> Option<&SegmentName> {
        let mut stored = self.plan.definition_writes();
        let seen = self.expected.get(&live.id);
        let found = match seen.and_then(|seen| Some((seen.lifecycle, seen.digest?))) {
            // The plan was made with it in mind.
            Some((Lifecycle::Active, _)) => None,
            Some((Lifecycle::Archived, digest)) => stored.find(|(_, wanted)| wanted.digests.exact == digest),
            None => {
                let definition = live.definition.as_ref()?;
                let digests = Digests::of(definition, &self.plan.references.identities);
                stored.find(|(_, wanted)| wanted.digests.unordered == digests.unordered)
            }
        };
        found.map(|(segment, _)| segment)
    }

    fn names_taken(&self, now: &ObservedWorkspace) -> Vec<Difference> {
        let taken: BTreeSet<&SegmentName> = self.plan.steps.iter().filter_map(assigned_name).collect();
        let touched = self.target_ids();
        let is_new = |live: &&ObservedSegment| {
            let seen = self.expected.get(&live.id);
            seen.is_none_or(|seen| seen.name != live.name) && !touched.contains(&live.id)
        };
        let holders = now.segments.values().filter(is_new);
        holders
            .filter(|live| taken.contains(&live.name))
            .map(|live| Difference::NameTaken(live.name.clone(), live.id.clone()))
            .collect()
    }
}

impl ExpectedSegment {
    fn of(live: &ObservedSegment, known: &ResolvedReferences) -> Self {
        Self {
            name: live.name.clone(),
            lifecycle: live.lifecycle,
            digest: live
                .definition
                .as_ref()
                .map(|payload| exact_digest(payload, known)),
        }
    }
}

fn target_ids(plan: &Plan) -> BTreeSet<SegmentId> {
    let targets = plan.steps.iter().filter_map(|step| step.action.target());
    targets.map(|target| target.id.clone()).collect()
}

/// The name that a step gives a segment.
fn assigned_name(step: &Step) -> Option<&SegmentName> {
    match &step.action {
        Action::Create(_) => Some(&step.segment),
        Action::Update(change) => Some(&change.name).filter(|_| change.renames()),
        Action::SyncCohort(_) | Action::UploadUserList(_) => {
            Some(&step.segment).filter(|_| step.action.target().is_none())
        }
        Action::Archive(_) | Action::Unarchive(_) => None,
    }
}
