//! Archive and unarchive, by id or by name.

use super::call::{Call, Reply};
use super::filter_segments::active_limit;
use super::replies::Family;
use super::state::State;
use jiff::Timestamp;
use serde_json::{Value, json};

/// `PATCH /v2/custom-segments/archive` and `…/unarchive`
pub(super) fn change(state: &mut State, now: Timestamp, call: &Call, archive: bool) -> Reply {
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return Family::V2.error(400, "the body must be a JSON object");
    };
    if let Some(key) = body.keys().find(|key| !matches!(key.as_str(), "name" | "cs_id")) {
        return Family::V2.error(400, &format!("{key}: unknown field"));
    }
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Family::V2.error(400, "name: must be a string");
    };
    let found = match body.get("cs_id") {
        Some(Value::String(id)) => state.segments.get(id),
        Some(_) => return Family::V2.error(400, "cs_id: must be a string"),
        None => state.named(name),
    };
    let Some(segment) = found else {
        return Family::V2.error(404, "no segment has this name or cs_id");
    };
    let (id, is_archived) = (segment.id.clone(), segment.archived.is_some());
    if is_archived == archive && !state.settings.archive_idempotent {
        return Family::V2.error(400, "the segment is so already");
    }
    if !archive
        && is_archived
        && state.settings.unarchive_checks_active_limit
        && let Some(refused) = active_limit(state)
    {
        return refused;
    }
    let Some(segment) = state.segments.get_mut(&id) else {
        return Family::V2.error(500, "the segment is gone");
    };
    segment.archived = archive.then(|| segment.archived.unwrap_or(now));
    if !archive {
        // Otherwise it would be archived again for not having run.
        segment.last_run = now;
    }
    Reply::new(
        200,
        json!({"message": "done", "success": true, "cs_name": segment.name}),
    )
}
