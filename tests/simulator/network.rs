//! The way between a process and the service: calls take time, and some of them go wrong. What was sent is on its way,
//! whether or not the process is still there.

use super::executor::{Life, Timeline};
use super::faults::{Kind, NetworkFault, On};
use super::hooks;
use super::lists::{is_of_list, says_of_call};
use super::lock::LockFile;
use super::planted::Bug;
use super::queue;
use super::record::{API_KEY, ENCODED_KEY, Record};
use super::store::Promised;
use super::truth::Author;
use super::workspace::{Arrival, Workspace, call, in_short, is_upload};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use segctl::api::{
    Credentials, Endpoint, HttpTransport, Method, RateLimitHeaders, Request, Response, Transport, TransportError,
};
use segctl::ledger::{Intent, IntendedWrite};
use segctl::model::{Lifecycle, Payload};
use segctl::plan::step::Step;
use segctl::sandbox::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// A process's connection to the service.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) workspace: Arc<Mutex<Workspace>>,
    pub(crate) timeline: Timeline,
    pub(crate) life: Arc<Life>,
    pub(crate) record: Record,
    pub(crate) who: String,
    pub(crate) run: usize,
    /// What the disk holds of what was taken down.
    pub(crate) promised: Promised,
    pub(crate) lock: LockFile,
    /// What was heard of segments, by path, for a bug that does not look again.
    pub(crate) heard: Arc<Mutex<BTreeMap<String, Response>>>,
}

/// Takes the key out of what the service says, as it does in production.
static REDACTING: LazyLock<HttpTransport> = LazyLock::new(|| {
    let endpoint = Endpoint::parse("http://127.0.0.1:9").unwrap();
    let credentials = Credentials {
        workspace_id: "w".to_owned(),
        api_key: API_KEY.to_owned().into(),
        db_name: Some("d".to_owned()),
    };
    HttpTransport::new(endpoint, credentials).unwrap()
});

/// What becomes of a call and of its answer.
struct Fate {
    /// When the service gets it, in milliseconds from now; never where there is nothing.
    arrives_after: Option<i64>,
    arrives_twice: bool,
    missing_writes: usize,
    /// When the process hears something.
    heard_after: i64,
    kind: Option<Kind>,
}

impl Line {
    /// The fault of this call, if it is the turn of one.
    fn fault(&self, call: &HttpRequest) -> Option<Kind> {
        let mut workspace = self.workspace.lock().unwrap();
        for NetworkFault {
            on,
            after,
            times,
            kind,
        } in &mut workspace.faults
        {
            if *times == 0 || !on.concerns(call) {
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

    fn fate(&self, call: &HttpRequest, deadline: Duration) -> Fate {
        let kind = self.fault(call);
        let mut workspace = self.workspace.lock().unwrap();
        let random = &mut workspace.random;
        let (there, back) = (random.between(1, 200), random.between(1, 200));
        let deadline = i64::try_from(deadline.as_millis()).unwrap();
        let fate = |arrives_after, heard_after| Fate {
            arrives_after,
            arrives_twice: false,
            missing_writes: 0,
            heard_after,
            kind,
        };
        match kind {
            Some(
                Kind::RateLimited { .. }
                | Kind::ActiveLimit
                | Kind::FailedBefore { .. }
                | Kind::Unreachable
                | Kind::CutBefore
                | Kind::Unauthorized,
            ) => fate(None, there + back),
            Some(Kind::SilentBefore) => fate(None, deadline),
            Some(Kind::SilentAfter) => fate(Some(there), deadline),
            // As late as runs have to reckon with where no look tells what came of a call.
            Some(Kind::Late) if is_of_list(call) => {
                fate(Some(deadline + random.between(1, 200_000)), deadline)
            }
            Some(Kind::Late) => fate(Some(deadline + random.between(1, 20_000)), deadline),
            Some(Kind::Slow { milliseconds }) => fate(Some(there), milliseconds),
            Some(Kind::Twice) => Fate {
                arrives_twice: true,
                ..fate(Some(there), there + back)
            },
            Some(Kind::Stale { writes }) => Fate {
                missing_writes: writes,
                ..fate(Some(there), there + back)
            },
            _ => fate(Some(there), there + back),
        }
    }

    /// Puts a call on its way; what the service answers is there once it arrived.
    fn put_on_its_way(&self, call: &HttpRequest, fate: &Fate, step: Option<usize>) -> Arc<Mutex<Option<HttpResponse>>> {
        let answer = Arc::new(Mutex::new(None));
        let Some(arrives_after) = fate.arrives_after else {
            return answer;
        };
        let line = self.clone();
        let (call, slot) = (call.clone(), Arc::clone(&answer));
        let is_late = fate.kind == Some(Kind::Late);
        let (missing, twice) = (fate.missing_writes, fate.arrives_twice);
        let author = if is_late {
            Author::Late(self.run)
        } else {
            Author::Run(self.run)
        };
        let sent_at = self.timeline.now();
        self.timeline.at(sent_at + arrives_after, move || {
            let arrival = Arrival {
                author,
                sent_at,
                call: &call,
                missing_writes: missing,
                // The run counts one that is late when it gave it up.
                is_known: !is_late,
            };
            let first = line.arrive(arrival, step);
            let again = Arrival {
                is_known: false,
                ..arrival
            };
            let second = twice.then(|| line.arrive(again, step));
            if second.as_ref().is_some_and(|second| second.status == 409) && is_upload(&call) {
                let id = first.body["cs_id"].as_str().unwrap_or_default().to_owned();
                line.workspace.lock().unwrap().doubled.insert(id);
            }
            // Whoever limits calls does so before they come to be two.
            let reply = second.filter(|second| second.status != 429).unwrap_or(first);
            *slot.lock().unwrap() = Some(reply);
        });
        answer
    }

    fn arrive(&self, arrival: Arrival<'_>, step: Option<usize>) -> HttpResponse {
        let now = self.timeline.timestamp();
        let mut workspace = self.workspace.lock().unwrap();
        let before = workspace.truth.changes.len();
        if matches!(arrival.author, Author::Run(_)) {
            workspace.require_known_base(self.run, arrival.call, self.step(&workspace, step));
        }
        let reply = workspace.perform(now, arrival);
        let committed = workspace.truth.changes.len() > before;
        if committed && let Some(witness) = workspace.witnesses.get_mut(&self.run) {
            witness.committed(step, before);
        }
        drop(workspace);
        if reply.status == 202 {
            // What is delivered twice is read twice, one right after the other.
            let is_second = !arrival.is_known && matches!(arrival.author, Author::Run(_));
            queue::wait_for_turn((&self.workspace, &self.timeline), is_second);
        }
        let what = u64::from(reply.status);
        self.record.note("service", what, || {
            let committed = if committed { ", committed" } else { "" };
            format!(
                "{} {} of {}: {}{committed}",
                arrival.call.method,
                arrival.call.path,
                self.who,
                in_short(&reply)
            )
        });
        reply
    }

    /// The step of this run's plan in a place.
    fn step<'w>(&self, workspace: &'w Workspace, place: Option<usize>) -> Option<&'w Step> {
        workspace.witnesses.get(&self.run)?.step(place?)
    }

    /// Takes down that a call is made, before anything can go wrong with it; the step that it is made for.
    fn announce(&self, call: &HttpRequest) -> Option<usize> {
        self.record.note(&self.who, call.body.len() as u64, || {
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
        self.record.require(
            self.lock.allows(self.run, self.timeline.now()),
            "only the holder of the lock writes",
            || format!("{} {}", call.method, call.path),
        );
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let name = self.record.name_of_run(self.run);
        let is_of_call = |intent: &Intent| intent.step.run == name && is_intent_of(intent, (call, &body));
        let is_taken_down = if is_of_list(call) {
            self.promised
                .says(|ledger| says_of_call(ledger, &name, (call, &body)))
        } else {
            self.promised.has_intent(is_of_call)
        };
        self.record.require(
            is_taken_down,
            "every write is taken down before it is sent",
            || format!("{} {} {body}", call.method, call.path),
        );
        let mut workspace = self.workspace.lock().unwrap();
        if makes_segment(call) {
            let created = (self.run, text(&body["name"]));
            self.record.require(
                !workspace.unlooked.contains(&created),
                "no create is repeated before a look",
                || format!("{created:?}"),
            );
        }
        workspace.sending(self.run, call)
    }
}

/// Whether what was taken down is this very call.
fn is_intent_of(intent: &Intent, (call, body): (&HttpRequest, &Value)) -> bool {
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

impl Transport for Line {
    async fn send(&self, request: Request, deadline: Duration) -> Result<Response, TransportError> {
        self.life.point().await;
        let call = self.mistaken(call_of(&request));
        if let Some(made_up) = self.unasked(&call) {
            return Ok(made_up);
        }
        let step = self.announce(&call);
        if self.record.has(Bug::BatchSkipped) && is_last_batch(&call) {
            return Ok(made_up(200, &json!({"status": "success", "message": ""})));
        }
        let fate = self.fate(&call, deadline);
        let answer = self.put_on_its_way(&call, &fate, step);
        self.life.point().await;
        self.timeline.until(self.timeline.now() + fate.heard_after).await;
        self.life.point().await;
        let reply = answer.lock().unwrap().take();
        let reply = reply.map(|reply| self.misread(&call, reply));
        let mut heard = self.heard(fate.kind, reply);
        if heard.is_err() {
            heard = self.taken_for_done(&call).map_or(heard, Ok);
        }
        self.keep_in_mind(&call, (fate.kind, &heard));
        let mut workspace = self.workspace.lock().unwrap();
        // A name that is taken may have been taken by this very step.
        let is_taken = call.method == "POST" && heard.as_ref().is_ok_and(|heard| heard.status == 409);
        let is_refused = heard.as_ref().is_ok_and(|heard| heard.status == 400);
        let looks_made = workspace.truth.looks_made;
        if is_refused && let Some(witness) = workspace.witnesses.get_mut(&self.run) {
            witness.refused(step, looks_made);
        }
        if (fate.kind.is_some() || is_taken)
            && let Some(witness) = workspace.witnesses.get_mut(&self.run)
        {
            witness.troubled(step);
        }
        drop(workspace);
        if let Some(kind) = fate.kind {
            self.record.note(&self.who, 7, || {
                let end = heard
                    .as_ref()
                    .map_or_else(ToString::to_string, |heard| heard.status.to_string());
                format!("hears {end} ({kind:?} of {} {})", call.method, call.path)
            });
        }
        heard
    }

    fn redact(&self, text: &str) -> String {
        if self.record.has(Bug::KeyNotRedacted) {
            return text.to_owned();
        }
        REDACTING.redact(text)
    }
}

impl Line {
    /// The call as it would be sent by mistake.
    fn mistaken(&self, mut call: HttpRequest) -> HttpRequest {
        if call.method == "GET" {
            return call;
        }
        let text = String::from_utf8_lossy(&call.body).into_owned();
        if self.record.has(Bug::AddressShared)
            && let Some((before, after)) = text.split_once(hooks::ADDRESS)
        {
            let (_, rest) = after.split_once('"').unwrap();
            let shared = "0".repeat(32);
            call.body = format!("{before}{}/{shared}\"{rest}", hooks::ADDRESS).into_bytes();
        }
        if self.record.has(Bug::OtherDefinition) && call.method == "PATCH" {
            call.body = text.replace("\"value\":", "\"value\":1").into_bytes();
        }
        if self.record.has(Bug::OtherName) && call.method == "POST" {
            call.body = text.replace("\"name\":\"", "\"name\":\"a ").into_bytes();
        }
        if self.record.has(Bug::OtherMembers) && call.path.ends_with("/cohortsync") {
            call.body = text.replace("11\"}", "10\"}").into_bytes();
        }
        if self.record.has(Bug::DifferenceForAll) && call.path.ends_with("/replace") {
            call.path = call.path.replace("/replace", "/add-users");
        }
        if self.record.has(Bug::OtherSegment) && call.path.starts_with("/v3/custom-segments/") {
            let foreign = self.workspace.lock().unwrap().foreign.first().cloned();
            call.path = foreign.map_or(call.path, |id| format!("/v3/custom-segments/{id}"));
        }
        call
    }

    /// What a bug takes for the answer to a call that had none.
    fn taken_for_done(&self, call: &HttpRequest) -> Option<Response> {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        if call.path.ends_with("/cohortsync") {
            let done = made_up(200, &json!({"status": "success", "message": ""}));
            return self.record.has(Bug::LostSyncTakenForDone).then_some(done);
        }
        if is_upload(call) {
            let taken =
                json!({"success": true, "message": "", "cs_name": body["name"], "cs_id": body["cs_id"]});
            let is_change = call.method == "PUT";
            let is_planted = is_change && self.record.has(Bug::LostUploadTakenForDone);
            return is_planted.then(|| made_up(202, &taken));
        }
        let is_move = call.path.starts_with("/v2/");
        let done = made_up(200, &json!({"success": true}));
        (is_move && self.record.has(Bug::LostTakenForDone)).then_some(done)
    }

    /// What a bug takes for an answer without asking.
    fn unasked(&self, call: &HttpRequest) -> Option<Response> {
        if call.method != "GET" {
            return None;
        }
        if call.query.contains_key("name") && self.record.has(Bug::CreatesRepeatedBlindly) {
            return Some(made_up(
                200,
                &json!({"data": [], "response_id": "", "type": "custom_segment"}),
            ));
        }
        let heard = self.heard.lock().unwrap();
        let known = heard.get(&call.path).cloned();
        known.filter(|_| self.record.has(Bug::ReadsReused))
    }

    /// An answer as a bug takes it.
    fn misread(&self, call: &HttpRequest, reply: HttpResponse) -> HttpResponse {
        let mut workspace = self.workspace.lock().unwrap();
        let is_list = call.path == "/v3/custom-segments" && call.method == "GET" && call.query.is_empty();
        if is_list && reply.status == 200 && self.record.has(Bug::StaleListTrusted) {
            return workspace.first_list.get_or_insert(reply).clone();
        }
        if makes_segment(call)
            && !is_upload(call)
            && reply.status == 409
            && self.record.has(Bug::ConflictTakenForOurs)
        {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let Some((id, _)) = workspace.truth.named(&text(&body["name"])) else {
                return reply;
            };
            let id = id.to_owned();
            let look = super::workspace::call("GET", &format!("/v3/custom-segments/{id}"), Vec::new());
            let looked = workspace.look(self.timeline.timestamp(), &look);
            return HttpResponse {
                status: 201,
                ..looked
            };
        }
        reply
    }

    /// Keeps in mind which creates may have been made, and which of them were looked for since.
    fn keep_in_mind(&self, call: &HttpRequest, (kind, heard): (Option<Kind>, &Result<Response, TransportError>)) {
        let mut workspace = self.workspace.lock().unwrap();
        let is_whole = kind != Some(Kind::Garbage);
        let is_heard = heard
            .as_ref()
            .is_ok_and(|heard| is_whole && (200..300).contains(&heard.status));
        if makes_segment(call) {
            let is_unknown = match heard {
                Ok(heard) => heard.status >= 500 || !is_whole && heard.status < 300,
                Err(error) => matches!(error, TransportError::NoResponse { .. }),
            };
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let created = (self.run, text(&body["name"]));
            if let Ok(heard) = heard.as_ref()
                && is_heard
            {
                let answer: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
                let id = answer["data"]["id"].as_str().or(answer["cs_id"].as_str());
                workspace
                    .truth
                    .answered_creates
                    .insert(id.unwrap_or_default().to_owned());
            }
            if is_unknown {
                workspace.unlooked.insert(created);
            } else {
                workspace.unlooked.remove(&created);
            }
        } else if is_of_list(call) {
            // Nothing tells who is in a segment: what became of these is for the ledger to know.
        } else if call.path.starts_with("/v2/") {
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            let id = text(&body["cs_id"]);
            if is_heard {
                workspace.truth.unanswered_moves.remove(&id);
            } else {
                workspace.truth.unanswered_moves.insert(id);
            }
        } else if call.path == "/v3/custom-segments" && is_heard {
            let name = call.query.get("name");
            workspace
                .unlooked
                .retain(|(run, created)| *run != self.run || name.is_some_and(|name| name != created));
        } else if let Ok(heard) = heard
            && call.method == "GET"
            && is_heard
        {
            self.heard
                .lock()
                .unwrap()
                .insert(call.path.clone(), heard.clone());
        }
    }

    /// What the process gets of an answer.
    fn heard(&self, kind: Option<Kind>, reply: Option<HttpResponse>) -> Result<Response, TransportError> {
        let lost = |message: &str| {
            Err(TransportError::NoResponse {
                message: message.to_owned(),
            })
        };
        let now = self.timeline.timestamp();
        let echo = format!("upstream failed: Authorization: Basic {ENCODED_KEY} ({API_KEY})");
        let failed = |status| Ok(made_up(status, &json!({"error": {"message": echo}})));
        match kind {
            Some(Kind::RateLimited { reset_in }) => {
                let mut response = made_up(429, &json!({"error": {"message": "API rate limit breached"}}));
                response.headers.reset = reset_in.map(|seconds| now.as_second() + seconds);
                Ok(response)
            }
            Some(Kind::ActiveLimit) => {
                let error = json!({"message": "full", "actual_count": 1000, "limit": 1000});
                Ok(made_up(
                    429,
                    &json!({"error": error, "actual_count": 1000, "limit": 1000}),
                ))
            }
            Some(Kind::Unauthorized) => failed(401),
            Some(Kind::FailedBefore { status } | Kind::FailedAfter { status }) => failed(status),
            Some(Kind::Unreachable) => Err(TransportError::NotSent {
                message: "connection refused".to_owned(),
            }),
            Some(Kind::CutBefore | Kind::CutAfter | Kind::Truncated) => lost("connection reset"),
            Some(Kind::SilentBefore | Kind::SilentAfter | Kind::Late) => lost("nothing came within 60 s"),
            Some(Kind::Garbage) => Ok(Response {
                status: reply.map_or(200, |reply| reply.status),
                headers: RateLimitHeaders::default(),
                date: None,
                body: format!("<html>{echo}</html>").into_bytes(),
            }),
            Some(Kind::Slow { .. } | Kind::Twice | Kind::Stale { .. }) | None => match reply {
                Some(reply) => Ok(response(&reply)),
                None => lost("nothing came"),
            },
        }
    }
}

impl On {
    fn concerns(self, call: &HttpRequest) -> bool {
        let is_read = call.method == "GET";
        match self {
            Self::Any => true,
            Self::Read => is_read,
            Self::List => is_read && call.path == "/v3/custom-segments",
            Self::Write => !is_read,
            Self::Create => call.method == "POST",
            Self::Update => call.method == "PATCH" && call.path.starts_with("/v3/"),
            Self::Lifecycle => call.method == "PATCH" && call.path.starts_with("/v2/"),
            Self::Lists => is_of_list(call),
        }
    }
}

/// Whether a call makes a segment, and must not be repeated without a look.
fn makes_segment(call: &HttpRequest) -> bool {
    call.method == "POST" && !call.path.ends_with("/cohortsync")
}

/// Whether a call sends what is left of long members after calls that were full.
fn is_last_batch(call: &HttpRequest) -> bool {
    call.path.ends_with("/cohortsync") && (30_000..100_000).contains(&call.body.len())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn call_of(request: &Request) -> HttpRequest {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
    };
    let body = request.body.as_ref().map(|body| body.to_string().into_bytes());
    HttpRequest {
        query: request.query.iter().cloned().collect(),
        ..call(method, &request.path, body.unwrap_or_default())
    }
}

fn made_up(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: RateLimitHeaders::default(),
        date: None,
        body: body.to_string().into_bytes(),
    }
}

fn response(reply: &HttpResponse) -> Response {
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
