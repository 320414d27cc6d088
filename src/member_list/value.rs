//! Checks one line of a list. Pure.
//!
//! The rules come from MoEngage's guide to file segments: one column, UTF-8, and no spaces or quotes around a value, no
//! trailing comma, no empty line. MoEngage reports no error for an invalid line, which matches no user.

use crate::model::IdentifierType;
use std::borrow::Cow;
use std::fmt;

/// The API documents no limit. Identifying attributes are far shorter, so a longer line shows that the file is not a list.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Some programs write it at the start of UTF-8 files.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a line matches no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineError {
    Empty,
    NotUtf8,
    TooLong,
    /// At the start of a file, or where files were concatenated. MoEngage would read it as part of the value.
    ByteOrderMark,
    OuterSpaces,
    TrailingComma,
    Quotes,
    /// There are quotes at both ends, and they do not clearly enclose one value.
    UnclearQuotes,
    SecondColumn,
    /// A tab, a null character, or another kind of line end.
    ControlCharacter,
    /// The attribute is a number, and the value is not a number in plain digits.
    NotANumber,
    /// MoEngage stores numbers as doubles.
    TooManyDigits,
}

impl LineError {
    /// Whether the intended line is unambiguous: a value, or an empty line.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        match self {
            Self::Empty | Self::ByteOrderMark | Self::OuterSpaces | Self::TrailingComma | Self::Quotes => {
                true
            }
            Self::NotUtf8
            | Self::TooLong
            | Self::UnclearQuotes
            | Self::SecondColumn
            | Self::ControlCharacter
            | Self::NotANumber
            | Self::TooManyDigits => false,
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the line is empty",
            Self::NotUtf8 => "the line is not valid UTF-8",
            Self::TooLong => "the line is longer than a value can be",
            Self::ByteOrderMark => "the line begins with a byte order mark",
            Self::OuterSpaces => "there are spaces around the value",
            Self::TrailingComma => "the value ends with a comma",
            Self::Quotes => "the value is enclosed in quotes",
            Self::UnclearQuotes => "the line begins and ends with a quote and contains other quotes",
            Self::SecondColumn => "a comma makes a second column",
            Self::ControlCharacter => "the value contains an invisible character",
            Self::NotANumber => "the value is not a number in plain digits",
            Self::TooManyDigits => "the number has more digits than MoEngage distinguishes",
        })
    }
}

/// The canonical value of a line (without its line end), so that two lines for one user are equal. Ambiguous errors take
/// precedence over fixable ones.
pub fn parse_value(line: &[u8], kind: IdentifierType) -> Result<Cow<'_, [u8]>, LineError> {
    if line.len() > MAX_VALUE_BYTES {
        return Err(LineError::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
    let bare = normalized(text);
    if bare.is_empty() {
        return Err(LineError::Empty);
    }
    check_value(&bare)?;
    let number = match kind {
        IdentifierType::Text => None,
        IdentifierType::Number => Some(canonical_number(&bare)?),
    };
    match error_around(text, &bare) {
        Some(error) => Err(error),
        None => Ok(number.map_or(Cow::Borrowed(line), |number| Cow::Owned(number.into_bytes()))),
    }
}

/// Removes a byte order mark, spaces, commas and one pair of quotes around the value.
#[must_use]
pub fn normalized(line: &str) -> Cow<'_, str> {
    let bare = trimmed(line).trim_end_matches(|letter: char| letter == ',' || letter.is_whitespace());
    let Some(inside) = unquoted(bare) else {
        return Cow::Borrowed(bare);
    };
    let bare = trimmed(inside);
    if bare.contains('"') {
        // Inside quotes, two quotes mean one.
        Cow::Owned(bare.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(bare)
    }
}

fn trimmed(text: &str) -> &str {
    let is_ignored = |letter: char| letter == BYTE_ORDER_MARK || letter.is_whitespace();
    text.trim_start_matches(is_ignored).trim_end()
}

/// The text inside a pair of quotes that encloses all of `text`. Every quote inside must be doubled.
fn unquoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.replace("\"\"", "").contains('"')).then_some(inside)
}

fn check_value(value: &str) -> Result<(), LineError> {
    let is_invisible = |letter: char| letter.is_control() || letter == BYTE_ORDER_MARK;
    if value.contains(',') {
        Err(LineError::SecondColumn)
    } else if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        Err(LineError::UnclearQuotes)
    } else if value.contains(is_invisible) {
        Err(LineError::ControlCharacter)
    } else {
        Ok(())
    }
}

/// What a line contains besides its value.
fn error_around(line: &str, value: &str) -> Option<LineError> {
    if line == value {
        None
    } else if line.starts_with(BYTE_ORDER_MARK) {
        Some(LineError::ByteOrderMark)
    } else if line.trim().len() < line.len() {
        Some(LineError::OuterSpaces)
    } else if line.ends_with(',') {
        Some(LineError::TrailingComma)
    } else {
        Some(LineError::Quotes)
    }
}

fn canonical_number(text: &str) -> Result<String, LineError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) {
        return Err(LineError::NotANumber);
    }
    let number: f64 = text.parse().map_err(|_| LineError::NotANumber)?;
    // Adding zero turns -0.0 into 0.0.
    let canonical = (number + 0.0).to_string();
    // If the double prints with other digits, other numbers have the same double.
    if canonical.trim_start_matches('-') == without_redundant_zeros(whole, fraction) {
        Ok(canonical)
    } else {
        Err(LineError::TooManyDigits)
    }
}

fn without_redundant_zeros(whole: &str, fraction: &str) -> String {
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    if fraction.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdentifierType::{Number, Text};
    use proptest::prelude::*;

    #[test]
    fn each_line_is_a_value_or_an_error() {
        use LineError::*;
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        let longest = "x".repeat(MAX_VALUE_BYTES);
        let table: &[(&[u8], IdentifierType, Result<&str, LineError>)] = &[
            (b"ada@example.com", Text, Ok("ada@example.com")),
            ("Käufer".as_bytes(), Text, Ok("Käufer")),
            (b"two words", Text, Ok("two words")),
            (b"a\"b", Text, Ok("a\"b")),
            (b"\"", Text, Ok("\"")),
            (b"5\"", Text, Ok("5\"")),
            (b"<&>'", Text, Ok("<&>'")),
            (longest.as_bytes(), Text, Ok(&longest)),
            (long.as_bytes(), Text, Err(TooLong)),
            (b"", Text, Err(Empty)),
            (b" \t", Text, Err(Empty)),
            (b"\xff", Text, Err(NotUtf8)),
            (b" a", Text, Err(OuterSpaces)),
            (b"a ", Text, Err(OuterSpaces)),
            ("a\u{a0}".as_bytes(), Text, Err(OuterSpaces)),
            (b"a\r", Text, Err(OuterSpaces)),
            (b"a\rb", Text, Err(ControlCharacter)),
            (b"a\tb", Text, Err(ControlCharacter)),
            (b"a\0", Text, Err(ControlCharacter)),
            ("a\u{feff}b".as_bytes(), Text, Err(ControlCharacter)),
            (b"\"a\"", Text, Err(Quotes)),
            (b"\"\"", Text, Err(Empty)),
            (b"\"a\"\"b\"", Text, Err(Quotes)),
            (b"\"a\";\"b\"", Text, Err(UnclearQuotes)),
            (b"\"\"\"a\"\"\"", Text, Err(UnclearQuotes)),
            (b"\"a\",\"b\"", Text, Err(SecondColumn)),
            (b"\"a,b\"", Text, Err(SecondColumn)),
            (b"a,b,", Text, Err(SecondColumn)),
            (b" a,b", Text, Err(SecondColumn)),
            (b" x ", Number, Err(NotANumber)),
            ("\u{feff}a".as_bytes(), Text, Err(ByteOrderMark)),
            ("\u{feff}1".as_bytes(), Number, Err(ByteOrderMark)),
            (b"\xff\xfea\0", Text, Err(NotUtf8)),
            (b"a,", Text, Err(TrailingComma)),
            (b"\"a\",", Text, Err(TrailingComma)),
            (b"a,b", Text, Err(SecondColumn)),
            (b",a", Text, Err(SecondColumn)),
            (b"17", Number, Ok("17")),
            (b"17.0", Number, Ok("17")),
            (b"017", Number, Ok("17")),
            (b"-0", Number, Ok("0")),
            (b"-2.50", Number, Ok("-2.5")),
            (b"9007199254740992", Number, Ok("9007199254740992")),
            (b"9007199254740993", Number, Err(TooManyDigits)),
            (b"9007199254740990.5", Number, Err(TooManyDigits)),
            (b"1234567890123456.7", Number, Err(TooManyDigits)),
            (b"0.1", Number, Ok("0.1")),
            (b"-000.0", Number, Ok("0")),
            (b"1e3", Number, Err(NotANumber)),
            (b"+1", Number, Err(NotANumber)),
            (b"nan", Number, Err(NotANumber)),
            (b".5", Number, Err(NotANumber)),
            (b"5.", Number, Err(NotANumber)),
            (b"1.2.3", Number, Err(NotANumber)),
            (b"-", Number, Err(NotANumber)),
            (b"1,5", Number, Err(SecondColumn)),
            ("\u{0661}".as_bytes(), Number, Err(NotANumber)),
        ];
        for (line, kind, expected) in table {
            let value = parse_value(line, *kind);
            let value = value.as_ref().map(|value| std::str::from_utf8(value).unwrap());
            assert_eq!(
                value.map_err(|error| *error),
                *expected,
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn a_fixable_line_becomes_a_value_or_empty(line in "[ab\",; \t\u{feff}\r\u{a0}]{0,8}") {
            let fixed = normalized(&line);
            match parse_value(line.as_bytes(), Text) {
                Ok(value) => prop_assert_eq!(value.as_ref(), fixed.as_bytes()),
                Err(LineError::Empty) => prop_assert_eq!(fixed.as_ref(), ""),
                Err(error) if error.is_fixable() => {
                    prop_assert_eq!(parse_value(fixed.as_bytes(), Text), Ok(fixed.as_bytes().into()));
                }
                // Ambiguous lines are left unchanged.
                Err(_) => {}
            }
        }

        #[test]
        fn different_numbers_stay_different(one in "-?[0-9]{1,18}(\\.[0-9]{1,3})?", bump in 1_u8..9) {
            // Another number that differs only in the last digit.
            let last = one.bytes().last().unwrap() - b'0';
            let other = format!("{}{}", &one[..one.len() - 1], (last + bump) % 10);
            if let (Ok(one), Ok(other)) = (parse_value(one.as_bytes(), Number), parse_value(other.as_bytes(), Number)) {
                prop_assert_ne!(one, other);
            }
        }
    }
}
