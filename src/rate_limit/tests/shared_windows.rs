//! Which answers show that lists and creates are counted together.

use super::{AnsweredRequest, RateLimitHeaders, RateLimiter, RateLimits, at, limits};
use crate::model::EndpointClass::{self, Create, Get, List};
use crate::model::RequestRecord;

/// What the answer of each request reports: remaining requests of 50, and the second of the reset. `None`: a 429.
type AnswerCase = (EndpointClass, i64, Option<(u64, i64)>);

/// The limiter after the answers, and what they showed.
fn after(limits: RateLimits, answers: &[AnswerCase]) -> (RateLimiter, Vec<RequestRecord>) {
    let mut limiter = RateLimiter::new(limits);
    let mut shown = Vec::new();
    for (class, second, reported) in answers {
        limiter.record_counted(*class, at(*second));
        let headers =
            reported.map_or_else(RateLimitHeaders::default, |(remaining, reset)| RateLimitHeaders {
                limit: Some(50),
                remaining: Some(remaining),
                reset: Some(at(reset).as_second()),
            });
        shown.extend(limiter.observe_answer(&AnsweredRequest {
            class: *class,
            sent: at(*second),
            answered: at(*second),
            accepted: reported.is_some(),
            rate_limited: reported.is_none(),
            headers,
            reset: reported.map(|(_, reset)| at(reset)),
        }));
    }
    (limiter, shown)
}

#[test]
fn requests_of_both_classes_in_one_count_show_shared_windows() {
    let table: [(&str, &[AnswerCase], bool); 8] = [
        (
            "a list and a create",
            &[(List, 0, Some((49, 60))), (Create, 2, Some((48, 60)))],
            true,
        ),
        (
            "a create and a list",
            &[(Create, 0, Some((49, 60))), (List, 2, Some((48, 60)))],
            true,
        ),
        (
            "a list among creates",
            &[
                (Create, 0, Some((49, 60))),
                (Create, 1, Some((48, 60))),
                (List, 2, Some((47, 60))),
            ],
            true,
        ),
        (
            "as documented",
            &[(List, 0, Some((49, 60))), (Create, 0, Some((49, 60)))],
            false,
        ),
        (
            "more creates of this log explain the count",
            &[
                (List, 0, Some((49, 60))),
                (Create, 0, Some((49, 60))),
                (Create, 1, Some((48, 60))),
            ],
            false,
        ),
        (
            "a window with another end, in which another client sends creates",
            &[(List, 0, Some((49, 60))), (Create, 9, Some((48, 50)))],
            false,
        ),
        (
            "more requests than both classes explain",
            &[(List, 0, Some((49, 60))), (Create, 2, Some((40, 60)))],
            false,
        ),
        (
            "another class",
            &[(List, 0, Some((49, 60))), (Get, 2, Some((48, 60)))],
            false,
        ),
    ];
    for (what, answers, is_shared) in table {
        let (limiter, shown) = after(RateLimits::default(), answers);
        assert_eq!(limiter.list_and_create_share_windows(), is_shared, "{what}");
        let expected = is_shared.then_some(RequestRecord::ListAndCreateShared);
        assert_eq!(shown, Vec::from_iter(expected), "{what}");
    }
}

#[test]
fn a_rejection_that_only_the_other_class_explains_shows_shared_windows() {
    let windows = || {
        let mut windows = limits(Create, &["3/min", "100/h"]);
        windows.set(List, windows.windows(Create).to_vec());
        windows
    };
    let table: [(&str, &[AnswerCase], bool); 4] = [
        (
            "the third request of both",
            &[
                (List, 0, Some((9, 999))),
                (Create, 1, Some((9, 999))),
                (Create, 2, Some((9, 999))),
                (Create, 3, None),
            ],
            true,
        ),
        (
            "too early for both: another client",
            &[
                (List, 0, Some((9, 999))),
                (Create, 1, Some((9, 999))),
                (Create, 2, None),
            ],
            false,
        ),
        (
            "no list in the window",
            &[
                (Create, 1, Some((9, 999))),
                (Create, 2, Some((9, 999))),
                (Create, 3, None),
            ],
            false,
        ),
        (
            "the list left the window",
            &[
                (List, 0, Some((9, 999))),
                (Create, 61, Some((9, 999))),
                (Create, 62, Some((9, 999))),
                (Create, 63, None),
            ],
            false,
        ),
    ];
    for (what, answers, is_shared) in table {
        let (limiter, _) = after(windows(), answers);
        assert_eq!(limiter.list_and_create_share_windows(), is_shared, "{what}");
    }
    // Different limits are different windows.
    let answers = table[0].1;
    assert!(
        !after(limits(Create, &["3/min"]), answers)
            .0
            .list_and_create_share_windows()
    );
}

#[test]
fn a_proof_of_separate_windows_outweighs_a_rejection() {
    let (mut limiter, shown) = after(
        RateLimits::default(),
        &[
            (List, 0, Some((49, 60))),
            (Create, 2, Some((48, 60))),
            // A shared window would have 46 left.
            (Create, 4, Some((47, 60))),
            (Create, 6, Some((46, 60))),
            (List, 8, Some((48, 60))),
        ],
    );
    assert_eq!(
        shown,
        [
            RequestRecord::ListAndCreateShared,
            RequestRecord::ListAndCreateSeparate
        ]
    );
    limiter.merge_log([], at(9));
    assert!(!limiter.list_and_create_share_windows());
}
