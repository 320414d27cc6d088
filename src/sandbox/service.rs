//! The service without sockets: a call and the time in, an answer out.

use super::alternative::{Alternative, Switch};
use super::call::{Call, Delivery, Reply};
use super::faults::{Fault, FaultKind, Script, When};
use super::limits::{self, Class};
use super::replies::{self, Family};
use super::route::{Operation, route};
use super::settings::Settings;
use super::state::{Job, State};
use super::{
    Credentials, SandboxError, cohorts, control, credentials, file_jobs, file_segments, filter_segments,
    lifecycle,
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
    pub(super) state: State,
    credentials: Credentials,
    script: Script,
    log: Vec<LogEntry>,
    /// Calls so far.
    sequence: u64,
    /// Whether anything changed that a store has not seen yet.
    dirty: bool,
    /// What it is compared with.
    alternatives: Vec<Alternative>,
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
    pub class: Option<Class>,
    /// The status answered, or meant to be.
    pub status: u16,
    /// Whether it was a write that took effect.
    pub committed: bool,
}

impl Service {
    /// A service with nothing in it.
    #[must_use]
    pub fn new(settings: Settings, credentials: Credentials) -> Self {
        Self::with_state(State::new(settings), credentials)
    }

    pub(super) fn with_state(state: State, credentials: Credentials) -> Self {
        Self {
            state,
            credentials,
            script: Script::default(),
            log: Vec::new(),
            sequence: 0,
            dirty: false,
            alternatives: Vec::new(),
        }
    }

    /// Makes calls go wrong from now on.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.script = Script::new(faults);
    }

    /// The last calls, the oldest first, control calls not counted.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The service's time when the machine's is `now`.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.state.clock_ahead_seconds);
        now.checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Compares it from now on with services that have one other setting each.
    pub(super) fn compare_with(&mut self, switches: &[(String, String)]) -> Result<(), SandboxError> {
        let alternatives = switches.iter().map(|(name, value)| {
            let unusable = |source| SandboxError::Switch {
                name: name.clone(),
                source,
            };
            let settings = self.state.settings.with(name, value).map_err(unusable)?;
            Alternative::new(self, name, settings).map_err(unusable)
        });
        self.alternatives = alternatives.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The other settings that made a difference so far.
    pub(super) fn told_apart(&self) -> Vec<&Switch> {
        let alternatives = self.alternatives.iter();
        alternatives.filter_map(|other| other.told_apart(self)).collect()
    }

    /// Answers one call when the machine's time is `now`.
    pub fn handle(&mut self, now: Timestamp, call: &Call) -> Reply {
        let reply = self.answer_all(now, call, true);
        self.dated(now, reply)
    }

    /// Answers a call that was postponed, now that its time has come: no fault happens to it twice.
    pub fn handle_postponed(&mut self, now: Timestamp, call: &Call) -> Reply {
        let reply = self.answer_all(now, call, false);
        self.dated(now, reply)
    }

    fn answer_all(&mut self, now: Timestamp, call: &Call, with_faults: bool) -> Reply {
        let reply = self.answer(now, call, with_faults);
        for other in &mut self.alternatives {
            other.hear(call, &reply, |service| service.answer(now, call, with_faults));
        }
        reply
    }

    /// With the service's own time, as every HTTP server says it.
    fn dated(&self, now: Timestamp, mut reply: Reply) -> Reply {
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.time(now));
        reply
            .headers
            .extend(date.ok().map(|date| ("date".to_owned(), date)));
        reply
    }

    fn answer(&mut self, now: Timestamp, call: &Call, with_faults: bool) -> Reply {
        let now = self.time(now);
        lifecycle::pass_time(&mut self.state, now);
        if let Some(path) = call.path.strip_prefix("/_sandbox/") {
            return self.answer_control(now, path, call);
        }
        let Some(operation) = route(call) else {
            let reply = Family::V3.error(404, "there is no such endpoint");
            return self.take_down(now, call, None, reply);
        };
        let family = operation.family();
        if let Err(message) = credentials::check(&self.credentials, family, call) {
            return self.take_down(now, call, Some(operation), family.error(401, message));
        }
        let fault = if with_faults { self.script.next(call) } else { None };
        if let Some(FaultKind::Slow {
            milliseconds,
            when: When::Before,
        }) = fault
        {
            return Reply::new(200, Value::Null).delivered(Delivery::Postponed(milliseconds));
        }
        if let Some(reply) = fault.and_then(|fault| fault.before(&self.state, now, family)) {
            return self.take_down(now, call, Some(operation), reply);
        }
        let mut reply = match limits::admit(&mut self.state, operation.class(), now) {
            Ok(()) => self.perform(now, call, operation, fault),
            Err(message) => self.take_down(now, call, Some(operation), family.error(429, &message)),
        };
        limits::put_headers(&self.state, operation.class(), now, &mut reply);
        let headers = std::mem::take(&mut reply.headers);
        let reply = match fault {
            Some(fault) => fault.after(family, reply),
            None => reply,
        };
        Reply { headers, ..reply }
    }

    fn answer_control(&mut self, now: Timestamp, path: &str, call: &Call) -> Reply {
        if let Err(message) = credentials::check_basic(&self.credentials, call) {
            return Reply::new(401, json!({"error": message}));
        }
        let reply = control::handle(self, now, path, call);
        self.dirty |= call.method == "POST" && reply.is_success();
        reply
    }

    /// Whether a call may use the control endpoints.
    pub(super) fn may_control(&self, call: &Call) -> bool {
        credentials::check_basic(&self.credentials, call).is_ok()
    }

    fn perform(
        &mut self,
        now: Timestamp,
        call: &Call,
        operation: Operation<'_>,
        fault: Option<FaultKind>,
    ) -> Reply {
        if fault == Some(FaultKind::ReplayedPost) {
            self.perform(now, call, operation, None);
        }
        let state = &mut self.state;
        let reply = match operation {
            Operation::List => match fault {
                Some(FaultKind::StaleList { missing_last }) => {
                    filter_segments::list(&state.segments_before(missing_last), &state.settings, call)
                }
                _ => filter_segments::list(&state.segments, &state.settings, call),
            },
            Operation::Get(id) => filter_segments::get(state, id),
            Operation::Create => filter_segments::create(state, now, call),
            Operation::Update(id) => filter_segments::update(state, now, id, call),
            Operation::CreateFile => file_segments::create(state, now, call),
            Operation::ChangeFile(change) => file_segments::change(state, call, change),
            Operation::Archive => lifecycle::change(state, now, call, true),
            Operation::Unarchive => lifecycle::change(state, now, call, false),
            Operation::Cohort => cohorts::sync(state, now, call),
        };
        self.take_down(now, call, Some(operation), reply)
    }

    /// Writes a call into the log, and its number into the answer.
    fn take_down(
        &mut self,
        time: Timestamp,
        call: &Call,
        operation: Option<Operation<'_>>,
        mut reply: Reply,
    ) -> Reply {
        let committed = reply.is_success() && operation.is_some_and(Operation::is_write);
        self.dirty |= committed;
        self.sequence += 1;
        replies::put_sequence(&mut reply, self.sequence);
        if self.log.len() >= LOG_LIMIT {
            self.log.drain(..LOG_LIMIT / 2);
        }
        self.log.push(LogEntry {
            sequence: self.sequence,
            time,
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            class: operation.map(Operation::class),
            status: reply.status,
            committed,
        });
        reply
    }

    /// Has the state saved although nothing was written.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Says that a store has seen everything up to here.
    pub(super) fn saved(&mut self) {
        self.dirty = false;
        self.state.saved();
    }

    /// The file to be processed next; it stays in the queue until it is.
    #[must_use]
    pub fn next_job(&self) -> Option<Job> {
        self.state.jobs.front().cloned()
    }

    /// Processes a file that was asked for; what the callback says comes back. `None` when the job is not in the
    /// queue any more.
    pub fn finish_job(&mut self, now: Timestamp, job: &Job, file: Result<Vec<u8>, String>) -> Option<Value> {
        let for_others = file.clone();
        let said = self.process(now, job, file);
        for other in &mut self.alternatives {
            other.process(said.as_ref(), |service| {
                service.process(now, job, for_others.clone())
            });
        }
        said
    }

    fn process(&mut self, now: Timestamp, job: &Job, file: Result<Vec<u8>, String>) -> Option<Value> {
        let place = self.state.jobs.iter().position(|queued| queued == job)?;
        self.state.jobs.remove(place);
        self.dirty = true;
        let now = self.time(now);
        lifecycle::pass_time(&mut self.state, now);
        let mut said = file_jobs::process(&mut self.state, job, file, now);
        said["db_name"] = json!(self.credentials.db_name);
        Some(said)
    }
}
