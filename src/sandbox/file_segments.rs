//! File segments: taken at once, processed later.

use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::name_rules;
use super::state::{FileJob, FileOperation, SandboxContents, SandboxSegment, SandboxState, plus_days};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `POST /v2/custom-segments/file-segment`
pub(super) fn create(state: &mut SandboxState, now: Timestamp, call: &HttpRequest) -> HttpResponse {
    try_create(state, now, call).unwrap_or_else(|refused| refused)
}

fn try_create(
    state: &mut SandboxState,
    now: Timestamp,
    call: &HttpRequest,
) -> Result<HttpResponse, HttpResponse> {
    let body = parse_body(call, "expiry_time")?;
    let days = body.get("expiry_time").and_then(Value::as_i64);
    let Some(days) = days.filter(|days| *days > 0) else {
        return Err(EndpointFamily::V2.error(400, "expiry_time: must be a number of days"));
    };
    let name = text_field(&body, "name");
    if state.find_name_holder(name).is_some() {
        return Err(EndpointFamily::V2.error(409, "a segment with this name exists already"));
    }
    if state.is_at_active_limit() {
        return Err(EndpointFamily::V2.active_limit_error(state));
    }
    let id = state.new_id();
    if name_rules::name_error(name).is_some() {
        // Taken and then dropped without a word, as the original does.
        return Ok(accepted_response(name, &id));
    }
    let contents = SandboxContents::File {
        attribute: text_field(&body, "attribute_name").to_owned(),
        expires: plus_days(now, days),
        users: BTreeMap::new(),
    };
    state.put_segment(SandboxSegment::new(
        id.clone(),
        name.to_owned(),
        "API",
        now,
        contents,
    ));
    enqueue(state, &id, FileOperation::Add, &body);
    Ok(accepted_response(name, &id))
}

/// `PUT /v2/custom-segments/file-segment/{add-users,remove-users,replace}`: `cs_id` decides over `name`.
pub(super) fn enqueue_change(
    state: &mut SandboxState,
    call: &HttpRequest,
    operation: FileOperation,
) -> HttpResponse {
    let body = match parse_body(call, "cs_id") {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let found = match body.get("cs_id") {
        Some(Value::String(id)) => state.segments.get(id),
        Some(_) => return EndpointFamily::V2.error(400, "cs_id: must be a string"),
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

/// The fields that all file calls have, and `own`, which only this one has.
fn parse_body(call: &HttpRequest, own: &str) -> Result<Map<String, Value>, HttpResponse> {
    const REQUIRED: [&str; 4] = ["name", "attribute_name", "attribute_type", "file_url"];
    const OPTIONAL: [&str; 2] = ["callback_url", "emails"];
    let refused = |message: &str| Err(EndpointFamily::V2.error(400, message));
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return refused("the body must be a JSON object");
    };
    let is_known = |key: &str| key == own || REQUIRED.contains(&key) || OPTIONAL.contains(&key);
    if let Some(key) = body.keys().find(|key| !is_known(key)) {
        return refused(&format!("{key}: unknown field"));
    }
    if let Some(key) = REQUIRED.into_iter().find(|key| text_field(&body, key).is_empty()) {
        return refused(&format!("{key}: must be a string that is not empty"));
    }
    if !matches!(text_field(&body, "attribute_type"), "string" | "double") {
        return refused("attribute_type: must be string or double");
    }
    if body.get("callback_url").is_some_and(|url| !url.is_string()) {
        return refused("callback_url: must be a string");
    }
    let are_texts = |value: &Value| {
        value
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_string))
    };
    if body.get("emails").is_some_and(|emails| !are_texts(emails)) {
        return refused("emails: must be a list of strings");
    }
    Ok(body)
}
