//! Cohort sync.

use super::call::{Call, Reply};
use super::filter_segments::over_limit;
use super::names;
use super::replies::Family;
use super::state::{Contents, Segment, State};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The API's limit on one request, in bytes.
const BODY_LIMIT: usize = 128 * 1024;

/// A request in parts.
struct Sync {
    is_add: bool,
    partner: String,
    cohort_id: String,
    name: String,
    uids: BTreeSet<String>,
}

/// `POST /v1/integrations/cohortsync`
pub(super) fn sync(state: &mut State, now: Timestamp, call: &Call) -> Reply {
    if call.header("content-type").is_none() {
        return Family::V1.error(415, "Content-Type is missing");
    }
    if call.body.len() > BODY_LIMIT {
        return Family::V1.error(413, "the body is over 128 KB");
    }
    let sync = match read(call) {
        Ok(sync) => sync,
        Err(message) => return Family::V1.error(400, &message),
    };
    let is_same = |segment: &&mut Segment| {
        matches!(&segment.contents, Contents::Cohort { partner, cohort_id, .. }
            if *partner == sync.partner && *cohort_id == sync.cohort_id)
    };
    let done = Reply::new(200, json!({"status": "success", "message": "accepted"}));
    if let Some(segment) = state.segments.values_mut().find(is_same) {
        if let Contents::Cohort { members, .. } = &mut segment.contents {
            if sync.is_add {
                members.extend(sync.uids);
            } else {
                members.retain(|member| !sync.uids.contains(member));
            }
            segment.updated = now;
        }
        return done;
    }
    // Taken and then dropped without a word, as the original does.
    if names::fault(&sync.name).is_some() || state.holder_of(&sync.name).is_some() {
        return done;
    }
    if state.active() >= state.settings.active_limit {
        return over_limit(state.active(), state.settings.active_limit);
    }
    let id = state.new_id();
    let members = if sync.is_add { sync.uids } else { BTreeSet::new() };
    let segment = Segment {
        id: id.clone(),
        name: sync.name,
        source: "Cohort Sync".to_owned(),
        created: now,
        updated: now,
        last_run: now,
        archived: None,
        contents: Contents::Cohort {
            partner: sync.partner,
            cohort_id: sync.cohort_id,
            members,
        },
    };
    state.segments.insert(id, segment);
    done
}

fn read(call: &Call) -> Result<Sync, String> {
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return Err("the body must be a JSON object".to_owned());
    };
    let is_add = match text(&body, "action")? {
        "add_members" => true,
        "remove_members" => false,
        _ => return Err("action: must be add_members or remove_members".to_owned()),
    };
    let Some(Value::Object(parameters)) = body.get("parameters") else {
        return Err("parameters: must be an object".to_owned());
    };
    let Some(Value::Array(members)) = parameters.get("members") else {
        return Err("parameters.members: must be a list".to_owned());
    };
    let uid = |member: &Value| member.get("uid").and_then(Value::as_str).map(str::to_owned);
    let uids: Option<BTreeSet<String>> = members.iter().map(uid).collect();
    Ok(Sync {
        is_add,
        partner: text(&body, "partner")?.to_owned(),
        cohort_id: text(parameters, "cohort_id")?.to_owned(),
        name: text(parameters, "cohort_name")?.to_owned(),
        uids: uids.ok_or("parameters.members: must be objects with a uid")?,
    })
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    let text = fields
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("{key}: must be a string that is not empty"))
}
