//! What becomes of a file of users once it is there.

use super::file_parser;
use super::state::{FileJob, FileOperation, SandboxContents, SandboxSegment, SandboxState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values that are matched at once, and the users that they can add together.
const BATCH_SIZE: usize = 2000;

/// Users that files may add in 24 hours.
const DAILY_USER_LIMIT: usize = 2_000_000;

/// Users by the value that stands for them.
type UsersByValue = BTreeMap<String, usize>;

/// Does a job with the file it asked for, or with the reason why there is none; what the callback says comes back.
pub(super) fn process(
    state: &mut SandboxState,
    job: &FileJob,
    file: Result<Vec<u8>, String>,
    now: Timestamp,
) -> Value {
    let Some(segment) = state.segments.get(&job.segment_id) else {
        return failure_callback("", job, 500, "the segment is gone");
    };
    let name = segment.name.clone();
    let SandboxContents::File { attribute, users, .. } = &segment.contents else {
        return failure_callback(&name, job, 500, "the segment holds no file");
    };
    let read = match file {
        Ok(bytes) => file_parser::parse_file(&bytes),
        Err(message) => {
            // As documented: a file that cannot be had leaves the segment with nobody.
            set_users(state, &job.segment_id, UsersByValue::new(), now);
            return failure_callback(&name, job, 400, &message);
        }
    };
    let matching = match_users(state.settings.users.get(attribute), &read.values, job.is_number);
    let after = match job.operation {
        FileOperation::Add => users
            .iter()
            .chain(&matching)
            .map(|(value, count)| (value.clone(), *count))
            .collect(),
        FileOperation::Remove => {
            let mut left = users.clone();
            left.retain(|value, _| !matching.contains_key(value));
            left
        }
        FileOperation::Replace => matching,
    };
    // A replacement counts only whom it adds.
    let new = after.iter().filter(|(value, _)| !users.contains_key(*value));
    let added: usize = new.map(|(_, count)| *count).sum();
    if users_added_in_last_day(state, now) + added > DAILY_USER_LIMIT {
        return failure_callback(&name, job, 400, "the limit of users added in a day is reached");
    }
    state.users_added.push_back((now, added));
    let count: usize = after.values().sum();
    set_users(state, &job.segment_id, after, now);
    json!({"segment_name": name, "request_id": job.request_id, "values_found": read.lines_found,
           "values_processed": read.values.len(), "user_count": count, "status": 201})
}

fn failure_callback(name: &str, job: &FileJob, status: u16, message: &str) -> Value {
    json!({"segment_name": name, "request_id": job.request_id, "status": status, "error_message": message})
}

/// The users whom `values` stand for. A value that several users share may fill its batch, and then the others of
/// the batch find no room.
fn match_users(existing: Option<&Vec<String>>, values: &[String], is_number: bool) -> UsersByValue {
    let mut known = UsersByValue::new();
    for value in existing.into_iter().flatten() {
        if let Some(value) = canonical_value(value, is_number) {
            *known.entry(value).or_default() += 1;
        }
    }
    let mut users = UsersByValue::new();
    for batch in values.chunks(BATCH_SIZE) {
        let mut room = BATCH_SIZE;
        for value in batch.iter().filter_map(|value| canonical_value(value, is_number)) {
            let all = if existing.is_some() {
                known.get(&value).copied().unwrap_or(0)
            } else {
                1
            };
            let taken = all.min(room);
            if taken > 0 {
                room -= taken;
                users.insert(value, taken);
            }
        }
    }
    users
}

/// Numbers are compared as numbers; what is none matches nobody.
fn canonical_value(value: &str, is_number: bool) -> Option<String> {
    if is_number {
        // The standard library also reads `nan` and `inf`, which no user has for a number; -0 is 0.
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite())?;
        Some((number + 0.0).to_string())
    } else {
        Some(value.to_owned())
    }
}

fn users_added_in_last_day(state: &mut SandboxState, now: Timestamp) -> usize {
    let since = now
        .checked_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MIN);
    while state.users_added.front().is_some_and(|(when, _)| *when <= since) {
        state.users_added.pop_front();
    }
    state.users_added.iter().map(|(_, users)| users).sum()
}

fn set_users(state: &mut SandboxState, id: &str, after: UsersByValue, now: Timestamp) {
    if let Some(SandboxSegment {
        contents: SandboxContents::File { users, .. },
        updated,
        ..
    }) = state.segments.get_mut(id)
    {
        *users = after;
        *updated = now;
    }
}
