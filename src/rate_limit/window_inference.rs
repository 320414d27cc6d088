//! Proves that MoEngage counts lists and creates separately: more requests remain than a shared window would allow.
//!
//! The proof does not depend on the clocks. It compares two answers with the same limit and the same reset, which describe
//! one window, rolling or fixed. It counts only requests that a shared window certainly contains: the first one, the second
//! one, and those that were sent after the first answer and answered before the second request. Other requests (of other
//! or earlier runs, in flight, or rejected) are ignored: they can only reduce `remaining`, or were not counted.

use super::later;
use super::window::{RateLimits, Window};
use super::{AnsweredRequest, LIST_AND_CREATE};
use crate::model::EndpointClass;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What the answers reported about the windows of lists and creates.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowInference {
    /// The first answer about each window, by limit and reset.
    first_answers: BTreeMap<(u64, i64), FirstAnswer>,
    /// The requests since the oldest of those answers, in the order of their answers.
    accepted_requests: Vec<AcceptedRequest>,
    /// The number of answers so far.
    answers: u64,
    /// More remained than one class alone allows, so the headers do not count what they seem to count.
    is_unreliable: bool,
}

#[derive(Clone, Copy, Debug)]
struct FirstAnswer {
    request: AcceptedRequest,
    remaining: u64,
    /// The end of the window by the local clock.
    ends_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct AcceptedRequest {
    class: EndpointClass,
    sent: Timestamp,
    answered: Timestamp,
    /// The position among all answers, because a coarse clock may give several the same time.
    sequence: u64,
}

impl WindowInference {
    /// Evaluates `answer`. Returns true if a server with a shared window could not have sent it.
    pub(super) fn proves_separate_windows(&mut self, answer: &AnsweredRequest, limits: &RateLimits) -> bool {
        if !answer.accepted || self.is_unreliable {
            return false;
        }
        self.answers += 1;
        let request = AcceptedRequest {
            class: answer.class,
            sent: answer.sent,
            answered: answer.answered,
            sequence: self.answers,
        };
        self.prune(request.answered);
        let is_proof = self.compare_with_first(answer, request, limits).unwrap_or(false);
        self.accepted_requests.push(request);
        is_proof
    }

    /// Compares the answer with the first one about the same window, or stores it as the first.
    fn compare_with_first(
        &mut self,
        answer: &AnsweredRequest,
        request: AcceptedRequest,
        limits: &RateLimits,
    ) -> Option<bool> {
        let (limit, remaining) = (answer.headers.limit?, answer.headers.remaining?);
        // `remaining` is never negative, so zero proves little.
        if remaining == 0 {
            return None;
        }
        let window = unambiguous_window(limit, request.class, limits)?;
        let ends_at = answer.reset?;
        // One second of tolerance, because MoEngage may round up.
        if ends_at
            >= later(
                later(request.answered, window.span()),
                SignedDuration::from_secs(1),
            )
        {
            return None;
        }
        // The reset by MoEngage's clock, because it is the same in all answers about one window.
        let key = (limit, answer.headers.reset?);
        let first = self.first_answers.get(&key).copied();
        // Whatever the reset means, a window does not contain requests older than its span.
        let first = first.filter(|first| later(first.request.sent, window.span()) > request.answered);
        let Some(first) = first else {
            let first = FirstAnswer {
                request,
                remaining,
                ends_at,
            };
            self.first_answers.insert(key, first);
            return None;
        };
        // A request in flight during the first answer may have been counted before it.
        if request.sent < first.request.answered {
            return None;
        }
        let between = || {
            self.accepted_requests.iter().filter(|other| {
                other.sequence > first.request.sequence
                    && other.sent >= first.request.answered
                    && other.answered <= request.sent
            })
        };
        let count = u64::try_from(between().count()).ok()?;
        // The first check allows for older requests that leave a rolling window meanwhile. The second allows for a server
        // that does not count the answered request itself yet.
        let exceeds_limit = remaining.saturating_add(count).saturating_add(2) > limit;
        let exceeds_first = remaining.saturating_add(count).saturating_add(1) > first.remaining;
        let is_contradiction = exceeds_limit && exceeds_first;
        let is_mixed =
            first.request.class != request.class || between().any(|other| other.class != request.class);
        self.is_unreliable |= is_contradiction && !is_mixed;
        Some(is_contradiction && is_mixed)
    }

    /// Drops what cannot be compared with a later answer.
    fn prune(&mut self, now: Timestamp) {
        self.first_answers.retain(|_, first| first.ends_at > now);
        let sequences = self.first_answers.values().map(|first| first.request.sequence);
        let oldest = sequences.min().unwrap_or(u64::MAX);
        self.accepted_requests
            .retain(|request| request.sequence >= oldest);
    }
}

/// The window of `class` with the count `limit`. `None` if another window of lists or creates has the same count, because
/// two answers may then describe different windows.
fn unambiguous_window(limit: u64, class: EndpointClass, limits: &RateLimits) -> Option<Window> {
    let has_count = |window: &&Window| u64::try_from(window.count()) == Ok(limit);
    let window = *limits.windows(class).iter().find(has_count)?;
    let mut candidates = LIST_AND_CREATE
        .iter()
        .flat_map(|class| limits.windows(*class).iter().filter(has_count));
    candidates.all(|other| *other == window).then_some(window)
}
