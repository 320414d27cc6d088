//! What a plan costs: how many calls, whether they fit into the windows now, and when the last is answered.
//!
//! There is no second model of the windows: the plan's calls are made in virtual time through the same [`Pacing`]
//! that holds back the real ones. It is an estimate all the same. Every call is taken to last [`LATENCY`], none
//! to fail, and nobody else to call the workspace meanwhile.

pub mod duration;
mod refusal;

#[cfg(test)]
mod tests;

pub use refusal::QuotaRefusal;

use crate::api::pacing::{Pacing, Window};
use crate::model::{EndpointClass, Keyword};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long one call is taken to last, as calls are made one after the other. The service documents nothing, its
/// clients report creates of several seconds and reads of far less than one: half a second is between the two, and
/// keeps the estimate of a thousand calls that need not wait from being "at once".
pub const LATENCY: SignedDuration = SignedDuration::from_millis(500);

/// What a plan costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many calls of each class; classes without a call are left out.
    pub calls: BTreeMap<EndpointClass, usize>,
    /// How many calls in all.
    pub total: usize,
    /// When the first call would be made.
    pub asked_at: Timestamp,
    /// When about the last call is answered.
    pub done_at: Timestamp,
    /// How much of the time until then no call is under way.
    pub waits: SignedDuration,
    /// The windows that make the plan wait, the longest wait first; when none does, those that it fills the most.
    pub tightest: Vec<WindowUse>,
    /// The classes that wait for the service, which said that it lets nothing through.
    pub closed: Vec<Closed>,
}

/// A window and what the plan needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUse {
    /// The classes that are counted together in it, at least one.
    pub classes: Vec<EndpointClass>,
    /// How many calls in how long.
    pub window: Window,
    /// Calls in it before the plan begins.
    pub used: usize,
    /// Calls that fit into it before the plan begins.
    pub left: usize,
    /// Calls of the plan that count toward it, over the whole plan.
    pub needed: usize,
    /// How long the plan waits for it in all.
    pub waits: SignedDuration,
}

/// A class that the service closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The first class of the plan that waits for it.
    pub class: EndpointClass,
    /// Until when.
    pub until: Timestamp,
    /// How long the plan waits for it.
    pub waits: SignedDuration,
}

/// Why a plan takes as long as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Most of the waiting is for this window.
    Window(WindowUse),
    /// Most of the waiting is for the service.
    Closed(Closed),
    /// It waits for nothing: there are so many calls.
    Calls(usize),
}

/// What `calls`, made in this order from `now` on, cost after the calls that `pacing` counts already.
#[must_use]
pub fn quota(calls: &[EndpointClass], mut pacing: Pacing, now: Timestamp) -> Quota {
    let mut counts: BTreeMap<EndpointClass, usize> = BTreeMap::new();
    for class in calls {
        *counts.entry(*class).or_default() += 1;
    }
    let mut windows = window_uses(&counts, &pacing, now);
    let mut closed: Vec<Closed> = Vec::new();
    let mut waits = SignedDuration::ZERO;
    let mut clock = now;
    for class in calls {
        if let Some(hold) = pacing.hold(*class, clock) {
            let wait = clock.duration_until(hold.until);
            waits = waits.saturating_add(wait);
            clock = hold.until;
            let until = hold.until;
            match hold.window {
                Some(window) => wait_for(&mut windows, *class, window, wait),
                None => closed.push(Closed {
                    class: *class,
                    until,
                    waits: wait,
                }),
            }
        }
        let answered = clock.saturating_add(LATENCY).unwrap_or(Timestamp::MAX);
        pacing.sent(*class, clock);
        pacing.answered(*class, clock, answered);
        clock = answered;
    }
    closed.sort_by_key(|closed| std::cmp::Reverse(closed.waits));
    Quota {
        calls: counts,
        total: calls.len(),
        asked_at: now,
        done_at: clock,
        waits,
        tightest: tightest(windows),
        closed,
    }
}

/// The words for calls of classes that are counted together, such as `creates`.
#[must_use]
pub fn nouns(classes: &[EndpointClass]) -> String {
    match classes {
        [class] => plural(*class).to_owned(),
        several => {
            let words: Vec<_> = several.iter().map(|class| class.as_str()).collect();
            format!("{} together", words.join(" and "))
        }
    }
}

impl Quota {
    /// How long the plan takes.
    #[must_use]
    pub fn needed(&self) -> SignedDuration {
        self.asked_at.duration_until(self.done_at)
    }

    /// Why it takes so long.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let window = self.tightest.first().filter(|window| window.waits.is_positive());
        match (window, self.closed.first()) {
            (Some(window), Some(closed)) if window.waits < closed.waits => Cause::Closed(closed.clone()),
            (Some(window), _) => Cause::Window(window.clone()),
            (None, Some(closed)) => Cause::Closed(closed.clone()),
            (None, None) => Cause::Calls(self.total),
        }
    }

    /// Holds the plan to `max_duration`.
    ///
    /// # Errors
    ///
    /// When the plan is likely to take longer.
    pub fn check(&self, max_duration: SignedDuration) -> Result<(), QuotaRefusal> {
        let needed = self.needed();
        if needed <= max_duration {
            return Ok(());
        }
        Err(QuotaRefusal {
            needed,
            max_duration,
            cause: self.cause(),
        })
    }
}

/// The windows that calls of these classes count toward, with no wait yet.
fn window_uses(counts: &BTreeMap<EndpointClass, usize>, pacing: &Pacing, now: Timestamp) -> Vec<WindowUse> {
    let mut uses: Vec<WindowUse> = Vec::new();
    for class in counts.keys() {
        let classes = pacing.counted_with(*class);
        for window in pacing.limits().windows(*class) {
            if uses
                .iter()
                .any(|seen| seen.window == *window && seen.classes == classes)
            {
                continue;
            }
            let used = pacing.used(*class, *window, now);
            uses.push(WindowUse {
                window: *window,
                used,
                left: window.count().saturating_sub(used),
                needed: classes.iter().filter_map(|class| counts.get(class)).sum(),
                waits: SignedDuration::ZERO,
                classes: classes.clone(),
            });
        }
    }
    uses
}

fn wait_for(windows: &mut [WindowUse], class: EndpointClass, window: Window, wait: SignedDuration) {
    let mut held = windows
        .iter_mut()
        .filter(|held| held.window == window && held.classes.contains(&class));
    if let Some(held) = held.next() {
        held.waits = held.waits.saturating_add(wait);
    }
}

fn tightest(mut windows: Vec<WindowUse>) -> Vec<WindowUse> {
    if windows.iter().any(|window| window.waits.is_positive()) {
        windows.retain(|window| window.waits.is_positive());
        windows.sort_by_key(|window| std::cmp::Reverse(window.waits));
        return windows;
    }
    // In parts of a million, so that shares can be compared without fractions.
    let share = |window: &WindowUse| {
        let after = window.used.saturating_add(window.needed);
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
