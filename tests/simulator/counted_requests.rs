//! The calls that the service counted, and which of them the runs could know of: a limit is exceeded by a run's own fault
//! where the calls that it knew of fill a window by themselves.

use segctl::sandbox::{RateLimitClass, RateLimitMode, RateLimitWindow, SandboxSettings};
use std::collections::{BTreeMap, BTreeSet};

/// A call that is under way when the clock is set is dated by neither time.
const CLOCK_CHANGE_UNCERTAINTY: i64 = 120_000;

/// The longest window, in milliseconds.
const LONGEST_WINDOW: i64 = 86_400_000;

/// Everything that was counted.
pub(crate) struct CountedRequests {
    counted: Vec<CountedRequest>,
    /// Runs that could not tell the others of their calls, or be told.
    disconnected_runs: BTreeSet<usize>,
    /// Until when calls are dated wrongly.
    misdated_until: i64,
    windows: BTreeMap<RateLimitClass, Vec<RateLimitWindow>>,
    is_pooled: bool,
}

/// A call that the service counted.
struct CountedRequest {
    pool: RateLimitClass,
    at: i64,
    run: usize,
    is_timed_correctly: bool,
}

impl CountedRequests {
    pub(crate) fn new(settings: &SandboxSettings) -> Self {
        let windows = match &settings.rate_limits {
            RateLimitMode::Documented => documented_limits(),
            RateLimitMode::Custom(table) => table.clone(),
            RateLimitMode::Off => BTreeMap::new(),
        };
        Self {
            counted: Vec::new(),
            disconnected_runs: BTreeSet::new(),
            misdated_until: i64::MIN,
            windows,
            is_pooled: settings.list_create_share_window,
        }
    }

    /// Takes down that the service counted a call of a run; whether the run knows when.
    pub(crate) fn count(&mut self, class: RateLimitClass, (run, at): (usize, i64), is_known: bool) {
        self.counted.push(CountedRequest {
            pool: self.pool(class),
            at,
            run,
            is_timed_correctly: is_known && at > self.misdated_until,
        });
    }

    /// Takes down that a run could not tell the others of a call, or be told of theirs.
    pub(crate) fn mark_disconnected(&mut self, run: usize) {
        self.disconnected_runs.insert(run);
    }

    /// Takes down that a clock was set: what was dated by it says nothing any more.
    pub(crate) fn mark_clock_changed(&mut self, now: i64) {
        self.misdated_until = now + CLOCK_CHANGE_UNCERTAINTY;
        self.counted
            .iter_mut()
            .for_each(|call| call.is_timed_correctly = false);
    }

    /// Whether a clock was ever set.
    pub(crate) fn was_clock_changed(&self) -> bool {
        self.misdated_until > i64::MIN
    }

    /// Whether a run knew better than to make a call of this class.
    pub(crate) fn is_limit_exceeded_by(&self, class: RateLimitClass, (run, now): (usize, i64)) -> bool {
        let pool = self.pool(class);
        let is_known = |call: &&CountedRequest| call.pool == pool && self.is_visible_to(run, call);
        let mut windows = self.windows.get(&class).into_iter().flatten();
        windows.any(|window| {
            let since = now - i64::from(window.seconds) * 1000;
            let taken = self
                .counted
                .iter()
                .filter(is_known)
                .filter(|call| call.at > since);
            taken.count() >= window.calls
        })
    }

    /// Whether a run that knows of all that can be known may still meet a full window, or a lock of the future.
    pub(crate) fn has_untracked_requests(&self, now: i64) -> bool {
        if self.misdated_until > now - LONGEST_WINDOW {
            return true;
        }
        let is_recent = |call: &&CountedRequest| call.at > now - LONGEST_WINDOW;
        let mut recent = self.counted.iter().filter(is_recent);
        recent.any(|call| !call.is_timed_correctly || self.disconnected_runs.contains(&call.run))
    }

    fn is_visible_to(&self, run: usize, call: &CountedRequest) -> bool {
        let is_in_touch = |run| !self.disconnected_runs.contains(&run);
        call.is_timed_correctly && (call.run == run || is_in_touch(run) && is_in_touch(call.run))
    }

    fn pool(&self, class: RateLimitClass) -> RateLimitClass {
        if class == RateLimitClass::List && self.is_pooled {
            return RateLimitClass::Create;
        }
        class
    }
}

/// The windows that the service's documentation names.
fn documented_limits() -> BTreeMap<RateLimitClass, Vec<RateLimitWindow>> {
    let windows = |calls: [usize; 3]| {
        let spans = [60, 3600, 86_400];
        let windows = calls.into_iter().zip(spans);
        windows
            .map(|(calls, seconds)| RateLimitWindow { calls, seconds })
            .collect()
    };
    BTreeMap::from([
        (RateLimitClass::List, windows([50, 200, 1000])),
        (RateLimitClass::Create, windows([50, 200, 1000])),
        (RateLimitClass::Get, windows([100, 1000, 4000])),
        (
            RateLimitClass::File,
            vec![
                RateLimitWindow {
                    calls: 10,
                    seconds: 3600,
                },
                RateLimitWindow {
                    calls: 100,
                    seconds: 86_400,
                },
            ],
        ),
        (
            RateLimitClass::Cohort,
            vec![RateLimitWindow {
                calls: 300,
                seconds: 60,
            }],
        ),
    ])
}
