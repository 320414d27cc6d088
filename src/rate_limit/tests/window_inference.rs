//! When an answer proves that lists and creates are counted apart, and when it might still be one count.

use super::{AnsweredRequest, RateLimitHeaders, RateLimiter, RateLimits, at, limits, plausible_reset};
use crate::model::EndpointClass::{self, Create, Get, List};
use proptest::prelude::*;

/// A call: class, sent and answered in seconds, whether it was done, and limit, remaining and reset as answered.
type RequestCase = (EndpointClass, i64, i64, bool, Option<(u64, u64, i64)>);

fn accepted_request(class: EndpointClass, second: i64, remaining: u64) -> RequestCase {
    (class, second, second + 1, true, Some((50, remaining, 60)))
}

fn proves_separate(limits: RateLimits, calls: &[RequestCase]) -> bool {
    let mut pacing = RateLimiter::new(limits);
    for (class, sent, answered, accepted, said) in calls {
        pacing.record_counted(*class, at(*sent));
        pacing.record_answered(*class, at(*sent), at(*answered));
        let headers = said.map_or_else(RateLimitHeaders::default, |(limit, remaining, reset)| {
            RateLimitHeaders {
                limit: Some(limit),
                remaining: Some(remaining),
                reset: Some(at(reset).as_second()),
            }
        });
        pacing.observe_answer(&AnsweredRequest {
            class: *class,
            sent: at(*sent),
            answered: at(*answered),
            accepted: *accepted,
            headers,
            reset: plausible_reset(&pacing, headers, at(*answered)),
        });
    }
    !pacing.list_and_create_share_windows()
}

#[test]
fn more_remaining_than_one_window_allows_proves_separate_windows() {
    let table: [(&str, Vec<RequestCase>); 6] = [
        (
            "each is the first",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 49)],
        ),
        (
            "the other way round",
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
            "a call between that said nothing",
            vec![
                accepted_request(Create, 0, 49),
                (List, 2, 3, true, None),
                accepted_request(Create, 4, 48),
            ],
        ),
        (
            "another service's clock",
            vec![
                (List, 0, 1, true, Some((50, 49, 25))),
                (Create, 2, 3, true, Some((50, 49, 25))),
            ],
        ),
        (
            "of the hour",
            vec![
                (List, 0, 1, true, Some((200, 199, 3000))),
                (Create, 900, 901, true, Some((200, 199, 3000))),
            ],
        ),
    ];
    for (what, calls) in table {
        assert!(proves_separate(RateLimits::default(), &calls), "{what}");
    }
}

#[test]
fn remaining_counts_of_one_window_prove_nothing() {
    let said = |limit, remaining, reset| Some((limit, remaining, reset));
    let table: [(&str, Vec<RequestCase>); 14] = [
        ("one call only", vec![accepted_request(Create, 0, 49)]),
        (
            "one window",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 48)],
        ),
        (
            "others call, too",
            vec![accepted_request(List, 0, 49), accepted_request(Create, 2, 12)],
        ),
        (
            "one class only",
            vec![accepted_request(List, 0, 49), accepted_request(List, 2, 48)],
        ),
        (
            "headers that stand still, so that they say nothing of creates either",
            vec![
                accepted_request(List, 0, 49),
                accepted_request(List, 2, 49),
                accepted_request(Create, 4, 49),
            ],
        ),
        (
            "another window of fixed length began",
            vec![
                (List, 50, 51, true, said(50, 49, 60)),
                (Create, 62, 63, true, said(50, 49, 120)),
            ],
        ),
        (
            "the reset moves, so that the window may have begun anew",
            vec![
                (List, 0, 1, true, said(50, 49, 60)),
                (Create, 2, 3, true, said(50, 49, 62)),
            ],
        ),
        (
            "the list left the rolling window, and the reset is of no use",
            vec![
                (List, 0, 1, true, said(50, 49, 61)),
                (Create, 60, 60, true, said(50, 49, 61)),
            ],
        ),
        (
            "an answer of another window",
            vec![
                (List, 0, 1, true, said(50, 49, 60)),
                (Create, 2, 3, true, said(200, 198, 60)),
            ],
        ),
        (
            "a limit that no window has",
            vec![
                (List, 0, 1, true, said(60, 59, 60)),
                (Create, 2, 3, true, said(60, 59, 60)),
            ],
        ),
        (
            "a reset beyond the window's length",
            vec![
                (List, 0, 1, true, said(50, 49, 600)),
                (Create, 2, 3, true, said(50, 49, 600)),
            ],
        ),
        (
            "calls under way together",
            vec![
                (List, 0, 3, true, said(50, 48, 60)),
                (Create, 1, 4, true, said(50, 49, 60)),
            ],
        ),
        (
            "a refused call may not have been counted",
            vec![
                accepted_request(Create, 0, 49),
                (List, 2, 3, false, said(50, 49, 60)),
                accepted_request(Create, 4, 48),
            ],
        ),
        (
            "classes that have nothing to do with it",
            vec![
                accepted_request(List, 0, 49),
                accepted_request(Get, 2, 49),
                accepted_request(Create, 4, 48),
            ],
        ),
    ];
    for (what, calls) in table {
        assert!(!proves_separate(RateLimits::default(), &calls), "{what}");
    }
}

#[test]
fn a_limit_shared_by_two_windows_proves_nothing() {
    let calls = [accepted_request(List, 0, 49), accepted_request(Create, 2, 49)];
    assert!(!proves_separate(limits(Create, &["50/min", "50/h"]), &calls));
    assert!(!proves_separate(limits(List, &["50/h"]), &calls));
    assert!(proves_separate(limits(Create, &["50/min", "51/h"]), &calls));
}

#[test]
fn incomplete_headers_prove_nothing() {
    for missing in 0..3 {
        let mut pacing = RateLimiter::new(RateLimits::default());
        for (class, second) in [(List, 0), (Create, 2)] {
            let said = |field: usize, value: i64| (field != missing).then_some(value);
            let headers = RateLimitHeaders {
                limit: said(0, 50).map(i64::unsigned_abs),
                remaining: said(1, 49).map(i64::unsigned_abs),
                reset: said(2, at(60).as_second()),
            };
            pacing.observe_answer(&AnsweredRequest {
                class,
                sent: at(second),
                answered: at(second + 1),
                accepted: true,
                headers,
                reset: plausible_reset(&pacing, headers, at(second + 1)),
            });
        }
        assert!(pacing.list_and_create_share_windows(), "without field {missing}");
    }
}

/// A service that counts as one: how it ends its windows, whether it counts the answered call, how far its clock is.
#[derive(Clone, Copy, Debug)]
struct SharedWindowServer {
    rolls: bool,
    counts_itself: bool,
    skew: i64,
}

impl SharedWindowServer {
    /// The answer to a call at `second` after `counted` ones, with those of others.
    fn answer(self, counted: &[i64], second: i64) -> (u64, u64, i64) {
        let began = if self.rolls {
            second - 20 + 1
        } else {
            second.div_euclid(20) * 20
        };
        let inside: Vec<i64> = counted.iter().copied().filter(|made| *made >= began).collect();
        let used = u64::try_from(inside.len()).unwrap() + u64::from(self.counts_itself);
        let reset = if self.rolls {
            inside.first().copied().unwrap_or(second) + 20
        } else {
            began + 20
        };
        (10, 10_u64.saturating_sub(used), reset + self.skew)
    }
}

proptest! {
    #[test]
    fn a_server_with_one_shared_window_never_proves_separate_windows(
        rolls in any::<bool>(),
        counts_itself in any::<bool>(),
        skew in -15_i64..15,
        steps in prop::collection::vec((0_u8..3, 0_i64..6), 1..60),
    ) {
        let service = SharedWindowServer { rolls, counts_itself, skew };
        let mut counted: Vec<i64> = Vec::new();
        let mut calls: Vec<RequestCase> = Vec::new();
        let mut second = 100;
        for (who, pause) in steps {
            second += pause;
            let said = service.answer(&counted, second);
            counted.push(second);
            match who {
                0 => calls.push((List, second, second, true, Some(said))),
                1 => calls.push((Create, second, second, true, Some(said))),
                _ => {}
            }
        }
        let mut windows = limits(Create, &["10/20s"]);
        windows.set(List, windows.windows(Create).to_vec());
        prop_assert!(!proves_separate(windows, &calls), "{service:?} {calls:?}");
    }
}
