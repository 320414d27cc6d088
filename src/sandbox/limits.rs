//! Rolling windows of calls: each class of endpoint has its own, and a call has to fit into all of them.

use super::call::Reply;
use super::settings::{HeaderWindow, RateLimits, Settings};
use super::state::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Endpoints that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The list of segments.
    List,
    /// Creation of filter segments.
    Create,
    /// One segment by its id.
    Get,
    /// Updates of filter segments.
    Update,
    /// Archive and unarchive.
    Lifecycle,
    /// All calls on file segments.
    File,
    /// Cohort sync.
    Cohort,
}

/// A number of calls in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How many.
    pub calls: usize,
    /// In how many seconds.
    pub seconds: u32,
}

impl Window {
    const fn new(calls: usize, seconds: u32) -> Self {
        Self { calls, seconds }
    }

    fn milliseconds(self) -> i64 {
        i64::from(self.seconds) * 1000
    }

    /// When its calls of `history` were taken, the oldest first.
    fn taken(self, history: &VecDeque<i64>, now: i64) -> impl Iterator<Item = i64> {
        let since = now.saturating_sub(self.milliseconds());
        let first = history.partition_point(|moment| *moment <= since);
        history.range(first..).copied()
    }

    /// The number and the minutes, in the words of the service's message.
    fn in_words(self) -> String {
        let Self { calls, seconds } = self;
        if seconds.is_multiple_of(MINUTE) {
            format!("{calls}/{} mins", seconds / MINUTE)
        } else {
            format!("{calls}/{:.2} mins", f64::from(seconds) / f64::from(MINUTE))
        }
    }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
const CREATE_OR_LIST: [Window; 3] = [
    Window::new(50, MINUTE),
    Window::new(200, HOUR),
    Window::new(1000, DAY),
];
const GET: [Window; 3] = [
    Window::new(100, MINUTE),
    Window::new(1000, HOUR),
    Window::new(4000, DAY),
];
const FILE: [Window; 2] = [Window::new(10, HOUR), Window::new(100, DAY)];
const COHORT: [Window; 1] = [Window::new(300, MINUTE)];

/// The windows of a class, the shortest first. None are documented for updates and lifecycle calls.
fn windows(settings: &Settings, class: Class) -> Vec<Window> {
    let documented: &[Window] = match class {
        Class::List | Class::Create => &CREATE_OR_LIST,
        Class::Get => &GET,
        Class::File => &FILE,
        Class::Cohort => &COHORT,
        Class::Update | Class::Lifecycle => &[],
    };
    let mut windows = match &settings.rate_limits {
        RateLimits::Documented => documented.to_vec(),
        RateLimits::Off => Vec::new(),
        RateLimits::Custom(table) => table.get(&class).cloned().unwrap_or_else(|| documented.to_vec()),
    };
    windows.sort_by_key(|window| window.seconds);
    windows
}

/// The class whose history a call of `class` joins.
fn pool(settings: &Settings, class: Class) -> Class {
    match class {
        Class::List if settings.list_create_share_window => Class::Create,
        class => class,
    }
}

/// Takes a call into the windows of its class, or says which is full; refused calls do not count.
pub(super) fn admit(state: &mut State, class: Class, now: Timestamp) -> Result<(), String> {
    let windows = windows(&state.settings, class);
    let Some(longest) = windows.last() else {
        return Ok(());
    };
    let pool = pool(&state.settings, class);
    let history = state.calls.entry(pool).or_default();
    let now = now.as_millisecond();
    let kept = longest.milliseconds().max(i64::from(DAY) * 1000);
    while history.front().is_some_and(|oldest| *oldest <= now - kept) {
        history.pop_front();
    }
    for window in windows {
        if window.taken(history, now).count() >= window.calls {
            return Err(format!(
                "API rate limit breached. Current limit: {}",
                window.in_words()
            ));
        }
    }
    state.count_call(pool, now);
    Ok(())
}

/// Puts the headers of one window on an answer. Updates and lifecycle calls have no window to describe.
pub(super) fn put_headers(state: &State, class: Class, now: Timestamp, reply: &mut Reply) {
    if !state.settings.rate_headers {
        return;
    }
    let now = now.as_millisecond();
    let none = VecDeque::new();
    let history = state.calls.get(&pool(&state.settings, class)).unwrap_or(&none);
    let left = |window: &Window| window.calls.saturating_sub(window.taken(history, now).count());
    let windows = windows(&state.settings, class);
    let described = match state.settings.rate_headers_window {
        HeaderWindow::Shortest => windows.first(),
        HeaderWindow::Fullest => windows.iter().min_by_key(|window| left(window)),
    };
    let Some(window) = described else {
        return;
    };
    let oldest = window.taken(history, now).next().unwrap_or(now);
    // The next whole second, so that a caller who waits until then is not a moment early.
    let reset = (oldest + window.milliseconds() + 999).div_euclid(1000);
    put(reply, window.calls, left(window), reset);
}

/// Puts the headers of a window on an answer, the end of the window in seconds since 1970.
pub(super) fn put(reply: &mut Reply, limit: usize, remaining: usize, reset: i64) {
    for (key, value) in [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        reply.headers.insert(key.to_owned(), value);
    }
}
