//! What puts segments out of use and back: calls, and time.

use super::call::{Call, Reply};
use super::replies::Family;
use super::state::{Contents, State, after_days};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Days without a run after which a segment is archived.
const IDLE_DAYS: i64 = 60;

/// Days after which the users of an archived file segment are destroyed.
const KEPT_DAYS: i64 = 30;

/// `PATCH /v2/custom-segments/archive` and `…/unarchive`: `cs_id` decides over `name`, which has to be there.
pub(super) fn change(state: &mut State, now: Timestamp, call: &Call, archive: bool) -> Reply {
    let refused = |status, message: &str| Family::V2.error(status, message);
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
        None => state.named(name),
    };
    let Some(mut segment) = found.cloned() else {
        return refused(404, "no segment has this name or cs_id");
    };
    if archive && matches!(segment.contents, Contents::Cohort { .. }) {
        return refused(400, "only filter and file segments can be archived");
    }
    let answer = Reply::new(
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
    if !archive && state.settings.unarchive_checks_active_limit && state.is_full() {
        return Family::V2.active_limit(state);
    }
    segment.archived = archive.then_some(now);
    if !archive {
        // Otherwise it would be archived again for not having run.
        segment.last_run = now;
    }
    state.write(segment);
    answer
}

/// What time does on its own: archives what nothing ran for 60 days and what expired, and drops the users of files
/// that expired or were archived for more than 30 days.
pub(super) fn pass_time(state: &mut State, now: Timestamp) {
    for segment in state.segments.values_mut() {
        let idle = after_days(segment.last_run, IDLE_DAYS);
        let expires = match &segment.contents {
            Contents::File { expires, .. } => Some(*expires),
            Contents::Filters { .. } | Contents::Cohort { .. } => None,
        };
        let ends = expires.map_or(idle, |expires| expires.min(idle));
        if segment.archived.is_none() && ends <= now {
            segment.archived = Some(ends);
        }
        if let (Some(archived), Contents::File { expires, users, .. }) =
            (segment.archived, &mut segment.contents)
            && (after_days(archived, KEPT_DAYS) <= now || *expires <= now)
        {
            users.clear();
        }
    }
}
