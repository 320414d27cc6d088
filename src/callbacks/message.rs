//! The body of a callback.

use crate::model::{UploadCounts, UploadResult, answer_text, json_from_answer, redact_query_strings};
use serde_json::Value;
use std::{error, fmt};

/// Longer error messages from MoEngage are truncated.
const MAX_MESSAGE_CHARS: usize = 500;

#[derive(Debug)]
pub enum MessageError {
    InvalidJson(serde_json::Error),
    MissingStatus,
}

impl fmt::Display for MessageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidJson(_) => formatter.write_str("the body is not valid JSON"),
            Self::MissingStatus => formatter.write_str("the body has no numeric `status`"),
        }
    }
}

impl error::Error for MessageError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::InvalidJson(source) => Some(source),
            Self::MissingStatus => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) result: UploadResult,
    pub(super) segment: Option<String>,
}

const REDACTED: &str = "[redacted]";

/// Parses a body. The documented status is 201 for success, and 400 or 500 for failure. All other fields are optional here,
/// since a rejected callback is lost.
pub(super) fn parse(body: &[u8], secret: &str) -> Result<Message, MessageError> {
    let body: Value = json_from_answer(&answer_text(body)).map_err(MessageError::InvalidJson)?;
    let status = body
        .get("status")
        .and_then(number)
        .ok_or(MessageError::MissingStatus)?;
    let text = |field| body.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
    let result = if (200..300).contains(&status) {
        let count = |field| body.get(field).and_then(number);
        UploadResult::Processed(UploadCounts {
            values_found: count("values_found"),
            values_processed: count("values_processed"),
            user_count: count("user_count"),
        })
    } else {
        let message = text("error_message").unwrap_or_else(|| format!("status {status}"));
        let message = redact_query_strings(&message).replace(secret, REDACTED);
        UploadResult::Failed {
            message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
        }
    };
    let segment = text("segment_name");
    Ok(Message { result, segment })
}

/// Accepts a number in a string, too.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_optional_fields_are_accepted() {
        let counts = UploadCounts {
            values_found: Some(3),
            values_processed: Some(2),
            user_count: Some(1),
        };
        let table = [
            (
                r#"{"db_name": "d", "segment_name": "s", "request_id": "r", "values_found": 3, "values_processed": 2,
                    "user_count": 1, "status": 201}"#,
                UploadResult::Processed(counts),
            ),
            (
                r#"{"status": "201"}"#,
                UploadResult::Processed(UploadCounts::default()),
            ),
            (
                r#"{"status": 400, "error_message": "no file"}"#,
                UploadResult::Failed {
                    message: "no file".to_owned(),
                },
            ),
            (
                r#"{"status": 400, "error_message": "https://h.example/s3cret/5a?a=b is gone"}"#,
                UploadResult::Failed {
                    message: "https://h.example/[redacted]/5a?[redacted] is gone".to_owned(),
                },
            ),
            (
                r#"{"status": 500, "segment_name": "Weekend \ud83d"}"#,
                UploadResult::Failed {
                    message: "status 500".to_owned(),
                },
            ),
        ];
        for (body, result) in table {
            assert_eq!(parse(body.as_bytes(), "s3cret").unwrap().result, result, "{body}");
        }
        let long = format!(r#"{{"status": 400, "error_message": "{}"}}"#, "ü".repeat(2000));
        assert_eq!(
            parse(long.as_bytes(), "s3cret").unwrap().result,
            UploadResult::Failed {
                message: "ü".repeat(MAX_MESSAGE_CHARS)
            }
        );
    }

    #[test]
    fn a_body_without_a_valid_status_is_rejected() {
        for body in ["", "{", "[]", "{}", r#"{"status": null}"#, r#"{"status": -1}"#] {
            assert!(parse(body.as_bytes(), "s3cret").is_err(), "{body}");
        }
    }
}
