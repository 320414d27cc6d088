//! The format of `journal.jsonl`: one entry a line, appended during a run.
//!
//! The first line contains the generation of `state.json` that the entries follow. It is never incomplete, since the file
//! is created atomically. Every line has its own checksum, which distinguishes a crash from a later change. Only the last line may
//! be incomplete, since no write is sent before its entry is on the disk.

use super::checksum::{checksum, has_checksum};
use super::journal_entry::JournalEntry;
use crate::model::json_from_file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalLine<'a> {
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

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) base_generation: u64,
    pub(super) entries: Vec<JournalEntry>,
}

pub(super) fn encode_header(base_generation: u64) -> String {
    encode_line(&JournalHeader {
        format_version: VERSION,
        base_generation,
    })
}

pub(super) fn encode_lines(entries: &[JournalEntry]) -> String {
    entries.iter().map(encode_line).collect()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Journal, String> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let header: Option<JournalHeader> = lines.next().and_then(decode_line);
    let header = header.ok_or("its first line is damaged")?;
    if header.format_version != VERSION {
        return Err(format!(
            "its format version is {}, and this segctl reads version {VERSION}",
            header.format_version
        ));
    }
    let mut entries = Vec::new();
    for (line, number) in lines.zip(2..) {
        match decode_line(line) {
            Some(entry) => entries.push(entry),
            // Only the last line can lack its end.
            None if !line.ends_with(b"\n") => {}
            None => return Err(format!("line {number} is damaged")),
        }
    }
    Ok(Journal {
        base_generation: header.base_generation,
        entries,
    })
}

fn encode_line(record: &impl Serialize) -> String {
    let record = to_raw_value(record).expect("structures of text and numbers serialize");
    let line = JournalLine {
        checksum: checksum(record.get()),
        record: &record,
    };
    serde_json::to_string(&line).expect("structures of text and numbers serialize") + "\n"
}

/// `None` for a line that is incomplete or damaged.
fn decode_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let text = line.strip_suffix(b"\n")?;
    let line: JournalLine<'_> = serde_json::from_slice(text).ok()?;
    let record = line.record.get();
    let is_intact = has_checksum(record, &line.checksum);
    is_intact.then(|| json_from_file(record).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::journal_entry::StepKey;
    use super::*;
    use crate::model::SegmentId;

    fn entries() -> Vec<JournalEntry> {
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
        let text = encode_header(7) + &encode_lines(&entries());
        let complete = decode(text.as_bytes()).unwrap();
        assert_eq!((complete.base_generation, complete.entries), (7, entries()));
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        for cut in 0..text.len() {
            let journal = decode(&text.as_bytes()[..cut]).ok();
            let complete_lines = ends.iter().filter(|end| **end <= cut).count();
            let found = journal.map(|journal| journal.entries.len() + 1);
            assert_eq!(found.unwrap_or_default(), complete_lines, "cut at {cut}");
        }
    }

    #[test]
    fn damage_other_than_truncation_is_rejected() {
        let text = encode_header(7) + &encode_lines(&entries());
        for (from, to, reason) in [
            ("\"base_generation\":7", "\"base_generation\":8", "first line"),
            ("\"forgotten\":\"a\"", "\"forgotten\":\"b\"", "line 2"),
            ("\"step\":1", "\"step\":2", "line 3"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text);
            let error = decode(damaged.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let newer = encode_line(&JournalHeader {
            format_version: VERSION + 1,
            base_generation: 0,
        });
        let error = decode(newer.as_bytes()).unwrap_err();
        assert!(error.contains("format version is 2"), "{error}");
    }
}
