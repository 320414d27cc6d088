//! The HTTP requests of each operation.

use crate::api::error::{ApiError, RequestError};
use crate::api::operation::Operation;
use crate::api::responses::{self, MalformedBody, RemoteSegment};
use crate::api::transport::{ApiVersion, Method, Request};
use crate::model::{RequestContentType, SegmentId, SegmentName, UserChange};
use serde_json::{Map, Value};

const SEGMENTS_PATH: &str = "/v3/custom-segments";

pub(super) fn list(name: Option<&SegmentName>) -> Request {
    let name = name.map(|name| ("name".to_owned(), name.as_str().to_owned()));
    Request {
        query: name.into_iter().collect(),
        ..request(Method::Get, SEGMENTS_PATH, None)
    }
}

pub(super) fn get(operation: &Operation, id: &SegmentId) -> Result<Request, RequestError> {
    Ok(request(Method::Get, &segment_path(operation, id)?, None))
}

pub(super) fn create(body: Value) -> Request {
    request(Method::Post, SEGMENTS_PATH, Some(body))
}

pub(super) fn update(operation: &Operation, id: &SegmentId, body: Value) -> Result<Request, RequestError> {
    Ok(request(Method::Patch, &segment_path(operation, id)?, Some(body)))
}

pub(super) fn archive(name: &SegmentName, id: Option<&SegmentId>) -> Request {
    lifecycle("/v2/custom-segments/archive", name, id)
}

pub(super) fn unarchive(name: &SegmentName, id: Option<&SegmentId>) -> Request {
    lifecycle("/v2/custom-segments/unarchive", name, id)
}

fn lifecycle(path: &str, name: &SegmentName, id: Option<&SegmentId>) -> Request {
    let mut body = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
    if let Some(id) = id {
        body.insert("cs_id".to_owned(), Value::from(id.as_str()));
    }
    Request {
        api_version: ApiVersion::V2,
        ..request(Method::Patch, path, Some(Value::Object(body)))
    }
}

/// Without `change`, the request creates a file segment.
pub(super) fn file_segment(
    change: Option<UserChange>,
    content_type: RequestContentType,
    body: Value,
) -> Request {
    let (method, path) = match change {
        None => (Method::Post, ""),
        Some(UserChange::Add) => (Method::Put, "/add-users"),
        Some(UserChange::Remove) => (Method::Put, "/remove-users"),
        Some(UserChange::Replace) => (Method::Put, "/replace"),
    };
    let path = format!("/v2/custom-segments/file-segment{path}");
    Request {
        api_version: ApiVersion::V2,
        content_type,
        ..request(method, &path, Some(body))
    }
}

pub(super) fn cohort_sync(body: Value) -> Request {
    Request {
        api_version: ApiVersion::V1,
        ..request(Method::Post, "/v1/integrations/cohortsync", Some(body))
    }
}

fn request(method: Method, path: &str, body: Option<Value>) -> Request {
    Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        api_version: ApiVersion::V3,
        content_type: RequestContentType::Json,
        body,
    }
}

/// An id with other characters cannot come from MoEngage and could change the path.
fn segment_path(operation: &Operation, id: &SegmentId) -> Result<String, RequestError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.as_str().is_empty() || !id.as_str().bytes().all(plain) {
        return Err(RequestError {
            operation: operation.clone(),
            kind: ApiError::NotFound {
                message: "nothing was sent: an id consists of letters, digits, `-` and `_`".to_owned(),
            },
        });
    }
    Ok(format!("{SEGMENTS_PATH}/{id}"))
}

/// The answer must contain the requested segment.
pub(super) fn decode_segment_with_id(id: &SegmentId, body: &[u8]) -> Result<RemoteSegment, MalformedBody> {
    let segment = responses::decode_segment(body)?;
    if segment.id.as_str().eq_ignore_ascii_case(id.as_str()) {
        return Ok(segment);
    }
    Err(MalformedBody::unexpected(format!("`data.id` to be `{id}`")))
}
