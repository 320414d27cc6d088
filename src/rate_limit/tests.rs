mod shared_windows;
mod window_inference;

use super::*;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn limits(class: EndpointClass, windows: &[&str]) -> RateLimits {
    let mut limits = RateLimits::default();
    let windows = windows.iter().map(|text| Window::parse(text).unwrap());
    limits.set(class, windows.collect());
    limits
}

/// Sends `count` requests as early as allowed from second 0 on, and returns the seconds at which they were sent.
fn burst(limiter: &mut RateLimiter, class: EndpointClass, count: usize) -> Vec<i64> {
    let mut now = at(0);
    let mut seconds = Vec::new();
    for _ in 0..count {
        now = limiter.earliest_request(class, now);
        limiter.record_counted(class, now);
        seconds.push(at(0).duration_until(now).as_secs());
    }
    seconds
}

#[test]
fn windows_are_rolling_and_all_apply_at_once() {
    let mut limiter = RateLimiter::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    assert_eq!(
        burst(&mut limiter, EndpointClass::Get, 7),
        [0, 0, 10, 60, 60, 70, 120]
    );
}

#[test]
fn the_documented_rate_limits_spread_a_large_run_over_hours() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    let seconds = burst(&mut limiter, EndpointClass::Create, 1001);
    let expected = [(49, 0), (50, 60), (199, 180), (200, 3600), (1000, 86_400)];
    for (request, second) in expected {
        assert_eq!(seconds[request], second, "request {request}");
    }
}

#[test]
fn each_class_has_its_own_windows() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    burst(&mut limiter, EndpointClass::List, 50);
    assert_eq!(limiter.earliest_request(EndpointClass::List, at(0)), at(60));
    assert_eq!(limiter.earliest_request(EndpointClass::Create, at(0)), at(0));
    assert_eq!(limiter.earliest_request(EndpointClass::Get, at(0)), at(0));
    assert_eq!(limiter.earliest_request(EndpointClass::Update, at(0)), at(0));
}

#[test]
fn lists_and_creates_are_counted_separately_until_shown_to_be_shared() {
    let (list, create) = (EndpointClass::List, EndpointClass::Create);
    // The seconds of lists and of creates, and when the next create fits into 3 requests per 10 s: shared and separate.
    let table: [(&[i64], &[i64], i64, i64); 6] = [
        (&[], &[], 5, 5),
        (&[1, 2], &[3], 11, 5),
        (&[3], &[1, 2], 11, 5),
        (&[1, 2, 3], &[4], 12, 5),
        (&[4], &[1, 2, 3], 12, 11),
        (&[2, 2, 2], &[2, 2, 2], 12, 12),
    ];
    for (lists, creates, shared, separate) in table {
        let mut limiter = RateLimiter::new(limits(create, &["3/10s"]));
        for (class, seconds) in [(list, lists), (create, creates)] {
            seconds
                .iter()
                .for_each(|second| limiter.record_counted(class, at(*second)));
        }
        for (record, expected) in [
            (None, separate),
            (Some(RequestRecord::ListAndCreateShared), shared),
            (Some(RequestRecord::ListAndCreateSeparate), separate),
        ] {
            limiter.merge_log(record, at(0));
            assert_eq!(
                limiter.earliest_request(create, at(5)),
                at(expected),
                "{record:?} {lists:?} {creates:?}"
            );
        }
    }
}

#[test]
fn a_block_applies_to_lists_and_creates_only_if_they_share_windows() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    limiter.block_until(EndpointClass::Create, at(90));
    assert_eq!(limiter.earliest_request(EndpointClass::List, at(0)), at(0));
    limiter.merge_log([RequestRecord::ListAndCreateShared], at(0));
    assert_eq!(limiter.earliest_request(EndpointClass::List, at(0)), at(90));
    assert_eq!(limiter.earliest_request(EndpointClass::Create, at(0)), at(90));
    let throttle = Throttle {
        until: at(90),
        window: None,
    };
    assert_eq!(limiter.throttle(EndpointClass::Create, at(0)), Some(throttle));
}

#[test]
fn a_full_window_is_named_and_its_requests_are_counted() {
    let mut limiter = RateLimiter::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    for second in [0, 1, 20] {
        limiter.record_counted(EndpointClass::Get, at(second));
    }
    let [short, long] = ["2/10s", "3/min"].map(|text| Window::parse(text).unwrap());
    let throttle = Throttle {
        until: at(60),
        window: Some(long),
    };
    assert_eq!(limiter.throttle(EndpointClass::Get, at(21)), Some(throttle));
    assert_eq!(limiter.used(EndpointClass::Get, short, at(21)), 1);
    assert_eq!(limiter.used(EndpointClass::Get, long, at(59)), 3);
    assert_eq!(limiter.used(EndpointClass::Get, long, at(60)), 2);
    assert_eq!(limiter.throttle(EndpointClass::Get, at(61)), None);
}

#[test]
fn the_requests_left_are_the_least_of_all_windows_and_answers() {
    let get = EndpointClass::Get;
    let mut limiter = RateLimiter::new(limits(get, &["4/10s", "6/min"]));
    assert_eq!(limiter.left(get, at(0)), 4);
    for second in [0, 1, 20] {
        limiter.record_counted(get, at(second));
    }
    limiter.record_sent(get, at(21));
    // 2 of 4 in the short window, 4 of 6 in the long one.
    assert_eq!(limiter.left(get, at(22)), 2);
    let report = |limiter: &mut RateLimiter, remaining| {
        let headers = RateLimitHeaders {
            limit: Some(6),
            remaining: Some(remaining),
            reset: Some(at(40).as_second()),
        };
        limiter.observe_answer(&AnsweredRequest {
            class: get,
            sent: at(21),
            answered: at(22),
            accepted: true,
            rate_limited: false,
            headers,
            reset: Some(at(40)),
        })
    };
    // Another client uses the same limits, until the end of the window that the answer describes.
    assert_eq!(report(&mut limiter, 1), None);
    assert_eq!(limiter.left(get, at(22)), 1);
    assert_eq!(limiter.left(get, at(40)), 2);
    report(&mut limiter, 0);
    assert_eq!(limiter.left(get, at(22)), 0);
    limiter.record_counted(get, at(23));
    limiter.record_counted(get, at(24));
    assert_eq!(limiter.left(get, at(41)), 0);
    assert_eq!(RateLimiter::new(limits(get, &[])).left(get, at(0)), usize::MAX);
}

#[test]
fn a_late_answer_counts_from_its_arrival() {
    let mut limiter = RateLimiter::new(limits(EndpointClass::Get, &["1/10s"]));
    limiter.record_sent(EndpointClass::Get, at(0));
    assert_eq!(limiter.earliest_request(EndpointClass::Get, at(6)), at(16));
    assert!(limiter.record_answered(EndpointClass::Get, at(0), at(7)));
    assert_eq!(limiter.earliest_request(EndpointClass::Get, at(8)), at(17));
    assert!(!limiter.record_answered(EndpointClass::Get, at(0), at(9)));
}

#[test]
fn requests_in_flight_never_leave_a_window() {
    let get = EndpointClass::Get;
    let mut limiter = RateLimiter::new(limits(get, &["3/10s"]));
    limiter.record_counted(get, at(0));
    limiter.record_sent(get, at(1));
    limiter.record_sent(get, at(2));
    // The oldest request leaves the window with time. The two others leave it only after they are answered.
    assert_eq!(limiter.earliest_request(get, at(5)), at(10));
    limiter.record_counted(get, at(10));
    assert_eq!(limiter.earliest_request(get, at(12)), at(20));
    limiter.record_sent(get, at(20));
    assert_eq!(limiter.earliest_request(get, at(20)), at(30));
    limiter.record_answered(get, at(1), at(21));
    limiter.record_answered(get, at(20), at(22));
    assert_eq!(limiter.earliest_request(get, at(22)), at(31));
    let window = limiter.limits().windows(get)[0];
    assert_eq!(limiter.used(get, window, at(25)), 3);
}

#[test]
fn logged_requests_of_other_runs_count_like_own_requests() {
    let class = EndpointClass::Get;
    let sent = |second| RequestRecord::Sent {
        class,
        at: at(second),
    };
    let answered = |second, done| RequestRecord::Answered {
        class,
        sent: at(second),
        at: at(done),
    };
    let table: [(&[RequestRecord], i64, i64); 6] = [
        (&[sent(0)], 5, 15),
        (&[sent(0), answered(0, 2)], 5, 12),
        // The log no longer contains the `Sent` record.
        (&[answered(0, 2)], 5, 12),
        // The run was killed, and the request can no longer be answered.
        (&[sent(0)], 61, 70),
        (&[sent(0)], 71, 71),
        // A clock that was ahead.
        (&[sent(100), answered(100, 101)], 5, 5),
    ];
    for (records, now, expected) in table {
        let mut limiter = RateLimiter::new(limits(class, &["1/10s"]));
        limiter.merge_log(records.iter().copied(), at(now));
        assert_eq!(
            limiter.earliest_request(class, at(now)),
            at(expected),
            "{records:?} at {now}"
        );
    }
    let mut limiter = RateLimiter::new(limits(class, &["1/10s"]));
    limiter.merge_log([RequestRecord::ListAndCreateShared], at(0));
    assert!(limiter.list_and_create_share_windows());
    limiter.merge_log([RequestRecord::ListAndCreateSeparate], at(0));
    assert!(!limiter.list_and_create_share_windows());
}

#[test]
fn requests_of_earlier_runs_may_be_recorded_in_any_order() {
    let mut limiter = RateLimiter::new(limits(EndpointClass::Get, &["2/10s"]));
    for second in [5, 1, 3] {
        limiter.record_counted(EndpointClass::Get, at(second));
    }
    assert_eq!(limiter.earliest_request(EndpointClass::Get, at(6)), at(13));
}

/// The plausible reset if the clocks agree.
fn plausible_reset(limiter: &RateLimiter, headers: RateLimitHeaders, now: Timestamp) -> Option<Timestamp> {
    limiter.plausible_reset(Timestamp::from_second(headers.reset?).ok()?, now)
}

#[test]
fn a_class_is_blocked_only_until_a_plausible_reset() {
    let table = [
        ("nothing remains", Some(0), Some(90), 90),
        ("something remains", Some(1), Some(90), 0),
        ("no remaining count", None, Some(90), 0),
        ("no reset", Some(0), None, 0),
        ("past", Some(0), Some(-5), 0),
        ("a day ahead", Some(0), Some(86_400), 86_400),
        ("within the clock tolerance", Some(0), Some(86_460), 86_400),
        ("more than a day ahead", Some(0), Some(86_461), 0),
        ("absurd", Some(0), Some(i64::MAX / 2), 0),
    ];
    for (what, remaining, reset, expected) in table {
        let mut limiter = RateLimiter::new(RateLimits::default());
        let headers = RateLimitHeaders {
            limit: Some(50),
            remaining,
            reset: reset.map(|second| at(0).as_second() + second),
        };
        limiter.observe_answer(&AnsweredRequest {
            class: EndpointClass::Update,
            sent: at(0),
            answered: at(0),
            accepted: true,
            rate_limited: false,
            headers,
            reset: plausible_reset(&limiter, headers, at(0)),
        });
        assert_eq!(
            limiter.earliest_request(EndpointClass::Update, at(0)),
            at(expected),
            "{what}"
        );
        let blocked = Throttle {
            until: at(expected),
            window: None,
        };
        let throttle = limiter.throttle(EndpointClass::Update, at(0));
        assert_eq!(throttle, (expected > 0).then_some(blocked), "{what}");
    }
}

#[test]
fn a_reset_is_capped_at_the_longest_window() {
    let mut limits = RateLimits::default();
    let classes: Vec<EndpointClass> = limits.classes().collect();
    for class in classes {
        limits.set(class, vec![Window::parse("2/20s").unwrap()]);
    }
    let limiter = RateLimiter::new(limits);
    for (reset, expected) in [
        (0, None),
        (1, Some(1)),
        (20, Some(20)),
        (80, Some(20)),
        (81, None),
        (7200, None),
    ] {
        assert_eq!(
            limiter.plausible_reset(at(reset), at(0)),
            expected.map(at),
            "{reset}"
        );
    }
}

#[test]
fn an_earlier_reset_does_not_shorten_a_block() {
    let mut limiter = RateLimiter::new(RateLimits::default());
    limiter.block_until(EndpointClass::Get, at(90));
    limiter.block_until(EndpointClass::Get, at(30));
    assert_eq!(limiter.earliest_request(EndpointClass::Get, at(0)), at(90));
    assert_eq!(limiter.throttle(EndpointClass::Get, at(90)), None);
}

#[test]
fn a_class_without_windows_is_never_throttled() {
    let mut limiter = RateLimiter::new(limits(EndpointClass::Cohort, &[]));
    assert_eq!(burst(&mut limiter, EndpointClass::Cohort, 3), [0, 0, 0]);
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(256))]

    #[test]
    fn no_rolling_window_ever_exceeds_its_count(
        windows in prop::collection::vec((1_usize..6, 1_i64..40), 1..4),
        // Seconds since the previous request, until the answer, and until MoEngage counts the request.
        requests in prop::collection::vec((0_i64..15, 0_i64..20, 0_i64..20), 1..60),
    ) {
        let class = EndpointClass::Get;
        let texts: Vec<String> = windows.iter().map(|(count, span)| format!("{count}/{span}s")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut limiter = RateLimiter::new(limits(class, &texts));
        let mut now = at(0);
        let mut counted: Vec<Timestamp> = Vec::new();
        let mut in_flight: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (pause, duration, counted_after) in requests {
            now = later(now, SignedDuration::from_secs(pause));
            loop {
                for (sent, answered) in in_flight.extract_if(.., |(_, answered)| *answered <= now) {
                    limiter.record_answered(class, sent, answered);
                }
                let until = limiter.earliest_request(class, now);
                if until <= now {
                    break;
                }
                let answers = in_flight.iter().map(|(_, answered)| *answered);
                now = answers.chain([until]).min().unwrap();
            }
            limiter.record_sent(class, now);
            in_flight.push((now, later(now, SignedDuration::from_secs(duration))));
            counted.push(later(now, SignedDuration::from_secs(counted_after.min(duration))));
        }
        counted.sort();
        for (count, span) in windows {
            for (index, first) in counted.iter().enumerate() {
                let end = later(*first, SignedDuration::from_secs(span));
                let inside = counted[index..].iter().filter(|moment| **moment < end).count();
                prop_assert!(inside <= count, "{inside} requests in {span} s, {count} allowed");
            }
        }
    }
}
