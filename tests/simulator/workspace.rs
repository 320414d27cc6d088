//! The workspace at the service: the sandbox without sockets, what is really in it, and who may write to what.

use super::calls::Calls;
use super::faults::NetworkFault;
use super::hooks::{self, Hooks, Receiver};
use super::lists::is_of_list;
use super::members::{self, People};
use super::publisher::Shelf;
use super::queue::Queue;
use super::random::Random;
use super::record::{API_KEY, ENCODED_KEY, Record};
use super::truth::{Author, Effect, Segment, Truth};
use super::witness::Witness;
use jiff::{SignedDuration, Timestamp};
use segctl::model::{CohortKey, SegmentKind};
use segctl::sandbox::{HttpRequest, RateLimitClass, SandboxCredentials, Delivery, Fault, FaultKind, FaultMatcher, HttpResponse, Service, SandboxSettings};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The service and everything that watches it.
pub(crate) struct Workspace {
    service: Service,
    pub(crate) truth: Truth,
    /// Segments that are nobody's business.
    pub(crate) foreign: BTreeSet<String>,
    /// Whether what is made by hand is put away where no file declares it.
    pub(crate) owns_what_is_made_by_hand: bool,
    /// What each run said that it does, and what it did.
    pub(crate) witnesses: BTreeMap<usize, Witness>,
    /// What goes wrong with the calls to come.
    pub(crate) faults: Vec<NetworkFault>,
    pub(crate) random: Random,
    pub(crate) record: Record,
    /// Milliseconds that the service's clock is ahead.
    pub(crate) ahead: i64,
    /// The calls that count toward limits.
    pub(crate) calls: Calls,
    /// The names of creates of which a run does not know whether they were made, and that it has not looked for since.
    pub(crate) unlooked: BTreeSet<(usize, String)>,
    /// Runs that were shown a list which lacks the latest writes.
    misled: BTreeSet<usize>,
    /// The first list that anybody heard, for a bug that takes it for ever.
    pub(crate) first_list: Option<HttpResponse>,
    /// The lists that it was told to read.
    pub(crate) queue: Queue,
    /// Where it reads them.
    pub(crate) shelf: Shelf,
    /// What it says of them.
    pub(crate) hooks: Hooks,
    /// Who hears that.
    pub(crate) receiver: Option<Receiver>,
    /// When runs began, by their numbers.
    pub(crate) began: BTreeMap<usize, i64>,
    /// Cohorts and file segments that somebody else made under declared names, and who was in them.
    pub(crate) made_by_hand: BTreeMap<String, People>,
    /// Segments whose lists a call changed that arrived after a later run had changed them, since clocks that were set
    /// said that none could arrive any more.
    pub(crate) strayed: BTreeSet<String>,
    /// File segments that a call made which was delivered twice: what was heard is that the name is taken.
    pub(crate) doubled: BTreeSet<String>,
    /// Whether a name that was given up can be taken again.
    pub(crate) frees_names: bool,
    /// Whether lists of segments show those that are put away.
    pub(crate) shows_archived: bool,
}

impl Workspace {
    pub(crate) fn new(settings: SandboxSettings, record: Record, random: Random) -> Self {
        let credentials = SandboxCredentials {
            workspace_id: "w".to_owned(),
            api_key: API_KEY.to_owned(),
            db_name: "d".to_owned(),
        };
        Self {
            frees_names: settings.rename_frees_old_name,
            shows_archived: settings.list_includes_archived,
            queue: Queue::default(),
            shelf: Shelf::default(),
            hooks: Hooks::default(),
            receiver: None,
            began: BTreeMap::new(),
            made_by_hand: BTreeMap::new(),
            strayed: BTreeSet::new(),
            doubled: BTreeSet::new(),
            calls: Calls::new(&settings),
            service: Service::new(settings, credentials),
            truth: Truth::default(),
            foreign: BTreeSet::new(),
            owns_what_is_made_by_hand: false,
            witnesses: BTreeMap::new(),
            faults: Vec::new(),
            random,
            record,
            ahead: 0,
            unlooked: BTreeSet::new(),
            misled: BTreeSet::new(),
            first_list: None,
        }
    }

    fn time(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(SignedDuration::from_millis(self.ahead))
            .unwrap()
    }

    /// Has a call do what it does.
    pub(crate) fn perform(&mut self, now: Timestamp, arrival: Arrival<'_>) -> HttpResponse {
        let Arrival { author, call, .. } = arrival;
        self.truth.now = now.as_millisecond();
        let missing = arrival.missing_writes.min(self.truth.latest());
        if missing > 0 {
            if let Author::Run(run) = author {
                self.misled.insert(run);
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
        let time = self.time(now);
        let reply = self.service.handle(time, call);
        if missing > 0 {
            self.service.set_faults(Vec::new());
        }
        self.count(&arrival, &reply);
        if !(200..300).contains(&reply.status) {
            return reply;
        }
        if call.method != "GET" {
            self.learn((&arrival, now), &reply);
        } else if let (Author::Run(run), Some(id)) = (author, call.path.strip_prefix("/v3/custom-segments/"))
        {
            self.truth.look(run, id);
        }
        reply
    }

    /// Counts a call, or finds that the run should not have made it.
    fn count(&mut self, arrival: &Arrival<'_>, reply: &HttpResponse) {
        let Arrival { author, call, .. } = arrival;
        let (Author::Run(run) | Author::Late(run)) = *author else {
            return;
        };
        let counted = (run, self.truth.now);
        let says = |place: &str| reply.body.pointer(place).is_some();
        let is_full = says("/error/actual_count") || says("/actual_count");
        if reply.status != 429 || is_full {
            let is_known = arrival.is_known && matches!(author, Author::Run(_));
            return self.calls.count(class_of(call), counted, is_known);
        }
        let is_exceeded = arrival.is_known && self.calls.is_exceeded_by(class_of(call), counted);
        self.record
            .require(!is_exceeded, "no rate limit is exceeded", || {
                format!("{} {}: {}", call.method, call.path, reply.body)
            });
    }

    /// Takes down what a write that was committed did.
    fn learn(&mut self, (arrival, now): (&Arrival<'_>, Timestamp), reply: &HttpResponse) {
        let Arrival {
            author,
            call,
            sent_at,
            ..
        } = *arrival;
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let path = call.path.as_str();
        if is_of_list(call) {
            let before = self.truth.changes.len();
            if is_upload(call) {
                self.learn_upload(author, (call, &body), reply);
            } else {
                self.learn_sync(author, now, &body);
            }
            return self.require_in_order(before, sent_at);
        }
        if path.starts_with("/v2/") {
            let id = body["cs_id"].as_str().map(str::to_owned);
            let id = id.or_else(|| {
                self.truth
                    .named(body["name"].as_str()?)
                    .map(|(id, _)| id.to_owned())
            });
            let id = id.unwrap();
            let is_archived = path.ends_with("/archive");
            if is_archived {
                self.require_unreferenced(&author, &id);
            }
            let after = Segment {
                is_archived,
                ..self.truth.segments[&id].clone()
            };
            if matches!(author, Author::Late(_)) {
                // Whatever was answered since, this came after it.
                self.truth.unanswered_moves.insert(id.clone());
            }
            self.truth.set(author, &id, after);
            return;
        }
        let data = &reply.body["data"];
        let (id, name) = (data["id"].as_str().unwrap(), data["name"].as_str().unwrap());
        let segment = Segment::new(name, &body["included_filters"], &body["excluded_filters"]);
        self.truth.set(author, id, segment);
    }

    /// Whether a segment came of a call that was delivered twice, and refused the second time.
    pub(crate) fn is_doubled(&self, id: &str) -> bool {
        self.doubled.contains(id)
    }

    /// A call about a list that was given up must not undo what a later run did: a run waits until none can arrive any more.
    fn require_in_order(&mut self, before: usize, sent_at: i64) {
        let Some(change) = self.truth.changes.get(before) else {
            return;
        };
        let Author::Late(late) = change.author else {
            return;
        };
        let mut earlier = self.truth.changes[..before].iter().rev();
        let is_overtaken = earlier.any(|other| {
            let is_by_other = matches!(other.author, Author::Run(run) if run != late);
            other.id == change.id && other.at > sent_at && is_by_other
        });
        let id = change.id.clone();
        if is_overtaken && self.calls.was_misdated() {
            self.strayed.insert(id);
        } else {
            self.record
                .require(!is_overtaken, "no list is changed by a call from before", || {
                    format!("a call of run {late} changed {id} after another run had")
                });
        }
    }

    /// Takes down whom a call put into a cohort or took out, or that it made one.
    fn learn_sync(&mut self, author: Author, now: Timestamp, body: &Value) {
        let (key, name) = (key_of(body), body["parameters"]["cohort_name"].as_str().unwrap());
        let (people, is_add) = (members::of_sync(body), body["action"] == "add_members");
        if let Some((id, before)) = self.truth.keyed(&key) {
            let (id, before) = (id.to_owned(), before.clone());
            let people = if is_add {
                before.people.and(people)
            } else {
                before.people.without(people)
            };
            return self.truth.set(author, &id, Segment { people, ..before });
        }
        // Taken, and dropped without a word.
        if self.truth.named(name).is_some() || !self.frees_names && self.truth.was_named(name) {
            return;
        }
        let (_, state) = self.control(now, "GET", "state", &Value::Null);
        let mut segments = state["segments"].as_object().unwrap().iter();
        let Some((id, _)) = segments.find(|(_, segment)| segment["name"] == name) else {
            return self.record.violated("the simulator knows what is there", || {
                format!("there is no cohort `{name}`")
            });
        };
        let made = Segment {
            people: if is_add { people } else { People::default() },
            ..Segment::of_list(name, Some(key))
        };
        self.truth.set(author, id, made);
    }

    /// Takes down that the service was told of a list, and that it made the segment where there was none.
    fn learn_upload(&mut self, author: Author, (call, body): (&HttpRequest, &Value), reply: &HttpResponse) {
        let id = reply.body["cs_id"].as_str().unwrap();
        let known = self.truth.segments.get(id).cloned();
        let effect = if known.is_some() {
            Effect::Queued
        } else {
            Effect::AtOnce
        };
        let name = body["name"].as_str().unwrap();
        let after = known.unwrap_or_else(|| Segment::of_list(name, None));
        self.truth.set_as((author, effect), id, after);
        // A few lists the service cannot read, where anybody asks to hear of it.
        let fails = hooks::upload_of(body).is_some_and(|upload| {
            let fails = self.hooks.is_troubled && self.random.percent(8);
            let file = body["file_url"].as_str().unwrap_or_default();
            let change = self.truth.changes.len().saturating_sub(1);
            self.hooks.ask(&upload, (id, file), (fails, change), &self.record)
        });
        self.queue.add(id, (call, body), fails);
    }

    /// Has the service do what it was told of first.
    pub(crate) fn finish_next_job(&mut self, now: Timestamp, file: Result<Vec<u8>, String>) -> Option<Value> {
        let (job, time) = (self.service.next_job()?, self.time(now));
        self.service.finish_job(time, &job, file)
    }

    /// What a run put away must not be missing in what a run stored. A list that lacks a segment says that it is away.
    fn require_unreferenced(&self, author: &Author, id: &str) {
        if !matches!(author, Author::Run(run) if !self.misled.contains(run)) {
            return;
        }
        let by_run = |referring: &str| {
            let mut changes = self.truth.changes.iter().rev();
            let last = changes.find(|change| change.id == referring);
            last.is_some_and(|change| matches!(change.author, Author::Run(_)))
        };
        let left = self.truth.segments.iter().find(|(other, segment)| {
            !segment.is_archived && segment.meaning.refers_to.contains(id) && by_run(other)
        });
        self.record
            .require(left.is_none(), "nothing is archived that is referred to", || {
                format!("{id} was archived, and {left:?} refers to it")
            });
    }

    /// Does what a dashboard user does; `None` where the service does not take it.
    pub(crate) fn edit(&mut self, now: Timestamp, edit: &Value) -> Option<String> {
        self.truth.now = now.as_millisecond();
        let (status, answer) = self.control(now, "POST", "segments", edit);
        let data = (status == 200).then(|| answer["data"].clone())?;
        let id = data["id"].as_str()?.to_owned();
        let name = data["name"].as_str()?;
        let was_archived = self
            .truth
            .segments
            .get(&id)
            .is_some_and(|segment| segment.is_archived);
        let segment = Segment {
            is_archived: edit["archived"].as_bool().unwrap_or(was_archived),
            ..match self.truth.segments.get(&id) {
                // The dashboard shows no members either.
                Some(before) if before.kind != SegmentKind::Filter => Segment {
                    name: name.to_owned(),
                    ..before.clone()
                },
                _ => Segment::new(name, &data["included_filters"], &data["excluded_filters"]),
            }
        };
        self.record.note("dashboard", edit.to_string().len() as u64, || {
            format!("edits {edit}")
        });
        self.truth.set(Author::Dashboard, &id, segment);
        Some(id)
    }

    /// What the service would answer, without anybody being told of the call.
    pub(crate) fn look(&mut self, now: Timestamp, call: &HttpRequest) -> HttpResponse {
        let time = self.time(now);
        self.service.handle(time, call)
    }

    /// Compares what is known with what the service has.
    pub(crate) fn compare(&mut self, now: Timestamp) {
        let (_, state) = self.control(now, "GET", "state", &Value::Null);
        let record = self.record.clone();
        self.truth.compare(&state, &record);
    }

    fn control(&mut self, now: Timestamp, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let call = call(
            method,
            &format!("/_sandbox/{path}"),
            body.to_string().into_bytes(),
        );
        let reply = self.service.handle(self.time(now), &call);
        assert_eq!(reply.delivery, Delivery::Complete, "faults are for calls of the API");
        (reply.status, reply.body)
    }
}

/// A call that arrives at the service.
#[derive(Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) author: Author,
    /// When it was sent, in milliseconds since 1970.
    pub(crate) sent_at: i64,
    pub(crate) call: &'a HttpRequest,
    /// How many of the last writes are left out of a list.
    pub(crate) missing_writes: usize,
    /// Whether the run knows that it arrives.
    pub(crate) is_known: bool,
}

/// The calls that one is counted with.
fn class_of(call: &HttpRequest) -> RateLimitClass {
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/v3/custom-segments") => RateLimitClass::List,
        ("GET", _) => RateLimitClass::Get,
        (_, path) if path.ends_with("/cohortsync") => RateLimitClass::Cohort,
        _ if is_upload(call) => RateLimitClass::File,
        ("POST", _) => RateLimitClass::Create,
        (_, path) if path.starts_with("/v2/") => RateLimitClass::Lifecycle,
        _ => RateLimitClass::Update,
    }
}

/// Whether a call has the service read a list.
pub(crate) fn is_upload(call: &HttpRequest) -> bool {
    call.path.contains("/file-segment")
}

/// What a sync of members knows its cohort by.
pub(crate) fn key_of(body: &Value) -> CohortKey {
    CohortKey {
        partner: body["partner"].as_str().unwrap_or_default().to_owned(),
        cohort_id: body["parameters"]["cohort_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A call with all that the service asks of one.
pub(crate) fn call(method: &str, path: &str, body: Vec<u8>) -> HttpRequest {
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
pub(crate) fn in_short(reply: &HttpResponse) -> String {
    let message = [
        reply.body.pointer("/error/message"),
        reply.body.get("description"),
        reply.body.pointer("/data/id"),
    ];
    let message = message.into_iter().flatten().next().cloned().unwrap_or(json!(""));
    format!("{} {message}", reply.status)
}
