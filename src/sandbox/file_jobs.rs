//! Processes a member list after its download.

use super::file_parser;
use super::state::{FileJob, FileOperation, SandboxContents, SandboxState};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The number of values that are matched together, and the maximum number of users that they match.
const BATCH_SIZE: usize = 2000;

/// The maximum number of users that files add in 24 hours.
const DAILY_USER_LIMIT: usize = 2_000_000;

/// The maximum number of users in one file segment.
pub(super) const SEGMENT_USER_LIMIT: usize = 5_000_000;

/// The number of users by the value that they share.
type UsersByValue = BTreeMap<String, usize>;

/// Processes a downloaded file, or the reason why there is none, and returns the body of the callback.
pub(super) fn process(
    state: &mut SandboxState,
    job: &FileJob,
    file: Result<Vec<u8>, String>,
    now: Timestamp,
) -> Value {
    let Some(segment) = state.segments.get(&job.segment_id) else {
        return failure_callback("", job, 500, "the segment does not exist");
    };
    let name = segment.name.clone();
    let SandboxContents::File { attribute, users, .. } = &segment.contents else {
        return failure_callback(&name, job, 500, "the segment is not a file segment");
    };
    let file = match file {
        Ok(bytes) => file_parser::parse_file(&bytes),
        Err(message) => {
            // MoEngage documents that a failed download leaves the segment empty.
            set_users(state, &job.segment_id, UsersByValue::new(), now);
            return failure_callback(&name, job, 400, &message);
        }
    };
    let matching = match_users(state.settings.users.get(attribute), &file.values, job.is_number);
    let after: UsersByValue = match job.operation {
        FileOperation::Add => users
            .iter()
            .chain(&matching)
            .map(|(value, count)| (value.clone(), *count))
            .collect(),
        FileOperation::Remove => {
            let mut remaining = users.clone();
            remaining.retain(|value, _| !matching.contains_key(value));
            remaining
        }
        FileOperation::Replace => matching,
    };
    if after.values().sum::<usize>() > SEGMENT_USER_LIMIT {
        return failure_callback(&name, job, 400, "the segment would have over 5,000,000 users");
    }
    // For a replacement only the new users count.
    let new = after.iter().filter(|(value, _)| !users.contains_key(*value));
    let added: usize = new.map(|(_, count)| *count).sum();
    if users_added_in_last_day(state, now) + added > DAILY_USER_LIMIT {
        return failure_callback(&name, job, 400, "the daily limit of added users is reached");
    }
    state.users_added.push_back((now, added));
    set_users(state, &job.segment_id, after, now);
    json!({"segment_name": name, "request_id": job.request_id, "values_found": file.lines_found,
           "values_processed": file.values.len(), "user_count": added, "status": 201})
}

fn failure_callback(name: &str, job: &FileJob, status: u16, message: &str) -> Value {
    json!({"segment_name": name, "request_id": job.request_id, "status": status, "error_message": message})
}

/// The users that `values` identify. A value that many users share can fill its batch, so that later values of the
/// batch match no users.
fn match_users(existing: Option<&Vec<String>>, values: &[String], is_number: bool) -> UsersByValue {
    let mut existing_users = UsersByValue::new();
    for value in existing.into_iter().flatten() {
        if let Some(value) = canonical_value(value, is_number) {
            *existing_users.entry(value).or_default() += 1;
        }
    }
    let mut users = UsersByValue::new();
    for batch in values.chunks(BATCH_SIZE) {
        let mut remaining = BATCH_SIZE;
        for value in batch.iter().filter_map(|value| canonical_value(value, is_number)) {
            let all = match existing {
                Some(_) => existing_users.get(&value).copied().unwrap_or(0),
                None => 1,
            };
            let matched = all.min(remaining);
            if matched > 0 {
                remaining -= matched;
                users.insert(value, matched);
            }
        }
    }
    users
}

/// Numbers are compared as numbers; a text that is not a number matches no user.
fn canonical_value(value: &str, is_number: bool) -> Option<String> {
    if is_number {
        // The standard library also parses `nan` and `inf`, which no user has. Adding 0 turns -0 into 0.
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
    while state.users_added.front().is_some_and(|(time, _)| *time <= since) {
        state.users_added.pop_front();
    }
    state.users_added.iter().map(|(_, users)| users).sum()
}

fn set_users(state: &mut SandboxState, id: &str, after: UsersByValue, now: Timestamp) {
    let Some(segment) = state.segments.get_mut(id) else {
        return;
    };
    if let SandboxContents::File { users, .. } = &mut segment.contents {
        *users = after;
        segment.updated = now;
        let changes_at = segment.changes_at();
        state.expect_change(changes_at);
    }
}
