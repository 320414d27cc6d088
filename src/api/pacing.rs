//! When the next call may be made: rolling windows, and what the service says of its own.
//!
//! Pure: it is told the time and answers with a time. All windows of a class are checked together before a
//! call is counted, since a limiter per window in series would count calls that the next window then refuses.

mod window;

#[cfg(test)]
mod tests;

pub use window::{RateLimits, Window, WindowError};

use super::clock::later;
use super::transport::RateHeaders;
use crate::model::EndpointClass;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// The longest documented window is a day, so a window that ends later than that is not one.
const FURTHEST_RESET: SignedDuration = SignedDuration::from_hours(24);

/// The calls made so far, as far as any window still cares.
#[derive(Clone, Debug)]
pub struct Pacing {
    limits: RateLimits,
    pools: BTreeMap<EndpointClass, Pool>,
}

/// What is counted together.
#[derive(Clone, Debug, Default)]
struct Pool {
    /// When calls were made, oldest first; no longer than the largest count of the pool's windows.
    made: VecDeque<Timestamp>,
    /// The service said that nothing is let through before this.
    closed_until: Option<Timestamp>,
}

impl Pacing {
    /// Starts with no call made.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            pools: BTreeMap::new(),
        }
    }

    /// The earliest moment, not before `now`, at which a call of `class` keeps every window of the class.
    #[must_use]
    pub fn earliest(&self, class: EndpointClass, now: Timestamp) -> Timestamp {
        let Some(pool) = self.pools.get(&pool_of(class)) else {
            return now;
        };
        let free = self.limits.windows(class).iter().filter_map(|window| {
            let oldest_in_the_way = pool.made.len().checked_sub(window.count())?;
            Some(later(*pool.made.get(oldest_in_the_way)?, window.span()))
        });
        free.chain(pool.closed_until).fold(now, Timestamp::max)
    }

    /// Whether it is the service, not a window of ours, that holds calls of `class` back at `now`.
    #[must_use]
    pub fn is_closed(&self, class: EndpointClass, now: Timestamp) -> bool {
        let pool = self.pools.get(&pool_of(class));
        pool.and_then(|pool| pool.closed_until)
            .is_some_and(|until| until > now)
    }

    /// Counts a call of `class` made at `at`; calls of earlier runs may be counted in any order.
    pub fn record(&mut self, class: EndpointClass, at: Timestamp) {
        let kept = self.kept(class);
        let pool = self.pools.entry(pool_of(class)).or_default();
        let place = pool.made.partition_point(|made| *made <= at);
        pool.made.insert(place, at);
        while pool.made.len() > kept {
            pool.made.pop_front();
        }
    }

    /// Moves the call counted at `sent` to `answered`: the service counted it somewhere between the two, and
    /// only the later one is safe.
    pub fn answered(&mut self, class: EndpointClass, sent: Timestamp, answered: Timestamp) {
        if answered <= sent {
            return;
        }
        let pool = self.pools.entry(pool_of(class)).or_default();
        if let Ok(place) = pool.made.binary_search(&sent) {
            pool.made.remove(place);
            self.record(class, answered);
        }
    }

    /// Takes in what an answer said of the service's own window: with nothing remaining, the class is closed
    /// until the reset.
    pub fn learn(&mut self, class: EndpointClass, now: Timestamp, headers: &RateHeaders) {
        if headers.remaining == Some(0)
            && let Some(reset) = reset_moment(headers, now)
        {
            self.closed_until(class, reset);
        }
    }

    /// Lets no call of `class` through before `until`; an earlier moment never replaces a later one.
    pub fn closed_until(&mut self, class: EndpointClass, until: Timestamp) {
        let pool = self.pools.entry(pool_of(class)).or_default();
        pool.closed_until = pool.closed_until.max(Some(until));
    }

    /// The calls that any window still asks about, under the class of their pool, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<(EndpointClass, Timestamp)> {
        let pools = self.pools.iter();
        pools
            .flat_map(|(class, pool)| pool.made.iter().map(|made| (*class, *made)))
            .collect()
    }

    /// How many calls of the class's pool any window can still ask about.
    fn kept(&self, class: EndpointClass) -> usize {
        let pool = pool_of(class);
        let classes = self.limits.classes().filter(|other| pool_of(*other) == pool);
        let counts = classes.flat_map(|class| self.limits.windows(class).iter().map(|window| window.count()));
        counts.max().unwrap_or(0)
    }
}

/// When the service's window ends, if the answer said so and the moment can be meant.
///
/// The header holds seconds since the epoch; a past moment, or one more than a day ahead (milliseconds, a
/// delay added twice, a clock that is off), is treated as not said.
#[must_use]
pub(super) fn reset_moment(headers: &RateHeaders, now: Timestamp) -> Option<Timestamp> {
    let reset = Timestamp::from_second(headers.reset?).ok()?;
    (reset > now && reset <= later(now, FURTHEST_RESET)).then_some(reset)
}

/// The class under which a class is counted. Whether lists and creates, two methods of one path, are counted
/// apart is not documented; counting them together is safe either way.
fn pool_of(class: EndpointClass) -> EndpointClass {
    match class {
        EndpointClass::List => EndpointClass::Create,
        other => other,
    }
}
