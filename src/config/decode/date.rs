//! Dates: `YYYY-MM-DD`, or the API's long form of it.

use super::super::yaml::Node;
use super::codes;
use super::decoder::Decoder;
use jiff::civil::{Date, DateTime, Time};

/// Which end of a day a date stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DayBoundary {
    /// `T00:00:00.000Z`
    Start,
    /// `T23:59:59.999Z`
    End,
}

impl DayBoundary {
    fn time(self) -> Time {
        match self {
            Self::Start => Time::midnight(),
            Self::End => Time::constant(23, 59, 59, 999_000_000),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Start => "T00:00:00.000Z",
            Self::End => "T23:59:59.999Z",
        }
    }
}

impl Decoder<'_> {
    /// A moment of wall time; a plain date stands for its `edge`.
    pub(super) fn datetime(&mut self, node: &Node, edge: DayBoundary) -> Option<DateTime> {
        let text = self.text(node)?;
        let read = if text.contains('T') {
            long_form(&text)
        } else {
            date(&text).map(|date| date.to_datetime(edge.time()))
        };
        read.or_else(|| self.invalid_date(node, &text, "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.mmmZ"))
    }

    /// A whole day; the long form has to name its `edge`, the only moment that the API takes there.
    pub(super) fn day(&mut self, node: &Node, edge: DayBoundary) -> Option<Date> {
        let text = self.text(node)?;
        let read = if text.contains('T') {
            text.strip_suffix(edge.suffix()).and_then(date)
        } else {
            date(&text)
        };
        read.or_else(|| self.invalid_date(node, &text, &format!("YYYY-MM-DD or YYYY-MM-DD{}", edge.suffix())))
    }

    /// `MM-DD` of some year, 29 February too.
    pub(super) fn month_day(&mut self, node: &Node) -> Option<(u32, u32)> {
        let text = self.text(node)?;
        // Any leap year will do.
        let read = (text.len() == 5).then(|| date(&format!("2024-{text}"))).flatten();
        let read =
            read.and_then(|date| Some((u32::try_from(date.month()).ok()?, u32::try_from(date.day()).ok()?)));
        read.or_else(|| self.invalid_date(node, &text, "MM-DD"))
    }

    fn invalid_date<T>(&mut self, node: &Node, text: &str, form: &str) -> Option<T> {
        let message = format!("`{text}` is no date of the form {form}");
        self.error(
            codes::INVALID_DATE,
            &node.span,
            message,
            format!("expected {form}"),
        )
    }
}

/// `YYYY-MM-DD` to the letter: the parser alone would take more forms.
fn date(text: &str) -> Option<Date> {
    let shape = |(index, byte): (usize, u8)| {
        if matches!(index, 4 | 7) {
            byte == b'-'
        } else {
            byte.is_ascii_digit()
        }
    };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    text.parse().ok()
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` to the letter.
fn long_form(text: &str) -> Option<DateTime> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let shape = |(index, byte): (usize, u8)| match index {
        2 | 5 => byte == b':',
        8 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    // The time parser would read a leap second as the second before it.
    if time.len() != 12 || !time.bytes().enumerate().all(shape) || time.get(6..8) == Some("60") {
        return None;
    }
    Some(date(day)?.to_datetime(time.parse().ok()?))
}
