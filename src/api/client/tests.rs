mod limits;

use super::*;
use crate::api::{CallLog, RateHeaders, Respond, TransportError, Window};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::SignedDuration;
use std::collections::VecDeque;
use std::sync::Arc;

/// A clock that waiting moves.
#[derive(Clone)]
pub(super) struct VirtualClock(Arc<Mutex<Timestamp>>);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let mut now = self.0.lock().unwrap();
        *now = moment.max(*now);
    }
}

type Answer = Result<Response, TransportError>;

/// Answers from a script and keeps what was asked, and when.
pub(super) struct Scripted {
    clock: VirtualClock,
    answers: Mutex<VecDeque<Answer>>,
    asked: Arc<Mutex<Vec<(i64, Request)>>>,
}

impl Transport for Scripted {
    async fn send(&self, request: Request, _deadline: Duration) -> Answer {
        let second = start().duration_until(self.clock.now()).as_secs();
        self.asked.lock().unwrap().push((second, request));
        self.answers.lock().unwrap().pop_front().unwrap()
    }

    fn redact(&self, text: &str) -> String {
        text.replace("s3cret", "[redacted]")
    }
}

/// A log in this process.
struct SharedList {
    records: Arc<Mutex<Vec<CallRecord>>>,
    read: Mutex<usize>,
}

impl CallLog for SharedList {
    fn exchange<'a>(&'a self, mut respond: Respond<'a>) -> BoxFuture<'a, ()> {
        let mut records = self.records.lock().unwrap();
        let mut read = self.read.lock().unwrap();
        let own = respond(records[*read..].to_vec());
        records.extend(own);
        *read = records.len();
        ready(()).boxed()
    }
}

/// A client with everything that a test looks at.
pub(super) struct Bench {
    pub(super) client: Client<Scripted, VirtualClock>,
    asked: Arc<Mutex<Vec<(i64, Request)>>>,
    waited: Arc<Mutex<Vec<Waiting>>>,
}

impl Bench {
    fn new(limits: RateLimits, answers: impl IntoIterator<Item = Answer>) -> Self {
        let clock = VirtualClock(Arc::new(Mutex::new(start())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let transport = Scripted {
            clock: clock.clone(),
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Arc::clone(&asked),
        };
        let waited = Arc::new(Mutex::new(Vec::new()));
        let observed = Arc::clone(&waited);
        let client = Client::new(transport, clock, limits, 1)
            .observed_by(move |waiting| observed.lock().unwrap().push(waiting.clone()));
        Self {
            client,
            asked,
            waited,
        }
    }

    fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::new(RateLimits::default(), answers)
    }

    /// Shares its calls with runs that took down gets at these seconds.
    fn logged(self, gets: impl IntoIterator<Item = i64>) -> (Self, Arc<Mutex<Vec<CallRecord>>>) {
        let calls = gets.into_iter().map(|second| CallRecord::Answered {
            class: EndpointClass::Get,
            sent: after(second),
            at: after(second),
        });
        let records = Arc::new(Mutex::new(calls.collect()));
        let log = SharedList {
            records: Arc::clone(&records),
            read: Mutex::new(0),
        };
        let client = self.client.logged_in(log);
        (Self { client, ..self }, records)
    }

    fn seconds(&self) -> Vec<i64> {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .map(|(second, _)| *second)
            .collect()
    }

    fn request(&self, index: usize) -> Request {
        self.asked.lock().unwrap()[index].1.clone()
    }

    /// The request without its query on one line.
    fn line(&self, index: usize) -> String {
        let Request {
            method,
            path,
            family,
            body,
            ..
        } = self.request(index);
        format!("{method:?} {family:?} {path} {}", body.unwrap_or_default())
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn answer(status: u16, body: impl ToString) -> Answer {
    Ok(Response {
        status,
        headers: RateHeaders::default(),
        date: None,
        body: body.to_string().into_bytes(),
    })
}

fn limited(reset: Option<i64>) -> Answer {
    let mut response = answer(429, json!({"error": {"message": "50/1 mins"}}))?;
    response.headers.reset = reset.map(|seconds| after(seconds).as_second());
    Ok(response)
}

fn stored() -> Answer {
    answer(
        200,
        json!({"data": {"id": "a1", "name": "A", "included_filters": group()}}),
    )
}

fn lost() -> Answer {
    Err(TransportError::Lost {
        message: "connection reset".to_owned(),
    })
}

fn not_sent() -> Answer {
    Err(TransportError::NotSent {
        message: "connection refused".to_owned(),
    })
}

fn group() -> Value {
    json!({"filter_operator": "and", "filters": []})
}

fn payload() -> Payload {
    Payload {
        included_filters: json!({"filter_operator": "or", "filters": [1]}),
        excluded_filters: None,
    }
}

pub(super) fn name() -> SegmentName {
    SegmentName::new("A")
}

fn id() -> SegmentId {
    SegmentId::new("a1")
}

/// A write as it is made: in its turn, and again where it was certainly not processed.
async fn create(bench: &Bench, payload: &Payload) -> Result<Stored, CallError> {
    let mut attempt = 1;
    loop {
        let turn = bench.client.turn(&Operation::Create(name())).await?;
        match bench.client.create(turn, &name(), payload).await {
            Err(error) if bench.client.pause(attempt, &error).await => attempt += 1,
            done => return done,
        }
    }
}

pub(super) async fn turn(bench: &Bench, operation: Operation) -> Turn {
    bench.client.turn(&operation).await.unwrap()
}

/// Makes every write once against its own copy of `answers`: the errors, and how many requests each sent.
async fn every_write(answers: impl Fn() -> Vec<Answer>) -> Vec<(CallError, usize)> {
    let mut outcomes = Vec::new();
    for write in 0..7 {
        let bench = Bench::answering(answers());
        let client = &bench.client;
        let update = turn(&bench, Operation::Update(id())).await;
        let lifecycle = turn(&bench, Operation::Archive(name())).await;
        let error = match write {
            0 => create(&bench, &payload()).await.unwrap_err(),
            1 => client
                .update(update, (&id(), None), &payload())
                .await
                .unwrap_err(),
            2 => client.archive(lifecycle, &name(), Some(&id())).await.unwrap_err(),
            3 => client.unarchive(lifecycle, &name(), None).await.unwrap_err(),
            other => super::members::tests::every_write(&bench, other - 4).await,
        };
        outcomes.push((error, bench.seconds().len()));
    }
    outcomes
}

#[tokio::test]
async fn an_ambiguous_write_is_never_sent_again() {
    let silences: [fn() -> Answer; 5] = [
        lost,
        || answer(500, ""),
        || answer(504, "<html>gateway timeout</html>"),
        || answer(201, r#"{"data":{"id":"a1","na"#),
        || Err(TransportError::Oversized { limit: 1 }),
    ];
    for silence in silences {
        for (error, sent) in every_write(|| vec![silence(), stored()]).await {
            assert!(error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
}

#[tokio::test]
async fn refusals_are_final_and_not_ambiguous() {
    for status in [400, 401, 403, 404, 409, 412, 413, 415] {
        for (error, sent) in every_write(|| vec![answer(status, "no"), stored()]).await {
            assert!(!error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
    let full = || {
        vec![
            answer(429, json!({"error": {"actual_count": 1000, "limit": 1000}})),
            stored(),
        ]
    };
    for (error, sent) in every_write(full).await {
        assert!(matches!(error.kind, ApiError::ActiveLimit { .. }), "{error}");
        assert_eq!(sent, 1);
    }
}

#[tokio::test]
async fn a_write_that_was_certainly_not_processed_is_sent_again() {
    let bench = Bench::answering([not_sent(), limited(None), stored()]);
    create(&bench, &payload()).await.unwrap();
    assert_eq!(bench.seconds().len(), 3);
    assert_eq!(bench.client.calls(), BTreeMap::from([(EndpointClass::Create, 3)]));
    assert_eq!(bench.request(0), bench.request(2));

    // Not after an ambiguous attempt, though.
    let bench = Bench::answering([not_sent(), lost(), stored()]);
    let error = create(&bench, &payload()).await.unwrap_err();
    assert!(error.is_ambiguous_write());
    assert_eq!(bench.seconds().len(), 2);
}

#[tokio::test]
async fn reads_are_repeated_until_they_can_be_read() {
    let bench = Bench::answering([
        lost(),
        answer(503, ""),
        answer(200, r#"{"data":{"id":"a1","#),
        not_sent(),
        stored(),
    ]);
    assert_eq!(
        bench.client.get(&id()).await.unwrap().included_filters,
        Some(group())
    );
    assert_eq!(bench.seconds().len(), 5);

    let bench = Bench::answering((0..10).map(|_| lost()));
    let error = bench.client.list().await.unwrap_err();
    assert!(matches!(error.kind, ApiError::Lost { .. }) && !error.is_ambiguous_write());
    assert_eq!(bench.seconds().len(), 6);
}

#[tokio::test]
async fn lists_are_asked_for_by_exact_name_and_taken_by_it() {
    let body = json!({"data": [{"id": "b2", "name": "a"}, {"id": "a1", "name": "A"}]});
    let bench = Bench::answering([answer(200, &body), answer(200, &body)]);
    assert_eq!(bench.client.list().await.unwrap().len(), 2);
    let named = bench.client.list_named(&name()).await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].id, id());
    assert_eq!(bench.line(0), "Get V3 /v3/custom-segments null");
    assert_eq!(bench.line(1), "Get V3 /v3/custom-segments null");
    assert_eq!(bench.request(0).query, []);
    assert_eq!(bench.request(1).query, [("name".to_owned(), "A".to_owned())]);
}

#[tokio::test]
async fn updates_always_say_who_is_left_out() {
    let bench = Bench::answering([stored(), stored(), stored(), stored()]);
    let client = &bench.client;
    let with_excluded = Payload {
        excluded_filters: Some(json!(["whom"])),
        ..payload()
    };
    let renamed = SegmentName::new("B");
    create(&bench, &payload()).await.unwrap();
    create(&bench, &with_excluded).await.unwrap();
    for (name, definition) in [(Some(&renamed), &payload()), (None, &with_excluded)] {
        let turn = turn(&bench, Operation::Update(id())).await;
        client.update(turn, (&id(), name), definition).await.unwrap();
    }
    let included = payload().included_filters;
    let bodies = [
        json!({"name": "A", "included_filters": included}),
        json!({"name": "A", "included_filters": included, "excluded_filters": ["whom"]}),
        json!({"name": "B", "included_filters": included, "excluded_filters": group()}),
        json!({"included_filters": included, "excluded_filters": ["whom"]}),
    ];
    let calls = ["Post V3 /v3/custom-segments", "Patch V3 /v3/custom-segments/a1"];
    for (index, body) in bodies.iter().enumerate() {
        assert_eq!(bench.line(index), format!("{} {body}", calls[index / 2]));
    }
}

#[tokio::test]
async fn the_lifecycle_is_changed_by_name_and_by_id_where_known() {
    let done = || answer(200, json!({"success": true}));
    let bench = Bench::answering([done(), done()]);
    let (first, second) = (
        turn(&bench, Operation::Archive(name())).await,
        turn(&bench, Operation::Unarchive(name())).await,
    );
    bench.client.archive(first, &name(), Some(&id())).await.unwrap();
    bench.client.unarchive(second, &name(), None).await.unwrap();
    assert_eq!(
        bench.line(0),
        r#"Patch V2 /v2/custom-segments/archive {"cs_id":"a1","name":"A"}"#
    );
    assert_eq!(
        bench.line(1),
        r#"Patch V2 /v2/custom-segments/unarchive {"name":"A"}"#
    );
}

#[tokio::test]
async fn ids_that_could_lead_elsewhere_are_never_sent() {
    for text in ["", ".", "..", "../archive", "a/b", "a?name=B", "a b", "é"] {
        let bench = Bench::answering([]);
        let error = bench.client.get(&SegmentId::new(text)).await.unwrap_err();
        assert!(matches!(error.kind, ApiError::NotFound { .. }), "{text}");
        assert_eq!(bench.seconds().len(), 0);
    }
}

#[tokio::test]
async fn another_segment_than_the_one_asked_for_is_garbage() {
    let other = || answer(200, json!({"data": {"id": "b2", "name": "s3cret"}}));
    let bench = Bench::answering([other()]);
    let turn = turn(&bench, Operation::Update(id())).await;
    let error = bench.client.update(turn, (&id(), None), &payload()).await;
    let error = error.unwrap_err();
    assert!(error.is_ambiguous_write());
    assert_eq!(
        error.kind,
        ApiError::Garbage {
            expected: "`data.id` to be `a1`".to_owned(),
            came: r#"{"data":{"id":"b2","name":"[redacted]"}}"#.to_owned(),
        }
    );
}

#[tokio::test]
async fn a_lifecycle_answer_that_says_no_is_a_refusal() {
    let bench = Bench::answering([answer(
        200,
        json!({"success": false, "message": "key s3cret\u{7}"}),
    )]);
    let turn = turn(&bench, Operation::Archive(name())).await;
    let error = bench.client.archive(turn, &name(), None).await.unwrap_err();
    let expected = ApiError::Refused {
        status: 200,
        message: "key [redacted]\\u{7}".to_owned(),
    };
    assert_eq!(error.kind, expected);
}

#[tokio::test]
async fn no_message_holds_a_secret_that_the_service_repeats() {
    for status in [200, 400, 401, 403, 404, 409, 429, 500] {
        let bodies = [
            "key s3cret".to_owned(),
            json!({"error": {"message": "bad s3cret"}}).to_string(),
        ];
        for body in bodies {
            let bench = Bench::answering((0..10).map(|_| answer(status, &body)));
            let error = bench.client.get(&id()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_is_not_sent_when_its_turn_is_over() {
    let bench = Bench::answering([stored()]);
    let early = turn(&bench, Operation::Update(id())).await;
    bench.client.clock.sleep_until(after(11)).await;
    let error = bench.client.update(early, (&id(), None), &payload()).await;
    assert_eq!(error.unwrap_err().kind, ApiError::TurnOver);
    assert_eq!(
        (bench.seconds().len(), bench.client.calls()),
        (0, BTreeMap::from([(EndpointClass::Update, 0)]))
    );
    let late = turn(&bench, Operation::Update(id())).await;
    bench
        .client
        .update(late, (&id(), None), &payload())
        .await
        .unwrap();
    assert_eq!(bench.seconds(), [11]);
}

#[tokio::test]
async fn what_a_write_rests_on_is_read_when_both_can_be_made() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("1/30s").unwrap()]);
    limits.set(EndpointClass::Update, vec![Window::parse("1/25s").unwrap()]);
    let bench = Bench::new(limits, (0..3).map(|_| stored()));
    let update = Operation::Update(id());
    let (first, _) = bench.client.look(&update, &id()).await.unwrap();
    bench
        .client
        .update(first, (&id(), None), &payload())
        .await
        .unwrap();
    assert!(bench.client.turn_at_once(&update).await.is_none());
    let (second, _) = bench.client.look(&update, &id()).await.unwrap();
    assert_eq!(bench.seconds(), [0, 0, 30]);
    // Given back, it can be had again.
    bench.client.give_back(second);
    assert!(bench.client.turn_at_once(&update).await.is_some());
}
