//! The calls that every run on a ledger made: all of them count toward the same windows of the service.
//!
//! A line for each, added to the end before the call is sent. The first line says how many lines were dropped before it,
//! so that a reader knows which lines it has seen. The file may be lost or damaged at the price of a wait: a line that
//! cannot be read is passed over, and a file that cannot be used is begun anew.

use crate::model::{EndpointClass, RequestRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the format.
const VERSION: u32 = 2;

/// When so many lines count toward no window any more, the file is written anew.
const OLD_LINES_LIMIT: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLogHeader {
    format_version: u32,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case", deny_unknown_fields)]
enum RequestLogLine {
    Sent {
        class: EndpointClass,
        at: Timestamp,
    },
    Answered {
        class: EndpointClass,
        sent: Timestamp,
        at: Timestamp,
    },
    SeparateListAndCreate,
}

/// What is in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLogFile<'a> {
    /// How many lines stood before the first one.
    dropped: u64,
    /// The lines after the first. They are read only where they are asked for: there are thousands, and a call asks for
    /// the newest few.
    lines: &'a [u8],
    /// Whether the file can be added to.
    has_header: bool,
    /// Whether its last line was cut short.
    is_torn: bool,
}

impl<'a> RequestLogFile<'a> {
    /// Reads the file's bytes, if there is a file.
    pub(super) fn decode(bytes: Option<&'a [u8]>) -> Self {
        let bytes = bytes.unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (header, lines) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let header = serde_json::from_slice(header).ok();
        let Some(RequestLogHeader { dropped, .. }) =
            header.filter(|header: &RequestLogHeader| header.format_version == VERSION)
        else {
            return Self::default();
        };
        Self {
            dropped,
            lines,
            has_header: true,
            is_torn: !bytes.ends_with(b"\n"),
        }
    }

    /// The lines, the last of which may be cut short.
    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines.split_inclusive(|byte| *byte == b'\n')
    }

    /// The records from number `from` on, counted from the first one that ever was.
    pub(super) fn records_from(&self, from: u64) -> Vec<RequestRecord> {
        let skipped = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.lines().skip(skipped).filter_map(decode_record).collect()
    }

    /// Whether the file can be added to.
    pub(super) fn has_header(&self) -> bool {
        self.has_header
    }

    /// The number of the next record.
    pub(super) fn next_number(&self) -> u64 {
        self.dropped + self.lines().count() as u64
    }

    /// What has to be added to the file, or be a file's whole content, for these records to be in it.
    pub(super) fn encode_addition(&self, records: &[RequestRecord]) -> String {
        let mut text = String::new();
        if !self.has_header {
            text.push_str(&encode_header(self.dropped));
        }
        if self.is_torn {
            text.push('\n');
        }
        text.extend(records.iter().map(encode_record));
        text
    }

    /// The file without what was taken down before a moment, where that is worth it.
    pub(super) fn without_records_before(&self, moment: Timestamp) -> Option<String> {
        let is_old = |line: &Option<RequestRecord>| match line {
            Some(RequestRecord::Sent { at, .. } | RequestRecord::Answered { at, .. }) => *at < moment,
            Some(RequestRecord::ListAndCreateSeparate) | None => true,
        };
        let lines: Vec<Option<RequestRecord>> = self.lines().map(decode_record).collect();
        let old = lines.iter().take_while(|line| is_old(line)).count();
        let (old, rest) = lines.split_at(old);
        if old.len() <= OLD_LINES_LIMIT {
            return None;
        }
        let is_apart = old.contains(&Some(RequestRecord::ListAndCreateSeparate));
        // Takes the place of one that is dropped.
        let apart = is_apart.then_some(RequestRecord::ListAndCreateSeparate);
        let dropped = self.dropped + (old.len() - usize::from(is_apart)) as u64;
        let kept = apart.into_iter().chain(rest.iter().copied().flatten());
        Some(kept.fold(encode_header(dropped), |text, record| {
            text + &encode_record(&record)
        }))
    }
}

fn encode_header(dropped: u64) -> String {
    let header = RequestLogHeader {
        format_version: VERSION,
        dropped,
    };
    encode_line(&header)
}

fn encode_record(record: &RequestRecord) -> String {
    encode_line(&match *record {
        RequestRecord::Sent { class, at } => RequestLogLine::Sent { class, at },
        RequestRecord::Answered { class, sent, at } => RequestLogLine::Answered { class, sent, at },
        RequestRecord::ListAndCreateSeparate => RequestLogLine::SeparateListAndCreate,
    })
}

fn encode_line(value: &impl Serialize) -> String {
    // Plain structures of text and numbers always serialise.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

fn decode_record(line: &[u8]) -> Option<RequestRecord> {
    Some(match serde_json::from_slice(line).ok()? {
        RequestLogLine::Sent { class, at } => RequestRecord::Sent { class, at },
        RequestLogLine::Answered { class, sent, at } => RequestRecord::Answered { class, sent, at },
        RequestLogLine::SeparateListAndCreate => RequestRecord::ListAndCreateSeparate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(second: i64) -> RequestRecord {
        RequestRecord::Sent {
            class: EndpointClass::Get,
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    fn file(records: &[RequestRecord]) -> String {
        RequestLogFile::default().encode_addition(records)
    }

    fn read(text: &str) -> RequestLogFile<'_> {
        RequestLogFile::decode(Some(text.as_bytes()))
    }

    #[test]
    fn a_reader_continues_where_it_stopped() {
        let answered = RequestRecord::Answered {
            class: EndpointClass::Create,
            sent: Timestamp::UNIX_EPOCH,
            at: Timestamp::from_second(2).unwrap(),
        };
        let mut text = file(&[sent(1), answered]);
        let requests = read(&text);
        assert_eq!(
            (requests.records_from(0), requests.next_number()),
            (vec![sent(1), answered], 2)
        );
        text.push_str(&requests.encode_addition(&[RequestRecord::ListAndCreateSeparate]));
        assert_eq!(
            read(&text).records_from(2),
            [RequestRecord::ListAndCreateSeparate]
        );
        assert_eq!(read(&text).records_from(3), []);
    }

    #[test]
    fn a_torn_line_loses_only_itself() {
        let text = file(&[sent(1), sent(2)]);
        let torn = &text[..text.len() - 5];
        let requests = read(torn);
        assert_eq!(
            (requests.records_from(0), requests.next_number()),
            (vec![sent(1)], 2)
        );
        let text = torn.to_owned() + &requests.encode_addition(&[sent(3)]);
        assert_eq!(read(&text).records_from(0), [sent(1), sent(3)]);
        assert_eq!(read(&text).records_from(2), [sent(3)]);
    }

    #[test]
    fn an_unusable_file_is_started_anew() {
        for text in [
            "",
            "{",
            "{}\n",
            "{\"format_version\":9,\"dropped\":0}\n",
            "\u{fffd}",
        ] {
            let requests = read(text);
            assert_eq!(requests, RequestLogFile::default(), "{text}");
            assert_eq!(
                read(&requests.encode_addition(&[sent(1)])).records_from(0),
                [sent(1)]
            );
        }
    }

    #[test]
    fn pruning_old_lines_keeps_the_numbers_of_the_rest() {
        let old = 1 + i64::try_from(OLD_LINES_LIMIT).unwrap();
        let mut records: Vec<RequestRecord> = (0..old).map(sent).collect();
        records.insert(5, RequestRecord::ListAndCreateSeparate);
        records.extend([sent(old), sent(old + 1)]);
        let text = file(&records);
        let requests = read(&text);
        let moment = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(requests.without_records_before(moment(old - 5)), None);
        let text = requests.without_records_before(moment(old)).unwrap();
        let kept = read(&text);
        assert_eq!(
            kept.records_from(0),
            [RequestRecord::ListAndCreateSeparate, sent(old), sent(old + 1)]
        );
        assert_eq!(kept.next_number(), requests.next_number());
        assert_eq!(kept.records_from(requests.next_number() - 1), [sent(old + 1)]);
    }
}
