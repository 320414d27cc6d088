//! Dates: `YYYY-MM-DD`, or the long form that the API uses.

use super::super::yaml::Node;
use super::codes;
use super::decoder::Decoder;
use jiff::civil::{Date, DateTime, Time};

/// The moment that a date without a time means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DayBoundary {
    Start,
    End,
}

impl DayBoundary {
    pub(super) fn time(self) -> Time {
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
    pub(super) fn datetime(&mut self, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
        let text = self.text(node)?;
        let datetime = if text.contains('T') {
            long_form(&text)
        } else {
            date(&text).map(|date| date.to_datetime(boundary.time()))
        };
        datetime.or_else(|| self.invalid_date(node, &text, "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.mmmZ"))
    }

    /// A whole day. In the long form, the API accepts only the moment of `boundary`.
    pub(super) fn day(&mut self, node: &Node, boundary: DayBoundary) -> Option<Date> {
        let text = self.text(node)?;
        let day = if text.contains('T') {
            text.strip_suffix(boundary.suffix()).and_then(date)
        } else {
            date(&text)
        };
        let format = format!("YYYY-MM-DD or YYYY-MM-DD{}", boundary.suffix());
        day.or_else(|| self.invalid_date(node, &text, &format))
    }

    /// A date, or a date-time of ISO 8601.
    pub(super) fn moment(&mut self, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
        let text = self.text(node)?;
        let moment = if text.contains('T') {
            iso_date_time(&text)
        } else {
            date(&text).map(|date| date.to_datetime(boundary.time()))
        };
        moment.or_else(|| self.invalid_date(node, &text, "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"))
    }

    /// Month and day from `MM-DD`; accepts 29 February.
    pub(super) fn month_day(&mut self, node: &Node) -> Option<(u32, u32)> {
        let text = self.text(node)?;
        // Any leap year works.
        let read = (text.len() == 5).then(|| date(&format!("2024-{text}"))).flatten();
        let read =
            read.and_then(|date| Some((u32::try_from(date.month()).ok()?, u32::try_from(date.day()).ok()?)));
        read.or_else(|| self.invalid_date(node, &text, "MM-DD"))
    }

    fn invalid_date<T>(&mut self, node: &Node, text: &str, format: &str) -> Option<T> {
        let message = format!("invalid date `{text}`");
        let label = format!("expected {format}");
        self.error(codes::INVALID_DATE, &node.span, message, label)
    }
}

/// Exactly `YYYY-MM-DD`; the parser alone accepts more forms.
fn date(text: &str) -> Option<Date> {
    let shape = |(index, byte): (usize, u8)| match index {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 10 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    text.parse().ok()
}

fn long_form(text: &str) -> Option<DateTime> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let shape = |(index, byte): (usize, u8)| match index {
        2 | 5 => byte == b':',
        8 => byte == b'.',
        _ => byte.is_ascii_digit(),
    };
    // The time parser reads a leap second as the second before it.
    if time.len() != 12 || !time.bytes().enumerate().all(shape) || time.get(6..8) == Some("60") {
        return None;
    }
    Some(date(day)?.to_datetime(time.parse().ok()?))
}

/// The seconds, their fraction and the `Z` are optional.
fn iso_date_time(text: &str) -> Option<DateTime> {
    const LONGEST: &str = "00:00:00.000000000";
    let (day, time) = text.strip_suffix('Z').unwrap_or(text).split_once('T')?;
    let is_match = |(byte, shape): (u8, u8)| byte == shape || (shape == b'0' && byte.is_ascii_digit());
    let has_shape = time.bytes().zip(LONGEST.bytes()).all(is_match);
    // The time parser reads a leap second as the second before it.
    if !has_shape || !matches!(time.len(), 5 | 8 | 10..=18) || time.get(6..8) == Some("60") {
        return None;
    }
    Some(date(day)?.to_datetime(time.parse().ok()?))
}
