//! Compares two sorted lists in one pass.

use super::{PreviousMembers, SortedValues};
use crate::model::{ListDigest, ListSummary};
use sha2::{Digest as _, Sha256};
use std::cmp::Ordering;
use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueChange {
    /// Certainly in both lists.
    Unchanged,
    /// In the new list, and not certainly in the old one.
    Added,
    /// In the old list only.
    Removed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDiff {
    pub new: ListSummary,
    /// The caller compares it with the expected old list.
    pub old: ListSummary,
    /// Values of the new list that are not certainly in the old one.
    pub added: u64,
    /// Values of the old list that are not in the new one.
    pub removed: u64,
}

/// Calls `each` for every value of both lists, in order. Damage of a list may be found only at its end, so the collected
/// values are valid only if this function succeeds.
pub fn compare_lists(
    new: &mut dyn SortedValues,
    old: &mut dyn PreviousMembers,
    mut each: impl FnMut(ValueChange, &[u8]) -> io::Result<()>,
) -> io::Result<ListDiff> {
    let (mut new_digester, mut old_digester) = (ListDigester::default(), ListDigester::default());
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
            new_digester.add(value);
            let is_unchanged = order == Ordering::Equal && next_old.is_some_and(|(_, is_certain)| is_certain);
            let change = if is_unchanged {
                ValueChange::Unchanged
            } else {
                ValueChange::Added
            };
            added += u64::from(!is_unchanged);
            each(change, value)?;
            next_new = new.next()?;
        }
        if let Some((value, _)) = next_old.filter(|_| order != Ordering::Less) {
            old_digester.add(value);
            if order == Ordering::Greater {
                removed += 1;
                each(ValueChange::Removed, value)?;
            }
            next_old = old.next_possible_member()?;
        }
    }
    Ok(ListDiff {
        new: new_digester.summary(),
        old: old_digester.summary(),
        added,
        removed,
    })
}

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
        let values = all(&["b", "a"]);
        let added = compare_lists(&mut List::of(&values), &mut EmptyList, |_, _| Ok(())).unwrap();
        // printf 'a\nb\n' | sha256sum
        let expected = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2";
        assert_eq!(
            (added.new.digest.as_str(), added.new.count, added.added),
            (expected, 2, 2)
        );
        let removed = compare_lists(&mut EmptyList, &mut List::of(&values), |_, _| Ok(())).unwrap();
        assert_eq!((removed.old, removed.removed), (added.new, 2));
        let empty = compare_lists(&mut EmptyList, &mut EmptyList, |_, _| Ok(())).unwrap();
        // sha256sum </dev/null
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((empty.new.digest.as_str(), empty.new.count), (expected, 0));
        assert_eq!(empty.new, ListSummary::empty());
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn changes_turn_the_old_list_into_the_new(
            old in proptest::collection::btree_set("[ab]{0,3}", 0..12),
            new in proptest::collection::btree_set("[ab]{0,3}", 0..12),
        ) {
            let bytes = |texts: &BTreeSet<String>| -> BTreeSet<Vec<u8>> {
                texts.iter().map(|text| text.as_bytes().to_vec()).collect()
            };
            let (old, new) = (bytes(&old), bytes(&new));
            let mut changes = Vec::new();
            let diff = compare_lists(&mut List::of(&new), &mut List::of(&old), |change, value| {
                changes.push((value.to_vec(), change));
                Ok(())
            }).unwrap();
            let values_with = |expected: ValueChange| -> BTreeSet<Vec<u8>> {
                changes.iter().filter(|(_, change)| *change == expected).map(|(value, _)| value.clone()).collect()
            };
            prop_assert_eq!(values_with(ValueChange::Added), &new - &old);
            prop_assert_eq!(values_with(ValueChange::Removed), &old - &new);
            prop_assert_eq!(values_with(ValueChange::Unchanged), &old & &new);
            prop_assert!(changes.is_sorted_by(|one, other| one.0 < other.0));
            let counts = (diff.new.count, diff.added, diff.removed);
            let expected = (new.len(), (&new - &old).len(), (&old - &new).len());
            prop_assert_eq!(counts, (expected.0 as u64, expected.1 as u64, expected.2 as u64));
            let same = compare_lists(&mut List::of(&new), &mut List::of(&new), |_, _| Ok(())).unwrap();
            prop_assert_eq!((&same.new, &same.old), (&diff.new, &diff.new));
            prop_assert_eq!((same.added, same.removed), (0, 0));
        }
    }
}
