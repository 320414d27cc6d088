//! The API requests of all runs that share a state, which count toward the same rate limits.
//!
//! A run appends a line before it sends a request. The first line contains the number of pruned lines, so that a reader
//! knows which lines it has read. A lost or damaged file costs only waiting time: segctl skips damaged lines and replaces a
//! file without a valid first line.

use crate::model::{EndpointClass, RequestRecord};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 1;

/// The file is rewritten when more lines than this no longer count toward any window.
const OLD_LINES_LIMIT: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLogHeader {
    format_version: u32,
    dropped: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "RequestRecord",
    tag = "type",
    rename_all = "snake_case",
    deny_unknown_fields
)]
enum RequestRecordFormat {
    Sent {
        class: EndpointClass,
        at: Timestamp,
    },
    Answered {
        class: EndpointClass,
        sent: Timestamp,
        at: Timestamp,
    },
    ListAndCreateSeparate,
    ListAndCreateShared,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct RequestLogLine(#[serde(with = "RequestRecordFormat")] RequestRecord);

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLogFile<'a> {
    /// The number of lines that were pruned before the first one.
    dropped: u64,
    /// The lines after the header, not yet decoded: there are thousands, and a reader needs the newest few.
    lines: &'a [u8],
    has_header: bool,
    is_torn: bool,
}

/// The end of a complete line, by which a later reader skips the lines before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestLogEnd {
    header: Vec<u8>,
    /// In bytes.
    length: usize,
    /// Of the next line, counted with pruned lines.
    pub(super) number: u64,
}

impl RequestLogEnd {
    /// The lengths of the header, and of what is skipped: all but the last line end.
    pub(super) fn parts(&self) -> (usize, usize) {
        (self.header.len(), self.length - 1)
    }

    /// What follows; `None` if the file was replaced.
    pub(super) fn continuation(&self, head: &[u8], mut tail: Vec<u8>) -> Option<Vec<u8>> {
        let continues = head == self.header && tail.first() == Some(&b'\n');
        continues.then(|| {
            tail.remove(0);
            tail
        })
    }
}

impl<'a> RequestLogFile<'a> {
    /// The lines after a known end.
    pub(super) fn following(end: &RequestLogEnd, lines: &'a [u8]) -> Self {
        Self {
            dropped: end.number,
            lines,
            has_header: true,
            is_torn: !lines.is_empty() && !lines.ends_with(b"\n"),
        }
    }

    /// The end after `added`, which follows this file or replaces it; `number` is that of the next line.
    pub(super) fn end_after(
        &self,
        start: Option<&RequestLogEnd>,
        added: &str,
        number: u64,
    ) -> Option<RequestLogEnd> {
        let is_complete = if added.is_empty() { !self.is_torn } else { true };
        let header = match start {
            Some(start) => start.header.clone(),
            None => encode_header(self.dropped).into_bytes(),
        };
        let before = match start {
            Some(start) => start.length,
            None if self.has_header => header.len(),
            None => 0,
        };
        let length = before + self.lines.len() + added.len();
        (is_complete && length > 0).then_some(RequestLogEnd {
            header,
            length,
            number,
        })
    }

    pub(super) fn decode(bytes: Option<&'a [u8]>) -> Self {
        let bytes = bytes.unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (header, lines) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let header: Option<RequestLogHeader> = serde_json::from_slice(header).ok();
        let Some(header) = header.filter(|header| header.format_version == VERSION) else {
            return Self::default();
        };
        Self {
            dropped: header.dropped,
            lines,
            has_header: true,
            is_torn: !bytes.ends_with(b"\n"),
        }
    }

    fn lines(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines.split_inclusive(|byte| *byte == b'\n')
    }

    /// The records from number `from` on; the numbers include pruned lines.
    pub(super) fn records_from(&self, from: u64) -> Vec<RequestRecord> {
        let skipped = usize::try_from(from.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        self.lines().skip(skipped).filter_map(decode_record).collect()
    }

    pub(super) fn has_header(&self) -> bool {
        self.has_header
    }

    pub(super) fn next_number(&self) -> u64 {
        self.dropped + self.lines().count() as u64
    }

    /// The text to append for these records, or the content of a new file if this one has no header.
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

    /// The file without records before a moment; `None` where there are too few of them.
    pub(super) fn without_records_before(&self, moment: Timestamp) -> Option<String> {
        let is_old = |line: &Option<RequestRecord>| match line {
            Some(RequestRecord::Sent { at, .. } | RequestRecord::Answered { at, .. }) => *at < moment,
            Some(RequestRecord::ListAndCreateSeparate | RequestRecord::ListAndCreateShared) | None => true,
        };
        let lines: Vec<Option<RequestRecord>> = self.lines().map(decode_record).collect();
        let old = lines.iter().take_while(|line| is_old(line)).count();
        let (old, rest) = lines.split_at(old);
        if old.len() <= OLD_LINES_LIMIT {
            return None;
        }
        // The last of these records stays, in place of one pruned line.
        let markers = [
            RequestRecord::ListAndCreateSeparate,
            RequestRecord::ListAndCreateShared,
        ];
        let marker = old
            .iter()
            .rev()
            .flatten()
            .find(|record| markers.contains(record))
            .copied();
        let dropped = self.dropped + (old.len() - usize::from(marker.is_some())) as u64;
        let remaining = marker.into_iter().chain(rest.iter().copied().flatten());
        Some(remaining.fold(encode_header(dropped), |text, record| {
            text + &encode_record(&record)
        }))
    }
}

fn encode_header(dropped: u64) -> String {
    encode_line(&RequestLogHeader {
        format_version: VERSION,
        dropped,
    })
}

fn encode_record(record: &RequestRecord) -> String {
    encode_line(&RequestLogLine(*record))
}

fn encode_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structures of text and numbers serialize") + "\n"
}

fn decode_record(line: &[u8]) -> Option<RequestRecord> {
    let RequestLogLine(record) = serde_json::from_slice(line).ok()?;
    Some(record)
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
    fn a_known_end_skips_the_lines_before_it_in_the_same_file() {
        let text = file(&[sent(1)]);
        let end = RequestLogFile::default().end_after(None, &text, 1).unwrap();
        let continuation = |text: &str| {
            let (head, start) = end.parts();
            let bytes = text.as_bytes();
            let tail = bytes.get(start..).unwrap_or_default().to_vec();
            end.continuation(bytes.get(..head).unwrap_or(bytes), tail)
        };
        let longer = text.clone() + &read(&text).encode_addition(&[sent(2), sent(3)]);
        let tail = continuation(&longer).unwrap();
        let requests = RequestLogFile::following(&end, &tail);
        assert_eq!(requests.records_from(1), [sent(2), sent(3)]);
        assert_eq!(requests.next_number(), 3);
        assert_eq!(
            requests.end_after(Some(&end), "", 3),
            read(&longer).end_after(None, "", 3)
        );
        let torn = continuation(&longer[..longer.len() - 5]).unwrap();
        assert_eq!(
            RequestLogFile::following(&end, &torn).end_after(Some(&end), "", 3),
            None
        );
        // Lost, empty, or pruned.
        for other in [
            String::new(),
            file(&[]),
            longer.replace("\"dropped\":0", "\"dropped\":1"),
        ] {
            assert_eq!(continuation(&other), None, "{other}");
        }
    }

    #[test]
    fn an_unusable_file_is_replaced() {
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
        let pruned = read(&text);
        assert_eq!(
            pruned.records_from(0),
            [RequestRecord::ListAndCreateSeparate, sent(old), sent(old + 1)]
        );
        assert_eq!(pruned.next_number(), requests.next_number());
        assert_eq!(pruned.records_from(requests.next_number() - 1), [sent(old + 1)]);
    }
}
