//! The network between a process and the service. Requests take time, and some of them fail.
//! A sent request arrives even if its process has crashed.

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
    ApiVersion, Credentials, Endpoint, HttpTransport, Method, Request, Response, Transport, TransportError,
};
use segctl::model::{Keyword as _, Lifecycle, Payload};
use segctl::plan::step::Step;
use segctl::rate_limit::RateLimitHeaders;
use segctl::sandbox::{HttpRequest, HttpResponse};
use segctl::state::{IntendedWrite, Intent};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// The connection of one process to the service.
#[derive(Clone)]
pub(crate) struct SimulatedTransport {
    pub(crate) workspace: Arc<Mutex<SimulatedWorkspace>>,
    pub(crate) timeline: Timeline,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    pub(crate) recorder: Recorder,
    pub(crate) actor: String,
    pub(crate) run: usize,
    pub(crate) possible_states: PossibleStates,
    pub(crate) lock: LockFile,
    /// Responses to reads, by path, for a bug that does not re-read.
    pub(crate) cached_responses: Arc<Mutex<BTreeMap<String, Response>>>,
}

/// Redacts the key with the production code.
static REDACTING_TRANSPORT: LazyLock<HttpTransport> = LazyLock::new(|| {
    let endpoint = Endpoint::parse("http://127.0.0.1:9").unwrap();
    let credentials = Credentials {
        workspace_id: "w".to_owned(),
        api_key: API_KEY.to_owned().into(),
        db_name: Some("d".to_owned()),
    };
    HttpTransport::new(endpoint, credentials).unwrap()
});

struct RequestFate {
    /// In milliseconds; `None` if the request never arrives.
    arrives_after: Option<i64>,
    arrives_twice: bool,
    missing_writes: usize,
    /// When the process gets a response or an error, in milliseconds.
    responds_after: i64,
    kind: Option<NetworkFaultKind>,
}

impl SimulatedTransport {
    fn next_fault(&self, request: &HttpRequest) -> Option<NetworkFaultKind> {
        let mut workspace = self.workspace.lock().unwrap();
        for NetworkFault {
            scope,
            skipped,
            times,
            fault: kind,
        } in &mut workspace.faults
        {
            if *times == 0 || !scope.matches(request) {
                continue;
            }
            if *skipped > 0 {
                *skipped -= 1;
                continue;
            }
            *times -= 1;
            return Some(*kind);
        }
        None
    }

    fn draw_fate(&self, request: &HttpRequest, deadline: Duration) -> RequestFate {
        let kind = self.next_fault(request);
        let mut workspace = self.workspace.lock().unwrap();
        let random = &mut workspace.random;
        let (there, back) = (random.between(1, 200), random.between(1, 200));
        let deadline = i64::try_from(deadline.as_millis()).unwrap();
        let fate = |arrives_after, responds_after| RequestFate {
            arrives_after,
            arrives_twice: false,
            missing_writes: 0,
            responds_after,
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
            // No read shows the outcome of these requests, so runs have to expect a longer delay.
            Some(NetworkFaultKind::DeliveredLate) if is_list_request(request) => {
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

    /// Sends a request. The returned slot holds the response once the request has arrived.
    fn send_request(
        &self,
        request: &HttpRequest,
        fate: &RequestFate,
        step: Option<usize>,
    ) -> Arc<Mutex<Option<HttpResponse>>> {
        let response = Arc::new(Mutex::new(None));
        let Some(arrives_after) = fate.arrives_after else {
            return response;
        };
        let transport = self.clone();
        let (request, slot) = (request.clone(), Arc::clone(&response));
        let is_late = fate.kind == Some(NetworkFaultKind::DeliveredLate);
        let (missing, twice) = (fate.missing_writes, fate.arrives_twice);
        let author = if is_late {
            Author::LateRequest(self.run)
        } else {
            Author::Run(self.run)
        };
        let sent_at = self.timeline.now();
        self.timeline.schedule(sent_at + arrives_after, move || {
            let arriving = ArrivingRequest {
                author,
                sent_at,
                request: &request,
                missing_writes: missing,
                // A run counts a late request at the moment at which it gave up.
                is_known_to_run: !is_late,
            };
            let first = transport.arrive(arriving, step);
            let again = ArrivingRequest {
                is_known_to_run: false,
                ..arriving
            };
            let second = twice.then(|| transport.arrive(again, step));
            if second.as_ref().is_some_and(|second| second.status == 409) && is_upload_request(&request) {
                let id = first.body["cs_id"].as_str().unwrap_or_default().to_owned();
                transport.workspace.lock().unwrap().delivered_twice.insert(id);
            }
            // A rate limiter counts a request before it is duplicated.
            let reply = second.filter(|second| second.status != 429).unwrap_or(first);
            *slot.lock().unwrap() = Some(reply);
        });
        response
    }

    fn arrive(&self, arriving: ArrivingRequest<'_>, step: Option<usize>) -> HttpResponse {
        let now = self.timeline.timestamp();
        let mut workspace = self.workspace.lock().unwrap();
        let before = workspace.ground_truth.changes.len();
        if matches!(arriving.author, Author::Run(_)) {
            workspace.require_known_base_list(
                self.run,
                arriving.request,
                self.planned_step(&workspace, step),
            );
        }
        let reply = workspace.handle_request(now, arriving);
        let committed = workspace.ground_truth.changes.len() > before;
        if committed && let Some(checker) = workspace.run_checkers.get_mut(&self.run) {
            checker.record_commit(step, before);
        }
        drop(workspace);
        if reply.status == 202 {
            // The service reads the list of a duplicated request twice, shortly after each other.
            let is_second = !arriving.is_known_to_run && matches!(arriving.author, Author::Run(_));
            upload_queue::schedule_read((&self.workspace, &self.timeline), is_second);
        }
        let status = u64::from(reply.status);
        self.recorder.log_event("service", status, || {
            let committed = if committed { ", committed" } else { "" };
            format!(
                "{} {} of {}: {}{committed}",
                arriving.request.method,
                arriving.request.path,
                self.actor,
                summarize(&reply)
            )
        });
        reply
    }

    fn planned_step<'w>(&self, workspace: &'w SimulatedWorkspace, step: Option<usize>) -> Option<&'w Step> {
        workspace.run_checkers.get(&self.run)?.step(step?)
    }

    /// Checks a request before it is sent, and returns the step that sends it.
    fn check_before_send(&self, request: &HttpRequest) -> Option<usize> {
        self.recorder
            .log_event(&self.actor, request.body.len() as u64, || {
                let body = String::from_utf8_lossy(&request.body);
                // Lists are long.
                let body: String = body.chars().take(600).collect();
                let name = request.query.get("name").map(|name| format!("?name={name}"));
                format!(
                    "sends {} {}{} {body}",
                    request.method,
                    request.path,
                    name.unwrap_or_default()
                )
            });
        if request.method == "GET" {
            return None;
        }
        self.recorder.require(
            self.lock.allows_write(self.run, self.timeline.now()),
            "only the holder of the lock writes",
            || format!("{} {}", request.method, request.path),
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let name = self.recorder.run_name(self.run);
        let is_for_request =
            |intent: &Intent| intent.step.run == name && matches_intent(intent, (request, &body));
        let is_journaled = if is_list_request(request) {
            self.possible_states
                .all_satisfy(|state| has_recorded_request(state, &name, (request, &body)))
        } else {
            self.possible_states.all_have_intent(is_for_request)
        };
        self.recorder.require(
            is_journaled,
            "every write is in the journal before it is sent",
            || format!("{} {} {body}", request.method, request.path),
        );
        let mut workspace = self.workspace.lock().unwrap();
        if creates_segment(request) {
            let created = (self.run, text_of(&body["name"]));
            self.recorder.require(
                !workspace.unverified_creates.contains(&created),
                "no create is retried without a check",
                || format!("{created:?}"),
            );
        }
        workspace.check_request(self.run, request)
    }
}

fn matches_intent(intent: &Intent, (request, body): (&HttpRequest, &Value)) -> bool {
    let has_filters = |definition: &Payload| {
        let excluded = definition.excluded_filters.as_ref();
        let none = |excluded: &Value| excluded["filters"].as_array().is_none_or(Vec::is_empty);
        let has_excluded = match excluded {
            Some(excluded) => *excluded == body["excluded_filters"],
            None => none(&body["excluded_filters"]),
        };
        definition.included_filters == body["included_filters"] && has_excluded
    };
    match &intent.write {
        IntendedWrite::Create { definition, .. } => {
            request.method == "POST" && body["name"] == intent.segment.as_str() && has_filters(definition)
        }
        IntendedWrite::Update {
            id, name, definition, ..
        } => {
            let has_name = body.get("name").is_none_or(|sent| *sent == name.as_str());
            request.path == format!("/v3/custom-segments/{id}") && has_name && has_filters(definition)
        }
        IntendedWrite::ProbeNameHolder { name, .. } => {
            request.path.ends_with("/unarchive")
                && body["name"] == name.as_str()
                && body.get("cs_id").is_none()
        }
        // `has_recorded_request` checks these.
        IntendedWrite::CreateCohort { .. } | IntendedWrite::CreateFileSegment { .. } => false,
        IntendedWrite::SetLifecycle { id, name, lifecycle } => {
            let suffix = match lifecycle {
                Lifecycle::Archived => "/archive",
                Lifecycle::Active => "/unarchive",
            };
            // Only its name identifies a cohort that no list shows.
            let is_target = if id.is_unlisted_cohort() {
                body["name"] == name.as_str() && body.get("cs_id").is_none()
            } else {
                body["cs_id"] == id.as_str()
            };
            request.path.ends_with(suffix) && is_target
        }
    }
}

impl Transport for SimulatedTransport {
    async fn send(&self, request: Request, deadline: Duration) -> Result<Response, TransportError> {
        self.lifetime.crash_point().await;
        let request = self.inject_request_bug(to_sandbox_call(&request));
        if let Some(injected) = self.inject_unsent_response(&request) {
            return Ok(injected);
        }
        let step = self.check_before_send(&request);
        if self.recorder.has_bug(Bug::LastBatchSkipped) && is_last_batch(&request) {
            return Ok(synthetic_response(
                200,
                &json!({"status": "success", "message": ""}),
            ));
        }
        let fate = self.draw_fate(&request, deadline);
        let response_slot = self.send_request(&request, &fate, step);
        self.lifetime.crash_point().await;
        self.timeline
            .wait_until(self.timeline.now() + fate.responds_after)
            .await;
        self.lifetime.crash_point().await;
        let reply = response_slot.lock().unwrap().take();
        let reply = reply.map(|reply| self.inject_response_bug(&request, reply));
        let mut result = self.response_for(fate.kind, reply);
        if result.is_err() {
            result = self.inject_false_success(&request).map_or(result, Ok);
        }
        self.track_ambiguous_writes(&request, (fate.kind, &result));
        let mut workspace = self.workspace.lock().unwrap();
        // This step itself may have used the name.
        let is_name_conflict =
            request.method == "POST" && result.as_ref().is_ok_and(|response| response.status == 409);
        let is_rejected = result.as_ref().is_ok_and(|response| response.status == 400);
        let read_count = workspace.ground_truth.read_count;
        if is_rejected && let Some(checker) = workspace.run_checkers.get_mut(&self.run) {
            checker.record_rejection(step, read_count);
        }
        if (fate.kind.is_some() || is_name_conflict)
            && let Some(checker) = workspace.run_checkers.get_mut(&self.run)
        {
            checker.record_fault(step);
        }
        drop(workspace);
        if let Some(kind) = fate.kind {
            self.recorder.log_event(&self.actor, 7, || {
                let outcome = result
                    .as_ref()
                    .map_or_else(ToString::to_string, |response| response.status.to_string());
                format!(
                    "receives {outcome} ({kind:?} of {} {})",
                    request.method, request.path
                )
            });
        }
        result
    }

    fn redact(&self, text: &str) -> String {
        if self.recorder.has_bug(Bug::KeyNotRedacted) {
            return text.to_owned();
        }
        REDACTING_TRANSPORT.redact(text)
    }
}

impl SimulatedTransport {
    fn inject_request_bug(&self, mut request: HttpRequest) -> HttpRequest {
        if request.method == "GET" {
            return request;
        }
        let text = String::from_utf8_lossy(&request.body).into_owned();
        if self.recorder.has_bug(Bug::CallbackUrlShared)
            && let Some((before, after)) = text.split_once(callbacks::CALLBACK_BASE_URL)
        {
            let (_, rest) = after.split_once('"').unwrap();
            let shared = "0".repeat(32);
            request.body = format!("{before}{}/{shared}\"{rest}", callbacks::CALLBACK_BASE_URL).into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongDefinitionSent) && request.method == "PATCH" {
            request.body = text.replace("\"value\":", "\"value\":1").into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongNameSent) && request.method == "POST" {
            request.body = text.replace("\"name\":\"", "\"name\":\"a ").into_bytes();
        }
        if self.recorder.has_bug(Bug::WrongMembersSent) && request.path.ends_with("/cohortsync") {
            request.body = text.replace("11\"}", "10\"}").into_bytes();
        }
        if self.recorder.has_bug(Bug::AddSentForReplace) && request.path.ends_with("/replace") {
            request.path = request.path.replace("/replace", "/add-users");
        }
        if self.recorder.has_bug(Bug::WrongSegmentWritten) && request.path.starts_with("/v3/custom-segments/")
        {
            let foreign = self.workspace.lock().unwrap().unmanaged.first().cloned();
            request.path = foreign.map_or(request.path, |id| format!("/v3/custom-segments/{id}"));
        }
        request
    }

    /// The response that a bug assumes for a request without a response.
    fn inject_false_success(&self, request: &HttpRequest) -> Option<Response> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if request.path.ends_with("/cohortsync") {
            let done = synthetic_response(200, &json!({"status": "success", "message": ""}));
            return self.recorder.has_bug(Bug::LostSyncTreatedAsDone).then_some(done);
        }
        if is_upload_request(request) {
            let accepted =
                json!({"success": true, "message": "", "cs_name": body["name"], "cs_id": body["cs_id"]});
            let is_change = request.method == "PUT";
            let is_injected = is_change && self.recorder.has_bug(Bug::LostUploadTreatedAsDone);
            return is_injected.then(|| synthetic_response(202, &accepted));
        }
        let is_lifecycle_change = request.path.starts_with("/v2/");
        let done = synthetic_response(200, &json!({"success": true}));
        (is_lifecycle_change && self.recorder.has_bug(Bug::LostLifecycleTreatedAsDone)).then_some(done)
    }

    /// The response that a bug assumes without sending the request.
    fn inject_unsent_response(&self, request: &HttpRequest) -> Option<Response> {
        if request.method != "GET" {
            return None;
        }
        if request.query.contains_key("name") && self.recorder.has_bug(Bug::CreateRetriedUnverified) {
            return Some(synthetic_response(
                200,
                &json!({"data": [], "response_id": "", "type": "custom_segment"}),
            ));
        }
        let cached_responses = self.cached_responses.lock().unwrap();
        let cached = cached_responses.get(&request.path).cloned();
        cached.filter(|_| self.recorder.has_bug(Bug::StaleReadReused))
    }

    fn inject_response_bug(&self, request: &HttpRequest, reply: HttpResponse) -> HttpResponse {
        let mut workspace = self.workspace.lock().unwrap();
        let is_list =
            request.path == "/v3/custom-segments" && request.method == "GET" && request.query.is_empty();
        if is_list && reply.status == 200 && self.recorder.has_bug(Bug::StaleListingReused) {
            return workspace.first_listing.get_or_insert(reply).clone();
        }
        if creates_segment(request)
            && !is_upload_request(request)
            && reply.status == 409
            && self.recorder.has_bug(Bug::ConflictTreatedAsCreated)
        {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let Some((id, _)) = workspace.ground_truth.by_name(&text_of(&body["name"])) else {
                return reply;
            };
            let id = id.to_owned();
            let read =
                super::workspace::sandbox_call("GET", &format!("/v3/custom-segments/{id}"), Vec::new());
            let existing = workspace.peek(self.timeline.timestamp(), &read);
            return HttpResponse {
                status: 201,
                ..existing
            };
        }
        reply
    }

    /// Tracks writes without a response, and creates that no read has checked since.
    fn track_ambiguous_writes(
        &self,
        request: &HttpRequest,
        (kind, result): (Option<NetworkFaultKind>, &Result<Response, TransportError>),
    ) {
        let mut workspace = self.workspace.lock().unwrap();
        let is_well_formed = kind != Some(NetworkFaultKind::MalformedResponse);
        let is_success = result
            .as_ref()
            .is_ok_and(|response| is_well_formed && (200..300).contains(&response.status));
        if creates_segment(request) {
            let is_unknown = match result {
                Ok(response) => response.status >= 500 || !is_well_formed && response.status < 300,
                Err(error) => matches!(
                    error,
                    TransportError::NoResponse { .. } | TransportError::ConnectionClosed { .. }
                ),
            };
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let created = (self.run, text_of(&body["name"]));
            if let Ok(response) = result.as_ref()
                && is_success
            {
                let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                let id = body["data"]["id"].as_str().or(body["cs_id"].as_str());
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
        } else if is_list_request(request) {
            // No read shows the people of a segment; `has_recorded_request` checks these.
        } else if request.path.starts_with("/v2/") {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let id = text_of(&body["cs_id"]);
            if is_success {
                workspace.ground_truth.ambiguous_lifecycle_changes.remove(&id);
            } else {
                workspace.ground_truth.ambiguous_lifecycle_changes.insert(id);
            }
        } else if request.path == "/v3/custom-segments" && is_success {
            let name = request.query.get("name");
            workspace
                .unverified_creates
                .retain(|(run, created)| *run != self.run || name.is_some_and(|name| name != created));
        } else if let Ok(response) = result
            && request.method == "GET"
            && is_success
        {
            self.cached_responses
                .lock()
                .unwrap()
                .insert(request.path.clone(), response.clone());
        }
    }

    /// The response or error that the process gets.
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
            Some(NetworkFaultKind::ResetBefore | NetworkFaultKind::ResetAfter) => {
                Err(TransportError::ConnectionClosed {
                    message: "connection reset".to_owned(),
                })
            }
            Some(NetworkFaultKind::Truncated) => lost("connection reset"),
            Some(
                NetworkFaultKind::TimeoutBefore
                | NetworkFaultKind::TimeoutAfter
                | NetworkFaultKind::DeliveredLate,
            ) => lost("no complete response within 60 s"),
            Some(NetworkFaultKind::MalformedResponse) => Ok(Response {
                status: reply.map_or(200, |reply| reply.status),
                headers: RateLimitHeaders::default(),
                date: None,
                location: None,
                body: format!("<html>{echo}</html>").into_bytes(),
            }),
            Some(
                NetworkFaultKind::Slow { .. }
                | NetworkFaultKind::DeliveredTwice
                | NetworkFaultKind::StaleList { .. },
            )
            | None => match reply {
                Some(reply) => Ok(to_response(&reply)),
                None => lost("no response"),
            },
        }
    }
}

impl FaultScope {
    fn matches(self, request: &HttpRequest) -> bool {
        let is_read = request.method == "GET";
        match self {
            Self::Any => true,
            Self::Read => is_read,
            Self::Listing => is_read && request.path == "/v3/custom-segments",
            Self::Write => !is_read,
            Self::Create => request.method == "POST",
            Self::Update => request.method == "PATCH" && request.path.starts_with("/v3/"),
            Self::Lifecycle => request.method == "PATCH" && request.path.starts_with("/v2/"),
            Self::MemberLists => is_list_request(request),
        }
    }
}

/// Whether a request creates a segment, and must not be retried without a check.
fn creates_segment(request: &HttpRequest) -> bool {
    request.method == "POST" && !request.path.ends_with("/cohortsync")
}

/// Whether a request sends the last, partial batch of long members.
fn is_last_batch(request: &HttpRequest) -> bool {
    request.path.ends_with("/cohortsync") && (30_000..100_000).contains(&request.body.len())
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
    let mut call = HttpRequest {
        query: request.query.iter().cloned().collect(),
        ..sandbox_call(method, &request.path, body.unwrap_or_default())
    };
    // As the transport does, by the version and not by the path.
    let (client, value) = match request.api_version {
        ApiVersion::V2 => ("moe-dbname", "d"),
        ApiVersion::V3 | ApiVersion::V1 => ("moe-appkey", "w"),
    };
    call.headers.retain(|name, _| !name.starts_with("moe-"));
    call.headers.insert(client.to_owned(), value.to_owned());
    let content_type = request.content_type.as_str().to_owned();
    call.headers.insert("content-type".to_owned(), content_type);
    call
}

fn synthetic_response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: RateLimitHeaders::default(),
        date: None,
        location: None,
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
        location: None,
        body: reply.body.to_string().into_bytes(),
    }
}
