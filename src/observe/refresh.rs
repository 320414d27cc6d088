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
    Partial,
    /// Nothing.
    None,
}

/// A rolling refresh reads at least so many: a small workspace is seen whole each time.
const MIN_PARTIAL_READS: usize = 12;

/// A rolling refresh reads one of so many: a day of hourly plans sees everything.
const PARTIAL_DIVISOR: usize = 25;

/// Which of the remembered segments, with the times of their reads, are read again.
#[must_use]
pub(super) fn ids_to_reread(
    cached: &BTreeMap<SegmentId, Timestamp>,
    refresh: Refresh,
) -> BTreeSet<SegmentId> {
    let count = match refresh {
        Refresh::Full => cached.len(),
        Refresh::None => 0,
        Refresh::Partial => cached.len().div_ceil(PARTIAL_DIVISOR).max(MIN_PARTIAL_READS),
    };
    let mut by_age: Vec<_> = cached.iter().collect();
    by_age.sort_by_key(|(id, read_at)| (**read_at, (*id).clone()));
    by_age.into_iter().take(count).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached_reads(count: usize) -> BTreeMap<SegmentId, Timestamp> {
        let ids = (0..count).map(|number| {
            let second = i64::try_from(count - number).unwrap();
            (
                SegmentId::new(format!("{number:04}")),
                Timestamp::from_second(second).unwrap(),
            )
        });
        ids.collect()
    }

    fn read_count(count: usize, refresh: Refresh) -> usize {
        ids_to_reread(&cached_reads(count), refresh).len()
    }

    #[test]
    fn a_partial_refresh_reads_the_oldest() {
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
            assert_eq!(read_count(count, Refresh::Partial), reads, "{count}");
        }
        assert_eq!(
            (read_count(50, Refresh::Full), read_count(50, Refresh::None)),
            (50, 0)
        );
        let oldest = ids_to_reread(&cached_reads(300), Refresh::Partial);
        assert!(oldest.contains(&SegmentId::new("0299")) && !oldest.contains(&SegmentId::new("0000")));
    }
}
