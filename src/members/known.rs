//! Who is in a segment, as far as what was sent tells.
//!
//! Members are sent in many calls, and a call may be lost: nobody knows then whether it was done. What is known is kept as
//! two lists, those who surely are members and those who may be, and where a run ended in the middle of sending a third one,
//! as how far it had come. From these follows what has to be sent so that the members are right whatever came of the calls:
//! who is wanted and not surely a member is added, and who may be a member and is not wanted is removed. Both do no harm
//! where they change nothing.

use super::kept::KeptReader;
use super::{Before, Values};
use std::io::{self, BufRead};

/// What is known, all of it as lists that were kept.
pub struct Known<R: BufRead> {
    surely: Ahead<R>,
    possibly: Ahead<R>,
    under_way: Option<UnderWay<R>>,
    value: Vec<u8>,
}

/// A list that was being sent.
struct UnderWay<R: BufRead> {
    list: Ahead<R>,
    /// How many of those who were to be added are not passed yet and surely were.
    added: u64,
    /// As above, of those who were to be removed.
    removed: u64,
}

/// A list and its next value.
struct Ahead<R: BufRead> {
    list: KeptReader<R>,
    next: Option<Vec<u8>>,
}

impl<R: BufRead> Known<R> {
    /// Those who are in `surely` are members, and nobody is who is not in `possibly`.
    ///
    /// # Errors
    ///
    /// A list cannot be read.
    pub fn of(surely: R, possibly: R) -> io::Result<Self> {
        Ok(Self {
            surely: Ahead::of(surely)?,
            possibly: Ahead::of(possibly)?,
            under_way: None,
            value: Vec::new(),
        })
    }

    /// After `list` was sent in part: of those whom it adds and of those whom it removes, in order, the first so many surely
    /// were.
    ///
    /// # Errors
    ///
    /// The list cannot be read.
    pub fn and_under_way(self, list: R, (added, removed): (u64, u64)) -> io::Result<Self> {
        let list = Ahead::of(list)?;
        let under_way = Some(UnderWay { list, added, removed });
        Ok(Self { under_way, ..self })
    }

    /// The next value of any list, and whether it is surely and whether it is possibly that of a member.
    fn advance(&mut self) -> io::Result<Option<(bool, bool)>> {
        let under_way = self.under_way.as_ref().map(|under_way| &under_way.list);
        let lists = [Some(&self.surely), Some(&self.possibly), under_way];
        let least = lists
            .into_iter()
            .flatten()
            .filter_map(|list| list.next.as_ref())
            .min();
        let Some(least) = least else {
            return Ok(None);
        };
        self.value.clone_from(least);
        let is_sure = self.surely.pass(&self.value)?;
        let is_possible = self.possibly.pass(&self.value)?;
        let Some(under_way) = &mut self.under_way else {
            return Ok(Some((is_sure, is_possible)));
        };
        let is_wanted = under_way.list.pass(&self.value)?;
        Ok(Some(match (is_wanted, is_sure) {
            (true, true) => (true, true),
            (true, false) => (take_one(&mut under_way.added), true),
            // Whether it was removed is not known, or it was.
            (false, _) => (false, !take_one(&mut under_way.removed)),
        }))
    }
}

/// Whether there was one left.
fn take_one(left: &mut u64) -> bool {
    let is_left = *left > 0;
    *left = left.saturating_sub(1);
    is_left
}

impl<R: BufRead> Ahead<R> {
    fn of(bytes: R) -> io::Result<Self> {
        let mut list = KeptReader::of(bytes);
        let next = list.next()?.map(<[u8]>::to_vec);
        Ok(Self { list, next })
    }

    /// Goes on where `value` is the next; whether it was.
    fn pass(&mut self, value: &[u8]) -> io::Result<bool> {
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

impl<R: BufRead> Before for Known<R> {
    fn next_known(&mut self) -> io::Result<Option<(&[u8], bool)>> {
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
    use super::super::compare::{Change, compare};
    use super::super::kept::KeptWriter;
    use super::*;
    use proptest::collection::btree_set;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Set = BTreeSet<u8>;

    fn kept(values: &Set) -> Vec<u8> {
        let mut writer = KeptWriter::to(Vec::new());
        values.iter().for_each(|value| writer.push(&[*value]).unwrap());
        writer.finish().unwrap()
    }

    /// Who has to be added and who removed.
    fn changes(wanted: &Set, known: &mut dyn Before) -> (Vec<u8>, Vec<u8>) {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        compare(
            &mut KeptReader::of(kept(wanted).as_slice()),
            known,
            |change, value| {
                match change {
                    Change::Added => added.push(value[0]),
                    Change::Removed => removed.push(value[0]),
                    Change::Kept => {}
                }
                Ok(())
            },
        )
        .unwrap();
        (added, removed)
    }

    /// Runs of which each ends somewhere: what it wanted, how many of those whom it added and removed it knows of, and of
    /// how many more it does not know whether they were.
    type Run = (Set, usize, usize, usize, usize);

    fn run() -> impl Strategy<Value = Run> {
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
        fn members_are_right_whatever_came_of_the_calls_of_runs_that_ended(
            first in btree_set(b'a'..b'k', 0..8),
            runs in proptest::collection::vec(run(), 0..4),
            wanted in btree_set(b'a'..b'k', 0..8),
        ) {
            let mut members = first.clone();
            let (mut surely, mut possibly) = (kept(&first), kept(&first));
            for (list, adds, removes, more_adds, more_removes) in runs {
                let known = || Known::of(surely.as_slice(), possibly.as_slice()).unwrap();
                let (added, removed) = changes(&list, &mut known());
                let (adds, removes) = (adds.min(added.len()), removes.min(removed.len()));
                members.extend(added.iter().take(adds + more_adds));
                removed.iter().take(removes + more_removes).for_each(|value| {
                    members.remove(value);
                });
                let list = kept(&list);
                let mut ended = known().and_under_way(&list, (adds as u64, removes as u64)).unwrap();
                let (mut sure, mut possible) = (Set::new(), Set::new());
                while let Some((value, is_sure)) = ended.next_known().unwrap() {
                    possible.insert(value[0]);
                    if is_sure {
                        sure.insert(value[0]);
                    }
                }
                prop_assert!(sure.is_subset(&members) && members.is_subset(&possible));
                (surely, possibly) = (kept(&sure), kept(&possible));
            }
            let mut known = Known::of(surely.as_slice(), possibly.as_slice()).unwrap();
            let (added, removed) = changes(&wanted, &mut known);
            members.extend(&added);
            removed.iter().for_each(|value| { members.remove(value); });
            prop_assert_eq!(members, wanted);
        }

        #[test]
        fn what_is_known_for_sure_is_not_sent_again(before in btree_set(b'a'..b'k', 0..8), wanted in btree_set(b'a'..b'k', 0..8)) {
            let bytes = kept(&before);
            let mut known = Known::of(bytes.as_slice(), bytes.as_slice()).unwrap();
            let (added, removed) = changes(&wanted, &mut known);
            prop_assert_eq!(added, (&wanted - &before).into_iter().collect::<Vec<_>>());
            prop_assert_eq!(removed, (&before - &wanted).into_iter().collect::<Vec<_>>());
        }
    }
}
