//! The service's limits: waited for, shared with other runs, and learned from answers.

use super::*;

#[tokio::test]
async fn a_limited_call_waits_for_the_reset_and_so_do_the_others() {
    let bench = Bench::answering([limited(Some(45)), stored(), answer(200, json!({"data": []}))]);
    create(&bench, &payload()).await.unwrap();
    let seconds = bench.seconds();
    assert!((45..=46).contains(&seconds[1]), "{seconds:?}");
    let waited = bench.waited.lock().unwrap().clone();
    assert!(matches!(waited[0].reason, WaitReason::Retry(_)), "{waited:?}");

    let bench = Bench::answering([limited(Some(45)), stored(), stored(), stored()]);
    let (payload, id) = (payload(), id());
    let (created, read) = tokio::join!(create(&bench, &payload), bench.client.get(&id));
    created.unwrap();
    read.unwrap();
    let hold = |class| bench.client.pacing().hold(class, after(44));
    assert!(hold(EndpointClass::List).is_some_and(|hold| hold.window.is_none()));
    assert_eq!(hold(EndpointClass::Get), None);
}

#[tokio::test]
async fn an_exhausted_window_is_waited_out_before_it_is_hit() {
    let mut last = stored().unwrap();
    last.headers = RateHeaders {
        limit: Some(100),
        remaining: Some(0),
        reset: Some(after(30).as_second()),
    };
    let bench = Bench::answering([Ok(last), stored()]);
    bench.client.get(&id()).await.unwrap();
    bench.client.get(&id()).await.unwrap();
    assert_eq!(bench.seconds(), [0, 30]);
    let expected = Waiting {
        class: EndpointClass::Get,
        until: after(30),
        reason: WaitReason::ServiceLimit,
    };
    assert_eq!(*bench.waited.lock().unwrap(), [expected]);
}

/// By how many seconds a service's clock is ahead.
const OFF: [i64; 7] = [0, 7200, -7200, 30, -30, 5, -5];

#[tokio::test]
async fn a_reset_is_of_the_services_clock_whatever_ours_shows() {
    for ahead in OFF {
        let mut refused = limited(Some(ahead + 20)).unwrap();
        refused.date = Some(after(ahead));
        let bench = Bench::answering([Ok(refused), stored()]);
        create(&bench, &payload()).await.unwrap();
        let seconds = bench.seconds();
        assert!((20..=21).contains(&seconds[1]), "{ahead}: {seconds:?}");

        let mut last = stored().unwrap();
        last.date = Some(after(ahead));
        last.headers = RateHeaders {
            limit: Some(2),
            remaining: Some(0),
            reset: Some(after(ahead + 20).as_second()),
        };
        let bench = Bench::answering([Ok(last), stored()]);
        create(&bench, &payload()).await.unwrap();
        create(&bench, &payload()).await.unwrap();
        assert_eq!(bench.seconds(), [0, 20], "{ahead}");
        assert_eq!(bench.client.service_time(), after(ahead + 20));
    }
}

#[tokio::test]
async fn a_service_that_keeps_limiting_is_given_up_on_in_the_end() {
    let bench = Bench::answering((0..20).map(|_| limited(None)));
    let error = create(&bench, &payload()).await.unwrap_err();
    assert!(matches!(error.kind, ApiError::RateLimited { .. }), "{error}");
    assert!(!error.is_ambiguous_write());
    assert_eq!(bench.seconds().len(), 10);
}

#[tokio::test]
async fn concurrent_calls_and_earlier_runs_share_the_windows() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("2/10s").unwrap()]);
    let bench = Bench::new(limits, (0..4).map(|_| stored()));
    let (bench, log) = bench.logged([-1, 3600, -500]);
    let (client, id) = (&bench.client, id());
    let (a, b, c, d) = tokio::join!(client.get(&id), client.get(&id), client.get(&id), client.get(&id));
    for read in [a, b, c, d] {
        read.unwrap();
    }
    assert_eq!(bench.seconds(), [0, 9, 10, 19]);
    let expected = WaitReason::OwnLimit {
        window: Window::parse("2/10s").unwrap(),
        classes: vec![EndpointClass::Get],
    };
    let waited = bench.waited.lock().unwrap().clone();
    assert!(!waited.is_empty() && waited.iter().all(|waiting| waiting.reason == expected));
    client.keep_log().await;
    let log = log.lock().unwrap();
    let own = log.iter().filter(|record| match record {
        CallRecord::Sent { at, .. } => *at >= start(),
        CallRecord::Answered { sent, at, .. } => *sent == *at && *at >= start(),
        CallRecord::Apart => false,
    });
    assert_eq!(own.count(), 9, "{log:?}");
}

/// A log in which others come first for the first few times.
struct Contended {
    clock: VirtualClock,
    records: Arc<Mutex<Vec<CallRecord>>>,
    others: Mutex<usize>,
}

impl CallLog for Contended {
    fn exchange<'a>(&'a self, mut respond: Respond<'a>) -> BoxFuture<'a, ()> {
        let mut others = self.others.lock().unwrap();
        let mut own = respond(Vec::new());
        if *others > 0 {
            *others -= 1;
            let class = EndpointClass::Get;
            let at = self.clock.now();
            own = respond(vec![CallRecord::Answered { class, sent: at, at }]);
        }
        self.records.lock().unwrap().extend(own);
        ready(()).boxed()
    }
}

#[tokio::test]
async fn an_admission_that_others_came_before_never_was() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("3/min").unwrap()]);
    let Bench {
        client,
        asked,
        waited,
    } = Bench::new(limits, (0..2).map(|_| stored()));
    let records = Arc::default();
    let clock = client.clock.clone();
    let client = client.logged_in(Contended {
        clock,
        records: Arc::clone(&records),
        others: Mutex::new(2),
    });
    client.get(&id()).await.unwrap();
    // One of its own and one of others are in the window: the second would be the third, until others took its place.
    client.get(&id()).await.unwrap();
    assert_eq!(waited.lock().unwrap().len(), 1);
    assert_eq!(client.calls()[&EndpointClass::Get], 2);
    client.keep_log().await;
    let records = records.lock().unwrap();
    let sent = records
        .iter()
        .filter(|record| matches!(record, CallRecord::Sent { .. }));
    let answered = records
        .iter()
        .filter(|record| matches!(record, CallRecord::Answered { .. }));
    assert_eq!(
        (sent.count(), answered.count(), asked.lock().unwrap().len()),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn what_another_run_takes_down_meanwhile_counts_before_the_next_call() {
    let mut limits = RateLimits::default();
    limits.set(EndpointClass::Get, vec![Window::parse("2/10s").unwrap()]);
    let (bench, log) = Bench::new(limits, (0..2).map(|_| stored())).logged([]);
    bench.client.get(&id()).await.unwrap();
    let class = EndpointClass::Get;
    let other = CallRecord::Answered {
        class,
        sent: start(),
        at: start(),
    };
    log.lock().unwrap().push(other);
    bench.client.get(&id()).await.unwrap();
    assert_eq!(bench.seconds(), [0, 10]);
}

#[tokio::test]
async fn what_answers_say_of_lists_and_creates_is_learned_and_remembered() {
    let left = |remaining: u64, answer: Answer| {
        let headers = RateHeaders {
            limit: Some(50),
            remaining: Some(remaining),
            reset: Some(after(60).as_second()),
        };
        Ok(Response { headers, ..answer? })
    };
    for (after_the_create, is_pooled) in [(48, true), (49, false)] {
        let list = answer(200, json!({"data": []}));
        let (bench, log) = Bench::answering([left(49, list), left(after_the_create, stored())]).logged([]);
        bench.client.list().await.unwrap();
        create(&bench, &payload()).await.unwrap();
        assert_eq!(bench.client.pacing().is_pooled(), is_pooled);
        bench.client.keep_log().await;
        let told = log.lock().unwrap().contains(&CallRecord::Apart);
        assert_eq!(told, !is_pooled);
    }
}
