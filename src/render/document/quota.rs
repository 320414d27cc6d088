//! What a plan costs, as a document.

use crate::model::Keyword;
use crate::plan::quota::duration::whole;
use crate::plan::quota::{Cause, Closed, Quota, WindowUse};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a plan costs. Moments and durations are estimates, in whole seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaDocument {
    /// How many calls of each class, as `rate_limits` names classes.
    pub calls: BTreeMap<String, usize>,
    /// How many calls in all.
    pub total: usize,
    /// When the estimate was made.
    pub asked_at: Timestamp,
    /// When about the last call is answered.
    pub done_at: Timestamp,
    /// How long no call is under way.
    pub waits_seconds: i64,
    /// What most of the waiting is for: `window` is the first of `tightest`, `service` the first of `closed`, and
    /// `nothing` when there is no waiting.
    pub waits_for: String,
    /// The windows that make the plan wait, the longest wait first; when none does, those that it fills the most.
    pub tightest: Vec<WindowDocument>,
    /// Classes that wait for the service, which said that it lets nothing through.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub closed: Vec<ClosedDocument>,
}

/// A window and what the plan needs of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowDocument {
    /// The classes that are counted together in it.
    pub classes: Vec<String>,
    /// The window as `rate_limits` writes it.
    pub limit: String,
    /// How many calls fit.
    pub count: usize,
    /// How long it is.
    pub span_seconds: i64,
    /// Calls in it before the plan begins.
    pub used: usize,
    /// Calls that fit into it before the plan begins.
    pub left: usize,
    /// Calls of the plan that count toward it.
    pub needed: usize,
    /// How long the plan waits for it.
    pub waits_seconds: i64,
}

/// A class that the service closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedDocument {
    /// The class that waits for it.
    pub class: String,
    /// Until when.
    pub until: Timestamp,
    /// How long the plan waits for it.
    pub waits_seconds: i64,
}

impl QuotaDocument {
    /// The document of `quota`.
    #[must_use]
    pub fn new(quota: &Quota) -> Self {
        let calls = quota.calls.iter();
        let waits_for = match quota.cause() {
            Cause::Window(_) => "window",
            Cause::Closed(_) => "service",
            Cause::Calls(_) => "nothing",
        };
        Self {
            calls: calls
                .map(|(class, count)| (class.as_str().to_owned(), *count))
                .collect(),
            total: quota.total,
            asked_at: whole_second(quota.asked_at),
            done_at: whole_second(quota.done_at),
            waits_seconds: whole(quota.waits, 1),
            waits_for: waits_for.to_owned(),
            tightest: quota.tightest.iter().map(window).collect(),
            closed: quota.closed.iter().map(closed).collect(),
        }
    }
}

fn window(window: &WindowUse) -> WindowDocument {
    WindowDocument {
        classes: window
            .classes
            .iter()
            .map(|class| class.as_str().to_owned())
            .collect(),
        limit: window.window.to_string(),
        count: window.window.count(),
        span_seconds: window.window.span().as_secs(),
        used: window.used,
        left: window.left,
        needed: window.needed,
        waits_seconds: whole(window.waits, 1),
    }
}

fn closed(closed: &Closed) -> ClosedDocument {
    ClosedDocument {
        class: closed.class.as_str().to_owned(),
        until: whole_second(closed.until),
        waits_seconds: whole(closed.waits, 1),
    }
}

/// The moment, or the next whole second.
fn whole_second(moment: Timestamp) -> Timestamp {
    let since_epoch = SignedDuration::from_nanos_i128(moment.as_nanosecond());
    Timestamp::from_second(whole(since_epoch, 1)).unwrap_or(moment)
}
