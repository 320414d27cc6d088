//! Two lists in order, held against each other in one pass.

use super::{PreviousMembers, SortedValues};
use crate::model::{ListDigest, ListSummary};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::io;

/// What becomes of a value of two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueChange {
    /// It is in both, for sure.
    Unchanged,
    /// It is in the new list, and in the old one not or not for sure.
    Added,
    /// It is in the old list alone.
    Removed,
}

/// What two lists are, and how they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDiff {
    /// The new list.
    pub new: ListSummary,
    /// The old one: whoever knows what it should be can tell.
    pub old: ListSummary,
    /// How many values the new list has that the old one lacks, or does not have for sure.
    pub added: u64,
    /// How many values it lacks that the old one has.
    pub removed: u64,
}

/// Compares a list with the one before it and tells `each` of every value of both, in order. Whether either list is whole
/// shows only at its end: what `each` puts aside is good when the comparison is.
///
/// # Errors
///
/// A list cannot be read, or `each` fails.
pub fn compare_lists(
    new: &mut dyn SortedValues,
    old: &mut dyn PreviousMembers,
    mut each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
) -> io::Result<ListDiff> {
    let (mut new_tally, mut old_tally) = (ListDigester::default(), ListDigester::default());
    let (mut added, mut removed) = (0, 0);
    let (mut next_new, mut next_old) = (new.next()?, old.next_possible_member()?);
    loop {
        let order = match (next_new, next_old) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(new), Some((old, _))) => new.cmp(old),
        };
        if let Some(value) = next_new.filter(|_| order != Ordering::Greater) {
            new_tally.add(value);
            let is_sure = order == Ordering::Equal && next_old.is_some_and(|(_, is_sure)| is_sure);
            let change = if is_sure {
                ValueChange::Unchanged
            } else {
                ValueChange::Added
            };
            added += u64::from(change == ValueChange::Added);
            each(change, value)?;
            next_new = new.next()?;
        }
        if let Some((value, _)) = next_old.filter(|_| order != Ordering::Less) {
            old_tally.add(value);
            if order == Ordering::Greater {
                removed += 1;
                each(ValueChange::Removed, value)?;
            }
            next_old = old.next_possible_member()?;
        }
    }
    Ok(ListDiff {
        new: new_tally.summary(),
        old: old_tally.summary(),
        added,
        removed,
    })
}

/// What was read of a list.
#[derive(Default)]
struct ListDigester {
    hash: Sha256,
    count: u64,
}

impl ListDigester {
    fn add(&mut self, value: &[u8]) {
        self.hash.update(value);
        self.hash.update(b"\n");
        self.count += 1;
    }

    fn summary(self) -> ListSummary {
        ListSummary {
            digest: ListDigest::from_bytes(self.hash.finalize().into()),
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::EmptyList;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    struct List {
        values: Vec<Vec<u8>>,
        next: usize,
    }

    impl List {
        fn of(values: &BTreeSet<Vec<u8>>) -> Self {
            Self {
                values: values.iter().cloned().collect(),
                next: 0,
            }
        }
    }

    impl SortedValues for List {
        fn next(&mut self) -> io::Result<Option<&[u8]>> {
            self.next += 1;
            Ok(self.values.get(self.next - 1).map(Vec::as_slice))
        }
    }

    fn all(values: &[&str]) -> BTreeSet<Vec<u8>> {
        values.iter().map(|value| value.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_digest_is_pinned() {
        let found = compare_lists(&mut List::of(&all(&["b", "a"])), &mut EmptyList, |_, _| Ok(())).unwrap();
        // printf 'a\nb\n' | sha256sum
        let wanted = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2";
        assert_eq!(
            (found.new.digest.as_str(), found.new.count, found.added),
            (wanted, 2, 2)
        );
        let turned = compare_lists(&mut EmptyList, &mut List::of(&all(&["b", "a"])), |_, _| Ok(())).unwrap();
        assert_eq!((turned.old, turned.removed), (found.new, 2));
        let nobody = compare_lists(&mut EmptyList, &mut EmptyList, |_, _| Ok(())).unwrap();
        // sha256sum </dev/null
        let wanted = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((nobody.new.digest.as_str(), nobody.new.count), (wanted, 0));
        assert_eq!(nobody.new, ListSummary::empty());
    }

    proptest! {
        #[test]
        fn changes_turn_the_old_list_into_the_new(
            old in proptest::collection::btree_set("[ab]{0,3}", 0..12),
            new in proptest::collection::btree_set("[ab]{0,3}", 0..12),
        ) {
            let bytes = |texts: &BTreeSet<String>| -> BTreeSet<Vec<u8>> {
                texts.iter().map(|text| text.as_bytes().to_vec()).collect()
            };
            let (old, new) = (bytes(&old), bytes(&new));
            let mut told = Vec::new();
            let found = compare_lists(&mut List::of(&new), &mut List::of(&old), |change, value| {
                told.push((value.to_vec(), change));
                Ok(())
            }).unwrap();
            let of = |wanted: ValueChange| -> BTreeSet<Vec<u8>> {
                told.iter().filter(|(_, change)| *change == wanted).map(|(value, _)| value.clone()).collect()
            };
            prop_assert_eq!(of(ValueChange::Added), &new - &old);
            prop_assert_eq!(of(ValueChange::Removed), &old - &new);
            prop_assert_eq!(of(ValueChange::Unchanged), &old & &new);
            prop_assert!(told.is_sorted_by(|one, other| one.0 < other.0));
            let counts = (found.new.count, found.added, found.removed);
            let wanted = (new.len(), (&new - &old).len(), (&old - &new).len());
            prop_assert_eq!(counts, (wanted.0 as u64, wanted.1 as u64, wanted.2 as u64));
            let again = compare_lists(&mut List::of(&new), &mut List::of(&new), |_, _| Ok(())).unwrap();
            prop_assert_eq!((&again.new, &again.old), (&found.new, &found.new));
            prop_assert_eq!((again.added, again.removed), (0, 0));
        }
    }
}
