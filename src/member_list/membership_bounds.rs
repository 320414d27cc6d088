//! The members of a cohort, as far as the requests sent so far determine them.
//!
//! segctl sends members in many requests, and the effect of an unanswered one is unknown. The state therefore contains two
//! lists: the confirmed members, and an upper bound of all possible members. If a run was interrupted, the state also
//! contains the list that it was sending, and its progress. segctl adds every desired member that is not confirmed, and
//! removes every possible member that is not desired. Redundant additions and removals have no effect, so the members are
//! correct whatever the effect of the earlier requests.

use super::compressed_list::ListReader;
use super::{PreviousMembers, SortedValues};
use std::io::{self, BufRead};

pub struct MembershipBounds<R: BufRead> {
    confirmed: PeekableList<R>,
    upper_bound: PeekableList<R>,
    partial: Option<PartialList<R>>,
    value: Vec<u8>,
}

/// The list that an interrupted run was sending.
struct PartialList<R: BufRead> {
    list: PeekableList<R>,
    /// Confirmed additions that were not read yet.
    added: u64,
    /// Confirmed removals that were not read yet.
    removed: u64,
}

struct PeekableList<R: BufRead> {
    list: ListReader<R>,
    next: Option<Vec<u8>>,
}

impl<R: BufRead> MembershipBounds<R> {
    /// All values of `confirmed` are members, and all members are in `upper_bound`.
    pub fn of(confirmed: R, upper_bound: R) -> io::Result<Self> {
        Ok(Self {
            confirmed: PeekableList::of(confirmed)?,
            upper_bound: PeekableList::of(upper_bound)?,
            partial: None,
            value: Vec::new(),
        })
    }

    /// After an interrupted run sent part of `list`: the first `added` additions and the first `removed` removals are
    /// confirmed.
    pub fn with_partial(self, list: R, added: u64, removed: u64) -> io::Result<Self> {
        let list = PeekableList::of(list)?;
        let partial = Some(PartialList { list, added, removed });
        Ok(Self { partial, ..self })
    }

    /// Reads the next value of any list. Returns whether it is certainly, and whether it is possibly, a member.
    fn advance(&mut self) -> io::Result<Option<(bool, bool)>> {
        let partial = self.partial.as_ref().map(|partial| &partial.list);
        let lists = [Some(&self.confirmed), Some(&self.upper_bound), partial];
        let next_values = lists.into_iter().flatten().filter_map(|list| list.next.as_ref());
        let Some(min) = next_values.min() else {
            return Ok(None);
        };
        self.value.clone_from(min);
        let is_confirmed = self.confirmed.skip_if_next(&self.value)?;
        let is_possible = self.upper_bound.skip_if_next(&self.value)?;
        let Some(partial) = &mut self.partial else {
            return Ok(Some((is_confirmed, is_possible)));
        };
        let is_desired = partial.list.skip_if_next(&self.value)?;
        Ok(Some(match (is_desired, is_confirmed) {
            (true, true) => (true, true),
            (true, false) => (decrement(&mut partial.added), true),
            // The removal is confirmed, or its effect is unknown.
            (false, _) => (false, !decrement(&mut partial.removed)),
        }))
    }
}

/// Returns false if the count was zero already.
fn decrement(count: &mut u64) -> bool {
    let was_positive = *count > 0;
    *count = count.saturating_sub(1);
    was_positive
}

impl<R: BufRead> PeekableList<R> {
    fn of(bytes: R) -> io::Result<Self> {
        let mut list = ListReader::of(bytes);
        let next = list.next()?.map(<[u8]>::to_vec);
        Ok(Self { list, next })
    }

    /// Advances if the next value is `value`. Returns whether it was.
    fn skip_if_next(&mut self, value: &[u8]) -> io::Result<bool> {
        let Some(next) = self.next.as_mut().filter(|next| next.as_slice() == value) else {
            return Ok(false);
        };
        match self.list.next()? {
            Some(value) => {
                next.clear();
                next.extend_from_slice(value);
            }
            None => self.next = None,
        }
        Ok(true)
    }
}

impl<R: BufRead> PreviousMembers for MembershipBounds<R> {
    fn next_possible_member(&mut self) -> io::Result<Option<(&[u8], bool)>> {
        while let Some((is_confirmed, is_possible)) = self.advance()? {
            if is_possible {
                return Ok(Some((&self.value, is_confirmed)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::compressed_list::ListWriter;
    use super::super::diff::{ValueChange, compare_lists};
    use super::*;
    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Set = BTreeSet<u8>;

    fn compressed(values: &Set) -> Vec<u8> {
        let mut writer = ListWriter::to(Vec::new());
        values.iter().for_each(|value| writer.push(&[*value]).unwrap());
        writer.finish().unwrap()
    }

    /// The values to add and the values to remove.
    fn changes(desired: &Set, previous: &mut dyn PreviousMembers) -> (Vec<u8>, Vec<u8>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        compare_lists(
            &mut ListReader::of(compressed(desired).as_slice()),
            previous,
            |change, value| {
                match change {
                    ValueChange::Added => added.push(value[0]),
                    ValueChange::Removed => removed.push(value[0]),
                    ValueChange::Unchanged => {}
                }
                Ok(())
            },
        )
        .unwrap();
        (added, removed)
    }

    /// The desired members of a run, how many of its additions and removals are confirmed, and how many more of each had
    /// an effect without an answer.
    type InterruptedRun = (Set, usize, usize, usize, usize);

    fn interrupted_run() -> impl Strategy<Value = InterruptedRun> {
        (
            btree_set(b'a'..b'k', 0..8),
            0_usize..6,
            0_usize..6,
            0_usize..3,
            0_usize..3,
        )
    }

    proptest! {
        #![proptest_config(crate::fixed_seeds::config(256))]

        #[test]
        fn members_are_correct_after_any_interrupted_runs(
            first in btree_set(b'a'..b'k', 0..8),
            runs in proptest::collection::vec(interrupted_run(), 0..4),
            desired in btree_set(b'a'..b'k', 0..8),
        ) {
            let mut members = first.clone();
            let (mut confirmed, mut upper_bound) = (compressed(&first), compressed(&first));
            for (list, adds, removes, more_adds, more_removes) in runs {
                let known = || MembershipBounds::of(confirmed.as_slice(), upper_bound.as_slice()).unwrap();
                let (added, removed) = changes(&list, &mut known());
                let (adds, removes) = (adds.min(added.len()), removes.min(removed.len()));
                members.extend(added.iter().take(adds + more_adds));
                removed.iter().take(removes + more_removes).for_each(|value| {
                    members.remove(value);
                });
                let list = compressed(&list);
                let mut interrupted = known().with_partial(&list, adds as u64, removes as u64).unwrap();
                let (mut certain, mut possible) = (Set::new(), Set::new());
                while let Some((value, is_certain)) = interrupted.next_possible_member().unwrap() {
                    possible.insert(value[0]);
                    if is_certain {
                        certain.insert(value[0]);
                    }
                }
                prop_assert!(certain.is_subset(&members) && members.is_subset(&possible));
                (confirmed, upper_bound) = (compressed(&certain), compressed(&possible));
            }
            let mut known = MembershipBounds::of(confirmed.as_slice(), upper_bound.as_slice()).unwrap();
            let (added, removed) = changes(&desired, &mut known);
            members.extend(&added);
            removed.iter().for_each(|value| { members.remove(value); });
            prop_assert_eq!(members, desired);
        }

        #[test]
        fn confirmed_members_are_not_sent_again(before in btree_set(b'a'..b'k', 0..8), desired in btree_set(b'a'..b'k', 0..8)) {
            let bytes = compressed(&before);
            let mut known = MembershipBounds::of(bytes.as_slice(), bytes.as_slice()).unwrap();
            let (added, removed) = changes(&desired, &mut known);
            prop_assert_eq!(added, (&desired - &before).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(removed, (&before - &desired).into_iter().collect::<Vec<_>>());
        }
    }
}
