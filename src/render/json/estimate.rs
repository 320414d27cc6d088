//! What a plan costs, as a document.

use crate::model::Keyword;
use crate::plan::estimate::duration::round_up_seconds;
use crate::plan::estimate::{Bottleneck, Estimate, ThrottledClass, WindowUsage};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a plan costs. Moments and durations are estimates, in whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateDocument {
    /// How many calls of each class, as `rate_limits` names classes.
    pub requests: BTreeMap<String, usize>,
    /// How many calls in all.
    pub total: usize,
    /// When the estimate was made.
    pub estimated_at: Timestamp,
    /// When about the last call is answered.
    pub finishes_at: Timestamp,
    /// How long no call is under way.
    pub wait_seconds: i64,
    /// What most of the waiting is for: `window` is the first of `tightest`, `service` the first of `closed`, and
    /// `nothing` when there is no waiting.
    pub waits_for: String,
    /// The windows that make the plan wait, the longest wait first; when none does, those that it fills the most.
    pub limiting_windows: Vec<WindowDocument>,
    /// Classes that wait for the service, which said that it lets nothing through.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub blocked_classes: Vec<BlockedClassDocument>,
}

/// A window and what the plan needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDocument {
    /// The classes that are counted together in it.
    pub classes: Vec<String>,
    /// The window as `rate_limits` writes it.
    pub limit: String,
    /// How many calls fit.
    pub max_requests: usize,
    /// How long it is.
    pub span_seconds: i64,
    /// Calls in it before the plan begins.
    pub used: usize,
    /// Calls that fit into it before the plan begins.
    pub left: usize,
    /// Calls of the plan that count toward it.
    pub needed: usize,
    /// How long the plan waits for it.
    pub wait_seconds: i64,
}

/// A class that the service closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedClassDocument {
    /// The class that waits for it.
    pub class: String,
    /// Until when.
    pub until: Timestamp,
    /// How long the plan waits for it.
    pub wait_seconds: i64,
}

impl EstimateDocument {
    /// The document of `quota`.
    #[must_use]
    pub fn new(quota: &Estimate) -> Self {
        let calls = quota.requests.iter();
        let waits_for = match quota.bottleneck() {
            Bottleneck::Window(_) => "window",
            Bottleneck::Throttled(_) => "service",
            Bottleneck::Requests(_) => "nothing",
        };
        Self {
            requests: calls
                .map(|(class, count)| (class.as_str().to_owned(), *count))
                .collect(),
            total: quota.total,
            estimated_at: round_up_to_second(quota.estimated_at),
            finishes_at: round_up_to_second(quota.finishes_at),
            wait_seconds: round_up_seconds(quota.wait_time, 1),
            waits_for: waits_for.to_owned(),
            limiting_windows: quota.tightest_windows.iter().map(window).collect(),
            blocked_classes: quota.throttled_classes.iter().map(blocked_class).collect(),
        }
    }
}

fn window(window: &WindowUsage) -> WindowDocument {
    WindowDocument {
        classes: window
            .classes
            .iter()
            .map(|class| class.as_str().to_owned())
            .collect(),
        limit: window.window.to_string(),
        max_requests: window.window.count(),
        span_seconds: window.window.span().as_secs(),
        used: window.used,
        left: window.remaining,
        needed: window.required,
        wait_seconds: round_up_seconds(window.wait_time, 1),
    }
}

fn blocked_class(closed: &ThrottledClass) -> BlockedClassDocument {
    BlockedClassDocument {
        class: closed.class.as_str().to_owned(),
        until: round_up_to_second(closed.until),
        wait_seconds: round_up_seconds(closed.wait_time, 1),
    }
}

/// The moment, or the next whole second.
fn round_up_to_second(moment: Timestamp) -> Timestamp {
    let since_epoch = SignedDuration::from_nanos_i128(moment.as_nanosecond());
    Timestamp::from_second(round_up_seconds(since_epoch, 1)).unwrap_or(moment)
}
