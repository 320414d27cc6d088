//! The requests that calls make, and whether an answer is of the segment that was asked for.

use super::{ApiError, CallError, Mismatch, Operation, Stored, wire};
use crate::api::transport::{Family, Method, Request};
use crate::model::{SegmentId, SegmentName};
use serde_json::{Map, Value};

/// The path of all filter segments.
pub(super) const SEGMENTS: &str = "/v3/custom-segments";

/// A request of the family that most calls are of.
pub(super) fn request(method: Method, path: &str, body: Option<Value>) -> Request {
    Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        family: Family::V3,
        body,
    }
}

/// A request that archives or unarchives. The id decides which, when it is given.
pub(super) fn lifecycle_request(path: &str, name: &SegmentName, id: Option<&SegmentId>) -> Request {
    let mut body = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
    if let Some(id) = id {
        body.insert("cs_id".to_owned(), Value::from(id.as_str()));
    }
    Request {
        family: Family::V2,
        ..request(Method::Patch, path, Some(Value::Object(body)))
    }
}

/// The path of one segment. An id that could not have come from the service might lead to another path.
pub(super) fn path_of(operation: &Operation, id: &SegmentId) -> Result<String, CallError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.as_str().is_empty() || !id.as_str().bytes().all(plain) {
        return Err(CallError {
            operation: operation.clone(),
            kind: ApiError::NotFound {
                message: "nothing was sent: ids are letters and digits".to_owned(),
            },
        });
    }
    Ok(format!("{SEGMENTS}/{id}"))
}

/// A segment that must be the one that was asked for.
pub(super) fn stored_as(id: &SegmentId, body: &[u8]) -> Result<Stored, Mismatch> {
    let stored = wire::stored(body)?;
    if stored.id.as_str().eq_ignore_ascii_case(id.as_str()) {
        return Ok(stored);
    }
    Err(Mismatch {
        expected: format!("`data.id` to be `{id}`"),
    })
}
