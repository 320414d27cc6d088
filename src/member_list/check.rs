//! Checks, sorts and compares one list file: whether MoEngage accepts it, and what it changes.

use super::byte_classes::ByteClasses;
use super::columns::{ColumnCounter, ColumnSeparator};
use super::diff::{ListDiff, ValueChange, compare_lists};
use super::foreign_format::ForeignFormat;
use super::header::{HeaderMatch, HeaderWords, is_separator_setting};
use super::lines::Lines;
use super::sort::{MergedRuns, Sorter};
use super::suspicion::{SuspicionFinder, Suspicions};
use super::value::{self, LineError};
use super::{PreviousMembers, SortedValues};
use crate::model::{Identifier, IdentifierType};
use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};

/// MoEngage accepts files of up to 150 MB. Whether a megabyte has 1,000 or 1,024 kilobytes is not documented.
pub const MAX_FILE_BYTES: u64 = 150_000_000;

/// The users of one segment. The daily limit of added users is lower, and counts only new users.
pub const MAX_USERS: u64 = 5_000_000;

/// A file with more errors usually has one mistake many times.
pub const MAX_REPORTED_ERRORS: usize = 100;

/// An error that makes MoEngage reject a file or misread it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListFileError {
    /// The file is something else. segctl does not read the rest.
    NotAList(ForeignFormat),
    /// The first line is the attribute name. MoEngage would read it as a value.
    Header,
    /// The first line is `sep=;`, which only spreadsheets read.
    SeparatorSetting,
    /// So many lines have another column.
    Columns {
        separator: ColumnSeparator,
        lines: u64,
    },
    Line(LineError),
    Duplicate {
        /// The number of the first line with this value, from 1.
        first: u32,
    },
    NoValues,
    TooManyUsers,
    /// segctl does not read the rest.
    TooManyBytes,
}

impl ListFileError {
    /// Whether `segctl validate --fix` can remove it.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        match self {
            Self::Duplicate { .. } => true,
            Self::Line(error) => error.is_fixable(),
            // The attribute name may also be a value.
            Self::Header | Self::SeparatorSetting => false,
            Self::NotAList(_) | Self::Columns { .. } => false,
            Self::NoValues | Self::TooManyUsers | Self::TooManyBytes => false,
        }
    }
}

impl fmt::Display for ListFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAList(format) => write!(formatter, "the file is {format}, not a member list"),
            Self::Header => formatter.write_str("the first line is a column header, not a value"),
            Self::SeparatorSetting => {
                formatter.write_str("the first line sets a separator, which only spreadsheets read")
            }
            Self::Columns { separator, lines } => {
                let separator = match separator {
                    ColumnSeparator::Semicolon => "semicolon",
                    ColumnSeparator::Bar => "bar",
                };
                let lines = match lines {
                    1 => "1 line".to_owned(),
                    lines => format!("{lines} lines"),
                };
                write!(formatter, "a {separator} makes a second column, in {lines}")
            }
            Self::Line(error) => error.fmt(formatter),
            Self::Duplicate { first } => write!(formatter, "line {first} contains the same value"),
            Self::NoValues => formatter.write_str("the file contains no values"),
            Self::TooManyUsers => write!(formatter, "the file contains more than {MAX_USERS} values"),
            Self::TooManyBytes => write!(formatter, "the file is larger than {MAX_FILE_BYTES} bytes"),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListFileErrors {
    /// The first [`MAX_REPORTED_ERRORS`] with their lines, in order. Line 0 is the whole file.
    reported: BTreeSet<(u32, ListFileError)>,
    count: u64,
    fixable_count: u64,
    /// The file is not a list, or has both sides of a conflict.
    is_foreign: bool,
}

impl ListFileErrors {
    /// The first errors with their lines, in order. Lines count from 1, and line 0 is the whole file.
    pub fn reported(&self) -> impl Iterator<Item = (u32, ListFileError)> {
        self.reported.iter().copied()
    }

    /// All errors, not only the reported ones.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.fixable_count > 0 && !self.is_foreign
    }

    /// Whether the lines are not those of one list, so that no line may be changed.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    fn add(&mut self, line: u32, error: ListFileError) {
        self.count += 1;
        self.fixable_count += u64::from(error.is_fixable());
        self.is_foreign |= matches!(
            error,
            ListFileError::NotAList(_) | ListFileError::Line(LineError::ConflictMarker)
        );
        self.reported.insert((line, error));
        if self.reported.len() > MAX_REPORTED_ERRORS {
            self.reported.pop_last();
        }
    }
}

#[derive(Debug)]
pub struct CheckedList {
    /// The difference to the last uploaded list, or why MoEngage would reject or misread the file.
    pub comparison: Result<ListDiff, ListFileErrors>,
    /// Values that are valid, and probably not meant.
    pub suspicions: Suspicions,
}

/// Reads a file to its end and compares it with the last uploaded list. Calls `each` for every value of both lists, in
/// order, unless a line is invalid. Use the collected values only if the result is a diff, because duplicates are found
/// late.
pub fn check(
    input: impl BufRead,
    identifier: &Identifier,
    old: &mut dyn PreviousMembers,
    each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
) -> io::Result<CheckedList> {
    let mut errors = ListFileErrors::default();
    let (sorted, suspicions) = sort_lines(input, identifier, &mut errors)?;
    let is_valid = errors.count == 0;
    let mut unique = UniqueValues::of(sorted, |line, first| {
        errors.add(line, ListFileError::Duplicate { first })
    });
    // Without the values of invalid lines, the list is incomplete and cannot be compared.
    let diff = if is_valid {
        Some(compare_lists(&mut unique, old, each)?)
    } else {
        while unique.next()?.is_some() {}
        None
    };
    if unique.count > MAX_USERS {
        errors.add(0, ListFileError::TooManyUsers);
    }
    Ok(CheckedList {
        comparison: diff.filter(|_| errors.count == 0).ok_or(errors),
        suspicions,
    })
}

fn sort_lines(
    mut input: impl BufRead,
    identifier: &Identifier,
    errors: &mut ListFileErrors,
) -> io::Result<(MergedRuns, Suspicions)> {
    let mut sorter = Sorter::new();
    if let Some((format, line)) = ForeignFormat::of_start(input.fill_buf()?) {
        errors.add(line, ListFileError::NotAList(format));
        return Ok((sorter.finish()?, Suspicions::default()));
    }
    let headers = HeaderWords::of(&identifier.attribute);
    let mut suspicions = SuspicionFinder::new(&headers);
    let mut columns = ColumnCounter::default();
    let mut lines = Lines::of(input, MAX_FILE_BYTES);
    let mut has_values = false;
    while let Some((number, line)) = lines.next()? {
        if number == 1
            && let Some(error) = first_line_error(line, &headers)
        {
            errors.add(number, error);
            continue;
        }
        if let Some(format) = ForeignFormat::of_line(line) {
            errors.add(number, ListFileError::NotAList(format));
            break;
        }
        let classes = ByteClasses::of(line);
        columns.add(number, line, classes);
        match value::parse_classified(line, classes, identifier.kind) {
            Ok(value) => {
                has_values = true;
                if identifier.kind == IdentifierType::Text {
                    suspicions.add(number, line, classes);
                }
                sorter.push(&value, number)?;
            }
            Err(error) => errors.add(number, ListFileError::Line(error)),
        }
    }
    if lines.bytes() > MAX_FILE_BYTES {
        errors.add(0, ListFileError::TooManyBytes);
    }
    if let Some((separator, separated)) = columns.separator() {
        let lines = separated.count;
        errors.add(separated.first, ListFileError::Columns { separator, lines });
    }
    // Invalid lines already explain why there are no values.
    if !has_values && errors.count == 0 {
        errors.add(0, ListFileError::NoValues);
    }
    Ok((sorter.finish()?, suspicions.finish()))
}

fn first_line_error(line: &[u8], headers: &HeaderWords) -> Option<ListFileError> {
    if is_separator_setting(line) {
        return Some(ListFileError::SeparatorSetting);
    }
    let text = std::str::from_utf8(line).ok()?;
    let is_header = headers.matches(&value::normalized(text)) == Some(HeaderMatch::Attribute);
    is_header.then_some(ListFileError::Header)
}

/// Values in order without duplicates. Each duplicate is passed to `on_duplicate` with the first line of its value.
pub(super) struct UniqueValues<F> {
    sorted: MergedRuns,
    /// The value that was returned last, and its first line.
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
        let checked = check(bytes, &identifier(kind), &mut EmptyList, |_, value| {
            values.push(String::from_utf8(value.to_vec()).unwrap());
            Ok(())
        });
        match checked.unwrap().comparison {
            Ok(diff) => {
                assert_eq!(diff.new.count, values.len() as u64);
                Ok(values)
            }
            Err(errors) => {
                assert_eq!(errors.count(), errors.reported().count() as u64);
                Err(errors.reported().collect())
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

    /// A file, the type of its values, and the expected errors.
    type Case<'c> = (&'c [u8], IdentifierType, &'c [(u32, ListFileError)]);

    #[test]
    fn every_error_is_reported_with_its_line() {
        let line = |line, error| (line, ListFileError::Line(error));
        let duplicate = |line, first| (line, ListFileError::Duplicate { first });
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
                &[duplicate(3, 1), duplicate(4, 2), duplicate(5, 1)],
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
                    duplicate(8, 1),
                ],
            ),
            (
                b"1.0\n1\nx\n",
                Number,
                &[duplicate(2, 1), line(3, LineError::NotANumber)],
            ),
        ];
        for (bytes, kind, errors) in table {
            assert_eq!(
                checked(bytes, kind).unwrap_err(),
                errors,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    /// Generates ascending numbers, one a line, without storing them.
    struct Numbers {
        next: u64,
        end: u64,
        line: Vec<u8>,
    }

    impl io::Read for Numbers {
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
        for (end, is_valid) in [(MAX_USERS, true), (MAX_USERS + 1, false)] {
            let input = io::BufReader::new(Numbers {
                next: 0,
                end,
                line: Vec::new(),
            });
            let result = check(input, &identifier(Text), &mut EmptyList, |_, _| Ok(()))
                .unwrap()
                .comparison;
            assert_eq!(result.is_ok(), is_valid);
            if let Err(errors) = result {
                assert_eq!(
                    errors.reported().collect::<Vec<_>>(),
                    [(0, ListFileError::TooManyUsers)]
                );
            }
        }
    }

    fn errors(input: impl BufRead) -> ListFileErrors {
        let result = check(input, &identifier(Text), &mut EmptyList, |_, _| Ok(()));
        result.unwrap().comparison.unwrap_err()
    }

    #[test]
    fn an_endless_file_is_read_up_to_the_byte_limit() {
        let input = io::BufReader::new(io::repeat(b'x'));
        let errors = errors(input);
        let too_long = (1, ListFileError::Line(LineError::TooLong));
        let expected = [(0, ListFileError::TooManyBytes), too_long];
        assert_eq!(errors.reported().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_first_errors_are_reported_and_all_are_counted() {
        let lines = "a\n".repeat(1000);
        let errors = errors(lines.as_bytes());
        let lines: Vec<u32> = errors.reported().map(|(line, _)| line).collect();
        assert_eq!((errors.count(), lines), (999, (2..=101).collect()));
    }

    #[test]
    fn a_file_with_errors_is_not_compared() {
        let mut count = 0;
        let result = check(&b"a\nb \n"[..], &identifier(Text), &mut EmptyList, |_, _| {
            count += 1;
            Ok(())
        });
        assert!(result.unwrap().comparison.is_err());
        assert_eq!(count, 0);
    }
}
