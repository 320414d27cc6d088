//! The fault script: which requests fail, and how.

use super::error_responses::EndpointFamily;
use super::http_message::{Delivery, HttpRequest, HttpResponse};
use super::rate_limits;
use super::state::SandboxState;
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

const FAULT_MESSAGE: &str = "error of the fault script";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Every request by default.
    #[serde(default)]
    pub on: FaultMatcher,
    /// How many matching requests in a row; 1 by default.
    #[serde(default = "one")]
    pub times: usize,
    pub fault: FaultKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultMatcher {
    pub method: Option<String>,
    pub path_prefix: Option<String>,
    /// The first matching request that is affected; counted from 1.
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

/// A response with another status cannot be sent; the connection would end instead.
fn final_status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let code = u16::deserialize(deserializer)?;
    if (200..600).contains(&code) {
        Ok(code)
    } else {
        Err(D::Error::custom(format!(
            "invalid status {code}; expected 200 to 599"
        )))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultTiming {
    /// The request has no effect.
    Before,
    /// The request takes effect; only the response is affected.
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum FaultKind {
    /// 429 as if a window were full; the request has no effect.
    RateLimited {
        /// Seconds until `x-ratelimit-reset`.
        reset_in: i64,
    },
    /// 429 as if the active limit were reached; the request has no effect.
    ActiveLimit,
    Status {
        /// From 200 to 599.
        #[serde(deserialize_with = "final_status")]
        code: u16,
        when: FaultTiming,
    },
    /// The connection ends without a response.
    Reset {
        when: FaultTiming,
    },
    /// A delayed response. With `Before` the effect is delayed, too; the caller may have closed the connection by then.
    Slow {
        milliseconds: u64,
        when: FaultTiming,
    },
    /// The connection ends in the middle of the response; the request takes effect.
    Truncated,
    /// The response is not JSON; the request takes effect.
    Garbage,
    StaleList {
        missing_last: usize,
    },
    /// A POST arrives twice; the response is the second one.
    ReplayedPost,
}

impl FaultKind {
    fn can_affect(self, request: &HttpRequest) -> bool {
        match self {
            Self::StaleList { .. } => {
                request.method == "GET" && request.path_without_trailing_slash() == "/v3/custom-segments"
            }
            Self::ReplayedPost => request.method == "POST",
            _ => true,
        }
    }

    /// The response of a fault that prevents the effect of the request.
    pub(super) fn response_without_effect(
        self,
        state: &SandboxState,
        now: Timestamp,
        family: EndpointFamily,
    ) -> Option<HttpResponse> {
        Some(match self {
            Self::RateLimited { reset_in } => {
                let message = "API rate limit breached. Current limit: 50/1 mins";
                let mut response = family.error(429, message);
                rate_limits::set_window_headers(
                    &mut response,
                    50,
                    0,
                    now.as_second().saturating_add(reset_in),
                );
                response
            }
            Self::ActiveLimit => family.active_limit_error(state),
            Self::Status {
                code,
                when: FaultTiming::Before,
            } => family.error(code, FAULT_MESSAGE),
            Self::Reset {
                when: FaultTiming::Before,
            } => HttpResponse::new(503, Value::Null).with_delivery(Delivery::Reset),
            _ => return None,
        })
    }

    /// The response of a fault that lets the request take effect.
    pub(super) fn response_after_effect(
        self,
        family: EndpointFamily,
        response: HttpResponse,
    ) -> HttpResponse {
        match self {
            Self::Status {
                code,
                when: FaultTiming::After,
            } => family.error(code, FAULT_MESSAGE),
            Self::Reset {
                when: FaultTiming::After,
            } => response.with_delivery(Delivery::Reset),
            Self::Slow {
                milliseconds,
                when: FaultTiming::After,
            } => response.with_delivery(Delivery::Delayed(milliseconds)),
            Self::Truncated => response.with_delivery(Delivery::Truncated),
            Self::Garbage => response.with_delivery(Delivery::NotJson),
            _ => response,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct FaultScript(Vec<Fault>);

impl FaultScript {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(super) fn next_fault(&mut self, request: &HttpRequest) -> Option<FaultKind> {
        for Fault { on, times, fault } in &mut self.0 {
            let is_match = *times > 0
                && fault.can_affect(request)
                && on.method.as_ref().is_none_or(|method| *method == request.method)
                && on
                    .path_prefix
                    .as_ref()
                    .is_none_or(|prefix| request.path.starts_with(prefix));
            if !is_match {
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
