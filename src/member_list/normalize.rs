//! Writes a fixed copy of a list file (`segctl validate --fix`).
//!
//! Lines keep their order. Spaces, invisible characters, quotes, commas and the text guards of spreadsheets around a value
//! are removed. Byte order marks, empty lines and duplicate lines are removed too. Ambiguous lines are left unchanged, and `check` reports them again.

use super::SortedValues;
use super::check::{MAX_FILE_BYTES, UniqueValues};
use super::lines::Lines;
use super::sort::Sorter;
use super::value::{self, MAX_VALUE_BYTES};
use crate::model::Identifier;
use std::borrow::Cow;
use std::io::{self, BufRead, Seek, Write};

/// A fixable file may be twice as large as MoEngage accepts, because it may consist of duplicate lines.
pub const MAX_NORMALIZED_BYTES: u64 = 2 * MAX_FILE_BYTES;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NormalizeSummary {
    /// Changed lines.
    pub fixed: u64,
    pub removed: u64,
}

/// Reads `input` twice from its start and writes the fixed lines to `output`. Discard the output if this fails.
pub fn normalize(
    input: &mut (impl BufRead + Seek),
    identifier: &Identifier,
    output: &mut impl Write,
) -> io::Result<NormalizeSummary> {
    input.rewind()?;
    let (duplicates, length) = duplicate_lines(&mut *input, identifier)?;
    input.rewind()?;
    let mut duplicates = duplicates.into_iter().peekable();
    let mut lines = Lines::of(input, MAX_NORMALIZED_BYTES);
    let mut summary = NormalizeSummary::default();
    while let Some((number, line)) = lines.next()? {
        let fixed = fixed_line(number, line, identifier)?;
        if duplicates.next_if_eq(&number).is_some() || fixed.is_empty() {
            summary.removed += 1;
            continue;
        }
        summary.fixed += u64::from(*fixed != *line);
        output.write_all(&fixed)?;
        output.write_all(b"\n")?;
    }
    if lines.bytes() != length {
        let message = "the file changed while segctl read it; run the command again";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(summary)
}

/// The numbers of the lines that duplicate an earlier line once both are fixed, and the length of the input in bytes.
fn duplicate_lines(input: impl BufRead, identifier: &Identifier) -> io::Result<(Vec<u32>, u64)> {
    let mut lines = Lines::of(input, MAX_NORMALIZED_BYTES);
    let mut sorter = Sorter::new();
    while let Some((number, line)) = lines.next()? {
        if let Ok(value) = value::parse_value(&fixed_line(number, line, identifier)?, identifier.kind) {
            sorter.push(&value, number)?;
        }
    }
    if lines.bytes() > MAX_NORMALIZED_BYTES {
        let message = format!("the file is larger than {MAX_NORMALIZED_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut duplicates = Vec::new();
    let mut unique = UniqueValues::of(sorter.finish()?, |line, _| duplicates.push(line));
    while unique.next()?.is_some() {}
    duplicates.sort_unstable();
    Ok((duplicates, lines.bytes()))
}

/// Only a line whose sole problem is what surrounds its value is changed.
fn fixed_line<'l>(number: u32, line: &'l [u8], identifier: &Identifier) -> io::Result<Cow<'l, [u8]>> {
    // `Lines` truncates such lines.
    if line.len() > MAX_VALUE_BYTES {
        let message = format!("line {number} is longer than a value can be");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let normalized = match value::parse_value(line, identifier.kind) {
        Ok(_) => Cow::Borrowed(text_of(line)),
        Err(error) if error.is_fixable() => value::normalized(text_of(line)),
        Err(_) => return Ok(Cow::Borrowed(line)),
    };
    Ok(match normalized {
        Cow::Borrowed(text) => Cow::Borrowed(unguarded(text, identifier).as_bytes()),
        Cow::Owned(text) => Cow::Owned(unguarded(&text, identifier).as_bytes().to_vec()),
    })
}

/// Such lines are valid UTF-8.
fn text_of(line: &[u8]) -> &str {
    std::str::from_utf8(line).unwrap_or_default()
}

/// The text inside the guard of a spreadsheet, if it is a value.
fn unguarded<'v>(text: &'v str, identifier: &Identifier) -> &'v str {
    let is_value = |inside: &&str| value::parse_value(inside.as_bytes(), identifier.kind).is_ok();
    value::without_text_guard(text).filter(is_value).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::EmptyList;
    use super::super::check::check;
    use super::*;
    use crate::model::IdentifierType;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::io::Cursor;

    fn email() -> Identifier {
        Identifier {
            attribute: "email".to_owned(),
            kind: IdentifierType::Text,
        }
    }

    fn normalized(bytes: &[u8]) -> (Vec<u8>, NormalizeSummary) {
        let mut output = Vec::new();
        let summary = normalize(&mut Cursor::new(bytes), &email(), &mut output).unwrap();
        (output, summary)
    }

    #[test]
    fn unambiguous_problems_are_fixed_and_the_rest_is_unchanged() {
        let guards = "=\"0123\"\n\"=\"\"0124\"\"\"\n'0125\nx\u{200b}\n\u{202a}+91\u{202c}\n0123\n";
        assert_eq!(normalized(guards.as_bytes()).0, b"0123\n0124\n0125\nx\n+91\n");
        let input = b"\xef\xbb\xbf\"a\"\r\n b \n\nb\na\n\xff\nc,d\n\"a\",\"b\"\n\"a\";\"b\"\n\"x,y\"\nc\n";
        let (output, summary) = normalized(input);
        let expected = b"a\nb\n\xff\nc,d\n\"a\",\"b\"\n\"a\";\"b\"\n\"x,y\"\nc\n";
        assert_eq!(output, expected);
        // Fixed: the first line and ` b `. Removed: the empty line and two duplicates.
        assert_eq!((summary.fixed, summary.removed), (2, 3));
    }

    #[test]
    fn a_truncated_line_is_not_written() {
        let long = [b"a\n".to_vec(), vec![b'x'; MAX_VALUE_BYTES + 1]].concat();
        let error = normalize(&mut Cursor::new(long), &email(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        // Of nested quotes, only the outer pair could be CSV quoting. The line is ambiguous.
        let deep = format!("{}a{}", "\" ".repeat(16_000), " \"".repeat(16_000));
        assert_eq!(normalized(deep.as_bytes()).0, format!("{deep}\n").into_bytes());
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn a_normalized_file_has_the_same_values_and_nothing_left_to_fix(
            lines in proptest::collection::vec("[ab\",; \t\u{feff}\r]{0,8}", 0..12),
        ) {
            let (output, _) = normalized((lines.join("\n") + "\n").as_bytes());
            let result = check(output.as_slice(), &email(), &mut EmptyList, |_, _| Ok(())).unwrap().comparison;
            if let Err(errors) = result {
                prop_assert!(errors.reported().all(|(_, error)| !error.is_fixable()), "{errors:?}");
            }
            let value = |line: &str| {
                let fixed = value::normalized(line);
                value::parse_value(fixed.as_bytes(), IdentifierType::Text).is_ok().then(|| fixed.into_owned())
            };
            let expected_line = |line: &str| match value::parse_value(line.as_bytes(), IdentifierType::Text) {
                Ok(_) => value(line),
                Err(error) if error.is_fixable() => value(line),
                Err(_) => Some(line.to_owned()),
            };
            let lines = lines.iter().map(|line| line.trim_end_matches('\r'));
            let expected: BTreeSet<String> = lines.filter_map(expected_line).collect();
            let output = String::from_utf8(output).unwrap();
            let actual: BTreeSet<String> = output.lines().map(str::to_owned).collect();
            prop_assert_eq!(actual, expected);
            let (again, summary) = normalized(output.as_bytes());
            prop_assert_eq!((again, summary), (output.into_bytes(), NormalizeSummary::default()));
        }
    }
}
