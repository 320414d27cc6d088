//! Rate limit windows, as `segctl.yaml` writes them and as the API documents them.

use crate::model::EndpointClass;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::fmt;

/// At most `count` requests in any period of length `span`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    count: usize,
    span: SignedDuration,
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const UNITS: [(&str, i64); 9] = [
    ("s", 1),
    ("sec", 1),
    ("m", MINUTE),
    ("min", MINUTE),
    ("h", HOUR),
    ("hour", HOUR),
    ("d", DAY),
    ("day", DAY),
    ("days", DAY),
];

/// No documented count exceeds 4000. The request history of a class can be as long as the count.
const MAX_COUNT: usize = 1_000_000;
/// No documented span exceeds a day. A month is generous and still catches a misplaced number.
const MAX_SPAN_SECONDS: i64 = 31 * DAY;

impl Window {
    /// At least 1.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// More than zero.
    #[must_use]
    pub fn span(self) -> SignedDuration {
        self.span
    }

    /// Parses `COUNT/SPAN`, such as `100/min`, `4000/day` or `10/3s`.
    pub fn parse(text: &str) -> Result<Self, WindowError> {
        let malformed = || WindowError::Malformed(text.to_owned());
        let out_of_range = || WindowError::OutOfRange(text.to_owned());
        let (count, span) = text.split_once('/').ok_or_else(malformed)?;
        let (count, span) = (count.trim(), span.trim());
        let split = span
            .find(|character: char| !character.is_ascii_digit())
            .ok_or_else(malformed)?;
        let (number, unit) = span.split_at(split);
        let (_, seconds) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(malformed)?;
        if !count.bytes().all(|byte| byte.is_ascii_digit()) || count.is_empty() {
            return Err(malformed());
        }
        let number = match number {
            "" => 1,
            digits => digits.parse::<i64>().map_err(|_| out_of_range())?,
        };
        let span = number.checked_mul(*seconds).ok_or_else(out_of_range)?;
        let count = count.parse::<usize>().map_err(|_| out_of_range())?;
        if count == 0 || count > MAX_COUNT || span == 0 || span > MAX_SPAN_SECONDS {
            return Err(out_of_range());
        }
        Ok(Self::new(count, span))
    }

    const fn new(count: usize, seconds: i64) -> Self {
        Self {
            count,
            span: SignedDuration::from_secs(seconds),
        }
    }
}

impl fmt::Display for Window {
    /// Prints what [`Window::parse`] reads, in the longest unit that divides the span.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.span.as_secs();
        let units = [("day", DAY), ("h", HOUR), ("min", MINUTE), ("s", 1)];
        let fitting = units.iter().find(|(_, length)| seconds % length == 0);
        let (unit, length) = fitting.copied().unwrap_or(("s", 1));
        match seconds / length {
            1 => write!(formatter, "{}/{unit}", self.count),
            number => write!(formatter, "{}/{number}{unit}", self.count),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// Not of the form `COUNT/SPAN`.
    Malformed(String),
    OutOfRange(String),
}

impl fmt::Display for WindowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(
                formatter,
                "`{text}` is not a valid rate limit: write COUNT/SPAN, such as `100/min`, `1000/h`, `4000/day` or `10/3s`"
            ),
            Self::OutOfRange(text) => write!(
                formatter,
                "the rate limit `{text}` is out of range: the count must be 1 to {MAX_COUNT} and the span 1s to {} days",
                MAX_SPAN_SECONDS / DAY
            ),
        }
    }
}

impl std::error::Error for WindowError {}

/// MoEngage can raise limits per workspace, so the windows of every class can be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimits(BTreeMap<EndpointClass, Vec<Window>>);

impl RateLimits {
    /// Replaces the windows of `class`. An empty list means no limit.
    pub fn set(&mut self, class: EndpointClass, windows: Vec<Window>) {
        self.0.insert(class, windows);
    }

    #[must_use]
    pub fn longest_span(&self) -> SignedDuration {
        let windows = self.classes().flat_map(|class| self.windows(class));
        windows.map(|window| window.span()).max().unwrap_or_default()
    }

    pub fn classes(&self) -> impl Iterator<Item = EndpointClass> {
        self.0.keys().copied()
    }

    /// All windows of a class apply at once.
    #[must_use]
    pub fn windows(&self, class: EndpointClass) -> &[Window] {
        self.0.get(&class).map_or(&[], Vec::as_slice)
    }
}

impl Default for RateLimits {
    /// The documented limits of a workspace.
    ///
    /// Updates, archives and unarchives have no documented limits. They get the smallest documented number of requests per
    /// minute for the same paths. They get no limits per hour or day, because a wrong guess would delay a large run for
    /// hours, and MoEngage answers with 429 if the guess is too high.
    fn default() -> Self {
        let undocumented = vec![Window::new(50, MINUTE)];
        let list_or_create = vec![
            Window::new(50, MINUTE),
            Window::new(200, HOUR),
            Window::new(1000, DAY),
        ];
        let get = vec![
            Window::new(100, MINUTE),
            Window::new(1000, HOUR),
            Window::new(4000, DAY),
        ];
        Self(BTreeMap::from([
            (EndpointClass::List, list_or_create.clone()),
            (EndpointClass::Create, list_or_create),
            (EndpointClass::Get, get),
            (EndpointClass::Update, undocumented.clone()),
            (EndpointClass::Lifecycle, undocumented),
            (
                EndpointClass::File,
                vec![Window::new(10, HOUR), Window::new(100, DAY)],
            ),
            (EndpointClass::Cohort, vec![Window::new(300, MINUTE)]),
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_parse_and_print_as_written_in_settings() {
        let table = [
            ("100/min", 100, 60),
            ("1000/h", 1000, 3600),
            ("4000/day", 4000, 86_400),
            ("10/3s", 10, 3),
            (" 5 / 10min ", 5, 600),
        ];
        for (text, count, seconds) in table {
            let window = Window::new(count, seconds);
            assert_eq!(Window::parse(text), Ok(window), "{text}");
            assert_eq!(window.to_string(), text.replace(' ', ""));
        }
        assert_eq!(Window::new(1, 5400).to_string(), "1/90min");
        assert_eq!(Window::new(1, 2 * DAY).to_string(), "1/2day");
    }

    #[test]
    fn invalid_windows_are_rejected_with_the_expected_form() {
        for text in [
            "",
            "100",
            "100/",
            "/min",
            "100/min/h",
            "-1/min",
            "+1/min",
            "1.5/min",
            "10/3",
            "10/-3s",
            "10/fortnight",
        ] {
            let error = Window::parse(text).unwrap_err();
            assert!(matches!(error, WindowError::Malformed(_)), "{text}");
            assert!(error.to_string().contains("COUNT/SPAN"), "{text}");
        }
        for text in [
            "0/min",
            "10/0s",
            "1000001/min",
            "1/32day",
            "1/99999999999999999999s",
            "1/9223372036854775807day",
        ] {
            let error = Window::parse(text).unwrap_err();
            assert!(matches!(error, WindowError::OutOfRange(_)), "{text}");
        }
    }
}
