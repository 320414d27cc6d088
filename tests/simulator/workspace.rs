//! The simulated workspace: the sandbox without sockets, its ground truth, and the checks of incoming requests.

use super::callbacks::{self, SimulatedCallbacks, SimulatedReceiver};
use super::counted_requests::CountedRequests;
use super::faults::NetworkFault;
use super::ground_truth::{ActualSegment, Author, EffectTiming, GROUND_TRUTH_INVARIANT, GroundTruth};
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
    Delivery, Fault, FaultKind, FaultMatcher, FileRequestContentType, HttpRequest, HttpResponse,
    RateLimitClass, SandboxCredentials, SandboxSettings, Service,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct SimulatedWorkspace {
    service: Service,
    pub(crate) ground_truth: GroundTruth,
    /// Segments that no run may write.
    pub(crate) unmanaged: BTreeSet<String>,
    /// Whether a pattern manages segments that dashboard users create, so that runs archive them.
    pub(crate) manages_external_segments: bool,
    pub(crate) run_checkers: BTreeMap<usize, RunChecker>,
    /// The faults of coming requests.
    pub(crate) faults: Vec<NetworkFault>,
    pub(crate) random: Random,
    pub(crate) recorder: Recorder,
    /// How far the service's clock is ahead, in milliseconds.
    pub(crate) clock_offset: i64,
    pub(crate) counted_requests: CountedRequests,
    /// Run and name of creates with an unknown outcome that the run has not checked since.
    pub(crate) unverified_creates: BTreeSet<(usize, String)>,
    /// Runs that got a listing without the latest writes.
    runs_with_stale_list: BTreeSet<usize>,
    /// For a bug that always returns the first listing.
    pub(crate) first_listing: Option<HttpResponse>,
    pub(crate) upload_queue: UploadQueue,
    pub(crate) published_files: PublishedFiles,
    pub(crate) callbacks: SimulatedCallbacks,
    pub(crate) receiver: Option<SimulatedReceiver>,
    /// By the number of the run.
    pub(crate) run_started_at: BTreeMap<usize, i64>,
    /// The people in cohorts and file segments with declared names that were created outside segctl.
    pub(crate) external_people: BTreeMap<String, People>,
    /// The changes in the ground truth by requests with lists.
    list_changes: Vec<usize>,
    /// File segments whose create request arrived twice: the run only got a name conflict.
    pub(crate) delivered_twice: BTreeSet<String>,
    /// The Content-Type of requests that create or change a file segment.
    pub(crate) file_content_type: &'static str,
    /// Whether a rename frees the old name.
    pub(crate) frees_names: bool,
    /// Whether listings include archived segments.
    pub(crate) shows_archived: bool,
    /// The kinds of segments that listings may hide, as far as a run can know.
    pub(crate) hidden_kinds: Vec<SegmentKind>,
    /// Whether the service returns definitions in forms that it does not document.
    pub(crate) returns_undocumented_forms: bool,
}

impl SimulatedWorkspace {
    pub(crate) fn new(settings: SandboxSettings, recorder: Recorder, random: Random) -> Self {
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: API_KEY.to_owned(),
            db_name: "d".to_owned(),
        };
        Self {
            file_content_type: match settings.file_request_content_type {
                FileRequestContentType::Json => "application/json",
                FileRequestContentType::List => "text/csv",
            },
            frees_names: settings.rename_frees_old_name,
            shows_archived: settings.list_includes_archived,
            hidden_kinds: Vec::new(),
            returns_undocumented_forms: false,
            upload_queue: UploadQueue::default(),
            published_files: PublishedFiles::default(),
            callbacks: SimulatedCallbacks::default(),
            receiver: None,
            run_started_at: BTreeMap::new(),
            external_people: BTreeMap::new(),
            list_changes: Vec::new(),
            delivered_twice: BTreeSet::new(),
            counted_requests: CountedRequests::new(&settings),
            service: Service::new(settings, credentials),
            ground_truth: GroundTruth::default(),
            unmanaged: BTreeSet::new(),
            manages_external_segments: false,
            run_checkers: BTreeMap::new(),
            faults: Vec::new(),
            random,
            recorder,
            clock_offset: 0,
            unverified_creates: BTreeSet::new(),
            runs_with_stale_list: BTreeSet::new(),
            first_listing: None,
        }
    }

    /// Whether a run cannot see that others archived or unarchived a segment of this kind.
    pub(crate) fn hides_lifecycle_of(&self, kind: SegmentKind) -> bool {
        self.shows_archived || self.hidden_kinds.contains(&kind)
    }

    fn service_time(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_millis(self.clock_offset))
            .unwrap()
    }

    pub(crate) fn handle_request(&mut self, now: Timestamp, arriving: ArrivingRequest<'_>) -> HttpResponse {
        let ArrivingRequest { author, request, .. } = arriving;
        self.ground_truth.now = now.as_millisecond();
        let missing = arriving
            .missing_writes
            .min(self.ground_truth.recent_write_count());
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
        let reply = self.service.handle(time, request);
        if missing > 0 {
            self.service.set_faults(Vec::new());
        }
        self.count_request(&arriving, &reply);
        if !(200..300).contains(&reply.status) {
            return reply;
        }
        if request.method != "GET" {
            self.record_write((&arriving, now), &reply);
        } else if let (Author::Run(run), Some(id)) =
            (author, request.path.strip_prefix("/v3/custom-segments/"))
        {
            self.ground_truth.record_read(run, id);
        }
        reply
    }

    /// Counts a request, or checks that the run could not know that it exceeds a limit.
    fn count_request(&mut self, arriving: &ArrivingRequest<'_>, reply: &HttpResponse) {
        let ArrivingRequest { author, request, .. } = arriving;
        let (Author::Run(run) | Author::LateRequest(run)) = *author else {
            return;
        };
        let counted = (run, self.ground_truth.now);
        let has_field = |pointer: &str| reply.body.pointer(pointer).is_some();
        let is_full = has_field("/error/actual_count") || has_field("/actual_count");
        if reply.status != 429 || is_full {
            let is_known = arriving.is_known_to_run && matches!(author, Author::Run(_));
            return self
                .counted_requests
                .count(rate_limit_class(request), counted, is_known);
        }
        let is_exceeded = arriving.is_known_to_run
            && self
                .counted_requests
                .is_limit_exceeded_by(rate_limit_class(request), counted);
        self.recorder
            .require(!is_exceeded, "no rate limit is exceeded", || {
                format!("{} {}: {}", request.method, request.path, reply.body)
            });
    }

    /// Records a committed write in the ground truth.
    fn record_write(&mut self, (arriving, now): (&ArrivingRequest<'_>, Timestamp), reply: &HttpResponse) {
        let ArrivingRequest {
            author,
            request,
            sent_at,
            ..
        } = *arriving;
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let path = request.path.as_str();
        if is_list_request(request) {
            let before = self.ground_truth.changes.len();
            if is_upload_request(request) {
                self.record_upload(author, (request, &body), reply);
            } else {
                self.record_sync(author, now, &body);
            }
            self.require_not_overtaken(before, sent_at);
            self.list_changes.extend(before..self.ground_truth.changes.len());
            return;
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
                // A late request has no response.
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

    /// Whether the request that created a segment arrived twice, and was refused the second time.
    pub(crate) fn was_delivered_twice(&self, id: &str) -> bool {
        self.delivered_twice.contains(id)
    }

    /// A late list request must not undo a later one of another run: a run waits until no earlier request can arrive any
    /// more. Other requests change no list.
    fn require_not_overtaken(&mut self, before: usize, sent_at: i64) {
        let changes = &self.ground_truth.changes;
        let Some(change) = changes.get(before) else {
            return;
        };
        let Author::LateRequest(late) = change.author else {
            return;
        };
        let is_overtaken = self.list_changes.iter().any(|other| {
            let other = &changes[*other];
            let is_by_other = matches!(other.author, Author::Run(run) if run != late);
            other.id == change.id && other.changed_at > sent_at && is_by_other
        });
        self.recorder
            .require(!is_overtaken, "no late request undoes a later run", || {
                format!(
                    "a late request of run {late} changed {} after another run had",
                    change.id
                )
            });
    }

    /// Records a member sync, which may create the cohort.
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
        // The service accepts the members and silently drops them.
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
                .report_violation(GROUND_TRUTH_INVARIANT, || format!("there is no cohort `{name}`"));
        };
        let created = ActualSegment {
            people: if is_add { people } else { People::default() },
            ..ActualSegment::without_filters(name, Some(key))
        };
        self.ground_truth.record_change(author, id, created);
    }

    /// Records an upload, which may create the file segment.
    fn record_upload(
        &mut self,
        author: Author,
        (request, body): (&HttpRequest, &Value),
        reply: &HttpResponse,
    ) {
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
        // Some lists with a callback address cannot be read.
        let is_unreadable = callbacks::upload_id_of(body).is_some_and(|upload| {
            let fails = self.callbacks.has_faults && self.random.percent(8);
            let file = body["file_url"].as_str().unwrap_or_default();
            let change = self.ground_truth.changes.len().saturating_sub(1);
            self.callbacks
                .expect_callback(&upload, (id, file), (fails, change), &self.recorder)
        });
        self.upload_queue.enqueue(id, (request, body), is_unreadable);
    }

    /// The service finishes its oldest job, and returns the body of the callback.
    pub(crate) fn finish_next_job(&mut self, now: Timestamp, file: Result<Vec<u8>, String>) -> Option<Value> {
        let (job, time) = (self.service.next_job()?, self.service_time(now));
        self.service.finish_job(time, &job, file)
    }

    /// A run must not archive a segment that another segment of a run refers to.
    /// A run with a stale listing may take the referring segment for archived.
    fn require_unreferenced(&self, author: &Author, id: &str) {
        if !matches!(author, Author::Run(run) if !self.runs_with_stale_list.contains(run)) {
            return;
        }
        let by_run = |referring: &str| {
            let mut changes = self.ground_truth.changes.iter().rev();
            let last = changes.find(|change| change.id == referring);
            last.is_some_and(|change| matches!(change.author, Author::Run(_)))
        };
        let referring = self.ground_truth.segments.iter().find(|(other, segment)| {
            !segment.is_archived && segment.meaning.refers_to.contains(id) && by_run(other)
        });
        self.recorder
            .require(referring.is_none(), "no referenced segment is archived", || {
                format!("{id} was archived, and {referring:?} refers to it")
            });
    }

    /// Edits a segment as a dashboard user; `None` if the service refuses it.
    pub(crate) fn edit_in_dashboard(&mut self, now: Timestamp, edit: &Value) -> Option<String> {
        self.ground_truth.now = now.as_millisecond();
        let (status, response) = self.sandbox_request(now, "POST", "segments", edit);
        let data = (status == 200).then(|| response["data"].clone())?;
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
                // The dashboard does not change members.
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

    /// The response to a request that is neither recorded nor checked.
    pub(crate) fn peek(&mut self, now: Timestamp, request: &HttpRequest) -> HttpResponse {
        let time = self.service_time(now);
        self.service.handle(time, request)
    }

    pub(crate) fn check_ground_truth(&mut self, now: Timestamp) {
        let (_, state) = self.sandbox_request(now, "GET", "state", &Value::Null);
        let recorder = self.recorder.clone();
        self.ground_truth.check_against_service(&state, &recorder);
    }

    fn sandbox_request(&mut self, now: Timestamp, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = sandbox_call(
            method,
            &format!("/_sandbox/{path}"),
            body.to_string().into_bytes(),
        );
        let reply = self.service.handle(self.service_time(now), &request);
        assert_eq!(
            reply.delivery,
            Delivery::Complete,
            "faults only apply to API requests"
        );
        (reply.status, reply.body)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct ArrivingRequest<'a> {
    pub(crate) author: Author,
    /// In milliseconds since 1970.
    pub(crate) sent_at: i64,
    pub(crate) request: &'a HttpRequest,
    /// How many of the last writes a listing lacks.
    pub(crate) missing_writes: usize,
    /// Whether the run knows when it arrives.
    pub(crate) is_known_to_run: bool,
}

fn rate_limit_class(request: &HttpRequest) -> RateLimitClass {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v3/custom-segments") => RateLimitClass::List,
        ("GET", _) => RateLimitClass::Get,
        (_, path) if path.ends_with("/cohortsync") => RateLimitClass::Cohort,
        _ if is_upload_request(request) => RateLimitClass::File,
        ("POST", _) => RateLimitClass::Create,
        (_, path) if path.starts_with("/v2/") => RateLimitClass::Lifecycle,
        _ => RateLimitClass::Update,
    }
}

/// Whether a request uploads a list.
pub(crate) fn is_upload_request(request: &HttpRequest) -> bool {
    request.path.contains("/file-segment")
}

pub(crate) fn cohort_key_of(body: &Value) -> CohortKey {
    CohortKey {
        partner: body["partner"].as_str().unwrap_or_default().to_owned(),
        cohort_id: body["parameters"]["cohort_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A request with the headers that the sandbox requires.
pub(crate) fn sandbox_call(method: &str, path: &str, body: Vec<u8>) -> HttpRequest {
    let client = if path.starts_with("/v2/") {
        ("moe-dbname", "d".to_owned())
    } else {
        ("moe-appkey", "w".to_owned())
    };
    let headers = [
        ("authorization", format!("Basic {ENCODED_KEY}")),
        client,
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

/// A short text of a response for the trace.
pub(crate) fn summarize(reply: &HttpResponse) -> String {
    let message = [
        reply.body.pointer("/error/message"),
        reply.body.get("description"),
        reply.body.pointer("/data/id"),
    ];
    let message = message.into_iter().flatten().next().cloned().unwrap_or(json!(""));
    format!("{} {message}", reply.status)
}
