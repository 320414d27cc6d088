use super::*;
use crate::model::RequestRecord;
use crate::rate_limit::RateLimits;
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

fn rate_limiter(limits: RateLimits, history: &[(EndpointClass, i64)]) -> RateLimiter {
    let mut pacing = RateLimiter::new(limits);
    for (class, second) in history {
        pacing.record_counted(*class, at(*second));
    }
    pacing
}

fn repeated(class: EndpointClass, count: usize) -> Vec<EndpointClass> {
    vec![class; count]
}

/// A window's text, used, left and needed.
type ExpectedUsage<'a> = (&'a str, usize, usize, usize);

fn window_usage_rows(quota: &Estimate) -> Vec<(String, usize, usize, usize)> {
    let uses = quota.tightest_windows.iter();
    uses.map(|of| (of.window.to_string(), of.used, of.remaining, of.required))
        .collect()
}

fn half_seconds(quota: &Estimate) -> i128 {
    quota.duration().as_millis() / 500
}

#[test]
fn no_requests_take_no_time() {
    let quota = estimate(&[], rate_limiter(RateLimits::default(), &[(Create, -5)]), at(0));
    assert_eq!(
        (quota.total, quota.finishes_at, quota.wait_time),
        (0, at(0), SignedDuration::ZERO)
    );
    assert!(quota.requests.is_empty() && quota.tightest_windows.is_empty());
    assert_eq!(quota.check_max_duration(SignedDuration::from_secs(1)), Ok(()));
}

#[test]
fn waits_follow_from_windows_and_earlier_requests() {
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
        let quota = estimate(
            &repeated(Get, count),
            rate_limiter(limits(&[(Get, ten)]), &history),
            at(0),
        );
        assert_eq!(half_seconds(&quota), expected, "{what}");
        let busy = ASSUMED_LATENCY * i32::try_from(count).unwrap();
        assert_eq!(quota.wait_time + busy, quota.duration(), "{what}");
    }
}

#[test]
fn tightest_windows_are_listed_longest_wait_first() {
    let table: [(&str, usize, &[ExpectedUsage<'_>]); 4] = [
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
        let quota = estimate(&calls, rate_limiter(RateLimits::default(), &[]), at(0));
        let expected: Vec<_> = expected
            .iter()
            .map(|(text, a, b, c)| ((*text).to_owned(), *a, *b, *c))
            .collect();
        assert_eq!(window_usage_rows(&quota), expected, "{what}");
        assert!(
            quota
                .tightest_windows
                .iter()
                .all(|window| window.classes == [List, Create]),
            "{what}"
        );
        assert_eq!(quota.wait_time.is_positive(), creates >= 50, "{what}");
    }
}

#[test]
fn list_and_create_share_a_window_until_known_to_be_separate() {
    let limits = limits(&[(List, &["2/min"]), (Create, &["2/min"])]);
    let together = rate_limiter(limits, &[(List, -30)]);
    let calls = [List, Create];
    let pooled = estimate(&calls, together.clone(), at(0));
    assert_eq!(pooled.duration(), SignedDuration::from_millis(30_500));
    assert_eq!(window_usage_rows(&pooled), [("2/min".to_owned(), 1, 1, 2)]);
    assert_eq!(
        describe_classes(&pooled.tightest_windows[0].classes),
        "list and create together"
    );

    let mut apart = together;
    apart.merge_log([RequestRecord::ListAndCreateSeparate], at(0));
    let apart = estimate(&calls, apart, at(0));
    assert_eq!(apart.duration(), SignedDuration::from_secs(1));
    assert_eq!(window_usage_rows(&apart), [("2/min".to_owned(), 1, 1, 1)]);
    assert_eq!(describe_classes(&apart.tightest_windows[0].classes), "lists");
}

#[test]
fn throttled_classes_are_waited_for() {
    let mut closed = rate_limiter(RateLimits::default(), &[]);
    closed.block_until(Create, at(600));
    closed.block_until(Update, at(60));
    let quota = estimate(&[Get, Update, Create, Lifecycle], closed, at(0));
    assert_eq!(quota.finishes_at, at(601));
    let waits: Vec<_> = quota
        .throttled_classes
        .iter()
        .map(|of| (of.class, of.until, of.wait_time.as_millis()))
        .collect();
    assert_eq!(waits, [(Create, at(600), 539_500), (Update, at(60), 59_500)]);
    assert!(matches!(
        quota.bottleneck(),
        Bottleneck::Throttled(ThrottledClass { class: Create, .. })
    ));
    let refusal = quota
        .check_max_duration(SignedDuration::from_mins(5))
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the plan takes about 11m, and --max-duration allows 5m: the service takes no creates before \
         2027-01-15T08:10:00Z"
    );
}

#[test]
fn a_plan_over_max_duration_names_the_tightest_window() {
    let history: Vec<_> = (0..139).map(|number| (Create, -1800 - number)).collect();
    let calls = [repeated(List, 1), [Get, Create].repeat(75)].concat();
    let quota = estimate(&calls, rate_limiter(RateLimits::default(), &history), at(0));
    // The 61 that are left are gone within two minutes; the next is free when the oldest of before is an hour old.
    assert!(quota.duration() > SignedDuration::from_mins(27), "{quota:?}");
    assert!(quota.duration() < SignedDuration::from_mins(32), "{quota:?}");
    assert_eq!(quota.check_max_duration(SignedDuration::from_mins(32)), Ok(()));
    let refusal = quota
        .check_max_duration(SignedDuration::from_mins(10))
        .unwrap_err();
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
fn the_suggested_max_duration_is_sufficient() {
    let calls = repeated(Create, 333);
    let quota = estimate(&calls, rate_limiter(RateLimits::default(), &[]), at(0));
    let refusal = quota
        .check_max_duration(SignedDuration::from_secs(1))
        .unwrap_err();
    let named = duration::parse(&duration::format_estimate(refusal.estimated)).unwrap();
    assert_eq!(quota.check_max_duration(named), Ok(()));
}

#[test]
fn many_requests_without_rate_limits_take_time() {
    let quota = estimate(&repeated(Update, 7200), rate_limiter(limits(&[]), &[]), at(0));
    assert_eq!(
        (quota.wait_time, quota.duration()),
        (SignedDuration::ZERO, SignedDuration::from_hours(1))
    );
    let refusal = quota
        .check_max_duration(SignedDuration::from_mins(30))
        .unwrap_err();
    let text = "the plan takes about 1h, and --max-duration allows 30m: it makes 7200 calls";
    assert_eq!(refusal.to_string(), text);
}

#[test]
fn ten_thousand_creates_take_ten_days_of_virtual_time() {
    let calls = [Get, Create].repeat(10_000);
    let quota = estimate(&calls, rate_limiter(RateLimits::default(), &[]), at(0));
    assert_eq!((quota.total, quota.requests[&Create]), (20_000, 10_000));
    let days = quota.duration().as_hours() / 24;
    assert_eq!(days, 9);
    assert_eq!(quota.tightest_windows[0].window.to_string(), "1000/day");
}

#[test]
fn a_single_request_is_described_in_the_singular() {
    let history: Vec<_> = (0..100).map(|_| (Get, -30)).collect();
    let quota = estimate(&[Get], rate_limiter(RateLimits::default(), &history), at(0));
    let text = quota
        .check_max_duration(SignedDuration::from_secs(1))
        .unwrap_err()
        .to_string();
    assert!(text.contains("it needs one call (get), of which"), "{text}");
}
