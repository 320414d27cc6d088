//! The body of a callback.

use crate::model::{Callback, Processed, without_queries};
use serde_json::Value;
use std::{error, fmt};

/// What the service says of a failure is repeated to people, and so much of it is enough.
const LONGEST_MESSAGE: usize = 500;

/// Why a body says nothing of a list.
#[derive(Debug)]
pub enum MessageError {
    /// It is no JSON.
    NoJson(serde_json::Error),
    /// It has no status.
    NoStatus,
}

impl fmt::Display for MessageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(_) => formatter.write_str("the body is no JSON"),
            Self::NoStatus => formatter.write_str("the body has no `status` that is a number"),
        }
    }
}

impl error::Error for MessageError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NoJson(source) => Some(source),
            Self::NoStatus => None,
        }
    }
}

/// What a callback says.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) callback: Callback,
    /// What the service calls the segment.
    pub(super) segment: Option<String>,
}

/// What stands in place of the secret where the service repeats it.
const REDACTED: &str = "[redacted]";

/// Reads a body: 201 is documented for success, 400 and 500 for failure. What it says beside that is taken as far as it is
/// there, since a callback that is refused is lost.
pub(super) fn read(body: &[u8], secret: &str) -> Result<Message, MessageError> {
    let body: Value = serde_json::from_slice(body).map_err(MessageError::NoJson)?;
    let status = body
        .get("status")
        .and_then(number)
        .ok_or(MessageError::NoStatus)?;
    let text = |field| body.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
    let callback = if (200..300).contains(&status) {
        let count = |field| body.get(field).and_then(number);
        Callback::Processed(Processed {
            values_found: count("values_found"),
            values_processed: count("values_processed"),
            user_count: count("user_count"),
        })
    } else {
        let message = text("error_message").unwrap_or_else(|| format!("status {status}"));
        let message = without_queries(&message).replace(secret, REDACTED);
        Callback::Failed {
            message: message.chars().take(LONGEST_MESSAGE).collect(),
        }
    };
    let segment = text("segment_name");
    Ok(Message { callback, segment })
}

/// A number, also as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_taken_as_far_as_it_is_there() {
        let whole = Processed {
            values_found: Some(3),
            values_processed: Some(2),
            user_count: Some(1),
        };
        let table = [
            (
                r#"{"db_name": "d", "segment_name": "s", "request_id": "r", "values_found": 3, "values_processed": 2,
                    "user_count": 1, "status": 201}"#,
                Callback::Processed(whole),
            ),
            (r#"{"status": "201"}"#, Callback::Processed(Processed::default())),
            (
                r#"{"status": 400, "error_message": "no file"}"#,
                Callback::Failed {
                    message: "no file".to_owned(),
                },
            ),
            (
                r#"{"status": 400, "error_message": "https://h.example/s3cret/5a?a=b is gone"}"#,
                Callback::Failed {
                    message: "https://h.example/[redacted]/5a?[redacted] is gone".to_owned(),
                },
            ),
            (
                r#"{"status": 500}"#,
                Callback::Failed {
                    message: "status 500".to_owned(),
                },
            ),
        ];
        for (body, said) in table {
            assert_eq!(read(body.as_bytes(), "s3cret").unwrap().callback, said, "{body}");
        }
        let long = format!(r#"{{"status": 400, "error_message": "{}"}}"#, "ü".repeat(2000));
        assert_eq!(
            read(long.as_bytes(), "s3cret").unwrap().callback,
            Callback::Failed {
                message: "ü".repeat(LONGEST_MESSAGE)
            }
        );
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for body in ["", "{", "[]", "{}", r#"{"status": null}"#, r#"{"status": -1}"#] {
            assert!(read(body.as_bytes(), "s3cret").is_err(), "{body}");
        }
    }
}
