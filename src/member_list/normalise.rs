//! Writing a file without what is wrong with it, as far as it is clear what was meant.
//!
//! Lines stay in their order. Spaces, quotes and commas around a value go, and byte order marks, empty lines and lines
//! that repeat an earlier one. What nobody but the author can mend stays as it is, to be told again.

use super::SortedValues;
use super::check::{MAX_FILE_BYTES, UniqueValues};
use super::lines::Lines;
use super::sort::Sorter;
use super::value::{self, LineError};
use crate::model::Identifier;
use std::borrow::Cow;
use std::io::{self, BufRead, Seek, Write};

/// The largest file that is cleaned, in bytes: one that is full of repeated lines may be as large again as what the
/// service takes.
pub const MAX_NORMALISED_BYTES: u64 = 2 * MAX_FILE_BYTES;

/// What was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NormaliseSummary {
    /// Lines that lost something.
    pub fixed: u64,
    /// Lines that are gone.
    pub removed: u64,
}

/// Writes `input` from its start to `output` without what can be mended. It is read twice, so that what was written is
/// good when this is back without an error: `output` is no file that anybody reads before.
///
/// # Errors
///
/// Either fails, `input` is too large or changed meanwhile, or a line in it is too long to be handed on whole.
pub fn normalise(
    input: &mut (impl BufRead + Seek),
    identifier: &Identifier,
    output: &mut impl Write,
) -> io::Result<NormaliseSummary> {
    input.rewind()?;
    let (repeated, length) = duplicate_lines(&mut *input, identifier)?;
    input.rewind()?;
    let mut repeated = repeated.into_iter().peekable();
    let mut lines = Lines::of(input, MAX_NORMALISED_BYTES);
    let mut cleaned = NormaliseSummary::default();
    while let Some((number, line)) = lines.next()? {
        let mended = fixed_line((number, line), identifier)?;
        if repeated.next_if_eq(&number).is_some() || mended.is_empty() {
            cleaned.removed += 1;
            continue;
        }
        cleaned.fixed += u64::from(*mended != *line);
        output.write_all(&mended)?;
        output.write_all(b"\n")?;
    }
    if lines.bytes() != length {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it was changed while it was read",
        ));
    }
    Ok(cleaned)
}

/// The lines that say what an earlier one says once both are mended, in order, and the length of it all in bytes.
fn duplicate_lines(input: impl BufRead, identifier: &Identifier) -> io::Result<(Vec<u32>, u64)> {
    let mut lines = Lines::of(input, MAX_NORMALISED_BYTES);
    let mut sorter = Sorter::new();
    while let Some((number, line)) = lines.next()? {
        if let Ok(value) = value::parse_value(&fixed_line((number, line), identifier)?, identifier.kind) {
            sorter.push(&value, number)?;
        }
    }
    if lines.bytes() > MAX_NORMALISED_BYTES {
        let message = format!("it has more than {MAX_NORMALISED_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut repeated = Vec::new();
    let mut unique = UniqueValues::of(sorter.finish()?, |line, _| repeated.push(line));
    while unique.next()?.is_some() {}
    repeated.sort_unstable();
    Ok((repeated, lines.bytes()))
}

/// A line without what is around its value, if that is all that is wrong with it.
fn fixed_line<'l>((number, line): (u32, &'l [u8]), identifier: &Identifier) -> io::Result<Cow<'l, [u8]>> {
    match value::parse_value(line, identifier.kind) {
        // Lines this long are not handed on whole.
        Err(LineError::TooLong) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("line {number} is too long to be a value"),
        )),
        Err(fault) if fault.is_fixable() => {
            let text = std::str::from_utf8(line).unwrap_or_default();
            Ok(match value::normalised(text) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            })
        }
        Err(_) | Ok(_) => Ok(Cow::Borrowed(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmptyList;
    use super::super::check::check;
    use super::super::value::MAX_VALUE_BYTES;
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

    fn normalised(bytes: &[u8]) -> (Vec<u8>, NormaliseSummary) {
        let mut output = Vec::new();
        let cleaned = normalise(&mut Cursor::new(bytes), &email(), &mut output).unwrap();
        (output, cleaned)
    }

    #[test]
    fn unambiguous_problems_are_fixed_and_the_rest_is_unchanged() {
        let dirty = b"\xef\xbb\xbf\"a\"\r\n b \n\nb\na\n\xff\nc,d\n\"a\",\"b\"\n\"a\";\"b\"\n\"x,y\"\nc\n";
        let (output, counts) = normalised(dirty);
        let wanted = b"a\nb\n\xff\nc,d\n\"a\",\"b\"\n\"a\";\"b\"\n\"x,y\"\nc\n";
        assert_eq!(output, wanted);
        // The first and ` b `; the empty line and two repeated ones.
        assert_eq!((counts.fixed, counts.removed), (2, 3));
    }

    #[test]
    fn a_truncated_line_is_not_written() {
        let long = [b"a\n".to_vec(), vec![b'x'; MAX_VALUE_BYTES + 1]].concat();
        let error = normalise(&mut Cursor::new(long), &email(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        // Quotes in quotes in quotes: one pair is a file's, the others are the author's.
        let deep = format!("{}a{}", "\" ".repeat(16_000), " \"".repeat(16_000));
        assert_eq!(normalised(deep.as_bytes()).0, format!("{deep}\n").into_bytes());
    }

    proptest! {
        #[test]
        fn a_normalised_file_has_the_same_values_and_nothing_left_to_fix(
            lines in proptest::collection::vec("[ab\",; \t\u{feff}\r]{0,8}", 0..12),
        ) {
            let (output, _) = normalised((lines.join("\n") + "\n").as_bytes());
            let found = check(output.as_slice(), &email(), &mut EmptyList, |_, _| Ok(())).unwrap();
            if let Err(faults) = found {
                prop_assert!(faults.reported().all(|(_, fault)| !fault.is_fixable()), "{faults:?}");
            }
            let value = |line: &str| {
                let cleaned = value::normalised(line);
                value::parse_value(cleaned.as_bytes(), IdentifierType::Text).is_ok().then(|| cleaned.into_owned())
            };
            let kept = |line: &str| match value::parse_value(line.as_bytes(), IdentifierType::Text) {
                Ok(_) => value(line),
                Err(fault) if fault.is_fixable() => value(line),
                Err(_) => Some(line.to_owned()),
            };
            let wanted: BTreeSet<String> = lines.iter().filter_map(|line| kept(line.trim_end_matches('\r'))).collect();
            let output = String::from_utf8(output).unwrap();
            let found: BTreeSet<String> = output.lines().map(str::to_owned).collect();
            prop_assert_eq!(found, wanted);
            let (again, counts) = normalised(output.as_bytes());
            prop_assert_eq!((again, counts), (output.into_bytes(), NormaliseSummary::default()));
        }
    }
}
