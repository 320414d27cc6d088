//! Rolling windows of calls: each class of endpoint has its own, and a call has to fit into all of them.

use super::http_message::HttpResponse;
use super::settings::{HeaderWindow, RateLimitMode, SandboxSettings};
use super::state::SandboxState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Endpoints that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateLimitClass {
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
pub struct RateLimitWindow {
    /// How many.
    pub calls: usize,
    /// In how many seconds.
    pub seconds: u32,
}

impl RateLimitWindow {
    const fn new(calls: usize, seconds: u32) -> Self {
        Self { calls, seconds }
    }

    fn milliseconds(self) -> i64 {
        i64::from(self.seconds) * 1000
    }

    /// When its calls of `history` were taken, the oldest first.
    fn request_times_within(self, history: &VecDeque<i64>, now: i64) -> impl Iterator<Item = i64> {
        let since = now.saturating_sub(self.milliseconds());
        let first = history.partition_point(|moment| *moment <= since);
        history.range(first..).copied()
    }

    /// The number and the minutes, in the words of the service's message.
    fn to_message(self) -> String {
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
const CREATE_OR_LIST_WINDOWS: [RateLimitWindow; 3] = [
    RateLimitWindow::new(50, MINUTE),
    RateLimitWindow::new(200, HOUR),
    RateLimitWindow::new(1000, DAY),
];
const GET_WINDOWS: [RateLimitWindow; 3] = [
    RateLimitWindow::new(100, MINUTE),
    RateLimitWindow::new(1000, HOUR),
    RateLimitWindow::new(4000, DAY),
];
const FILE_WINDOWS: [RateLimitWindow; 2] = [RateLimitWindow::new(10, HOUR), RateLimitWindow::new(100, DAY)];
const COHORT_WINDOWS: [RateLimitWindow; 1] = [RateLimitWindow::new(300, MINUTE)];

/// The windows of a class, the shortest first. None are documented for updates and lifecycle calls.
fn windows(settings: &SandboxSettings, class: RateLimitClass) -> Vec<RateLimitWindow> {
    let documented: &[RateLimitWindow] = match class {
        RateLimitClass::List | RateLimitClass::Create => &CREATE_OR_LIST_WINDOWS,
        RateLimitClass::Get => &GET_WINDOWS,
        RateLimitClass::File => &FILE_WINDOWS,
        RateLimitClass::Cohort => &COHORT_WINDOWS,
        RateLimitClass::Update | RateLimitClass::Lifecycle => &[],
    };
    let mut windows = match &settings.rate_limits {
        RateLimitMode::Documented => documented.to_vec(),
        RateLimitMode::Off => Vec::new(),
        RateLimitMode::Custom(table) => table.get(&class).cloned().unwrap_or_else(|| documented.to_vec()),
    };
    windows.sort_by_key(|window| window.seconds);
    windows
}

/// The class whose history a call of `class` joins.
fn pooled_class(settings: &SandboxSettings, class: RateLimitClass) -> RateLimitClass {
    match class {
        RateLimitClass::List if settings.list_create_share_window => RateLimitClass::Create,
        class => class,
    }
}

/// Takes a call into the windows of its class, or says which is full; refused calls do not count.
pub(super) fn check_and_count(
    state: &mut SandboxState,
    class: RateLimitClass,
    now: Timestamp,
) -> Result<(), String> {
    let windows = windows(&state.settings, class);
    let Some(longest) = windows.last() else {
        return Ok(());
    };
    let pool = pooled_class(&state.settings, class);
    let history = state.calls.entry(pool).or_default();
    let now = now.as_millisecond();
    let kept = longest.milliseconds().max(i64::from(DAY) * 1000);
    while history.front().is_some_and(|oldest| *oldest <= now - kept) {
        history.pop_front();
    }
    for window in windows {
        if window.request_times_within(history, now).count() >= window.calls {
            return Err(format!(
                "API rate limit breached. Current limit: {}",
                window.to_message()
            ));
        }
    }
    state.record_request_time(pool, now);
    Ok(())
}

/// Puts the headers of one window on an answer. Updates and lifecycle calls have no window to describe.
pub(super) fn set_rate_limit_headers(
    state: &SandboxState,
    class: RateLimitClass,
    now: Timestamp,
    reply: &mut HttpResponse,
) {
    if !state.settings.rate_headers {
        return;
    }
    let now = now.as_millisecond();
    let none = VecDeque::new();
    let history = state
        .calls
        .get(&pooled_class(&state.settings, class))
        .unwrap_or(&none);
    let left = |window: &RateLimitWindow| {
        window
            .calls
            .saturating_sub(window.request_times_within(history, now).count())
    };
    let windows = windows(&state.settings, class);
    let described = match state.settings.rate_headers_window {
        HeaderWindow::Shortest => windows.first(),
        HeaderWindow::Fullest => windows.iter().min_by_key(|window| left(window)),
    };
    let Some(window) = described else {
        return;
    };
    let oldest = window.request_times_within(history, now).next().unwrap_or(now);
    // The next whole second, so that a caller who waits until then is not a moment early.
    let reset = (oldest + window.milliseconds() + 999).div_euclid(1000);
    set_window_headers(reply, window.calls, left(window), reset);
}

/// Puts the headers of a window on an answer, the end of the window in seconds since 1970.
pub(super) fn set_window_headers(reply: &mut HttpResponse, limit: usize, remaining: usize, reset: i64) {
    for (key, value) in [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        reply.headers.insert(key.to_owned(), value);
    }
}
