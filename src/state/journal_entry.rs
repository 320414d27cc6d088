//! What a run takes down while it goes on: changes of the ledger, and writes that it is about to make.

use super::cohort_state::CohortState;
use super::entry::StateEntry;
use super::{AppliedPlan, PublishedFile, State};
use crate::model::{CohortKey, Identifier, Lifecycle, ListDigest, Payload, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One change of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalEntry {
    /// What is known of a segment from now on, in place of what was known.
    StateEntry(StateEntry),
    /// Nothing is known of a segment any more.
    Forgotten(SegmentId),
    /// A saved plan is being applied.
    AppliedPlan(AppliedPlan),
    /// A file is published for a segment of which nothing is known.
    Published(PublishedFile),
    /// Such a file is not there any more, or is that of a segment by now.
    Unpublished(ListDigest),
    /// A write is about to be made. Until it is settled nobody knows whether it was.
    Intent(Intent),
    /// What became of a write is known.
    Resolved(StepKey),
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepKey {
    /// The run.
    pub run: String,
    /// The number of its step.
    pub step: usize,
}

/// A write that is about to be made: enough to tell later, by reading, whether it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The step that makes it. A step has one write under way at a time.
    pub step: StepKey,
    /// The declared name; the live one of a segment that no file declares.
    pub segment: SegmentName,
    /// Whether the segment's file protects it.
    pub protect: bool,
    /// When it was about to be made.
    pub at: Timestamp,
    /// Whether the step takes out, or took out, an archived segment that is not ours, and that is to be archived again
    /// unless it becomes ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rearchive_if_unadopted: bool,
    /// The write.
    pub write: IntendedWrite,
}

/// A write to the service, with the ids of all references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum IntendedWrite {
    /// A segment is made under the declared name.
    Create {
        /// Its definition.
        definition: Payload,
        /// The exact digest of it, as the plan knew what references mean.
        digest: String,
    },
    /// A segment is changed.
    Update {
        /// Which.
        id: SegmentId,
        /// The name it is to have.
        name: SegmentName,
        /// The definition it is to have.
        definition: Payload,
        /// The exact digest of it, as the plan knew what references mean.
        digest: String,
    },
    /// Whoever has a name and is not listed is taken out, to see who it is.
    ProbeNameHolder {
        /// The name.
        name: SegmentName,
        /// The definition that it has if it is what the step, or one before it, made in a call that was not answered.
        definition: Payload,
        /// The exact digest of it, as the plan knew what references mean.
        digest: String,
    },
    /// A cohort is made by the first call that sends members.
    CreateCohort {
        /// What is known of its members when the call was made and nobody knows what came of it.
        cohort_state: Box<CohortState>,
    },
    /// A file segment is made.
    CreateFileSegment {
        /// What the values of its list are.
        identifier: Identifier,
        /// Days after which the service archives it.
        expires_in_days: u32,
        /// The file that is put where the service reads it, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        published_file: Option<ListDigest>,
    },
    /// A segment is put away or taken out.
    SetLifecycle {
        /// Which.
        id: SegmentId,
        /// Its name at the service.
        name: SegmentName,
        /// What it is to be.
        lifecycle: Lifecycle,
    },
}

impl IntendedWrite {
    /// The segment that is written; `None` where it is known by its name only.
    #[must_use]
    pub fn id(&self) -> Option<&SegmentId> {
        match self {
            Self::Create { .. }
            | Self::ProbeNameHolder { .. }
            | Self::CreateCohort { .. }
            | Self::CreateFileSegment { .. } => None,
            Self::Update { id, .. } | Self::SetLifecycle { id, .. } => Some(id),
        }
    }
}

impl Intent {
    /// The file that is put where the service reads it.
    #[must_use]
    pub fn published_file(&self) -> Option<PublishedFile> {
        let IntendedWrite::CreateFileSegment {
            published_file: published,
            ..
        } = &self.write
        else {
            return None;
        };
        Some(PublishedFile {
            name: published.clone()?,
            submitted_at: self.at,
            upload: None,
            is_processed: false,
        })
    }

    /// Whether a segment of this id and name is the one that is written, as far as is known.
    #[must_use]
    pub fn targets(&self, id: &SegmentId, name: &SegmentName) -> bool {
        match self.write.id() {
            Some(written) => written == id,
            None => self.segment == *name,
        }
    }
}

impl State {
    /// Takes down one change.
    pub fn apply_journal_entry(&mut self, record: JournalEntry) {
        match record {
            JournalEntry::StateEntry(entry) => self.record(entry),
            JournalEntry::Forgotten(id) => self.remove(&id),
            JournalEntry::AppliedPlan(plan) => self.record_applied_plan(plan),
            JournalEntry::Published(published) => {
                self.orphaned_files.insert(published.name.clone(), published);
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

    /// The write of a step of which nobody knows whether it was made.
    #[must_use]
    pub fn intent(&self, step: &StepKey) -> Option<&Intent> {
        self.intents.get(step)
    }

    /// What is known of the members of a cohort that a run was about to make, as long as nobody knows whether it did.
    #[must_use]
    pub fn pending_creation(&self, key: &CohortKey) -> Option<CohortState> {
        let begun = self.intents().filter_map(|intent| match &intent.write {
            IntendedWrite::CreateCohort { cohort_state: sent } if sent.key == *key => Some((sent, intent.at)),
            _ => None,
        });
        // The last knows what those before it may have done.
        let (sent, _) = begun.max_by_key(|(_, at)| *at)?;
        Some((**sent).clone())
    }

    /// Writes of which nobody knows whether they were made, in the order of their steps.
    pub fn intents(&self) -> impl Iterator<Item = &Intent> {
        self.intents.values()
    }
}
