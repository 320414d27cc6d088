//! Durations in the notation of `--max-duration` and of messages: `90s`, `30m`, `2h15m`, `1d`.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// Also units of no fixed length, such as a month.
    Malformed {
        text: String,
    },
    TooShort {
        text: String,
    },
}

/// The minimum is one second; a day has 24 hours.
pub fn parse(text: &str) -> Result<SignedDuration, DurationError> {
    let malformed = || DurationError::Malformed {
        text: text.to_owned(),
    };
    let span: Span = text.trim().parse().map_err(|_| malformed())?;
    let days = SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(days).map_err(|_| malformed())?;
    if duration < SignedDuration::from_secs(1) {
        return Err(DurationError::TooShort {
            text: text.to_owned(),
        });
    }
    Ok(duration)
}

/// In the notation that [`parse`] reads, rounded up to seconds.
#[must_use]
pub fn format_duration(duration: SignedDuration) -> String {
    let mut rest = round_up_seconds(duration, 1).max(0);
    let mut text = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)] {
        let count = rest / seconds;
        rest %= seconds;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Rounded up to minutes from one minute on.
#[must_use]
pub fn format_estimate(duration: SignedDuration) -> String {
    let seconds = round_up_seconds(duration, 1);
    let rounded = if seconds > 60 {
        round_up_seconds(duration, 60)
    } else {
        seconds
    };
    format_duration(SignedDuration::from_secs(rounded))
}

/// A moment in UTC, with its date unless that is the date of `now`.
#[must_use]
pub fn format_moment(moment: Timestamp, now: Timestamp) -> String {
    let day = |moment: Timestamp| moment.strftime("%F").to_string();
    let form = if day(moment) == day(now) {
        "%H:%M:%S UTC"
    } else {
        "%F %H:%M:%S UTC"
    };
    moment.strftime(form).to_string()
}

/// Rounded up to a multiple of `unit` seconds.
#[must_use]
pub fn round_up_seconds(duration: SignedDuration, unit: i64) -> i64 {
    let seconds = duration
        .as_secs()
        .saturating_add(i64::from(duration.subsec_nanos() > 0));
    let over = seconds.rem_euclid(unit);
    if over == 0 {
        seconds
    } else {
        seconds.saturating_add(unit - over)
    }
}

impl fmt::Display for DurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { text } => write!(
                formatter,
                "`{text}` is not a valid duration: use a number and a unit, such as `90s`, `30m`, `2h` or `1d`"
            ),
            Self::TooShort { text } => write!(
                formatter,
                "the duration `{text}` is too short: the minimum is `1s`"
            ),
        }
    }
}

impl std::error::Error for DurationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_formatted_in_one_notation() {
        let table = [
            ("90s", 90, "1m30s"),
            ("30m", 1800, "30m"),
            ("2h", 7200, "2h"),
            (" 2h 15m ", 8100, "2h15m"),
            ("1d", 86_400, "1d"),
            ("1w", 604_800, "7d"),
            ("PT1H", 3600, "1h"),
            ("1.5h", 5400, "1h30m"),
        ];
        for (text, seconds, printed) in table {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_secs(), seconds, "{text}");
            assert_eq!(format_duration(duration), printed, "{text}");
            assert_eq!(parse(printed), Ok(duration), "{text}");
        }
    }

    #[test]
    fn invalid_and_too_short_durations_are_rejected() {
        for text in [
            "",
            "30",
            "m",
            "1 fortnight",
            "1mo",
            "1y",
            "two hours",
            "99999999999999d",
        ] {
            assert!(
                matches!(parse(text), Err(DurationError::Malformed { .. })),
                "{text}"
            );
        }
        for text in ["0s", "0d", "-30m", "30m ago", "999ms"] {
            assert!(
                matches!(parse(text), Err(DurationError::TooShort { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-26T23:59:00Z");
        let table = [
            ("2026-11-26T23:59:59Z", "23:59:59 UTC"),
            ("2026-11-27T00:00:01Z", "2026-11-27 00:00:01 UTC"),
        ];
        for (moment, expected) in table {
            assert_eq!(format_moment(at(moment), now), expected);
        }
    }

    #[test]
    fn estimates_are_rounded_up() {
        let table = [
            (0, "0s"),
            (1, "1s"),
            (59_001, "1m"),
            (60_001, "2m"),
            (7_201_000, "2h1m"),
        ];
        for (milliseconds, printed) in table {
            assert_eq!(
                format_estimate(SignedDuration::from_millis(milliseconds)),
                printed
            );
        }
    }
}
