//! Cohort sync. The partner and the cohort id identify a cohort; its first name stays.

use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::json;
use super::name_rules;
use super::state::{SandboxContents, SandboxSegment, SandboxState};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The API's limit on one request, in bytes.
const BODY_LIMIT: usize = 128 * 1024;

struct CohortSyncRequest {
    is_add: bool,
    partner: String,
    cohort_id: String,
    name: String,
    uids: BTreeSet<String>,
}

struct InvalidField(&'static str, &'static str);

/// `POST /v1/integrations/cohortsync`
pub(super) fn sync(state: &mut SandboxState, now: Timestamp, request: &HttpRequest) -> HttpResponse {
    if !request.has_json_content_type() {
        return EndpointFamily::V1.error(415, "Content-Type must be application/json");
    }
    if request.body.len() > BODY_LIMIT {
        return EndpointFamily::V1.error(413, "the body is over 128 KB");
    }
    let sync = match parse_request(request) {
        Ok(sync) => sync,
        Err(InvalidField(attribute, must)) => {
            let mut more = Map::new();
            more.insert("attribute".to_owned(), attribute.into());
            return EndpointFamily::V1.error_with(400, &format!("{attribute}: {must}"), more);
        }
    };
    let success = HttpResponse::new(200, json!({"status": "success", "message": "accepted"}));
    let is_same = |segment: &&SandboxSegment| {
        matches!(&segment.contents, SandboxContents::Cohort { partner, cohort_id, .. }
            if *partner == sync.partner && *cohort_id == sync.cohort_id)
    };
    if let Some(mut segment) = state.segments.values().find(is_same).cloned() {
        if let SandboxContents::Cohort { members, .. } = &mut segment.contents {
            if sync.is_add {
                members.extend(sync.uids);
            } else {
                members.retain(|member| !sync.uids.contains(member));
            }
        }
        segment.updated = now;
        state.put_segment(segment);
        return success;
    }
    // Accepted and silently dropped, as MoEngage does.
    if name_rules::name_error(&sync.name).is_some() || state.find_name_holder(&sync.name).is_some() {
        return success;
    }
    if state.is_at_active_limit() {
        return EndpointFamily::V1.active_limit_error(state);
    }
    let contents = SandboxContents::Cohort {
        partner: sync.partner,
        cohort_id: sync.cohort_id,
        members: if sync.is_add { sync.uids } else { BTreeSet::new() },
    };
    let segment = SandboxSegment::new(state.new_id(), sync.name, "Cohort Sync", now, contents);
    state.put_segment(segment);
    success
}

fn parse_request(request: &HttpRequest) -> Result<CohortSyncRequest, InvalidField> {
    let Ok(Value::Object(body)) = json::from_body(&request.body) else {
        return Err(InvalidField("body", "must be a JSON object"));
    };
    if has_unknown_fields(&body, &["action", "partner", "parameters"]) {
        return Err(InvalidField("body", "has an unknown field"));
    }
    let is_add = match required_text(&body, "action")? {
        "add_members" => true,
        "remove_members" => false,
        _ => return Err(InvalidField("action", "must be add_members or remove_members")),
    };
    let Some(Value::Object(parameters)) = body.get("parameters") else {
        return Err(InvalidField("parameters", "must be an object"));
    };
    let known = ["cohort_name", "cohort_id", "cohort_description", "members"];
    if has_unknown_fields(parameters, &known) {
        return Err(InvalidField("parameters", "has an unknown field"));
    }
    let description = parameters.get("cohort_description");
    if description.is_some_and(|text| !text.is_string()) {
        return Err(InvalidField("cohort_description", "must be a string"));
    }
    let members = parameters.get("members").and_then(Value::as_array);
    let uid = |member: &Value| {
        let fields = member.as_object().filter(|fields| fields.len() == 1)?;
        let uid = fields.get("uid")?.as_str().filter(|uid| !uid.is_empty())?;
        Some(uid.to_owned())
    };
    let uids = members.and_then(|members| members.iter().map(uid).collect());
    Ok(CohortSyncRequest {
        is_add,
        partner: required_text(&body, "partner")?.to_owned(),
        cohort_id: required_text(parameters, "cohort_id")?.to_owned(),
        name: required_text(parameters, "cohort_name")?.to_owned(),
        uids: uids.ok_or(InvalidField("members", "must be a list of objects with a uid"))?,
    })
}

fn has_unknown_fields(fields: &Map<String, Value>, known: &[&str]) -> bool {
    fields.keys().any(|key| !known.contains(&key.as_str()))
}

fn required_text<'a>(fields: &'a Map<String, Value>, key: &'static str) -> Result<&'a str, InvalidField> {
    let text = fields.get(key).and_then(Value::as_str);
    text.filter(|text| !text.is_empty())
        .ok_or(InvalidField(key, "must be a string that is not empty"))
}
