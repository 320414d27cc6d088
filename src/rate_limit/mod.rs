//! Decides when the next request may be sent: rolling windows, and what MoEngage reports about its own.
//!
//! Pure: it receives the time and returns a time. All windows of a class are checked together before a request is
//! counted. One limiter per window would count requests that the next window then delays.

mod shared_windows;
mod window;
mod window_inference;

#[cfg(test)]
mod tests;

pub use window::{RateLimits, Window, WindowError};

use crate::model::{EndpointClass, Keyword, RequestRecord};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use window_inference::WindowInference;

/// After this time a request is answered or given up, and MoEngage no longer counts it.
pub const MAX_REQUEST_DURATION: SignedDuration = SignedDuration::from_secs(60);

/// Two methods of one path, with limits that are documented separately.
const LIST_AND_CREATE: [EndpointClass; 2] = [EndpointClass::List, EndpointClass::Create];

/// How MoEngage counts list and create requests. segctl follows the documentation until an answer shows something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ListAndCreatePools {
    #[default]
    Separate,
    /// An answer showed that both count toward the same windows.
    Shared,
    /// An answer proved that they do not, whatever earlier answers showed.
    ProvedSeparate,
}

/// The `x-ratelimit-…` headers. A header that is missing or not a number is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimitHeaders {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// The end of the window in seconds since the epoch (not a delay).
    pub reset: Option<i64>,
}

/// Saturates at the end of time.
#[must_use]
pub(crate) fn later(moment: Timestamp, by: SignedDuration) -> Timestamp {
    moment.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The rate limits of a workspace, and the requests that count toward them.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    classes: BTreeMap<EndpointClass, RequestHistory>,
    list_and_create: ListAndCreatePools,
    window_inference: WindowInference,
}

#[derive(Clone, Debug, Default)]
struct RequestHistory {
    /// Oldest first, and no longer than the largest count of the shared windows.
    counted_at: VecDeque<Timestamp>,
    /// Send times of unanswered requests. MoEngage may count them at any time, so they never leave a window.
    in_flight: Vec<Timestamp>,
    /// MoEngage reported that it accepts nothing before this time.
    blocked_until: Option<Timestamp>,
    reported: Option<ReportedRemaining>,
}

/// What the newest answer reported about one of MoEngage's windows. Requests of clients without this log count there, too.
#[derive(Clone, Copy, Debug)]
struct ReportedRemaining {
    remaining: usize,
    /// The end of the window by the local clock.
    until: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub until: Timestamp,
    /// The full window; `None` if MoEngage reported its own limit.
    pub window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
pub struct AnsweredRequest {
    pub class: EndpointClass,
    pub sent: Timestamp,
    pub answered: Timestamp,
    /// False for a rejected request, which MoEngage may not have counted.
    pub accepted: bool,
    /// Whether MoEngage rejected the request because of a rate limit.
    pub rate_limited: bool,
    pub headers: RateLimitHeaders,
    /// The end of MoEngage's window by the local clock; `None` if it is not reported or not plausible.
    pub reset: Option<Timestamp>,
}

impl RateLimiter {
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        Self {
            limits,
            classes: BTreeMap::new(),
            list_and_create: ListAndCreatePools::default(),
            window_inference: WindowInference::default(),
        }
    }

    #[must_use]
    pub fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// The earliest time, not before `now`, at which a request of `class` exceeds no window.
    #[must_use]
    pub fn earliest_request(&self, class: EndpointClass, now: Timestamp) -> Timestamp {
        self.throttle(class, now).map_or(now, |throttle| throttle.until)
    }

    /// The limit that delays a request of `class` the longest, if any.
    #[must_use]
    pub fn throttle(&self, class: EndpointClass, now: Timestamp) -> Option<Throttle> {
        let full = self.limits.windows(class).iter().filter_map(|window| {
            let until = self.window_free_at(class, *window, now)?;
            let window = Some(*window);
            Some(Throttle { until, window })
        });
        let blocked = self.shared_histories(class).filter_map(|history| {
            let until = history.blocked_until?;
            Some(Throttle { until, window: None })
        });
        full.chain(blocked)
            .filter(|throttle| throttle.until > now)
            .max_by_key(|throttle| throttle.until)
    }

    /// How many requests that count toward the limits of `class` are in the `window` that ends at `now`.
    #[must_use]
    pub fn used(&self, class: EndpointClass, window: Window, now: Timestamp) -> usize {
        let histories = self.shared_histories(class);
        histories.map(|history| history.used(window, now)).sum()
    }

    /// As [`used`](Self::used), without the classes that share the windows of `class`.
    fn used_alone(&self, class: EndpointClass, window: Window, now: Timestamp) -> usize {
        let history = self.classes.get(&class);
        history.map_or(0, |history| history.used(window, now))
    }

    /// How many requests of `class` can be sent at `now` without a wait, as far as the log and the answers show.
    #[must_use]
    pub fn left(&self, class: EndpointClass, now: Timestamp) -> usize {
        if self.throttle(class, now).is_some() {
            return 0;
        }
        let windows = self.limits.windows(class).iter();
        let free = windows.map(|window| window.count().saturating_sub(self.used(class, *window, now)));
        let reported = self
            .shared_histories(class)
            .filter_map(|history| history.reported);
        let reported = reported
            .filter(|reported| reported.until > now)
            .map(|reported| reported.remaining);
        free.chain(reported).min().unwrap_or(usize::MAX)
    }

    /// Requests may be recorded in any order.
    pub fn record_counted(&mut self, class: EndpointClass, at: Timestamp) {
        let max_length = self.max_history_length(class);
        let counted_at = &mut self.classes.entry(class).or_default().counted_at;
        let index = counted_at.partition_point(|earlier| *earlier <= at);
        counted_at.insert(index, at);
        while counted_at.len() > max_length {
            counted_at.pop_front();
        }
    }

    pub fn record_sent(&mut self, class: EndpointClass, at: Timestamp) {
        self.classes.entry(class).or_default().in_flight.push(at);
    }

    /// Removes a recorded request that was not sent.
    pub fn discard_sent(&mut self, class: EndpointClass, at: Timestamp) {
        let in_flight = &mut self.classes.entry(class).or_default().in_flight;
        if let Some(index) = in_flight.iter().rposition(|sent| *sent == at) {
            in_flight.swap_remove(index);
        }
    }

    /// Counts the request that was sent at `sent` as made at `at`. Returns false if no such request is in flight.
    pub fn record_answered(&mut self, class: EndpointClass, sent: Timestamp, at: Timestamp) -> bool {
        let in_flight = &mut self.classes.entry(class).or_default().in_flight;
        let Some(index) = in_flight.iter().position(|moment| *moment == sent) else {
            return false;
        };
        in_flight.swap_remove(index);
        self.record_counted(class, at.max(sent));
        true
    }

    /// Counts requests of other runs. Records after `now` are ignored: they come from a clock that is ahead, and would
    /// delay this run by the difference.
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
                RequestRecord::ListAndCreateSeparate => {
                    self.list_and_create = ListAndCreatePools::ProvedSeparate;
                }
                RequestRecord::ListAndCreateShared => self.list_and_create = ListAndCreatePools::Shared,
            }
        }
        self.expire_in_flight(now);
    }

    /// Counts unanswered requests as late as MoEngage can have counted them.
    fn expire_in_flight(&mut self, now: Timestamp) {
        let expired: Vec<(EndpointClass, Timestamp)> = self
            .classes
            .iter()
            .flat_map(|(class, history)| history.in_flight.iter().map(|sent| (*class, *sent)))
            .filter(|(_, sent)| later(*sent, MAX_REQUEST_DURATION) <= now)
            .collect();
        for (class, sent) in expired {
            self.record_answered(class, sent, later(sent, MAX_REQUEST_DURATION));
        }
    }

    /// Evaluates an answer. If nothing remains, the class is blocked until the reset. Returns what the answer shows about
    /// the windows of lists and creates, if that is new.
    pub fn observe_answer(&mut self, answer: &AnsweredRequest) -> Option<RequestRecord> {
        if let (Some(remaining), Some(reset)) = (answer.headers.remaining, answer.reset) {
            if remaining == 0 {
                self.block_until(answer.class, reset);
            }
            self.classes.entry(answer.class).or_default().reported = Some(ReportedRemaining {
                remaining: usize::try_from(remaining).unwrap_or(usize::MAX),
                until: reset,
            });
        }
        if !LIST_AND_CREATE.contains(&answer.class) {
            return None;
        }
        let proves_separate = self
            .window_inference
            .proves_separate_windows(answer, &self.limits);
        let (pools, record) = match self.list_and_create {
            ListAndCreatePools::Separate if proves_separate => {
                // As assumed, so there is nothing to record.
                self.list_and_create = ListAndCreatePools::ProvedSeparate;
                return None;
            }
            ListAndCreatePools::Separate if shared_windows::is_shown_by(answer, self) => {
                (ListAndCreatePools::Shared, RequestRecord::ListAndCreateShared)
            }
            ListAndCreatePools::Shared if proves_separate => (
                ListAndCreatePools::ProvedSeparate,
                RequestRecord::ListAndCreateSeparate,
            ),
            _ => return None,
        };
        self.list_and_create = pools;
        Some(record)
    }

    /// Returns `reset` (by the local clock) if segctl should wait for it.
    ///
    /// A past reset, or one beyond every window (milliseconds, or a delay), is ignored. A reset slightly beyond the longest
    /// window is attributed to the clocks, and is capped at that window.
    #[must_use]
    pub(super) fn plausible_reset(&self, reset: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let latest = later(now, self.limits.longest_span());
        (reset > now && reset <= later(latest, MAX_REQUEST_DURATION)).then(|| reset.min(latest))
    }

    /// Blocks all requests of `class` until `until`. An earlier time never replaces a later one.
    pub fn block_until(&mut self, class: EndpointClass, until: Timestamp) {
        let blocked_until = &mut self.classes.entry(class).or_default().blocked_until;
        *blocked_until = (*blocked_until).max(Some(until));
    }

    #[must_use]
    pub fn list_and_create_share_windows(&self) -> bool {
        self.list_and_create == ListAndCreatePools::Shared
    }

    fn share_windows(&self, one: EndpointClass, other: EndpointClass) -> bool {
        one == other
            || (self.list_and_create_share_windows()
                && LIST_AND_CREATE.contains(&one)
                && LIST_AND_CREATE.contains(&other))
    }

    /// Includes `class` itself.
    #[must_use]
    pub fn classes_sharing_windows(&self, class: EndpointClass) -> Vec<EndpointClass> {
        let classes = EndpointClass::ALL.iter().copied();
        classes
            .filter(|other| self.share_windows(class, *other))
            .collect()
    }

    fn shared_histories(&self, class: EndpointClass) -> impl Iterator<Item = &RequestHistory> {
        let classes = self.classes.iter();
        let shared = classes.filter(move |(other, _)| self.share_windows(class, **other));
        shared.map(|(_, history)| history)
    }

    /// When `window` next has room for a request of `class`, if MoEngage counts every request in flight now. `None` if the
    /// window is not full.
    fn window_free_at(&self, class: EndpointClass, window: Window, now: Timestamp) -> Option<Timestamp> {
        let histories = || self.shared_histories(class);
        let counted: usize = histories().map(|history| history.counted_at.len()).sum();
        let in_flight: usize = histories().map(|history| history.in_flight.len()).sum();
        if counted + in_flight < window.count() {
            return None;
        }
        if in_flight >= window.count() {
            return Some(later(now, window.span()));
        }
        let used_since = |moment: &Timestamp| {
            let counted: usize = histories().map(|history| history.count_since(*moment)).sum();
            in_flight + counted
        };
        let oldest_blocking = histories().filter_map(|history| {
            let counted_at = &history.counted_at;
            let after = counted_at.partition_point(|moment| used_since(moment) >= window.count());
            counted_at.get(after.checked_sub(1)?).copied()
        });
        Some(later(oldest_blocking.max()?, window.span()))
    }

    /// How many requests of the class a window can still need. The windows of lists and creates may be shared, and then
    /// one class can fill the largest of them.
    fn max_history_length(&self, class: EndpointClass) -> usize {
        let may_share = |other: &EndpointClass| {
            *other == class || LIST_AND_CREATE.contains(&class) && LIST_AND_CREATE.contains(other)
        };
        let classes = self.limits.classes().filter(may_share);
        let counts = classes.flat_map(|class| self.limits.windows(class).iter().map(|window| window.count()));
        counts.max().unwrap_or(0)
    }
}

impl RequestHistory {
    fn used(&self, window: Window, now: Timestamp) -> usize {
        let has_left = |counted_at: &Timestamp| later(*counted_at, window.span()) <= now;
        self.counted_at.len() - self.counted_at.partition_point(has_left) + self.in_flight.len()
    }

    fn count_since(&self, moment: Timestamp) -> usize {
        self.counted_at.len() - self.counted_at.partition_point(|counted_at| *counted_at < moment)
    }
}
