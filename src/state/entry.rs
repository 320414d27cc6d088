//! What the ledger knows of one segment.

use super::{CohortState, UploadState};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentKind, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Replaced definitions that are kept of one segment. MoEngage's own history holds the last 20 edits.
pub const REVISION_LIMIT: usize = 20;

/// What was last applied to one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateEntry {
    /// The segment's id.
    pub id: SegmentId,
    /// Its name when it was applied.
    pub name: SegmentName,
    /// What makes its members.
    pub kind: SegmentKind,
    /// Whether it was left in use.
    pub lifecycle: Lifecycle,
    /// Whether that may be wrong: a run was to put it away or to take it out and never learned whether that was done, at a
    /// service whose list shows archived segments as well.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lifecycle_unknown: bool,
    /// Whether its file protected it: remembered, since the file may be gone when it matters.
    #[serde(default)]
    pub protect: bool,
    /// Whether it is remembered only for a definition that a run was about to replace, or for a call whose end nobody
    /// knows: no write of it is known to have taken effect, so that it is nobody's of ours.
    #[serde(default, skip_serializing_if = "is_false")]
    pub history_only: bool,
    /// Its definition with the ids of all references; `None` when it was only put away or taken out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Payload>,
    /// The exact digest of the definition at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whom it has, where its members are sent; `None` also where nothing is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_state: Option<Box<CohortState>>,
    /// Whom it has, where its users are uploaded; `None` also where nothing is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_state: Option<Box<UploadState>>,
    /// Names it had before: reserved for ever where a rename does not free names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<SegmentName>,
    /// Definitions that were replaced, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// How many older ones were dropped: the number of one that is kept never changes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_revisions: usize,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Which run applied it.
    pub run: String,
}

/// A definition that is not in the workspace any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// The segment's name at that time.
    pub name: SegmentName,
    /// What the service showed before it was overwritten.
    pub definition: Payload,
    /// When it was overwritten.
    pub replaced_at: Timestamp,
    /// Which run overwrote it.
    pub run: String,
}

impl StateEntry {
    /// An active filter segment of which nothing else is known.
    #[must_use]
    pub fn new(id: SegmentId, name: SegmentName, applied_at: Timestamp) -> Self {
        Self {
            id,
            name,
            kind: SegmentKind::Filter,
            lifecycle: Lifecycle::Active,
            lifecycle_unknown: false,
            protect: false,
            history_only: false,
            definition: None,
            digest: None,
            cohort_state: None,
            upload_state: None,
            previous_names: Vec::new(),
            revisions: Vec::new(),
            dropped_revisions: 0,
            applied_at,
            run: String::new(),
        }
    }

    /// Learns for certain whether the segment is in use.
    pub fn set_lifecycle(&mut self, lifecycle: Lifecycle) {
        self.lifecycle = lifecycle;
        self.lifecycle_unknown = false;
    }

    /// Keeps a definition that is about to be overwritten.
    pub fn add_revision(&mut self, replaced: Revision) {
        // A run that is repeated after a crash overwrites the same definition again: it is the one that does it.
        let is_same =
            |last: &&mut Revision| last.definition == replaced.definition && last.name == replaced.name;
        match self.revisions.last_mut().filter(is_same) {
            Some(last) => *last = replaced,
            None => self.revisions.push(replaced),
        }
        let beyond = self.revisions.len().saturating_sub(REVISION_LIMIT);
        self.revisions.drain(..beyond);
        self.dropped_revisions = self.dropped_revisions.saturating_add(beyond);
    }

    /// The entry with the definitions that `other` keeps.
    #[must_use]
    pub fn with_revisions_of(self, other: &Self) -> Self {
        Self {
            revisions: other.revisions.clone(),
            dropped_revisions: other.dropped_revisions,
            ..self
        }
    }

    /// Definitions that were replaced, oldest first, each with its number: 1 is the first that was ever kept.
    pub fn numbered_revisions(&self) -> impl Iterator<Item = (usize, &Revision)> {
        let replaced = self.revisions.iter().enumerate();
        replaced.map(|(index, replaced)| (self.dropped_revisions.saturating_add(index + 1), replaced))
    }

    /// The definition that was replaced and has `number`, as long as it is kept.
    #[must_use]
    pub fn revision(&self, number: usize) -> Option<&Revision> {
        let index = number.checked_sub(self.dropped_revisions.saturating_add(1))?;
        self.revisions.get(index)
    }

    /// Whether the segment had `name` at some time, as far as is known.
    #[must_use]
    pub fn has_or_had_name(&self, name: &SegmentName) -> bool {
        let replaced = self.revisions.iter().map(|replaced| &replaced.name);
        let mut names = self.previous_names.iter().chain(replaced).chain([&self.name]);
        names.any(|known| known == name)
    }

    /// Gives the segment another name and remembers the one it had.
    pub fn rename(&mut self, name: SegmentName) {
        if name == self.name {
            return;
        }
        let former = std::mem::replace(&mut self.name, name);
        self.previous_names
            .retain(|known| *known != former && *known != self.name);
        self.previous_names.push(former);
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry() -> StateEntry {
        StateEntry::new(
            SegmentId::new("a1"),
            SegmentName::new("One"),
            Timestamp::UNIX_EPOCH,
        )
    }

    fn revision(amount: usize) -> Revision {
        Revision {
            name: SegmentName::new("One"),
            definition: Payload {
                included_filters: json!({"filter_operator": "and", "filters": [{"value": amount}]}),
                excluded_filters: None,
            },
            replaced_at: Timestamp::UNIX_EPOCH,
            run: "run".to_owned(),
        }
    }

    #[test]
    fn a_revision_number_is_stable_while_the_revision_is_stored() {
        let mut entry = entry();
        for amount in 1..=REVISION_LIMIT + 5 {
            entry.add_revision(revision(amount));
            // A run that is repeated uses no number up.
            entry.add_revision(revision(amount));
            let numbers: Vec<usize> = entry.numbered_revisions().map(|(number, _)| number).collect();
            let oldest = amount.saturating_sub(REVISION_LIMIT) + 1;
            assert_eq!(numbers, (oldest..=amount).collect::<Vec<_>>());
            for number in numbers {
                assert_eq!(entry.revision(number), Some(&revision(number)));
            }
            for number in [0, oldest - 1, amount + 1, usize::MAX] {
                assert_eq!(entry.revision(number), None);
            }
        }
    }

    #[test]
    fn an_interrupted_replacement_is_recorded_once() {
        let mut entry = entry();
        entry.add_revision(revision(1));
        let again = Revision {
            replaced_at: Timestamp::from_second(60).unwrap(),
            run: "next".to_owned(),
            ..revision(1)
        };
        entry.add_revision(again.clone());
        assert_eq!(entry.numbered_revisions().collect::<Vec<_>>(), [(1, &again)]);
    }

    #[test]
    fn an_entry_without_revision_numbers_is_read_and_numbered() {
        let mut entry = entry();
        for amount in 1..=REVISION_LIMIT {
            entry.add_revision(revision(amount));
        }
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(written.get("dropped"), None);
        let mut read: StateEntry = serde_json::from_value(written).unwrap();
        read.add_revision(revision(REVISION_LIMIT + 1));
        assert_eq!(read.revision(2), Some(&revision(2)));
        let written: Value = serde_json::to_value(&read).unwrap();
        assert_eq!(written.get("dropped"), Some(&json!(1)));
        assert_eq!(serde_json::from_value::<StateEntry>(written).unwrap(), read);
    }

    #[test]
    fn an_entry_matches_its_current_and_previous_names() {
        let mut entry = entry();
        entry.rename(SegmentName::new("Two"));
        entry.add_revision(Revision {
            name: SegmentName::new("By hand"),
            ..revision(1)
        });
        for (name, had) in [("One", true), ("Two", true), ("By hand", true), ("Three", false)] {
            assert_eq!(entry.has_or_had_name(&SegmentName::new(name)), had, "{name}");
        }
    }
}
