//! What a test or a curious person may do that the API cannot: move the clock, act as a dashboard user, look in.

use super::call::{Call, Reply};
use super::faults::Fault;
use super::filter_segments::envelope;
use super::service::Service;
use super::state::{Contents, Segment};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A segment as a dashboard user makes or edits it: no limits, no rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    id: Option<String>,
    name: Option<String>,
    included_filters: Option<Value>,
    excluded_filters: Option<Value>,
    archived: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    id: String,
}

pub(super) fn handle(service: &mut Service, now: Timestamp, path: &str, call: &Call) -> Reply {
    let answered = match (call.method.as_str(), path) {
        ("GET", "log") => Ok(json!(service.log())),
        ("GET", "state") => serde_json::to_value(&service.state).map_err(|error| error.to_string()),
        ("POST", "clock") => read(call).map(|Advance { advance_seconds }| {
            service.state.clock_ahead_seconds =
                service.state.clock_ahead_seconds.saturating_add(advance_seconds);
            json!({"clock_ahead_seconds": service.state.clock_ahead_seconds})
        }),
        ("POST", "faults") => read::<Vec<Fault>>(call).map(|faults| {
            service.set_faults(faults);
            json!({})
        }),
        ("POST", "run") => read(call).map(|Run { id }| {
            if let Some(segment) = service.state.segments.get_mut(&id) {
                segment.last_run = now;
            }
            json!({})
        }),
        ("POST", "segments") => read(call).and_then(|edit| apply(service, now, edit)),
        _ => return Reply::new(404, json!({"error": "there is no such control"})),
    };
    match answered {
        Ok(body) => Reply::new(200, body),
        Err(message) => Reply::new(400, json!({"error": message})),
    }
}

fn read<T: for<'de> Deserialize<'de>>(call: &Call) -> Result<T, String> {
    serde_json::from_slice(&call.body).map_err(|error| error.to_string())
}

fn apply(service: &mut Service, now: Timestamp, edit: Edit) -> Result<Value, String> {
    let id = match edit.id {
        Some(id) => id,
        None => {
            let id = service.state.new_id();
            let segment = Segment {
                id: id.clone(),
                name: edit.name.clone().ok_or("a new segment needs a name")?,
                source: "Segmentation".to_owned(),
                created: now,
                updated: now,
                last_run: now,
                archived: None,
                contents: Contents::Filters {
                    included: Value::Null,
                    excluded: None,
                },
            };
            service.state.segments.insert(id.clone(), segment);
            id
        }
    };
    let Some(segment) = service.state.segments.get_mut(&id) else {
        return Err("no segment has this id".to_owned());
    };
    if let Some(name) = edit.name {
        segment.name = name;
    }
    if let Some(included) = edit.included_filters {
        segment.contents = Contents::Filters {
            included,
            excluded: edit.excluded_filters,
        };
    }
    match edit.archived {
        Some(true) => segment.archived = segment.archived.or(Some(now)),
        Some(false) => {
            segment.archived = None;
            segment.last_run = now;
        }
        None => {}
    }
    let segment = segment.clone();
    Ok(envelope(&service.state, &segment))
}
