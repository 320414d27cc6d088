//! Who is in a segment, as far as what was sent tells.
//!
//! Members are sent in many calls, and a call may be lost: nobody knows then whether it was done. What is known is kept as
//! two lists, those who surely are members and those who may be, and where a run ended in the middle of sending a third one,
//! as how far it had come. From these follows what has to be sent so that the members are right whatever came of the calls:
//! who is wanted and not surely a member is added, and who may be a member and is not wanted is removed. Both do no harm
//! where they change nothing.

use super::compressed_list::ListReader;
use super::{PreviousMembers, SortedValues};
use std::io::{self, BufRead};

/// What is known, all of it as lists that were kept.
pub struct MembershipBounds<R: BufRead> {
    confirmed: PeekableList<R>,
    upper_bound: PeekableList<R>,
    partial: Option<PartialList<R>>,
    value: Vec<u8>,
}

/// A list that was being sent.
struct PartialList<R: BufRead> {
    list: PeekableList<R>,
    /// How many of those who were to be added are not passed yet and surely were.
    added: u64,
    /// As above, of those who were to be removed.
    removed: u64,
}

/// A list and its next value.
struct PeekableList<R: BufRead> {
    list: ListReader<R>,
    next: Option<Vec<u8>>,
}

impl<R: BufRead> MembershipBounds<R> {
    /// Those who are in `surely` are members, and nobody is who is not in `possibly`.
    ///
    /// # Errors
    ///
    /// A list cannot be read.
    pub fn of(confirmed: R, upper_bound: R) -> io::Result<Self> {
        Ok(Self {
            confirmed: PeekableList::of(confirmed)?,
            upper_bound: PeekableList::of(upper_bound)?,
            partial: None,
            value: Vec::new(),
        })
    }

    /// After `list` was sent in part: of those whom it adds and of those whom it removes, in order, the first so many surely
    /// were.
    ///
    /// # Errors
    ///
    /// The list cannot be read.
    pub fn with_partial(self, list: R, (added, removed): (u64, u64)) -> io::Result<Self> {
        let list = PeekableList::of(list)?;
        let partial = Some(PartialList { list, added, removed });
        Ok(Self { partial, ..self })
    }

    /// The next value of any list, and whether it is surely and whether it is possibly that of a member.
    fn advance(&mut self) -> io::Result<Option<(bool, bool)>> {
        let under_way = self.partial.as_ref().map(|under_way| &under_way.list);
        let lists = [Some(&self.confirmed), Some(&self.upper_bound), under_way];
        let least = lists
            .into_iter()
            .flatten()
            .filter_map(|list| list.next.as_ref())
            .min();
        let Some(least) = least else {
            return Ok(None);
        };
        self.value.clone_from(least);
        let is_sure = self.confirmed.skip_if_next(&self.value)?;
        let is_possible = self.upper_bound.skip_if_next(&self.value)?;
        let Some(under_way) = &mut self.partial else {
            return Ok(Some((is_sure, is_possible)));
        };
        let is_wanted = under_way.list.skip_if_next(&self.value)?;
        Ok(Some(match (is_wanted, is_sure) {
            (true, true) => (true, true),
            (true, false) => (decrement(&mut under_way.added), true),
            // Whether it was removed is not known, or it was.
            (false, _) => (false, !decrement(&mut under_way.removed)),
        }))
    }
}

/// Whether there was one left.
fn decrement(left: &mut u64) -> bool {
    let is_left = *left > 0;
    *left = left.saturating_sub(1);
    is_left
}

impl<R: BufRead> PeekableList<R> {
    fn of(bytes: R) -> io::Result<Self> {
        let mut list = ListReader::of(bytes);
        let next = list.next()?.map(<[u8]>::to_vec);
        Ok(Self { list, next })
    }

    /// Goes on where `value` is the next; whether it was.
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
        while let Some((is_sure, is_possible)) = self.advance()? {
            if is_possible {
                return Ok(Some((&self.value, is_sure)));
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

    /// Who has to be added and who removed.
    fn changes(wanted: &Set, known: &mut dyn PreviousMembers) -> (Vec<u8>, Vec<u8>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        compare_lists(
            &mut ListReader::of(compressed(wanted).as_slice()),
            known,
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

    /// Runs of which each ends somewhere: what it wanted, how many of those whom it added and removed it knows of, and of
    /// how many more it does not know whether they were.
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
        #[test]
        fn members_are_correct_after_any_interrupted_runs(
            first in btree_set(b'a'..b'k', 0..8),
            runs in proptest::collection::vec(interrupted_run(), 0..4),
            wanted in btree_set(b'a'..b'k', 0..8),
        ) {
            let mut members = first.clone();
            let (mut surely, mut possibly) = (compressed(&first), compressed(&first));
            for (list, adds, removes, more_adds, more_removes) in runs {
                let known = || MembershipBounds::of(surely.as_slice(), possibly.as_slice()).unwrap();
                let (added, removed) = changes(&list, &mut known());
                let (adds, removes) = (adds.min(added.len()), removes.min(removed.len()));
                members.extend(added.iter().take(adds + more_adds));
                removed.iter().take(removes + more_removes).for_each(|value| {
                    members.remove(value);
                });
                let list = compressed(&list);
                let mut ended = known().with_partial(&list, (adds as u64, removes as u64)).unwrap();
                let (mut sure, mut possible) = (Set::new(), Set::new());
                while let Some((value, is_sure)) = ended.next_possible_member().unwrap() {
                    possible.insert(value[0]);
                    if is_sure {
                        sure.insert(value[0]);
                    }
                }
                prop_assert!(sure.is_subset(&members) && members.is_subset(&possible));
                (surely, possibly) = (compressed(&sure), compressed(&possible));
            }
            let mut known = MembershipBounds::of(surely.as_slice(), possibly.as_slice()).unwrap();
            let (added, removed) = changes(&wanted, &mut known);
            members.extend(&added);
            removed.iter().for_each(|value| { members.remove(value); });
            prop_assert_eq!(members, wanted);
        }

        #[test]
        fn confirmed_members_are_not_sent_again(before in btree_set(b'a'..b'k', 0..8), wanted in btree_set(b'a'..b'k', 0..8)) {
            let bytes = compressed(&before);
            let mut known = MembershipBounds::of(bytes.as_slice(), bytes.as_slice()).unwrap();
            let (added, removed) = changes(&wanted, &mut known);
            prop_assert_eq!(added, (&wanted - &before).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(removed, (&before - &wanted).into_iter().collect::<Vec<_>>());
        }
    }
}
