//! The requests that the service counted, and the runs that could know of them.
//! A run violates a rate limit if the requests that it knew of already fill a window.

use segctl::sandbox::{RateLimitClass, RateLimitMode, RateLimitWindow, SandboxSettings};
use std::collections::{BTreeMap, BTreeSet};

/// A request in flight while the clock is set has no reliable time. In milliseconds.
const CLOCK_CHANGE_UNCERTAINTY: i64 = 120_000;

/// In milliseconds.
const LONGEST_WINDOW: i64 = 86_400_000;

pub(crate) struct CountedRequests {
    counted: Vec<CountedRequest>,
    /// Runs that could not share their requests with other runs.
    disconnected_runs: BTreeSet<usize>,
    /// Requests before this have wrong times.
    misdated_until: i64,
    windows: BTreeMap<RateLimitClass, Vec<RateLimitWindow>>,
}

struct CountedRequest {
    class: RateLimitClass,
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
        }
    }

    /// Counts a request of a run. `is_known`: whether the run knows when it arrived.
    pub(crate) fn count(&mut self, class: RateLimitClass, (run, at): (usize, i64), is_known: bool) {
        self.counted.push(CountedRequest {
            class,
            at,
            run,
            is_timed_correctly: is_known && at > self.misdated_until,
        });
    }

    /// Marks a run that could not share its requests with other runs.
    pub(crate) fn mark_disconnected(&mut self, run: usize) {
        self.disconnected_runs.insert(run);
    }

    /// Marks the times of all earlier requests as unreliable.
    pub(crate) fn mark_clock_changed(&mut self, now: i64) {
        self.misdated_until = now + CLOCK_CHANGE_UNCERTAINTY;
        self.counted
            .iter_mut()
            .for_each(|request| request.is_timed_correctly = false);
    }

    /// Whether the requests that a run knew of already filled a window of this class. A run learns only from an answer that
    /// lists and creates share their windows, so each class counts alone.
    pub(crate) fn is_limit_exceeded_by(&self, class: RateLimitClass, (run, now): (usize, i64)) -> bool {
        let is_visible =
            |request: &&CountedRequest| request.class == class && self.is_visible_to(run, request);
        let mut windows = self.windows.get(&class).into_iter().flatten();
        windows.any(|window| {
            let since = now - i64::from(window.seconds) * 1000;
            let visible = self
                .counted
                .iter()
                .filter(is_visible)
                .filter(|request| request.at > since);
            visible.count() >= window.calls
        })
    }

    /// Whether a run with the best possible knowledge may still exceed a window, or find a lock with a time in the future.
    pub(crate) fn has_untracked_requests(&self, now: i64) -> bool {
        if self.misdated_until > now - LONGEST_WINDOW {
            return true;
        }
        let is_recent = |request: &&CountedRequest| request.at > now - LONGEST_WINDOW;
        let mut recent = self.counted.iter().filter(is_recent);
        recent.any(|request| !request.is_timed_correctly || self.disconnected_runs.contains(&request.run))
    }

    fn is_visible_to(&self, run: usize, request: &CountedRequest) -> bool {
        let is_connected = |run| !self.disconnected_runs.contains(&run);
        request.is_timed_correctly && (request.run == run || is_connected(run) && is_connected(request.run))
    }
}

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
