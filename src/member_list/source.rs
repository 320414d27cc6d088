//! The sources of a declared list: a file, or inline values.

use super::check::{CheckedList, check};
use super::diff::{ValueChange, compare_lists};
use super::suspicion::Suspicions;
use super::{PreviousMembers, SortedValues};
use crate::model::{Identifier, MemberSource};
use std::collections::{BTreeSet, btree_set};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub enum ListSource<'s> {
    /// One value a line.
    File(PathBuf),
    /// Inline values, which `config` has checked.
    Values(&'s [String]),
}

impl<'s> ListSource<'s> {
    /// The path of a cohort's list is relative to `base`.
    #[must_use]
    pub fn of(members: &'s MemberSource, base: &Path) -> Self {
        match members {
            MemberSource::Local(path) => Self::File(base.join(path)),
            MemberSource::Inline(values) => Self::Values(values),
        }
    }

    /// Reads the list to its end and compares it with the previous members. Calls `each` for every value of both, in order,
    /// unless a line is invalid. Use the collected values only if the result is a diff.
    pub fn compare(
        &self,
        identifier: &Identifier,
        previous: &mut dyn PreviousMembers,
        each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
    ) -> io::Result<CheckedList> {
        match self {
            Self::File(path) => {
                let file = open(path).map_err(|error| with_path(path, &error))?;
                check(BufReader::new(file), identifier, previous, each)
            }
            Self::Values(values) => {
                let values: BTreeSet<&[u8]> = values.iter().map(String::as_bytes).collect();
                Ok(CheckedList {
                    comparison: Ok(compare_lists(
                        &mut InlineValues(values.into_iter()),
                        previous,
                        each,
                    )?),
                    suspicions: Suspicions::default(),
                })
            }
        }
    }
}

/// Opens a regular file. Opening a device or a pipe could block, so segctl rejects them first.
pub fn open(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() {
        return File::open(path);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "it is not a regular file",
    ))
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

struct InlineValues<'v>(btree_set::IntoIter<&'v [u8]>);

impl SortedValues for InlineValues<'_> {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(self.0.next())
    }
}
