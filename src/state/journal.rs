//! The journal: numbered objects, each with the entries of one append.
//!
//! They follow one generation of `state.json`. Object 1 exists before the state that refers to it and has no entries.

use super::file_format::JSON_EXTENSION;
use super::journal_entry::JournalEntry;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

pub(super) const JOURNAL_FOLDER: &str = "journal";

/// Sorts in the order in which the objects were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalPosition {
    pub(super) generation: u64,
    /// Counted from 1.
    pub(super) number: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JournalObject<'a> {
    /// Also the name of the object: one that was moved is damage.
    pub(super) position: JournalPosition,
    pub(super) entries: Cow<'a, [JournalEntry]>,
}

impl JournalPosition {
    pub(super) fn first(generation: u64) -> Self {
        let number = 1;
        Self { generation, number }
    }

    pub(super) fn next(self) -> Self {
        let number = self.number + 1;
        Self { number, ..self }
    }

    pub(super) fn name(self) -> String {
        let Self { generation, number } = self;
        format!("{JOURNAL_FOLDER}/{generation}-{number}{JSON_EXTENSION}")
    }

    fn from_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(JOURNAL_FOLDER)?.strip_prefix('/')?;
        let (generation, number) = rest.strip_suffix(JSON_EXTENSION)?.split_once('-')?;
        let (generation, number) = (generation.parse().ok()?, number.parse().ok()?);
        let position = Self { generation, number };
        (position.name() == name).then_some(position)
    }
}

pub(super) fn parse_names(names: &[String]) -> Vec<JournalPosition> {
    let positions = names.iter().filter_map(|name| JournalPosition::from_name(name));
    let mut positions: Vec<JournalPosition> = positions.collect();
    positions.sort_unstable();
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_objects_are_sorted_in_write_order() {
        let names = [
            "journal/9-10.json",
            "journal/10-1.json",
            "journal/9-2.json",
            "journal/9-x.json",
            "journal/9-02.json",
        ];
        let positions = parse_names(&names.map(str::to_owned));
        let sorted: Vec<String> = positions.iter().map(|position| position.name()).collect();
        assert_eq!(
            sorted,
            ["journal/9-2.json", "journal/9-10.json", "journal/10-1.json"]
        );
        assert_eq!(positions[1].next().name(), "journal/9-11.json");
    }
}
