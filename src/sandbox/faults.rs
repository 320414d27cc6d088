//! A script of faults: which calls go wrong, and how.

use super::error_responses::EndpointFamily;
use super::http_message::{Delivery, HttpRequest, HttpResponse};
use super::rate_limits;
use super::state::SandboxState;
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One kind of fault on some calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls; every call where nothing is said.
    #[serde(default)]
    pub on: FaultMatcher,
    /// How many of them, one after the other; 1 where nothing is said.
    #[serde(default = "one")]
    pub times: usize,
    /// What happens.
    pub fault: FaultKind,
}

/// The calls that a fault is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultMatcher {
    /// Only calls with this method.
    pub method: Option<String>,
    /// Only calls whose path starts so.
    pub path_prefix: Option<String>,
    /// Only from this one of them on, the first being 1.
    pub nth: usize,
}

impl Default for FaultMatcher {
    fn default() -> Self {
        Self {
            method: None,
            path_prefix: None,
            nth: 1,
        }
    }
}

fn one() -> usize {
    1
}

/// Other numbers cannot be sent as the status of a whole answer, and would end the connection instead.
fn final_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let code = u16::deserialize(deserializer)?;
    if (200..600).contains(&code) {
        Ok(code)
    } else {
        Err(D::Error::custom(format!("{code} is no status from 200 to 599")))
    }
}

/// Whether a fault comes before the call has its effect or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultTiming {
    /// Nothing is done.
    Before,
    /// Everything is done, and only the answer suffers.
    After,
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 as if a window were full; nothing is done.
    RateLimited {
        /// Seconds until `x-ratelimit-reset`.
        reset_in: i64,
    },
    /// 429 as if the active limit were reached; nothing is done.
    ActiveLimit,
    /// Another status than the service would answer.
    Status {
        /// The status, from 200 to 599.
        #[serde(deserialize_with = "final_status")]
        code: u16,
        /// Whether the call has its effect.
        when: FaultTiming,
    },
    /// The connection ends without an answer.
    Reset {
        /// Whether the call has its effect.
        when: FaultTiming,
    },
    /// The answer takes long.
    Slow {
        /// How long.
        milliseconds: u64,
        /// Whether the call has its effect at once or when the time is over. The caller may have gone by then.
        when: FaultTiming,
    },
    /// The connection ends in the middle of the answer; the call has its effect.
    Truncated,
    /// The answer is no JSON; the call has its effect.
    Garbage,
    /// The list is as it was before the last writes.
    StaleList {
        /// How many writes are missing.
        missing_last: usize,
    },
    /// A POST arrives twice; the answer is that to the second.
    ReplayedPost,
}

impl FaultKind {
    /// Whether it can happen to this call at all.
    fn can_affect(self, call: &HttpRequest) -> bool {
        match self {
            Self::StaleList { .. } => {
                call.method == "GET" && call.path_without_trailing_slash() == "/v3/custom-segments"
            }
            Self::ReplayedPost => call.method == "POST",
            _ => true,
        }
    }

    /// The answer of a fault that keeps the call from having an effect.
    pub(super) fn response_without_effect(
        self,
        state: &SandboxState,
        now: Timestamp,
        family: EndpointFamily,
    ) -> Option<HttpResponse> {
        Some(match self {
            Self::RateLimited { reset_in } => {
                let message = "API rate limit breached. Current limit: 50/1 mins";
                let mut reply = family.error(429, message);
                rate_limits::set_window_headers(&mut reply, 50, 0, now.as_second().saturating_add(reset_in));
                reply
            }
            Self::ActiveLimit => family.active_limit_error(state),
            Self::Status {
                code,
                when: FaultTiming::Before,
            } => family.error(code, "as the script of faults wants it"),
            Self::Reset {
                when: FaultTiming::Before,
            } => HttpResponse::new(503, Value::Null).with_delivery(Delivery::Reset),
            _ => return None,
        })
    }

    /// What a fault that leaves the call its effect makes of the answer.
    pub(super) fn response_after_effect(self, family: EndpointFamily, reply: HttpResponse) -> HttpResponse {
        match self {
            Self::Status {
                code,
                when: FaultTiming::After,
            } => family.error(code, "as the script of faults wants it"),
            Self::Reset {
                when: FaultTiming::After,
            } => reply.with_delivery(Delivery::Reset),
            Self::Slow {
                milliseconds,
                when: FaultTiming::After,
            } => reply.with_delivery(Delivery::Delayed(milliseconds)),
            Self::Truncated => reply.with_delivery(Delivery::Truncated),
            Self::Garbage => reply.with_delivery(Delivery::NotJson),
            _ => reply,
        }
    }
}

/// The faults that are still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultScript(Vec<Fault>);

impl FaultScript {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    /// What happens to this call, if anything: the first fault of the script whose turn it is.
    pub(super) fn next_fault(&mut self, call: &HttpRequest) -> Option<FaultKind> {
        for Fault { on, times, fault } in &mut self.0 {
            let fits = *times > 0
                && fault.can_affect(call)
                && on.method.as_ref().is_none_or(|method| *method == call.method)
                && on
                    .path_prefix
                    .as_ref()
                    .is_none_or(|prefix| call.path.starts_with(prefix));
            if !fits {
                continue;
            }
            if on.nth > 1 {
                on.nth -= 1;
                continue;
            }
            *times -= 1;
            return Some(*fault);
        }
        None
    }
}
