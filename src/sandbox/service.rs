//! The service without sockets: a call and the time in, an answer out.

use super::error_responses::{self, EndpointFamily};
use super::faults::{Fault, FaultKind, FaultScript, FaultTiming};
use super::http_message::{Delivery, HttpRequest, HttpResponse};
use super::rate_limits::{self, RateLimitClass};
use super::route::{Route, route_request};
use super::settings::SandboxSettings;
use super::shadow::{ShadowService, SwitchValue};
use super::state::{FileJob, SandboxState};
use super::{
    SandboxCredentials, SandboxError, cohorts, control_endpoints, credentials, file_jobs, file_segments,
    filter_segments, lifecycle,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Calls that are remembered at most: a service that runs for weeks must not grow without end.
const LOG_LIMIT: usize = 100_000;

/// The service.
#[derive(Clone, Debug)]
pub struct Service {
    pub(super) state: SandboxState,
    credentials: SandboxCredentials,
    fault_script: FaultScript,
    log: Vec<LogEntry>,
    /// Calls so far.
    sequence: u64,
    /// Whether anything changed that a store has not seen yet.
    has_unsaved_changes: bool,
    /// What it is compared with.
    shadows: Vec<ShadowService>,
}

/// One call as the service saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Which call it was, the first being 1.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query.
    pub query: BTreeMap<String, String>,
    /// The class of the endpoint; none where there is no such endpoint.
    pub class: Option<RateLimitClass>,
    /// The status answered, or meant to be.
    pub status: u16,
    /// Whether it was a write that took effect.
    pub committed: bool,
}

impl Service {
    /// A service with nothing in it.
    #[must_use]
    pub fn new(settings: SandboxSettings, credentials: SandboxCredentials) -> Self {
        Self::with_state(SandboxState::new(settings), credentials)
    }

    pub(super) fn with_state(state: SandboxState, credentials: SandboxCredentials) -> Self {
        Self {
            state,
            credentials,
            fault_script: FaultScript::default(),
            log: Vec::new(),
            sequence: 0,
            has_unsaved_changes: false,
            shadows: Vec::new(),
        }
    }

    /// Makes calls go wrong from now on.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.fault_script = FaultScript::new(faults);
    }

    /// The last calls, the oldest first, control calls not counted.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The service's time when the machine's is `now`.
    #[must_use]
    pub fn service_time(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.state.clock_ahead_seconds);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Compares it from now on with services that have one other setting each.
    pub(super) fn start_shadows(&mut self, switches: &[(String, String)]) -> Result<(), SandboxError> {
        let alternatives = switches.iter().map(|(name, value)| {
            let unusable = |source| SandboxError::Switch {
                name: name.clone(),
                source,
            };
            let settings = self.state.settings.with_switch(name, value).map_err(unusable)?;
            ShadowService::new(self, name, settings).map_err(unusable)
        });
        self.shadows = alternatives.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The other settings that made a difference so far.
    pub(super) fn distinguished_switches(&self) -> Vec<&SwitchValue> {
        let alternatives = self.shadows.iter();
        alternatives
            .filter_map(|other| other.distinguished_switch(self))
            .collect()
    }

    /// Answers one call when the machine's time is `now`.
    pub fn handle(&mut self, now: Timestamp, call: &HttpRequest) -> HttpResponse {
        let reply = self.answer_with_shadows(now, call, true);
        self.with_date_header(now, reply)
    }

    /// Answers a call that was postponed, now that its time has come: no fault happens to it twice.
    pub fn handle_postponed(&mut self, now: Timestamp, call: &HttpRequest) -> HttpResponse {
        let reply = self.answer_with_shadows(now, call, false);
        self.with_date_header(now, reply)
    }

    fn answer_with_shadows(&mut self, now: Timestamp, call: &HttpRequest, with_faults: bool) -> HttpResponse {
        let reply = self.answer(now, call, with_faults);
        for other in &mut self.shadows {
            other.compare_response(call, &reply, |service| service.answer(now, call, with_faults));
        }
        reply
    }

    /// With the service's own time, as every HTTP server says it.
    fn with_date_header(&self, now: Timestamp, mut reply: HttpResponse) -> HttpResponse {
        let date =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.service_time(now));
        reply
            .headers
            .extend(date.ok().map(|date| ("date".to_owned(), date)));
        reply
    }

    fn answer(&mut self, now: Timestamp, call: &HttpRequest, with_faults: bool) -> HttpResponse {
        let now = self.service_time(now);
        lifecycle::apply_elapsed_time(&mut self.state, now);
        if let Some(path) = call.path.strip_prefix("/_sandbox/") {
            return self.answer_control(now, path, call);
        }
        let Some(operation) = route_request(call) else {
            let reply = EndpointFamily::V3.error(404, "there is no such endpoint");
            return self.log_request(now, call, None, reply);
        };
        let family = operation.endpoint_family();
        if let Err(message) = credentials::check_credentials(&self.credentials, family, call) {
            return self.log_request(now, call, Some(operation), family.error(401, message));
        }
        let fault = if with_faults {
            self.fault_script.next_fault(call)
        } else {
            None
        };
        if let Some(FaultKind::Slow {
            milliseconds,
            when: FaultTiming::Before,
        }) = fault
        {
            return HttpResponse::new(200, Value::Null).with_delivery(Delivery::Deferred(milliseconds));
        }
        if let Some(reply) = fault.and_then(|fault| fault.response_without_effect(&self.state, now, family)) {
            return self.log_request(now, call, Some(operation), reply);
        }
        let mut reply = match rate_limits::check_and_count(&mut self.state, operation.rate_limit_class(), now)
        {
            Ok(()) => self.execute(now, call, operation, fault),
            Err(message) => self.log_request(now, call, Some(operation), family.error(429, &message)),
        };
        rate_limits::set_rate_limit_headers(&self.state, operation.rate_limit_class(), now, &mut reply);
        let headers = std::mem::take(&mut reply.headers);
        let reply = match fault {
            Some(fault) => fault.response_after_effect(family, reply),
            None => reply,
        };
        HttpResponse { headers, ..reply }
    }

    fn answer_control(&mut self, now: Timestamp, path: &str, call: &HttpRequest) -> HttpResponse {
        if let Err(message) = credentials::check_basic_credentials(&self.credentials, call) {
            return HttpResponse::new(401, json!({"error": message}));
        }
        let reply = control_endpoints::handle(self, now, path, call);
        self.has_unsaved_changes |= call.method == "POST" && reply.is_success();
        reply
    }

    /// Whether a call may use the control endpoints.
    pub(super) fn may_use_control_endpoints(&self, call: &HttpRequest) -> bool {
        credentials::check_basic_credentials(&self.credentials, call).is_ok()
    }

    fn execute(
        &mut self,
        now: Timestamp,
        call: &HttpRequest,
        operation: Route<'_>,
        fault: Option<FaultKind>,
    ) -> HttpResponse {
        if fault == Some(FaultKind::ReplayedPost) {
            self.execute(now, call, operation, None);
        }
        let state = &mut self.state;
        let reply = match operation {
            Route::List => match fault {
                Some(FaultKind::StaleList { missing_last }) => {
                    filter_segments::list(&state.segments_before(missing_last), &state.settings, call)
                }
                _ => filter_segments::list(&state.segments, &state.settings, call),
            },
            Route::Get(id) => filter_segments::get(state, id),
            Route::Create => filter_segments::create(state, now, call),
            Route::Update(id) => filter_segments::update(state, now, id, call),
            Route::CreateFile => file_segments::create(state, now, call),
            Route::ChangeFile(change) => file_segments::enqueue_change(state, call, change),
            Route::Archive => lifecycle::set_archived(state, now, call, true),
            Route::Unarchive => lifecycle::set_archived(state, now, call, false),
            Route::Cohort => cohorts::sync(state, now, call),
        };
        self.log_request(now, call, Some(operation), reply)
    }

    /// Writes a call into the log, and its number into the answer.
    fn log_request(
        &mut self,
        time: Timestamp,
        call: &HttpRequest,
        operation: Option<Route<'_>>,
        mut reply: HttpResponse,
    ) -> HttpResponse {
        let committed = reply.is_success() && operation.is_some_and(Route::is_write);
        self.has_unsaved_changes |= committed;
        self.sequence += 1;
        error_responses::set_request_number(&mut reply, self.sequence);
        if self.log.len() >= LOG_LIMIT {
            self.log.drain(..LOG_LIMIT / 2);
        }
        self.log.push(LogEntry {
            sequence: self.sequence,
            time,
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            class: operation.map(Route::rate_limit_class),
            status: reply.status,
            committed,
        });
        reply
    }

    /// Has the state saved although nothing was written.
    pub(super) fn mark_unsaved(&mut self) {
        self.has_unsaved_changes = true;
    }

    pub(super) fn has_unsaved_changes(&self) -> bool {
        self.has_unsaved_changes
    }

    /// Says that a store has seen everything up to here.
    pub(super) fn mark_saved(&mut self) {
        self.has_unsaved_changes = false;
        self.state.mark_saved();
    }

    /// The file to be processed next; it stays in the queue until it is.
    #[must_use]
    pub fn next_job(&self) -> Option<FileJob> {
        self.state.jobs.front().cloned()
    }

    /// Processes a file that was asked for; what the callback says comes back. `None` when the job is not in the
    /// queue any more.
    pub fn finish_job(
        &mut self,
        now: Timestamp,
        job: &FileJob,
        file: Result<Vec<u8>, String>,
    ) -> Option<Value> {
        let for_others = file.clone();
        let said = self.process_job(now, job, file);
        for other in &mut self.shadows {
            other.compare_callback(said.as_ref(), |service| {
                service.process_job(now, job, for_others.clone())
            });
        }
        said
    }

    fn process_job(&mut self, now: Timestamp, job: &FileJob, file: Result<Vec<u8>, String>) -> Option<Value> {
        let place = self.state.jobs.iter().position(|queued| queued == job)?;
        self.state.jobs.remove(place);
        self.has_unsaved_changes = true;
        let now = self.service_time(now);
        lifecycle::apply_elapsed_time(&mut self.state, now);
        let mut said = file_jobs::process(&mut self.state, job, file, now);
        said["db_name"] = json!(self.credentials.db_name);
        Some(said)
    }
}
