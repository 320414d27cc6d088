//! The calls that every run on a ledger made: all of them count toward the same windows of the service.
//!
//! A line for each, added to the end before the call is sent. The first line says how many lines were dropped before it,
//! so that a reader knows which lines it has seen. The file may be lost or damaged at the price of a wait: a line that
//! cannot be read is passed over, and a file that cannot be used is begun anew.

use crate::model::{CallRecord, EndpointClass};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 2;

/// When so many lines count toward no window any more, the file is written anew.
const MOST_OLD_LINES: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format_version: u32,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Sent {
        class: EndpointClass,
        at: Timestamp,
    },
    Answered {
        class: EndpointClass,
        sent: Timestamp,
        at: Timestamp,
    },
    ListAndCreateApart,
}

/// What is in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requests<'a> {
    /// How many lines stood before the first one.
    dropped: u64,
    /// The lines after the first. They are read only where they are asked for: there are thousands, and a call asks for
    /// the newest few.
    lines: &'a [u8],
    /// Whether the file can be added to.
    is_begun: bool,
    /// Whether its last line was cut short.
    is_torn: bool,
}

impl<'a> Requests<'a> {
    /// Reads the file's bytes, if there is a file.
    pub(super) fn decode(bytes: Option<&'a [u8]>) -> Self {
        let bytes = bytes.unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (header, lines) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let header = serde_json::from_slice(header).ok();
        let Some(Header { dropped, .. }) = header.filter(|header: &Header| header.format_version == VERSION)
        else {
            return Self::default();
        };
        Self {
            dropped,
            lines,
            is_begun: true,
            is_torn: !bytes.ends_with(b"\n"),
        }
    }

    /// The lines, the last of which may be cut short.
    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines.split_inclusive(|byte| *byte == b'\n')
    }

    /// The records from number `from` on, counted from the first one that ever was.
    pub(super) fn since(&self, from: u64) -> Vec<CallRecord> {
        let skipped = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.lines().skip(skipped).filter_map(decode).collect()
    }

    /// Whether the file can be added to.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The number of the next record.
    pub(super) fn end(&self) -> u64 {
        self.dropped + self.lines().count() as u64
    }

    /// What has to be added to the file, or be a file's whole content, for these records to be in it.
    pub(super) fn addition(&self, records: &[CallRecord]) -> String {
        let mut text = String::new();
        if !self.is_begun {
            text.push_str(&header(self.dropped));
        }
        if self.is_torn {
            text.push('\n');
        }
        text.extend(records.iter().map(encode));
        text
    }

    /// The file without what was taken down before a moment, where that is worth it.
    pub(super) fn without_before(&self, moment: Timestamp) -> Option<String> {
        let is_old = |line: &Option<CallRecord>| match line {
            Some(CallRecord::Sent { at, .. } | CallRecord::Answered { at, .. }) => *at < moment,
            Some(CallRecord::Apart) | None => true,
        };
        let lines: Vec<Option<CallRecord>> = self.lines().map(decode).collect();
        let old = lines.iter().take_while(|line| is_old(line)).count();
        let (old, rest) = lines.split_at(old);
        if old.len() <= MOST_OLD_LINES {
            return None;
        }
        let is_apart = old.contains(&Some(CallRecord::Apart));
        // Takes the place of one that is dropped.
        let apart = is_apart.then_some(CallRecord::Apart);
        let dropped = self.dropped + (old.len() - usize::from(is_apart)) as u64;
        let kept = apart.into_iter().chain(rest.iter().copied().flatten());
        Some(kept.fold(header(dropped), |text, record| text + &encode(&record)))
    }
}

fn header(dropped: u64) -> String {
    let header = Header {
        format_version: VERSION,
        dropped,
    };
    line(&header)
}

fn encode(record: &CallRecord) -> String {
    line(&match *record {
        CallRecord::Sent { class, at } => Line::Sent { class, at },
        CallRecord::Answered { class, sent, at } => Line::Answered { class, sent, at },
        CallRecord::Apart => Line::ListAndCreateApart,
    })
}

fn line(value: &impl Serialize) -> String {
    // Plain structures of text and numbers always serialise.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

fn decode(line: &[u8]) -> Option<CallRecord> {
    Some(match serde_json::from_slice(line).ok()? {
        Line::Sent { class, at } => CallRecord::Sent { class, at },
        Line::Answered { class, sent, at } => CallRecord::Answered { class, sent, at },
        Line::ListAndCreateApart => CallRecord::Apart,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(second: i64) -> CallRecord {
        CallRecord::Sent {
            class: EndpointClass::Get,
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    fn file(records: &[CallRecord]) -> String {
        Requests::default().addition(records)
    }

    fn read(text: &str) -> Requests<'_> {
        Requests::decode(Some(text.as_bytes()))
    }

    #[test]
    fn what_is_added_is_read_from_where_a_reader_stopped() {
        let answered = CallRecord::Answered {
            class: EndpointClass::Create,
            sent: Timestamp::UNIX_EPOCH,
            at: Timestamp::from_second(2).unwrap(),
        };
        let mut text = file(&[sent(1), answered]);
        let requests = read(&text);
        assert_eq!((requests.since(0), requests.end()), (vec![sent(1), answered], 2));
        text.push_str(&requests.addition(&[CallRecord::Apart]));
        assert_eq!(read(&text).since(2), [CallRecord::Apart]);
        assert_eq!(read(&text).since(3), []);
    }

    #[test]
    fn a_torn_line_costs_itself_and_no_other() {
        let text = file(&[sent(1), sent(2)]);
        let torn = &text[..text.len() - 5];
        let requests = read(torn);
        assert_eq!((requests.since(0), requests.end()), (vec![sent(1)], 2));
        let text = torn.to_owned() + &requests.addition(&[sent(3)]);
        assert_eq!(read(&text).since(0), [sent(1), sent(3)]);
        assert_eq!(read(&text).since(2), [sent(3)]);
    }

    #[test]
    fn what_is_no_such_file_is_begun_anew() {
        for text in [
            "",
            "{",
            "{}\n",
            "{\"format_version\":9,\"dropped\":0}\n",
            "\u{fffd}",
        ] {
            let requests = read(text);
            assert_eq!(requests, Requests::default(), "{text}");
            assert_eq!(read(&requests.addition(&[sent(1)])).since(0), [sent(1)]);
        }
    }

    #[test]
    fn old_lines_are_dropped_together_and_the_others_keep_their_numbers() {
        let old = 1 + i64::try_from(MOST_OLD_LINES).unwrap();
        let mut records: Vec<CallRecord> = (0..old).map(sent).collect();
        records.insert(5, CallRecord::Apart);
        records.extend([sent(old), sent(old + 1)]);
        let text = file(&records);
        let requests = read(&text);
        let moment = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(requests.without_before(moment(old - 5)), None);
        let text = requests.without_before(moment(old)).unwrap();
        let kept = read(&text);
        assert_eq!(kept.since(0), [CallRecord::Apart, sent(old), sent(old + 1)]);
        assert_eq!(kept.end(), requests.end());
        assert_eq!(kept.since(requests.end() - 1), [sent(old + 1)]);
    }
}
