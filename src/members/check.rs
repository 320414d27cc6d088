//! One file, checked and sorted: whether the service can take it as it stands.

use super::Values;
use super::line::{self, LineFault};
use super::lines::Lines;
use super::sort::{Sorted, Sorter};
use crate::model::IdentifierType;
use std::fmt;
use std::io::{self, BufRead};

/// The largest file that the service takes: 150 MB, of which nobody says whether they are of 1,000 or 1,024.
pub const MOST_BYTES: u64 = 150_000_000;

/// The most values of one file: as many users as the service adds in a day.
pub const MOST_VALUES: u64 = 2_000_000;

/// Something in a file that the service would not take, or would take for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The first line has the name of the attribute: a header, which files must not have.
    Header,
    /// A line stands for nobody.
    Line {
        /// Which, from 1.
        line: u32,
        /// Why.
        fault: LineFault,
    },
    /// A line says what an earlier one says.
    Repeated {
        /// Which, from 1.
        line: u32,
        /// The earlier one.
        first: u32,
    },
    /// There is no value at all.
    NoValues,
    /// There are more values than [`MOST_VALUES`].
    TooManyValues {
        /// How many there are.
        count: u64,
    },
    /// There are more bytes than [`MOST_BYTES`]; the rest was not looked at.
    TooManyBytes,
}

impl Fault {
    /// The line that it is about, from 1; 0 where it is about the file.
    #[must_use]
    pub fn line(self) -> u32 {
        match self {
            Self::Header => 1,
            Self::Line { line, .. } | Self::Repeated { line, .. } => line,
            Self::NoValues | Self::TooManyValues { .. } | Self::TooManyBytes => 0,
        }
    }

    /// Whether a cleaned file is without it.
    #[must_use]
    pub fn can_be_cleaned(self) -> bool {
        match self {
            Self::Repeated { .. } => true,
            Self::Line { fault, .. } => fault.can_be_cleaned(),
            // Nobody but the author knows whether it is a value all the same.
            Self::Header => false,
            Self::NoValues | Self::TooManyValues { .. } | Self::TooManyBytes => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => formatter.write_str("the first line is the name of the attribute"),
            Self::Line { fault, .. } => fault.fmt(formatter),
            Self::Repeated { first, .. } => write!(formatter, "line {first} has the same value"),
            Self::NoValues => formatter.write_str("the file has no value"),
            Self::TooManyValues { count } => {
                write!(
                    formatter,
                    "the file has {count} values, and {MOST_VALUES} are the most"
                )
            }
            Self::TooManyBytes => write!(formatter, "the file has more than {MOST_BYTES} bytes"),
        }
    }
}

/// What the values are.
#[derive(Clone, Copy, Debug)]
pub struct Identifier<'a> {
    /// The attribute whose values they are.
    pub attribute: &'a str,
    /// Its type.
    pub kind: IdentifierType,
}

/// Reads a file to its end, tells `on_fault` of everything that is wrong line by line, and hands out the values in
/// order; what is repeated shows while they are read.
///
/// # Errors
///
/// The file cannot be read, or temporary files cannot be written.
pub fn check(
    input: impl BufRead,
    identifier: Identifier<'_>,
    mut on_fault: impl FnMut(Fault),
) -> io::Result<Unique> {
    let mut lines = Lines::of(input, MOST_BYTES);
    let mut sorter = Sorter::new();
    let mut count = 0;
    while let Some((number, line)) = lines.next()? {
        if number == 1 && line == identifier.attribute.as_bytes() {
            on_fault(Fault::Header);
        }
        match line::value(line, identifier.kind) {
            Ok(value) => {
                count += 1;
                if count <= MOST_VALUES {
                    sorter.push(&value, number)?;
                }
            }
            Err(fault) => on_fault(Fault::Line { line: number, fault }),
        }
    }
    if lines.bytes() > MOST_BYTES {
        on_fault(Fault::TooManyBytes);
    }
    if count == 0 {
        on_fault(Fault::NoValues);
    }
    if count > MOST_VALUES {
        on_fault(Fault::TooManyValues { count });
    }
    Ok(Unique::of(sorter.finish()?))
}

/// Values in order, each once.
pub struct Unique {
    sorted: Sorted,
    /// The value that was handed out last, and its first line.
    last: Option<(Vec<u8>, u32)>,
    repeated: Vec<Fault>,
}

impl Unique {
    pub(super) fn of(sorted: Sorted) -> Self {
        Self {
            sorted,
            last: None,
            repeated: Vec::new(),
        }
    }

    /// The repeated lines among the values that were read so far, by line.
    #[must_use]
    pub fn into_repeated(mut self) -> Vec<Fault> {
        self.repeated.sort_unstable();
        self.repeated
    }
}

impl Values for Unique {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        while let Some((value, line)) = self.sorted.next_line()? {
            match &mut self.last {
                Some((last, first)) if last.as_slice() == value => {
                    self.repeated.push(Fault::Repeated { line, first: *first });
                    continue;
                }
                Some((last, first)) => {
                    last.clear();
                    last.extend_from_slice(value);
                    *first = line;
                }
                None => self.last = Some((value.to_vec(), line)),
            }
            return Ok(self.last.as_ref().map(|(value, _)| value.as_slice()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IdentifierType::{Number, Text};

    fn checked(bytes: &[u8], kind: IdentifierType) -> (Vec<String>, Vec<Fault>) {
        let mut faults = Vec::new();
        let identifier = Identifier {
            attribute: "email",
            kind,
        };
        let mut unique = check(bytes, identifier, |fault| faults.push(fault)).unwrap();
        let mut values = Vec::new();
        while let Some(value) = unique.next().unwrap() {
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
        faults.extend(unique.into_repeated());
        (values, faults)
    }

    /// A file, the type of its values, and what is found: values in order, and faults.
    type Case<'c> = (&'c [u8], IdentifierType, &'c [&'c str], &'c [Fault]);

    #[test]
    fn every_fault_of_a_file_is_told_with_its_line() {
        let line = |line, fault| Fault::Line { line, fault };
        let repeated = |line, first| Fault::Repeated { line, first };
        let table: [Case<'_>; 9] = [
            (b"b\na\n", Text, &["a", "b"], &[]),
            (b"b\r\na", Text, &["a", "b"], &[]),
            (b"", Text, &[], &[Fault::NoValues]),
            (b"\n", Text, &[], &[line(1, LineFault::Empty), Fault::NoValues]),
            (
                b"\xef\xbb\xbfa\nb\n",
                Text,
                &["b"],
                &[line(1, LineFault::ByteOrderMark)],
            ),
            (b"email\na\n", Text, &["a", "email"], &[Fault::Header]),
            (
                b"b\na\nb\na\nb\n",
                Text,
                &["a", "b"],
                &[repeated(3, 1), repeated(4, 2), repeated(5, 1)],
            ),
            (
                b"a\n b\n\"c\"\n\xff\nd,\n\ne,f\n",
                Text,
                &["a"],
                &[
                    line(2, LineFault::OuterSpaces),
                    line(3, LineFault::Quotes),
                    line(4, LineFault::NotUtf8),
                    line(5, LineFault::TrailingComma),
                    line(6, LineFault::Empty),
                    line(7, LineFault::SecondColumn),
                ],
            ),
            (
                b"1.0\n1\nx\n",
                Number,
                &["1"],
                &[line(3, LineFault::NotANumber), repeated(2, 1)],
            ),
        ];
        for (bytes, kind, values, faults) in table {
            let found = checked(bytes, kind);
            assert_eq!(found.0, values, "{}", String::from_utf8_lossy(bytes));
            assert_eq!(found.1, faults, "{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Digits that count up, without keeping them.
    struct Counting {
        next: u32,
        end: u32,
        line: Vec<u8>,
    }

    impl io::Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.line.is_empty() && self.next < self.end {
                self.line = format!("{}\n", self.next).into_bytes();
                self.next += 1;
            }
            let length = self.line.len().min(buffer.len());
            buffer[..length].copy_from_slice(&self.line[..length]);
            self.line.drain(..length);
            Ok(length)
        }
    }

    #[test]
    fn one_value_more_than_the_most_is_a_fault() {
        let most = u32::try_from(MOST_VALUES).unwrap();
        for (end, wanted) in [(most, 0), (most + 1, 1)] {
            let input = Counting {
                next: 0,
                end,
                line: Vec::new(),
            };
            let mut faults = Vec::new();
            let identifier = Identifier {
                attribute: "uid",
                kind: Text,
            };
            check(io::BufReader::new(input), identifier, |fault| faults.push(fault)).unwrap();
            assert_eq!(faults.len(), wanted, "{faults:?}");
        }
    }

    #[test]
    fn a_file_without_end_is_read_to_the_limit() {
        let mut faults = Vec::new();
        let identifier = Identifier {
            attribute: "uid",
            kind: Text,
        };
        check(io::BufReader::new(io::repeat(b'x')), identifier, |fault| {
            faults.push(fault)
        })
        .unwrap();
        let too_long = Fault::Line {
            line: 1,
            fault: LineFault::TooLong,
        };
        assert_eq!(faults, [too_long, Fault::TooManyBytes, Fault::NoValues]);
    }
}
