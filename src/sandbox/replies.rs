//! The three families of answers, each with its own shape of errors.

use super::call::Reply;
use serde_json::{Map, Value, json};

/// Which family an endpoint belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V3,
    V2,
    V1,
}

impl Family {
    /// An error in the family's shape.
    pub(super) fn error(self, status: u16, message: &str) -> Reply {
        self.error_with(status, message, &Map::new())
    }

    /// An error with more fields, where the family has room for them.
    pub(super) fn error_with(self, status: u16, message: &str, more: &Map<String, Value>) -> Reply {
        let body = match self {
            Self::V3 => {
                let mut error = json!({"code": code(status), "message": message});
                if let Value::Object(fields) = &mut error {
                    fields.extend(more.clone());
                }
                json!({"response_id": "sandbox", "type": "custom_segment", "error": error})
            }
            Self::V2 => json!({"title": code(status), "description": message}),
            Self::V1 => {
                let error = json!({"message": message, "type": code(status), "request_id": "sandbox"});
                json!({"status": "fail", "error": error})
            }
        };
        Reply::new(status, body)
    }
}

/// The service's own words, whose case is as uneven as the original's.
fn code(status: u16) -> &'static str {
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
