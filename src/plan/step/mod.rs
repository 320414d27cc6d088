//! The plan as a value: steps in the order to run them, what forbids running them, and the reasons.
//!
//! All choices are made here and none later: `apply` runs steps, `render` shows them, and both ask a step what it
//! wants rather than deciding themselves. A plan can be written to a file and read again: it holds no secret, and
//! everything that it was decided upon.

mod action;
mod desired;
mod drift;
mod finding;

pub use action::{
    Action, Cause, ChangeWithCause, CohortSync, MatchReason, Target, TemporaryChange, UpdateAction,
    UserListUpload,
};
pub use desired::{DesiredDefinition, ResolvedReferences, exact_digest};
pub use drift::{Drift, LifecycleDrift};
pub use finding::{Conflict, DeclaredRef, ExceededLimit, FixedField, GuardViolation, RemoteRef, Warning};

use crate::model::{
    Cohort, EndpointClass, FileSegment, Lifecycle, ListSummary, Origin, Payload, SegmentId, SegmentName,
    UserListFingerprint,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a workspace needs to become what the files say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// Where the workspace is, for people: `MoEngage DC 01`, an address, or the sandbox's file.
    pub endpoint: String,
    /// The steps, each after all that it depends on.
    pub steps: Vec<Step>,
    /// Declared segments that are as they should be.
    pub unchanged: Vec<Unchanged>,
    /// Declared segments that need no write and of which the ledger does not know what it should.
    pub state_updates: Vec<StateUpdate>,
    /// Live segments that are neither declared nor owned, by name: never touched.
    pub unmanaged: Vec<SegmentRef>,
    /// What changed in the workspace since it was last applied.
    pub drift: Vec<Drift>,
    /// What cannot be applied.
    pub conflicts: Vec<Conflict>,
    /// What is too much to be applied without being told.
    pub guard_violations: Vec<GuardViolation>,
    /// What is likely not meant, but forbids nothing.
    pub warnings: Vec<Warning>,
    /// What `--target` and `--exclude` left out.
    pub excluded: Excluded,
    /// Which live segment each reference means, as far as known before the first step.
    pub references: ResolvedReferences,
}

/// A live segment by both of its names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRef {
    /// Its name at the service.
    pub name: SegmentName,
    /// Its id.
    pub id: SegmentId,
}

/// A declared segment that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {
    /// The declared name.
    pub segment: SegmentName,
    /// The live segment and why it is taken for it; `None` where nothing is live and nothing should be.
    pub remote: Option<(SegmentId, MatchReason)>,
}

/// What a selection left out of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    /// How many steps.
    pub steps: usize,
    /// Whether some of them fit no `--target`.
    pub by_target: bool,
    /// Whether some of them fit `--exclude`, or depend on what does.
    pub by_exclude: bool,
    /// Segments that would be in the plan if they did not depend on what `--exclude` names.
    pub dependents: Vec<Dependent>,
}

/// A segment, and the one that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependent {
    /// The name of its steps.
    pub segment: SegmentName,
    /// The name of the other's.
    pub depends_on: SegmentName,
}

/// What the ledger should know of a segment that is as its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateUpdate {
    /// The declared name.
    pub segment: SegmentName,
    /// The live segment.
    pub id: SegmentId,
    /// Whether it is in use.
    pub lifecycle: Lifecycle,
    /// Whether its file protects it.
    pub protect: bool,
    /// What is live.
    pub definition: Option<Payload>,
    /// Why it is taken for the declared segment.
    pub matched_by: MatchReason,
    /// Whether this is the first contact with it.
    pub adopts: bool,
    /// Whom it is taken to have without having been sent, where somebody said so.
    pub assumed_members: Option<AssumedMembers>,
}

/// A list that a segment is taken to have: what the ledger says of it from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssumedMembers {
    /// The members of a cohort.
    Members(Cohort, ListSummary),
    /// The users of a file segment.
    Users(FileSegment, UserListFingerprint),
}

/// How many steps a plan has of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Segments made.
    pub create: usize,
    /// Segments changed; one that takes two steps to change is one.
    pub update: usize,
    /// Segments put away.
    pub archive: usize,
    /// Segments taken out again.
    pub unarchive: usize,
    /// Declared segments met for the first time, changed or not.
    pub adopt: usize,
    /// Segments put away that segctl never met before and that only a pattern in `owns` names.
    pub archive_unmanaged: usize,
}

/// One write, and what has to come before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// 1-based place in the plan.
    pub number: usize,
    /// The declared name; the live one of a segment that no file declares.
    pub segment: SegmentName,
    /// The write.
    pub action: Action,
    /// Steps that have to be applied before.
    pub depends_on: Vec<usize>,
    /// Where the segment is declared; `None` when no file declares it.
    pub origin: Option<Origin>,
    /// Whether its file protects it.
    pub protect: bool,
    /// Whether this is the first contact with a live segment that somebody else made.
    pub adopts: bool,
    /// For the sake of which segments it is there, where `--target` did not name its own.
    pub required_by: Vec<SegmentName>,
    /// The segment that fits into the workspace once it is done, near the limit of active ones.
    pub frees_slot_for: Option<SegmentName>,
}

impl Plan {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether something forbids applying it.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.conflicts.is_empty() || !self.guard_violations.is_empty()
    }

    /// The definitions that can clash with those of others, and the segments that get them: those that steps store anew,
    /// and those that segments which are taken out again come back with. A rename alone sends what the segment has, and has
    /// kept others from having, already.
    pub fn definition_writes(&self) -> impl Iterator<Item = (&SegmentName, &DesiredDefinition)> {
        let unarchived: BTreeSet<&SegmentId> = self
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::Unarchive(_)))
            .filter_map(|step| Some(&step.action.target()?.id))
            .collect();
        let is_new = move |action: &Action| match action {
            Action::Update(change) => change.changes_definition() || unarchived.contains(&change.target.id),
            Action::Create(_)
            | Action::Archive(_)
            | Action::Unarchive(_)
            | Action::SyncCohort(_)
            | Action::UploadUserList(_) => true,
        };
        let steps = self.steps.iter().filter(move |step| is_new(&step.action));
        steps.filter_map(|step| Some((&step.segment, step.action.desired()?)))
    }

    /// The calls that applying it makes when nothing goes wrong, in their order: a list, then each step's read and write.
    #[must_use]
    pub fn requests(&self) -> Vec<EndpointClass> {
        if self.is_empty() {
            return Vec::new();
        }
        let of_step = |step: &Step| match &step.action {
            // There is nothing to read before a create: what is in its way answers with 409.
            Action::Create(_) => vec![EndpointClass::Create],
            Action::Update(_) => vec![EndpointClass::Get, EndpointClass::Update],
            Action::Archive(_) | Action::Unarchive(_) => vec![EndpointClass::Get, EndpointClass::Lifecycle],
            Action::UploadUserList(uploading) => match uploading.target {
                Some(_) => vec![EndpointClass::Get, EndpointClass::File],
                None => vec![EndpointClass::File],
            },
            Action::SyncCohort(sending) => {
                // What the first call made is looked up, since no answer has its id.
                let look = match sending.target {
                    Some(_) => vec![EndpointClass::Get],
                    None => vec![EndpointClass::List, EndpointClass::Get],
                };
                let calls = std::iter::repeat_n(EndpointClass::Cohort, sending.requests);
                look.into_iter().chain(calls).collect()
            }
        };
        let steps = self.steps.iter().flat_map(of_step);
        std::iter::once(EndpointClass::List).chain(steps).collect()
    }

    /// The steps, counted.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            adopt: self.state_updates.iter().filter(|record| record.adopts).count(),
            ..Summary::default()
        };
        for step in &self.steps {
            match &step.action {
                Action::Create(_)
                | Action::SyncCohort(CohortSync { target: None, .. })
                | Action::UploadUserList(UserListUpload { target: None, .. }) => summary.create += 1,
                Action::Update(change) if change.temporary_change.is_some() => {}
                Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_) => summary.update += 1,
                Action::Archive(_) => summary.archive += 1,
                Action::Unarchive(_) => summary.unarchive += 1,
            }
            match step.origin {
                Some(_) => summary.adopt += usize::from(step.adopts),
                None => summary.archive_unmanaged += usize::from(step.adopts),
            }
        }
        summary
    }
}
