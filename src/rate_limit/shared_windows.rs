//! Shows that MoEngage counts lists and creates together, against the documentation.
//!
//! Two answers show it: one that reports more requests in a window than segctl sent of its class, and one that rejects a
//! request for which the windows of its class have room. Both count only if the requests of the other class explain the
//! difference exactly. A client without this request log could cause the same difference by chance. Then segctl only waits
//! longer than necessary, until another answer proves that the windows are separate.

use super::{AnsweredRequest, LIST_AND_CREATE, RateLimiter};
use crate::model::EndpointClass;

/// `limiter` already counts the answered request, and still counts the classes separately.
pub(super) fn is_shown_by(answer: &AnsweredRequest, limiter: &RateLimiter) -> bool {
    let Some(other) = LIST_AND_CREATE.into_iter().find(|class| *class != answer.class) else {
        return false;
    };
    // With different limits, an answer about one class shows nothing about the other.
    if limiter.limits.windows(answer.class) != limiter.limits.windows(other) {
        return false;
    }
    if answer.rate_limited {
        return is_rejected_too_early(answer, other, limiter);
    }
    answer.accepted && reports_requests_of_both(answer, other, limiter).unwrap_or(false)
}

/// The window has room for the requests of the class, and none if those of the other class count, too.
fn is_rejected_too_early(answer: &AnsweredRequest, other: EndpointClass, limiter: &RateLimiter) -> bool {
    limiter.limits.windows(answer.class).iter().any(|window| {
        let used_by = |class| limiter.used_alone(class, *window, answer.answered);
        let own = used_by(answer.class).saturating_sub(1);
        own < window.count() && own.saturating_add(used_by(other)) >= window.count()
    })
}

fn reports_requests_of_both(
    answer: &AnsweredRequest,
    other: EndpointClass,
    limiter: &RateLimiter,
) -> Option<bool> {
    let (limit, remaining) = (answer.headers.limit?, answer.headers.remaining?);
    let reset = answer.reset?;
    let mut windows = limiter.limits.windows(answer.class).iter();
    let window = *windows.find(|window| u64::try_from(window.count()) == Ok(limit))?;
    // Windows that are separate and rolling end at different moments.
    let reported = limiter.classes.get(&other)?.reported?;
    let is_same_end = reported.until.duration_until(reset).abs().as_secs() <= 1;
    let used = usize::try_from(limit.checked_sub(remaining)?).ok()?;
    let used_by = |class| limiter.used_alone(class, window, answer.answered);
    let own = used_by(answer.class);
    Some(is_same_end && own < used && used <= own.saturating_add(used_by(other)))
}
