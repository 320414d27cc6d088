//! List, create, get and update.

use super::call::{Call, Reply};
use super::definition::{
    describe, echo, equality_key, expanded_length, has_nested_group, referenced_ids, validate,
};
use super::names;
use super::replies::Family;
use super::state::{Contents, Segment, State};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const LEVEL_LIMIT: usize = 6;
const REFERENCE_LIMIT: usize = 10;
const LENGTH_LIMIT: usize = 262_144;

/// `GET /v3/custom-segments`, without the last `missing` writes where a fault wants it so.
pub(super) fn list(state: &State, call: &Call) -> Reply {
    let wanted = call.query.get("name");
    let shown = |segment: &&Segment| {
        (segment.archived.is_none() || state.settings.list_includes_archived)
            && wanted.is_none_or(|name| *name == segment.name)
    };
    let rows: Vec<Value> = state
        .segments
        .values()
        .filter(shown)
        .map(|segment| {
            json!({"name": segment.name, "id": segment.id, "created_time": time(segment.created),
                   "type": kind(segment), "source": segment.source})
        })
        .collect();
    Reply::new(
        200,
        json!({"data": rows, "response_id": "sandbox", "type": "custom_segment"}),
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
    let body = match body(call, &["name", "included_filters", "excluded_filters"]) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Family::V3.error(400, "name: must be a string");
    };
    let definition = match definition(&body) {
        Ok(definition) => definition,
        Err(refused) => return refused,
    };
    if let Some(refused) = name_refused(state, name, None)
        .or_else(|| definition_refused(state, &definition, None))
        .or_else(|| active_limit(state))
    {
        return refused;
    }
    let id = state.new_id();
    let (included, excluded) = definition;
    let segment = Segment {
        id: id.clone(),
        name: name.to_owned(),
        source: "API".to_owned(),
        created: now,
        updated: now,
        last_run: now,
        archived: None,
        contents: Contents::Filters { included, excluded },
    };
    let answer = envelope(state, &segment);
    state.segments.insert(id, segment);
    Reply::new(201, answer)
}

/// `PATCH /v3/custom-segments/{id}`
pub(super) fn update(state: &mut State, now: Timestamp, id: &str, call: &Call) -> Reply {
    if !is_id(id) {
        return Family::V3.error(400, "the id is not an object id");
    }
    let body = match body(
        call,
        &["name", "included_filters", "excluded_filters", "updated_by"],
    ) {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let (mut included, mut excluded) = match definition(&body) {
        Ok(definition) => definition,
        Err(refused) => return refused,
    };
    let Some(segment) = state.segments.get(id) else {
        return Family::V3.error(404, "no segment has this id");
    };
    let Contents::Filters { excluded: stored, .. } = &segment.contents else {
        return Family::V3.error(403, "only filter segments can be updated");
    };
    if segment.archived.is_some() {
        return Family::V3.error(403, "the segment is archived");
    }
    if !body.contains_key("excluded_filters") && !state.settings.patch_clears_excluded {
        excluded.clone_from(stored);
    }
    let old_name = segment.name.clone();
    let name = match body.get("name") {
        None => old_name.clone(),
        Some(Value::String(name)) => name.clone(),
        Some(_) => return Family::V3.error(400, "name: must be a string"),
    };
    let refused = name_refused(state, &name, Some(id))
        .or_else(|| cycle_refused(state, id, &included, excluded.as_ref()))
        .or_else(|| definition_refused(state, &(included.clone(), excluded.clone()), Some(id)));
    if let Some(refused) = refused {
        return refused;
    }
    if name != old_name && !state.settings.rename_frees_old_name {
        state.former_names.insert(old_name, id.to_owned());
    }
    state.former_names.remove(&name);
    if let Some(segment) = state.segments.get_mut(id) {
        segment.name = name;
        segment.updated = now;
        segment.contents = Contents::Filters {
            included: std::mem::take(&mut included),
            excluded: excluded.take(),
        };
    }
    get(state, id)
}

/// `{data, response_id, type}` around a segment.
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
    json!({"data": data, "response_id": "sandbox", "type": "custom_segment"})
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

pub(super) fn is_id(id: &str) -> bool {
    id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

type Sides = (Value, Option<Value>);

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

fn name_refused(state: &State, name: &str, of: Option<&str>) -> Option<Reply> {
    if let Some(fault) = names::fault(name) {
        return Some(Family::V3.error(400, fault));
    }
    let holder = state
        .holder_of(name)
        .filter(|holder| of != Some(holder.id.as_str()));
    // No id: the holder may be archived and hidden.
    holder.map(|_| Family::V3.error(409, "a segment with this name exists already"))
}

fn definition_refused(state: &State, definition: &Sides, of: Option<&str>) -> Option<Reply> {
    too_large(state, definition)
        .or_else(|| bad_reference(state, definition))
        .or_else(|| duplicate(state, definition, of))
}

fn duplicate(state: &State, (included, excluded): &Sides, of: Option<&str>) -> Option<Reply> {
    let ordered = state.settings.equality_order_sensitive;
    let key = equality_key(included, excluded.as_ref(), ordered);
    let same = |segment: &&Segment| match &segment.contents {
        Contents::Filters { included, excluded } => {
            of != Some(segment.id.as_str())
                && (segment.archived.is_none() || state.settings.archived_definitions_conflict)
                && equality_key(included, excluded.as_ref(), ordered) == key
        }
        Contents::File { .. } | Contents::Cohort { .. } => false,
    };
    let holder = state.segments.values().find(same)?;
    let mut more = Map::new();
    more.insert("existing_cs_name".to_owned(), holder.name.clone().into());
    more.insert("existing_cs_id".to_owned(), holder.id.clone().into());
    Some(Family::V3.error_with(409, "a segment with these filters exists already", &more))
}

fn bad_reference(state: &State, (included, excluded): &Sides) -> Option<Reply> {
    let bad = referenced_ids(included, excluded.as_ref())
        .into_iter()
        .find(|id| {
            let segment = state.segments.get(id);
            segment.is_none_or(|segment| {
                segment.archived.is_some() && !state.settings.reference_to_archived_allowed
            })
        });
    bad.map(|id| {
        Family::V3.error(
            400,
            &format!("the referenced segment {id} does not exist or is archived"),
        )
    })
}

fn too_large(state: &State, (included, excluded): &Sides) -> Option<Reply> {
    let refused = |what: &str| Some(Family::V3.error(413, what));
    if counted_references(state, included, excluded.as_ref()).len() > REFERENCE_LIMIT {
        return refused("more than 10 custom segments");
    }
    if level(state, included, excluded.as_ref(), &mut BTreeSet::new()) > LEVEL_LIMIT {
        return refused("nested more than 6 levels");
    }
    let definition_of = |id: &str| match &state.segments.get(id)?.contents {
        Contents::Filters { included, excluded } => Some((included.clone(), excluded.clone())),
        Contents::File { .. } | Contents::Cohort { .. } => None,
    };
    if expanded_length(included, excluded.as_ref(), &definition_of) > LENGTH_LIMIT {
        return refused("query length limit exceeded");
    }
    None
}

/// Files and cohorts count toward neither the number of references nor the level.
fn counted_references(state: &State, included: &Value, excluded: Option<&Value>) -> BTreeSet<String> {
    let is_file = |id: &String| {
        state
            .segments
            .get(id)
            .is_some_and(|segment| !matches!(segment.contents, Contents::Filters { .. }))
    };
    referenced_ids(included, excluded)
        .into_iter()
        .filter(|id| !is_file(id))
        .collect()
}

/// 1 without references; with them one more than the highest referred to, and one more for nested groups.
fn level(state: &State, included: &Value, excluded: Option<&Value>, open: &mut BTreeSet<String>) -> usize {
    let mut highest = 0;
    for id in counted_references(state, included, excluded) {
        if !open.insert(id.clone()) {
            continue;
        }
        if let Some(Contents::Filters { included, excluded }) =
            state.segments.get(&id).map(|segment| &segment.contents)
        {
            highest = highest.max(level(state, included, excluded.as_ref(), open));
        }
        open.remove(&id);
        if highest >= LEVEL_LIMIT {
            break;
        }
    }
    if highest == 0 {
        1
    } else {
        highest + 1 + usize::from(has_nested_group(included, excluded))
    }
}

fn cycle_refused(state: &State, id: &str, included: &Value, excluded: Option<&Value>) -> Option<Reply> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<String> = referenced_ids(included, excluded).into_iter().collect();
    while let Some(reached) = next.pop() {
        if reached == id {
            return Some(Family::V3.error(412, "the segment would refer to itself"));
        }
        if seen.insert(reached.clone())
            && let Some(Contents::Filters { included, excluded }) =
                state.segments.get(&reached).map(|segment| &segment.contents)
        {
            next.extend(referenced_ids(included, excluded.as_ref()));
        }
    }
    None
}

pub(super) fn active_limit(state: &State) -> Option<Reply> {
    let (count, limit) = (state.active(), state.settings.active_limit);
    (count >= limit).then(|| over_limit(count, limit))
}

pub(super) fn over_limit(count: usize, limit: usize) -> Reply {
    let mut more = Map::new();
    more.insert("actual_count".to_owned(), count.into());
    more.insert("limit".to_owned(), limit.into());
    Family::V3.error_with(429, "the limit of active custom segments is reached", &more)
}
