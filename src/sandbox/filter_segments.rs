//! Requests on filter segments: list, get, create and update.

use super::addresses::is_email_address;
use super::definition::{
    DefinitionJson, describe, echo_definition, equality_key, unwrap_single_groups, validate,
};
use super::error_responses::EndpointFamily;
use super::http_message::{HttpRequest, HttpResponse};
use super::json;
use super::object_id::is_object_id;
use super::settings::{ListedKinds, MissingExcludedBehavior, SandboxSettings, UnchangedUpdateBehavior};
use super::state::{SandboxContents, SandboxSegment, SandboxState};
use super::write_checks;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Only segments of these sources can be updated: not imported ones, and not those that MoEngage created.
const EDITABLE_SOURCES: [&str; 2] = ["API", "Segmentation"];

/// `GET /v3/custom-segments`
pub(super) fn list(
    segments: &BTreeMap<String, SandboxSegment>,
    settings: &SandboxSettings,
    request: &HttpRequest,
) -> HttpResponse {
    let name_filter = request.query.get("name");
    let is_listed = |segment: &&SandboxSegment| {
        (segment.archived.is_none() || settings.list_includes_archived)
            && shows_kind(settings.list_shows, segment)
            && name_filter.is_none_or(|name| *name == segment.name)
    };
    let row = |segment: &SandboxSegment| {
        json!({"name": segment.name, "id": segment.id, "created_time": format_time(segment.created),
               "type": segment_type(segment), "source": segment.source})
    };
    let rows: Vec<Value> = segments.values().filter(is_listed).map(row).collect();
    HttpResponse::new(
        200,
        json!({"data": rows, "response_id": "", "type": "custom_segment"}),
    )
}

fn shows_kind(listed: ListedKinds, segment: &SandboxSegment) -> bool {
    match (listed, &segment.contents) {
        (ListedKinds::All, _) | (_, SandboxContents::Filters { .. }) => true,
        (ListedKinds::FilterAndFile, SandboxContents::File { .. }) => true,
        (ListedKinds::Filter, SandboxContents::File { .. }) => false,
        (ListedKinds::Filter | ListedKinds::FilterAndFile, SandboxContents::Cohort { .. }) => false,
    }
}

/// `GET /v3/custom-segments/{id}`
pub(super) fn get(state: &SandboxState, id: &str) -> HttpResponse {
    if !is_object_id(id) {
        return EndpointFamily::V3.error(400, "the id is not an object id");
    }
    match state.segments.get(id) {
        Some(segment) => HttpResponse::new(200, segment_response(state, segment)),
        None => EndpointFamily::V3.error(404, "no segment has this id"),
    }
}

/// `POST /v3/custom-segments`
pub(super) fn create(state: &mut SandboxState, now: Timestamp, request: &HttpRequest) -> HttpResponse {
    try_create(state, now, request).unwrap_or_else(|error| error)
}

fn try_create(
    state: &mut SandboxState,
    now: Timestamp,
    request: &HttpRequest,
) -> Result<HttpResponse, HttpResponse> {
    let body = parse_body(request, &["name", "included_filters", "excluded_filters"])?;
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Err(EndpointFamily::V3.error(400, "name: must be a string"));
    };
    let definition = parse_definition(&body)?;
    let error = write_checks::check_name(state, name, None)
        .or_else(|| write_checks::check_create(state, &definition));
    if let Some(error) = error {
        return Err(error);
    }
    if state.is_at_active_limit() {
        return Err(EndpointFamily::V3.active_limit_error(state));
    }
    let contents = stored_contents(state, definition);
    let segment = SandboxSegment::new(state.new_id(), name.to_owned(), "API", now, contents);
    let body = segment_response(state, &segment);
    state.put_segment(segment);
    Ok(HttpResponse::new(201, body))
}

/// `PATCH /v3/custom-segments/{id}`
pub(super) fn update(
    state: &mut SandboxState,
    now: Timestamp,
    id: &str,
    request: &HttpRequest,
) -> HttpResponse {
    try_update(state, now, id, request).unwrap_or_else(|error| error)
}

fn try_update(
    state: &mut SandboxState,
    now: Timestamp,
    id: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, HttpResponse> {
    let reject = |status, message: &str| Err(EndpointFamily::V3.error(status, message));
    if !is_object_id(id) {
        return reject(400, "the id is not an object id");
    }
    let known = ["name", "included_filters", "excluded_filters", "updated_by"];
    let body = parse_body(request, &known)?;
    let mut definition = parse_definition(&body)?;
    let is_email = |value: &Value| value.as_str().is_some_and(is_email_address);
    if body.get("updated_by").is_some_and(|value| !is_email(value)) {
        return reject(400, "updated_by: must be an e-mail address");
    }
    let Some(segment) = state.segments.get(id) else {
        return reject(404, "no segment has this id");
    };
    let Some(current) = updatable_definition(segment) else {
        return reject(403, "the segment is archived or not made of filters");
    };
    if !body.contains_key("excluded_filters")
        && state.settings.patch_without_excluded == MissingExcludedBehavior::Keep
    {
        definition.1.clone_from(&current.1);
    }
    let name = match body.get("name") {
        None => segment.name.clone(),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return reject(400, "name: must be a string"),
    };
    if name == segment.name && is_same_definition(state, &current, &definition) {
        match state.settings.patch_without_change {
            UnchangedUpdateBehavior::Accepted => {}
            UnchangedUpdateBehavior::Refused => return reject(400, "the update changes nothing"),
            UnchangedUpdateBehavior::Conflict => return Err(write_checks::definition_conflict(segment)),
        }
    }
    let error = write_checks::check_name(state, &name, Some(id))
        .or_else(|| write_checks::check_update(state, &definition, id));
    if let Some(error) = error {
        return Err(error);
    }
    let changed = SandboxSegment {
        updated: now,
        contents: stored_contents(state, definition),
        ..segment.clone()
    };
    rename(state, changed, name);
    Ok(get(state, id))
}

/// Stores `segment` under `name`. Its former name stays reserved unless the settings free it.
pub(super) fn rename(state: &mut SandboxState, mut segment: SandboxSegment, name: String) {
    if name != segment.name && !state.settings.rename_frees_old_name {
        let former = segment.name.clone();
        state.former_names.insert(former, segment.id.clone());
    }
    state.former_names.remove(&name);
    segment.name = name;
    state.put_segment(segment);
}

/// The body of get, create and update. File and cohort segments have no filters in it.
pub(super) fn segment_response(state: &SandboxState, segment: &SandboxSegment) -> Value {
    let mut data = json!({
        "name": segment.name, "id": segment.id, "created_time": format_time(segment.created),
        "updated_time": format_time(segment.updated), "type": segment_type(segment), "source": segment.source,
        "description": "",
    });
    if let SandboxContents::Filters { included, excluded } = &segment.contents {
        data["description"] = describe(included, excluded.as_ref()).into();
        data["included_filters"] = echo_definition(included, state.settings.echo);
        if let Some(excluded) = excluded {
            data["excluded_filters"] = echo_definition(excluded, state.settings.echo);
        }
    }
    json!({"data": data, "response_id": "", "type": "custom_segment"})
}

fn updatable_definition(segment: &SandboxSegment) -> Option<DefinitionJson> {
    let is_editable = segment.archived.is_none() && EDITABLE_SOURCES.contains(&segment.source.as_str());
    match &segment.contents {
        SandboxContents::Filters { included, excluded } if is_editable => {
            Some((included.clone(), excluded.clone()))
        }
        _ => None,
    }
}

fn stored_contents(state: &SandboxState, (mut included, mut excluded): DefinitionJson) -> SandboxContents {
    if state.settings.unwraps_single_groups {
        included = unwrap_single_groups(included);
        excluded = excluded.map(unwrap_single_groups);
    }
    SandboxContents::Filters { included, excluded }
}

fn is_same_definition(state: &SandboxState, one: &DefinitionJson, other: &DefinitionJson) -> bool {
    let order_sensitive = state.settings.equality_order_sensitive;
    let key =
        |(included, excluded): &DefinitionJson| equality_key(included, excluded.as_ref(), order_sensitive);
    key(one) == key(other)
}

fn segment_type(segment: &SandboxSegment) -> &'static str {
    match segment.contents {
        SandboxContents::Filters { .. } => "ELASTIC_SEARCH",
        SandboxContents::File { .. } => "FILE_V2",
        SandboxContents::Cohort { .. } => "COHORT",
    }
}

/// In UTC, without an offset.
fn format_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn parse_body(request: &HttpRequest, known: &[&str]) -> Result<Map<String, Value>, HttpResponse> {
    let reject = |message: &str| Err(EndpointFamily::V3.error(400, message));
    if !request.has_json_content_type() {
        return reject("Content-Type must be application/json");
    }
    let body = match json::from_body(&request.body) {
        Ok(Value::Object(body)) => body,
        Ok(_) => return reject("the body must be a JSON object"),
        Err(error) => return reject(&format!("the body must be a JSON object: {error}")),
    };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => reject(&format!("{key}: unknown field")),
        None => Ok(body),
    }
}

fn parse_definition(body: &Map<String, Value>) -> Result<DefinitionJson, HttpResponse> {
    let Some(included) = body.get("included_filters") else {
        return Err(EndpointFamily::V3.error(400, "included_filters: missing"));
    };
    let excluded = body.get("excluded_filters");
    match validate(included, excluded) {
        Ok(()) => Ok((included.clone(), excluded.cloned())),
        Err(message) => Err(EndpointFamily::V3.error(400, &message)),
    }
}
