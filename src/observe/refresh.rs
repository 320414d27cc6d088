//! Selects the cached definitions to re-read. Pure.

use crate::model::SegmentId;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// What a plan writes and what its conflicts depend on, and then the least recently read definitions, as many as need
    /// no wait and at most half of what the rate limits leave.
    Auto,
    Full,
    /// The least recently read definitions, so that segctl eventually detects every change outside segctl.
    Partial,
    None,
}

/// A partial refresh re-reads a small workspace completely.
const MIN_PARTIAL_READS: usize = 12;

/// A partial refresh re-reads 1 of 25 definitions, so hourly plans re-read everything in about a day.
const PARTIAL_DIVISOR: usize = 25;

#[must_use]
pub(super) fn ids_to_reread(
    cached: &BTreeMap<SegmentId, Timestamp>,
    refresh: Refresh,
) -> BTreeSet<SegmentId> {
    let count = match refresh {
        Refresh::Full => cached.len(),
        // For `Auto`, the number depends on the rate limits.
        Refresh::Auto | Refresh::None => 0,
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
            [Refresh::Full, Refresh::None, Refresh::Auto].map(|refresh| read_count(50, refresh)),
            [50, 0, 0]
        );
        let oldest = ids_to_reread(&cached_reads(300), Refresh::Partial);
        assert!(oldest.contains(&SegmentId::new("0299")) && !oldest.contains(&SegmentId::new("0000")));
    }
}
