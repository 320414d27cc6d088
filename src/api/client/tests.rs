mod rate_limits;
mod retries;

use super::*;
use crate::api::{RecordExchange, RequestLog, SetupProblem, TransportError};
use crate::model::Payload;
use crate::rate_limit::{RateLimitHeaders, Window};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Waiting advances this clock, and a test can set it.
#[derive(Clone)]
pub(super) struct VirtualClock {
    time: Arc<Mutex<Timestamp>>,
    ahead: Arc<Mutex<SignedDuration>>,
}

impl VirtualClock {
    fn ahead(&self) -> SignedDuration {
        *self.ahead.lock().unwrap()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.time.lock().unwrap() + self.ahead()
    }

    fn elapsed(&self) -> SignedDuration {
        self.time.lock().unwrap().duration_since(start())
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let mut time = self.time.lock().unwrap();
        *time = (moment - self.ahead()).max(*time);
    }
}

type ScriptedAnswer = Result<Response, TransportError>;

/// Answers from a script and records the requests with their times.
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

pub(super) struct TestClient {
    pub(super) client: Client<ScriptedTransport, VirtualClock>,
    sent_requests: Arc<Mutex<Vec<(i64, Request)>>>,
    observed_waits: Arc<Mutex<Vec<WaitNotice>>>,
}

impl TestClient {
    fn new(limits: RateLimits, answers: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        let clock = VirtualClock {
            time: Arc::new(Mutex::new(start())),
            ahead: Arc::default(),
        };
        let sent_requests = Arc::new(Mutex::new(Vec::new()));
        let transport = ScriptedTransport {
            clock: clock.clone(),
            answers: Mutex::new(answers.into_iter().collect()),
            sent_requests: Arc::clone(&sent_requests),
        };
        let observed_waits = Arc::new(Mutex::new(Vec::new()));
        let waits = Arc::clone(&observed_waits);
        let client = Client::new(transport, clock, limits, 1)
            .with_wait_observer(move |notice| waits.lock().unwrap().push(notice.clone()));
        Self {
            client,
            sent_requests,
            observed_waits,
        }
    }

    fn with_answers(answers: impl IntoIterator<Item = ScriptedAnswer>) -> Self {
        Self::new(RateLimits::default(), answers)
    }

    /// Shares a log with runs that sent get requests at these seconds.
    fn with_request_log(self, gets: impl IntoIterator<Item = i64>) -> (Self, Arc<Mutex<Vec<RequestRecord>>>) {
        let records = gets.into_iter().map(|second| RequestRecord::Answered {
            class: EndpointClass::Get,
            sent: after(second),
            at: after(second),
        });
        let records = Arc::new(Mutex::new(records.collect()));
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

    /// The request on one line, without its query.
    fn request_line(&self, index: usize) -> String {
        let request = self.request(index);
        let (method, version, path) = (request.method, request.api_version, request.path);
        format!(
            "{method:?} {version:?} {path} {}",
            request.body.unwrap_or_default()
        )
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
        location: None,
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

fn connection_closed() -> ScriptedAnswer {
    Err(TransportError::ConnectionClosed {
        message: "connection closed before message completed".to_owned(),
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

/// Creates a segment like `apply`: with a permit, and with retries while MoEngage certainly did not process the request.
async fn create(test: &TestClient, payload: &Payload) -> Result<RemoteSegment, RequestError> {
    let mut attempt = 1;
    loop {
        let permit = test.client.acquire(&Operation::Create(name())).await?;
        match test.client.create(permit, &name(), payload).await {
            Err(error) if test.client.backoff(attempt, &error).await => attempt += 1,
            done => return done,
        }
    }
}

pub(super) async fn acquire(test: &TestClient, operation: Operation) -> Permit {
    test.client.acquire(&operation).await.unwrap()
}

/// Updates the segment with a fresh or an earlier permit.
async fn update(test: &TestClient, permit: Permit) -> Result<RemoteSegment, RequestError> {
    let (id, payload) = (id(), payload());
    test.client.update(permit, &id, None, &payload).await
}

/// Sends every write once, each with its own copy of `answers`. Returns each error and the number of requests sent.
#[tokio::test]
async fn a_lookup_by_name_returns_only_the_exact_name() {
    let body = json!({"data": [{"id": "b2", "name": "a"}, {"id": "a1", "name": "A"}]});
    let test = TestClient::with_answers([answer(200, &body), answer(200, &body)]);
    assert_eq!(test.client.list().await.unwrap().segments.len(), 2);
    let named = test.client.list_named(&name()).await.unwrap();
    assert_eq!(named.len(), 1);
    assert_eq!(named[0].id, id());
    assert_eq!(test.request_line(0), "Get V3 /v3/custom-segments null");
    assert_eq!(test.request_line(1), "Get V3 /v3/custom-segments null");
    assert_eq!(test.request(0).query, []);
    assert_eq!(test.request(1).query, [("name".to_owned(), "A".to_owned())]);
}

#[tokio::test]
async fn updates_always_send_excluded_filters() {
    let test = TestClient::with_answers((0..4).map(|_| segment_response()));
    let client = &test.client;
    let with_excluded = Payload {
        excluded_filters: Some(json!(["excluded"])),
        ..payload()
    };
    let renamed = SegmentName::new("B");
    create(&test, &payload()).await.unwrap();
    create(&test, &with_excluded).await.unwrap();
    for (name, definition) in [(Some(&renamed), &payload()), (None, &with_excluded)] {
        let permit = acquire(&test, Operation::Update(id())).await;
        client.update(permit, &id(), name, definition).await.unwrap();
    }
    let included = payload().included_filters;
    let bodies = [
        json!({"name": "A", "included_filters": included}),
        json!({"name": "A", "included_filters": included, "excluded_filters": ["excluded"]}),
        json!({"name": "B", "included_filters": included, "excluded_filters": group()}),
        json!({"included_filters": included, "excluded_filters": ["excluded"]}),
    ];
    let lines = ["Post V3 /v3/custom-segments", "Patch V3 /v3/custom-segments/a1"];
    for (index, body) in bodies.iter().enumerate() {
        assert_eq!(test.request_line(index), format!("{} {body}", lines[index / 2]));
    }
}

#[tokio::test]
async fn lifecycle_requests_send_the_name_and_the_id_if_known() {
    let done = || answer(200, json!({"success": true}));
    let test = TestClient::with_answers([done(), done()]);
    let permit = acquire(&test, Operation::Archive(name())).await;
    test.client.archive(permit, &name(), Some(&id())).await.unwrap();
    let permit = acquire(&test, Operation::Unarchive(name())).await;
    test.client.unarchive(permit, &name(), None).await.unwrap();
    assert_eq!(
        test.request_line(0),
        r#"Patch V2 /v2/custom-segments/archive {"cs_id":"a1","name":"A"}"#
    );
    assert_eq!(
        test.request_line(1),
        r#"Patch V2 /v2/custom-segments/unarchive {"name":"A"}"#
    );
}

#[tokio::test]
async fn ids_that_could_change_the_url_path_are_never_sent() {
    for text in ["", ".", "..", "../archive", "a/b", "a?name=B", "a b", "é"] {
        let test = TestClient::with_answers([]);
        let error = test.client.get(&SegmentId::new(text)).await.unwrap_err();
        assert!(matches!(error.kind, ApiError::NotFound { .. }), "{text}");
        assert_eq!(test.request_seconds().len(), 0);
    }
}

#[tokio::test]
async fn a_response_with_another_segment_id_is_malformed() {
    let other = answer(200, json!({"data": {"id": "b2", "name": "s3cret"}}));
    let test = TestClient::with_answers([other]);
    let permit = acquire(&test, Operation::Update(id())).await;
    let error = update(&test, permit).await.unwrap_err();
    assert!(error.is_ambiguous_write());
    let expected = ApiError::MalformedResponse {
        expected: "`data.id` to be `a1`".to_owned(),
        received: r#"{"data":{"id":"b2","name":"[redacted]"}}"#.to_owned(),
    };
    assert_eq!(error.kind, expected);
}

#[tokio::test]
async fn a_lifecycle_response_that_reports_failure_is_a_refusal() {
    let body = json!({"success": false, "message": "key s3cret\u{7}"});
    let test = TestClient::with_answers([answer(200, body)]);
    let permit = acquire(&test, Operation::Archive(name())).await;
    let error = test.client.archive(permit, &name(), None).await.unwrap_err();
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
            let test = TestClient::with_answers((0..10).map(|_| answer(status, &body)));
            let error = test.client.get(&id()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_write_is_not_sent_with_an_expired_permit() {
    let test = TestClient::with_answers([segment_response()]);
    let early = acquire(&test, Operation::Update(id())).await;
    test.client.clock.sleep_until(after(11)).await;
    let error = update(&test, early).await.unwrap_err();
    assert_eq!(error.kind, ApiError::PermitExpired);
    assert_eq!(
        (test.request_seconds().len(), test.client.request_counts()),
        (0, BTreeMap::from([(EndpointClass::Update, 0)]))
    );
    let late = acquire(&test, Operation::Update(id())).await;
    update(&test, late).await.unwrap();
    assert_eq!(test.request_seconds(), [11]);
}

#[tokio::test]
async fn a_segment_is_read_for_a_write_only_when_both_permits_are_free() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("1/30s").unwrap()]);
    limits.set(EndpointClass::Update, vec![Window::parse("1/25s").unwrap()]);
    let test = TestClient::new(limits, (0..3).map(|_| segment_response()));
    let operation = Operation::Update(id());
    let (first, _) = test.client.acquire_and_fetch(&operation, &id()).await.unwrap();
    update(&test, first).await.unwrap();
    assert!(test.client.try_acquire(&operation).await.is_none());
    let (second, _) = test.client.acquire_and_fetch(&operation, &id()).await.unwrap();
    assert_eq!(test.request_seconds(), [0, 0, 30]);
    // A released permit can be acquired again.
    test.client.release(second);
    assert!(test.client.try_acquire(&operation).await.is_some());
}
