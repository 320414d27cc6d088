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

/// Makes `count` calls as early as allowed from second 0 on; the seconds at which they were made.
fn burst(pacing: &mut RateLimiter, class: EndpointClass, count: usize) -> Vec<i64> {
    let mut now = at(0);
    let mut made = Vec::new();
    for _ in 0..count {
        now = pacing.earliest_request(class, now);
        pacing.record_counted(class, now);
        made.push(at(0).duration_until(now).as_secs());
    }
    made
}

#[test]
fn windows_are_rolling_and_all_apply_at_once() {
    let mut pacing = RateLimiter::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    assert_eq!(
        burst(&mut pacing, EndpointClass::Get, 7),
        [0, 0, 10, 60, 60, 70, 120]
    );
}

#[test]
fn the_documented_rate_limits_spread_a_large_run_over_hours() {
    let mut pacing = RateLimiter::new(RateLimits::default());
    let made = burst(&mut pacing, EndpointClass::Create, 1001);
    let marks = [(49, 0), (50, 60), (199, 180), (200, 3600), (1000, 86_400)];
    for (call, second) in marks {
        assert_eq!(made[call], second, "call {call}");
    }
}

#[test]
fn lists_and_creates_share_windows_and_other_classes_do_not() {
    let mut pacing = RateLimiter::new(RateLimits::default());
    burst(&mut pacing, EndpointClass::List, 50);
    assert_eq!(pacing.earliest_request(EndpointClass::Create, at(0)), at(60));
    assert_eq!(pacing.earliest_request(EndpointClass::Get, at(0)), at(0));
    assert_eq!(pacing.earliest_request(EndpointClass::Update, at(0)), at(0));
}

#[test]
fn lists_and_creates_are_counted_together_until_proved_separate() {
    let (list, create) = (EndpointClass::List, EndpointClass::Create);
    // The seconds of lists and of creates, and when the next create fits into 3 of 10 seconds: pooled and apart.
    let table: [(&[i64], &[i64], i64, i64); 6] = [
        (&[], &[], 5, 5),
        (&[1, 2], &[3], 11, 5),
        (&[3], &[1, 2], 11, 5),
        (&[1, 2, 3], &[4], 12, 5),
        (&[4], &[1, 2, 3], 12, 11),
        (&[2, 2, 2], &[2, 2, 2], 12, 12),
    ];
    for (lists, creates, pooled, apart) in table {
        let mut pacing = RateLimiter::new(limits(create, &["3/10s"]));
        for (class, seconds) in [(list, lists), (create, creates)] {
            seconds
                .iter()
                .for_each(|second| pacing.record_counted(class, at(*second)));
        }
        assert_eq!(
            pacing.earliest_request(create, at(5)),
            at(pooled),
            "{lists:?} {creates:?}"
        );
        pacing.merge_log([RequestRecord::ListAndCreateSeparate], at(0));
        assert_eq!(
            pacing.earliest_request(create, at(5)),
            at(apart),
            "{lists:?} {creates:?}"
        );
    }
}

#[test]
fn a_block_applies_to_lists_and_creates_until_proved_separate() {
    let mut pacing = RateLimiter::new(RateLimits::default());
    pacing.block_until(EndpointClass::Create, at(90));
    assert_eq!(pacing.earliest_request(EndpointClass::List, at(0)), at(90));
    pacing.merge_log([RequestRecord::ListAndCreateSeparate], at(0));
    assert_eq!(pacing.earliest_request(EndpointClass::List, at(0)), at(0));
    assert_eq!(pacing.earliest_request(EndpointClass::Create, at(0)), at(90));
    let hold = Throttle {
        until: at(90),
        window: None,
    };
    assert_eq!(pacing.throttle(EndpointClass::Create, at(0)), Some(hold));
}

#[test]
fn a_full_window_is_named_and_its_requests_are_counted() {
    let mut pacing = RateLimiter::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    for second in [0, 1, 20] {
        pacing.record_counted(EndpointClass::Get, at(second));
    }
    let [short, long] = ["2/10s", "3/min"].map(|text| Window::parse(text).unwrap());
    let hold = pacing.throttle(EndpointClass::Get, at(21));
    assert_eq!(
        hold,
        Some(Throttle {
            until: at(60),
            window: Some(long)
        })
    );
    assert_eq!(pacing.used(EndpointClass::Get, short, at(21)), 1);
    assert_eq!(pacing.used(EndpointClass::Get, long, at(59)), 3);
    assert_eq!(pacing.used(EndpointClass::Get, long, at(60)), 2);
    assert_eq!(pacing.throttle(EndpointClass::Get, at(61)), None);
}

#[test]
fn a_late_answer_counts_from_its_arrival() {
    let mut pacing = RateLimiter::new(limits(EndpointClass::Get, &["1/10s"]));
    pacing.record_sent(EndpointClass::Get, at(0));
    assert_eq!(pacing.earliest_request(EndpointClass::Get, at(6)), at(16));
    assert!(pacing.record_answered(EndpointClass::Get, at(0), at(7)));
    assert_eq!(pacing.earliest_request(EndpointClass::Get, at(8)), at(17));
    assert!(!pacing.record_answered(EndpointClass::Get, at(0), at(9)));
}

#[test]
fn requests_in_flight_never_leave_a_window() {
    let get = EndpointClass::Get;
    let mut pacing = RateLimiter::new(limits(get, &["3/10s"]));
    pacing.record_counted(get, at(0));
    pacing.record_sent(get, at(1));
    pacing.record_sent(get, at(2));
    // The oldest makes room when it is long ago, and the two others only once they are answered.
    assert_eq!(pacing.earliest_request(get, at(5)), at(10));
    pacing.record_counted(get, at(10));
    assert_eq!(pacing.earliest_request(get, at(12)), at(20));
    pacing.record_sent(get, at(20));
    assert_eq!(pacing.earliest_request(get, at(20)), at(30));
    pacing.record_answered(get, at(1), at(21));
    pacing.record_answered(get, at(20), at(22));
    assert_eq!(pacing.earliest_request(get, at(22)), at(31));
    let window = pacing.limits().windows(get)[0];
    assert_eq!(pacing.used(get, window, at(25)), 3);
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
        // The first line was dropped.
        (&[answered(0, 2)], 5, 12),
        // Its run died, and nobody waits for an answer any more.
        (&[sent(0)], 61, 70),
        (&[sent(0)], 71, 71),
        // A clock that was off.
        (&[sent(100), answered(100, 101)], 5, 5),
    ];
    for (records, now, expected) in table {
        let mut pacing = RateLimiter::new(limits(class, &["1/10s"]));
        pacing.merge_log(records.iter().copied(), at(now));
        assert_eq!(
            pacing.earliest_request(class, at(now)),
            at(expected),
            "{records:?} at {now}"
        );
    }
    let mut pacing = RateLimiter::new(limits(class, &["1/10s"]));
    pacing.merge_log([RequestRecord::ListAndCreateSeparate], at(0));
    assert!(!pacing.list_and_create_share_windows());
}

#[test]
fn requests_of_earlier_runs_may_be_recorded_in_any_order() {
    let mut pacing = RateLimiter::new(limits(EndpointClass::Get, &["2/10s"]));
    for second in [5, 1, 3] {
        pacing.record_counted(EndpointClass::Get, at(second));
    }
    assert_eq!(pacing.earliest_request(EndpointClass::Get, at(6)), at(13));
}

/// When the service's window ends, by clocks that show the same.
fn plausible_reset(pacing: &RateLimiter, headers: RateLimitHeaders, now: Timestamp) -> Option<Timestamp> {
    pacing.plausible_reset(Timestamp::from_second(headers.reset?).ok()?, now)
}

#[test]
fn a_class_is_blocked_only_until_a_plausible_reset() {
    let table = [
        ("nothing remains", Some(0), Some(90), 90),
        ("something remains", Some(1), Some(90), 0),
        ("nothing said of the rest", None, Some(90), 0),
        ("no reset", Some(0), None, 0),
        ("past", Some(0), Some(-5), 0),
        ("a day ahead", Some(0), Some(86_400), 86_400),
        ("no more than clocks can be off", Some(0), Some(86_460), 86_400),
        ("more than a day ahead", Some(0), Some(86_461), 0),
        ("absurd", Some(0), Some(i64::MAX / 2), 0),
    ];
    for (what, remaining, reset, expected) in table {
        let mut pacing = RateLimiter::new(RateLimits::default());
        let headers = RateLimitHeaders {
            limit: Some(50),
            remaining,
            reset: reset.map(|second| at(0).as_second() + second),
        };
        pacing.observe_answer(&AnsweredRequest {
            class: EndpointClass::Update,
            sent: at(0),
            answered: at(0),
            accepted: true,
            headers,
            reset: plausible_reset(&pacing, headers, at(0)),
        });
        assert_eq!(
            pacing.earliest_request(EndpointClass::Update, at(0)),
            at(expected),
            "{what}"
        );
        let closed = Throttle {
            until: at(expected),
            window: None,
        };
        let hold = pacing.throttle(EndpointClass::Update, at(0));
        assert_eq!(hold, (expected > 0).then_some(closed), "{what}");
    }
}

#[test]
fn a_reset_is_capped_at_the_longest_window() {
    let mut limits = RateLimits::default();
    let classes: Vec<EndpointClass> = limits.classes().collect();
    for class in classes {
        limits.set(class, vec![Window::parse("2/20s").unwrap()]);
    }
    let pacing = RateLimiter::new(limits);
    for (said, meant) in [
        (0, None),
        (1, Some(1)),
        (20, Some(20)),
        (80, Some(20)),
        (81, None),
        (7200, None),
    ] {
        assert_eq!(pacing.plausible_reset(at(said), at(0)), meant.map(at), "{said}");
    }
}

#[test]
fn an_earlier_reset_does_not_shorten_a_block() {
    let mut pacing = RateLimiter::new(RateLimits::default());
    pacing.block_until(EndpointClass::Get, at(90));
    pacing.block_until(EndpointClass::Get, at(30));
    assert_eq!(pacing.earliest_request(EndpointClass::Get, at(0)), at(90));
    assert_eq!(pacing.throttle(EndpointClass::Get, at(90)), None);
}

#[test]
fn a_class_without_windows_is_never_throttled() {
    let mut pacing = RateLimiter::new(limits(EndpointClass::Cohort, &[]));
    assert_eq!(burst(&mut pacing, EndpointClass::Cohort, 3), [0, 0, 0]);
}

proptest! {
    #[test]
    fn no_rolling_window_ever_exceeds_its_count(
        windows in prop::collection::vec((1_usize..6, 1_i64..40), 1..4),
        // How long after the last one a call comes, how long it takes, and after how much of that the service counts it.
        calls in prop::collection::vec((0_i64..15, 0_i64..20, 0_i64..20), 1..60),
    ) {
        let class = EndpointClass::Get;
        let texts: Vec<String> = windows.iter().map(|(count, span)| format!("{count}/{span}s")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut pacing = RateLimiter::new(limits(class, &texts));
        let mut now = at(0);
        let mut made: Vec<Timestamp> = Vec::new();
        let mut under_way: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (pause, duration, counted_after) in calls {
            now = later(now, SignedDuration::from_secs(pause));
            loop {
                for (sent, answered) in under_way.extract_if(.., |(_, answered)| *answered <= now) {
                    pacing.record_answered(class, sent, answered);
                }
                let until = pacing.earliest_request(class, now);
                if until <= now {
                    break;
                }
                let answers = under_way.iter().map(|(_, answered)| *answered);
                now = answers.chain([until]).min().unwrap();
            }
            pacing.record_sent(class, now);
            under_way.push((now, later(now, SignedDuration::from_secs(duration))));
            made.push(later(now, SignedDuration::from_secs(counted_after.min(duration))));
        }
        made.sort();
        for (count, span) in windows {
            for (index, first) in made.iter().enumerate() {
                let end = later(*first, SignedDuration::from_secs(span));
                let inside = made[index..].iter().filter(|moment| **moment < end).count();
                prop_assert!(inside <= count, "{inside} calls in {span} s, {count} allowed");
            }
        }
    }
}
