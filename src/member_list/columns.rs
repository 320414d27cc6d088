//! Semicolons and bars that make columns: most lines have the same number of them.

use super::byte_classes::ByteClasses;

/// Identity providers write ids such as `auth0|5f7c8ec7`.
const PROVIDERS: [&[u8]; 16] = [
    b"ad|",
    b"adfs|",
    b"apple|",
    b"auth0|",
    b"email|",
    b"facebook|",
    b"github|",
    b"google-apps|",
    b"google-oauth2|",
    b"linkedin|",
    b"oauth2|",
    b"oidc|",
    b"samlp|",
    b"sms|",
    b"twitter|",
    b"waad|",
];

/// Lines with more separators count together.
const MAX_COUNT: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnSeparator {
    Semicolon,
    Bar,
}

impl ColumnSeparator {
    fn byte(self) -> u8 {
        match self {
            Self::Semicolon => b';',
            Self::Bar => b'|',
        }
    }

    fn is_in(self, classes: ByteClasses) -> bool {
        classes.has(match self {
            Self::Semicolon => ByteClasses::SEMICOLON,
            Self::Bar => ByteClasses::BAR,
        })
    }
}

/// Lines with the same number of one separator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeparatedLines {
    pub(super) first: u32,
    pub(super) count: u64,
}

#[derive(Debug, Default)]
pub(super) struct ColumnCounter {
    lines: u64,
    semicolons: SeparatorCounts,
    bars: SeparatorCounts,
}

type SeparatorCounts = [SeparatedLines; MAX_COUNT];

impl ColumnCounter {
    pub(super) fn add(&mut self, number: u32, line: &[u8], classes: ByteClasses) {
        self.lines += 1;
        for separator in [ColumnSeparator::Semicolon, ColumnSeparator::Bar] {
            if separator.is_in(classes) {
                self.add_separated(number, line, separator);
            }
        }
    }

    fn add_separated(&mut self, number: u32, line: &[u8], separator: ColumnSeparator) {
        let is_provider = |provider: &&[u8]| line.starts_with(provider);
        if separator == ColumnSeparator::Bar && PROVIDERS.iter().any(is_provider) {
            return;
        }
        let count = line.iter().filter(|byte| **byte == separator.byte()).count();
        let counts = match separator {
            ColumnSeparator::Semicolon => &mut self.semicolons,
            ColumnSeparator::Bar => &mut self.bars,
        };
        if let Some(lines) = counts.get_mut(count.min(MAX_COUNT - 1)) {
            if lines.count == 0 {
                lines.first = number;
            }
            lines.count += 1;
        }
    }

    /// The separator that most lines have equally often.
    pub(super) fn separator(&self) -> Option<(ColumnSeparator, SeparatedLines)> {
        let separators = [
            (ColumnSeparator::Semicolon, &self.semicolons),
            (ColumnSeparator::Bar, &self.bars),
        ];
        let most = separators.map(|(separator, counts)| {
            let most = counts.iter().max_by_key(|lines| lines.count);
            (separator, most.copied().unwrap_or_default())
        });
        most.into_iter().find(|(_, lines)| lines.count * 2 > self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (ColumnSeparator, u32, u64);

    #[test]
    fn equal_columns_in_most_lines_are_found() {
        use ColumnSeparator::{Bar, Semicolon};
        let table: [(&[&str], Option<Found>); 12] = [
            (&[], None),
            (&["a"], None),
            (&["a;Anna", "b;Bert"], Some((Semicolon, 1, 2))),
            (&["email", "a;Anna", "b;Bert"], Some((Semicolon, 2, 2))),
            (&["a;", "b;"], Some((Semicolon, 1, 2))),
            (&["a|Anna|1", "b|Bert|2"], Some((Bar, 1, 2))),
            (&["a;b", "c"], None),
            (&["a;b", "c;d;e", "f"], None),
            (&["a#1", "b#2"], None),
            (&["auth0|5f7c", "google-oauth2|117"], None),
            (&["samlp|x|5f7c", "samlp|x|117"], None),
            (&["a|auth0|x", "b|auth0|y"], Some((Bar, 1, 2))),
        ];
        for (lines, expected) in table {
            let mut counter = ColumnCounter::default();
            for (number, line) in (1..).zip(lines) {
                counter.add(number, line.as_bytes(), ByteClasses::of(line.as_bytes()));
            }
            let found = counter.separator();
            let found = found.map(|(separator, lines)| (separator, lines.first, lines.count));
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
