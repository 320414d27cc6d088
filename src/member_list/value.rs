//! What one line of a list may be. Pure.
//!
//! The rules are those of the service's guide to file segments: one column, UTF-8, no spaces around a value, no quotes
//! around it, no comma at its end, no empty line. Breaking one is no error there; the value just matches nobody.

use crate::model::IdentifierType;
use std::borrow::Cow;
use std::fmt;

/// The longest line that can be a value, in bytes. The service documents none; no attribute that identifies a user comes
/// near it, and a list in which a line is longer is something else than a list.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a line stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineError {
    /// There is nothing in it.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than [`LONGEST`].
    TooLong,
    /// A byte order mark stands before the value and would be part of it: at the start of a file, or where files were put
    /// together.
    ByteOrderMark,
    /// There are spaces before or behind the value.
    OuterSpaces,
    /// The value ends with a comma.
    TrailingComma,
    /// The value is wrapped in quotes.
    Quotes,
    /// A quote stands at both ends, and it is not clear what they wrap.
    UnclearQuotes,
    /// A comma makes two columns of it.
    SecondColumn,
    /// There is something in the value that nobody sees: a tab, a zero, another sort of line end.
    ControlCharacter,
    /// The attribute is a number and the value is none in plain digits.
    NotANumber,
    /// The number has more digits than the service can tell apart.
    TooManyDigits,
}

impl LineError {
    /// Whether it is clear what the line should be, and that is a value or nothing.
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
            Self::NotUtf8 => "the line is not UTF-8",
            Self::TooLong => "the line is longer than any value can be",
            Self::ByteOrderMark => "the line begins with a byte order mark",
            Self::OuterSpaces => "there are spaces around the value",
            Self::TrailingComma => "the value ends with a comma",
            Self::Quotes => "the value stands in quotes",
            Self::UnclearQuotes => "the line begins and ends with a quote, and there are others inside",
            Self::SecondColumn => "a comma makes a second column",
            Self::ControlCharacter => "there is an invisible character in the value",
            Self::NotANumber => "the value is not a number in plain digits",
            Self::TooManyDigits => "the number has more digits than the service tells apart",
        })
    }
}

/// The value of a line, without its end: as it is compared, so that two lines that mean one user are equal.
///
/// # Errors
///
/// Why it stands for nobody: what nobody but the author can mend, before what can be cleaned.
pub fn parse_value(line: &[u8], kind: IdentifierType) -> Result<Cow<'_, [u8]>, LineError> {
    if line.len() > MAX_VALUE_BYTES {
        return Err(LineError::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
    let bare = normalised(text);
    if bare.is_empty() {
        return Err(LineError::Empty);
    }
    check_value(&bare)?;
    let number = match kind {
        IdentifierType::Text => None,
        IdentifierType::Number => Some(canonical_number(&bare)?),
    };
    match error_around(text, &bare) {
        Some(fault) => Err(fault),
        None => Ok(number.map_or(Cow::Borrowed(line), |number| Cow::Owned(number.into_bytes()))),
    }
}

/// What is left of a line without a byte order mark, spaces, commas and one pair of quotes around its value.
#[must_use]
pub fn normalised(line: &str) -> Cow<'_, str> {
    let bare = trimmed(line).trim_end_matches(|letter: char| letter == ',' || letter.is_whitespace());
    let Some(inside) = unquoted(bare) else {
        return Cow::Borrowed(bare);
    };
    let bare = trimmed(inside);
    if bare.contains('"') {
        // Between quotes, two of them stand for one.
        Cow::Owned(bare.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(bare)
    }
}

fn trimmed(text: &str) -> &str {
    let is_before = |letter: char| letter == BYTE_ORDER_MARK || letter.is_whitespace();
    text.trim_start_matches(is_before).trim_end()
}

/// What stands between a pair of quotes that wrap all of a text: every quote inside is written twice.
fn unquoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.replace("\"\"", "").contains('"')).then_some(inside)
}

/// What is wrong with a value itself.
fn check_value(value: &str) -> Result<(), LineError> {
    let is_hidden = |letter: char| letter.is_control() || letter == BYTE_ORDER_MARK;
    if value.contains(',') {
        Err(LineError::SecondColumn)
    } else if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        Err(LineError::UnclearQuotes)
    } else if value.contains(is_hidden) {
        Err(LineError::ControlCharacter)
    } else {
        Ok(())
    }
}

/// What stands around the value of a line that is more than the value.
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

/// One spelling for each number.
fn canonical_number(text: &str) -> Result<String, LineError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) {
        return Err(LineError::NotANumber);
    }
    let number: f64 = text.parse().map_err(|_| LineError::NotANumber)?;
    // There is one zero.
    let spelled = (number + 0.0).to_string();
    // Where a double prints as other digits, it stands for other numbers, too.
    if spelled.trim_start_matches('-') == without_redundant_zeros(whole, fraction) {
        Ok(spelled)
    } else {
        Err(LineError::TooManyDigits)
    }
}

/// Digits without the zeros that say nothing.
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
        for (line, kind, wanted) in table {
            let found = parse_value(line, *kind);
            let found = found.as_ref().map(|value| std::str::from_utf8(value).unwrap());
            assert_eq!(
                found.map_err(|fault| *fault),
                *wanted,
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    proptest! {
        #[test]
        fn a_fixable_line_becomes_a_value_or_empty(line in "[ab\",; \t\u{feff}\r\u{a0}]{0,8}") {
            let after = normalised(&line);
            match parse_value(line.as_bytes(), Text) {
                Ok(value) => prop_assert_eq!(value.as_ref(), after.as_bytes()),
                Err(LineError::Empty) => prop_assert_eq!(after.as_ref(), ""),
                Err(fault) if fault.is_fixable() => {
                    prop_assert_eq!(parse_value(after.as_bytes(), Text), Ok(after.as_bytes().into()));
                }
                // What the author alone can mend is left as it is.
                Err(_) => {}
            }
        }

        #[test]
        fn different_numbers_stay_different(one in "-?[0-9]{1,18}(\\.[0-9]{1,3})?", bump in 1_u8..9) {
            // The same number but for its last digit.
            let last = one.bytes().last().unwrap() - b'0';
            let other = format!("{}{}", &one[..one.len() - 1], (last + bump) % 10);
            if let (Ok(one), Ok(other)) = (parse_value(one.as_bytes(), Number), parse_value(other.as_bytes(), Number)) {
                prop_assert_ne!(one, other);
            }
        }
    }
}
