//! Classifies error responses and missing responses. Three shapes of error bodies are recognized. Any other body, such as
//! a proxy's HTML page, is quoted as it is.

use super::ApiError;
use crate::api::operation::{Operation, OperationFamily};
use crate::api::responses::MalformedBody;
use crate::api::transport::TransportError;
use crate::model::{self, SegmentId, SegmentName, answer_text, is_whole_object, json_from_answer};
use jiff::Timestamp;
use serde_json::Value;

/// In characters. Enough to recognize a text; the rest could be a whole page.
const MAX_QUOTE_LENGTH: usize = 200;

pub(in crate::api) struct ErrorResponse<'a> {
    pub(in crate::api) status: u16,
    /// Redacted, as is `location`.
    pub(in crate::api) body: &'a str,
    /// The end of MoEngage's window, if the response reports it.
    pub(in crate::api) reset: Option<Timestamp>,
    /// The address of the request.
    pub(in crate::api) address: &'a str,
    /// Where a redirect points.
    pub(in crate::api) location: Option<String>,
}

pub(in crate::api) fn from_response(operation: &Operation, response: &ErrorResponse<'_>) -> ApiError {
    let ErrorResponse {
        status, body, reset, ..
    } = *response;
    let answer = answer_value(body.as_bytes());
    let message = escape_and_truncate(error_message(&answer).as_deref().unwrap_or(body));
    match (status, operation) {
        (300..400, _) => ApiError::Redirected {
            status,
            address: escape_and_truncate(response.address),
            location: response.location.as_deref().map(escape_and_truncate),
        },
        (403, Operation::Update(_)) => ApiError::NotUpdatable { message },
        (401 | 403, _) => ApiError::InvalidCredentials {
            status: Some(status),
            message,
        },
        (400, _) if is_about_credentials(operation, &message, &answer) => ApiError::InvalidCredentials {
            status: Some(status),
            message,
        },
        // Requests that name no existing segment, so the address itself does not exist.
        (
            404,
            Operation::List
            | Operation::ListNamed(_)
            | Operation::Create(_)
            | Operation::Upload(_)
            | Operation::SyncMembers(..),
        ) => ApiError::AddressNotFound {
            address: escape_and_truncate(response.address),
            message,
        },
        (404, _) => ApiError::NotFound { message },
        (409, Operation::Create(_) | Operation::Update(_) | Operation::Upload(_)) => {
            classify_conflict(&answer, message)
        }
        (429, _) => classify_too_many_requests(&answer, message, reset),
        // A proxy that timed out may have forwarded the request.
        (408 | 500.., _) => ApiError::Server { status, message },
        _ => ApiError::Refused { status, message },
    }
}

pub(in crate::api) fn from_transport_error(error: TransportError) -> ApiError {
    match error {
        TransportError::NotSent { message } => ApiError::Unreachable {
            message: escape_and_truncate(&message),
        },
        TransportError::Misconfigured { problem, message } => ApiError::Misconfigured {
            problem,
            message: escape_and_truncate(&message),
        },
        TransportError::ConnectionClosed { message } => ApiError::ConnectionClosed {
            message: escape_and_truncate(&message),
        },
        TransportError::NoResponse { message } => ApiError::NoResponse {
            message: escape_and_truncate(&message),
        },
        TransportError::ResponseTooLarge { limit } => ApiError::MalformedResponse {
            expected: format!("at most {limit} bytes"),
            received: "more".to_owned(),
        },
        TransportError::MissingDatabaseName => ApiError::InvalidCredentials {
            status: None,
            message: "`db_name` (the name of the workspace's database) is not set".to_owned(),
        },
    }
}

pub(in crate::api) fn malformed_response(
    operation: &Operation,
    mismatch: MalformedBody,
    body: &str,
) -> ApiError {
    let is_get = matches!(operation, Operation::Get(_));
    let expected = match mismatch {
        MalformedBody::UnreadableSegment { reason } if is_get => {
            return ApiError::UnreadableSegment { reason };
        }
        MalformedBody::Unexpected { expected } if is_get && is_whole_object(body) => {
            let reason = format!("expected {expected}");
            return ApiError::UnreadableSegment { reason };
        }
        MalformedBody::UnreadableSegment { reason } => format!("a readable segment ({reason})"),
        MalformedBody::Unexpected { expected } => expected,
    };
    ApiError::MalformedResponse {
        expected,
        received: escape_and_truncate(body),
    }
}

/// Whether a 400 rejects the client header. MoEngage documents such answers without a field that identifies them: v3 does
/// not find the client, v1 misses its header, and v2 does not know the database.
fn is_about_credentials(operation: &Operation, message: &str, answer: &Value) -> bool {
    const V3: &[&str] = &["clientnotfound", "moeappkey"];
    const V1: &[&str] = &["clientnotfound", "appkey"];
    const V2: &[&str] = &[
        "clientnotfound",
        "dbname",
        "databasename",
        "databasenotfound",
        "databaseisnot",
        "databasedoesnot",
        "invaliddatabase",
        "unknowndatabase",
        "wrongdatabase",
    ];
    let phrases = match operation.family() {
        OperationFamily::FilterSegments => V3,
        OperationFamily::Cohorts => V1,
        OperationFamily::FilesAndLifecycle => V2,
    };
    let letters = |text: &str| {
        let letters = text.chars().filter(|character| character.is_alphanumeric());
        letters.collect::<String>().to_lowercase()
    };
    let message = letters(message);
    let attribute = find_field(answer, "attribute").and_then(Value::as_str);
    let attribute = attribute.map(letters).unwrap_or_default();
    // The answer may quote the name of the segment.
    let name = operation.segment_name().map(|name| letters(name.as_str()));
    let is_in_name = |phrase: &str| name.as_ref().is_some_and(|name| name.contains(phrase));
    let mut phrases = phrases.iter().filter(|phrase| !is_in_name(phrase));
    phrases.any(|phrase| message.contains(phrase) || attribute.contains(phrase))
}

/// A conflict of definitions names the other segment. A conflict of names does not.
fn classify_conflict(answer: &Value, message: String) -> ApiError {
    let text = |key| find_field(answer, key).and_then(Value::as_str);
    let existing_id = text("existing_cs_id").map(SegmentId::new);
    let existing_name = text("existing_cs_name").map(SegmentName::new);
    if existing_id.is_none() && existing_name.is_none() {
        return ApiError::NameTaken { message };
    }
    ApiError::DefinitionTaken {
        existing_id,
        existing_name,
    }
}

/// Whether the answer rejects a request because of a rate limit. The limit of active segments has the same status.
pub(in crate::api) fn is_rate_limit(status: u16, body: &[u8]) -> bool {
    status == 429 && find_field(&answer_value(body), "actual_count").is_none()
}

/// Only the limit of active segments reports `actual_count`. A rate limit may also report its `limit`.
fn classify_too_many_requests(answer: &Value, message: String, reset: Option<Timestamp>) -> ApiError {
    let number = |key| {
        let value = find_field(answer, key)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    };
    if find_field(answer, "actual_count").is_none() {
        return ApiError::RateLimited { message, reset };
    }
    ApiError::ActiveLimit {
        actual_count: number("actual_count"),
        limit: number("limit"),
    }
}

/// Null if the body is not JSON.
fn answer_value(body: &[u8]) -> Value {
    json_from_answer(&answer_text(body)).unwrap_or(Value::Null)
}

/// The message of any API version's error body.
fn error_message(answer: &Value) -> Option<String> {
    let text = |value: &Value, key| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let of_error = answer
        .get("error")
        .and_then(|error| text(error, "message").or_else(|| error.as_str().map(str::to_owned)));
    let of_title = || match (text(answer, "title"), text(answer, "description")) {
        (Some(title), Some(description)) => Some(format!("{title}: {description}")),
        (title, description) => title.or(description),
    };
    of_error.or_else(of_title).or_else(|| text(answer, "message"))
}

/// Searches all levels, because the position of the extra fields is not documented. The JSON parser limits the depth.
fn find_field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => {
            let here = map.get(key).filter(|value| !value.is_null());
            here.or_else(|| map.values().find_map(|value| find_field(value, key)))
        }
        Value::Array(values) => values.iter().find_map(|value| find_field(value, key)),
        _ => None,
    }
}

/// Escapes what a terminal obeys or what changes the writing direction.
pub(in crate::api) fn escape_and_truncate(text: &str) -> String {
    let text = text.trim();
    let end = text.char_indices().nth(MAX_QUOTE_LENGTH).map(|(at, _)| at);
    let mut quote = model::escape_unprintable(text.get(..end.unwrap_or(text.len())).unwrap_or(text));
    if end.is_some() {
        quote.push('…');
    }
    if quote.is_empty() {
        quote.push_str("no message");
    }
    quote
}
