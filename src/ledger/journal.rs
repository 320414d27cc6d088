//! The form of what a ledger keeps as it goes: one record a line, added to the end.
//!
//! The first line says which state of `ledger.json` the others follow. Every line carries its own checksum, so that one
//! that a crash cut short is told from one that somebody changed: the last line may lack its end, since nothing rests on a
//! record before it is on the disk; any other that does not check is damage. The first line is never cut short: the file is
//! put in its place when it is whole.

use super::checksum::checksum;
use super::record::Record;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The version of the format.
const VERSION: u32 = 3;

#[derive(Serialize)]
struct Written {
    checksum: String,
    record: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'a> {
    checksum: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    follows: u64,
}

/// What a journal holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Journal {
    /// The generation of `ledger.json` that the records follow.
    pub(super) follows: u64,
    /// The records, in their order.
    pub(super) records: Vec<Record>,
}

/// The first line of a journal.
pub(super) fn header(follows: u64) -> String {
    line(&Header {
        format_version: VERSION,
        follows,
    })
}

/// The lines of some records.
pub(super) fn lines(records: &[Record]) -> String {
    records.iter().map(line).collect()
}

/// Reads a journal.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn decode(bytes: &[u8]) -> Result<Journal, String> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').zip(1..);
    let first = lines.next().and_then(|(line, _)| read::<Header>(line));
    let header = first.ok_or("its first line is damaged")?;
    if header.format_version != VERSION {
        return Err(format!(
            "it has format version {}, and this segctl knows {VERSION}",
            header.format_version
        ));
    }
    let mut records = Vec::new();
    for (line, number) in lines {
        match read(line) {
            Some(record) => records.push(record),
            // Only the last line has no end.
            None if !line.ends_with(b"\n") => {}
            None => return Err(format!("line {number} is damaged")),
        }
    }
    Ok(Journal {
        follows: header.follows,
        records,
    })
}

fn line(record: &impl Serialize) -> String {
    // Plain structures of text and numbers always serialise.
    let Ok(record) = to_raw_value(record) else {
        return String::new();
    };
    let line = Written {
        checksum: checksum(record.get()),
        record,
    };
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

/// A line that is whole and as it was written.
fn read<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let text = line.strip_suffix(b"\n")?;
    let line: Sealed<'_> = serde_json::from_slice(text).ok()?;
    let record = line.record.get();
    let is_whole = line.checksum == checksum(record);
    is_whole.then(|| serde_json::from_str(record).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::record::StepKey;
    use super::*;
    use crate::model::SegmentId;

    fn records() -> Vec<Record> {
        let step = StepKey {
            run: "run".to_owned(),
            step: 1,
        };
        vec![Record::Unknown(SegmentId::new("a")), Record::Settled(step)]
    }

    #[test]
    fn records_come_back_as_far_as_they_were_written() {
        let text = header(7) + &lines(&records());
        let whole = decode(text.as_bytes()).unwrap();
        assert_eq!((whole.follows, whole.records), (7, records()));
        let ends: Vec<usize> = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        for cut in 0..text.len() {
            let read = decode(&text.as_bytes()[..cut]).ok();
            let whole_lines = ends.iter().filter(|end| **end <= cut).count();
            let found = read.map(|journal| journal.records.len() + 1);
            assert_eq!(found.unwrap_or_default(), whole_lines, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_damaged_and_not_cut_short_is_refused() {
        let text = header(7) + &lines(&records());
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
        let newer = line(&Header {
            format_version: VERSION + 1,
            follows: 0,
        });
        assert!(decode(newer.as_bytes()).unwrap_err().contains("format version 4"));
    }
}
