//! The checks before a filter segment is created or updated, except for the form of its definition.

use super::definition::{DefinitionJson, equality_key, expanded_length, has_nested_group, referenced_ids};
use super::error_responses::EndpointFamily;
use super::http_message::HttpResponse;
use super::name_rules;
use super::state::{SandboxContents, SandboxSegment, SandboxState};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The API's limit on the nesting level.
const NESTING_LIMIT: usize = 6;

/// The API's limit on the segments that one definition refers to.
const REFERENCE_LIMIT: usize = 10;

/// The API's limit on a definition with every reference expanded, in characters.
const EXPANDED_LENGTH_LIMIT: usize = 262_144;

/// Rejects invalid names, and names that a segment other than `id` has.
pub(super) fn check_name(state: &SandboxState, name: &str, id: Option<&str>) -> Option<HttpResponse> {
    if let Some(error) = name_rules::name_error(name) {
        return Some(EndpointFamily::V3.error(400, error));
    }
    let holder = state
        .find_name_holder(name)
        .filter(|holder| id != Some(holder.id.as_str()));
    // Without the id of the holder, as in MoEngage's error.
    holder.map(|_| EndpointFamily::V3.error(409, "a segment with this name exists already"))
}

/// Rejects what `check_create` rejects, and references that form a cycle with segment `id`.
pub(super) fn check_update(
    state: &SandboxState,
    definition: &DefinitionJson,
    id: &str,
) -> Option<HttpResponse> {
    check_cycle(state, definition, id)
        .or_else(|| check_size(state, definition))
        .or_else(|| check_references(state, definition))
        .or_else(|| check_duplicate(state, definition, Some(id)))
}

/// Rejects definitions that are too large, have unknown references, or exist already.
pub(super) fn check_create(state: &SandboxState, definition: &DefinitionJson) -> Option<HttpResponse> {
    check_size(state, definition)
        .or_else(|| check_references(state, definition))
        .or_else(|| check_duplicate(state, definition, None))
}

pub(super) fn definition_conflict(holder: &SandboxSegment) -> HttpResponse {
    let mut more = Map::new();
    more.insert("existing_cs_name".to_owned(), holder.name.clone().into());
    more.insert("existing_cs_id".to_owned(), holder.id.clone().into());
    EndpointFamily::V3.error_with(409, "a segment with these filters exists already", more)
}

fn check_duplicate(
    state: &SandboxState,
    (included, excluded): &DefinitionJson,
    id: Option<&str>,
) -> Option<HttpResponse> {
    let order_sensitive = state.settings.equality_order_sensitive;
    let key = equality_key(included, excluded.as_ref(), order_sensitive);
    let is_conflict = |segment: &&SandboxSegment| {
        id != Some(segment.id.as_str())
            && (segment.archived.is_none() || state.settings.archived_definitions_conflict)
    };
    state
        .segments_with_equality_key(&key)
        .find(is_conflict)
        .map(definition_conflict)
}

fn check_references(state: &SandboxState, (included, excluded): &DefinitionJson) -> Option<HttpResponse> {
    for id in referenced_ids(included, excluded.as_ref()) {
        let Some(segment) = state.segments.get(&id) else {
            let message = format!("the referenced segment {id} does not exist");
            return Some(EndpointFamily::V3.error(400, &message));
        };
        if segment.archived.is_some() && !state.settings.reference_to_archived_allowed {
            let message = format!("the referenced segment {id} is archived");
            return Some(EndpointFamily::V3.error(400, &message));
        }
    }
    None
}

fn check_cycle(
    state: &SandboxState,
    (included, excluded): &DefinitionJson,
    id: &str,
) -> Option<HttpResponse> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<String> = referenced_ids(included, excluded.as_ref()).into_iter().collect();
    while let Some(reached) = next.pop() {
        if reached == id {
            return Some(EndpointFamily::V3.error(412, "the segment would refer to itself"));
        }
        if let Some((included, excluded)) = definition_of(state, &reached)
            && seen.insert(reached)
        {
            next.extend(referenced_ids(included, excluded));
        }
    }
    None
}

fn check_size(state: &SandboxState, (included, excluded): &DefinitionJson) -> Option<HttpResponse> {
    let reject = |message: &str| Some(EndpointFamily::V3.error(413, message));
    let excluded = excluded.as_ref();
    if counted_references(state, included, excluded).len() > REFERENCE_LIMIT {
        return reject("more than 10 custom segments");
    }
    if nesting_level(state, included, excluded, &mut BTreeMap::new()) > NESTING_LIMIT {
        return reject("nested more than 6 levels");
    }
    let stored =
        |id: &str| definition_of(state, id).map(|(included, excluded)| (included.clone(), excluded.cloned()));
    if expanded_length(included, excluded, &stored) > EXPANDED_LENGTH_LIMIT {
        return reject("query length limit exceeded");
    }
    None
}

fn definition_of<'a>(state: &'a SandboxState, id: &str) -> Option<(&'a Value, Option<&'a Value>)> {
    match &state.segments.get(id)?.contents {
        SandboxContents::Filters { included, excluded } => Some((included, excluded.as_ref())),
        SandboxContents::File { .. } | SandboxContents::Cohort { .. } => None,
    }
}

/// File and cohort segments count toward neither the number of references nor the nesting level.
fn counted_references(
    state: &SandboxState,
    included: &Value,
    excluded: Option<&Value>,
) -> impl ExactSizeIterator<Item = String> + use<> {
    let mut ids = referenced_ids(included, excluded);
    ids.retain(|id| {
        let segment = state.segments.get(id);
        segment.is_none_or(|segment| matches!(segment.contents, SandboxContents::Filters { .. }))
    });
    ids.into_iter()
}

/// 1 without references. Otherwise one more than the highest referenced level, plus one for nested groups. `known` caches
/// levels, so that a diamond is walked once per segment. A segment that is being walked counts 0, so that cycles end.
fn nesting_level(
    state: &SandboxState,
    included: &Value,
    excluded: Option<&Value>,
    known: &mut BTreeMap<String, usize>,
) -> usize {
    let mut highest = 0;
    for id in counted_references(state, included, excluded) {
        let level = match known.get(&id) {
            Some(level) => *level,
            None => match definition_of(state, &id) {
                Some((included, excluded)) => {
                    known.insert(id.clone(), 0);
                    let level = nesting_level(state, included, excluded, known);
                    known.insert(id, level);
                    level
                }
                None => 0,
            },
        };
        highest = highest.max(level);
    }
    match highest {
        0 => 1,
        highest => highest + 1 + usize::from(has_nested_group(included, excluded)),
    }
}
