//! A plan in a file, with the state of the workspace that it is based on.
//!
//! The file contains everything that an apply needs, and no secrets. It can be applied once: the state records its digest.
//! Before the apply, segctl re-reads the segments that the plan depends on; any difference makes the plan stale.

use super::step::{Action, Plan, ResolvedReferences, SegmentRef, StateUpdate, Step, Target, exact_digest};
use super::{segment_ref, written_definition};
use crate::definition::{Digest, Digests};
use crate::model::{
    Freshness, Lifecycle, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentName,
    hexadecimal, json_from_file,
};
use crate::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Files of other versions are rejected.
const FORMAT_VERSION: u32 = 2;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    pub created_at: Timestamp,
    pub segctl_version: String,
    /// A digest, so that the file does not contain account names.
    pub workspace_fingerprint: String,
    /// Every remote segment at the time of the plan.
    pub expected: BTreeMap<SegmentId, ExpectedSegment>,
    /// Missing in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// The names in the state of the segments that the plan writes; unmanaged ones are absent.
    pub state_names: BTreeMap<SegmentId, SegmentName>,
    pub plan: Plan,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSegment {
    pub name: SegmentName,
    pub lifecycle: Lifecycle,
    /// The exact digest, if the definition was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    Missing(SegmentName, SegmentId),
    /// From, to.
    Renamed(SegmentName, SegmentName),
    DefinitionChanged(SegmentName),
    Archived(SegmentName),
    Unarchived(SegmentName),
    /// With the reason.
    Unreadable(SegmentName, String),
    /// The state has another name for the segment than at the time of the plan, or has it only now.
    AppliedByAnotherRun(SegmentName, SegmentId),
    /// A segment that the plan references.
    Unlisted(SegmentName, SegmentId),
    NameTaken(SegmentName, SegmentId),
    /// The segment of the plan, and the one that has its definition.
    DefinitionTaken(SegmentName, SegmentRef),
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name, id) => write!(formatter, "`{name}` (id {id}) does not exist any more"),
            Self::Renamed(from, to) => write!(formatter, "`{from}` was renamed to `{to}`"),
            Self::DefinitionChanged(name) => write!(formatter, "the definition of `{name}` changed"),
            Self::Archived(name) => write!(formatter, "`{name}` was archived"),
            Self::Unreadable(name, reason) => write!(formatter, "`{name}` cannot be read: {reason}"),
            Self::Unarchived(name) => write!(formatter, "`{name}` was unarchived"),
            Self::AppliedByAnotherRun(name, id) => {
                write!(formatter, "another run applied `{name}` (id {id})")
            }
            Self::Unlisted(name, id) => write!(
                formatter,
                "`{name}` (id {id}), which the plan references, was archived or does not exist any more"
            ),
            Self::DefinitionTaken(name, SegmentRef { name: holder, id }) => write!(
                formatter,
                "`{holder}` (id {id}) now has the filters that the plan sets for `{name}`"
            ),
            Self::NameTaken(name, id) => {
                write!(formatter, "the segment with id {id} now has the name `{name}`")
            }
        }
    }
}

#[derive(Debug)]
pub enum SavedPlanError {
    Malformed(serde_json::Error),
    /// JSON, but not a saved plan; for example the output of `--json`.
    NotAPlan,
    UnsupportedVersion(u64),
    DigestMismatch,
}

impl fmt::Display for SavedPlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(_) => write!(formatter, "not a valid plan file"),
            Self::NotAPlan => write!(formatter, "not a plan file"),
            Self::UnsupportedVersion(version) => write!(
                formatter,
                "format version {version} is not supported, this segctl supports {FORMAT_VERSION}; create a new plan"
            ),
            Self::DigestMismatch => write!(
                formatter,
                "the plan file was modified after it was created; create a new plan"
            ),
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
    digest: String,
    saved_plan: Value,
}

impl SavedPlan {
    #[must_use]
    pub fn new(
        plan: Plan,
        observed: &ObservedWorkspace,
        state: &State,
        workspace_fingerprint: String,
        created_at: Timestamp,
    ) -> Self {
        let remotes = observed.segments.values();
        let state_name = |id: SegmentId| {
            let name = state.managed_entry(&id)?.name.clone();
            Some((id, name))
        };
        Self {
            state_names: target_ids(&plan).into_iter().filter_map(state_name).collect(),
            created_at,
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            workspace_fingerprint,
            freshness: None,
            expected: remotes
                .map(|remote| {
                    let expected = ExpectedSegment::of(remote, state, &plan.references);
                    (remote.id.clone(), expected)
                })
                .collect(),
            plan,
        }
    }

    #[must_use]
    pub fn with_freshness(self, freshness: Freshness) -> Self {
        Self {
            freshness: Some(freshness),
            ..self
        }
    }

    #[must_use]
    pub fn to_text(&self) -> String {
        let saved_plan = self.to_value();
        let file = SavedPlanFile {
            saved_plan_format: FORMAT_VERSION,
            digest: digest(&saved_plan),
            saved_plan,
        };
        let text = serde_json::to_string_pretty(&file);
        text.expect("a JSON value can be written") + "\n"
    }

    /// Whether the text is meant as a saved plan, valid or not.
    #[must_use]
    pub fn looks_like_saved_plan(text: &str) -> bool {
        json_from_file::<Value>(text).is_ok_and(|value| value.get("saved_plan_format").is_some())
    }

    pub fn from_text(text: &str) -> Result<Self, SavedPlanError> {
        let value: Value = json_from_file(text).map_err(SavedPlanError::Malformed)?;
        let Some(version) = value.get("saved_plan_format") else {
            return Err(SavedPlanError::NotAPlan);
        };
        let version = version.as_u64();
        if let Some(version) = version.filter(|version| *version != u64::from(FORMAT_VERSION)) {
            return Err(SavedPlanError::UnsupportedVersion(version));
        }
        let file: SavedPlanFile = serde_json::from_value(value).map_err(SavedPlanError::Malformed)?;
        // The digest covers the text of the file, so that it covers what a type would ignore, too.
        let is_unchanged = digest(&file.saved_plan) == file.digest;
        let saved_plan = serde_json::from_value(file.saved_plan).map_err(SavedPlanError::Malformed)?;
        is_unchanged
            .then_some(saved_plan)
            .ok_or(SavedPlanError::DigestMismatch)
    }

    /// The state records it after the apply.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.to_value())
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a plan contains only text, numbers and lists of them")
    }

    #[must_use]
    pub fn target_ids(&self) -> BTreeSet<SegmentId> {
        target_ids(&self.plan)
    }

    /// The segments that the plan writes, and the listed ones without a known definition, which may conflict with a
    /// definition of the plan.
    #[must_use]
    pub fn ids_to_recheck(&self, listed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
        let mut ids = self.target_ids();
        // A segment that is not listed is archived, or does not exist.
        let adopted = self.plan.adoptions().map(|update| &update.id);
        ids.extend(adopted.filter(|id| !listed.segments.contains_key(*id)).cloned());
        if self.plan.definition_writes().next().is_some() {
            let was_read = |id| {
                self.expected
                    .get(id)
                    .is_some_and(|expected| expected.digest.is_some())
            };
            let remotes = listed.segments.values();
            let unread = remotes.filter(|remote| remote.kind == RemoteKind::Filter && !was_read(&remote.id));
            ids.extend(unread.map(|remote| remote.id.clone()));
        }
        ids
    }

    /// `now` must contain a listing and the definitions of [`Self::ids_to_recheck`].
    #[must_use]
    pub fn differences(&self, now: &ObservedWorkspace, state: &State) -> Vec<Difference> {
        let mut found: Vec<Difference> = Vec::new();
        let mut checked = BTreeSet::new();
        for step in &self.plan.steps {
            // A later step of the same segment expects the result of the first one.
            if let Some(target) = step.action.target().filter(|target| checked.insert(&target.id)) {
                found.extend(self.difference(target, now, state));
                let state_name = state.managed_entry(&target.id).map(|entry| &entry.name);
                if state_name != self.state_names.get(&target.id) {
                    let name = state_name.unwrap_or(&target.remote_name).clone();
                    found.push(Difference::AppliedByAnotherRun(name, target.id.clone()));
                }
            }
        }
        for update in self.plan.adoptions() {
            found.extend(self.changed_adoption(update, now, state));
        }
        found.extend(self.changed_references(now));
        found.extend(self.names_taken(now));
        found.extend(self.definitions_taken(now, state));
        found
    }

    fn difference(&self, target: &Target, now: &ObservedWorkspace, state: &State) -> Vec<Difference> {
        let name = &target.remote_name;
        let Some(remote) = now.segments.get(&target.id) else {
            return vec![Difference::Missing(name.clone(), target.id.clone())];
        };
        if let Some(reason) = now.unreadable.get(&target.id) {
            return vec![Difference::Unreadable(name.clone(), reason.clone())];
        }
        let mut found = name_and_lifecycle_changes(name, target.lifecycle, remote);
        if ExpectedSegment::of(remote, state, &self.plan.references).digest != target.digest {
            found.push(Difference::DefinitionChanged(name.clone()));
        }
        found
    }

    /// The list does not show definitions. If one changed since the plan, the next plan shows drift.
    fn changed_adoption(
        &self,
        update: &StateUpdate,
        now: &ObservedWorkspace,
        state: &State,
    ) -> Vec<Difference> {
        let id = &update.id;
        if let Some(entry) = state.managed_entry(id) {
            return vec![Difference::AppliedByAnotherRun(entry.name.clone(), id.clone())];
        }
        let Some(expected) = self.expected.get(id) else {
            return Vec::new();
        };
        match now.segments.get(id) {
            Some(remote) => name_and_lifecycle_changes(&expected.name, expected.lifecycle, remote),
            // No request shows such a cohort.
            None if id.is_unlisted_cohort() => Vec::new(),
            None => vec![Difference::Missing(expected.name.clone(), id.clone())],
        }
    }

    /// The segments that the plan references but does not write.
    fn changed_references(&self, now: &ObservedWorkspace) -> Vec<Difference> {
        let desired = self.plan.steps.iter().filter_map(|step| step.action.desired());
        let referenced: BTreeSet<SegmentId> = desired
            .flat_map(|desired| desired.referenced_ids(&self.plan.references))
            .collect();
        let written = self.target_ids();
        let changed = referenced.difference(&written).filter_map(|id| {
            let expected = self.expected.get(id)?;
            match now.segments.get(id) {
                Some(remote) if remote.name == expected.name => None,
                Some(remote) => Some(Difference::Renamed(expected.name.clone(), remote.name.clone())),
                // The first listing did not show it either.
                None if expected.lifecycle == Lifecycle::Archived => None,
                None => Some(Difference::Unlisted(expected.name.clone(), id.clone())),
            }
        });
        changed.collect()
    }

    fn definitions_taken(&self, now: &ObservedWorkspace, state: &State) -> Vec<Difference> {
        let written = self.target_ids();
        let remotes = now.segments.values();
        remotes
            .filter(|remote| remote.lifecycle == Lifecycle::Active && !written.contains(&remote.id))
            .filter_map(|remote| {
                let segment = self.conflicting_segment(remote, state)?;
                Some(Difference::DefinitionTaken(segment.clone(), segment_ref(remote)))
            })
            .collect()
    }

    /// The segment that gets the definition of a remote segment which became active after the plan. The API does not
    /// document whether the order of filters matters, so any order counts if the definition is known.
    fn conflicting_segment(&self, remote: &ObservedSegment, state: &State) -> Option<&SegmentName> {
        let mut writes = self.plan.definition_writes();
        let expected = self.expected.get(&remote.id);
        let found = match expected.and_then(|expected| Some((expected.lifecycle, expected.digest?))) {
            // The planner compared this definition.
            Some((Lifecycle::Active, _)) => None,
            Some((Lifecycle::Archived, digest)) => {
                writes.find(|(_, desired)| desired.digests.exact == digest)
            }
            None => {
                let definition = written_definition(state, remote)?;
                let digests = Digests::of(definition, &self.plan.references.identities);
                writes.find(|(_, desired)| desired.digests.unordered == digests.unordered)
            }
        };
        found.map(|(segment, _)| segment)
    }

    fn names_taken(&self, now: &ObservedWorkspace) -> Vec<Difference> {
        let assigned: BTreeSet<&SegmentName> = self.plan.steps.iter().filter_map(assigned_name).collect();
        let written = self.target_ids();
        let is_new_name = |remote: &&ObservedSegment| {
            let expected = self.expected.get(&remote.id);
            expected.is_none_or(|expected| expected.name != remote.name) && !written.contains(&remote.id)
        };
        let renamed = now.segments.values().filter(is_new_name);
        renamed
            .filter(|remote| assigned.contains(&remote.name))
            .map(|remote| Difference::NameTaken(remote.name.clone(), remote.id.clone()))
            .collect()
    }
}

fn digest(saved_plan: &Value) -> String {
    let text = serde_json_canonicalizer::to_string(saved_plan);
    let text = text.expect("a JSON value has finite numbers and text as keys");
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

impl ExpectedSegment {
    fn of(remote: &ObservedSegment, state: &State, references: &ResolvedReferences) -> Self {
        Self {
            name: remote.name.clone(),
            lifecycle: remote.lifecycle,
            digest: written_definition(state, remote).map(|payload| exact_digest(payload, references)),
        }
    }
}

fn name_and_lifecycle_changes(
    name: &SegmentName,
    lifecycle: Lifecycle,
    remote: &ObservedSegment,
) -> Vec<Difference> {
    let mut found = Vec::new();
    if remote.name != *name {
        found.push(Difference::Renamed(name.clone(), remote.name.clone()));
    }
    match (lifecycle, remote.lifecycle) {
        (Lifecycle::Active, Lifecycle::Archived) => found.push(Difference::Archived(name.clone())),
        (Lifecycle::Archived, Lifecycle::Active) => found.push(Difference::Unarchived(name.clone())),
        (Lifecycle::Active, Lifecycle::Active) | (Lifecycle::Archived, Lifecycle::Archived) => {}
    }
    found
}

fn target_ids(plan: &Plan) -> BTreeSet<SegmentId> {
    let targets = plan.steps.iter().filter_map(|step| step.action.target());
    targets.map(|target| target.id.clone()).collect()
}

fn assigned_name(step: &Step) -> Option<&SegmentName> {
    match &step.action {
        Action::Create(_) => Some(&step.segment),
        Action::Update(update) => Some(&update.name).filter(|_| update.renames()),
        Action::SyncCohort(_) | Action::UploadUserList(_) => {
            Some(&step.segment).filter(|_| step.action.target().is_none())
        }
        Action::Archive(_) | Action::Unarchive(_) => None,
    }
}
