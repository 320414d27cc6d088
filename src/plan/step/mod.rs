//! The plan as a value: the steps in their order, what blocks them, and the reasons.
//!
//! The planner makes all decisions; `apply` runs the steps and `render` shows them. A plan can be saved to a file.

mod action;
mod desired;
mod drift;
mod finding;

pub use crate::definition::request_form;
pub use action::{
    Action, Cause, ChangeWithCause, CohortSync, MatchReason, Target, TemporaryChange, UpdateAction,
    UserListUpload,
};
pub use desired::{DesiredDefinition, ResolvedReferences, exact_digest};
pub use drift::{Drift, LifecycleDrift};
pub use finding::{Code, Finding};

use crate::model::{
    Cohort, EndpointClass, FileSegment, Lifecycle, ListSummary, Origin, Payload, SegmentId, SegmentName,
    UserListFingerprint,
};
use crate::state::StateEntry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub workspace: String,
    /// `MoEngage DC 01`, a URL, or the sandbox's file.
    pub endpoint: String,
    /// Each after its dependencies.
    pub steps: Vec<Step>,
    pub unchanged: Vec<Unchanged>,
    /// For declared segments whose state entry is missing or outdated.
    pub state_updates: Vec<StateUpdate>,
    /// Neither declared nor managed, by name.
    pub unmanaged: Vec<SegmentRef>,
    pub drift: Vec<Drift>,
    pub conflicts: Vec<Finding>,
    pub guard_violations: Vec<Finding>,
    pub warnings: Vec<Finding>,
    pub excluded: Excluded,
    /// As known before the first step.
    pub references: ResolvedReferences,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SegmentRef {
    pub name: SegmentName,
    pub id: SegmentId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unchanged {
    pub segment: SegmentName,
    /// `None` for a segment that does not exist and is declared as archived.
    pub remote: Option<(SegmentId, MatchReason)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excluded {
    pub steps: usize,
    /// Whether some steps match no `--target`.
    pub by_target: bool,
    /// Whether some steps match `--exclude`, or depend on one that does.
    pub by_exclude: bool,
    /// Adoptions without a step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub adoptions: usize,
    /// Segments that are excluded only because they depend on an excluded one.
    pub dependents: Vec<Dependent>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dependent {
    pub segment: SegmentName,
    pub depends_on: SegmentName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateUpdate {
    pub segment: SegmentName,
    pub id: SegmentId,
    pub lifecycle: Lifecycle,
    pub protect: bool,
    /// Of the declaration; the state records that they are used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<SegmentName>,
    pub definition: Option<Payload>,
    pub matched_by: MatchReason,
    /// Whether the segment becomes managed.
    pub adopts: bool,
    /// Of `--assume-members-in-sync`.
    pub assumed_members: Option<AssumedMembers>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssumedMembers {
    Members(Cohort, ListSummary),
    Users(FileSegment, UserListFingerprint),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub create: usize,
    /// A segment with a temporary change counts once.
    pub update: usize,
    /// Steps that only free a name or a definition for another segment.
    #[serde(default)]
    pub temporary_changes: usize,
    pub archive: usize,
    pub unarchive: usize,
    /// Declared segments that become managed, changed or not.
    pub adopt: usize,
    /// Unmanaged segments that are archived because a pattern in `manages` matches them.
    #[serde(default)]
    pub archive_unmanaged: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// From 1, in the order of the plan.
    pub number: usize,
    /// The declared name; the remote name of an undeclared segment.
    pub segment: SegmentName,
    pub action: Action,
    pub depends_on: Vec<usize>,
    /// `None` for an undeclared segment.
    pub origin: Option<Origin>,
    pub protect: bool,
    /// Of the declaration; the state records that they are used up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<SegmentName>,
    /// Whether it is the first step of a segment that becomes managed.
    pub adopts: bool,
    /// The targeted segments that need the step, if `--target` does not match its own segment.
    pub required_by: Vec<SegmentName>,
    /// Near the limit of active segments, the segment that needs the slot.
    pub frees_slot_for: Option<SegmentName>,
}

impl SegmentRef {
    #[must_use]
    pub fn of_entry(entry: &StateEntry) -> Self {
        Self {
            name: entry.name.clone(),
            id: entry.id.clone(),
        }
    }
}

impl Plan {
    /// Whether an apply neither changes a segment nor adopts one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.adoptions().next().is_none()
    }

    /// The existing segments that match the configuration and become managed without a step.
    pub fn adoptions(&self) -> impl Iterator<Item = &StateUpdate> {
        self.state_updates.iter().filter(|update| update.adopts)
    }

    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.conflicts.is_empty() || !self.guard_violations.is_empty()
    }

    /// The definitions that can conflict with those of other segments: new ones, and those of unarchived segments. A mere
    /// rename sends the definition that the segment already has.
    pub fn definition_writes(&self) -> impl Iterator<Item = (&SegmentName, &DesiredDefinition)> {
        let steps = self.steps.iter();
        let unarchived: BTreeSet<&SegmentId> = steps
            .filter_map(|step| match &step.action {
                Action::Unarchive(target) => Some(&target.id),
                _ => None,
            })
            .collect();
        let is_new = move |step: &&Step| match &step.action {
            Action::Update(update) => update.changes_definition() || unarchived.contains(&update.target.id),
            _ => true,
        };
        let steps = self.steps.iter().filter(is_new);
        steps.filter_map(|step| Some((&step.segment, step.action.desired()?)))
    }

    /// The API requests of an apply without errors, in order: one list, then the read and the write of each step.
    #[must_use]
    pub fn requests(&self) -> Vec<EndpointClass> {
        if self.steps.is_empty() {
            return Vec::new();
        }
        let of_step = |step: &Step| match &step.action {
            // A create needs no read: the API answers a conflict with 409.
            Action::Create(_) => vec![EndpointClass::Create],
            Action::Update(_) => vec![EndpointClass::Get, EndpointClass::Update],
            Action::Archive(_) | Action::Unarchive(_) => vec![EndpointClass::Get, EndpointClass::Lifecycle],
            Action::UploadUserList(upload) => match upload.target {
                Some(_) => vec![EndpointClass::Get, EndpointClass::File],
                None => vec![EndpointClass::File],
            },
            Action::SyncCohort(sync) => {
                // The answer of a create does not contain the id, so the listing is searched for it.
                let mut requests = match &sync.target {
                    // No answer shows such a cohort.
                    Some(target) if target.id.is_unlisted_cohort() => Vec::new(),
                    Some(_) => vec![EndpointClass::Get],
                    None => vec![EndpointClass::List, EndpointClass::Get],
                };
                requests.extend(std::iter::repeat_n(EndpointClass::Cohort, sync.requests));
                requests
            }
        };
        let steps = self.steps.iter().flat_map(of_step);
        std::iter::once(EndpointClass::List).chain(steps).collect()
    }

    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            adopt: self.adoptions().count(),
            ..Summary::default()
        };
        for step in &self.steps {
            match &step.action {
                Action::Create(_)
                | Action::SyncCohort(CohortSync { target: None, .. })
                | Action::UploadUserList(UserListUpload { target: None, .. }) => summary.create += 1,
                Action::Update(update) if update.temporary_change.is_some() => {
                    summary.temporary_changes += 1;
                }
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

fn is_zero(count: &usize) -> bool {
    *count == 0
}
