//! Lists of members: the users of a file segment and the members of a cohort.
//!
//! The service takes such a list as one value a line and never shows it again. A value that it cannot match is dropped
//! without a word, so every line is checked before anything is sent (`line`); and what was sent last is kept (`kept`), so
//! that a plan can say who comes and who goes, and so that a change can be sent as a change.
//!
//! A list may have two million values in 150 MB. It is read once, whatever its size, in bounded memory: values are sorted
//! in runs that go to unnamed temporary files and are merged (`sort`), and while they are merged they are held against
//! the list that was sent last (`compare`), which is kept in the same order. `check` is the whole of it for one file,
//! `clean` writes a file without what is wrong with it.
//!
//! The order is that of bytes, so that it depends on no language; numbers are compared as numbers, since the service does
//! so, and stand in one spelling (`1.0` and `1` are the same user).

pub mod check;
pub mod compressed_list;
pub mod diff;
mod lines;
pub mod membership_bounds;
pub mod normalise;
mod sort;
pub mod source;
pub mod value;

use std::io;

/// Values in order, one after the other.
pub trait SortedValues {
    /// The next value, or `None` behind the last.
    ///
    /// # Errors
    ///
    /// What they are read from fails.
    fn next(&mut self) -> io::Result<Option<&[u8]>>;
}

/// Those who were in a segment before, in order.
pub trait PreviousMembers {
    /// The next who may be in it, and whether that is sure; `None` behind the last.
    ///
    /// # Errors
    ///
    /// What they are read from fails.
    fn next_possible_member(&mut self) -> io::Result<Option<(&[u8], bool)>>;
}

/// A list that was sent whole.
impl<V: SortedValues> PreviousMembers for V {
    fn next_possible_member(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        Ok(self.next()?.map(|value| (value, true)))
    }
}

/// No values: what is compared with where nothing was sent before.
#[derive(Clone, Copy, Debug)]
pub struct EmptyList;

impl SortedValues for EmptyList {
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        Ok(None)
    }
}
