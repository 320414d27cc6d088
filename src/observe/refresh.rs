//! What is read again although it is remembered. Pure.

use crate::model::SegmentId;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How much of what is remembered is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Everything.
    Full,
    /// The part that was read the longest ago, so that every edit by hand is found in the end; nothing that was read
    /// within `fresh_for`.
    Rolling {
        /// How long a read is good for.
        fresh_for: SignedDuration,
    },
    /// Nothing.
    None,
}

/// A rolling refresh reads at least so many: a small workspace is seen whole each time.
const LEAST: usize = 12;

/// A rolling refresh reads one of so many: a day of hourly plans sees everything.
const SHARE: usize = 25;

/// Which of the remembered segments, with the times of their reads, are read again at `now`.
#[must_use]
pub(super) fn to_read(
    remembered: &BTreeMap<SegmentId, Timestamp>,
    refresh: Refresh,
    now: Timestamp,
) -> BTreeSet<SegmentId> {
    let fresh_for = match refresh {
        Refresh::Full => return remembered.keys().cloned().collect(),
        Refresh::None => return BTreeSet::new(),
        Refresh::Rolling { fresh_for } => fresh_for,
    };
    let mut by_age: Vec<_> = remembered.iter().collect();
    by_age.sort_by_key(|(id, read_at)| (**read_at, (*id).clone()));
    let count = remembered.len().div_ceil(SHARE).max(LEAST);
    let oldest = by_age.into_iter().take(count);
    oldest
        .filter(|(_, read_at)| fresh_for.is_zero() || read_at.duration_until(now) >= fresh_for)
        .map(|(id, _)| id.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(count: usize) -> BTreeMap<SegmentId, Timestamp> {
        let ids = (0..count).map(|number| {
            let second = i64::try_from(count - number).unwrap();
            (
                SegmentId::new(format!("{number:04}")),
                Timestamp::from_second(second).unwrap(),
            )
        });
        ids.collect()
    }

    fn read(count: usize, refresh: Refresh) -> usize {
        let now = Timestamp::from_second(10_000).unwrap();
        to_read(&remembered(count), refresh, now).len()
    }

    #[test]
    fn a_rolling_refresh_reads_the_oldest() {
        let rolling = Refresh::Rolling {
            fresh_for: SignedDuration::ZERO,
        };
        let table = [
            (0, 0),
            (5, 5),
            (12, 12),
            (13, 12),
            (300, 12),
            (301, 13),
            (1000, 40),
        ];
        for (count, reads) in table {
            assert_eq!(read(count, rolling), reads, "{count}");
        }
        assert_eq!((read(50, Refresh::Full), read(50, Refresh::None)), (50, 0));
        let now = Timestamp::from_second(10_000).unwrap();
        let oldest = to_read(&remembered(300), rolling, now);
        assert!(oldest.contains(&SegmentId::new("0299")) && !oldest.contains(&SegmentId::new("0000")));
    }

    #[test]
    fn what_was_just_read_is_not_read_again() {
        let good_for = |seconds| Refresh::Rolling {
            fresh_for: SignedDuration::from_secs(seconds),
        };
        assert_eq!(read(300, good_for(9_000)), 12);
        assert_eq!(read(300, good_for(10_000)), 0);
        assert_eq!(read(5, good_for(9_998)), 2);
    }
}
