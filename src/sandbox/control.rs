//! What a test or a curious person may do that the API cannot: move the clock, act as a dashboard user, look in.

use super::call::{Call, Reply};
use super::faults::Fault;
use super::filter_segments::{envelope, rename};
use super::refusals;
use super::service::Service;
use super::state::{Contents, Segment, State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A segment as a dashboard user makes or edits it: no limits, and filters that the API need not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// A new segment where it is missing.
    id: Option<String>,
    name: Option<String>,
    /// `Segmentation` for new segments where nothing is said.
    source: Option<String>,
    included_filters: Option<Value>,
    excluded_filters: Option<Value>,
    archived: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// Not negative: windows and expiries know no way back.
    advance_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    id: String,
}

/// Answers the call to `/_sandbox/{path}`. The server empties the queue of files before `settle` comes here.
pub(super) fn handle(service: &mut Service, now: Timestamp, path: &str, call: &Call) -> Reply {
    let answered = match (call.method.as_str(), path) {
        ("GET", "log") => Ok(json!(service.log())),
        ("GET", "state") => serde_json::to_value(&service.state).map_err(|error| error.to_string()),
        ("GET", "told-apart") => Ok(json!(service.told_apart())),
        ("GET", "clock") => Ok(json!({"now": now})),
        ("POST", "clock") => read(call).map(|Advance { advance_seconds }| {
            let ahead = &mut service.state.clock_ahead_seconds;
            *ahead = ahead.saturating_add(i64::from(advance_seconds));
            json!({"clock_ahead_seconds": ahead})
        }),
        ("POST", "faults") => read::<Vec<Fault>>(call).map(|faults| {
            service.set_faults(faults);
            json!({})
        }),
        ("POST", "run") => read(call).and_then(|Run { id }| run(&mut service.state, now, &id)),
        ("POST", "segments") => read(call).and_then(|edit| apply(&mut service.state, now, edit)),
        ("POST", "settle") => Ok(json!({"queued": service.state.jobs.len()})),
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

/// What a query or a campaign does: the segment is in use.
fn run(state: &mut State, now: Timestamp, id: &str) -> Result<Value, String> {
    let segment = state.segments.get_mut(id).ok_or("no segment has this id")?;
    segment.last_run = now;
    Ok(json!({}))
}

fn apply(state: &mut State, now: Timestamp, edit: Edit) -> Result<Value, String> {
    let mut segment = match &edit.id {
        Some(id) => state.segments.get(id).cloned().ok_or("no segment has this id")?,
        None => new(state, now, &edit)?,
    };
    if let Some(name) = &edit.name
        && refusals::name(state, name, Some(&segment.id)).is_some()
    {
        return Err("the name is bad or taken".to_owned());
    }
    if let Some(source) = edit.source {
        segment.source = source;
    }
    if let Contents::Filters { included, excluded } = &mut segment.contents {
        if let Some(wanted) = edit.included_filters {
            *included = wanted;
        }
        if let Some(wanted) = edit.excluded_filters {
            *excluded = Some(wanted);
        }
    } else if edit.included_filters.is_some() || edit.excluded_filters.is_some() {
        return Err("only filter segments have filters".to_owned());
    }
    match edit.archived {
        Some(true) => segment.archived = segment.archived.or(Some(now)),
        Some(false) => {
            segment.archived = None;
            segment.last_run = now;
        }
        None => {}
    }
    segment.updated = now;
    let id = segment.id.clone();
    let name = edit.name.unwrap_or_else(|| segment.name.clone());
    rename(state, segment, name);
    let kept = state.segments.get(&id).ok_or("the segment is gone")?;
    Ok(envelope(state, kept))
}

fn new(state: &mut State, now: Timestamp, edit: &Edit) -> Result<Segment, String> {
    let name = edit.name.clone().ok_or("a new segment needs a name")?;
    let Some(included) = edit.included_filters.clone() else {
        return Err("a new segment needs included_filters".to_owned());
    };
    let contents = Contents::Filters {
        included,
        excluded: None,
    };
    Ok(Segment::new(state.new_id(), name, "Segmentation", now, contents))
}
