use super::*;
use crate::model::RequestRecord;
use crate::rate_limit::RateLimits;
use EndpointClass::{Create, Get, Lifecycle, List, Update};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// The other classes have no windows.
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
    let mut rate_limiter = RateLimiter::new(limits);
    for (class, second) in history {
        rate_limiter.record_counted(*class, at(*second));
    }
    rate_limiter
}

fn repeated(class: EndpointClass, count: usize) -> Vec<EndpointClass> {
    vec![class; count]
}

/// Window, used, remaining, required.
type ExpectedUsage<'a> = (&'a str, usize, usize, usize);

fn window_usage_rows(estimated: &Estimate) -> Vec<(String, usize, usize, usize)> {
    let uses = estimated.tightest_windows.iter();
    uses.map(|of| (of.window.to_string(), of.used, of.remaining, of.required))
        .collect()
}

fn half_seconds(estimated: &Estimate) -> i128 {
    estimated.duration().as_millis() / 500
}

#[test]
fn no_requests_take_no_time() {
    let estimated = estimate(&[], rate_limiter(RateLimits::default(), &[(Create, -5)]), at(0));
    assert_eq!(
        (estimated.total, estimated.finishes_at, estimated.wait_time),
        (0, at(0), SignedDuration::ZERO)
    );
    assert!(estimated.requests.is_empty() && estimated.tightest_windows.is_empty());
    assert_eq!(estimated.check_max_duration(SignedDuration::from_secs(1)), Ok(()));
}

#[test]
fn waits_follow_from_windows_and_earlier_requests() {
    let ten = &["2/10s"][..];
    // Times of earlier gets, number of gets, duration in half seconds.
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
        let estimated = estimate(
            &repeated(Get, count),
            rate_limiter(limits(&[(Get, ten)]), &history),
            at(0),
        );
        assert_eq!(half_seconds(&estimated), expected, "{what}");
        let busy = ASSUMED_LATENCY * i32::try_from(count).unwrap();
        assert_eq!(estimated.wait_time + busy, estimated.duration(), "{what}");
    }
}

#[test]
fn tightest_windows_are_listed_longest_wait_first() {
    let table: [(&str, usize, &[ExpectedUsage<'_>]); 4] = [
        ("nothing waits: the fullest", 10, &[("50/min", 0, 50, 10)]),
        ("an exact fit", 50, &[("50/min", 0, 50, 50)]),
        ("the minute", 60, &[("50/min", 0, 50, 60)]),
        (
            "the hour above all",
            210,
            &[("200/h", 0, 200, 210), ("50/min", 0, 50, 210)],
        ),
    ];
    for (what, creates, expected) in table {
        let requests = [repeated(List, 1), repeated(Create, creates)].concat();
        let estimated = estimate(&requests, rate_limiter(RateLimits::default(), &[]), at(0));
        let expected: Vec<_> = expected
            .iter()
            .map(|(text, a, b, c)| ((*text).to_owned(), *a, *b, *c))
            .collect();
        assert_eq!(window_usage_rows(&estimated), expected, "{what}");
        assert!(
            estimated
                .tightest_windows
                .iter()
                .all(|window| window.classes == [Create]),
            "{what}"
        );
        assert_eq!(estimated.wait_time.is_positive(), creates > 50, "{what}");
    }
}

#[test]
fn list_and_create_share_a_window_only_if_an_answer_showed_it() {
    let limits = limits(&[(List, &["2/min"]), (Create, &["2/min"])]);
    let separate = rate_limiter(limits, &[(List, -30)]);
    let mut together = separate.clone();
    together.merge_log([RequestRecord::ListAndCreateShared], at(0));
    let requests = [List, Create];
    let shared = estimate(&requests, together, at(0));
    assert_eq!(shared.duration(), SignedDuration::from_millis(30_500));
    assert_eq!(window_usage_rows(&shared), [("2/min".to_owned(), 1, 1, 2)]);
    assert_eq!(
        describe_classes(&shared.tightest_windows[0].classes),
        "list and create together"
    );

    let separate = estimate(&requests, separate, at(0));
    assert_eq!(separate.duration(), SignedDuration::from_secs(1));
    assert_eq!(window_usage_rows(&separate), [("2/min".to_owned(), 1, 1, 1)]);
    assert_eq!(describe_classes(&separate.tightest_windows[0].classes), "lists");
}

#[test]
fn throttled_classes_are_waited_for() {
    let mut limiter = rate_limiter(RateLimits::default(), &[]);
    limiter.block_until(Create, at(600));
    limiter.block_until(Update, at(60));
    let estimated = estimate(&[Get, Update, Create, Lifecycle], limiter, at(0));
    assert_eq!(estimated.finishes_at, at(601));
    let waits: Vec<_> = estimated
        .throttled_classes
        .iter()
        .map(|of| (of.class, of.until, of.wait_time.as_millis()))
        .collect();
    assert_eq!(waits, [(Create, at(600), 539_500), (Update, at(60), 59_500)]);
    assert!(matches!(
        estimated.bottleneck(),
        Bottleneck::Throttled(ThrottledClass { class: Create, .. })
    ));
    let exceeded = estimated
        .check_max_duration(SignedDuration::from_mins(5))
        .unwrap_err();
    assert_eq!(
        exceeded.to_string(),
        "the estimated duration of 11m exceeds --max-duration 5m: MoEngage accepts no creates before \
         2027-01-15T08:10:00Z"
    );
}

#[test]
fn a_plan_over_max_duration_names_the_tightest_window() {
    let history: Vec<_> = (0..139).map(|number| (Create, -1800 - number)).collect();
    let requests = [repeated(List, 1), [Get, Create].repeat(75)].concat();
    let estimated = estimate(&requests, rate_limiter(RateLimits::default(), &history), at(0));
    // 61 requests fit at first; the next one fits when the oldest earlier one leaves the window of an hour.
    assert!(
        estimated.duration() > SignedDuration::from_mins(27),
        "{estimated:?}"
    );
    assert!(
        estimated.duration() < SignedDuration::from_mins(32),
        "{estimated:?}"
    );
    assert_eq!(
        estimated.check_max_duration(SignedDuration::from_mins(32)),
        Ok(())
    );
    let exceeded = estimated
        .check_max_duration(SignedDuration::from_mins(10))
        .unwrap_err();
    let text = exceeded.to_string();
    assert!(
        text.contains("exceeds --max-duration 10m: the plan needs 75 creates"),
        "{text}"
    );
    assert!(text.contains("the rate limit is 200/h, 61 left"), "{text}");
    let help = exceeded.help().join("\n");
    for word in [
        "--max-duration 2",
        "`rate_limits` in segctl.yaml: `create`",
        "--target",
    ] {
        assert!(help.contains(word), "{help}");
    }
}

#[test]
fn the_suggested_max_duration_is_sufficient() {
    let requests = repeated(Create, 333);
    let estimated = estimate(&requests, rate_limiter(RateLimits::default(), &[]), at(0));
    let exceeded = estimated
        .check_max_duration(SignedDuration::from_secs(1))
        .unwrap_err();
    let named = duration::parse(&duration::format_estimate(exceeded.estimated)).unwrap();
    assert_eq!(estimated.check_max_duration(named), Ok(()));
}

#[test]
fn many_requests_without_rate_limits_take_time() {
    let estimated = estimate(&repeated(Update, 7200), rate_limiter(limits(&[]), &[]), at(0));
    assert_eq!(
        (estimated.wait_time, estimated.duration()),
        (SignedDuration::ZERO, SignedDuration::from_hours(1))
    );
    let exceeded = estimated
        .check_max_duration(SignedDuration::from_mins(30))
        .unwrap_err();
    let text = "the estimated duration of 1h exceeds --max-duration 30m: the plan needs 7200 requests";
    assert_eq!(exceeded.to_string(), text);
}

#[test]
fn ten_thousand_creates_take_ten_days_of_virtual_time() {
    let requests = [Get, Create].repeat(10_000);
    let estimated = estimate(&requests, rate_limiter(RateLimits::default(), &[]), at(0));
    assert_eq!((estimated.total, estimated.requests[&Create]), (20_000, 10_000));
    let days = estimated.duration().as_hours() / 24;
    assert_eq!(days, 9);
    assert_eq!(estimated.tightest_windows[0].window.to_string(), "1000/day");
}

#[test]
fn a_single_request_is_described_in_the_singular() {
    let history: Vec<_> = (0..100).map(|_| (Get, -30)).collect();
    let estimated = estimate(&[Get], rate_limiter(RateLimits::default(), &history), at(0));
    let text = estimated
        .check_max_duration(SignedDuration::from_secs(1))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("the plan needs 1 request (get); the rate limit is"),
        "{text}"
    );
}
