//! The workspace at the service: the sandbox without sockets, what is really in it, and who may write to what.

use super::callbacks::{self, SimulatedCallbacks, SimulatedReceiver};
use super::counted_requests::CountedRequests;
use super::faults::NetworkFault;
use super::ground_truth::{ActualSegment, Author, EffectTiming, GroundTruth};
use super::list_checks::is_list_request;
use super::people::{self, People};
use super::publisher::PublishedFiles;
use super::random::Random;
use super::recorder::{API_KEY, ENCODED_KEY, Recorder};
use super::run_checker::RunChecker;
use super::upload_queue::UploadQueue;
use jiff::{SignedDuration, Timestamp};
use segctl::model::{CohortKey, SegmentKind};
use segctl::sandbox::{
    Delivery, Fault, FaultKind, FaultMatcher, HttpRequest, HttpResponse, RateLimitClass, SandboxCredentials,
    SandboxSettings, Service,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The service and everything that watches it.
pub(crate) struct SimulatedWorkspace {
    service: Service,
    pub(crate) ground_truth: GroundTruth,
    /// Segments that are nobody's business.
    pub(crate) unmanaged: BTreeSet<String>,
    /// Whether what is made by hand is put away where no file declares it.
    pub(crate) manages_external_segments: bool,
    /// What each run said that it does, and what it did.
    pub(crate) run_checkers: BTreeMap<usize, RunChecker>,
    /// What goes wrong with the calls to come.
    pub(crate) faults: Vec<NetworkFault>,
    pub(crate) random: Random,
    pub(crate) recorder: Recorder,
    /// Milliseconds that the service's clock is ahead.
    pub(crate) clock_offset: i64,
    /// The calls that count toward limits.
    pub(crate) counted_requests: CountedRequests,
    /// The names of creates of which a run does not know whether they were made, and that it has not looked for since.
    pub(crate) unverified_creates: BTreeSet<(usize, String)>,
    /// Runs that were shown a list which lacks the latest writes.
    runs_with_stale_list: BTreeSet<usize>,
    /// The first list that anybody heard, for a bug that takes it for ever.
    pub(crate) first_listing: Option<HttpResponse>,
    /// The lists that it was told to read.
    pub(crate) upload_queue: UploadQueue,
    /// Where it reads them.
    pub(crate) published_files: PublishedFiles,
    /// What it says of them.
    pub(crate) callbacks: SimulatedCallbacks,
    /// Who hears that.
    pub(crate) receiver: Option<SimulatedReceiver>,
    /// When runs began, by their numbers.
    pub(crate) run_started_at: BTreeMap<usize, i64>,
    /// Cohorts and file segments that somebody else made under declared names, and who was in them.
    pub(crate) external_people: BTreeMap<String, People>,
    /// Segments whose lists a call changed that arrived after a later run had changed them, since clocks that were set
    /// said that none could arrive any more.
    pub(crate) overtaken: BTreeSet<String>,
    /// File segments that a call made which was delivered twice: what was heard is that the name is taken.
    pub(crate) delivered_twice: BTreeSet<String>,
    /// Whether a name that was given up can be taken again.
    pub(crate) frees_names: bool,
    /// Whether lists of segments show those that are put away.
    pub(crate) shows_archived: bool,
}

impl SimulatedWorkspace {
    pub(crate) fn new(settings: SandboxSettings, record: Recorder, random: Random) -> Self {
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: API_KEY.to_owned(),
            db_name: "d".to_owned(),
        };
        Self {
            frees_names: settings.rename_frees_old_name,
            shows_archived: settings.list_includes_archived,
            upload_queue: UploadQueue::default(),
            published_files: PublishedFiles::default(),
            callbacks: SimulatedCallbacks::default(),
            receiver: None,
            run_started_at: BTreeMap::new(),
            external_people: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            delivered_twice: BTreeSet::new(),
            counted_requests: CountedRequests::new(&settings),
            service: Service::new(settings, credentials),
            ground_truth: GroundTruth::default(),
            unmanaged: BTreeSet::new(),
            manages_external_segments: false,
            run_checkers: BTreeMap::new(),
            faults: Vec::new(),
            random,
            recorder: record,
            clock_offset: 0,
            unverified_creates: BTreeSet::new(),
            runs_with_stale_list: BTreeSet::new(),
            first_listing: None,
        }
    }

    fn service_time(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_millis(self.clock_offset))
            .unwrap()
    }

    /// Has a call do what it does.
    pub(crate) fn handle_request(&mut self, now: Timestamp, arrival: ArrivingRequest<'_>) -> HttpResponse {
        let ArrivingRequest {
            author,
            request: call,
            ..
        } = arrival;
        self.ground_truth.now = now.as_millisecond();
        let missing = arrival.missing_writes.min(self.ground_truth.recent_write_count());
        if missing > 0 {
            if let Author::Run(run) = author {
                self.runs_with_stale_list.insert(run);
            }
            let fault = FaultKind::StaleList {
                missing_last: missing,
            };
            let fault = Fault {
                on: FaultMatcher::default(),
                times: 1,
                fault,
            };
            self.service.set_faults(vec![fault]);
        }
        let time = self.service_time(now);
        let reply = self.service.handle(time, call);
        if missing > 0 {
            self.service.set_faults(Vec::new());
        }
        self.count_request(&arrival, &reply);
        if !(200..300).contains(&reply.status) {
            return reply;
        }
        if call.method != "GET" {
            self.record_write((&arrival, now), &reply);
        } else if let (Author::Run(run), Some(id)) = (author, call.path.strip_prefix("/v3/custom-segments/"))
        {
            self.ground_truth.record_read(run, id);
        }
        reply
    }

    /// Counts a call, or finds that the run should not have made it.
    fn count_request(&mut self, arrival: &ArrivingRequest<'_>, reply: &HttpResponse) {
        let ArrivingRequest {
            author,
            request: call,
            ..
        } = arrival;
        let (Author::Run(run) | Author::LateRequest(run)) = *author else {
            return;
        };
        let counted = (run, self.ground_truth.now);
        let says = |place: &str| reply.body.pointer(place).is_some();
        let is_full = says("/error/actual_count") || says("/actual_count");
        if reply.status != 429 || is_full {
            let is_known = arrival.is_known_to_run && matches!(author, Author::Run(_));
            return self
                .counted_requests
                .count(rate_limit_class(call), counted, is_known);
        }
        let is_exceeded = arrival.is_known_to_run
            && self
                .counted_requests
                .is_limit_exceeded_by(rate_limit_class(call), counted);
        self.recorder
            .require(!is_exceeded, "no rate limit is exceeded", || {
                format!("{} {}: {}", call.method, call.path, reply.body)
            });
    }

    /// Takes down what a write that was committed did.
    fn record_write(&mut self, (arrival, now): (&ArrivingRequest<'_>, Timestamp), reply: &HttpResponse) {
        let ArrivingRequest {
            author,
            request: call,
            sent_at,
            ..
        } = *arrival;
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let path = call.path.as_str();
        if is_list_request(call) {
            let before = self.ground_truth.changes.len();
            if is_upload_request(call) {
                self.record_upload(author, (call, &body), reply);
            } else {
                self.record_sync(author, now, &body);
            }
            return self.require_not_overtaken(before, sent_at);
        }
        if path.starts_with("/v2/") {
            let id = body["cs_id"].as_str().map(str::to_owned);
            let id = id.or_else(|| {
                self.ground_truth
                    .by_name(body["name"].as_str()?)
                    .map(|(id, _)| id.to_owned())
            });
            let id = id.unwrap();
            let is_archived = path.ends_with("/archive");
            if is_archived {
                self.require_unreferenced(&author, &id);
            }
            let after = ActualSegment {
                is_archived,
                ..self.ground_truth.segments[&id].clone()
            };
            if matches!(author, Author::LateRequest(_)) {
                // Whatever was answered since, this came after it.
                self.ground_truth.ambiguous_lifecycle_changes.insert(id.clone());
            }
            self.ground_truth.record_change(author, &id, after);
            return;
        }
        let data = &reply.body["data"];
        let (id, name) = (data["id"].as_str().unwrap(), data["name"].as_str().unwrap());
        let segment = ActualSegment::new(name, &body["included_filters"], &body["excluded_filters"]);
        self.ground_truth.record_change(author, id, segment);
    }

    /// Whether a segment came of a call that was delivered twice, and refused the second time.
    pub(crate) fn was_delivered_twice(&self, id: &str) -> bool {
        self.delivered_twice.contains(id)
    }

    /// A call about a list that was given up must not undo what a later run did: a run waits until none can arrive any more.
    fn require_not_overtaken(&mut self, before: usize, sent_at: i64) {
        let Some(change) = self.ground_truth.changes.get(before) else {
            return;
        };
        let Author::LateRequest(late) = change.author else {
            return;
        };
        let mut earlier = self.ground_truth.changes[..before].iter().rev();
        let is_overtaken = earlier.any(|other| {
            let is_by_other = matches!(other.author, Author::Run(run) if run != late);
            other.id == change.id && other.changed_at > sent_at && is_by_other
        });
        let id = change.id.clone();
        if is_overtaken && self.counted_requests.was_clock_changed() {
            self.overtaken.insert(id);
        } else {
            self.recorder
                .require(!is_overtaken, "no list is changed by a call from before", || {
                    format!("a call of run {late} changed {id} after another run had")
                });
        }
    }

    /// Takes down whom a call put into a cohort or took out, or that it made one.
    fn record_sync(&mut self, author: Author, now: Timestamp, body: &Value) {
        let (key, name) = (
            cohort_key_of(body),
            body["parameters"]["cohort_name"].as_str().unwrap(),
        );
        let (people, is_add) = (people::people_in_sync(body), body["action"] == "add_members");
        if let Some((id, before)) = self.ground_truth.by_cohort_key(&key) {
            let (id, before) = (id.to_owned(), before.clone());
            let people = if is_add {
                before.people.union(people)
            } else {
                before.people.without(people)
            };
            return self
                .ground_truth
                .record_change(author, &id, ActualSegment { people, ..before });
        }
        // Taken, and dropped without a word.
        if self.ground_truth.by_name(name).is_some()
            || !self.frees_names && self.ground_truth.was_name_used(name)
        {
            return;
        }
        let (_, state) = self.sandbox_request(now, "GET", "state", &Value::Null);
        let mut segments = state["segments"].as_object().unwrap().iter();
        let Some((id, _)) = segments.find(|(_, segment)| segment["name"] == name) else {
            return self
                .recorder
                .report_violation("the simulator knows what is there", || {
                    format!("there is no cohort `{name}`")
                });
        };
        let made = ActualSegment {
            people: if is_add { people } else { People::default() },
            ..ActualSegment::without_filters(name, Some(key))
        };
        self.ground_truth.record_change(author, id, made);
    }

    /// Takes down that the service was told of a list, and that it made the segment where there was none.
    fn record_upload(&mut self, author: Author, (call, body): (&HttpRequest, &Value), reply: &HttpResponse) {
        let id = reply.body["cs_id"].as_str().unwrap();
        let known = self.ground_truth.segments.get(id).cloned();
        let effect = if known.is_some() {
            EffectTiming::Queued
        } else {
            EffectTiming::Immediate
        };
        let name = body["name"].as_str().unwrap();
        let after = known.unwrap_or_else(|| ActualSegment::without_filters(name, None));
        self.ground_truth
            .record_change_with_effect((author, effect), id, after);
        // A few lists the service cannot read, where anybody asks to hear of it.
        let fails = callbacks::upload_id_of(body).is_some_and(|upload| {
            let fails = self.callbacks.has_faults && self.random.percent(8);
            let file = body["file_url"].as_str().unwrap_or_default();
            let change = self.ground_truth.changes.len().saturating_sub(1);
            self.callbacks
                .expect_callback(&upload, (id, file), (fails, change), &self.recorder)
        });
        self.upload_queue.enqueue(id, (call, body), fails);
    }

    /// Has the service do what it was told of first.
    pub(crate) fn finish_next_job(&mut self, now: Timestamp, file: Result<Vec<u8>, String>) -> Option<Value> {
        let (job, time) = (self.service.next_job()?, self.service_time(now));
        self.service.finish_job(time, &job, file)
    }

    /// What a run put away must not be missing in what a run stored. A list that lacks a segment says that it is away.
    fn require_unreferenced(&self, author: &Author, id: &str) {
        if !matches!(author, Author::Run(run) if !self.runs_with_stale_list.contains(run)) {
            return;
        }
        let by_run = |referring: &str| {
            let mut changes = self.ground_truth.changes.iter().rev();
            let last = changes.find(|change| change.id == referring);
            last.is_some_and(|change| matches!(change.author, Author::Run(_)))
        };
        let left = self.ground_truth.segments.iter().find(|(other, segment)| {
            !segment.is_archived && segment.meaning.refers_to.contains(id) && by_run(other)
        });
        self.recorder
            .require(left.is_none(), "nothing is archived that is referred to", || {
                format!("{id} was archived, and {left:?} refers to it")
            });
    }

    /// Does what a dashboard user does; `None` where the service does not take it.
    pub(crate) fn edit_in_dashboard(&mut self, now: Timestamp, edit: &Value) -> Option<String> {
        self.ground_truth.now = now.as_millisecond();
        let (status, answer) = self.sandbox_request(now, "POST", "segments", edit);
        let data = (status == 200).then(|| answer["data"].clone())?;
        let id = data["id"].as_str()?.to_owned();
        let name = data["name"].as_str()?;
        let was_archived = self
            .ground_truth
            .segments
            .get(&id)
            .is_some_and(|segment| segment.is_archived);
        let segment = ActualSegment {
            is_archived: edit["archived"].as_bool().unwrap_or(was_archived),
            ..match self.ground_truth.segments.get(&id) {
                // The dashboard shows no members either.
                Some(before) if before.kind != SegmentKind::Filter => ActualSegment {
                    name: name.to_owned(),
                    ..before.clone()
                },
                _ => ActualSegment::new(name, &data["included_filters"], &data["excluded_filters"]),
            }
        };
        self.recorder
            .log_event("dashboard", edit.to_string().len() as u64, || {
                format!("edits {edit}")
            });
        self.ground_truth.record_change(Author::Dashboard, &id, segment);
        Some(id)
    }

    /// What the service would answer, without anybody being told of the call.
    pub(crate) fn peek(&mut self, now: Timestamp, call: &HttpRequest) -> HttpResponse {
        let time = self.service_time(now);
        self.service.handle(time, call)
    }

    /// Compares what is known with what the service has.
    pub(crate) fn check_ground_truth(&mut self, now: Timestamp) {
        let (_, state) = self.sandbox_request(now, "GET", "state", &Value::Null);
        let record = self.recorder.clone();
        self.ground_truth.check_against_service(&state, &record);
    }

    fn sandbox_request(&mut self, now: Timestamp, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let call = sandbox_call(
            method,
            &format!("/_sandbox/{path}"),
            body.to_string().into_bytes(),
        );
        let reply = self.service.handle(self.service_time(now), &call);
        assert_eq!(
            reply.delivery,
            Delivery::Complete,
            "faults are for calls of the API"
        );
        (reply.status, reply.body)
    }
}

/// A call that arrives at the service.
#[derive(Clone, Copy)]
pub(crate) struct ArrivingRequest<'a> {
    pub(crate) author: Author,
    /// When it was sent, in milliseconds since 1970.
    pub(crate) sent_at: i64,
    pub(crate) request: &'a HttpRequest,
    /// How many of the last writes are left out of a list.
    pub(crate) missing_writes: usize,
    /// Whether the run knows that it arrives.
    pub(crate) is_known_to_run: bool,
}

/// The calls that one is counted with.
fn rate_limit_class(call: &HttpRequest) -> RateLimitClass {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/v3/custom-segments") => RateLimitClass::List,
        ("GET", _) => RateLimitClass::Get,
        (_, path) if path.ends_with("/cohortsync") => RateLimitClass::Cohort,
        _ if is_upload_request(call) => RateLimitClass::File,
        ("POST", _) => RateLimitClass::Create,
        (_, path) if path.starts_with("/v2/") => RateLimitClass::Lifecycle,
        _ => RateLimitClass::Update,
    }
}

/// Whether a call has the service read a list.
pub(crate) fn is_upload_request(call: &HttpRequest) -> bool {
    call.path.contains("/file-segment")
}

/// What a sync of members knows its cohort by.
pub(crate) fn cohort_key_of(body: &Value) -> CohortKey {
    CohortKey {
        partner: body["partner"].as_str().unwrap_or_default().to_owned(),
        cohort_id: body["parameters"]["cohort_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A call with all that the service asks of one.
pub(crate) fn sandbox_call(method: &str, path: &str, body: Vec<u8>) -> HttpRequest {
    let headers = [
        ("authorization", format!("Basic {ENCODED_KEY}")),
        ("moe-appkey", "w".to_owned()),
        ("moe-dbname", "d".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body,
        ..HttpRequest::default()
    }
}

/// What the service says of a call, as text for the trace.
pub(crate) fn summarize(reply: &HttpResponse) -> String {
    let message = [
        reply.body.pointer("/error/message"),
        reply.body.get("description"),
        reply.body.pointer("/data/id"),
    ];
    let message = message.into_iter().flatten().next().cloned().unwrap_or(json!(""));
    format!("{} {message}", reply.status)
}
