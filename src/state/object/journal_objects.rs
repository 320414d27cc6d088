//! The names of a journal's objects.

/// Where they are.
pub(super) const JOURNAL_FOLDER: &str = "journal";

/// One object of a journal; they sort in the order in which they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JournalObject {
    /// The generation of the ledger that it follows.
    pub(super) generation: u64,
    /// Counted from 1.
    pub(super) number: u64,
}

impl JournalObject {
    pub(super) fn first(generation: u64) -> Self {
        let number = 1;
        Self { generation, number }
    }

    pub(super) fn next(self) -> Self {
        let number = self.number + 1;
        Self { number, ..self }
    }

    pub(super) fn name(&self) -> String {
        let Self { generation, number } = self;
        format!("{JOURNAL_FOLDER}/{generation}/{number}.jsonl")
    }

    fn from_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(JOURNAL_FOLDER)?.strip_prefix('/')?;
        let (generation, number) = rest.strip_suffix(".jsonl")?.split_once('/')?;
        let (generation, number) = (generation.parse().ok()?, number.parse().ok()?);
        let piece = Self { generation, number };
        (piece.name() == name).then_some(piece)
    }
}

/// The pieces among these names, in their order; other objects are nobody's business.
pub(super) fn parse_names(names: Vec<String>) -> Vec<JournalObject> {
    let mut pieces: Vec<JournalObject> = names
        .iter()
        .filter_map(|name| JournalObject::from_name(name))
        .collect();
    pieces.sort_unstable();
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_objects_are_sorted_in_write_order() {
        let names = [
            "journal/9/10.jsonl",
            "journal/10/1.jsonl",
            "journal/9/2.jsonl",
            "journal/9/x.jsonl",
            "journal/9/02.jsonl",
        ];
        let pieces = parse_names(names.map(str::to_owned).into());
        let read: Vec<String> = pieces.iter().map(JournalObject::name).collect();
        assert_eq!(
            read,
            ["journal/9/2.jsonl", "journal/9/10.jsonl", "journal/10/1.jsonl"]
        );
        assert_eq!(pieces[1].next().name(), "journal/9/11.jsonl");
    }
}
