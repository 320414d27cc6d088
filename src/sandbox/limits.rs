//! Rolling windows of calls.

use super::call::Reply;
use super::settings::RateLimits;
use super::state::State;
use jiff::Timestamp;

/// A number of calls in a span.
struct Window {
    calls: usize,
    minutes: i64,
}

const fn window(calls: usize, minutes: i64) -> Window {
    Window { calls, minutes }
}

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;
const CREATE_OR_LIST: [Window; 3] = [window(50, 1), window(200, HOUR), window(1000, DAY)];
const GET: [Window; 3] = [window(100, 1), window(1000, HOUR), window(4000, DAY)];
const FILE: [Window; 2] = [window(10, HOUR), window(100, DAY)];
const COHORT: [Window; 1] = [window(300, 1)];

/// The documented windows of a class; none for updates and lifecycle calls.
fn windows(class: &str) -> &'static [Window] {
    match class {
        "list" | "create" => &CREATE_OR_LIST,
        "get" => &GET,
        "file" => &FILE,
        "cohort" => &COHORT,
        _ => &[],
    }
}

/// What a call of a class meets.
pub(super) enum Admission {
    /// It is taken, and counted.
    Taken,
    /// A window is full: how many calls in how many minutes.
    Refused { calls: usize, minutes: i64 },
}

/// Takes a call into the windows of its class, or refuses it; refused calls do not count.
pub(super) fn admit(state: &mut State, class: &str, now: Timestamp) -> Admission {
    let windows = windows(class);
    if windows.is_empty() || state.settings.rate_limits == RateLimits::Off {
        return Admission::Taken;
    }
    let calls = state
        .calls
        .entry(pool(state.settings.list_create_share_window, class))
        .or_default();
    let now = now.as_millisecond();
    while calls.front().is_some_and(|oldest| *oldest <= now - DAY * 60_000) {
        calls.pop_front();
    }
    for window in windows {
        let since = now - window.minutes * 60_000;
        if calls.iter().rev().take_while(|moment| **moment > since).count() >= window.calls {
            return Admission::Refused {
                calls: window.calls,
                minutes: window.minutes,
            };
        }
    }
    calls.push_back(now);
    Admission::Taken
}

fn pool(shared: bool, class: &str) -> String {
    if shared && class == "list" {
        "create".to_owned()
    } else {
        class.to_owned()
    }
}

/// Puts the headers of the shortest window on an answer.
pub(super) fn put_headers(state: &State, class: &str, now: Timestamp, reply: &mut Reply) {
    let Some(window) = windows(class).first() else {
        return;
    };
    if !state.settings.rate_headers || state.settings.rate_limits == RateLimits::Off {
        return;
    }
    let since = now.as_millisecond() - window.minutes * 60_000;
    let calls = state
        .calls
        .get(&pool(state.settings.list_create_share_window, class));
    let used: Vec<i64> = calls
        .into_iter()
        .flatten()
        .copied()
        .filter(|moment| *moment > since)
        .collect();
    let oldest = used.first().copied().unwrap_or_else(|| now.as_millisecond());
    // The next whole second, so that a caller who waits until then is not a moment early.
    let reset = (oldest + window.minutes * 60_000).div_euclid(1000) + 1;
    let remaining = window.calls.saturating_sub(used.len());
    for (key, value) in [
        ("x-ratelimit-limit", window.calls.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        reply.headers.insert(key.to_owned(), value);
    }
}
