//! Checks one line of a list. Pure.
//!
//! The rules come from MoEngage's guide to file segments: one column, UTF-8, and no spaces or quotes around a value, no
//! trailing comma, no empty line. MoEngage reports no error for an invalid line, which matches no user.

use super::byte_classes::ByteClasses;
use crate::model::{IdentifierType, invisible_characters, trim_invisible};
use std::borrow::Cow;
use std::fmt;

/// The API documents no limit. Identifying attributes are far shorter, so a longer line shows that the file is not a list.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Some programs write it at the start of UTF-8 files.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The markers that git writes around and between the two sides of a conflict.
const CONFLICT_MARKERS: [&[u8]; 3] = [b"<<<<<<< ", b"||||||| ", b">>>>>>> "];
const CONFLICT_MIDDLE: &[u8] = b"=======";

/// Why a line matches no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineError {
    Empty,
    NotUtf8,
    TooLong,
    /// At the start of a file, or where files were concatenated. MoEngage would read it as part of the value.
    ByteOrderMark,
    /// Another invisible character before or after the value.
    InvisibleAround(char),
    OuterSpaces,
    TrailingComma,
    Quotes,
    /// A spreadsheet writes `="0123"` or `'0123` so that a number stays text.
    TextGuard,
    /// There are quotes at both ends, and they do not clearly enclose one value.
    UnclearQuotes,
    SecondColumn,
    Tab,
    /// The file has the line ends of another system, or a value contains one.
    CarriageReturn,
    InvisibleCharacter(char),
    /// A null character, or another kind of line end.
    ControlCharacter,
    ConflictMarker,
    /// A spreadsheet or a program rounded a long number: `9.19877E+11`.
    LostDigits,
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
            Self::Empty
            | Self::ByteOrderMark
            | Self::InvisibleAround(_)
            | Self::OuterSpaces
            | Self::TrailingComma
            | Self::Quotes
            | Self::TextGuard => true,
            Self::NotUtf8
            | Self::TooLong
            | Self::UnclearQuotes
            | Self::SecondColumn
            | Self::Tab
            | Self::CarriageReturn
            | Self::InvisibleCharacter(_)
            | Self::ControlCharacter
            | Self::ConflictMarker
            | Self::LostDigits
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
            Self::InvisibleAround(character) => {
                let code = u32::from(*character);
                return write!(
                    formatter,
                    "there is an invisible character (U+{code:04X}) around the value"
                );
            }
            Self::OuterSpaces => "there are spaces around the value",
            Self::TrailingComma => "the value ends with a comma",
            Self::Quotes => "the value is enclosed in quotes",
            Self::TextGuard => "the number is marked as text of a spreadsheet, as `=\"0123\"` or `'0123`",
            Self::UnclearQuotes => "the line begins and ends with a quote and contains other quotes",
            Self::SecondColumn => "a comma makes a second column",
            Self::Tab => "a tab makes a second column",
            Self::CarriageReturn => "the line contains a carriage return (CR)",
            Self::InvisibleCharacter(character) => {
                let code = u32::from(*character);
                return write!(
                    formatter,
                    "the value contains an invisible character (U+{code:04X})"
                );
            }
            Self::ControlCharacter => "the value contains an invisible control character",
            Self::ConflictMarker => "the line is a conflict marker of git",
            Self::LostDigits => "the number has lost digits: `E` is the notation for rounded numbers",
            Self::NotANumber => "the value is not a number in plain digits",
            Self::TooManyDigits => "the number has more digits than MoEngage distinguishes",
        })
    }
}

/// The canonical value of a line (without its line end), so that two lines for one user are equal. Ambiguous errors take
/// precedence over fixable ones.
pub fn parse_value(line: &[u8], kind: IdentifierType) -> Result<Cow<'_, [u8]>, LineError> {
    parse_classified(line, ByteClasses::of(line), kind)
}

/// Like [`parse_value`], for a line whose bytes are known.
pub(super) fn parse_classified(
    line: &[u8],
    classes: ByteClasses,
    kind: IdentifierType,
) -> Result<Cow<'_, [u8]>, LineError> {
    if line.len() > MAX_VALUE_BYTES {
        let has_old_line_ends = line.contains(&b'\r');
        return Err(if has_old_line_ends {
            LineError::CarriageReturn
        } else {
            LineError::TooLong
        });
    }
    if is_conflict_marker(line) {
        return Err(LineError::ConflictMarker);
    }
    let is_bare = classes.is_plain() && !has_outer_space(line) && !classes.may_have_exponent();
    if is_bare && kind == IdentifierType::Text {
        return if line.is_empty() {
            Err(LineError::Empty)
        } else {
            Ok(Cow::Borrowed(line))
        };
    }
    let text = std::str::from_utf8(line).map_err(|_| LineError::NotUtf8)?;
    let bare = normalized(text);
    if bare.is_empty() {
        return Err(LineError::Empty);
    }
    check_value(&bare)?;
    let number = match kind {
        IdentifierType::Text => None,
        IdentifierType::Number => Some(guarded_number(&bare)?),
    };
    match error_around(text, &bare) {
        Some(error) => Err(error),
        None => Ok(number.map_or(Cow::Borrowed(line), |number| Cow::Owned(number.into_bytes()))),
    }
}

pub(super) fn is_conflict_marker(line: &[u8]) -> bool {
    let is_first = matches!(line.first(), Some(b'<' | b'>' | b'|' | b'='));
    is_first && (line == CONFLICT_MIDDLE || CONFLICT_MARKERS.iter().any(|marker| line.starts_with(marker)))
}

fn has_outer_space(line: &[u8]) -> bool {
    line.first() == Some(&b' ') || line.last() == Some(&b' ')
}

/// Removes invisible characters, spaces, commas and one pair of quotes around the value.
#[must_use]
pub fn normalized(line: &str) -> Cow<'_, str> {
    let bare = trim_with_commas(line);
    let Some(inside) = unquoted(bare) else {
        return Cow::Borrowed(bare);
    };
    let bare = trim_invisible(inside);
    if bare.contains('"') {
        // Inside quotes, two quotes mean one.
        Cow::Owned(bare.replace("\"\"", "\""))
    } else {
        Cow::Borrowed(bare)
    }
}

fn trim_with_commas(line: &str) -> &str {
    let mut bare = trim_invisible(line);
    while let Some(before) = bare.strip_suffix(',') {
        bare = trim_invisible(before);
    }
    bare
}

/// The text inside a pair of quotes that encloses all of `text`. Every quote inside must be doubled.
fn unquoted(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    (!inside.replace("\"\"", "").contains('"')).then_some(inside)
}

/// The text that a spreadsheet marks as text: `="0123"` and `'0123` mean `0123`. Single quotes at both ends come from
/// database exports.
#[must_use]
pub fn without_text_guard(value: &str) -> Option<&str> {
    let inside = match value.strip_prefix("=\"") {
        Some(rest) => rest.strip_suffix('"')?,
        None => {
            let rest = value.strip_prefix('\'')?;
            let is_number = rest.starts_with(|first: char| first.is_ascii_digit() || "+-=@".contains(first));
            match rest.strip_suffix('\'') {
                Some(inside) => inside,
                None if is_number && !rest.contains(' ') => rest,
                None => return None,
            }
        }
    };
    let is_value = !inside.is_empty() && !inside.contains(['"', '\'']) && normalized(inside) == inside;
    is_value.then_some(inside)
}

fn check_value(value: &str) -> Result<(), LineError> {
    if has_lost_digits(value) {
        Err(LineError::LostDigits)
    } else if value.contains(',') {
        Err(LineError::SecondColumn)
    } else if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        Err(LineError::UnclearQuotes)
    } else if let Some(control) = value.chars().find(|letter| letter.is_control()) {
        Err(match control {
            '\t' => LineError::Tab,
            '\r' => LineError::CarriageReturn,
            _ => LineError::ControlCharacter,
        })
    } else if let Some((_, invisible)) = invisible_characters(value).next() {
        Err(LineError::InvisibleCharacter(invisible))
    } else {
        Ok(())
    }
}

/// Whether a value is a rounded number such as `9.19877E+11`. Without a fraction, only `E+` shows it: `12E5` may be an id.
#[must_use]
pub fn has_lost_digits(value: &str) -> bool {
    let Some((number, exponent)) = value.split_once(['e', 'E']) else {
        return false;
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.strip_prefix(['-', '+']).unwrap_or(number);
    let (whole, fraction) = match number.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let exponent_digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    whole.len() == 1
        && is_digits(whole)
        && fraction.is_none_or(is_digits)
        && (1..=3).contains(&exponent_digits.len())
        && is_digits(exponent_digits)
        && (fraction.is_some() || exponent.starts_with('+'))
}

/// What a line contains besides its value.
fn error_around(line: &str, value: &str) -> Option<LineError> {
    if line == value {
        None
    } else if line.starts_with(BYTE_ORDER_MARK) {
        Some(LineError::ByteOrderMark)
    } else if let Some((_, invisible)) = invisible_characters(line).next() {
        // The value itself contains none.
        Some(LineError::InvisibleAround(invisible))
    } else if line.trim().len() < line.len() {
        Some(LineError::OuterSpaces)
    } else if line.ends_with(',') {
        Some(LineError::TrailingComma)
    } else {
        Some(LineError::Quotes)
    }
}

fn guarded_number(text: &str) -> Result<String, LineError> {
    canonical_number(text).map_err(|error| {
        let guarded = without_text_guard(text);
        let is_number = guarded.is_some_and(|inside| canonical_number(inside).is_ok());
        if is_number { LineError::TextGuard } else { error }
    })
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
        let old_mac = "a\r".repeat(MAX_VALUE_BYTES);
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
            (b"a\rb", Text, Err(CarriageReturn)),
            (old_mac.as_bytes(), Text, Err(CarriageReturn)),
            (b"a\tb", Text, Err(Tab)),
            (b"a\0", Text, Err(ControlCharacter)),
            ("a\u{feff}b".as_bytes(), Text, Err(InvisibleCharacter('\u{feff}'))),
            ("a\u{200b}".as_bytes(), Text, Err(InvisibleAround('\u{200b}'))),
            (
                "\u{202a}+911\u{202c}".as_bytes(),
                Text,
                Err(InvisibleAround('\u{202a}')),
            ),
            ("\"\u{ad}a\"".as_bytes(), Text, Err(InvisibleAround('\u{ad}'))),
            ("a\u{ad}b".as_bytes(), Text, Err(InvisibleCharacter('\u{ad}'))),
            ("\u{200b}".as_bytes(), Text, Err(Empty)),
            ("\u{2060}1".as_bytes(), Number, Err(InvisibleAround('\u{2060}'))),
            ("👩\u{200d}💻".as_bytes(), Text, Ok("👩\u{200d}💻")),
            (b"+491701234567", Text, Ok("+491701234567")),
            (b"user#12", Text, Ok("user#12")),
            (
                b"123456789012345678901234567890",
                Text,
                Ok("123456789012345678901234567890"),
            ),
            (b"9.19877E+11", Text, Err(LostDigits)),
            (b"9,19877e+11", Text, Err(LostDigits)),
            (b"9.19877E11", Text, Err(LostDigits)),
            (b"1E+12", Text, Err(LostDigits)),
            (b"9.19877E+11", Number, Err(LostDigits)),
            (b"12E5", Text, Ok("12E5")),
            (b"919877E+11", Text, Ok("919877E+11")),
            (b"1e+12@example.com", Text, Ok("1e+12@example.com")),
            (b"<<<<<<< HEAD", Text, Err(ConflictMarker)),
            (b"=======", Number, Err(ConflictMarker)),
            (b">>>>>>> a, b", Text, Err(ConflictMarker)),
            (b"||||||| base", Text, Err(ConflictMarker)),
            (b"========", Text, Ok("========")),
            (b"=\"0123\"", Text, Ok("=\"0123\"")),
            (b"'0123", Text, Ok("'0123")),
            (b"=\"0123\"", Number, Err(TextGuard)),
            (b"'0123", Number, Err(TextGuard)),
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

    #[test]
    fn text_guards_of_spreadsheets_and_databases_are_removed() {
        for (value, inside) in [
            ("=\"0123\"", Some("0123")),
            ("'0123", Some("0123")),
            ("'+491701234567", Some("+491701234567")),
            ("'a@example.com'", Some("a@example.com")),
            ("=\"\"", None),
            ("'", None),
            ("''", None),
            ("'t Hooft", None),
            ("'Ndrangheta", None),
            ("=\" 1\"", None),
            ("o'neill", None),
            ("0123", None),
        ] {
            assert_eq!(without_text_guard(value), inside, "{value}");
        }
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn a_fixable_line_becomes_a_value_or_empty(line in "[ab\",; \t\u{feff}\u{200b}\u{200d}\u{fe0f}💻\r\u{a0}]{0,8}") {
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
