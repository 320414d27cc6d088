//! Writing a file without what is wrong with it, as far as it is clear what was meant.
//!
//! Lines stay in their order. Spaces, quotes and commas around a value go, and byte order marks, empty lines and lines
//! that repeat an earlier one. What nobody but the author can mend stays as it is, to be told again.

use super::Values;
use super::check::{Fault, Identifier, Unique};
use super::line::{self, LineFault};
use super::lines::Lines;
use super::sort::Sorter;
use std::borrow::Cow;
use std::io::{self, BufRead, Seek, Write};

/// What was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Lines that lost something.
    pub mended: u64,
    /// Lines that are gone.
    pub dropped: u64,
}

/// Writes `input` to `output` without what can be mended.
///
/// # Errors
///
/// Either fails, or there is a line in `input` that is too long to be handed on whole.
pub fn clean(
    input: &mut (impl BufRead + Seek),
    identifier: Identifier<'_>,
    output: &mut impl Write,
) -> io::Result<Cleaned> {
    let repeated = repeated(&mut *input, identifier)?;
    input.rewind()?;
    let mut repeated = repeated.into_iter().peekable();
    let mut lines = Lines::of(input, u64::MAX);
    let mut cleaned = Cleaned::default();
    while let Some((number, line)) = lines.next()? {
        let mended = mended(line, identifier)?;
        if repeated.next_if_eq(&number).is_some() || mended.is_empty() {
            cleaned.dropped += 1;
            continue;
        }
        cleaned.mended += u64::from(*mended != *line);
        output.write_all(&mended)?;
        output.write_all(b"\n")?;
    }
    Ok(cleaned)
}

/// The lines that say what an earlier one says once both are mended, in order.
fn repeated(input: impl BufRead, identifier: Identifier<'_>) -> io::Result<Vec<u32>> {
    let mut lines = Lines::of(input, u64::MAX);
    let mut sorter = Sorter::new();
    while let Some((number, line)) = lines.next()? {
        if let Ok(value) = line::value(&mended(line, identifier)?, identifier.kind) {
            sorter.push(&value, number)?;
        }
    }
    let mut unique = Unique::of(sorter.finish()?);
    while unique.next()?.is_some() {}
    Ok(unique.into_repeated().into_iter().map(Fault::line).collect())
}

/// A line without what is around its value, if that is all that is wrong with it.
fn mended<'l>(line: &'l [u8], identifier: Identifier<'_>) -> io::Result<Cow<'l, [u8]>> {
    match line::value(line, identifier.kind) {
        // Lines this long are not handed on whole.
        Err(LineFault::TooLong) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long to be a value: nothing was written",
        )),
        Err(fault) if fault.can_be_cleaned() => {
            let text = std::str::from_utf8(line).unwrap_or_default();
            Ok(match line::cleaned(text) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            })
        }
        Err(_) | Ok(_) => Ok(Cow::Borrowed(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::check;
    use super::super::line::LONGEST;
    use super::*;
    use crate::model::IdentifierType;
    use proptest::prelude::*;
    use std::io::Cursor;

    const EMAIL: Identifier<'_> = Identifier {
        attribute: "email",
        kind: IdentifierType::Text,
    };

    fn cleaned(bytes: &[u8]) -> (Vec<u8>, Cleaned) {
        let mut output = Vec::new();
        let cleaned = clean(&mut Cursor::new(bytes), EMAIL, &mut output).unwrap();
        (output, cleaned)
    }

    #[test]
    fn what_is_clear_is_mended_and_the_rest_stays() {
        let dirty = b"\xef\xbb\xbf\"a\"\r\n b \n\nb\na\n\xff\nc,d\nc\n";
        let (output, counts) = cleaned(dirty);
        assert_eq!(output, b"a\nb\n\xff\nc,d\nc\n");
        // The first and ` b `; the empty line and two repeated ones.
        assert_eq!((counts.mended, counts.dropped), (2, 3));
        let long = [b"a\n".to_vec(), vec![b'x'; LONGEST + 1]].concat();
        clean(&mut Cursor::new(long), EMAIL, &mut Vec::new()).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_cleaned_file_has_nothing_left_to_clean(dirty in "([ab\",\t \u{feff}\r]{0,4}\n){0,12}") {
            let (output, _) = cleaned(dirty.as_bytes());
            let mut faults = Vec::new();
            let mut unique = check(output.as_slice(), EMAIL, |fault| faults.push(fault)).unwrap();
            while unique.next().unwrap().is_some() {}
            faults.extend(unique.into_repeated());
            faults.retain(|fault| fault.can_be_cleaned());
            prop_assert_eq!(faults, []);
            let (again, counts) = cleaned(&output);
            prop_assert_eq!((again, counts), (output, Cleaned::default()));
        }
    }
}
