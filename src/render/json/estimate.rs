//! The cost of a plan as a document.

use crate::model::Keyword;
use crate::plan::estimate::duration::round_up_seconds;
use crate::plan::estimate::{Bottleneck, Estimate, ThrottledClass, WindowUsage};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Times and durations are estimates, in whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EstimateDocument {
    /// By class, as `rate_limits` names them.
    pub requests: BTreeMap<String, usize>,
    pub total: usize,
    pub estimated_at: Timestamp,
    pub finishes_at: Timestamp,
    /// The time without a request in flight.
    pub wait_seconds: i64,
    /// The cause of most of the waiting: `window` is the first of `limiting_windows`, `blocked_class` the first of
    /// `blocked_classes`, and `nothing` means no waiting.
    pub waits_for: String,
    /// The windows that the plan waits for, the longest wait first. Without waiting: those that it fills the most.
    pub limiting_windows: Vec<WindowDocument>,
    /// Classes that MoEngage currently rejects.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub blocked_classes: Vec<BlockedClassDocument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDocument {
    pub classes: Vec<String>,
    /// As in `rate_limits`.
    pub limit: String,
    pub max_requests: usize,
    pub span_seconds: i64,
    /// Before the plan begins.
    pub used: usize,
    /// Before the plan begins.
    pub left: usize,
    pub needed: usize,
    pub wait_seconds: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedClassDocument {
    pub class: String,
    pub until: Timestamp,
    pub wait_seconds: i64,
}

impl EstimateDocument {
    pub fn new(estimate: &Estimate) -> Self {
        let requests = estimate.requests.iter();
        let waits_for = match estimate.bottleneck() {
            Bottleneck::Window(_) => "window",
            Bottleneck::Throttled(_) => "blocked_class",
            Bottleneck::Requests(_) => "nothing",
        };
        Self {
            requests: requests
                .map(|(class, count)| (class.as_str().to_owned(), *count))
                .collect(),
            total: estimate.total,
            estimated_at: round_up_to_second(estimate.estimated_at),
            finishes_at: round_up_to_second(estimate.finishes_at),
            wait_seconds: round_up_seconds(estimate.wait_time, 1),
            waits_for: waits_for.to_owned(),
            limiting_windows: estimate.tightest_windows.iter().map(window).collect(),
            blocked_classes: estimate.throttled_classes.iter().map(blocked_class).collect(),
        }
    }
}

fn window(usage: &WindowUsage) -> WindowDocument {
    WindowDocument {
        classes: usage
            .classes
            .iter()
            .map(|class| class.as_str().to_owned())
            .collect(),
        limit: usage.window.to_string(),
        max_requests: usage.window.count(),
        span_seconds: usage.window.span().as_secs(),
        used: usage.used,
        left: usage.remaining,
        needed: usage.required,
        wait_seconds: round_up_seconds(usage.wait_time, 1),
    }
}

fn blocked_class(throttled: &ThrottledClass) -> BlockedClassDocument {
    BlockedClassDocument {
        class: throttled.class.as_str().to_owned(),
        until: round_up_to_second(throttled.until),
        wait_seconds: round_up_seconds(throttled.wait_time, 1),
    }
}

fn round_up_to_second(time: Timestamp) -> Timestamp {
    let since_epoch = SignedDuration::from_nanos_i128(time.as_nanosecond());
    Timestamp::from_second(round_up_seconds(since_epoch, 1)).unwrap_or(time)
}
