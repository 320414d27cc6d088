//! Where a list that a file declares comes from.

use super::check::{ListFileErrors, check};
use super::diff::{ListDiff, ValueChange, compare_lists};
use super::{PreviousMembers, SortedValues};
use crate::model::{Identifier, MemberSource};
use std::collections::{BTreeSet, btree_set};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// A list that can be read.
#[derive(Clone, Debug)]
pub enum ListSource<'s> {
    /// A file of one value a line.
    File(PathBuf),
    /// Values that are written where the segment is declared, and were checked there.
    Values(&'s [String]),
}

impl<'s> ListSource<'s> {
    /// The list of a cohort; its path is from `base`.
    #[must_use]
    pub fn of(members: &'s MemberSource, base: &Path) -> Self {
        match members {
            MemberSource::Local(path) => Self::File(base.join(path)),
            MemberSource::Inline(values) => Self::Values(values),
        }
    }

    /// Reads the list to its end and holds it against what was `before`, telling `each` of every value of both, in order;
    /// unless there is a fault in it. What `each` puts aside is good when there is a comparison.
    ///
    /// # Errors
    ///
    /// It cannot be read, temporary files cannot be written, or `each` fails.
    pub fn compare(
        &self,
        identifier: &Identifier,
        before: &mut dyn PreviousMembers,
        each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
    ) -> io::Result<Result<ListDiff, ListFileErrors>> {
        match self {
            Self::File(path) => check(BufReader::new(open(path)?), identifier, before, each),
            Self::Values(values) => {
                let values: BTreeSet<&[u8]> = values.iter().map(String::as_bytes).collect();
                compare_lists(&mut InlineValues(values.into_iter()), before, each).map(Ok)
            }
        }
    }
}

/// Opens a list. A device or a pipe is not even opened, since that could block.
///
/// # Errors
///
/// It is no regular file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

/// Values in order.
struct InlineValues<'v>(btree_set::IntoIter<&'v [u8]>);

impl SortedValues for InlineValues<'_> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.0.next())
    }
}
