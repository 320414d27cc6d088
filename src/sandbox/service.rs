//! The service without sockets: a call and the time in, an answer out.

use super::call::{Call, Delivery, Reply};
use super::faults::{Fault, FaultKind, Script};
use super::limits::{self, Admission};
use super::replies::Family;
use super::settings::Settings;
use super::state::{FileOperation, Job, State};
use super::{Credentials, cohorts, control, credentials, file_segments, filter_segments, lifecycle};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// States that are kept for lists that answer late.
const PAST_STATES: usize = 16;

/// The service.
#[derive(Clone, Debug)]
pub struct Service {
    pub(super) state: State,
    credentials: Credentials,
    script: Script,
    log: Vec<LogEntry>,
    /// What the state was before each of the last writes, newest last.
    past: VecDeque<State>,
    /// Whether anything changed that a store has not seen yet.
    dirty: bool,
}

/// One call as the service saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// When.
    pub time: Timestamp,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The class of the endpoint.
    pub class: &'static str,
    /// The status answered, or meant to be.
    pub status: u16,
    /// Whether it changed anything.
    pub committed: bool,
}

/// The operations, by method and path.
enum Operation<'a> {
    List,
    Create,
    Get(&'a str),
    Update(&'a str),
    CreateFile,
    ChangeFile(FileOperation),
    Lifecycle { archive: bool },
    Cohort,
}

impl Service {
    /// A service with nothing in it.
    #[must_use]
    pub fn new(settings: Settings, credentials: Credentials) -> Self {
        Self::with_state(
            State {
                format_version: 1,
                settings,
                ..State::default()
            },
            credentials,
        )
    }

    pub(super) fn with_state(state: State, credentials: Credentials) -> Self {
        Self {
            state,
            credentials,
            script: Script::default(),
            log: Vec::new(),
            past: VecDeque::new(),
            dirty: false,
        }
    }

    /// Makes calls go wrong from now on.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.script = Script::new(faults);
    }

    /// The calls so far, control calls not counted.
    #[must_use]
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The service's time when the machine's is `now`.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.state.clock_ahead_seconds);
        now.checked_add(ahead).unwrap_or(now)
    }

    /// Answers one call.
    pub fn handle(&mut self, now: Timestamp, call: &Call) -> Reply {
        let now = self.time(now);
        self.state.pass_time(now);
        if let Some(path) = call.path.strip_prefix("/_sandbox/") {
            return match credentials::check_basic(&self.credentials, call) {
                Ok(()) => {
                    self.dirty |= call.method == "POST";
                    control::handle(self, now, path, call)
                }
                Err(message) => Family::V3.error(401, message),
            };
        }
        let Some((operation, family, class)) = route(call) else {
            return Family::V3.error(404, "there is no such endpoint");
        };
        if let Err(message) = credentials::check(&self.credentials, family, call) {
            return family.error(401, message);
        }
        let fault = self.script.next(call);
        let mut reply = self.answer(now, call, (&operation, family, class), fault);
        limits::put_headers(&self.state, class, now, &mut reply);
        if let Some(FaultKind::RateLimited { reset_in_seconds }) = fault {
            let reset = now.as_second() + reset_in_seconds;
            reply
                .headers
                .insert("x-ratelimit-reset".to_owned(), reset.to_string());
        }
        reply
    }

    fn answer(
        &mut self,
        now: Timestamp,
        call: &Call,
        (operation, family, class): (&Operation<'_>, Family, &'static str),
        fault: Option<FaultKind>,
    ) -> Reply {
        if let Some(reply) = fault.and_then(|fault| before(fault, family)) {
            self.take_down(now, call, (class, reply.status), false);
            return reply;
        }
        if let Admission::Refused { calls, minutes } = limits::admit(&mut self.state, class, now) {
            let message = format!("API rate limit breached. Current limit: {calls}/{minutes} mins");
            self.take_down(now, call, (class, 429), false);
            return family.error(429, &message);
        }
        if let (Some(FaultKind::StaleList(writes)), Operation::List) = (fault, operation) {
            let past = self
                .past
                .len()
                .checked_sub(writes)
                .and_then(|index| self.past.get(index));
            let reply = filter_segments::list(past.unwrap_or(&self.state), call);
            self.take_down(now, call, (class, reply.status), false);
            return reply;
        }
        if fault == Some(FaultKind::Replayed) {
            let first = self.perform(now, call, operation);
            self.take_down(now, call, (class, first.status), first.is_success());
        }
        let reply = self.perform(now, call, operation);
        let is_write = !matches!(operation, Operation::List | Operation::Get(_));
        self.take_down(now, call, (class, reply.status), is_write && reply.is_success());
        after(fault, family, reply)
    }

    fn perform(&mut self, now: Timestamp, call: &Call, operation: &Operation<'_>) -> Reply {
        let before = match operation {
            Operation::List | Operation::Get(_) => None,
            _ => Some(self.state.clone()),
        };
        let state = &mut self.state;
        let reply = match operation {
            Operation::List => filter_segments::list(state, call),
            Operation::Get(id) => filter_segments::get(state, id),
            Operation::Create => filter_segments::create(state, now, call),
            Operation::Update(id) => filter_segments::update(state, now, id, call),
            Operation::CreateFile => file_segments::create(state, now, call),
            Operation::ChangeFile(change) => file_segments::change(state, call, *change),
            Operation::Lifecycle { archive } => lifecycle::change(state, now, call, *archive),
            Operation::Cohort => cohorts::sync(state, now, call),
        };
        if let Some(before) = before.filter(|_| reply.is_success()) {
            self.dirty = true;
            self.past.push_back(before);
            if self.past.len() > PAST_STATES {
                self.past.pop_front();
            }
        }
        reply
    }

    fn take_down(
        &mut self,
        time: Timestamp,
        call: &Call,
        (class, status): (&'static str, u16),
        committed: bool,
    ) {
        let (method, path) = (call.method.clone(), call.path.clone());
        self.log.push(LogEntry {
            time,
            method,
            path,
            class,
            status,
            committed,
        });
    }

    /// Whether anything changed since this was last asked.
    pub(super) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// The next file to be processed; it stays in the queue until it is.
    #[must_use]
    pub fn next_job(&self) -> Option<Job> {
        self.state.jobs.front().cloned()
    }

    /// Processes the next file; what the callback says comes back.
    pub fn finish_job(&mut self, now: Timestamp, file: Result<Vec<u8>, String>) -> Option<Value> {
        let job = self.state.jobs.pop_front()?;
        let now = self.time(now);
        let mut said = file_segments::process(&mut self.state, &job, file, now);
        said["db_name"] = json!(self.credentials.db_name);
        Some(said)
    }
}

fn route(call: &Call) -> Option<(Operation<'_>, Family, &'static str)> {
    let route = (call.method.as_str(), call.route());
    Some(match route {
        ("GET", "/v3/custom-segments") => (Operation::List, Family::V3, "list"),
        ("POST", "/v3/custom-segments") => (Operation::Create, Family::V3, "create"),
        ("POST", "/v2/custom-segments/file-segment") => (Operation::CreateFile, Family::V2, "file"),
        ("PUT", "/v2/custom-segments/file-segment/add-users") => {
            (Operation::ChangeFile(FileOperation::Add), Family::V2, "file")
        }
        ("PUT", "/v2/custom-segments/file-segment/remove-users") => {
            (Operation::ChangeFile(FileOperation::Remove), Family::V2, "file")
        }
        ("PUT", "/v2/custom-segments/file-segment/replace") => {
            (Operation::ChangeFile(FileOperation::Replace), Family::V2, "file")
        }
        ("PATCH", "/v2/custom-segments/archive") => {
            (Operation::Lifecycle { archive: true }, Family::V2, "lifecycle")
        }
        ("PATCH", "/v2/custom-segments/unarchive") => {
            (Operation::Lifecycle { archive: false }, Family::V2, "lifecycle")
        }
        ("POST", "/v1/integrations/cohortsync") => (Operation::Cohort, Family::V1, "cohort"),
        (method, path) => {
            let id = path
                .strip_prefix("/v3/custom-segments/")
                .filter(|id| !id.contains('/'))?;
            match method {
                "GET" => (Operation::Get(id), Family::V3, "get"),
                "PATCH" => (Operation::Update(id), Family::V3, "update"),
                _ => return None,
            }
        }
    })
}

/// Faults that keep the call from having an effect.
fn before(fault: FaultKind, family: Family) -> Option<Reply> {
    Some(match fault {
        FaultKind::RateLimited { .. } => {
            family.error(429, "API rate limit breached. Current limit: 0/1 mins")
        }
        FaultKind::ActiveLimit => {
            let mut more = Map::new();
            more.insert("actual_count".to_owned(), json!(1000));
            more.insert("limit".to_owned(), json!(1000));
            family.error_with(429, "the limit of active custom segments is reached", &more)
        }
        FaultKind::StatusBefore(status) => family.error(status, "as the script of faults wants it"),
        FaultKind::ResetBefore => Reply {
            delivery: Delivery::Reset,
            ..Reply::new(503, Value::Null)
        },
        _ => return None,
    })
}

/// Faults of the answer alone.
fn after(fault: Option<FaultKind>, family: Family, reply: Reply) -> Reply {
    match fault {
        Some(FaultKind::StatusAfter(status)) => family.error(status, "as the script of faults wants it"),
        Some(FaultKind::ResetAfter) => Reply {
            delivery: Delivery::Reset,
            ..reply
        },
        Some(FaultKind::Slow(milliseconds)) => Reply {
            delivery: Delivery::Slow(milliseconds),
            ..reply
        },
        Some(FaultKind::Truncated) => Reply {
            delivery: Delivery::Truncated,
            ..reply
        },
        Some(FaultKind::Garbage) => Reply {
            delivery: Delivery::Garbage,
            ..reply
        },
        _ => reply,
    }
}
