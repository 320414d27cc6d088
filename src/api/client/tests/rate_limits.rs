//! Rate limits: segctl waits for them, shares them with other runs, and learns them from answers.

use super::*;
use crate::model::MemberChange;

#[tokio::test]
async fn a_rate_limited_request_waits_for_the_reset_and_blocks_its_class() {
    let test = TestClient::with_answers([
        rate_limited(Some(45)),
        segment_response(),
        answer(200, json!({"data": []})),
    ]);
    create(&test, &payload()).await.unwrap();
    let seconds = test.request_seconds();
    assert!((45..=46).contains(&seconds[1]), "{seconds:?}");
    let waits = test.observed_waits.lock().unwrap().clone();
    assert!(matches!(waits[0].reason, WaitReason::Retry(_)), "{waits:?}");

    let test = TestClient::with_answers([
        rate_limited(Some(45)),
        segment_response(),
        segment_response(),
        segment_response(),
    ]);
    let (payload, id) = (payload(), id());
    let (created, read) = tokio::join!(create(&test, &payload), test.client.get(&id));
    created.unwrap();
    read.unwrap();
    let throttle = |class| test.client.rate_limiter().throttle(class, after(44));
    assert!(throttle(EndpointClass::Create).is_some_and(|throttle| throttle.window.is_none()));
    assert_eq!(throttle(EndpointClass::List), None);
    assert_eq!(throttle(EndpointClass::Get), None);
}

#[tokio::test]
async fn an_exhausted_window_is_waited_out_before_the_next_request() {
    let mut last = segment_response().unwrap();
    last.headers = RateLimitHeaders {
        limit: Some(100),
        remaining: Some(0),
        reset: Some(after(30).as_second()),
    };
    let test = TestClient::with_answers([Ok(last), segment_response()]);
    test.client.get(&id()).await.unwrap();
    test.client.get(&id()).await.unwrap();
    assert_eq!(test.request_seconds(), [0, 30]);
    let expected = WaitNotice {
        class: EndpointClass::Get,
        until: after(30),
        reason: WaitReason::ServerLimit,
    };
    assert_eq!(*test.observed_waits.lock().unwrap(), [expected]);
}

/// By how many seconds the server's clock is ahead.
const CLOCK_OFFSETS: [i64; 7] = [0, 7200, -7200, 30, -30, 5, -5];

#[tokio::test]
async fn a_reset_is_read_by_the_server_clock() {
    for ahead in CLOCK_OFFSETS {
        let mut rejected = rate_limited(Some(ahead + 20)).unwrap();
        rejected.date = Some(after(ahead));
        let test = TestClient::with_answers([Ok(rejected), segment_response()]);
        create(&test, &payload()).await.unwrap();
        let seconds = test.request_seconds();
        assert!((20..=21).contains(&seconds[1]), "{ahead}: {seconds:?}");

        let mut last = segment_response().unwrap();
        last.date = Some(after(ahead));
        last.headers = RateLimitHeaders {
            limit: Some(2),
            remaining: Some(0),
            reset: Some(after(ahead + 20).as_second()),
        };
        let test = TestClient::with_answers([Ok(last), segment_response()]);
        create(&test, &payload()).await.unwrap();
        create(&test, &payload()).await.unwrap();
        assert_eq!(test.request_seconds(), [0, 20], "{ahead}");
        assert_eq!(test.client.server_time(), after(ahead + 20));
    }
}

#[tokio::test]
async fn a_request_of_an_earlier_run_is_waited_out_by_the_server_clock() {
    for ahead in CLOCK_OFFSETS {
        let mut answer = segment_response().unwrap();
        answer.date = Some(after(ahead));
        let test = TestClient::with_answers([Ok(answer), segment_response()]);
        test.client.get(&id()).await.unwrap();
        let operation = Operation::SyncMembers(SegmentName::new("One"), MemberChange::Add);
        let waited = test.client.wait_out_in_flight(operation, after(ahead + 60)).await;
        waited.unwrap();
        test.client.get(&id()).await.unwrap();
        assert_eq!(test.request_seconds(), [0, 60], "{ahead}");
    }
}

#[tokio::test]
async fn the_server_clock_goes_on_while_the_local_clock_is_set() {
    for ahead in CLOCK_OFFSETS {
        let mut answer = segment_response().unwrap();
        answer.date = Some(after(0));
        let test = TestClient::with_answers([Ok(answer)]);
        test.client.get(&id()).await.unwrap();
        *test.client.clock.ahead.lock().unwrap() = SignedDuration::from_secs(ahead);
        assert_eq!(test.client.server_time(), after(0), "{ahead}");
        let operation = Operation::SyncMembers(SegmentName::new("One"), MemberChange::Add);
        let waited = test.client.wait_out_in_flight(operation, after(60)).await;
        waited.unwrap();
        assert_eq!(test.client.server_time(), after(60), "{ahead}");
    }
}

#[tokio::test]
async fn retries_end_when_every_answer_is_rate_limited() {
    let test = TestClient::with_answers((0..20).map(|_| rate_limited(None)));
    let error = create(&test, &payload()).await.unwrap_err();
    assert!(matches!(error.kind, ApiError::RateLimited { .. }), "{error}");
    assert!(!error.is_ambiguous_write());
    assert_eq!(test.request_seconds().len(), 10);
}

#[tokio::test]
async fn concurrent_requests_and_earlier_runs_share_the_windows() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("2/10s").unwrap()]);
    let test = TestClient::new(limits, (0..4).map(|_| segment_response()));
    let (test, log) = test.with_request_log([-1, 3600, -500]);
    let (client, id) = (&test.client, id());
    let (a, b, c, d) = tokio::join!(client.get(&id), client.get(&id), client.get(&id), client.get(&id));
    for read in [a, b, c, d] {
        read.unwrap();
    }
    assert_eq!(test.request_seconds(), [0, 9, 10, 19]);
    let expected = WaitReason::ConfiguredLimit {
        window: Window::parse("2/10s").unwrap(),
        classes: vec![EndpointClass::Get],
    };
    let waits = test.observed_waits.lock().unwrap().clone();
    assert!(!waits.is_empty() && waits.iter().all(|notice| notice.reason == expected));
    client.flush_request_log().await;
    let log = log.lock().unwrap();
    let own = log.iter().filter(|record| match record {
        RequestRecord::Sent { at, .. } => *at >= start(),
        RequestRecord::Answered { sent, at, .. } => *sent == *at && *at >= start(),
        RequestRecord::ListAndCreateSeparate | RequestRecord::ListAndCreateShared => false,
    });
    assert_eq!(own.count(), 9, "{log:?}");
}

/// A log in which another run adds a record before each of the first exchanges.
struct ContendedRequestLog {
    clock: VirtualClock,
    records: Arc<Mutex<Vec<RequestRecord>>>,
    others: Mutex<usize>,
}

impl RequestLog for ContendedRequestLog {
    fn exchange<'a>(&'a self, mut respond: RecordExchange<'a>) -> BoxFuture<'a, ()> {
        let mut others = self.others.lock().unwrap();
        let mut own = respond(Vec::new());
        if *others > 0 {
            *others -= 1;
            let class = EndpointClass::Get;
            let at = self.clock.now();
            own = respond(vec![RequestRecord::Answered { class, sent: at, at }]);
        }
        self.records.lock().unwrap().extend(own);
        ready(()).boxed()
    }
}

#[tokio::test]
async fn an_admission_that_another_run_preempted_is_undone() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("3/min").unwrap()]);
    let TestClient {
        client,
        sent_requests,
        observed_waits,
    } = TestClient::new(limits, (0..2).map(|_| segment_response()));
    let records = Arc::default();
    let clock = client.clock.clone();
    let client = client.with_request_log(ContendedRequestLog {
        clock,
        records: Arc::clone(&records),
        others: Mutex::new(2),
    });
    client.get(&id()).await.unwrap();
    // The window contains one own request and one of another run. The second own request would be the third, and then the
    // other run uses that slot first.
    client.get(&id()).await.unwrap();
    assert_eq!(observed_waits.lock().unwrap().len(), 1);
    assert_eq!(client.request_counts()[&EndpointClass::Get], 2);
    client.flush_request_log().await;
    let records = records.lock().unwrap();
    let sent = records
        .iter()
        .filter(|record| matches!(record, RequestRecord::Sent { .. }));
    let answered = records
        .iter()
        .filter(|record| matches!(record, RequestRecord::Answered { .. }));
    assert_eq!(
        (
            sent.count(),
            answered.count(),
            sent_requests.lock().unwrap().len()
        ),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn requests_logged_by_another_run_count_before_the_next_request() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("2/10s").unwrap()]);
    let (test, log) = TestClient::new(limits, (0..2).map(|_| segment_response())).with_request_log([]);
    test.client.get(&id()).await.unwrap();
    let class = EndpointClass::Get;
    let other = RequestRecord::Answered {
        class,
        sent: start(),
        at: start(),
    };
    log.lock().unwrap().push(other);
    test.client.get(&id()).await.unwrap();
    assert_eq!(test.request_seconds(), [0, 10]);
}

#[tokio::test]
async fn shared_limits_of_lists_and_creates_are_learned_and_logged() {
    let with_remaining = |remaining: u64, answer: ScriptedAnswer| {
        let headers = RateLimitHeaders {
            limit: Some(50),
            remaining: Some(remaining),
            reset: Some(after(60).as_second()),
        };
        Ok(Response { headers, ..answer? })
    };
    for (remaining_after_create, are_shared) in [(48, true), (49, false)] {
        let answers = [
            with_remaining(49, answer(200, json!({"data": []}))),
            with_remaining(remaining_after_create, segment_response()),
        ];
        let (test, log) = TestClient::with_answers(answers).with_request_log([]);
        test.client.list().await.unwrap();
        create(&test, &payload()).await.unwrap();
        assert_eq!(
            test.client.rate_limiter().list_and_create_share_windows(),
            are_shared
        );
        test.client.flush_request_log().await;
        let log = log.lock().unwrap();
        assert_eq!(log.contains(&RequestRecord::ListAndCreateShared), are_shared);
    }
}
