//! The proof that the service counts lists and creates apart: more calls are left than one window for both
//! could have.
//!
//! It never needs the service's clock to be that of ours. It takes two answers that name the same limit and the same
//! reset, so that both speak of one window of the service, whether its windows roll or start anew; and it counts
//! only what that window certainly holds if it holds lists and creates: the first answer's call, the calls sent
//! after that answer and answered before the second call was sent, and the second call. Calls of others, of
//! earlier runs, calls under way and refused calls are left out: they can only make fewer remain, or may not have
//! been counted at all.

use super::later;
use super::window::{RateLimits, Window};
use super::{AnsweredRequest, LIST_AND_CREATE};
use crate::model::EndpointClass;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What was answered about the windows of lists and creates.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowInference {
    /// The first answer about each window, by its limit and its reset.
    first_answers: BTreeMap<(u64, i64), FirstAnswer>,
    /// The calls since the oldest of those answers, in the order of their answers.
    accepted_requests: Vec<AcceptedRequest>,
    /// How many calls were answered so far.
    answers: u64,
    /// More was left than calls of one class alone allow: the headers do not count what they seem to.
    is_unreliable: bool,
}

#[derive(Clone, Copy, Debug)]
struct FirstAnswer {
    request: AcceptedRequest,
    remaining: u64,
    /// When the window ends by our clock.
    ends_at: Timestamp,
}

/// A call that the service did.
#[derive(Clone, Copy, Debug)]
struct AcceptedRequest {
    class: EndpointClass,
    sent: Timestamp,
    answered: Timestamp,
    /// Its place among all answers, since a coarse clock may give several the same time.
    sequence: u64,
}

impl WindowInference {
    /// Takes in `answer`; whether a service that counts the classes of the pool as one could not have given it.
    pub(super) fn proves_separate_windows(&mut self, answer: &AnsweredRequest, limits: &RateLimits) -> bool {
        if !answer.accepted || self.is_unreliable {
            return false;
        }
        self.answers += 1;
        let call = AcceptedRequest {
            class: answer.class,
            sent: answer.sent,
            answered: answer.answered,
            sequence: self.answers,
        };
        self.prune(call.answered);
        let refuted = self.compare_with_first(answer, call, limits).unwrap_or(false);
        self.accepted_requests.push(call);
        refuted
    }

    /// Holds the answer to the first one about the same window, or keeps it as the first.
    fn compare_with_first(
        &mut self,
        answer: &AnsweredRequest,
        call: AcceptedRequest,
        limits: &RateLimits,
    ) -> Option<bool> {
        let (limit, remaining) = (answer.headers.limit?, answer.headers.remaining?);
        // Less than nothing is never said, so that nothing says little.
        if remaining == 0 {
            return None;
        }
        let window = unambiguous_window(limit, call.class, limits)?;
        let ends = answer.reset?;
        // Whole seconds, which a service may have rounded up.
        if ends >= later(later(call.answered, window.span()), SignedDuration::from_secs(1)) {
            return None;
        }
        // By the service's clock, which says of one window the same each time.
        let key = (limit, answer.headers.reset?);
        // Whatever the reset means, calls older than the window are not in it.
        let known = self.first_answers.get(&key).copied();
        let known = known.filter(|first| later(first.request.sent, window.span()) > call.answered);
        let Some(first) = known else {
            self.first_answers.insert(
                key,
                FirstAnswer {
                    request: call,
                    remaining,
                    ends_at: ends,
                },
            );
            return None;
        };
        // A call that was under way when the first answer came may have been counted before it.
        if call.sent < first.request.answered {
            return None;
        }
        let between = || {
            let made = self
                .accepted_requests
                .iter()
                .filter(|made| made.sequence > first.request.sequence);
            made.filter(|made| made.sent >= first.request.answered && made.answered <= call.sent)
        };
        let count = u64::try_from(between().count()).ok()?;
        // Both: the first bears with older calls that leave a rolling window meanwhile, the second with a service
        // that does not count the answered call itself yet.
        let too_many_of_limit = remaining.saturating_add(count).saturating_add(2) > limit;
        let too_many_since_first = remaining.saturating_add(count).saturating_add(1) > first.remaining;
        let refuted = too_many_of_limit && too_many_since_first;
        let is_mixed = first.request.class != call.class || between().any(|made| made.class != call.class);
        self.is_unreliable |= refuted && !is_mixed;
        Some(refuted && is_mixed)
    }

    /// Drops what no later answer can be held to.
    fn prune(&mut self, now: Timestamp) {
        self.first_answers.retain(|_, first| first.ends_at > now);
        let oldest = self
            .first_answers
            .values()
            .map(|first| first.request.sequence)
            .min();
        let oldest = oldest.unwrap_or(u64::MAX);
        self.accepted_requests.retain(|made| made.sequence >= oldest);
    }
}

/// The window of `class` whose count is `limit`; none when another window of the pool has the same count, since two
/// answers may then speak of different windows.
fn unambiguous_window(limit: u64, class: EndpointClass, limits: &RateLimits) -> Option<Window> {
    let counted = |window: &&Window| u64::try_from(window.count()) == Ok(limit);
    let window = *limits.windows(class).iter().find(counted)?;
    let mut all = LIST_AND_CREATE
        .iter()
        .flat_map(|class| limits.windows(*class).iter().filter(counted));
    all.all(|other| *other == window).then_some(window)
}
