//! The names of a journal's objects.

pub(super) const JOURNAL_FOLDER: &str = "journal";

/// Sorts in the order in which the objects were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct JournalObject {
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
        let object = Self { generation, number };
        (object.name() == name).then_some(object)
    }
}

pub(super) fn parse_names(names: Vec<String>) -> Vec<JournalObject> {
    let mut objects: Vec<JournalObject> = names
        .iter()
        .filter_map(|name| JournalObject::from_name(name))
        .collect();
    objects.sort_unstable();
    objects
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
        let objects = parse_names(names.map(str::to_owned).into());
        let sorted: Vec<String> = objects.iter().map(JournalObject::name).collect();
        assert_eq!(
            sorted,
            ["journal/9/2.jsonl", "journal/9/10.jsonl", "journal/10/1.jsonl"]
        );
        assert_eq!(objects[1].next().name(), "journal/9/11.jsonl");
    }
}
