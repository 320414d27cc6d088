//! The control endpoints: what a test may do that the API cannot. They move the clock, act as a dashboard user and
//! return what the service stores.

use super::Service;
use crate::sandbox::faults::Fault;
use crate::sandbox::filter_segments::{rename, segment_response};
use crate::sandbox::http_message::{HttpRequest, HttpResponse};
use crate::sandbox::json;
use crate::sandbox::state::{SandboxContents, SandboxSegment, SandboxState};
use crate::sandbox::write_checks;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A segment as a dashboard user creates or edits it: without limits, and with filters that the API need not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DashboardSegment {
    /// Without an id a new segment is created.
    id: Option<String>,
    name: Option<String>,
    /// `Segmentation` by default.
    source: Option<String>,
    included_filters: Option<Value>,
    excluded_filters: Option<Value>,
    archived: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdvanceClock {
    /// Not negative: rate limits and expiry assume that time only grows.
    advance_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SegmentRun {
    id: String,
}

/// Answers a request to `/_sandbox/{path}`. For `process-files` the server processes the queued files first.
pub(super) fn handle(
    service: &mut Service,
    now: Timestamp,
    path: &str,
    request: &HttpRequest,
) -> HttpResponse {
    let result = match (request.method.as_str(), path) {
        ("GET", "log") => Ok(json!(service.log())),
        ("GET", "state") => serde_json::to_value(&service.state).map_err(|error| error.to_string()),
        ("GET", "distinguished-switches") => Ok(json!(service.distinguished_switches())),
        ("GET", "clock") => Ok(json!({"now": now})),
        ("POST", "clock") => parse_body(request).map(|AdvanceClock { advance_seconds }| {
            let ahead = &mut service.state.clock_ahead_seconds;
            *ahead = ahead.saturating_add(i64::from(advance_seconds));
            json!({"clock_ahead_seconds": ahead})
        }),
        ("POST", "faults") => parse_body::<Vec<Fault>>(request).map(|faults| {
            service.set_faults(faults);
            json!({})
        }),
        ("POST", "run") => {
            parse_body(request).and_then(|SegmentRun { id }| mark_as_run(&mut service.state, now, &id))
        }
        ("POST", "segments") => {
            parse_body(request).and_then(|edit| apply_dashboard_edit(&mut service.state, now, edit))
        }
        ("POST", "process-files") => Ok(json!({"queued": service.state.jobs.len()})),
        _ => return HttpResponse::new(404, json!({"error": "unknown control endpoint"})),
    };
    match result {
        Ok(body) => HttpResponse::new(200, body),
        Err(message) => HttpResponse::new(400, json!({"error": message})),
    }
}

fn parse_body<T: for<'de> Deserialize<'de>>(request: &HttpRequest) -> Result<T, String> {
    json::from_body(&request.body).map_err(|error| error.to_string())
}

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
        return Err("the name is invalid or another segment has it".to_owned());
    }
    if let Some(source) = edit.source {
        segment.source = source;
    }
    if let SandboxContents::Filters { included, excluded } = &mut segment.contents {
        if let Some(filters) = edit.included_filters {
            *included = filters;
        }
        if let Some(filters) = edit.excluded_filters {
            *excluded = Some(filters);
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
    let segment = state.segments.get(&id).ok_or("no segment has this id")?;
    Ok(segment_response(state, segment))
}

fn new_dashboard_segment(
    state: &mut SandboxState,
    now: Timestamp,
    edit: &DashboardSegment,
) -> Result<SandboxSegment, String> {
    let name = edit.name.clone().ok_or("a new segment needs a name")?;
    let included = edit.included_filters.clone();
    let contents = SandboxContents::Filters {
        included: included.ok_or("a new segment needs included_filters")?,
        excluded: None,
    };
    let id = state.new_id();
    Ok(SandboxSegment::new(id, name, "Segmentation", now, contents))
}
