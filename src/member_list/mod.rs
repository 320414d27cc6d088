//! Member lists: the users of a file segment and the members of a cohort.
//!
//! MoEngage reads a list as one value a line and never returns it. It silently ignores a value that matches no user, so
//! `value` checks every line before segctl sends anything. Files that are not lists (`foreign_format`), separators between
//! columns (`columns`) and headers (`header`) are errors, and the debris of exports (`suspicion`) gets warnings. The last uploaded list is stored (`compressed_list`), so that a
//! plan shows added and removed members, and an update sends only the changes.
//!
//! A list may have two million values in 150 MB. segctl reads it once, in bounded memory. `sort` writes sorted runs to
//! temporary files and merges them. During the merge, `diff` compares the values with the last uploaded list. `check` runs
//! all of this for one file, and `normalize` writes a fixed file.
//!
//! The order is the byte order, independent of any language. MoEngage compares numbers by value, so a number has one
//! canonical form (`1.0` and `1` are the same user).

mod byte_classes;
pub mod check;
pub mod columns;
pub mod compressed_list;
pub mod diff;
pub mod foreign_format;
mod header;
mod lines;
pub mod membership_bounds;
pub mod normalize;
pub mod sort;
pub mod source;
pub mod suspicion;
pub mod value;

use std::io;

/// Values in ascending byte order.
pub trait SortedValues {
    fn next(&mut self) -> io::Result<Option<&[u8]>>;
}

/// The values that the segment may have had before, in ascending byte order.
pub trait PreviousMembers {
    /// The next value, and whether it is certainly a member.
    fn next_possible_member(&mut self) -> io::Result<Option<(&[u8], bool)>>;
}

/// A list whose upload is confirmed.
impl<V: SortedValues> PreviousMembers for V {
    fn next_possible_member(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        Ok(self.next()?.map(|value| (value, true)))
    }
}

/// The previous list if nothing was uploaded before.
#[derive(Clone, Copy, Debug)]
pub struct EmptyList;

impl SortedValues for EmptyList {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(None)
    }
}
