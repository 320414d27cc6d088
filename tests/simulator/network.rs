//! The way between a process and the service: calls take time, and some of them go wrong. What was sent is on its way,
//! whether or not the process is still there.

use super::callbacks;
use super::executor::{ProcessLifetime, Timeline};
use super::faults::{FaultScope, NetworkFault, NetworkFaultKind};
use super::ground_truth::Author;
use super::injected_bugs::Bug;
use super::list_checks::{has_recorded_request, is_list_request};
use super::lock::LockFile;
use super::recorder::{API_KEY, ENCODED_KEY, Recorder};
use super::store::PossibleStates;
use super::upload_queue;
use super::workspace::{ArrivingRequest, SimulatedWorkspace, is_upload_request, sandbox_call, summarize};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use segctl::api::{
    Credentials, Endpoint, HttpTransport, Method, Request, Response, Transport, TransportError,
};
use segctl::model::{Lifecycle, Payload};
use segctl::plan::step::Step;
use segctl::rate_limit::RateLimitHeaders;
use segctl::sandbox::{HttpRequest, HttpResponse};
use segctl::state::{IntendedWrite, Intent};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// A process's connection to the service.
#[derive(Clone)]
pub(crate) struct SimulatedTransport {
    pub(crate) workspace: Arc<Mutex<SimulatedWorkspace>>,
    pub(crate) timeline: Timeline,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    pub(crate) recorder: Recorder,
    pub(crate) actor: String,
    pub(crate) run: usize,
    /// What the disk holds of what was taken down.
    pub(crate) possible_states: PossibleStates,
    pub(crate) lock: LockFile,
    /// What was heard of segments, by path, for a bug that does not look again.
    pub(crate) cached_responses: Arc<Mutex<BTreeMap<String, Response>>>,
}

/// Takes the key out of what the service says, as it does in production.
static REDACTING_TRANSPORT: LazyLock<HttpTransport> = LazyLock::new(|| {
    let endpoint = Endpoint::parse("http://127.0.0.1:9").unwrap();
    let credentials = Credentials {
        workspace_id: "w".to_owned(),
        api_key: API_KEY.to_owned().into(),
        db_name: Some("d".to_owned()),
    };
    HttpTransport::new(endpoint, credentials).unwrap()
});

/// What becomes of a call and of its answer.
struct RequestFate {
    /// When the service gets it, in milliseconds from now; never where there is nothing.
    arrives_after: Option<i64>,
    arrives_twice: bool,
    missing_writes: usize,
    /// When the process hears something.
    responds_after: i64,
    kind: Option<NetworkFaultKind>,
}

impl SimulatedTransport {
    /// The fault of this call, if it is the turn of one.
    fn next_fault(&self, call: &HttpRequest) -> Option<NetworkFaultKind> {
        let mut workspace = self.workspace.lock().unwrap();
        for NetworkFault {
            scope: on,
            skipped: after,
            times,
            fault: kind,
        } in &mut workspace.faults
        {
            if *times == 0 || !on.matches(call) {
                continue;
            }
            if *after > 0 {
                *after -= 1;
                continue;
            }
            *times -= 1;
            return Some(*kind);
        }
        None
    }

    fn draw_fate(&self, call: &HttpRequest, deadline: Duration) -> RequestFate {
        let kind = self.next_fault(call);
        let mut workspace = self.workspace.lock().unwrap();
        let random = &mut workspace.random;
        let (there, back) = (random.between(1, 200), random.between(1, 200));
        let deadline = i64::try_from(deadline.as_millis()).unwrap();
        let fate = |arrives_after, heard_after| RequestFate {
            arrives_after,
            arrives_twice: false,
            missing_writes: 0,
            responds_after: heard_after,
            kind,
        };
        match kind {
            Some(
                NetworkFaultKind::RateLimited { .. }
                | NetworkFaultKind::ActiveLimit
                | NetworkFaultKind::FailedBefore { .. }
                | NetworkFaultKind::Unreachable
                | NetworkFaultKind::ResetBefore
                | NetworkFaultKind::Unauthorized,
            ) => fate(None, there + back),
            Some(NetworkFaultKind::TimeoutBefore) => fate(None, deadline),
            Some(NetworkFaultKind::TimeoutAfter) => fate(Some(there), deadline),
            // As late as runs have to reckon with where no look tells what came of a call.
            Some(NetworkFaultKind::DeliveredLate) if is_list_request(call) => {
                fate(Some(deadline + random.between(1, 200_000)), deadline)
            }
            Some(NetworkFaultKind::DeliveredLate) => {
                fate(Some(deadline + random.between(1, 20_000)), deadline)
            }
            Some(NetworkFaultKind::Slow { milliseconds }) => fate(Some(there), milliseconds),
            Some(NetworkFaultKind::DeliveredTwice) => RequestFate {
                arrives_twice: true,
                ..fate(Some(there), there + back)
            },
            Some(NetworkFaultKind::StaleList { writes }) => RequestFate {
                missing_writes: writes,
                ..fate(Some(there), there + back)
            },
            _ => fate(Some(there), there + back),
        }
    }

    /// Puts a call on its way; what the service answers is there once it arrived.
    fn send_request(
        &self,
        call: &HttpRequest,
        fate: &RequestFate,
        step: Option<usize>,
    ) -> Arc<Mutex<Option<HttpResponse>>> {
        let answer = Arc::new(Mutex::new(None));
        let Some(arrives_after) = fate.arrives_after else {
            return answer;
        };
        let line = self.clone();
        let (call, slot) = (call.clone(), Arc::clone(&answer));
        let is_late = fate.kind == Some(NetworkFaultKind::DeliveredLate);
        let (missing, twice) = (fate.missing_writes, fate.arrives_twice);
        let author = if is_late {
            Author::LateRequest(self.run)
        } else {
            Author::Run(self.run)
        };
        let sent_at = self.timeline.now();
        self.timeline.schedule(sent_at + arrives_after, move || {
            let arrival = ArrivingRequest {
                author,
                sent_at,
                request: &call,
                missing_writes: missing,
                // The run counts one that is late when it gave it up.
                is_known_to_run: !is_late,
            };
            let first = line.arrive(arrival, step);
            let again = ArrivingRequest {
                is_known_to_run: false,
                ..arrival
            };
            let second = twice.then(|| line.arrive(again, step));
            if second.as_ref().is_some_and(|second| second.status == 409) && is_upload_request(&call) {
                let id = first.body["cs_id"].as_str().unwrap_or_default().to_owned();
                line.workspace.lock().unwrap().delivered_twice.insert(id);
            }
            // Whoever limits calls does so before they come to be two.
            let reply = second.filter(|second| second.status != 429).unwrap_or(first);
            *slot.lock().unwrap() = Some(reply);
        });
        answer
    }

    fn arrive(&self, arrival: ArrivingRequest<'_>, step: Option<usize>) -> HttpResponse {
        let now = self.timeline.timestamp();
        let mut workspace = self.workspace.lock().unwrap();
        let before = workspace.ground_truth.changes.len();
        if matches!(arrival.author, Author::Run(_)) {
            workspace.require_known_base_list(self.run, arrival.request, self.planned_step(&workspace, step));
        }
        let reply = workspace.handle_request(now, arrival);
        let committed = workspace.ground_truth.changes.len() > before;
        if committed && let Some(witness) = workspace.run_checkers.get_mut(&self.run) {
            witness.record_commit(step, before);
        }
        drop(workspace);
        if reply.status == 202 {
            // What is delivered twice is read twice, one right after the other.
            let is_second = !arrival.is_known_to_run && matches!(arrival.author, Author::Run(_));
            upload_queue::schedule_read((&self.workspace, &self.timeline), is_second);
        }
        let what = u64::from(reply.status);
        self.recorder.log_event("service", what, || {
            let committed = if committed { ", committed" } else { "" };
            format!(
                "{} {} of {}: {}{committed}",
                arrival.request.method,
                arrival.request.path,
                self.actor,
                summarize(&reply)
            )
        });
        reply
    }

    /// The step of this run's plan in a place.
    fn planned_step<'w>(&self, workspace: &'w SimulatedWorkspace, place: Option<usize>) -> Option<&'w Step> {
        workspace.run_checkers.get(&self.run)?.step(place?)
    }

    /// Takes down that a call is made, before anything can go wrong with it; the step that it is made for.
    fn check_before_send(&self, call: &HttpRequest) -> Option<usize> {
        self.recorder.log_event(&self.actor, call.body.len() as u64, || {
            let body = String::from_utf8_lossy(&call.body);
            // The values of lists are long.
            let body: String = body.chars().take(600).collect();
            let name = call.query.get("name").map(|name| format!("?name={name}"));
            format!(
                "sends {} {}{} {body}",
                call.method,
                call.path,
                name.unwrap_or_default()
            )
        });
        if call.method == "GET" {
            return None;
        }
        self.recorder.require(
            self.lock.allows_write(self.run, self.timeline.now()),
            "only the holder of the lock writes",
            || format!("{} {}", call.method, call.path),
        );
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let name = self.recorder.run_name(self.run);
        let is_of_call = |intent: &Intent| intent.step.run == name && matches_intent(intent, (call, &body));
        let is_taken_down = if is_list_request(call) {
            self.possible_states
                .all_satisfy(|ledger| has_recorded_request(ledger, &name, (call, &body)))
        } else {
            self.possible_states.all_have_intent(is_of_call)
        };
        self.recorder.require(
            is_taken_down,
            "every write is taken down before it is sent",
            || format!("{} {} {body}", call.method, call.path),
        );
        let mut workspace = self.workspace.lock().unwrap();
        if creates_segment(call) {
            let created = (self.run, text_of(&body["name"]));
            self.recorder.require(
                !workspace.unverified_creates.contains(&created),
                "no create is repeated before a look",
                || format!("{created:?}"),
            );
        }
        workspace.check_request(self.run, call)
    }
}

/// Whether what was taken down is this very call.
fn matches_intent(intent: &Intent, (call, body): (&HttpRequest, &Value)) -> bool {
    let has_filters = |definition: &Payload| {
        let excluded = definition.excluded_filters.as_ref();
        let none = |excluded: &Value| excluded["filters"].as_array().is_none_or(Vec::is_empty);
        let is_excluded = match excluded {
            Some(excluded) => *excluded == body["excluded_filters"],
            None => none(&body["excluded_filters"]),
        };
        definition.included_filters == body["included_filters"] && is_excluded
    };
    match &intent.write {
        IntendedWrite::Create { definition, .. } => {
            call.method == "POST" && body["name"] == intent.segment.as_str() && has_filters(definition)
        }
        IntendedWrite::Update {
            id, name, definition, ..
        } => {
            let has_name = body.get("name").is_none_or(|sent| *sent == name.as_str());
            call.path == format!("/v3/custom-segments/{id}") && has_name && has_filters(definition)
        }
        IntendedWrite::ProbeNameHolder { name, .. } => {
            call.path.ends_with("/unarchive") && body["name"] == name.as_str() && body.get("cs_id").is_none()
        }
        // Which of these are taken down depends on what the lists say.
        IntendedWrite::CreateCohort { .. } | IntendedWrite::CreateFileSegment { .. } => false,
        IntendedWrite::SetLifecycle { id, lifecycle, .. } => {
            let end = match lifecycle {
                Lifecycle::Archived => "/archive",
                Lifecycle::Active => "/unarchive",
            };
            call.path.ends_with(end) && body["cs_id"] == id.as_str()
        }
    }
}

impl Transport for SimulatedTransport {
    async fn send(&self, request: Request, deadline: Duration) -> Result<Response, TransportError> {
        self.lifetime.crash_point().await;
        let call = self.inject_request_bug(to_sandbox_call(&request));
        if let Some(made_up) = self.inject_unsent_response(&call) {
            return Ok(made_up);
        }
        let step = self.check_before_send(&call);
        if self.recorder.has_bug(Bug::LastBatchSkipped) && is_last_batch(&call) {
            return Ok(synthetic_response(
                200,
                &json!({"status": "success", "message": ""}),
            ));
        }
        let fate = self.draw_fate(&call, deadline);
        let answer = self.send_request(&call, &fate, step);
        self.lifetime.crash_point().await;
        self.timeline
            .wait_until(self.timeline.now() + fate.responds_after)
            .await;
        self.lifetime.crash_point().await;
        let reply = answer.lock().unwrap().take();
        let reply = reply.map(|reply| self.inject_response_bug(&call, reply));
        let mut heard = self.response_for(fate.kind, reply);
        if heard.is_err() {
            heard = self.inject_false_success(&call).map_or(heard, Ok);
        }
        self.track_ambiguous_writes(&call, (fate.kind, &heard));
        let mut workspace = self.workspace.lock().unwrap();
        // A name that is taken may have been taken by this very step.
        let is_taken = call.method == "POST" && heard.as_ref().is_ok_and(|heard| heard.status == 409);
        let is_refused = heard.as_ref().is_ok_and(|heard| heard.status == 400);
        let looks_made = workspace.ground_truth.read_count;
        if is_refused && let Some(witness) = workspace.run_checkers.get_mut(&self.run) {
            witness.record_rejection(step, looks_made);
        }
        if (fate.kind.is_some() || is_taken)
            && let Some(witness) = workspace.run_checkers.get_mut(&self.run)
        {
            witness.record_fault(step);
        }
        drop(workspace);
        if let Some(kind) = fate.kind {
            self.recorder.log_event(&self.actor, 7, || {
                let end = heard
                    .as_ref()
                    .map_or_else(ToString::to_string, |heard| heard.status.to_string());
                format!("hears {end} ({kind:?} of {} {})", call.method, call.path)
            });
        }
        heard
    }

    fn redact(&self, text: &str) -> String {
        if self.recorder.has_bug(Bug::KeyNotRedacted) {
            return text.to_owned();
        }
        REDACTING_TRANSPORT.redact(text)
    }
}

impl SimulatedTransport {
    /// The call as it would be sent by mistake.
    fn inject_request_bug(&self, mut call: HttpRequest) -> HttpRequest {
        if call.method == "GET" {
            return call;
        }
        let text = String::from_utf8_lossy(&call.body).into_owned();
        if self.recorder.has_bug(Bug::CallbackUrlShared)
            && let Some((before, after)) = text.split_once(callbacks::CALLBACK_BASE_URL)
        {
            let (_, rest) = after.split_once('"').unwrap();
            let shared = "0".repeat(32);
            call.body = format!("{before}{}/{shared}\"{rest}", callbacks::CALLBACK_BASE_URL).into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongDefinitionSent) && call.method == "PATCH" {
            call.body = text.replace("\"value\":", "\"value\":1").into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongNameSent) && call.method == "POST" {
            call.body = text.replace("\"name\":\"", "\"name\":\"a ").into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongMembersSent) && call.path.ends_with("/cohortsync") {
            call.body = text.replace("11\"}", "10\"}").into_bytes();
        }
        if self.recorder.has_bug(Bug::AddSentForReplace) && call.path.ends_with("/replace") {
            call.path = call.path.replace("/replace", "/add-users");
        }
        if self.recorder.has_bug(Bug::WrongSegmentWritten) && call.path.starts_with("/v3/custom-segments/") {
            let foreign = self.workspace.lock().unwrap().unmanaged.first().cloned();
            call.path = foreign.map_or(call.path, |id| format!("/v3/custom-segments/{id}"));
        }
        call
    }

    /// What a bug takes for the answer to a call that had none.
    fn inject_false_success(&self, call: &HttpRequest) -> Option<Response> {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        if call.path.ends_with("/cohortsync") {
            let done = synthetic_response(200, &json!({"status": "success", "message": ""}));
            return self.recorder.has_bug(Bug::LostSyncTreatedAsDone).then_some(done);
        }
        if is_upload_request(call) {
            let taken =
                json!({"success": true, "message": "", "cs_name": body["name"], "cs_id": body["cs_id"]});
            let is_change = call.method == "PUT";
            let is_planted = is_change && self.recorder.has_bug(Bug::LostUploadTreatedAsDone);
            return is_planted.then(|| synthetic_response(202, &taken));
        }
        let is_move = call.path.starts_with("/v2/");
        let done = synthetic_response(200, &json!({"success": true}));
        (is_move && self.recorder.has_bug(Bug::LostLifecycleTreatedAsDone)).then_some(done)
    }

    /// What a bug takes for an answer without asking.
    fn inject_unsent_response(&self, call: &HttpRequest) -> Option<Response> {
        if call.method != "GET" {
            return None;
        }
        if call.query.contains_key("name") && self.recorder.has_bug(Bug::CreateRetriedUnverified) {
            return Some(synthetic_response(
                200,
                &json!({"data": [], "response_id": "", "type": "custom_segment"}),
            ));
        }
        let heard = self.cached_responses.lock().unwrap();
        let known = heard.get(&call.path).cloned();
        known.filter(|_| self.recorder.has_bug(Bug::StaleReadReused))
    }

    /// An answer as a bug takes it.
    fn inject_response_bug(&self, call: &HttpRequest, reply: HttpResponse) -> HttpResponse {
        let mut workspace = self.workspace.lock().unwrap();
        let is_list = call.path == "/v3/custom-segments" && call.method == "GET" && call.query.is_empty();
        if is_list && reply.status == 200 && self.recorder.has_bug(Bug::StaleListingReused) {
            return workspace.first_listing.get_or_insert(reply).clone();
        }
        if creates_segment(call)
            && !is_upload_request(call)
            && reply.status == 409
            && self.recorder.has_bug(Bug::ConflictTreatedAsCreated)
        {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let Some((id, _)) = workspace.ground_truth.by_name(&text_of(&body["name"])) else {
                return reply;
            };
            let id = id.to_owned();
            let look =
                super::workspace::sandbox_call("GET", &format!("/v3/custom-segments/{id}"), Vec::new());
            let looked = workspace.peek(self.timeline.timestamp(), &look);
            return HttpResponse {
                status: 201,
                ..looked
            };
        }
        reply
    }

    /// Keeps in mind which creates may have been made, and which of them were looked for since.
    fn track_ambiguous_writes(
        &self,
        call: &HttpRequest,
        (kind, heard): (Option<NetworkFaultKind>, &Result<Response, TransportError>),
    ) {
        let mut workspace = self.workspace.lock().unwrap();
        let is_whole = kind != Some(NetworkFaultKind::MalformedResponse);
        let is_heard = heard
            .as_ref()
            .is_ok_and(|heard| is_whole && (200..300).contains(&heard.status));
        if creates_segment(call) {
            let is_unknown = match heard {
                Ok(heard) => heard.status >= 500 || !is_whole && heard.status < 300,
                Err(error) => matches!(error, TransportError::NoResponse { .. }),
            };
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let created = (self.run, text_of(&body["name"]));
            if let Ok(heard) = heard.as_ref()
                && is_heard
            {
                let answer: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
                let id = answer["data"]["id"].as_str().or(answer["cs_id"].as_str());
                workspace
                    .ground_truth
                    .confirmed_creates
                    .insert(id.unwrap_or_default().to_owned());
            }
            if is_unknown {
                workspace.unverified_creates.insert(created);
            } else {
                workspace.unverified_creates.remove(&created);
            }
        } else if is_list_request(call) {
            // Nothing tells who is in a segment: what became of these is for the ledger to know.
        } else if call.path.starts_with("/v2/") {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let id = text_of(&body["cs_id"]);
            if is_heard {
                workspace.ground_truth.ambiguous_lifecycle_changes.remove(&id);
            } else {
                workspace.ground_truth.ambiguous_lifecycle_changes.insert(id);
            }
        } else if call.path == "/v3/custom-segments" && is_heard {
            let name = call.query.get("name");
            workspace
                .unverified_creates
                .retain(|(run, created)| *run != self.run || name.is_some_and(|name| name != created));
        } else if let Ok(heard) = heard
            && call.method == "GET"
            && is_heard
        {
            self.cached_responses
                .lock()
                .unwrap()
                .insert(call.path.clone(), heard.clone());
        }
    }

    /// What the process gets of an answer.
    fn response_for(
        &self,
        kind: Option<NetworkFaultKind>,
        reply: Option<HttpResponse>,
    ) -> Result<Response, TransportError> {
        let lost = |message: &str| {
            Err(TransportError::NoResponse {
                message: message.to_owned(),
            })
        };
        let now = self.timeline.timestamp();
        let echo = format!("upstream failed: Authorization: Basic {ENCODED_KEY} ({API_KEY})");
        let failed = |status| Ok(synthetic_response(status, &json!({"error": {"message": echo}})));
        match kind {
            Some(NetworkFaultKind::RateLimited { reset_in }) => {
                let mut response =
                    synthetic_response(429, &json!({"error": {"message": "API rate limit breached"}}));
                response.headers.reset = reset_in.map(|seconds| now.as_second() + seconds);
                Ok(response)
            }
            Some(NetworkFaultKind::ActiveLimit) => {
                let error = json!({"message": "full", "actual_count": 1000, "limit": 1000});
                Ok(synthetic_response(
                    429,
                    &json!({"error": error, "actual_count": 1000, "limit": 1000}),
                ))
            }
            Some(NetworkFaultKind::Unauthorized) => failed(401),
            Some(NetworkFaultKind::FailedBefore { status } | NetworkFaultKind::FailedAfter { status }) => {
                failed(status)
            }
            Some(NetworkFaultKind::Unreachable) => Err(TransportError::NotSent {
                message: "connection refused".to_owned(),
            }),
            Some(
                NetworkFaultKind::ResetBefore | NetworkFaultKind::ResetAfter | NetworkFaultKind::Truncated,
            ) => lost("connection reset"),
            Some(
                NetworkFaultKind::TimeoutBefore
                | NetworkFaultKind::TimeoutAfter
                | NetworkFaultKind::DeliveredLate,
            ) => lost("nothing came within 60 s"),
            Some(NetworkFaultKind::MalformedResponse) => Ok(Response {
                status: reply.map_or(200, |reply| reply.status),
                headers: RateLimitHeaders::default(),
                date: None,
                body: format!("<html>{echo}</html>").into_bytes(),
            }),
            Some(
                NetworkFaultKind::Slow { .. }
                | NetworkFaultKind::DeliveredTwice
                | NetworkFaultKind::StaleList { .. },
            )
            | None => match reply {
                Some(reply) => Ok(to_response(&reply)),
                None => lost("nothing came"),
            },
        }
    }
}

impl FaultScope {
    fn matches(self, call: &HttpRequest) -> bool {
        let is_read = call.method == "GET";
        match self {
            Self::Any => true,
            Self::Read => is_read,
            Self::Listing => is_read && call.path == "/v3/custom-segments",
            Self::Write => !is_read,
            Self::Create => call.method == "POST",
            Self::Update => call.method == "PATCH" && call.path.starts_with("/v3/"),
            Self::Lifecycle => call.method == "PATCH" && call.path.starts_with("/v2/"),
            Self::MemberLists => is_list_request(call),
        }
    }
}

/// Whether a call makes a segment, and must not be repeated without a look.
fn creates_segment(call: &HttpRequest) -> bool {
    call.method == "POST" && !call.path.ends_with("/cohortsync")
}

/// Whether a call sends what is left of long members after calls that were full.
fn is_last_batch(call: &HttpRequest) -> bool {
    call.path.ends_with("/cohortsync") && (30_000..100_000).contains(&call.body.len())
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn to_sandbox_call(request: &Request) -> HttpRequest {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
    };
    let body = request.body.as_ref().map(|body| body.to_string().into_bytes());
    HttpRequest {
        query: request.query.iter().cloned().collect(),
        ..sandbox_call(method, &request.path, body.unwrap_or_default())
    }
}

fn synthetic_response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: RateLimitHeaders::default(),
        date: None,
        body: body.to_string().into_bytes(),
    }
}

fn to_response(reply: &HttpResponse) -> Response {
    fn number<N: std::str::FromStr>(reply: &HttpResponse, name: &str) -> Option<N> {
        reply.headers.get(name)?.parse().ok()
    }
    let date = |text: &String| -> Option<Timestamp> { DateTimeParser::new().parse_timestamp(text).ok() };
    Response {
        status: reply.status,
        headers: RateLimitHeaders {
            limit: number(reply, "x-ratelimit-limit"),
            remaining: number(reply, "x-ratelimit-remaining"),
            reset: number(reply, "x-ratelimit-reset"),
        },
        date: reply.headers.get("date").and_then(date),
        body: reply.body.to_string().into_bytes(),
    }
}
