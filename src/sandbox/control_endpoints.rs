//! What a test or a curious person may do that the API cannot: move the clock, act as a dashboard user, look in.

use super::faults::Fault;
use super::filter_segments::{rename, segment_response};
use super::http_message::{HttpRequest, HttpResponse};
use super::service::Service;
use super::state::{SandboxContents, SandboxSegment, SandboxState};
use super::write_checks;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A segment as a dashboard user makes or edits it: no limits, and filters that the API need not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DashboardSegment {
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
struct AdvanceClock {
    /// Not negative: windows and expiries know no way back.
    advance_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentRun {
    id: String,
}

/// Answers the call to `/_sandbox/{path}`. The server empties the queue of files before `settle` comes here.
pub(super) fn handle(service: &mut Service, now: Timestamp, path: &str, call: &HttpRequest) -> HttpResponse {
    let answered = match (call.method.as_str(), path) {
        ("GET", "log") => Ok(json!(service.log())),
        ("GET", "state") => serde_json::to_value(&service.state).map_err(|error| error.to_string()),
        ("GET", "told-apart") => Ok(json!(service.distinguished_switches())),
        ("GET", "clock") => Ok(json!({"now": now})),
        ("POST", "clock") => parse_body(call).map(|AdvanceClock { advance_seconds }| {
            let ahead = &mut service.state.clock_ahead_seconds;
            *ahead = ahead.saturating_add(i64::from(advance_seconds));
            json!({"clock_ahead_seconds": ahead})
        }),
        ("POST", "faults") => parse_body::<Vec<Fault>>(call).map(|faults| {
            service.set_faults(faults);
            json!({})
        }),
        ("POST", "run") => {
            parse_body(call).and_then(|SegmentRun { id }| mark_as_run(&mut service.state, now, &id))
        }
        ("POST", "segments") => {
            parse_body(call).and_then(|edit| apply_dashboard_edit(&mut service.state, now, edit))
        }
        ("POST", "settle") => Ok(json!({"queued": service.state.jobs.len()})),
        _ => return HttpResponse::new(404, json!({"error": "there is no such control"})),
    };
    match answered {
        Ok(body) => HttpResponse::new(200, body),
        Err(message) => HttpResponse::new(400, json!({"error": message})),
    }
}

fn parse_body<T: for<'de> Deserialize<'de>>(call: &HttpRequest) -> Result<T, String> {
    serde_json::from_slice(&call.body).map_err(|error| error.to_string())
}

/// What a query or a campaign does: the segment is in use.
fn mark_as_run(state: &mut SandboxState, now: Timestamp, id: &str) -> Result<Value, String> {
    let segment = state.segments.get_mut(id).ok_or("no segment has this id")?;
    segment.last_run = now;
    Ok(json!({}))
}

fn apply_dashboard_edit(
    state: &mut SandboxState,
    now: Timestamp,
    edit: DashboardSegment,
) -> Result<Value, String> {
    let mut segment = match &edit.id {
        Some(id) => state.segments.get(id).cloned().ok_or("no segment has this id")?,
        None => new_dashboard_segment(state, now, &edit)?,
    };
    if let Some(name) = &edit.name
        && write_checks::check_name(state, name, Some(&segment.id)).is_some()
    {
        return Err("the name is bad or taken".to_owned());
    }
    if let Some(source) = edit.source {
        segment.source = source;
    }
    if let SandboxContents::Filters { included, excluded } = &mut segment.contents {
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
    Ok(segment_response(state, kept))
}

fn new_dashboard_segment(
    state: &mut SandboxState,
    now: Timestamp,
    edit: &DashboardSegment,
) -> Result<SandboxSegment, String> {
    let name = edit.name.clone().ok_or("a new segment needs a name")?;
    let Some(included) = edit.included_filters.clone() else {
        return Err("a new segment needs included_filters".to_owned());
    };
    let contents = SandboxContents::Filters {
        included,
        excluded: None,
    };
    Ok(SandboxSegment::new(
        state.new_id(),
        name,
        "Segmentation",
        now,
        contents,
    ))
}
