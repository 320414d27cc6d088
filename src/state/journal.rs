//! The form of what a ledger keeps as it goes: one record a line, added to the end.
//!
//! The first line says which state of `ledger.json` the others follow. Every line carries its own checksum, so that one
//! that a crash cut short is told from one that somebody changed: the last line may lack its end, since nothing rests on a
//! record before it is on the disk; any other that does not check is damage. The first line is never cut short: the file is
//! put in its place when it is whole.

use super::checksum::checksum;
use super::journal_entry::JournalEntry;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The version of the format.
const VERSION: u32 = 3;

#[derive(Serialize)]
struct JournalLine {
    checksum: String,
    record: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJournalLine<'a> {
    checksum: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalHeader {
    format_version: u32,
    base_generation: u64,
}

/// What a journal holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// The generation of `ledger.json` that the records follow.
    pub(super) base_generation: u64,
    /// The records, in their order.
    pub(super) records: Vec<JournalEntry>,
}

/// The first line of a journal.
pub(super) fn encode_header(base_generation: u64) -> String {
    encode_line(&JournalHeader {
        format_version: VERSION,
        base_generation,
    })
}

/// The lines of some records.
pub(super) fn encode_lines(records: &[JournalEntry]) -> String {
    records.iter().map(encode_line).collect()
}

/// Reads a journal.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn decode(bytes: &[u8]) -> Result<Journal, String> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    let first = lines
        .next()
        .and_then(|(line, _)| decode_line::<JournalHeader>(line));
    let header = first.ok_or("its first line is damaged")?;
    if header.format_version != VERSION {
        return Err(format!(
            "it has format version {}, and this segctl knows {VERSION}",
            header.format_version
        ));
    }
    let mut records = Vec::new();
    for (line, number) in lines {
        match decode_line(line) {
            Some(record) => records.push(record),
            // Only the last line has no end.
            None if !line.ends_with(b"\n") => {}
            None => return Err(format!("line {number} is damaged")),
        }
    }
    Ok(Journal {
        base_generation: header.base_generation,
        records,
    })
}

fn encode_line(record: &impl Serialize) -> String {
    // Plain structures of text and numbers always serialise.
    let Ok(record) = to_raw_value(record) else {
        return String::new();
    };
    let line = JournalLine {
        checksum: checksum(record.get()),
        record,
    };
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

/// A line that is whole and as it was written.
fn decode_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let text = line.strip_suffix(b"\n")?;
    let line: RawJournalLine<'_> = serde_json::from_slice(text).ok()?;
    let record = line.record.get();
    let is_whole = line.checksum == checksum(record);
    is_whole.then(|| serde_json::from_str(record).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::journal_entry::StepKey;
    use super::*;
    use crate::model::SegmentId;

    fn records() -> Vec<JournalEntry> {
        let step = StepKey {
            run: "run".to_owned(),
            step: 1,
        };
        vec![
            JournalEntry::Forgotten(SegmentId::new("a")),
            JournalEntry::Resolved(step),
        ]
    }

    #[test]
    fn a_truncated_journal_yields_its_complete_entries() {
        let text = encode_header(7) + &encode_lines(&records());
        let whole = decode(text.as_bytes()).unwrap();
        assert_eq!((whole.base_generation, whole.records), (7, records()));
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        for cut in 0..text.len() {
            let read = decode(&text.as_bytes()[..cut]).ok();
            let whole_lines = ends.iter().filter(|end| **end <= cut).count();
            let found = read.map(|journal| journal.records.len() + 1);
            assert_eq!(found.unwrap_or_default(), whole_lines, "cut at {cut}");
        }
    }

    #[test]
    fn damage_other_than_truncation_is_rejected() {
        let text = encode_header(7) + &encode_lines(&records());
        for (from, to, reason) in [
            ("\"follows\":7", "\"follows\":8", "first line"),
            ("\"unknown\":\"a\"", "\"unknown\":\"b\"", "line 2"),
            ("\"step\":1", "\"step\":2", "line 3"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text);
            let refused = decode(damaged.as_bytes()).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
        let newer = encode_line(&JournalHeader {
            format_version: VERSION + 1,
            base_generation: 0,
        });
        assert!(decode(newer.as_bytes()).unwrap_err().contains("format version 4"));
    }
}
