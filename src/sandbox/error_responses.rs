//! The three endpoint families, each with its own shape of errors.

use super::http_message::HttpResponse;
use super::state::SandboxState;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointFamily {
    V3,
    V2,
    V1,
}

impl EndpointFamily {
    /// The family of an endpoint that need not exist.
    pub(super) fn of_path(path: &str) -> Self {
        if path.starts_with("/v2/") {
            Self::V2
        } else if path.starts_with("/v1/") {
            Self::V1
        } else {
            Self::V3
        }
    }

    pub(super) fn error(self, status: u16, message: &str) -> HttpResponse {
        self.error_with(status, message, Map::new())
    }

    pub(super) fn error_with(self, status: u16, message: &str, more: Map<String, Value>) -> HttpResponse {
        let mut error = Map::new();
        let (kind, text) = match self {
            Self::V3 => ("code", "message"),
            Self::V2 => ("title", "description"),
            Self::V1 => ("type", "message"),
        };
        error.insert(kind.to_owned(), status_text(status).into());
        error.insert(text.to_owned(), message.into());
        error.extend(more);
        let body = match self {
            Self::V3 => json!({"response_id": "", "type": "custom_segment", "error": error}),
            Self::V2 => Value::Object(error),
            Self::V1 => {
                error.insert("request_id".to_owned(), "".into());
                json!({"status": "fail", "error": error})
            }
        };
        HttpResponse::new(status, body)
    }

    /// MoEngage documents the two numbers for v3 only. The other families carry them, too: nothing else distinguishes
    /// this error from a rate limit.
    pub(super) fn active_limit_error(self, state: &SandboxState) -> HttpResponse {
        let mut more = Map::new();
        more.insert("actual_count".to_owned(), state.active_count().into());
        more.insert("limit".to_owned(), state.settings.active_limit.into());
        self.error_with(429, "the limit of active custom segments is reached", more)
    }
}

/// Sets the id of the response, in the field that the family has for it.
pub(super) fn set_request_number(response: &mut HttpResponse, sequence: u64) {
    let id = format!("sandbox-{sequence}");
    if let Some(field) = response.body.get_mut("response_id") {
        *field = id.into();
    } else if let Some(field) = response.body.pointer_mut("/error/request_id") {
        *field = id.into();
    }
}

/// The case is as inconsistent as in MoEngage's errors.
fn status_text(status: u16) -> &'static str {
    match status {
        400 => "Invalid request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Cyclic Entity",
        413 => "Entity too large",
        415 => "Unsupported Media Type",
        429 => "Too many requests",
        _ => "Internal Server Error",
    }
}
