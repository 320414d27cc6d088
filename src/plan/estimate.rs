//! What a plan costs: how many calls, whether they fit into the windows now, and when the last is answered.
//!
//! There is no second model of the windows: the plan's calls are made in virtual time through the same [`Pacing`]
//! that holds back the real ones. It is an estimate all the same. Every call is taken to last [`LATENCY`], none
//! to fail, and nobody else to call the workspace meanwhile.

pub mod duration;
mod max_duration;

#[cfg(test)]
mod tests;

pub use max_duration::MaxDurationExceeded;

use crate::model::{EndpointClass, Keyword};
use crate::rate_limit::{RateLimiter, Window};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long one call is taken to last, as calls are made one after the other. The service documents nothing, its
/// clients report creates of several seconds and reads of far less than one: half a second is between the two, and
/// keeps the estimate of a thousand calls that need not wait from being "at once".
pub const ASSUMED_LATENCY: SignedDuration = SignedDuration::from_millis(500);

/// What a plan costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// How many calls of each class; classes without a call are left out.
    pub requests: BTreeMap<EndpointClass, usize>,
    /// How many calls in all.
    pub total: usize,
    /// When the first call would be made.
    pub estimated_at: Timestamp,
    /// When about the last call is answered.
    pub finishes_at: Timestamp,
    /// How much of the time until then no call is under way.
    pub wait_time: SignedDuration,
    /// The windows that make the plan wait, the longest wait first; when none does, those that it fills the most.
    pub tightest_windows: Vec<WindowUsage>,
    /// The classes that wait for the service, which said that it lets nothing through.
    pub throttled_classes: Vec<ThrottledClass>,
}

/// A window and what the plan needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUsage {
    /// The classes that are counted together in it, at least one.
    pub classes: Vec<EndpointClass>,
    /// How many calls in how long.
    pub window: Window,
    /// Calls in it before the plan begins.
    pub used: usize,
    /// Calls that fit into it before the plan begins.
    pub remaining: usize,
    /// Calls of the plan that count toward it, over the whole plan.
    pub required: usize,
    /// How long the plan waits for it in all.
    pub wait_time: SignedDuration,
}

/// A class that the service closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottledClass {
    /// The first class of the plan that waits for it.
    pub class: EndpointClass,
    /// Until when.
    pub until: Timestamp,
    /// How long the plan waits for it.
    pub wait_time: SignedDuration,
}

/// Why a plan takes as long as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Most of the waiting is for this window.
    Window(WindowUsage),
    /// Most of the waiting is for the service.
    Throttled(ThrottledClass),
    /// It waits for nothing: there are so many calls.
    Requests(usize),
}

/// What `calls`, made in this order from `now` on, cost after the calls that `pacing` counts already.
#[must_use]
pub fn estimate(calls: &[EndpointClass], mut pacing: RateLimiter, now: Timestamp) -> Estimate {
    let mut counts: BTreeMap<EndpointClass, usize> = BTreeMap::new();
    for class in calls {
        *counts.entry(*class).or_default() += 1;
    }
    let mut windows = window_usages(&counts, &pacing, now);
    let mut closed: Vec<ThrottledClass> = Vec::new();
    let mut waits = SignedDuration::ZERO;
    let mut clock = now;
    for class in calls {
        if let Some(hold) = pacing.throttle(*class, clock) {
            let wait = clock.duration_until(hold.until);
            waits = waits.saturating_add(wait);
            clock = hold.until;
            let until = hold.until;
            match hold.window {
                Some(window) => add_wait(&mut windows, *class, window, wait),
                None => closed.push(ThrottledClass {
                    class: *class,
                    until,
                    wait_time: wait,
                }),
            }
        }
        let answered = clock.saturating_add(ASSUMED_LATENCY).unwrap_or(Timestamp::MAX);
        pacing.record_sent(*class, clock);
        pacing.record_answered(*class, clock, answered);
        clock = answered;
    }
    closed.sort_by_key(|closed| std::cmp::Reverse(closed.wait_time));
    Estimate {
        requests: counts,
        total: calls.len(),
        estimated_at: now,
        finishes_at: clock,
        wait_time: waits,
        tightest_windows: tightest_windows(windows),
        throttled_classes: closed,
    }
}

/// The words for calls of classes that are counted together, such as `creates`.
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
    /// How long the plan takes.
    #[must_use]
    pub fn duration(&self) -> SignedDuration {
        self.estimated_at.duration_until(self.finishes_at)
    }

    /// Why it takes so long.
    #[must_use]
    pub fn bottleneck(&self) -> Bottleneck {
        let window = self
            .tightest_windows
            .first()
            .filter(|window| window.wait_time.is_positive());
        match (window, self.throttled_classes.first()) {
            (Some(window), Some(closed)) if window.wait_time < closed.wait_time => {
                Bottleneck::Throttled(closed.clone())
            }
            (Some(window), _) => Bottleneck::Window(window.clone()),
            (None, Some(closed)) => Bottleneck::Throttled(closed.clone()),
            (None, None) => Bottleneck::Requests(self.total),
        }
    }

    /// Holds the plan to `max_duration`.
    ///
    /// # Errors
    ///
    /// When the plan is likely to take longer.
    pub fn check_max_duration(&self, max_duration: SignedDuration) -> Result<(), MaxDurationExceeded> {
        let needed = self.duration();
        if needed <= max_duration {
            return Ok(());
        }
        Err(MaxDurationExceeded {
            estimated: needed,
            max_duration,
            bottleneck: self.bottleneck(),
        })
    }
}

/// The windows that calls of these classes count toward, with no wait yet.
fn window_usages(
    counts: &BTreeMap<EndpointClass, usize>,
    pacing: &RateLimiter,
    now: Timestamp,
) -> Vec<WindowUsage> {
    let mut uses: Vec<WindowUsage> = Vec::new();
    for class in counts.keys() {
        let classes = pacing.classes_sharing_windows(*class);
        for window in pacing.limits().windows(*class) {
            if uses
                .iter()
                .any(|seen| seen.window == *window && seen.classes == classes)
            {
                continue;
            }
            let used = pacing.used(*class, *window, now);
            uses.push(WindowUsage {
                window: *window,
                used,
                remaining: window.count().saturating_sub(used),
                required: classes.iter().filter_map(|class| counts.get(class)).sum(),
                wait_time: SignedDuration::ZERO,
                classes: classes.clone(),
            });
        }
    }
    uses
}

fn add_wait(windows: &mut [WindowUsage], class: EndpointClass, window: Window, wait: SignedDuration) {
    let mut held = windows
        .iter_mut()
        .filter(|held| held.window == window && held.classes.contains(&class));
    if let Some(held) = held.next() {
        held.wait_time = held.wait_time.saturating_add(wait);
    }
}

fn tightest_windows(mut windows: Vec<WindowUsage>) -> Vec<WindowUsage> {
    if windows.iter().any(|window| window.wait_time.is_positive()) {
        windows.retain(|window| window.wait_time.is_positive());
        windows.sort_by_key(|window| std::cmp::Reverse(window.wait_time));
        return windows;
    }
    // In parts of a million, so that shares can be compared without fractions.
    let share = |window: &WindowUsage| {
        let after = window.used.saturating_add(window.required);
        after.saturating_mul(1_000_000) / window.window.count().max(1)
    };
    let fullest = windows.iter().map(share).max();
    windows.retain(|window| Some(share(window)) == fullest);
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
