//! File segments: taken at once, processed later, one file after the other.

use super::call::{Call, Reply};
use super::file_contents;
use super::filter_segments::active_limit;
use super::names;
use super::replies::Family;
use super::state::{Contents, FileOperation, Job, Segment, State, after_days};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Users that files may add in a day.
const USERS_PER_DAY: usize = 2_000_000;

/// `POST /v2/custom-segments/file-segment`
pub(super) fn create(state: &mut State, now: Timestamp, call: &Call) -> Reply {
    let body = match body(call, &["expiry_time"]) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(days) = body
        .get("expiry_time")
        .and_then(Value::as_i64)
        .filter(|days| *days > 0)
    else {
        return Family::V2.error(400, "expiry_time: must be a number of days");
    };
    let name = text(&body, "name");
    if state.holder_of(name).is_some() {
        return Family::V2.error(409, "a segment with this name exists already");
    }
    if let Some(refused) = active_limit(state) {
        return refused;
    }
    let id = state.new_id();
    if names::fault(name).is_some() {
        // Taken and then dropped without a word, as the original does.
        return accepted(name, &id);
    }
    let attribute = text(&body, "attribute_name").to_owned();
    let contents = Contents::File {
        attribute,
        expires: after_days(now, days),
        users: BTreeSet::new(),
    };
    let segment = Segment {
        id: id.clone(),
        name: name.to_owned(),
        source: "API".to_owned(),
        created: now,
        updated: now,
        last_run: now,
        archived: None,
        contents,
    };
    state.segments.insert(id.clone(), segment);
    enqueue(state, &id, FileOperation::Add, &body);
    accepted(name, &id)
}

/// `PUT /v2/custom-segments/file-segment/{add-users,remove-users,replace}`
pub(super) fn change(state: &mut State, call: &Call, operation: FileOperation) -> Reply {
    let body = match body(call, &["cs_id"]) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let found = match body.get("cs_id").and_then(Value::as_str) {
        Some(id) => state.segments.get(id),
        None => state.named(text(&body, "name")),
    };
    let is_file = |segment: &&Segment| matches!(segment.contents, Contents::File { .. });
    let Some(segment) = found.filter(is_file) else {
        return Family::V2.error(404, "no file segment has this name or cs_id");
    };
    let (id, name) = (segment.id.clone(), segment.name.clone());
    enqueue(state, &id, operation, &body);
    accepted(&name, &id)
}

/// Does a job with the file it asked for; what the callback says comes back.
pub(super) fn process(state: &mut State, job: &Job, file: Result<Vec<u8>, String>, now: Timestamp) -> Value {
    let Some(Contents::File { attribute, users, .. }) = state
        .segments
        .get(&job.segment_id)
        .map(|segment| segment.contents.clone())
    else {
        return json!({"request_id": job.request_id, "status": 500, "error_message": "the segment is gone"});
    };
    let name = state
        .segments
        .get(&job.segment_id)
        .map(|segment| segment.name.clone())
        .unwrap_or_default();
    let read = match file {
        Ok(bytes) => file_contents::read(&bytes),
        Err(message) => {
            let body = json!({"segment_name": name, "request_id": job.request_id, "status": 400, "error_message": message});
            return set_users(state, job, BTreeSet::new(), body);
        }
    };
    let matching: BTreeSet<String> = match state.settings.users.get(&attribute) {
        Some(existing) => read
            .values
            .iter()
            .filter(|value| existing.contains(value))
            .cloned()
            .collect(),
        None => read.values.iter().cloned().collect(),
    };
    let after: BTreeSet<String> = match job.operation {
        FileOperation::Add => users.union(&matching).cloned().collect(),
        FileOperation::Remove => users.difference(&matching).cloned().collect(),
        FileOperation::Replace => matching,
    };
    let added = after.difference(&users).count();
    let today = state
        .users_added
        .entry(now.strftime("%Y-%m-%d").to_string())
        .or_default();
    if *today + added > USERS_PER_DAY {
        return json!({"segment_name": name, "request_id": job.request_id, "status": 400,
                      "error_message": "the limit of users added in a day is reached"});
    }
    *today += added;
    let body = json!({"segment_name": name, "request_id": job.request_id, "values_found": read.found,
                      "values_processed": read.values.len(), "user_count": after.len(), "status": 201});
    set_users(state, job, after, body)
}

fn set_users(state: &mut State, job: &Job, after: BTreeSet<String>, answer: Value) -> Value {
    if let Some(Segment {
        contents: Contents::File { users, .. },
        ..
    }) = state.segments.get_mut(&job.segment_id)
    {
        *users = after;
    }
    answer
}

fn enqueue(state: &mut State, id: &str, operation: FileOperation, body: &Map<String, Value>) {
    let request_id = state.new_id();
    let optional = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    state.jobs.push_back(Job {
        request_id,
        segment_id: id.to_owned(),
        operation,
        file_url: text(body, "file_url").to_owned(),
        callback_url: optional("callback_url"),
    });
}

fn accepted(name: &str, id: &str) -> Reply {
    Reply::new(
        202,
        json!({"message": "accepted", "success": true, "cs_name": name, "cs_id": id}),
    )
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn body(call: &Call, more: &[&str]) -> Result<Map<String, Value>, Reply> {
    let refused = |message: &str| Err(Family::V2.error(400, message));
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return refused("the body must be a JSON object");
    };
    let known = [
        "name",
        "attribute_name",
        "attribute_type",
        "file_url",
        "callback_url",
        "emails",
    ];
    if let Some(key) = body
        .keys()
        .find(|key| !known.contains(&key.as_str()) && !more.contains(&key.as_str()))
    {
        return refused(&format!("{key}: unknown field"));
    }
    for key in ["name", "attribute_name", "attribute_type", "file_url"] {
        if text(&body, key).is_empty() {
            return refused(&format!("{key}: must be a string that is not empty"));
        }
    }
    if !matches!(text(&body, "attribute_type"), "string" | "double") {
        return refused("attribute_type: must be string or double");
    }
    Ok(body)
}
