//! Dates: `YYYY-MM-DD`, or the long form that the API uses.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::decoder::Decoder;
use super::{codes, written_date};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

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
    pub(super) fn datetime(&self, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
        let text = self.date_text(node)?;
        let datetime = if text.contains('T') {
            long_form(&text)
        } else {
            date(&text).map(|date| date.to_datetime(boundary.time()))
        };
        datetime.or_else(|| {
            let help = time_help(&text).or_else(|| written_date::date_help(&text));
            self.invalid_date(node, &text, "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS.mmmZ", help)
        })
    }

    /// A whole day. In the long form, the API accepts only the moment of `boundary`.
    pub(super) fn day(&self, node: &Node, boundary: DayBoundary) -> Option<Date> {
        let text = self.date_text(node)?;
        let day = if text.contains('T') {
            text.strip_suffix(boundary.suffix()).and_then(date)
        } else {
            date(&text)
        };
        let format = format!("YYYY-MM-DD or YYYY-MM-DD{}", boundary.suffix());
        day.or_else(|| {
            let help = written_date::date_help(&text);
            self.invalid_date(node, &text, &format, help)
        })
    }

    /// A date, or a date-time of ISO 8601.
    pub(super) fn moment(&self, node: &Node, boundary: DayBoundary) -> Option<DateTime> {
        let text = self.text(node)?;
        let moment = if text.contains('T') {
            iso_date_time(&text)
        } else {
            date(&text).map(|date| date.to_datetime(boundary.time()))
        };
        moment.or_else(|| {
            let help = time_help(&text).or_else(|| written_date::date_help(&text));
            self.invalid_date(node, &text, "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ", help)
        })
    }

    /// Month and day from `MM-DD`; accepts 29 February.
    pub(super) fn month_day(&self, node: &Node) -> Option<(u32, u32)> {
        let text = self.text(node)?;
        // Any leap year works.
        let read = (text.len() == 5).then(|| date(&format!("2024-{text}"))).flatten();
        let read =
            read.and_then(|date| Some((u32::try_from(date.month()).ok()?, u32::try_from(date.day()).ok()?)));
        read.or_else(|| {
            let help = written_date::month_day_help(&text);
            self.invalid_date(node, &text, "MM-DD", help)
        })
    }

    /// The text of a date. A number such as `20251231` is an invalid date, not a wrong type.
    fn date_text(&self, node: &Node) -> Option<String> {
        if let Yaml::Scalar(scalar) = &node.value
            && let ScalarValue::Integer(number) = scalar.resolved
            && let Some(date) = written_date::date_of_number(number)
        {
            let help = Some(format!("write `{date}`"));
            return self.invalid_date(node, &scalar.text, "YYYY-MM-DD", help);
        }
        self.text(node)
    }

    fn invalid_date<T>(&self, node: &Node, text: &str, format: &str, help: Option<String>) -> Option<T> {
        let message = format!("invalid date `{text}`");
        let reason = written_date::impossible_day(text);
        let help = help.filter(|_| reason.is_none());
        let label = reason.unwrap_or_else(|| format!("expected {format}"));
        self.error::<()>(codes::INVALID_DATE, &node.span, message, label);
        if let Some(help) = help {
            self.add_help(help);
        }
        None
    }
}

/// The long form of a date with a time in another spelling, such as `2025-12-31 10:00`.
fn time_help(text: &str) -> Option<String> {
    let (day, time) = text.split_once(['T', ' '])?;
    let day = date(day)?;
    let (time, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => (time.get(..at)?, time.get(at..)?),
        None => (time, ""),
    };
    let time: Time = time.trim().parse().ok()?;
    let written = format!(
        "write `{day}T{:02}:{:02}:{:02}.{:03}Z`",
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    );
    if matches!(zone, "" | "Z") {
        return Some(written);
    }
    let why = "MoEngage reads a time in the time zone of the workspace, without an offset";
    Some(match in_utc(day.to_datetime(time), zone) {
        Some(utc) => format!(
            "{why}: {written} if that zone is at {zone}, or `{}` if it is UTC",
            utc.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        ),
        None => format!("{written}: {why}"),
    })
}

/// The time at the offset `zone`, such as `+05:30`, in UTC.
fn in_utc(time: DateTime, zone: &str) -> Option<DateTime> {
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone.get(1..)?.trim_end().replace(':', "");
    if !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = match digits.get(2..)? {
        "" => 0,
        minutes => minutes.parse().ok()?,
    };
    let offset = Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()?;
    let at = offset.to_timestamp(time).ok()?;
    Some(Offset::UTC.to_datetime(at))
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
