//! What becomes of a file of users once it is there.

use super::file_contents;
use super::state::{Contents, FileOperation, Job, Segment, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values that are matched at once, and the users that they can add together.
const BATCH: usize = 2000;

/// Users that files may add in 24 hours.
const USERS_PER_DAY: usize = 2_000_000;

/// Users by the value that stands for them.
type Users = BTreeMap<String, usize>;

/// Does a job with the file it asked for, or with the reason why there is none; what the callback says comes back.
pub(super) fn process(state: &mut State, job: &Job, file: Result<Vec<u8>, String>, now: Timestamp) -> Value {
    let Some(segment) = state.segments.get(&job.segment_id) else {
        return failed("", job, 500, "the segment is gone");
    };
    let name = segment.name.clone();
    let Contents::File { attribute, users, .. } = &segment.contents else {
        return failed(&name, job, 500, "the segment holds no file");
    };
    let read = match file {
        Ok(bytes) => file_contents::read(&bytes),
        Err(message) => {
            // As documented: a file that cannot be had leaves the segment with nobody.
            set_users(state, &job.segment_id, Users::new(), now);
            return failed(&name, job, 400, &message);
        }
    };
    let matching = matching(state.settings.users.get(attribute), &read.values, job.is_number);
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
    if added_today(state, now) + added > USERS_PER_DAY {
        return failed(&name, job, 400, "the limit of users added in a day is reached");
    }
    state.users_added.push_back((now, added));
    let count: usize = after.values().sum();
    set_users(state, &job.segment_id, after, now);
    json!({"segment_name": name, "request_id": job.request_id, "values_found": read.found,
           "values_processed": read.values.len(), "user_count": count, "status": 201})
}

fn failed(name: &str, job: &Job, status: u16, message: &str) -> Value {
    json!({"segment_name": name, "request_id": job.request_id, "status": status, "error_message": message})
}

/// The users whom `values` stand for. A value that several users share may fill its batch, and then the others of
/// the batch find no room.
fn matching(existing: Option<&Vec<String>>, values: &[String], is_number: bool) -> Users {
    let mut known = Users::new();
    for value in existing.into_iter().flatten() {
        if let Some(value) = normal(value, is_number) {
            *known.entry(value).or_default() += 1;
        }
    }
    let mut users = Users::new();
    for batch in values.chunks(BATCH) {
        let mut room = BATCH;
        for value in batch.iter().filter_map(|value| normal(value, is_number)) {
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
fn normal(value: &str, is_number: bool) -> Option<String> {
    if is_number {
        // The standard library also reads `nan` and `inf`, which no user has for a number; -0 is 0.
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite())?;
        Some((number + 0.0).to_string())
    } else {
        Some(value.to_owned())
    }
}

fn added_today(state: &mut State, now: Timestamp) -> usize {
    let since = now
        .checked_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MIN);
    while state.users_added.front().is_some_and(|(when, _)| *when <= since) {
        state.users_added.pop_front();
    }
    state.users_added.iter().map(|(_, users)| users).sum()
}

fn set_users(state: &mut State, id: &str, after: Users, now: Timestamp) {
    if let Some(Segment {
        contents: Contents::File { users, .. },
        updated,
        ..
    }) = state.segments.get_mut(id)
    {
        *users = after;
        *updated = now;
    }
}
