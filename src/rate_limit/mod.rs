//! When the next call may be made: rolling windows, and what the service says of its own.
//!
//! Pure: it is told the time and answers with a time. All windows of a class are checked together before a
//! call is counted, since a limiter per window in series would count calls that the next window then refuses.

mod window;
mod window_inference;

#[cfg(test)]
mod tests;

pub use window::{RateLimits, Window, WindowError};

use crate::model::{EndpointClass, Keyword, RequestRecord};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use window_inference::WindowInference;

/// Within this a call is answered or given up; nothing counts it later than that.
pub const MAX_REQUEST_DURATION: SignedDuration = SignedDuration::from_secs(60);

/// Lists and creates are two methods of one path. Whether the service counts them apart is not documented;
/// counting them together is safe either way, and is done until an answer proves otherwise.
const LIST_AND_CREATE: [EndpointClass; 2] = [EndpointClass::List, EndpointClass::Create];

/// The `x-ratelimit-…` headers, each only when it is there and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// Calls in the window.
    pub limit: Option<u64>,
    /// Calls left in the window.
    pub remaining: Option<u64>,
    /// When the window ends, in seconds since the epoch (not a delay).
    pub reset: Option<i64>,
}

/// `moment` moved on by `by`; the end of time when there is no such moment.
#[must_use]
pub(crate) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The calls made so far, as far as any window still cares.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    classes: BTreeMap<EndpointClass, RequestHistory>,
    /// Lists and creates are known to be counted apart.
    list_and_create_separate: bool,
    window_inference: WindowInference,
}

/// The calls of one class.
#[derive(Clone, Debug, Default)]
struct RequestHistory {
    /// When calls were made, oldest first; no longer than the largest count of the pool's windows.
    counted_at: VecDeque<Timestamp>,
    /// When calls were sent that were not answered yet. The service may count them at any moment, so that none of them is
    /// ever long ago.
    in_flight: Vec<Timestamp>,
    /// The service said that nothing is let through before this.
    blocked_until: Option<Timestamp>,
}

/// Why a call has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Until when.
    pub until: Timestamp,
    /// The window that is full; none when the service said that it lets nothing through.
    pub window: Option<Window>,
}

/// A call that was answered.
#[derive(Clone, Copy, Debug)]
pub struct AnsweredRequest {
    /// Which limits it counts toward.
    pub class: EndpointClass,
    /// When it was sent.
    pub sent: Timestamp,
    /// When its answer had come.
    pub answered: Timestamp,
    /// Whether the service did what was asked; a refused call may not have been counted.
    pub accepted: bool,
    /// What the answer said of the service's own window.
    pub headers: RateLimitHeaders,
    /// When that window ends by our clock; none when the answer did not say so, or it cannot be meant.
    pub reset: Option<Timestamp>,
}

impl RateLimiter {
    /// Starts with no call made.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            classes: BTreeMap::new(),
            list_and_create_separate: false,
            window_inference: WindowInference::default(),
        }
    }

    /// The windows that are kept.
    #[must_use]
    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// The earliest moment, not before `now`, at which a call of `class` keeps every window of the class.
    #[must_use]
    pub fn earliest_request(&self, class: EndpointClass, now: Timestamp) -> Timestamp {
        self.throttle(class, now).map_or(now, |hold| hold.until)
    }

    /// What holds a call of `class` back the longest at `now`, if anything does.
    #[must_use]
    pub fn throttle(&self, class: EndpointClass, now: Timestamp) -> Option<Throttle> {
        let full = self.limits.windows(class).iter().filter_map(|window| {
            let until = self.window_free_at(class, (*window, now))?;
            let window = Some(*window);
            Some(Throttle { until, window })
        });
        let closed = self
            .shared_histories(class)
            .filter_map(|calls| calls.blocked_until);
        let closed = closed.map(|until| Throttle { until, window: None });
        full.chain(closed)
            .filter(|hold| hold.until > now)
            .max_by_key(|hold| hold.until)
    }

    /// How many calls that count toward the limits of `class` are in the `window` that ends at `now`.
    #[must_use]
    pub fn used(&self, class: EndpointClass, window: Window, now: Timestamp) -> usize {
        let gone = |made: &Timestamp| later(*made, window.span()) <= now;
        let inside = |calls: &RequestHistory| {
            calls.counted_at.len() - calls.counted_at.partition_point(gone) + calls.in_flight.len()
        };
        self.shared_histories(class).map(inside).sum()
    }

    /// Counts a call of `class` made at `at`; calls may be counted in any order.
    pub fn record_counted(&mut self, class: EndpointClass, at: Timestamp) {
        let kept = self.max_history_length(class);
        let calls = self.classes.entry(class).or_default();
        let place = calls.counted_at.partition_point(|made| *made <= at);
        calls.counted_at.insert(place, at);
        while calls.counted_at.len() > kept {
            calls.counted_at.pop_front();
        }
    }

    /// Counts a call of `class` that is sent at `at`.
    pub fn record_sent(&mut self, class: EndpointClass, at: Timestamp) {
        self.classes.entry(class).or_default().in_flight.push(at);
    }

    /// Does not count a call any more that was to be sent at `at`.
    pub fn discard_sent(&mut self, class: EndpointClass, at: Timestamp) {
        let under_way = &mut self.classes.entry(class).or_default().in_flight;
        if let Some(place) = under_way.iter().rposition(|moment| *moment == at) {
            under_way.swap_remove(place);
        }
    }

    /// Counts the call that was sent at `sent` as made at `at`, when its answer had come; whether there was such a call.
    pub fn record_answered(&mut self, class: EndpointClass, sent: Timestamp, at: Timestamp) -> bool {
        let calls = self.classes.entry(class).or_default();
        let Some(place) = calls.in_flight.iter().position(|moment| *moment == sent) else {
            return false;
        };
        calls.in_flight.swap_remove(place);
        self.record_counted(class, at.max(sent));
        true
    }

    /// Counts calls of other runs. Those after `now` are passed over: they were made by a clock that was off, and would
    /// hold this run back for as long.
    pub fn merge_log(&mut self, records: impl IntoIterator<Item = RequestRecord>, now: Timestamp) {
        for record in records {
            match record {
                RequestRecord::Sent { class, at } if at <= now => self.record_sent(class, at),
                RequestRecord::Answered { class, sent, at } if at <= now => {
                    if !self.record_answered(class, sent, at) {
                        self.record_counted(class, at);
                    }
                }
                RequestRecord::Sent { .. } | RequestRecord::Answered { .. } => {}
                RequestRecord::ListAndCreateSeparate => self.list_and_create_separate = true,
            }
        }
        self.expire_in_flight(now);
    }

    /// Calls whose answer nobody waits for any more are counted as late as they can have been made.
    fn expire_in_flight(&mut self, now: Timestamp) {
        let over: Vec<(EndpointClass, Timestamp)> = self
            .classes
            .iter()
            .flat_map(|(class, calls)| calls.in_flight.iter().map(|sent| (*class, *sent)))
            .filter(|(_, sent)| later(*sent, MAX_REQUEST_DURATION) <= now)
            .collect();
        for (class, sent) in over {
            self.record_answered(class, sent, later(sent, MAX_REQUEST_DURATION));
        }
    }

    /// Takes in what an answer said of the service's own window: with nothing remaining, the class is closed
    /// until the reset; with more remaining than one window for lists and creates could have, the two are
    /// counted apart from now on.
    pub fn observe_answer(&mut self, answer: &AnsweredRequest) {
        if answer.headers.remaining == Some(0)
            && let Some(reset) = answer.reset
        {
            self.block_until(answer.class, reset);
        }
        if self.list_and_create_share_windows() && LIST_AND_CREATE.contains(&answer.class) {
            self.list_and_create_separate = self
                .window_inference
                .proves_separate_windows(answer, &self.limits);
        }
    }

    /// When a window that the service says ends at `reset`, by our clock, is waited for, if the moment can be meant.
    ///
    /// A past moment, or one that no window reaches (milliseconds, a delay in place of a moment), is treated as not
    /// said. What is over a window by no more than a call may take is the clocks' difference, known to no better: the
    /// longest window is never waited for longer than it is.
    #[must_use]
    pub(super) fn plausible_reset(&self, reset: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let furthest = later(now, self.limits.longest_span());
        (reset > now && reset <= later(furthest, MAX_REQUEST_DURATION)).then(|| reset.min(furthest))
    }

    /// Lets no call of `class` through before `until`; an earlier moment never replaces a later one.
    pub fn block_until(&mut self, class: EndpointClass, until: Timestamp) {
        let calls = self.classes.entry(class).or_default();
        calls.blocked_until = calls.blocked_until.max(Some(until));
    }

    /// Whether lists and creates are counted as one, for want of a proof that the service does not.
    #[must_use]
    pub fn list_and_create_share_windows(&self) -> bool {
        !self.list_and_create_separate
    }

    /// Whether calls of the two classes count toward the same windows.
    fn share_windows(&self, one: EndpointClass, other: EndpointClass) -> bool {
        one == other
            || (self.list_and_create_share_windows()
                && LIST_AND_CREATE.contains(&one)
                && LIST_AND_CREATE.contains(&other))
    }

    /// The classes whose calls count toward the windows of `class`, itself among them.
    #[must_use]
    pub fn classes_sharing_windows(&self, class: EndpointClass) -> Vec<EndpointClass> {
        let classes = EndpointClass::ALL.iter().copied();
        classes
            .filter(|other| self.share_windows(class, *other))
            .collect()
    }

    /// The calls that count toward the limits of `class`.
    fn shared_histories(&self, class: EndpointClass) -> impl Iterator<Item = &RequestHistory> {
        let classes = self.classes.iter();
        let pool = classes.filter(move |(other, _)| self.share_windows(class, **other));
        pool.map(|(_, calls)| calls)
    }

    /// When `window` next has room for a call of `class`, should every call under way be counted now; none when it was
    /// never full.
    fn window_free_at(&self, class: EndpointClass, (window, now): (Window, Timestamp)) -> Option<Timestamp> {
        let made: usize = self
            .shared_histories(class)
            .map(|calls| calls.counted_at.len())
            .sum();
        let under_way: usize = self
            .shared_histories(class)
            .map(|calls| calls.in_flight.len())
            .sum();
        if made + under_way < window.count() {
            return None;
        }
        if under_way >= window.count() {
            return Some(later(now, window.span()));
        }
        let made_since = |moment: &Timestamp| {
            self.shared_histories(class)
                .map(|calls| calls.count_since(*moment))
                .sum::<usize>()
        };
        let since = |moment: &Timestamp| under_way + made_since(moment);
        let oldest_in_the_way = self.shared_histories(class).filter_map(|calls| {
            let made = &calls.counted_at;
            let after = made.partition_point(|moment| since(moment) >= window.count());
            made.get(after.checked_sub(1)?).copied()
        });
        Some(later(oldest_in_the_way.max()?, window.span()))
    }

    /// How many calls of the class any window can still ask about: those of the pool, since the largest window
    /// may be full of calls of one class.
    fn max_history_length(&self, class: EndpointClass) -> usize {
        let pooled = |other: &EndpointClass| {
            *other == class || LIST_AND_CREATE.contains(&class) && LIST_AND_CREATE.contains(other)
        };
        let classes = self.limits.classes().filter(pooled);
        let counts = classes.flat_map(|class| self.limits.windows(class).iter().map(|window| window.count()));
        counts.max().unwrap_or(0)
    }
}

impl RequestHistory {
    /// How many were made at `moment` or later.
    fn count_since(&self, moment: Timestamp) -> usize {
        self.counted_at.len() - self.counted_at.partition_point(|made| *made < moment)
    }
}
