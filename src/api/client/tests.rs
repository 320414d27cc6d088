mod rate_limits;

use super::*;
use crate::api::{RecordExchange, RequestLog, TransportError};
use crate::rate_limit::{RateLimitHeaders, Window};
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

type ScriptedAnswer = Result<Response, TransportError>;

/// Answers from a script and keeps what was asked, and when.
pub(super) struct ScriptedTransport {
    clock: VirtualClock,
    answers: Mutex<VecDeque<ScriptedAnswer>>,
    sent_requests: Arc<Mutex<Vec<(i64, Request)>>>,
}

impl Transport for ScriptedTransport {
    async fn send(&self, request: Request, _deadline: Duration) -> ScriptedAnswer {
        let second = start().duration_until(self.clock.now()).as_secs();
        self.sent_requests.lock().unwrap().push((second, request));
        self.answers.lock().unwrap().pop_front().unwrap()
    }

    fn redact(&self, text: &str) -> String {
        text.replace("s3cret", "[redacted]")
    }
}

/// A log in this process.
struct InMemoryRequestLog {
    records: Arc<Mutex<Vec<RequestRecord>>>,
    read: Mutex<usize>,
}

impl RequestLog for InMemoryRequestLog {
    fn exchange<'a>(&'a self, mut respond: RecordExchange<'a>) -> BoxFuture<'a, ()> {
        let mut records = self.records.lock().unwrap();
        let mut read = self.read.lock().unwrap();
        let own = respond(records[*read..].to_vec());
        records.extend(own);
        *read = records.len();
        ready(()).boxed()
    }
}

/// A client with everything that a test looks at.
pub(super) struct TestClient {
    pub(super) client: Client<ScriptedTransport, VirtualClock>,
    sent_requests: Arc<Mutex<Vec<(i64, Request)>>>,
    observed_waits: Arc<Mutex<Vec<WaitNotice>>>,
}

impl TestClient {
    fn new(limits: RateLimits, answers: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        let clock = VirtualClock(Arc::new(Mutex::new(start())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let transport = ScriptedTransport {
            clock: clock.clone(),
            answers: Mutex::new(answers.into_iter().collect()),
            sent_requests: Arc::clone(&asked),
        };
        let waited = Arc::new(Mutex::new(Vec::new()));
        let observed = Arc::clone(&waited);
        let client = Client::new(transport, clock, limits, 1)
            .with_wait_observer(move |waiting| observed.lock().unwrap().push(waiting.clone()));
        Self {
            client,
            sent_requests: asked,
            observed_waits: waited,
        }
    }

    fn with_answers(answers: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        Self::new(RateLimits::default(), answers)
    }

    /// Shares its calls with runs that took down gets at these seconds.
    fn with_request_log(self, gets: impl IntoIterator<Item = i64>) -> (Self, Arc<Mutex<Vec<RequestRecord>>>) {
        let calls = gets.into_iter().map(|second| RequestRecord::Answered {
            class: EndpointClass::Get,
            sent: after(second),
            at: after(second),
        });
        let records = Arc::new(Mutex::new(calls.collect()));
        let log = InMemoryRequestLog {
            records: Arc::clone(&records),
            read: Mutex::new(0),
        };
        let client = self.client.with_request_log(log);
        (Self { client, ..self }, records)
    }

    fn request_seconds(&self) -> Vec<i64> {
        self.sent_requests
            .lock()
            .unwrap()
            .iter()
            .map(|(second, _)| *second)
            .collect()
    }

    fn request(&self, index: usize) -> Request {
        self.sent_requests.lock().unwrap()[index].1.clone()
    }

    /// The request without its query on one line.
    fn request_line(&self, index: usize) -> String {
        let Request {
            method,
            path,
            api_version: family,
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

fn answer(status: u16, body: impl ToString) -> ScriptedAnswer {
    Ok(Response {
        status,
        headers: RateLimitHeaders::default(),
        date: None,
        body: body.to_string().into_bytes(),
    })
}

fn rate_limited(reset: Option<i64>) -> ScriptedAnswer {
    let mut response = answer(429, json!({"error": {"message": "50/1 mins"}}))?;
    response.headers.reset = reset.map(|seconds| after(seconds).as_second());
    Ok(response)
}

fn segment_response() -> ScriptedAnswer {
    answer(
        200,
        json!({"data": {"id": "a1", "name": "A", "included_filters": group()}}),
    )
}

fn no_response() -> ScriptedAnswer {
    Err(TransportError::NoResponse {
        message: "connection reset".to_owned(),
    })
}

fn not_sent() -> ScriptedAnswer {
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
async fn create(bench: &TestClient, payload: &Payload) -> Result<RemoteSegment, RequestError> {
    let mut attempt = 1;
    loop {
        let turn = bench.client.acquire(&Operation::Create(name())).await?;
        match bench.client.create(turn, &name(), payload).await {
            Err(error) if bench.client.backoff(attempt, &error).await => attempt += 1,
            done => return done,
        }
    }
}

pub(super) async fn acquire(bench: &TestClient, operation: Operation) -> Permit {
    bench.client.acquire(&operation).await.unwrap()
}

/// Makes every write once against its own copy of `answers`: the errors, and how many requests each sent.
async fn every_write(answers: impl Fn() -> Vec<ScriptedAnswer>) -> Vec<(RequestError, usize)> {
    let mut outcomes = Vec::new();
    for write in 0..7 {
        let bench = TestClient::with_answers(answers());
        let client = &bench.client;
        let update = acquire(&bench, Operation::Update(id())).await;
        let lifecycle = acquire(&bench, Operation::Archive(name())).await;
        let error = match write {
            0 => create(&bench, &payload()).await.unwrap_err(),
            1 => client
                .update(update, (&id(), None), &payload())
                .await
                .unwrap_err(),
            2 => client.archive(lifecycle, &name(), Some(&id())).await.unwrap_err(),
            3 => client.unarchive(lifecycle, &name(), None).await.unwrap_err(),
            other => super::membership::tests::nth_write_error(&bench, other - 4).await,
        };
        outcomes.push((error, bench.request_seconds().len()));
    }
    outcomes
}

#[tokio::test]
async fn an_ambiguous_write_is_never_sent_again() {
    let silences: [fn() -> ScriptedAnswer; 5] = [
        no_response,
        || answer(500, ""),
        || answer(504, "<html>gateway timeout</html>"),
        || answer(201, r#"{"data":{"id":"a1","na"#),
        || Err(TransportError::ResponseTooLarge { limit: 1 }),
    ];
    for silence in silences {
        for (error, sent) in every_write(|| vec![silence(), segment_response()]).await {
            assert!(error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
}

#[tokio::test]
async fn refusals_are_final_and_not_ambiguous() {
    for status in [400, 401, 403, 404, 409, 412, 413, 415] {
        for (error, sent) in every_write(|| vec![answer(status, "no"), segment_response()]).await {
            assert!(!error.is_ambiguous_write(), "{error}");
            assert_eq!(sent, 1, "{error}");
        }
    }
    let full = || {
        vec![
            answer(429, json!({"error": {"actual_count": 1000, "limit": 1000}})),
            segment_response(),
        ]
    };
    for (error, sent) in every_write(full).await {
        assert!(matches!(error.kind, ApiError::ActiveLimit { .. }), "{error}");
        assert_eq!(sent, 1);
    }
}

#[tokio::test]
async fn a_write_that_was_certainly_not_processed_is_retried() {
    let bench = TestClient::with_answers([not_sent(), rate_limited(None), segment_response()]);
    create(&bench, &payload()).await.unwrap();
    assert_eq!(bench.request_seconds().len(), 3);
    assert_eq!(
        bench.client.request_counts(),
        BTreeMap::from([(EndpointClass::Create, 3)])
    );
    assert_eq!(bench.request(0), bench.request(2));

    // Not after an ambiguous attempt, though.
    let bench = TestClient::with_answers([not_sent(), no_response(), segment_response()]);
    let error = create(&bench, &payload()).await.unwrap_err();
    assert!(error.is_ambiguous_write());
    assert_eq!(bench.request_seconds().len(), 2);
}

#[tokio::test]
async fn reads_are_retried_until_they_succeed() {
    let bench = TestClient::with_answers([
        no_response(),
        answer(503, ""),
        answer(200, r#"{"data":{"id":"a1","#),
        not_sent(),
        segment_response(),
    ]);
    assert_eq!(
        bench.client.get(&id()).await.unwrap().included_filters,
        Some(group())
    );
    assert_eq!(bench.request_seconds().len(), 5);

    let bench = TestClient::with_answers((0..10).map(|_| no_response()));
    let error = bench.client.list().await.unwrap_err();
    assert!(matches!(error.kind, ApiError::NoResponse { .. }) && !error.is_ambiguous_write());
    assert_eq!(bench.request_seconds().len(), 6);
}

#[tokio::test]
async fn a_lookup_by_name_returns_only_the_exact_name() {
    let body = json!({"data": [{"id": "b2", "name": "a"}, {"id": "a1", "name": "A"}]});
    let bench = TestClient::with_answers([answer(200, &body), answer(200, &body)]);
    assert_eq!(bench.client.list().await.unwrap().len(), 2);
    let named = bench.client.list_named(&name()).await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].id, id());
    assert_eq!(bench.request_line(0), "Get V3 /v3/custom-segments null");
    assert_eq!(bench.request_line(1), "Get V3 /v3/custom-segments null");
    assert_eq!(bench.request(0).query, []);
    assert_eq!(bench.request(1).query, [("name".to_owned(), "A".to_owned())]);
}

#[tokio::test]
async fn updates_always_send_excluded_filters() {
    let bench = TestClient::with_answers([
        segment_response(),
        segment_response(),
        segment_response(),
        segment_response(),
    ]);
    let client = &bench.client;
    let with_excluded = Payload {
        excluded_filters: Some(json!(["whom"])),
        ..payload()
    };
    let renamed = SegmentName::new("B");
    create(&bench, &payload()).await.unwrap();
    create(&bench, &with_excluded).await.unwrap();
    for (name, definition) in [(Some(&renamed), &payload()), (None, &with_excluded)] {
        let turn = acquire(&bench, Operation::Update(id())).await;
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
        assert_eq!(bench.request_line(index), format!("{} {body}", calls[index / 2]));
    }
}

#[tokio::test]
async fn lifecycle_requests_send_the_name_and_the_id_if_known() {
    let done = || answer(200, json!({"success": true}));
    let bench = TestClient::with_answers([done(), done()]);
    let (first, second) = (
        acquire(&bench, Operation::Archive(name())).await,
        acquire(&bench, Operation::Unarchive(name())).await,
    );
    bench.client.archive(first, &name(), Some(&id())).await.unwrap();
    bench.client.unarchive(second, &name(), None).await.unwrap();
    assert_eq!(
        bench.request_line(0),
        r#"Patch V2 /v2/custom-segments/archive {"cs_id":"a1","name":"A"}"#
    );
    assert_eq!(
        bench.request_line(1),
        r#"Patch V2 /v2/custom-segments/unarchive {"name":"A"}"#
    );
}

#[tokio::test]
async fn ids_that_could_change_the_url_path_are_never_sent() {
    for text in ["", ".", "..", "../archive", "a/b", "a?name=B", "a b", "é"] {
        let bench = TestClient::with_answers([]);
        let error = bench.client.get(&SegmentId::new(text)).await.unwrap_err();
        assert!(matches!(error.kind, ApiError::NotFound { .. }), "{text}");
        assert_eq!(bench.request_seconds().len(), 0);
    }
}

#[tokio::test]
async fn a_response_with_another_segment_id_is_malformed() {
    let other = || answer(200, json!({"data": {"id": "b2", "name": "s3cret"}}));
    let bench = TestClient::with_answers([other()]);
    let turn = acquire(&bench, Operation::Update(id())).await;
    let error = bench.client.update(turn, (&id(), None), &payload()).await;
    let error = error.unwrap_err();
    assert!(error.is_ambiguous_write());
    assert_eq!(
        error.kind,
        ApiError::MalformedResponse {
            expected: "`data.id` to be `a1`".to_owned(),
            received: r#"{"data":{"id":"b2","name":"[redacted]"}}"#.to_owned(),
        }
    );
}

#[tokio::test]
async fn a_lifecycle_response_that_reports_failure_is_a_refusal() {
    let bench = TestClient::with_answers([answer(
        200,
        json!({"success": false, "message": "key s3cret\u{7}"}),
    )]);
    let turn = acquire(&bench, Operation::Archive(name())).await;
    let error = bench.client.archive(turn, &name(), None).await.unwrap_err();
    let expected = ApiError::Refused {
        status: 200,
        message: "key [redacted]\\u{7}".to_owned(),
    };
    assert_eq!(error.kind, expected);
}

#[tokio::test]
async fn secrets_in_responses_are_redacted_in_messages() {
    for status in [200, 400, 401, 403, 404, 409, 429, 500] {
        let bodies = [
            "key s3cret".to_owned(),
            json!({"error": {"message": "bad s3cret"}}).to_string(),
        ];
        for body in bodies {
            let bench = TestClient::with_answers((0..10).map(|_| answer(status, &body)));
            let error = bench.client.get(&id()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_is_not_sent_with_an_expired_permit() {
    let bench = TestClient::with_answers([segment_response()]);
    let early = acquire(&bench, Operation::Update(id())).await;
    bench.client.clock.sleep_until(after(11)).await;
    let error = bench.client.update(early, (&id(), None), &payload()).await;
    assert_eq!(error.unwrap_err().kind, ApiError::PermitExpired);
    assert_eq!(
        (bench.request_seconds().len(), bench.client.request_counts()),
        (0, BTreeMap::from([(EndpointClass::Update, 0)]))
    );
    let late = acquire(&bench, Operation::Update(id())).await;
    bench
        .client
        .update(late, (&id(), None), &payload())
        .await
        .unwrap();
    assert_eq!(bench.request_seconds(), [11]);
}

#[tokio::test]
async fn a_segment_is_read_for_a_write_only_when_both_permits_are_free() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("1/30s").unwrap()]);
    limits.set(EndpointClass::Update, vec![Window::parse("1/25s").unwrap()]);
    let bench = TestClient::new(limits, (0..3).map(|_| segment_response()));
    let update = Operation::Update(id());
    let (first, _) = bench.client.acquire_and_fetch(&update, &id()).await.unwrap();
    bench
        .client
        .update(first, (&id(), None), &payload())
        .await
        .unwrap();
    assert!(bench.client.try_acquire(&update).await.is_none());
    let (second, _) = bench.client.acquire_and_fetch(&update, &id()).await.unwrap();
    assert_eq!(bench.request_seconds(), [0, 0, 30]);
    // Given back, it can be had again.
    bench.client.release(second);
    assert!(bench.client.try_acquire(&update).await.is_some());
}
