//! One file, checked, sorted and compared: whether the service can take it as it stands, and what it changes.

use super::diff::{ListDiff, ValueChange, compare_lists};
use super::lines::Lines;
use super::sort::{MergedRuns, Sorter};
use super::value::{self, LineError};
use super::{PreviousMembers, SortedValues};
use crate::model::Identifier;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};

/// The largest file that the service takes: 150 MB, of which nobody says whether they are of 1,000 or 1,024.
pub const MAX_FILE_BYTES: u64 = 150_000_000;

/// The most users that one segment can have. How many of them can be added in a day is less, and depends on how many are
/// new.
pub const MAX_USERS: u64 = 5_000_000;

/// Faults that are kept one by one; a file with more has one mistake many times.
pub const MAX_REPORTED_ERRORS: usize = 100;

/// Something in a file that the service would not take, or would take for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListFileError {
    /// The first line has the name of the attribute: a header, which files must not have.
    Header,
    /// A line stands for nobody.
    Line(LineError),
    /// A line says what an earlier one says.
    Duplicate {
        /// The earlier one, from 1.
        first: u32,
    },
    /// There is no value at all.
    NoValues,
    /// There are more users than [`MOST_USERS`].
    TooManyUsers,
    /// There are more bytes than [`MOST_BYTES`]; the rest was not looked at.
    TooManyBytes,
}

impl ListFileError {
    /// Whether a cleaned file is without it.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        match self {
            Self::Duplicate { .. } => true,
            Self::Line(fault) => fault.is_fixable(),
            // Nobody but the author knows whether it is a value all the same.
            Self::Header => false,
            Self::NoValues | Self::TooManyUsers | Self::TooManyBytes => false,
        }
    }
}

impl fmt::Display for ListFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => formatter.write_str("the first line is the name of the attribute"),
            Self::Line(fault) => fault.fmt(formatter),
            Self::Duplicate { first } => write!(formatter, "line {first} has the same value"),
            Self::NoValues => formatter.write_str("the file has no value"),
            Self::TooManyUsers => write!(formatter, "the file has more than {MAX_USERS} values"),
            Self::TooManyBytes => write!(formatter, "the file has more than {MAX_FILE_BYTES} bytes"),
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFileErrors {
    /// The first [`MOST_FAULTS`] by line; line 0 stands for the whole file.
    reported: BTreeSet<(u32, ListFileError)>,
    count: u64,
    fixable_count: u64,
}

impl ListFileErrors {
    /// The first of them, with their lines from 1, or 0 for the file; in order.
    pub fn reported(&self) -> impl Iterator<Item = (u32, ListFileError)> {
        self.reported.iter().copied()
    }

    /// How many there are in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a cleaned file is without some of them.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.fixable_count > 0
    }

    fn add(&mut self, line: u32, fault: ListFileError) {
        self.count += 1;
        self.fixable_count += u64::from(fault.is_fixable());
        self.reported.insert((line, fault));
        if self.reported.len() > MAX_REPORTED_ERRORS {
            self.reported.pop_last();
        }
    }
}

/// Reads a file to its end, and compares it with the list that was sent last, telling `each` of every value of both, in
/// order; unless there is a fault in it, of which every line is told then.
///
/// What `each` puts aside is good when there is a comparison: a repeated value shows late.
///
/// # Errors
///
/// The file or the old list cannot be read, temporary files cannot be written, or `each` fails.
pub fn check(
    input: impl BufRead,
    identifier: &Identifier,
    old: &mut dyn PreviousMembers,
    each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
) -> io::Result<Result<ListDiff, ListFileErrors>> {
    let mut faults = ListFileErrors::default();
    let sorted = sort_lines(input, identifier, &mut faults)?;
    let is_sound = faults.count == 0;
    let mut unique = UniqueValues::of(sorted, |line, first| {
        faults.add(line, ListFileError::Duplicate { first })
    });
    // Without the values of faulty lines it is no list to compare anything with.
    let comparison = if is_sound {
        Some(compare_lists(&mut unique, old, each)?)
    } else {
        while unique.next()?.is_some() {}
        None
    };
    if unique.count > MAX_USERS {
        faults.add(0, ListFileError::TooManyUsers);
    }
    Ok(comparison.filter(|_| faults.count == 0).ok_or(faults))
}

fn sort_lines(
    input: impl BufRead,
    identifier: &Identifier,
    faults: &mut ListFileErrors,
) -> io::Result<MergedRuns> {
    let mut lines = Lines::of(input, MAX_FILE_BYTES);
    let mut sorter = Sorter::new();
    let mut has_values = false;
    while let Some((number, line)) = lines.next()? {
        if number == 1 && is_header(line, &identifier.attribute) {
            faults.add(number, ListFileError::Header);
            continue;
        }
        match value::parse_value(line, identifier.kind) {
            Ok(value) => {
                has_values = true;
                sorter.push(&value, number)?;
            }
            Err(fault) => faults.add(number, ListFileError::Line(fault)),
        }
    }
    if lines.bytes() > MAX_FILE_BYTES {
        faults.add(0, ListFileError::TooManyBytes);
    }
    // Where lines have faults, those say why.
    if !has_values && faults.count == 0 {
        faults.add(0, ListFileError::NoValues);
    }
    sorter.finish()
}

fn is_header(line: &[u8], attribute: &str) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| value::normalised(line) == attribute)
}

/// Values in order, each once; those that are repeated are told, with the first line that has them.
pub(super) struct UniqueValues<F> {
    sorted: MergedRuns,
    /// The value that was handed out last, and its first line.
    last: Option<(Vec<u8>, u32)>,
    count: u64,
    on_duplicate: F,
}

impl<F: FnMut(u32, u32)> UniqueValues<F> {
    pub(super) fn of(sorted: MergedRuns, on_duplicate: F) -> Self {
        Self {
            sorted,
            last: None,
            count: 0,
            on_duplicate,
        }
    }
}

impl<F: FnMut(u32, u32)> SortedValues for UniqueValues<F> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        while let Some((value, line)) = self.sorted.next_line()? {
            match &mut self.last {
                Some((last, first)) if last.as_slice() == value => {
                    (self.on_duplicate)(line, *first);
                    continue;
                }
                Some((last, first)) => {
                    last.clear();
                    last.extend_from_slice(value);
                    *first = line;
                }
                None => self.last = Some((value.to_vec(), line)),
            }
            self.count += 1;
            return Ok(self.last.as_ref().map(|(value, _)| value.as_slice()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmptyList;
    use super::*;
    use crate::model::IdentifierType::{self, Number, Text};

    fn identifier(kind: IdentifierType) -> Identifier {
        Identifier {
            attribute: "email".to_owned(),
            kind,
        }
    }

    fn checked(bytes: &[u8], kind: IdentifierType) -> Result<Vec<String>, Vec<(u32, ListFileError)>> {
        let mut values = Vec::new();
        let found = check(bytes, &identifier(kind), &mut EmptyList, |_, value| {
            values.push(String::from_utf8(value.to_vec()).unwrap());
            Ok(())
        });
        match found.unwrap() {
            Ok(comparison) => {
                assert_eq!(comparison.new.count, values.len() as u64);
                Ok(values)
            }
            Err(faults) => {
                assert_eq!(faults.count(), faults.reported().count() as u64);
                Err(faults.reported().collect())
            }
        }
    }

    #[test]
    fn values_are_sorted_and_canonical() {
        let table: [(&[u8], IdentifierType, &[&str]); 4] = [
            (b"b\na\n", Text, &["a", "b"]),
            (b"b\r\na", Text, &["a", "b"]),
            (b"1.0\n1\n".split_at(4).0, Number, &["1"]),
            (b"10\n9\n", Number, &["10", "9"]),
        ];
        for (bytes, kind, values) in table {
            assert_eq!(checked(bytes, kind).unwrap(), values);
        }
    }

    /// A file, the type of its values, and what is wrong with it.
    type Case<'c> = (&'c [u8], IdentifierType, &'c [(u32, ListFileError)]);

    #[test]
    fn every_error_is_reported_with_its_line() {
        let line = |line, fault| (line, ListFileError::Line(fault));
        let repeated = |line, first| (line, ListFileError::Duplicate { first });
        let table: [Case<'_>; 8] = [
            (b"", Text, &[(0, ListFileError::NoValues)]),
            (b"\n", Text, &[line(1, LineError::Empty)]),
            (b"\xef\xbb\xbfa\nb\n", Text, &[line(1, LineError::ByteOrderMark)]),
            (
                b"\xef\xbb\xbf\"email\",\r\na\n",
                Text,
                &[(1, ListFileError::Header)],
            ),
            (b"email\n1\n", Number, &[(1, ListFileError::Header)]),
            (
                b"b\na\nb\na\nb\n",
                Text,
                &[repeated(3, 1), repeated(4, 2), repeated(5, 1)],
            ),
            (
                b"a\n b\n\"c\"\n\xff\nd,\n\ne,f\na\n",
                Text,
                &[
                    line(2, LineError::OuterSpaces),
                    line(3, LineError::Quotes),
                    line(4, LineError::NotUtf8),
                    line(5, LineError::TrailingComma),
                    line(6, LineError::Empty),
                    line(7, LineError::SecondColumn),
                    repeated(8, 1),
                ],
            ),
            (
                b"1.0\n1\nx\n",
                Number,
                &[repeated(2, 1), line(3, LineError::NotANumber)],
            ),
        ];
        for (bytes, kind, faults) in table {
            assert_eq!(
                checked(bytes, kind).unwrap_err(),
                faults,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    /// Digits that count up, without keeping them.
    struct Counting {
        next: u64,
        end: u64,
        line: Vec<u8>,
    }

    impl io::Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.line.is_empty() && self.next < self.end {
                self.line = format!("{:x}\n", self.next).into_bytes();
                self.next += 1;
            }
            let length = self.line.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.line[..length]);
            self.line.drain(..length);
            Ok(length)
        }
    }

    #[test]
    fn one_user_over_the_limit_is_an_error() {
        for (end, is_sound) in [(MAX_USERS, true), (MAX_USERS + 1, false)] {
            let input = Counting {
                next: 0,
                end,
                line: Vec::new(),
            };
            let found = check(
                io::BufReader::new(input),
                &identifier(Text),
                &mut EmptyList,
                |_, _| Ok(()),
            )
            .unwrap();
            assert_eq!(found.is_ok(), is_sound);
            if let Err(faults) = found {
                assert_eq!(
                    faults.reported().collect::<Vec<_>>(),
                    [(0, ListFileError::TooManyUsers)]
                );
            }
        }
    }

    #[test]
    fn an_endless_file_is_read_up_to_the_byte_limit() {
        let input = io::BufReader::new(io::repeat(b'x'));
        let faults = check(input, &identifier(Text), &mut EmptyList, |_, _| Ok(()))
            .unwrap()
            .unwrap_err();
        let too_long = (1, ListFileError::Line(LineError::TooLong));
        let wanted = [(0, ListFileError::TooManyBytes), too_long];
        assert_eq!(faults.reported().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn the_first_errors_are_reported_and_all_are_counted() {
        let lines = "a\n".repeat(1000);
        let faults = check(lines.as_bytes(), &identifier(Text), &mut EmptyList, |_, _| Ok(()))
            .unwrap()
            .unwrap_err();
        let lines: Vec<u32> = faults.reported().map(|(line, _)| line).collect();
        assert_eq!((faults.count(), lines), (999, (2..=101).collect()));
    }

    #[test]
    fn a_file_with_errors_is_not_compared() {
        let mut told = 0;
        let found = check(&b"a\nb \n"[..], &identifier(Text), &mut EmptyList, |_, _| {
            told += 1;
            Ok(())
        });
        assert!(found.unwrap().is_err());
        assert_eq!(told, 0);
    }
}
