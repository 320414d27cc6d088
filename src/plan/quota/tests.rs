use super::*;
use crate::api::pacing::RateLimits;
use crate::model::CallRecord;
use EndpointClass::{Create, Get, Lifecycle, List, Update};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// Windows for single classes in place of the documented ones; all others have none.
fn limits(of: &[(EndpointClass, &[&str])]) -> RateLimits {
    let mut limits = RateLimits::default();
    for class in EndpointClass::ALL {
        limits.set(*class, Vec::new());
    }
    for (class, windows) in of {
        let windows = windows.iter().map(|text| Window::parse(text).unwrap());
        limits.set(*class, windows.collect());
    }
    limits
}

fn pacing(limits: RateLimits, history: &[(EndpointClass, i64)]) -> Pacing {
    let mut pacing = Pacing::new(limits);
    for (class, second) in history {
        pacing.record(*class, at(*second));
    }
    pacing
}

fn repeated(class: EndpointClass, count: usize) -> Vec<EndpointClass> {
    vec![class; count]
}

/// A window's text, used, left and needed.
type Use<'a> = (&'a str, usize, usize, usize);

fn uses(quota: &Quota) -> Vec<(String, usize, usize, usize)> {
    let uses = quota.tightest.iter();
    uses.map(|of| (of.window.to_string(), of.used, of.left, of.needed))
        .collect()
}

fn half_seconds(quota: &Quota) -> i128 {
    quota.needed().as_millis() / 500
}

#[test]
fn no_calls_cost_nothing() {
    let quota = quota(&[], pacing(RateLimits::default(), &[(Create, -5)]), at(0));
    assert_eq!(
        (quota.total, quota.done_at, quota.waits),
        (0, at(0), SignedDuration::ZERO)
    );
    assert!(quota.calls.is_empty() && quota.tightest.is_empty());
    assert_eq!(quota.check(SignedDuration::from_secs(1)), Ok(()));
}

#[test]
fn waits_are_those_of_the_windows_and_the_calls_made_before() {
    let ten = &["2/10s"][..];
    // History of gets, number of gets, and how many half seconds they take.
    let table: [(&str, &[i64], usize, i128); 7] = [
        ("nothing before", &[], 1, 1),
        ("an exact fit", &[], 2, 2),
        (
            "one too many waits for the answer of the first to be 10 s old",
            &[],
            3,
            22,
        ),
        ("one left", &[-4], 1, 1),
        ("none left until the older is 10 s old", &[-6, -4], 1, 9),
        (
            "windows slide: the second waits for the younger",
            &[-6, -4],
            2,
            13,
        ),
        ("out of the window", &[-10, -11], 2, 2),
    ];
    for (what, history, count, expected) in table {
        let history: Vec<_> = history.iter().map(|second| (Get, *second)).collect();
        let quota = quota(
            &repeated(Get, count),
            pacing(limits(&[(Get, ten)]), &history),
            at(0),
        );
        assert_eq!(half_seconds(&quota), expected, "{what}");
        let busy = LATENCY * i32::try_from(count).unwrap();
        assert_eq!(quota.waits + busy, quota.needed(), "{what}");
    }
}

#[test]
fn the_windows_that_are_waited_for_are_named_longest_first() {
    let table: [(&str, usize, &[Use<'_>]); 4] = [
        ("nothing waits: the fullest", 10, &[("50/min", 0, 50, 11)]),
        ("an exact fit", 49, &[("50/min", 0, 50, 50)]),
        ("the minute", 60, &[("50/min", 0, 50, 61)]),
        (
            "the hour above all",
            210,
            &[("200/h", 0, 200, 211), ("50/min", 0, 50, 211)],
        ),
    ];
    for (what, creates, expected) in table {
        let calls = [repeated(List, 1), repeated(Create, creates)].concat();
        let quota = quota(&calls, pacing(RateLimits::default(), &[]), at(0));
        let expected: Vec<_> = expected
            .iter()
            .map(|(text, a, b, c)| ((*text).to_owned(), *a, *b, *c))
            .collect();
        assert_eq!(uses(&quota), expected, "{what}");
        assert!(
            quota
                .tightest
                .iter()
                .all(|window| window.classes == [List, Create]),
            "{what}"
        );
        assert_eq!(quota.waits.is_positive(), creates >= 50, "{what}");
    }
}

#[test]
fn lists_and_creates_cost_each_other_until_they_are_known_to_be_apart() {
    let limits = limits(&[(List, &["2/min"]), (Create, &["2/min"])]);
    let together = pacing(limits, &[(List, -30)]);
    let calls = [List, Create];
    let pooled = quota(&calls, together.clone(), at(0));
    assert_eq!(pooled.needed(), SignedDuration::from_millis(30_500));
    assert_eq!(uses(&pooled), [("2/min".to_owned(), 1, 1, 2)]);
    assert_eq!(nouns(&pooled.tightest[0].classes), "list and create together");

    let mut apart = together;
    apart.take_in([CallRecord::Apart], at(0));
    let apart = quota(&calls, apart, at(0));
    assert_eq!(apart.needed(), SignedDuration::from_secs(1));
    assert_eq!(uses(&apart), [("2/min".to_owned(), 1, 1, 1)]);
    assert_eq!(nouns(&apart.tightest[0].classes), "lists");
}

#[test]
fn what_the_service_closed_is_waited_for() {
    let mut closed = pacing(RateLimits::default(), &[]);
    closed.closed_until(Create, at(600));
    closed.closed_until(Update, at(60));
    let quota = quota(&[Get, Update, Create, Lifecycle], closed, at(0));
    assert_eq!(quota.done_at, at(601));
    let waits: Vec<_> = quota
        .closed
        .iter()
        .map(|of| (of.class, of.until, of.waits.as_millis()))
        .collect();
    assert_eq!(waits, [(Create, at(600), 539_500), (Update, at(60), 59_500)]);
    assert!(matches!(
        quota.cause(),
        Cause::Closed(Closed { class: Create, .. })
    ));
    let refusal = quota.check(SignedDuration::from_mins(5)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the plan takes about 11m, and --max-duration allows 5m: the service takes no creates before \
         2027-01-15T08:10:00Z"
    );
}

#[test]
fn a_plan_that_takes_too_long_is_refused_with_the_window_that_is_the_cause() {
    let history: Vec<_> = (0..139).map(|number| (Create, -1800 - number)).collect();
    let calls = [repeated(List, 1), [Get, Create].repeat(75)].concat();
    let quota = quota(&calls, pacing(RateLimits::default(), &history), at(0));
    // The 61 that are left are gone within two minutes; the next is free when the oldest of before is an hour old.
    assert!(quota.needed() > SignedDuration::from_mins(27), "{quota:?}");
    assert!(quota.needed() < SignedDuration::from_mins(32), "{quota:?}");
    assert_eq!(quota.check(SignedDuration::from_mins(32)), Ok(()));
    let refusal = quota.check(SignedDuration::from_mins(10)).unwrap_err();
    let text = refusal.to_string();
    assert!(
        text.contains("allows 10m: it needs 76 calls (list and create together)"),
        "{text}"
    );
    assert!(text.contains("the limit 200/h leaves 61 now"), "{text}");
    let help = refusal.help().join("\n");
    for word in [
        "--max-duration 2",
        "`rate_limits` in segctl.yaml: `list` and `create`",
        "--target",
    ] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn the_duration_that_a_refusal_names_would_do() {
    let calls = repeated(Create, 333);
    let quota = quota(&calls, pacing(RateLimits::default(), &[]), at(0));
    let refusal = quota.check(SignedDuration::from_secs(1)).unwrap_err();
    let named = duration::parse(&duration::about(refusal.needed)).unwrap();
    assert_eq!(quota.check(named), Ok(()));
}

#[test]
fn many_calls_without_limits_take_their_time() {
    let quota = quota(&repeated(Update, 7200), pacing(limits(&[]), &[]), at(0));
    assert_eq!(
        (quota.waits, quota.needed()),
        (SignedDuration::ZERO, SignedDuration::from_hours(1))
    );
    let refusal = quota.check(SignedDuration::from_mins(30)).unwrap_err();
    let text = "the plan takes about 1h, and --max-duration allows 30m: it makes 7200 calls";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn ten_thousand_creates_take_ten_days_of_virtual_time() {
    let calls = [Get, Create].repeat(10_000);
    let quota = quota(&calls, pacing(RateLimits::default(), &[]), at(0));
    assert_eq!((quota.total, quota.calls[&Create]), (20_000, 10_000));
    let days = quota.needed().as_hours() / 24;
    assert_eq!(days, 9);
    assert_eq!(quota.tightest[0].window.to_string(), "1000/day");
}

#[test]
fn one_call_is_told_as_one() {
    let history: Vec<_> = (0..100).map(|_| (Get, -30)).collect();
    let quota = quota(&[Get], pacing(RateLimits::default(), &history), at(0));
    let text = quota.check(SignedDuration::from_secs(1)).unwrap_err().to_string();
    assert!(text.contains("it needs one call (get), of which"), "{text}");
}
