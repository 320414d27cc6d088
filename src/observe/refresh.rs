//! What is read again although it is remembered. Pure.

use crate::model::SegmentId;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How much of what is remembered is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// Everything.
    Full,
    /// The part that was read the longest ago, so that every edit by hand is found in the end.
    Rolling,
    /// Nothing.
    None,
}

/// A rolling refresh reads at least so many: a small workspace is seen whole each time.
const LEAST: usize = 12;

/// A rolling refresh reads one of so many: a day of hourly plans sees everything.
const SHARE: usize = 25;

/// Which of the remembered segments, with the times of their reads, are read again.
#[must_use]
pub(super) fn to_read(remembered: &BTreeMap<SegmentId, Timestamp>, refresh: Refresh) -> BTreeSet<SegmentId> {
    let count = match refresh {
        Refresh::Full => remembered.len(),
        Refresh::None => 0,
        Refresh::Rolling => remembered.len().div_ceil(SHARE).max(LEAST),
    };
    let mut by_age: Vec<_> = remembered.iter().collect();
    by_age.sort_by_key(|(id, read_at)| (**read_at, (*id).clone()));
    by_age.into_iter().take(count).map(|(id, _)| id.clone()).collect()
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
        to_read(&remembered(count), refresh).len()
    }

    #[test]
    fn a_rolling_refresh_reads_the_oldest() {
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
            assert_eq!(read(count, Refresh::Rolling), reads, "{count}");
        }
        assert_eq!((read(50, Refresh::Full), read(50, Refresh::None)), (50, 0));
        let oldest = to_read(&remembered(300), Refresh::Rolling);
        assert!(oldest.contains(&SegmentId::new("0299")) && !oldest.contains(&SegmentId::new("0000")));
    }
}
