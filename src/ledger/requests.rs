//! The calls that every run on a ledger made: all of them count toward the same windows of the service.

use crate::model::EndpointClass;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The calls that still count toward a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// When they were made, by class, oldest first.
    pub calls: BTreeMap<EndpointClass, Vec<Timestamp>>,
    /// Whether an answer proved that the service counts lists and creates apart.
    #[serde(default)]
    pub list_and_create_apart: bool,
}

impl Requests {
    /// All calls with their classes.
    pub fn iter(&self) -> impl Iterator<Item = (EndpointClass, Timestamp)> {
        let classes = self.calls.iter();
        classes.flat_map(|(class, calls)| calls.iter().map(|call| (*class, *call)))
    }

    /// Adds the calls of one run to what others took down since it began. `before` is what the run found at first: of
    /// the calls it knows at its end, only the others are its own.
    pub fn add(&mut self, known: &[(EndpointClass, Timestamp)], before: &Self) {
        let mut own: BTreeMap<(EndpointClass, Timestamp), i64> = BTreeMap::new();
        for call in known {
            *own.entry(*call).or_default() += 1;
        }
        for call in before.iter() {
            *own.entry(call).or_default() -= 1;
        }
        for ((class, at), count) in own {
            let calls = self.calls.entry(class).or_default();
            calls.extend((0..count).map(|_| at));
            calls.sort_unstable();
        }
    }

    /// Drops the calls that count toward no window any more.
    pub fn forget_before(&mut self, moment: Timestamp) {
        for calls in self.calls.values_mut() {
            calls.retain(|call| *call >= moment);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn runs_at_once_lose_no_call_and_count_none_twice() {
        let list = EndpointClass::List;
        let before = Requests {
            calls: [(list, vec![at(1), at(1), at(2)])].into(),
            ..Requests::default()
        };
        // Another run took down two calls meanwhile; this one made three, and its oldest two count no more.
        let mut stored = Requests {
            calls: [(list, vec![at(1), at(1), at(2), at(3), at(4)])].into(),
            ..Requests::default()
        };
        let known = [(list, at(2)), (list, at(4)), (list, at(5)), (list, at(5))];
        stored.add(&known, &before);
        assert_eq!(
            stored.calls[&list],
            [at(1), at(1), at(2), at(3), at(4), at(4), at(5), at(5)]
        );
        stored.forget_before(at(4));
        assert_eq!(stored.calls[&list], [at(4), at(4), at(5), at(5)]);
    }
}
