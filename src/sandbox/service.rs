//! The service without sockets: takes a request and the time, returns a response.

mod control_endpoints;
mod switch_comparison;

use super::error_responses::{self, EndpointFamily};
use super::faults::{Fault, FaultKind, FaultScript, FaultTiming};
use super::http_message::{Delivery, HttpRequest, HttpResponse};
use super::rate_limit_class::RateLimitClass;
use super::route::{Route, route_request};
use super::settings::SandboxSettings;
use super::state::{FileJob, SandboxState};
use super::{
    SandboxCredentials, SandboxError, cohorts, credentials, file_jobs, file_segments, filter_segments,
    lifecycle, rate_limits,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use switch_comparison::{ShadowService, SwitchValue};

/// The maximum number of log entries: the log of a service that runs for weeks must not grow without end.
const LOG_LIMIT: usize = 100_000;

#[derive(Clone, Debug)]
pub struct Service {
    pub(super) state: SandboxState,
    credentials: SandboxCredentials,
    fault_script: FaultScript,
    log: Vec<LogEntry>,
    sequence: u64,
    /// Whether anything changed that the data file does not contain.
    pub(super) has_unsaved_changes: bool,
    shadows: Vec<ShadowService>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// Starts at 1.
    pub sequence: u64,
    pub time: Timestamp,
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// `None` if the endpoint does not exist.
    pub class: Option<RateLimitClass>,
    /// The status of the response, even if a fault keeps it from the client.
    pub status: u16,
    /// Whether it was a write that took effect.
    pub committed: bool,
}

impl Service {
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

    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.fault_script = FaultScript::new(faults);
    }

    /// The last API requests, the oldest first. Control requests are not logged.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The service's time when the machine's time is `now`.
    #[must_use]
    pub fn service_time(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.state.clock_ahead_seconds);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Compares the service from now on with copies that have one other switch value each.
    pub(super) fn start_shadows(&mut self, switches: &[(String, String)]) -> Result<(), SandboxError> {
        let shadows = switches.iter().map(|(name, value)| {
            let settings = self.state.settings.with_switch(name, value)?;
            Ok(ShadowService::new(self, name, settings))
        });
        self.shadows = shadows.collect::<Result<_, _>>()?;
        Ok(())
    }

    fn distinguished_switches(&self) -> Vec<&SwitchValue> {
        let shadows = self.shadows.iter();
        shadows
            .filter_map(|shadow| shadow.distinguished_switch(self))
            .collect()
    }

    pub fn handle(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        self.respond(now, request, true)
    }

    /// Answers a request that a fault deferred, without another fault.
    pub fn handle_deferred(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        self.respond(now, request, false)
    }

    fn respond(&mut self, now: Timestamp, request: &HttpRequest, with_faults: bool) -> HttpResponse {
        let mut response = self.answer(now, request, with_faults);
        // Reads of control endpoints show the settings, which no caller of the API sees.
        let is_control_read = request.method == "GET" && request.path.starts_with("/_sandbox/");
        for shadow in &mut self.shadows {
            shadow.drop_unless(|service| {
                service.answer(now, request, with_faults) == response || is_control_read
            });
        }
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        if let Ok(date) = printer.timestamp_to_rfc9110_string(&self.service_time(now)) {
            response.headers.insert("date".to_owned(), date);
        }
        response
    }

    fn answer(&mut self, now: Timestamp, request: &HttpRequest, with_faults: bool) -> HttpResponse {
        let now = self.service_time(now);
        lifecycle::apply_elapsed_time(&mut self.state, now);
        if let Some(path) = request.path.strip_prefix("/_sandbox/") {
            return self.answer_control(now, path, request);
        }
        let Some(route) = route_request(request) else {
            let response = EndpointFamily::of_path(&request.path).error(404, "unknown endpoint");
            return self.log_request(now, request, None, response);
        };
        let family = route.endpoint_family();
        let settings = &self.state.settings;
        let checked = credentials::check_credentials(&self.credentials, settings, family, request);
        if let Err(credentials::Rejection { status, message }) = checked {
            return self.log_request(now, request, Some(route), family.error(status, message));
        }
        let fault = if with_faults {
            self.fault_script.next_fault(request)
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
        if let Some(response) =
            fault.and_then(|fault| fault.response_without_effect(&self.state, now, family))
        {
            return self.log_request(now, request, Some(route), response);
        }
        let class = route.rate_limit_class();
        let mut response = match rate_limits::check_and_count(&mut self.state, class, now) {
            Ok(()) => self.execute(now, request, route, fault),
            Err(message) => self.log_request(now, request, Some(route), family.error(429, &message)),
        };
        rate_limits::set_rate_limit_headers(&self.state, class, now, &mut response);
        let headers = std::mem::take(&mut response.headers);
        let response = match fault {
            Some(fault) => fault.response_after_effect(family, response),
            None => response,
        };
        HttpResponse { headers, ..response }
    }

    fn answer_control(&mut self, now: Timestamp, path: &str, request: &HttpRequest) -> HttpResponse {
        if let Err(message) = credentials::check_basic_credentials(&self.credentials, request) {
            return HttpResponse::new(401, json!({"error": message}));
        }
        let response = control_endpoints::handle(self, now, path, request);
        self.has_unsaved_changes |= request.method == "POST" && response.is_success();
        response
    }

    fn execute(
        &mut self,
        now: Timestamp,
        request: &HttpRequest,
        route: Route<'_>,
        fault: Option<FaultKind>,
    ) -> HttpResponse {
        if fault == Some(FaultKind::ReplayedPost) {
            self.execute(now, request, route, None);
        }
        let state = &mut self.state;
        let response = match route {
            Route::List => match fault {
                Some(FaultKind::StaleList { missing_last }) => {
                    filter_segments::list(&state.segments_before(missing_last), &state.settings, request)
                }
                _ => filter_segments::list(&state.segments, &state.settings, request),
            },
            Route::Get(id) => filter_segments::get(state, id),
            Route::Create => filter_segments::create(state, now, request),
            Route::Update(id) => filter_segments::update(state, now, id, request),
            Route::CreateFile => file_segments::create(state, now, request),
            Route::ChangeFile(operation) => file_segments::enqueue_change(state, request, operation),
            Route::Archive => lifecycle::set_archived(state, now, request, true),
            Route::Unarchive => lifecycle::set_archived(state, now, request, false),
            Route::Cohort => cohorts::sync(state, now, request),
        };
        self.log_request(now, request, Some(route), response)
    }

    /// Logs a request, and writes its number into the response.
    fn log_request(
        &mut self,
        time: Timestamp,
        request: &HttpRequest,
        route: Option<Route<'_>>,
        mut response: HttpResponse,
    ) -> HttpResponse {
        let committed = response.is_success() && route.is_some_and(Route::is_write);
        self.has_unsaved_changes |= committed;
        self.sequence += 1;
        error_responses::set_request_number(&mut response, self.sequence);
        if self.log.len() >= LOG_LIMIT {
            self.log.drain(..LOG_LIMIT / 2);
        }
        self.log.push(LogEntry {
            sequence: self.sequence,
            time,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            class: route.map(Route::rate_limit_class),
            status: response.status,
            committed,
        });
        response
    }

    pub(super) fn mark_saved(&mut self) {
        self.has_unsaved_changes = false;
        self.state.mark_saved();
    }

    /// The file to be processed next. It stays in the queue until `finish_job`.
    #[must_use]
    pub fn next_job(&self) -> Option<FileJob> {
        self.state.jobs.front().cloned()
    }

    /// Processes a downloaded file, or the reason why there is none, and returns the body of the callback. `None` if
    /// the job is no longer in the queue.
    pub fn finish_job(
        &mut self,
        now: Timestamp,
        job: &FileJob,
        file: Result<Vec<u8>, String>,
    ) -> Option<Value> {
        let shadow_file = file.clone();
        let callback = self.process_job(now, job, file);
        for shadow in &mut self.shadows {
            shadow.drop_unless(|service| service.process_job(now, job, shadow_file.clone()) == callback);
        }
        callback
    }

    fn process_job(&mut self, now: Timestamp, job: &FileJob, file: Result<Vec<u8>, String>) -> Option<Value> {
        let index = self.state.jobs.iter().position(|queued| queued == job)?;
        self.state.jobs.remove(index);
        self.has_unsaved_changes = true;
        let now = self.service_time(now);
        lifecycle::apply_elapsed_time(&mut self.state, now);
        let mut callback = file_jobs::process(&mut self.state, job, file, now);
        callback["db_name"] = json!(self.credentials.db_name);
        Some(callback)
    }
}
