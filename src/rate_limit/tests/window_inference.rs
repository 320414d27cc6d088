//! Which answers prove that lists and creates are counted separately.

use super::{AnsweredRequest, RateLimitHeaders, RateLimiter, RateLimits, at, limits, plausible_reset};
use crate::model::EndpointClass::{self, Create, Get, List};
use crate::model::RequestRecord;
use proptest::prelude::*;

/// Class, seconds sent and answered, whether accepted, and limit, remaining and reset of the answer.
type RequestCase = (EndpointClass, i64, i64, bool, Option<(u64, u64, i64)>);

fn accepted_request(class: EndpointClass, second: i64, remaining: u64) -> RequestCase {
    (class, second, second + 1, true, Some((50, remaining, 60)))
}

fn proves_separate(limits: RateLimits, requests: &[RequestCase]) -> bool {
    let mut limiter = RateLimiter::new(limits);
    limiter.merge_log([RequestRecord::ListAndCreateShared], at(0));
    for (class, sent, answered, accepted, headers) in requests {
        limiter.record_counted(*class, at(*sent));
        limiter.record_answered(*class, at(*sent), at(*answered));
        let headers = headers.map_or_else(RateLimitHeaders::default, |(limit, remaining, reset)| {
            RateLimitHeaders {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: Some(at(reset).as_second()),
            }
        });
        limiter.observe_answer(&AnsweredRequest {
            class: *class,
            sent: at(*sent),
            answered: at(*answered),
            accepted: *accepted,
            rate_limited: false,
            headers,
            reset: plausible_reset(&limiter, headers, at(*answered)),
        });
    }
    !limiter.list_and_create_share_windows()
}

#[test]
fn more_remaining_than_one_window_allows_proves_separate_windows() {
    let table: [(&str, Vec<RequestCase>); 6] = [
        (
            "each is the first request",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 49)],
        ),
        (
            "in the other order",
            vec![accepted_request(Create, 0, 49), accepted_request(List, 2, 49)],
        ),
        (
            "a list among creates",
            vec![
                accepted_request(Create, 0, 49),
                accepted_request(List, 2, 49),
                accepted_request(Create, 4, 48),
            ],
        ),
        (
            "a request between without headers",
            vec![
                accepted_request(Create, 0, 49),
                (List, 2, 3, true, None),
                accepted_request(Create, 4, 48),
            ],
        ),
        (
            "another clock offset",
            vec![
                (List, 0, 1, true, Some((50, 49, 25))),
                (Create, 2, 3, true, Some((50, 49, 25))),
            ],
        ),
        (
            "the hourly window",
            vec![
                (List, 0, 1, true, Some((200, 199, 3000))),
                (Create, 900, 901, true, Some((200, 199, 3000))),
            ],
        ),
    ];
    for (what, requests) in table {
        assert!(proves_separate(RateLimits::default(), &requests), "{what}");
    }
}

#[test]
fn remaining_counts_of_one_window_prove_nothing() {
    let headers = |limit, remaining, reset| Some((limit, remaining, reset));
    let table: [(&str, Vec<RequestCase>); 14] = [
        ("one request only", vec![accepted_request(Create, 0, 49)]),
        (
            "one window",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 48)],
        ),
        (
            "other runs send requests, too",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 12)],
        ),
        (
            "one class only",
            vec![accepted_request(List, 0, 49), accepted_request(List, 2, 48)],
        ),
        (
            "headers that never change, so they do not count creates either",
            vec![
                accepted_request(List, 0, 49),
                accepted_request(List, 2, 49),
                accepted_request(Create, 4, 49),
            ],
        ),
        (
            "a new window of fixed length",
            vec![
                (List, 50, 51, true, headers(50, 49, 60)),
                (Create, 62, 63, true, headers(50, 49, 120)),
            ],
        ),
        (
            "the reset moves, so the window may be a new one",
            vec![
                (List, 0, 1, true, headers(50, 49, 60)),
                (Create, 2, 3, true, headers(50, 49, 62)),
            ],
        ),
        (
            "the list left the rolling window, and the reset is wrong",
            vec![
                (List, 0, 1, true, headers(50, 49, 61)),
                (Create, 60, 60, true, headers(50, 49, 61)),
            ],
        ),
        (
            "an answer of another window",
            vec![
                (List, 0, 1, true, headers(50, 49, 60)),
                (Create, 2, 3, true, headers(200, 198, 60)),
            ],
        ),
        (
            "a limit that no window has",
            vec![
                (List, 0, 1, true, headers(60, 59, 60)),
                (Create, 2, 3, true, headers(60, 59, 60)),
            ],
        ),
        (
            "a reset beyond the window's length",
            vec![
                (List, 0, 1, true, headers(50, 49, 600)),
                (Create, 2, 3, true, headers(50, 49, 600)),
            ],
        ),
        (
            "two requests in flight at the same time",
            vec![
                (List, 0, 3, true, headers(50, 48, 60)),
                (Create, 1, 4, true, headers(50, 49, 60)),
            ],
        ),
        (
            "a rejected request may not have been counted",
            vec![
                accepted_request(Create, 0, 49),
                (List, 2, 3, false, headers(50, 49, 60)),
                accepted_request(Create, 4, 48),
            ],
        ),
        (
            "a class with other windows",
            vec![
                accepted_request(List, 0, 49),
                accepted_request(Get, 2, 49),
                accepted_request(Create, 4, 48),
            ],
        ),
    ];
    for (what, requests) in table {
        assert!(!proves_separate(RateLimits::default(), &requests), "{what}");
    }
}

#[test]
fn a_limit_shared_by_two_windows_proves_nothing() {
    let requests = [accepted_request(List, 0, 49), accepted_request(Create, 2, 49)];
    assert!(!proves_separate(limits(Create, &["50/min", "50/h"]), &requests));
    assert!(!proves_separate(limits(List, &["50/h"]), &requests));
    assert!(proves_separate(limits(Create, &["50/min", "51/h"]), &requests));
}

#[test]
fn incomplete_headers_prove_nothing() {
    for missing in 0..3 {
        let mut limiter = RateLimiter::new(RateLimits::default());
        limiter.merge_log([RequestRecord::ListAndCreateShared], at(0));
        for (class, second) in [(List, 0), (Create, 2)] {
            let header = |field: usize, value: i64| (field != missing).then_some(value);
            let headers = RateLimitHeaders {
                limit: header(0, 50).map(i64::unsigned_abs),
                remaining: header(1, 49).map(i64::unsigned_abs),
                reset: header(2, at(60).as_second()),
            };
            limiter.observe_answer(&AnsweredRequest {
                class,
                sent: at(second),
                answered: at(second + 1),
                accepted: true,
                rate_limited: false,
                headers,
                reset: plausible_reset(&limiter, headers, at(second + 1)),
            });
        }
        assert!(limiter.list_and_create_share_windows(), "without field {missing}");
    }
}

/// A server with one window for lists and creates. The fields are its properties that segctl does not know.
#[derive(Clone, Copy, Debug)]
struct SharedWindowServer {
    rolls: bool,
    counts_itself: bool,
    skew: i64,
}

impl SharedWindowServer {
    /// The headers of a request at `second`, after the requests `counted`, which include those of other runs.
    fn answer(self, counted: &[i64], second: i64) -> (u64, u64, i64) {
        let start = if self.rolls {
            second - 20 + 1
        } else {
            second.div_euclid(20) * 20
        };
        let inside: Vec<i64> = counted.iter().copied().filter(|at| *at >= start).collect();
        let used = u64::try_from(inside.len()).unwrap() + u64::from(self.counts_itself);
        let reset = if self.rolls {
            inside.first().copied().unwrap_or(second) + 20
        } else {
            start + 20
        };
        (10, 10_u64.saturating_sub(used), reset + self.skew)
    }
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(256))]

    #[test]
    fn a_server_with_one_shared_window_never_proves_separate_windows(
        rolls in any::<bool>(),
        counts_itself in any::<bool>(),
        skew in -15_i64..15,
        steps in prop::collection::vec((0_u8..3, 0_i64..6), 1..60),
    ) {
        let server = SharedWindowServer { rolls, counts_itself, skew };
        let mut counted: Vec<i64> = Vec::new();
        let mut requests: Vec<RequestCase> = Vec::new();
        let mut second = 100;
        for (sender, pause) in steps {
            second += pause;
            let headers = server.answer(&counted, second);
            counted.push(second);
            match sender {
                0 => requests.push((List, second, second, true, Some(headers))),
                1 => requests.push((Create, second, second, true, Some(headers))),
                _ => {}
            }
        }
        let mut windows = limits(Create, &["10/20s"]);
        windows.set(List, windows.windows(Create).to_vec());
        prop_assert!(!proves_separate(windows, &requests), "{server:?} {requests:?}");
    }
}
