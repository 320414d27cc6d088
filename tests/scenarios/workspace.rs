//! The segments of a workspace as text for a snapshot.

use segctl::definition::{Identities, canonical};
use segctl::model::{Payload, SegmentId, SegmentName};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// All segments with their canonical definitions, and the reserved names.
pub(super) fn text(state: &Value) -> String {
    let identities = Identities {
        declared_by_id: segments(state)
            .map(|(id, segment)| (SegmentId::new(id), SegmentName::new(name(segment))))
            .collect(),
        ..Identities::default()
    };
    let mut by_name: Vec<&Value> = segments(state).map(|(_, segment)| segment).collect();
    by_name.sort_by_key(|segment| name(segment));
    let mut text = String::new();
    for segment in by_name {
        let lifecycle = if segment["archived"].is_null() {
            "active"
        } else {
            "archived"
        };
        let _ = write!(text, "\"{}\" {lifecycle}", name(segment));
        match payload(segment) {
            Some(payload) => write_definition(&mut text, &canonical::exact(&payload, &identities)),
            None => {
                let kind = segment["contents"]
                    .as_object()
                    .and_then(|contents| contents.keys().next());
                let _ = write!(text, ", {}", kind.map_or("no contents", String::as_str));
                let members = members(segment).map(|members| members.join(" "));
                let members = members.filter(|members| !members.is_empty());
                let _ = writeln!(
                    text,
                    "{}",
                    members.map_or(String::new(), |members| format!(": {members}"))
                );
            }
        }
    }
    for (former, id) in state["former_names"].as_object().into_iter().flatten() {
        let holder = &state["segments"][id.as_str().unwrap_or_default()];
        let _ = writeln!(text, "\"{former}\" is reserved by \"{}\"", name(holder));
    }
    if text.is_empty() {
        text.push_str("no segments\n");
    }
    text
}

/// The segments by id.
pub(super) fn segments(state: &Value) -> impl Iterator<Item = (&String, &Value)> {
    state["segments"].as_object().into_iter().flatten()
}

pub(super) fn name(segment: &Value) -> &str {
    segment["name"].as_str().unwrap_or_default()
}

/// The definition, if the segment consists of filters.
pub(super) fn payload(segment: &Value) -> Option<Payload> {
    let filters = segment["contents"].get("filters")?;
    Some(Payload {
        included_filters: filters["included"].clone(),
        excluded_filters: Some(filters["excluded"].clone()).filter(|excluded| !excluded.is_null()),
    })
}

/// The members of a cohort or the users of a file segment.
pub(super) fn members(segment: &Value) -> Option<Vec<&str>> {
    if let Some(users) = segment["contents"]["file"]["users"].as_object() {
        return Some(users.keys().map(String::as_str).collect());
    }
    let members = segment["contents"]["cohort"]["members"].as_array()?;
    Some(members.iter().filter_map(Value::as_str).collect())
}

fn write_definition(text: &mut String, form: &Value) {
    for (link, side) in [(",", "included_filters"), ("  excluding", "excluded_filters")] {
        let Some(filters) = form[side]["filters"].as_array() else {
            continue;
        };
        let operator = if form[side]["filter_operator"] == "or" {
            "any of"
        } else {
            "all of"
        };
        let _ = writeln!(text, "{link} {operator}");
        for filter in filters {
            let _ = writeln!(text, "    {}", brief(filter));
        }
    }
}

/// A filter without the fields that most filters have.
fn brief(filter: &Value) -> Value {
    let mut filter = filter.clone();
    if let Some(fields) = filter.as_object_mut() {
        let once = json!({"type": "atleast", "count": 1});
        let any = json!({"filter_operator": "and", "filters": []});
        fields.retain(|key, value| {
            !(key == "execution" && *value == once || key == "attributes" && *value == any)
        });
    }
    filter
}
