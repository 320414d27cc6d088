//! Requests on file segments, which are accepted at once and processed later.

use super::addresses::{is_absolute_uri, is_email_address};
use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::list_types::{is_list_type, media_type};
use super::object_id::is_object_id;
use super::settings::FileRequestContentType;
use super::state::{FileJob, FileOperation, SandboxContents, SandboxSegment, SandboxState, plus_days};
use super::{json, name_rules};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `POST /v2/custom-segments/file-segment`
pub(super) fn create(state: &mut SandboxState, now: Timestamp, request: &HttpRequest) -> HttpResponse {
    try_create(state, now, request).unwrap_or_else(|error| error)
}

fn try_create(
    state: &mut SandboxState,
    now: Timestamp,
    request: &HttpRequest,
) -> Result<HttpResponse, HttpResponse> {
    check_content_type(state, request)?;
    let body = parse_body(request, "expiry_time")?;
    let days = body.get("expiry_time").and_then(Value::as_u64);
    let Some(days) = days.filter(|days| *days > 0) else {
        return Err(EndpointFamily::V2.error(400, "expiry_time: must be a number of days"));
    };
    let days = i64::try_from(days).unwrap_or(i64::MAX);
    let name = text_field(&body, "name");
    if state.find_name_holder(name).is_some() {
        return Err(EndpointFamily::V2.error(409, "a segment with this name exists already"));
    }
    if state.is_at_active_limit() {
        return Err(EndpointFamily::V2.active_limit_error(state));
    }
    let id = state.new_id();
    if name_rules::name_error(name).is_some() {
        // Accepted and silently dropped, as MoEngage does.
        return Ok(accepted_response(name, &id));
    }
    let contents = SandboxContents::File {
        attribute: text_field(&body, "attribute_name").to_owned(),
        expires: plus_days(now, days),
        users: BTreeMap::new(),
    };
    let segment = SandboxSegment::new(id.clone(), name.to_owned(), "API", now, contents);
    state.put_segment(segment);
    enqueue(state, &id, FileOperation::Add, &body);
    Ok(accepted_response(name, &id))
}

/// `PUT /v2/custom-segments/file-segment/{add-users,remove-users,replace}`: `cs_id` takes precedence over `name`.
pub(super) fn enqueue_change(
    state: &mut SandboxState,
    request: &HttpRequest,
    operation: FileOperation,
) -> HttpResponse {
    if let Err(error) = check_content_type(state, request) {
        return error;
    }
    let body = match parse_body(request, "cs_id") {
        Ok(body) => body,
        Err(error) => return error,
    };
    let found = match body.get("cs_id") {
        Some(Value::String(id)) if is_object_id(id) => state.segments.get(id),
        Some(_) => return EndpointFamily::V2.error(400, "cs_id: must be an object id"),
        None => state.find_by_current_name(text_field(&body, "name")),
    };
    let is_file = |segment: &&SandboxSegment| matches!(segment.contents, SandboxContents::File { .. });
    let Some(segment) = found.filter(is_file) else {
        return EndpointFamily::V2.error(404, "no file segment has this name or cs_id");
    };
    let (id, name) = (segment.id.clone(), segment.name.clone());
    enqueue(state, &id, operation, &body);
    accepted_response(&name, &id)
}

fn check_content_type(state: &SandboxState, request: &HttpRequest) -> Result<(), HttpResponse> {
    let content_type = request.header("content-type").map(media_type).unwrap_or_default();
    let is_accepted = match state.settings.file_request_content_type {
        FileRequestContentType::Json => content_type == "application/json",
        FileRequestContentType::List => is_list_type(&content_type),
    };
    if is_accepted {
        return Ok(());
    }
    let message = format!("Content-Type: `{content_type}` is not supported");
    Err(EndpointFamily::V2.error(400, &message))
}

fn enqueue(state: &mut SandboxState, id: &str, operation: FileOperation, body: &Map<String, Value>) {
    let request_id = state.new_id();
    let callback_url = body.get("callback_url").and_then(Value::as_str);
    state.jobs.push_back(FileJob {
        request_id,
        segment_id: id.to_owned(),
        operation,
        is_number: text_field(body, "attribute_type") == "double",
        file_url: text_field(body, "file_url").to_owned(),
        callback_url: callback_url.map(str::to_owned),
    });
}

fn accepted_response(name: &str, id: &str) -> HttpResponse {
    HttpResponse::new(
        202,
        json!({"message": "accepted", "success": true, "cs_name": name, "cs_id": id}),
    )
}

fn text_field<'a>(body: &'a Map<String, Value>, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Accepts the fields that all file requests have, and `own`, which only this one has.
fn parse_body(request: &HttpRequest, own: &str) -> Result<Map<String, Value>, HttpResponse> {
    const REQUIRED: [&str; 4] = ["name", "attribute_name", "attribute_type", "file_url"];
    const OPTIONAL: [&str; 2] = ["callback_url", "emails"];
    let reject = |message: &str| Err(EndpointFamily::V2.error(400, message));
    let Ok(Value::Object(body)) = json::from_body(&request.body) else {
        return reject("the body must be a JSON object");
    };
    let is_known = |key: &str| key == own || REQUIRED.contains(&key) || OPTIONAL.contains(&key);
    if let Some(key) = body.keys().find(|key| !is_known(key)) {
        return reject(&format!("{key}: unknown field"));
    }
    if let Some(key) = REQUIRED.into_iter().find(|key| text_field(&body, key).is_empty()) {
        return reject(&format!("{key}: must be a string that is not empty"));
    }
    if !matches!(text_field(&body, "attribute_type"), "string" | "double") {
        return reject("attribute_type: must be string or double");
    }
    // `file` is for lists on this machine, which the sandbox reads without a web server.
    if !is_absolute_uri(text_field(&body, "file_url"), &["http", "https", "file"]) {
        return reject("file_url: must be an absolute URI");
    }
    let is_url = |value: &Value| {
        let text = value.as_str();
        text.is_some_and(|text| is_absolute_uri(text, &["http", "https"]))
    };
    if body.get("callback_url").is_some_and(|url| !is_url(url)) {
        return reject("callback_url: must be an absolute URI");
    }
    let is_email = |value: &Value| value.as_str().is_some_and(is_email_address);
    let is_email_list = |value: &Value| {
        let items = value.as_array();
        items.is_some_and(|items| items.iter().all(is_email))
    };
    if body.get("emails").is_some_and(|emails| !is_email_list(emails)) {
        return reject("emails: must be a list of e-mail addresses");
    }
    Ok(body)
}
