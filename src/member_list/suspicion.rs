//! Values that an export or a spreadsheet wrote in the place of others. MoEngage accepts them, and they match no user.

use super::byte_classes::ByteClasses;
use super::header::{HeaderMatch, HeaderWords};
use super::value::without_text_guard;
use crate::model::is_blank;
use std::collections::BTreeMap;
use std::fmt;

/// In small letters. Exports write these for a missing value.
const MISSING_VALUES: [&str; 17] = [
    "(blank)",
    "(empty)",
    "(null)",
    "<na>",
    "<null>",
    "<none>",
    "[null]",
    "\\n",
    "n/a",
    "nan",
    "nat",
    "nil",
    "none",
    "null",
    "undefined",
    "undef",
    "#null",
];

/// Errors of spreadsheets, in the languages that translate them. Others have the form `#NAME?` and `#REF!`.
const SPREADSHEET_ERRORS: [&str; 4] = ["#n/a", "#n/v", "#nv", "#getting_data"];

const FOOTER_WORDS: [&str; 5] = ["total", "grand total", "totals", "sum", "summe"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    MissingValue,
    SpreadsheetError,
    /// `="0123"`, `'0123` or `'a@example.com'`.
    TextGuard,
    /// Every value ends with `.0`.
    Float,
    /// A header of another attribute, or a header that is not in the first line.
    Header,
    /// The last line of a report.
    Footer,
    /// At the start of the file.
    Comment,
    /// A line of dashes.
    Rule,
    /// `- ` or `* ` before the value.
    ListMarker,
    /// A wrong encoding has damaged the value.
    DamagedText,
    BlankCharacter,
}

impl Suspicion {
    /// Whether `segctl validate --fix` changes the lines.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        self == Self::TextGuard
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MissingValue => "a missing value of an export, such as `NULL` or `NaN`",
            Self::SpreadsheetError => "an error of a spreadsheet, such as `#N/A`",
            Self::TextGuard => "marked as text of a spreadsheet or a database, as `=\"0123\"` or `'0123`",
            Self::Float => "a whole number with `.0`, as programs write ids that they read as numbers",
            Self::Header => "a column header",
            Self::Footer => "the total of a report",
            Self::Comment => "a comment",
            Self::Rule => "a line of dashes between header and values",
            Self::ListMarker => "a list item with `- ` or `* ` before the value",
            Self::DamagedText => "text that a wrong encoding has damaged",
            Self::BlankCharacter => "a value with a blank that is not a usual space",
        })
    }
}

/// The lines with one suspicion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuspiciousLines {
    /// The number of the first line, from 1.
    pub first: u32,
    /// The value in the first line.
    pub example: String,
    pub count: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suspicions(BTreeMap<Suspicion, SuspiciousLines>);

impl Suspicions {
    pub fn iter(&self) -> impl Iterator<Item = (Suspicion, &SuspiciousLines)> {
        self.0.iter().map(|(suspicion, lines)| (*suspicion, lines))
    }

    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.0.keys().any(|suspicion| suspicion.is_fixable())
    }

    fn add(&mut self, suspicion: Suspicion, number: u32, value: &[u8]) {
        let lines = self.0.entry(suspicion).or_insert_with(|| SuspiciousLines {
            first: number,
            example: String::from_utf8_lossy(value).into_owned(),
            count: 0,
        });
        lines.count += 1;
    }

    fn count(&self, suspicion: Suspicion) -> u64 {
        self.0.get(&suspicion).map_or(0, |lines| lines.count)
    }
}

/// Looks at the valid lines of a list of texts, in order.
pub(super) struct SuspicionFinder<'h> {
    headers: &'h HeaderWords,
    found: Suspicions,
    values: u64,
    floats: Suspicions,
    /// Whether only comments came before.
    is_at_start: bool,
    /// The last line, if it looks like the total of a report.
    footer: Option<(u32, Vec<u8>)>,
}

impl<'h> SuspicionFinder<'h> {
    pub(super) fn new(headers: &'h HeaderWords) -> Self {
        Self {
            headers,
            found: Suspicions::default(),
            values: 0,
            floats: Suspicions::default(),
            is_at_start: true,
            footer: None,
        }
    }

    pub(super) fn add(&mut self, number: u32, line: &[u8], classes: ByteClasses) {
        self.values += 1;
        self.footer = None;
        if classes.may_be_decimal() && is_whole_float(line) {
            self.floats.add(Suspicion::Float, number, line);
        } else if is_unusual(line, classes)
            && let Ok(text) = std::str::from_utf8(line)
        {
            self.add_unusual(number, text, classes);
        }
        self.is_at_start = self.is_at_start && is_comment(line);
    }

    fn add_unusual(&mut self, number: u32, text: &str, classes: ByteClasses) {
        let line = text.as_bytes();
        if self.is_at_start && is_comment(line) {
            self.found.add(Suspicion::Comment, number, line);
        } else if let Some(suspicion) = suspicion_of(text, classes) {
            self.found.add(suspicion, number, line);
        } else if is_footer(text) {
            self.footer = Some((number, line.to_vec()));
        } else if classes.is_words() {
            let is_header = match self.headers.matches(text) {
                Some(HeaderMatch::Attribute) => true,
                Some(HeaderMatch::Other) => self.is_at_start,
                None => false,
            };
            if is_header {
                self.found.add(Suspicion::Header, number, line);
            }
        }
    }

    pub(super) fn finish(mut self) -> Suspicions {
        // A total alone is a value.
        if let Some((number, line)) = self.footer.filter(|_| self.values > 1) {
            self.found.add(Suspicion::Footer, number, &line);
        }
        let real_values = self.values - self.found.count(Suspicion::MissingValue);
        if self.floats.count(Suspicion::Float) == real_values {
            self.found.0.append(&mut self.floats.0);
        }
        self.found
    }
}

/// Why a value of a list may be the debris of an export.
#[must_use]
pub fn suspicion(value: &str) -> Option<Suspicion> {
    suspicion_of(value, ByteClasses::of(value.as_bytes()))
}

/// Cheap, because most lines are usual.
fn is_unusual(line: &[u8], classes: ByteClasses) -> bool {
    let starts_unusually = matches!(
        line.first(),
        Some(b'#' | b'=' | b'\'' | b'\\' | b'(' | b'[' | b'<' | b'-' | b'*' | b'/' | b'+')
    );
    starts_unusually
        || line.starts_with(b"Err:")
        || classes.is_words()
        || classes.has_space()
        || !classes.is_ascii()
}

fn suspicion_of(text: &str, classes: ByteClasses) -> Option<Suspicion> {
    if is_rule(text) {
        Some(Suspicion::Rule)
    } else if is_missing_value(text) {
        Some(Suspicion::MissingValue)
    } else if is_spreadsheet_error(text) {
        Some(Suspicion::SpreadsheetError)
    } else if without_text_guard(text).is_some() {
        Some(Suspicion::TextGuard)
    } else if text.starts_with("- ") || text.starts_with("* ") {
        Some(Suspicion::ListMarker)
    } else if classes.is_ascii() {
        None
    } else if is_damaged(text) {
        Some(Suspicion::DamagedText)
    } else {
        text.contains(is_blank).then_some(Suspicion::BlankCharacter)
    }
}

fn is_missing_value(text: &str) -> bool {
    is_one_of(text, &MISSING_VALUES)
}

/// `#REF!`, `#NAME?`, `#DIV/0!`, `Err:502` and the like.
fn is_spreadsheet_error(text: &str) -> bool {
    if is_one_of(text, &SPREADSHEET_ERRORS) {
        return true;
    }
    let is_libre_office = text
        .strip_prefix("Err:")
        .is_some_and(|code| code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit()));
    let name = text
        .strip_prefix('#')
        .and_then(|text| text.strip_suffix(['!', '?']));
    let is_name = |name: &str| {
        let is_capital = |letter: char| letter.is_uppercase() || "/0¡_".contains(letter);
        !name.is_empty() && name.chars().all(is_capital)
    };
    is_libre_office || name.is_some_and(is_name)
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// `----`, or `+----+` as databases print tables.
fn is_rule(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|byte| matches!(byte, b'-' | b'+' | b'=' | b'_'))
}

/// Two kinds of comments; a number sign alone may begin a value.
fn is_comment(line: &[u8]) -> bool {
    let starts: [&[u8]; 4] = [b"# ", b"// ", b"-- ", b"/* "];
    starts.iter().any(|start| line.starts_with(start))
}

/// `Total`, `Total: 12`, `(3 rows)` or `3 rows selected`.
fn is_footer(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let words = lower.trim_end_matches(|letter: char| letter.is_ascii_digit() || " .:=".contains(letter));
    if FOOTER_WORDS.contains(&words) {
        return true;
    }
    let inside = lower.trim_matches(['(', ')', '.']);
    let after_digits = inside.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let unit = ["rows", "row", "records", "record"].into_iter().find_map(|unit| {
        let rest = after_digits.strip_prefix(' ')?.strip_prefix(unit)?;
        (rest.is_empty() || rest.starts_with(' ')).then_some(unit)
    });
    after_digits.len() < inside.len() && unit.is_some()
}

/// `1001.0`
fn is_whole_float(line: &[u8]) -> bool {
    let Some(dot) = line.iter().position(|byte| *byte == b'.') else {
        return false;
    };
    let (whole, fraction) = line.split_at(dot);
    let digits = whole.strip_prefix(b"-").unwrap_or(whole);
    let fraction = fraction.get(1..).unwrap_or_default();
    !digits.is_empty()
        && digits.iter().all(u8::is_ascii_digit)
        && !fraction.is_empty()
        && fraction.iter().all(|byte| *byte == b'0')
}

/// A replacement character, or UTF-8 that was read as Latin-1: `JÃ¼rgen`.
fn is_damaged(text: &str) -> bool {
    let mut before = '\0';
    for next in text.chars() {
        let is_second = match before {
            'Ã' => matches!(next, '\u{80}'..='\u{bf}'),
            'Â' => matches!(next, '\u{a0}'..='\u{bf}'),
            'â' => matches!(next, '€' | '\u{80}'),
            _ => false,
        };
        if next == char::REPLACEMENT_CHARACTER || is_second {
            return true;
        }
        before = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A suspicion with its first line and the number of lines.
    type Found = (Suspicion, u32, u64);

    fn suspicions(attribute: &str, lines: &[&str]) -> Vec<Found> {
        let headers = HeaderWords::of(attribute);
        let mut finder = SuspicionFinder::new(&headers);
        for (number, line) in (1..).zip(lines) {
            finder.add(number, line.as_bytes(), ByteClasses::of(line.as_bytes()));
        }
        let found = finder.finish();
        found
            .iter()
            .map(|(suspicion, lines)| (suspicion, lines.first, lines.count))
            .collect()
    }

    #[test]
    fn debris_of_spreadsheets_and_exports_is_found_with_its_lines() {
        use Suspicion::*;
        let table: [(&[&str], &[Found]); 22] = [
            (
                &["a", "NULL", "b", "null", "NaN", "None", "undefined", "\\N"],
                &[(MissingValue, 2, 6)],
            ),
            (
                &["a", "N/A", "(null)", "<NA>", "[NULL]", "(blank)"],
                &[(MissingValue, 2, 5)],
            ),
            (
                &["#N/A", "a", "#REF!", "#NAME?", "#DIV/0!", "Err:502", "#WERT!"],
                &[(SpreadsheetError, 1, 6)],
            ),
            (
                &["=\"0123\"", "'0123", "'a@example.com'", "b"],
                &[(TextGuard, 1, 3)],
            ),
            (&["1001.0", "1002.0"], &[(Float, 1, 2)]),
            (
                &["1001.0", "nan", "1002.00"],
                &[(MissingValue, 2, 1), (Float, 1, 2)],
            ),
            (&["1001.0", "1002.5"], &[]),
            (&["1.0.0", "2.0"], &[]),
            (&["Phone", "a"], &[(Header, 1, 1)]),
            (&["a", "E-mail", "b"], &[(Header, 2, 1)]),
            (&["a", "phone"], &[]),
            (&["a", "b", "Total: 2"], &[(Footer, 3, 1)]),
            (&["a", "b", "(2 rows)"], &[(Footer, 3, 1)]),
            (&["a", "2 rows selected."], &[(Footer, 2, 1)]),
            (&["total", "a"], &[]),
            (&["# exported 2025-01-01", "# by ada", "a"], &[(Comment, 1, 2)]),
            (&["#12", "a", "# 2", "user#3"], &[]),
            (&["u1", "-----", "+----+"], &[(Rule, 2, 2)]),
            (&["- a@example.com", "- b@example.com"], &[(ListMarker, 1, 2)]),
            (&["JÃ¼rgen", "J\u{fffd}rgen"], &[(DamagedText, 1, 2)]),
            (&["a\u{a0}b", "\u{3164}"], &[(BlankCharacter, 1, 2)]),
            (&["1001.0"], &[(Float, 1, 1)]),
        ];
        for (lines, expected) in table {
            assert_eq!(suspicions("email", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn sound_values_are_not_suspicious() {
        let lines = [
            "ada@example.com",
            "+491701234567",
            "(030) 123456",
            "user#12",
            "#12",
            "#gold",
            "123456789012345678901234567890",
            "550e8400-e29b-41d4-a716-446655440000",
            "nullable",
            "Nancy",
            "null@example.com",
            "o'neill@example.com",
            "'t Hooft",
            "João",
            "Ünal",
            "می\u{200c}خواهم",
            "👩\u{200d}💻",
            "auth0|5f7c8ec7",
            "12E5",
            "1.0-beta",
            "-5",
            "two words",
            "A/N",
            "n.a",
            "=",
            "--",
            "東京",
        ];
        assert_eq!(suspicions("email", &lines), []);
        for line in lines {
            assert_eq!(suspicion(line), None, "{line}");
        }
    }
}
