//! Archiving and unarchiving: by requests, and after a time.

use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::json;
use super::object_id::is_object_id;
use super::state::{SandboxContents, SandboxSegment, SandboxState};
use jiff::Timestamp;
use serde_json::{Value, json};

/// `PATCH /v2/custom-segments/archive` and `…/unarchive`: `name` is required, and `cs_id` takes precedence over it.
pub(super) fn set_archived(
    state: &mut SandboxState,
    now: Timestamp,
    request: &HttpRequest,
    archive: bool,
) -> HttpResponse {
    let error = |status, message: &str| EndpointFamily::V2.error(status, message);
    if !request.has_json_content_type() {
        return error(400, "Content-Type must be application/json");
    }
    let Ok(Value::Object(body)) = json::from_body(&request.body) else {
        return error(400, "the body must be a JSON object");
    };
    if let Some(key) = body.keys().find(|key| !matches!(key.as_str(), "name" | "cs_id")) {
        return error(400, &format!("{key}: unknown field"));
    }
    let name = body.get("name").and_then(Value::as_str);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return error(400, "name: must be a string that is not empty");
    };
    let found = match body.get("cs_id") {
        Some(Value::String(id)) if is_object_id(id) => state.segments.get(id),
        Some(_) => return error(400, "cs_id: must be an object id"),
        None => state.find_by_current_name(name),
    };
    let Some(mut segment) = found.cloned() else {
        return error(404, "no segment has this name or cs_id");
    };
    if archive && matches!(segment.contents, SandboxContents::Cohort { .. }) {
        return error(400, "only filter and file segments can be archived");
    }
    let success = HttpResponse::new(
        200,
        json!({"message": "done", "success": true, "cs_name": segment.name}),
    );
    if segment.archived.is_some() == archive {
        return match (state.settings.archive_idempotent, archive) {
            (true, _) => success,
            (false, true) => error(400, "the segment is already archived"),
            (false, false) => error(400, "the segment is already active"),
        };
    }
    if !archive && state.settings.unarchive_checks_active_limit && state.is_at_active_limit() {
        return EndpointFamily::V2.active_limit_error(state);
    }
    segment.archived = archive.then_some(now);
    if !archive {
        // Without this, the next idle check would archive it again.
        segment.last_run = now;
    }
    state.put_segment(segment);
    success
}

/// Archives segments that expired or were idle for 60 days. Deletes the users of file segments that expired or were
/// archived 30 days ago.
pub(super) fn apply_elapsed_time(state: &mut SandboxState, now: Timestamp) {
    if state.next_change.is_some_and(|next| now < next) {
        return;
    }
    for segment in state.segments.values_mut() {
        while segment.changes_at() <= now {
            if segment.archived.is_none() {
                segment.archived = Some(segment.archived_at());
            } else if let SandboxContents::File { users, .. } = &mut segment.contents {
                users.clear();
            }
        }
    }
    state.next_change = state.segments.values().map(SandboxSegment::changes_at).min();
}
