//! What a run appends to the journal: changes of the state, and writes that it is about to send.

use super::cohort_state::CohortState;
use super::entry::StateEntry;
use super::{AppliedPlan, PublishedFile, State};
use crate::model::{CohortKey, Identifier, Lifecycle, ListDigest, Payload, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalEntry {
    /// Replaces what the state records of a segment.
    StateEntry(StateEntry),
    Forgotten(SegmentId),
    AppliedPlan(AppliedPlan),
    /// A file was published for a segment without an entry.
    Published(PublishedFile),
    /// Such a file was deleted, or a segment has it now.
    Unpublished(ListDigest),
    /// A run is about to send a write. Its result is unknown until `Resolved`.
    Intent(Intent),
    Resolved(StepKey),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepKey {
    pub run: String,
    pub step: usize,
}

/// A write that is about to be sent: enough to verify later, by reading, whether it took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// A step has at most one write in flight.
    pub step: StepKey,
    /// The declared name; the remote name of a segment that is not in the configuration.
    pub segment: SegmentName,
    pub protect: bool,
    /// Of the declaration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<SegmentName>,
    /// By this machine's clock, as the times at which other writes were applied.
    pub at: Timestamp,
    /// By MoEngage's clock: how long the request may still arrive must not depend on a clock that was set.
    pub sent_at: Timestamp,
    /// Whether the step unarchives an unmanaged segment, which is archived again unless segctl adopts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rearchive_if_unadopted: bool,
    pub write: IntendedWrite,
}

/// A write to MoEngage, with ids in references. Each `digest` is the exact digest of its definition at planning time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IntendedWrite {
    Create {
        definition: Payload,
        digest: String,
    },
    Update {
        id: SegmentId,
        name: SegmentName,
        definition: Payload,
        digest: String,
    },
    /// Unarchives the unlisted segment that has a name, to find out which one it is.
    ProbeNameHolder {
        name: SegmentName,
        /// Its definition, if an unanswered create of this step or an earlier one created it.
        definition: Payload,
        digest: String,
    },
    CreateCohort {
        /// The members while the result of the request is unknown.
        cohort_state: Box<CohortState>,
    },
    CreateFileSegment {
        identifier: Identifier,
        expires_in_days: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        published_file: Option<ListDigest>,
    },
    SetLifecycle {
        id: SegmentId,
        name: SegmentName,
        lifecycle: Lifecycle,
    },
}

impl IntendedWrite {
    /// `None` if only the name of the segment is known.
    #[must_use]
    pub fn id(&self) -> Option<&SegmentId> {
        match self {
            Self::Update { id, .. } | Self::SetLifecycle { id, .. } => Some(id),
            Self::Create { .. }
            | Self::ProbeNameHolder { .. }
            | Self::CreateCohort { .. }
            | Self::CreateFileSegment { .. } => None,
        }
    }
}

impl Intent {
    #[must_use]
    pub fn published_file(&self) -> Option<PublishedFile> {
        let IntendedWrite::CreateFileSegment { published_file, .. } = &self.write else {
            return None;
        };
        Some(PublishedFile {
            name: published_file.clone()?,
            submitted_at: self.sent_at,
            upload: None,
            is_processed: false,
        })
    }

    #[must_use]
    pub fn targets(&self, id: &SegmentId, name: &SegmentName) -> bool {
        match self.write.id() {
            Some(target) => target == id,
            None => self.segment == *name,
        }
    }
}

impl State {
    pub fn apply_journal_entry(&mut self, entry: JournalEntry) {
        match entry {
            JournalEntry::StateEntry(entry) => self.record(entry),
            JournalEntry::Forgotten(id) => self.remove(&id),
            JournalEntry::AppliedPlan(plan) => self.record_applied_plan(plan),
            JournalEntry::Published(file) => {
                self.orphaned_files.insert(file.name.clone(), file);
            }
            JournalEntry::Unpublished(name) => {
                self.orphaned_files.remove(&name);
            }
            JournalEntry::Intent(intent) => {
                self.intents.insert(intent.step.clone(), intent);
            }
            JournalEntry::Resolved(step) => {
                self.intents.remove(&step);
            }
        }
    }

    #[must_use]
    pub fn intent(&self, step: &StepKey) -> Option<&Intent> {
        self.intents.get(step)
    }

    #[must_use]
    pub fn pending_creation(&self, key: &CohortKey) -> Option<CohortState> {
        let creations = self.intents().filter_map(|intent| match &intent.write {
            IntendedWrite::CreateCohort { cohort_state } if cohort_state.key == *key => {
                Some((cohort_state, intent.at))
            }
            _ => None,
        });
        // The latest includes the possible effects of the earlier ones.
        let (latest, _) = creations.max_by_key(|(_, at)| *at)?;
        Some((**latest).clone())
    }

    /// The writes with an unknown result, in the order of their steps.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.intents.values()
    }
}
