//! What the ledger knows of one segment.

use super::{Sent, Uploaded};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentKind, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Replaced definitions that are kept of one segment. MoEngage's own history holds the last 20 edits.
pub const REPLACED_LIMIT: usize = 20;

/// What was last applied to one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
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
    pub only_kept: bool,
    /// Its definition with the ids of all references; `None` when it was only put away or taken out again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Payload>,
    /// The exact digest of the definition at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Whom it has, where its members are sent; `None` also where nothing is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Box<Sent>>,
    /// Whom it has, where its users are uploaded; `None` also where nothing is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded: Option<Box<Uploaded>>,
    /// Names it had before: reserved for ever where a rename does not free names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<SegmentName>,
    /// Definitions that were replaced, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Replaced>,
    /// How many older ones were dropped: the number of one that is kept never changes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: usize,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// Which run applied it.
    pub run: String,
}

/// A definition that is not in the workspace any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The segment's name at that time.
    pub name: SegmentName,
    /// What the service showed before it was overwritten.
    pub definition: Payload,
    /// When it was overwritten.
    pub replaced_at: Timestamp,
    /// Which run overwrote it.
    pub run: String,
}

impl Entry {
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
            only_kept: false,
            definition: None,
            digest: None,
            sent: None,
            uploaded: None,
            former_names: Vec::new(),
            replaced: Vec::new(),
            dropped: 0,
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
    pub fn keep(&mut self, replaced: Replaced) {
        // A run that is repeated after a crash overwrites the same definition again: it is the one that does it.
        let is_same =
            |last: &&mut Replaced| last.definition == replaced.definition && last.name == replaced.name;
        match self.replaced.last_mut().filter(is_same) {
            Some(last) => *last = replaced,
            None => self.replaced.push(replaced),
        }
        let beyond = self.replaced.len().saturating_sub(REPLACED_LIMIT);
        self.replaced.drain(..beyond);
        self.dropped = self.dropped.saturating_add(beyond);
    }

    /// The entry with the definitions that `other` keeps.
    #[must_use]
    pub fn with_history_of(self, other: &Self) -> Self {
        Self {
            replaced: other.replaced.clone(),
            dropped: other.dropped,
            ..self
        }
    }

    /// Definitions that were replaced, oldest first, each with its number: 1 is the first that was ever kept.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Replaced)> {
        let replaced = self.replaced.iter().enumerate();
        replaced.map(|(index, replaced)| (self.dropped.saturating_add(index + 1), replaced))
    }

    /// The definition that was replaced and has `number`, as long as it is kept.
    #[must_use]
    pub fn replaced_as(&self, number: usize) -> Option<&Replaced> {
        let index = number.checked_sub(self.dropped.saturating_add(1))?;
        self.replaced.get(index)
    }

    /// Whether the segment had `name` at some time, as far as is known.
    #[must_use]
    pub fn had(&self, name: &SegmentName) -> bool {
        let replaced = self.replaced.iter().map(|replaced| &replaced.name);
        let mut names = self.former_names.iter().chain(replaced).chain([&self.name]);
        names.any(|known| known == name)
    }

    /// Gives the segment another name and remembers the one it had.
    pub fn rename(&mut self, name: SegmentName) {
        if name == self.name {
            return;
        }
        let former = std::mem::replace(&mut self.name, name);
        self.former_names
            .retain(|known| *known != former && *known != self.name);
        self.former_names.push(former);
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

    fn entry() -> Entry {
        Entry::new(
            SegmentId::new("a1"),
            SegmentName::new("One"),
            Timestamp::UNIX_EPOCH,
        )
    }

    fn replaced(amount: usize) -> Replaced {
        Replaced {
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
    fn a_number_means_the_same_definition_for_as_long_as_it_is_kept() {
        let mut entry = entry();
        for amount in 1..=REPLACED_LIMIT + 5 {
            entry.keep(replaced(amount));
            // A run that is repeated uses no number up.
            entry.keep(replaced(amount));
            let numbers: Vec<usize> = entry.numbered().map(|(number, _)| number).collect();
            let oldest = amount.saturating_sub(REPLACED_LIMIT) + 1;
            assert_eq!(numbers, (oldest..=amount).collect::<Vec<_>>());
            for number in numbers {
                assert_eq!(entry.replaced_as(number), Some(&replaced(number)));
            }
            for number in [0, oldest - 1, amount + 1, usize::MAX] {
                assert_eq!(entry.replaced_as(number), None);
            }
        }
    }

    #[test]
    fn what_a_run_did_not_come_to_replace_is_replaced_by_the_next() {
        let mut entry = entry();
        entry.keep(replaced(1));
        let again = Replaced {
            replaced_at: Timestamp::from_second(60).unwrap(),
            run: "next".to_owned(),
            ..replaced(1)
        };
        entry.keep(again.clone());
        assert_eq!(entry.numbered().collect::<Vec<_>>(), [(1, &again)]);
    }

    #[test]
    fn an_entry_of_before_there_were_numbers_is_read_and_numbered_from_then_on() {
        let mut entry = entry();
        for amount in 1..=REPLACED_LIMIT {
            entry.keep(replaced(amount));
        }
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(written.get("dropped"), None);
        let mut read: Entry = serde_json::from_value(written).unwrap();
        read.keep(replaced(REPLACED_LIMIT + 1));
        assert_eq!(read.replaced_as(2), Some(&replaced(2)));
        let written: Value = serde_json::to_value(&read).unwrap();
        assert_eq!(written.get("dropped"), Some(&json!(1)));
        assert_eq!(serde_json::from_value::<Entry>(written).unwrap(), read);
    }

    #[test]
    fn a_segment_is_known_by_every_name_it_had() {
        let mut entry = entry();
        entry.rename(SegmentName::new("Two"));
        entry.keep(Replaced {
            name: SegmentName::new("By hand"),
            ..replaced(1)
        });
        for (name, had) in [("One", true), ("Two", true), ("By hand", true), ("Three", false)] {
            assert_eq!(entry.had(&SegmentName::new(name)), had, "{name}");
        }
    }
}
