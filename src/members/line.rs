//! What one line of a list may be. Pure.
//!
//! The rules are those of the service's guide to file segments: one column, UTF-8, no spaces around a value, no quotes
//! around it, no comma at its end, no empty line. Breaking one is no error there; the value just matches nobody.

use crate::model::IdentifierType;
use std::borrow::Cow;
use std::fmt;

/// The longest line that can be a value, in bytes. The service documents none; no attribute that identifies a user comes
/// near it, and a list in which a line is longer is something else than a list.
pub const LONGEST: usize = 64 * 1024;

/// Whole numbers up to this one have a double of their own; beyond it several share one, and with it a user.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What some programs put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a line stands for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineFault {
    /// There is nothing in it.
    Empty,
    /// It is not UTF-8.
    NotUtf8,
    /// It is longer than [`LONGEST`].
    TooLong,
    /// It begins with a byte order mark, which some programs put before a file: it would be part of the value. Where files
    /// were put together, it stands inside.
    ByteOrderMark,
    /// There are spaces before or behind the value.
    OuterSpaces,
    /// The value is wrapped in quotes.
    Quotes,
    /// The value ends with a comma.
    TrailingComma,
    /// A comma makes two columns of it.
    SecondColumn,
    /// The attribute is a number and the value is none in plain digits.
    NotANumber,
    /// The number has more digits than the service can tell apart.
    TooManyDigits,
}

impl LineFault {
    /// Whether the line has a value once what is wrong is left out.
    #[must_use]
    pub fn can_be_cleaned(self) -> bool {
        match self {
            Self::Empty | Self::ByteOrderMark | Self::OuterSpaces | Self::Quotes | Self::TrailingComma => {
                true
            }
            Self::NotUtf8 | Self::TooLong | Self::SecondColumn | Self::NotANumber | Self::TooManyDigits => {
                false
            }
        }
    }
}

impl fmt::Display for LineFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "the line is empty",
            Self::NotUtf8 => "the line is not UTF-8",
            Self::TooLong => "the line is longer than any value can be",
            Self::ByteOrderMark => "the line begins with a byte order mark",
            Self::OuterSpaces => "there are spaces around the value",
            Self::Quotes => "the value stands in quotes",
            Self::TrailingComma => "the value ends with a comma",
            Self::SecondColumn => "a comma makes a second column",
            Self::NotANumber => "the value is not a number in plain digits",
            Self::TooManyDigits => "the number has more digits than the service tells apart",
        })
    }
}

/// The value of a line, without its end: as it is compared, so that two lines that mean one user are equal.
///
/// # Errors
///
/// Why it stands for nobody: the first reason, in the order in which they are mended.
pub fn value(line: &[u8], kind: IdentifierType) -> Result<Cow<'_, [u8]>, LineFault> {
    if line.is_empty() {
        return Err(LineFault::Empty);
    }
    if line.len() > LONGEST {
        return Err(LineFault::TooLong);
    }
    let text = std::str::from_utf8(line).map_err(|_| LineFault::NotUtf8)?;
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err(LineFault::ByteOrderMark);
    }
    let bare = text.trim();
    if bare.is_empty() {
        return Err(LineFault::Empty);
    }
    if bare.len() < text.len() {
        return Err(LineFault::OuterSpaces);
    }
    if text.ends_with(',') {
        return Err(LineFault::TrailingComma);
    }
    if is_quoted(text) {
        return Err(LineFault::Quotes);
    }
    if text.contains(',') {
        return Err(LineFault::SecondColumn);
    }
    match kind {
        IdentifierType::Text => Ok(Cow::Borrowed(line)),
        IdentifierType::Number => number(text).map(|number| Cow::Owned(number.into_bytes())),
    }
}

/// What is left of a line without a byte order mark, spaces, quotes and commas around its value.
#[must_use]
pub fn cleaned(line: &str) -> Cow<'_, str> {
    let is_before = |letter: char| letter == BYTE_ORDER_MARK || letter.is_whitespace();
    let is_behind = |letter: char| letter == ',' || letter.is_whitespace();
    let bare = line.trim_start_matches(is_before).trim_end_matches(is_behind);
    if is_quoted(bare) {
        // In a file with quotes, two of them stand for one.
        let inner = bare
            .get(1..bare.len() - 1)
            .unwrap_or_default()
            .replace("\"\"", "\"");
        return Cow::Owned(cleaned(&inner).into_owned());
    }
    Cow::Borrowed(bare)
}

fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

/// One spelling for each number.
fn number(text: &str) -> Result<String, LineFault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) {
        return Err(LineFault::NotANumber);
    }
    let number: f64 = text.parse().map_err(|_| LineFault::NotANumber)?;
    if number.abs() > EXACT {
        return Err(LineFault::TooManyDigits);
    }
    // There is one zero.
    Ok((number + 0.0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdentifierType::{Number, Text};

    #[test]
    fn each_line_is_one_value_or_says_why_not() {
        use LineFault::*;
        let long = "x".repeat(LONGEST + 1);
        let longest = "x".repeat(LONGEST);
        let table: &[(&[u8], IdentifierType, Result<&str, LineFault>)] = &[
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
            (b"\"a\"", Text, Err(Quotes)),
            (b"\"\"", Text, Err(Quotes)),
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
            (b"9007199254740994", Number, Err(TooManyDigits)),
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
            let found = value(line, *kind);
            let found = found.as_ref().map(|value| std::str::from_utf8(value).unwrap());
            assert_eq!(
                found.map_err(|fault| *fault),
                *wanted,
                "{:?}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn what_can_be_cleaned_is_a_value_afterwards() {
        let table = [
            (" a ", "a"),
            ("\"a\"", "a"),
            ("\"a\",", "a"),
            ("\" a \" , ", "a"),
            ("\"say \"\"hi\"\" now\"", "say \"hi\" now"),
            ("a,,", "a"),
            ("  ", ""),
            ("\"\"", ""),
            (",", ""),
            ("\u{feff}", ""),
            ("\u{feff} \"a\"", "a"),
            ("\"\u{feff}a\"", "a"),
        ];
        for (line, wanted) in table {
            let fault = value(line.as_bytes(), Text).unwrap_err();
            assert!(fault.can_be_cleaned(), "{line}");
            assert_eq!(cleaned(line), wanted, "{line}");
            let after = value(wanted.as_bytes(), Text);
            assert!(
                matches!(after, Ok(_) | Err(LineFault::Empty)),
                "{line}: {after:?}"
            );
        }
    }
}
