//! Rolling rate limits: each class of endpoints has its own windows, and a request must fit into all of them.

use super::http_message::HttpResponse;
use super::rate_limit_class::{MINUTE, RateLimitClass, RateLimitWindow};
use super::settings::{HeaderWindow, RateLimitMode, SandboxSettings};
use super::state::SandboxState;
use jiff::Timestamp;
use std::collections::VecDeque;

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

/// The windows of a class, the shortest first. No limits are documented for updates and lifecycle requests.
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

/// The class whose history the requests of `class` are recorded in.
fn pooled_class(settings: &SandboxSettings, class: RateLimitClass) -> RateLimitClass {
    match class {
        RateLimitClass::List if settings.list_create_share_window => RateLimitClass::Create,
        class => class,
    }
}

/// Counts a request toward the windows of its class. If a window is full, the request does not count, and the message
/// of the API's error is returned.
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
    let history = state.request_times.entry(pool).or_default();
    let now = now.as_millisecond();
    let retention = longest.milliseconds().max(i64::from(DAY) * 1000);
    while history.front().is_some_and(|oldest| *oldest <= now - retention) {
        history.pop_front();
    }
    for window in windows {
        if window.request_times_within(history, now).count() >= window.calls {
            let limit = window.to_message();
            return Err(format!("API rate limit breached. Current limit: {limit}"));
        }
    }
    state.record_request_time(pool, now);
    Ok(())
}

/// Sets the headers of one window. Updates and lifecycle requests have no documented window.
pub(super) fn set_rate_limit_headers(
    state: &SandboxState,
    class: RateLimitClass,
    now: Timestamp,
    response: &mut HttpResponse,
) {
    if !state.settings.rate_headers {
        return;
    }
    let now = now.as_millisecond();
    let none = VecDeque::new();
    let pool = pooled_class(&state.settings, class);
    let history = state.request_times.get(&pool).unwrap_or(&none);
    let remaining = |window: &RateLimitWindow| {
        let used = window.request_times_within(history, now).count();
        window.calls.saturating_sub(used)
    };
    let windows = windows(&state.settings, class);
    let described = match state.settings.rate_headers_window {
        HeaderWindow::Shortest => windows.first(),
        HeaderWindow::Fullest => windows.iter().min_by_key(|window| remaining(window)),
    };
    let Some(window) = described else {
        return;
    };
    let oldest = window.request_times_within(history, now).next().unwrap_or(now);
    // Rounded up, so that a client that waits until then is not a moment early.
    let reset = (oldest + window.milliseconds() + 999).div_euclid(1000);
    set_window_headers(response, window.calls, remaining(window), reset);
}

/// `reset` is the end of the window in seconds since 1970.
pub(super) fn set_window_headers(response: &mut HttpResponse, limit: usize, remaining: usize, reset: i64) {
    for (key, value) in [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        response.headers.insert(key.to_owned(), value);
    }
}
