//! What puts segments out of use and back: calls, and time.

use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::state::{SandboxContents, SandboxState, plus_days};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Days without a run after which a segment is archived.
const IDLE_ARCHIVE_DAYS: i64 = 60;

/// Days after which the users of an archived file segment are destroyed.
const USER_RETENTION_DAYS: i64 = 30;

/// `PATCH /v2/custom-segments/archive` and `…/unarchive`: `cs_id` decides over `name`, which has to be there.
pub(super) fn set_archived(
    state: &mut SandboxState,
    now: Timestamp,
    call: &HttpRequest,
    archive: bool,
) -> HttpResponse {
    let refused = |status, message: &str| EndpointFamily::V2.error(status, message);
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return refused(400, "the body must be a JSON object");
    };
    if let Some(key) = body.keys().find(|key| !matches!(key.as_str(), "name" | "cs_id")) {
        return refused(400, &format!("{key}: unknown field"));
    }
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return refused(400, "name: must be a string");
    };
    let found = match body.get("cs_id") {
        Some(Value::String(id)) => state.segments.get(id),
        Some(_) => return refused(400, "cs_id: must be a string"),
        None => state.find_by_current_name(name),
    };
    let Some(mut segment) = found.cloned() else {
        return refused(404, "no segment has this name or cs_id");
    };
    if archive && matches!(segment.contents, SandboxContents::Cohort { .. }) {
        return refused(400, "only filter and file segments can be archived");
    }
    let answer = HttpResponse::new(
        200,
        json!({"message": "done", "success": true, "cs_name": segment.name}),
    );
    if segment.archived.is_some() == archive {
        return if state.settings.archive_idempotent {
            answer
        } else {
            refused(400, "the segment is so already")
        };
    }
    if !archive && state.settings.unarchive_checks_active_limit && state.is_at_active_limit() {
        return EndpointFamily::V2.active_limit_error(state);
    }
    segment.archived = archive.then_some(now);
    if !archive {
        // Otherwise it would be archived again for not having run.
        segment.last_run = now;
    }
    state.put_segment(segment);
    answer
}

/// What time does on its own: archives what nothing ran for 60 days and what expired, and drops the users of files
/// that expired or were archived for more than 30 days.
pub(super) fn apply_elapsed_time(state: &mut SandboxState, now: Timestamp) {
    for segment in state.segments.values_mut() {
        let idle = plus_days(segment.last_run, IDLE_ARCHIVE_DAYS);
        let expires = match &segment.contents {
            SandboxContents::File { expires, .. } => Some(*expires),
            SandboxContents::Filters { .. } | SandboxContents::Cohort { .. } => None,
        };
        let ends = expires.map_or(idle, |expires| expires.min(idle));
        if segment.archived.is_none() && ends <= now {
            segment.archived = Some(ends);
        }
        if let (Some(archived), SandboxContents::File { expires, users, .. }) =
            (segment.archived, &mut segment.contents)
            && (plus_days(archived, USER_RETENTION_DAYS) <= now || *expires <= now)
        {
            users.clear();
        }
    }
}
