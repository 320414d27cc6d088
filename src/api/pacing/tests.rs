mod apart;

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
fn burst(pacing: &mut Pacing, class: EndpointClass, count: usize) -> Vec<i64> {
    let mut now = at(0);
    let mut made = Vec::new();
    for _ in 0..count {
        now = pacing.earliest(class, now);
        pacing.record(class, now);
        made.push(at(0).duration_until(now).as_secs());
    }
    made
}

#[test]
fn windows_are_rolling_and_all_hold_at_once() {
    let mut pacing = Pacing::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    assert_eq!(
        burst(&mut pacing, EndpointClass::Get, 7),
        [0, 0, 10, 60, 60, 70, 120]
    );
}

#[test]
fn the_documented_limits_spread_a_large_run_over_hours() {
    let mut pacing = Pacing::new(RateLimits::default());
    let made = burst(&mut pacing, EndpointClass::Create, 1001);
    let marks = [(49, 0), (50, 60), (199, 180), (200, 3600), (1000, 86_400)];
    for (call, second) in marks {
        assert_eq!(made[call], second, "call {call}");
    }
}

#[test]
fn lists_and_creates_share_a_pool_and_other_classes_do_not() {
    let mut pacing = Pacing::new(RateLimits::default());
    burst(&mut pacing, EndpointClass::List, 50);
    assert_eq!(pacing.earliest(EndpointClass::Create, at(0)), at(60));
    assert_eq!(pacing.earliest(EndpointClass::Get, at(0)), at(0));
    assert_eq!(pacing.earliest(EndpointClass::Update, at(0)), at(0));
}

#[test]
fn calls_of_lists_and_creates_are_pooled_in_any_mixture_and_kept_apart() {
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
        let mut pacing = Pacing::new(limits(create, &["3/10s"]));
        pacing.remember(lists.iter().map(|second| (list, at(*second))), at(5));
        pacing.remember(creates.iter().map(|second| (create, at(*second))), at(5));
        assert_eq!(pacing.history().len(), lists.len() + creates.len());
        assert!(
            pacing
                .history()
                .iter()
                .filter(|(class, _)| *class == list)
                .count()
                == lists.len()
        );
        assert_eq!(
            pacing.earliest(create, at(5)),
            at(pooled),
            "{lists:?} {creates:?}"
        );
        pacing.remember_separate();
        assert_eq!(pacing.earliest(create, at(5)), at(apart), "{lists:?} {creates:?}");
    }
}

#[test]
fn what_the_service_closed_is_closed_for_the_pool_until_it_is_apart() {
    let mut pacing = Pacing::new(RateLimits::default());
    pacing.closed_until(EndpointClass::Create, at(90));
    assert_eq!(pacing.earliest(EndpointClass::List, at(0)), at(90));
    pacing.remember_separate();
    assert_eq!(pacing.earliest(EndpointClass::List, at(0)), at(0));
    assert_eq!(pacing.earliest(EndpointClass::Create, at(0)), at(90));
    let hold = Hold {
        until: at(90),
        window: None,
    };
    assert_eq!(pacing.hold(EndpointClass::Create, at(0)), Some(hold));
}

#[test]
fn a_window_that_holds_back_is_named_and_its_calls_are_counted() {
    let mut pacing = Pacing::new(limits(EndpointClass::Get, &["2/10s", "3/min"]));
    for second in [0, 1, 20] {
        pacing.record(EndpointClass::Get, at(second));
    }
    let [short, long] = ["2/10s", "3/min"].map(|text| Window::parse(text).unwrap());
    let hold = pacing.hold(EndpointClass::Get, at(21));
    assert_eq!(
        hold,
        Some(Hold {
            until: at(60),
            window: Some(long)
        })
    );
    assert_eq!(pacing.used(EndpointClass::Get, short, at(21)), 1);
    assert_eq!(pacing.used(EndpointClass::Get, long, at(59)), 3);
    assert_eq!(pacing.used(EndpointClass::Get, long, at(60)), 2);
    assert_eq!(pacing.hold(EndpointClass::Get, at(61)), None);
}

#[test]
fn a_call_that_was_answered_late_counts_from_its_answer() {
    let mut pacing = Pacing::new(limits(EndpointClass::Get, &["1/10s"]));
    pacing.record(EndpointClass::Get, at(0));
    pacing.answered(EndpointClass::Get, at(0), at(7));
    assert_eq!(pacing.earliest(EndpointClass::Get, at(8)), at(17));
}

#[test]
fn calls_of_earlier_runs_count_in_any_order() {
    let mut pacing = Pacing::new(limits(EndpointClass::Get, &["2/10s"]));
    for second in [5, 1, 3] {
        pacing.record(EndpointClass::Get, at(second));
    }
    assert_eq!(pacing.earliest(EndpointClass::Get, at(6)), at(13));
}

#[test]
fn the_service_closes_a_class_until_a_reset_that_can_be_meant() {
    let table = [
        ("nothing remains", Some(0), Some(90), 90),
        ("something remains", Some(1), Some(90), 0),
        ("nothing said of the rest", None, Some(90), 0),
        ("no reset", Some(0), None, 0),
        ("past", Some(0), Some(-5), 0),
        ("a day ahead", Some(0), Some(86_400), 86_400),
        ("more than a day ahead", Some(0), Some(86_401), 0),
        ("absurd", Some(0), Some(i64::MAX / 2), 0),
    ];
    for (what, remaining, reset, expected) in table {
        let mut pacing = Pacing::new(RateLimits::default());
        let headers = RateHeaders {
            limit: Some(50),
            remaining,
            reset: reset.map(|second| at(0).as_second() + second),
        };
        pacing.learn(&Answer {
            class: EndpointClass::Update,
            sent: at(0),
            answered: at(0),
            accepted: true,
            headers,
        });
        assert_eq!(
            pacing.earliest(EndpointClass::Update, at(0)),
            at(expected),
            "{what}"
        );
        assert_eq!(
            pacing.is_closed(EndpointClass::Update, at(0)),
            expected > 0,
            "{what}"
        );
    }
}

#[test]
fn an_earlier_reset_does_not_open_what_a_later_one_closed() {
    let mut pacing = Pacing::new(RateLimits::default());
    pacing.closed_until(EndpointClass::Get, at(90));
    pacing.closed_until(EndpointClass::Get, at(30));
    assert_eq!(pacing.earliest(EndpointClass::Get, at(0)), at(90));
    assert!(!pacing.is_closed(EndpointClass::Get, at(90)));
}

#[test]
fn a_class_without_windows_is_never_held_back() {
    let mut pacing = Pacing::new(limits(EndpointClass::Cohort, &[]));
    assert_eq!(burst(&mut pacing, EndpointClass::Cohort, 3), [0, 0, 0]);
}

proptest! {
    #[test]
    fn no_rolling_span_ever_holds_more_than_the_count(
        windows in prop::collection::vec((1_usize..6, 1_i64..40), 1..4),
        pauses in prop::collection::vec(0_i64..15, 1..60),
    ) {
        let texts: Vec<String> = windows.iter().map(|(count, span)| format!("{count}/{span}s")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut pacing = Pacing::new(limits(EndpointClass::Get, &texts));
        let mut now = at(0);
        let mut made: Vec<Timestamp> = Vec::new();
        for pause in pauses {
            now = pacing.earliest(EndpointClass::Get, later(now, SignedDuration::from_secs(pause)));
            pacing.record(EndpointClass::Get, now);
            made.push(now);
        }
        for (count, span) in windows {
            for (index, first) in made.iter().enumerate() {
                let end = later(*first, SignedDuration::from_secs(span));
                let inside = made[index..].iter().filter(|moment| **moment < end).count();
                prop_assert!(inside <= count, "{inside} calls in {span} s, {count} allowed");
            }
        }
    }
}
