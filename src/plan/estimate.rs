//! The number of API requests of a plan, and its estimated duration.
//!
//! The requests run in virtual time through the same [`RateLimiter`] that delays the real ones. The estimate assumes that
//! each request takes [`ASSUMED_LATENCY`], that none fails, and that no other client sends requests.

pub mod duration;
mod max_duration;

#[cfg(test)]
mod tests;

pub use max_duration::MaxDurationExceeded;

use crate::model::{EndpointClass, Keyword};
use crate::rate_limit::{RateLimiter, Window};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The latency of sequential requests. MoEngage documents none; clients report several seconds for a create and much less
/// than one for a read.
pub const ASSUMED_LATENCY: SignedDuration = SignedDuration::from_millis(500);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Without classes that have no requests.
    pub requests: BTreeMap<EndpointClass, usize>,
    pub total: usize,
    pub estimated_at: Timestamp,
    pub finishes_at: Timestamp,
    /// The part of the duration without a request in flight.
    pub wait_time: SignedDuration,
    /// The windows that delay the plan, the longest wait first; if none does, those that it fills most.
    pub tightest_windows: Vec<WindowUsage>,
    /// The classes that MoEngage rejects until a given time.
    pub throttled_classes: Vec<ThrottledClass>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUsage {
    /// The classes that share the window; at least one.
    pub classes: Vec<EndpointClass>,
    pub window: Window,
    /// Requests in the window before the plan.
    pub used: usize,
    pub remaining: usize,
    /// Requests of the plan that count toward the window, over its whole duration.
    pub required: usize,
    pub wait_time: SignedDuration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottledClass {
    /// The first class of the plan that waits.
    pub class: EndpointClass,
    pub until: Timestamp,
    pub wait_time: SignedDuration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    Window(WindowUsage),
    Throttled(ThrottledClass),
    /// Nothing waits; the plan has this many requests.
    Requests(usize),
}

/// `rate_limiter` already counts the earlier requests.
#[must_use]
pub fn estimate(requests: &[EndpointClass], mut rate_limiter: RateLimiter, now: Timestamp) -> Estimate {
    let mut counts: BTreeMap<EndpointClass, usize> = BTreeMap::new();
    for class in requests {
        *counts.entry(*class).or_default() += 1;
    }
    let mut windows = window_usages(&counts, &rate_limiter, now);
    let mut throttled: Vec<ThrottledClass> = Vec::new();
    let mut wait_time = SignedDuration::ZERO;
    let mut clock = now;
    for class in requests {
        if let Some(throttle) = rate_limiter.throttle(*class, clock) {
            let wait = clock.duration_until(throttle.until);
            wait_time = wait_time.saturating_add(wait);
            clock = throttle.until;
            match throttle.window {
                Some(window) => add_wait(&mut windows, *class, window, wait),
                None => throttled.push(ThrottledClass {
                    class: *class,
                    until: throttle.until,
                    wait_time: wait,
                }),
            }
        }
        let answered = clock.saturating_add(ASSUMED_LATENCY).unwrap_or(Timestamp::MAX);
        rate_limiter.record_sent(*class, clock);
        rate_limiter.record_answered(*class, clock, answered);
        clock = answered;
    }
    throttled.sort_by_key(|throttled| std::cmp::Reverse(throttled.wait_time));
    Estimate {
        requests: counts,
        total: requests.len(),
        estimated_at: now,
        finishes_at: clock,
        wait_time,
        tightest_windows: tightest_windows(windows),
        throttled_classes: throttled,
    }
}

/// For example `creates`, or `list and create together` for classes that share a window.
#[must_use]
pub fn describe_classes(classes: &[EndpointClass]) -> String {
    match classes {
        [class] => plural(*class).to_owned(),
        several => {
            let words: Vec<_> = several.iter().map(|class| class.as_str()).collect();
            format!("{} together", words.join(" and "))
        }
    }
}

impl Estimate {
    #[must_use]
    pub fn duration(&self) -> SignedDuration {
        self.estimated_at.duration_until(self.finishes_at)
    }

    #[must_use]
    pub fn bottleneck(&self) -> Bottleneck {
        let windows = self.tightest_windows.first();
        let window = windows.filter(|window| window.wait_time.is_positive());
        match (window, self.throttled_classes.first()) {
            (Some(window), Some(throttled)) if window.wait_time < throttled.wait_time => {
                Bottleneck::Throttled(throttled.clone())
            }
            (Some(window), _) => Bottleneck::Window(window.clone()),
            (None, Some(throttled)) => Bottleneck::Throttled(throttled.clone()),
            (None, None) => Bottleneck::Requests(self.total),
        }
    }

    pub fn check_max_duration(&self, max_duration: SignedDuration) -> Result<(), MaxDurationExceeded> {
        let estimated = self.duration();
        if estimated <= max_duration {
            return Ok(());
        }
        Err(MaxDurationExceeded {
            estimated,
            max_duration,
            bottleneck: self.bottleneck(),
        })
    }
}

/// The windows of these classes, without wait times.
fn window_usages(
    counts: &BTreeMap<EndpointClass, usize>,
    rate_limiter: &RateLimiter,
    now: Timestamp,
) -> Vec<WindowUsage> {
    let mut usages: Vec<WindowUsage> = Vec::new();
    for class in counts.keys() {
        let classes = rate_limiter.classes_sharing_windows(*class);
        for window in rate_limiter.limits().windows(*class) {
            let mut known = usages.iter();
            if known.any(|usage| usage.window == *window && usage.classes == classes) {
                continue;
            }
            let used = rate_limiter.used(*class, *window, now);
            usages.push(WindowUsage {
                window: *window,
                used,
                remaining: window.count().saturating_sub(used),
                required: classes.iter().filter_map(|class| counts.get(class)).sum(),
                wait_time: SignedDuration::ZERO,
                classes: classes.clone(),
            });
        }
    }
    usages
}

fn add_wait(windows: &mut [WindowUsage], class: EndpointClass, window: Window, wait: SignedDuration) {
    let mut usages = windows.iter_mut();
    if let Some(usage) = usages.find(|usage| usage.window == window && usage.classes.contains(&class)) {
        usage.wait_time = usage.wait_time.saturating_add(wait);
    }
}

fn tightest_windows(mut windows: Vec<WindowUsage>) -> Vec<WindowUsage> {
    if windows.iter().any(|window| window.wait_time.is_positive()) {
        windows.retain(|window| window.wait_time.is_positive());
        windows.sort_by_key(|window| std::cmp::Reverse(window.wait_time));
        return windows;
    }
    let millionths_used = |window: &WindowUsage| {
        let used = window.used.saturating_add(window.required);
        used.saturating_mul(1_000_000) / window.window.count().max(1)
    };
    let fullest = windows.iter().map(millionths_used).max();
    windows.retain(|window| Some(millionths_used(window)) == fullest);
    windows
}

fn plural(class: EndpointClass) -> &'static str {
    match class {
        EndpointClass::List => "lists",
        EndpointClass::Create => "creates",
        EndpointClass::Get => "gets",
        EndpointClass::Update => "updates",
        EndpointClass::Lifecycle => "archives and unarchives",
        EndpointClass::File => "file operations",
        EndpointClass::Cohort => "cohort syncs",
    }
}
