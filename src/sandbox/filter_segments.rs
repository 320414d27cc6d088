//! List, get, create and update.

use super::call::{Call, Reply};
use super::definition::{describe, echo, equality_key, unwrapped, validate};
use super::refusals::{self, Sides};
use super::replies::Family;
use super::settings::{Settings, WithoutChange, WithoutExcluded};
use super::state::{Contents, Segment, State};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Sources whose segments are imports or the service's own are not here: those cannot be updated.
const EDITABLE_SOURCES: [&str; 2] = ["API", "Segmentation"];

/// `GET /v3/custom-segments`
pub(super) fn list(segments: &BTreeMap<String, Segment>, settings: &Settings, call: &Call) -> Reply {
    let wanted = call.query.get("name");
    let shown = |segment: &&Segment| {
        (segment.archived.is_none() || settings.list_includes_archived)
            && wanted.is_none_or(|name| *name == segment.name)
    };
    let row = |segment: &Segment| {
        json!({"name": segment.name, "id": segment.id, "created_time": time(segment.created),
               "type": kind(segment), "source": segment.source})
    };
    let rows: Vec<Value> = segments.values().filter(shown).map(row).collect();
    Reply::new(
        200,
        json!({"data": rows, "response_id": "", "type": "custom_segment"}),
    )
}

/// `GET /v3/custom-segments/{id}`
pub(super) fn get(state: &State, id: &str) -> Reply {
    if !is_id(id) {
        return Family::V3.error(400, "the id is not an object id");
    }
    match state.segments.get(id) {
        Some(segment) => Reply::new(200, envelope(state, segment)),
        None => Family::V3.error(404, "no segment has this id"),
    }
}

/// `POST /v3/custom-segments`
pub(super) fn create(state: &mut State, now: Timestamp, call: &Call) -> Reply {
    create_checked(state, now, call).unwrap_or_else(|refused| refused)
}

fn create_checked(state: &mut State, now: Timestamp, call: &Call) -> Result<Reply, Reply> {
    let body = body(call, &["name", "included_filters", "excluded_filters"])?;
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Err(Family::V3.error(400, "name: must be a string"));
    };
    let definition = definition(&body)?;
    let refused = refusals::name(state, name, None)
        .or_else(|| refusals::of_new(state, &definition))
        .or_else(|| state.is_full().then(|| Family::V3.active_limit(state)));
    if let Some(refused) = refused {
        return Err(refused);
    }
    let contents = kept(state, definition);
    let segment = Segment::new(state.new_id(), name.to_owned(), "API", now, contents);
    let answer = envelope(state, &segment);
    state.write(segment);
    Ok(Reply::new(201, answer))
}

/// `PATCH /v3/custom-segments/{id}`
pub(super) fn update(state: &mut State, now: Timestamp, id: &str, call: &Call) -> Reply {
    update_checked(state, now, id, call).unwrap_or_else(|refused| refused)
}

fn update_checked(state: &mut State, now: Timestamp, id: &str, call: &Call) -> Result<Reply, Reply> {
    let refused = |status, message: &str| Err(Family::V3.error(status, message));
    if !is_id(id) {
        return refused(400, "the id is not an object id");
    }
    let known = ["name", "included_filters", "excluded_filters", "updated_by"];
    let body = body(call, &known)?;
    let mut definition = definition(&body)?;
    let is_address = |value: &Value| value.as_str().is_some_and(|text| text.contains('@'));
    if body.get("updated_by").is_some_and(|value| !is_address(value)) {
        return refused(400, "updated_by: must be an e-mail address");
    }
    let Some(segment) = state.segments.get(id) else {
        return refused(404, "no segment has this id");
    };
    let Some(stored) = updatable(segment) else {
        return refused(403, "the segment is archived or not made of filters");
    };
    if !body.contains_key("excluded_filters")
        && state.settings.patch_without_excluded == WithoutExcluded::Keep
    {
        definition.1.clone_from(&stored.1);
    }
    let name = match body.get("name") {
        None => segment.name.clone(),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return refused(400, "name: must be a string"),
    };
    if name == segment.name && is_same(state, &stored, &definition) {
        match state.settings.patch_without_change {
            WithoutChange::Accepted => {}
            WithoutChange::Refused => return refused(400, "nothing would change"),
            WithoutChange::Conflict => return Err(refusals::held_by(segment)),
        }
    }
    let conflict =
        refusals::name(state, &name, Some(id)).or_else(|| refusals::of_changed(state, &definition, id));
    if let Some(refused) = conflict {
        return Err(refused);
    }
    let changed = Segment {
        updated: now,
        contents: kept(state, definition),
        ..segment.clone()
    };
    rename(state, changed, name);
    Ok(get(state, id))
}

/// Keeps `segment` under `name`; its former name stays taken unless the settings free it.
pub(super) fn rename(state: &mut State, mut segment: Segment, name: String) {
    if name != segment.name && !state.settings.rename_frees_old_name {
        state
            .former_names
            .insert(segment.name.clone(), segment.id.clone());
    }
    state.former_names.remove(&name);
    segment.name = name;
    state.write(segment);
}

/// `{data, response_id, type}` around a segment. Files and cohorts have no filters to show.
pub(super) fn envelope(state: &State, segment: &Segment) -> Value {
    let mut data = json!({
        "name": segment.name, "id": segment.id, "created_time": time(segment.created),
        "updated_time": time(segment.updated), "type": kind(segment), "source": segment.source,
        "description": "",
    });
    if let Contents::Filters { included, excluded } = &segment.contents {
        data["description"] = describe(included, excluded.as_ref()).into();
        data["included_filters"] = echo(included, state.settings.echo);
        if let Some(excluded) = excluded {
            data["excluded_filters"] = echo(excluded, state.settings.echo);
        }
    }
    json!({"data": data, "response_id": "", "type": "custom_segment"})
}

/// The definition of a segment that may be updated.
fn updatable(segment: &Segment) -> Option<Sides> {
    let may_be = segment.archived.is_none() && EDITABLE_SOURCES.contains(&segment.source.as_str());
    match &segment.contents {
        Contents::Filters { included, excluded } if may_be => Some((included.clone(), excluded.clone())),
        _ => None,
    }
}

/// A definition as it is kept.
fn kept(state: &State, (mut included, mut excluded): Sides) -> Contents {
    if state.settings.unwraps_single_groups {
        included = unwrapped(included);
        excluded = excluded.map(unwrapped);
    }
    Contents::Filters { included, excluded }
}

fn is_same(state: &State, one: &Sides, other: &Sides) -> bool {
    let ordered = state.settings.equality_order_sensitive;
    let key = |(included, excluded): &Sides| equality_key(included, excluded.as_ref(), ordered);
    key(one) == key(other)
}

fn kind(segment: &Segment) -> &'static str {
    match segment.contents {
        Contents::Filters { .. } => "ELASTIC_SEARCH",
        Contents::File { .. } => "FILE_V2",
        Contents::Cohort { .. } => "COHORT",
    }
}

/// Without an offset, which means UTC.
fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn is_id(id: &str) -> bool {
    id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn body(call: &Call, known: &[&str]) -> Result<Map<String, Value>, Reply> {
    let refused = |message: &str| Err(Family::V3.error(400, message));
    let Ok(Value::Object(body)) = serde_json::from_slice(&call.body) else {
        return refused("the body must be a JSON object");
    };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => refused(&format!("{key}: unknown field")),
        None => Ok(body),
    }
}

fn definition(body: &Map<String, Value>) -> Result<Sides, Reply> {
    let Some(included) = body.get("included_filters") else {
        return Err(Family::V3.error(400, "included_filters: missing"));
    };
    let excluded = body
        .get("excluded_filters")
        .filter(|excluded| !excluded.is_null());
    match validate(included, excluded) {
        Ok(()) => Ok((included.clone(), excluded.cloned())),
        Err(message) => Err(Family::V3.error(400, &message)),
    }
}
