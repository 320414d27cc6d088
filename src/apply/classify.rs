//! What a response means for a step, and what a later read proves about an unanswered write. Pure: other modules send.
//!
//! A lost response leaves everything open. A request may be delivered twice: if a refusal names the segment itself, or
//! reports that nothing would change, the first delivery may have taken effect. Any other refusal is final, unless an
//! earlier request of the same step was lost and MoEngage did not process this one.

use crate::api::{ApiError, RequestError};
use crate::model::{SegmentId, SegmentName};

/// What a read shows after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Applied,
    NotApplied,
    /// The segment is neither as before the write nor as after it.
    Conflicting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    Verify,
    Retry,
    UnarchiveFirst,
    Fail,
    Unknown,
}

/// The result of a write after a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// An unanswered write took effect.
    Applied,
    /// MoEngage had nothing to change.
    AlreadyApplied,
    /// The write had no effect and may be sent again.
    Retry,
    /// The name is taken, and no listed segment has it.
    HiddenNameHolder,
    OtherNameHolder,
    Rejected,
    Unknown,
}

pub(super) fn definition_effect(is_desired: bool, is_unchanged: bool) -> Effect {
    match (is_desired, is_unchanged) {
        (true, _) => Effect::Applied,
        (false, true) => Effect::NotApplied,
        (false, false) => Effect::Conflicting,
    }
}

pub(super) fn next_after_create(
    error: &RequestError,
    name: &SegmentName,
    had_ambiguous_attempt: bool,
) -> NextAction {
    let is_own = matches!(&error.kind,
        ApiError::DefinitionTaken { existing_name: Some(holder), .. } if holder == name);
    if error.is_ambiguous_write() || is_own || matches!(error.kind, ApiError::NameTaken { .. }) {
        NextAction::Verify
    } else if had_ambiguous_attempt && !error.may_reflect_segment_state() {
        NextAction::Unknown
    } else {
        NextAction::Fail
    }
}

/// `found`: whether the listed segment of that name, if any, has the definition sent.
pub(super) fn resolve_create(error: &RequestError, found: Option<bool>) -> Resolution {
    match found {
        Some(true) if error.is_ambiguous_write() => Resolution::Applied,
        Some(true) => Resolution::AlreadyApplied,
        Some(false) => Resolution::OtherNameHolder,
        None if matches!(error.kind, ApiError::NameTaken { .. }) => Resolution::HiddenNameHolder,
        // The listing may lag, so a missing segment may still exist. Names are unique: a second create can be refused,
        // never doubled.
        None => Resolution::Retry,
    }
}

/// `may_unarchive`: the step has not unarchived the segment yet.
pub(super) fn next_after_update(
    error: &RequestError,
    id: &SegmentId,
    may_unarchive: bool,
    had_ambiguous_attempt: bool,
) -> NextAction {
    match &error.kind {
        _ if error.is_ambiguous_write() => NextAction::Verify,
        ApiError::DefinitionTaken {
            existing_id: Some(holder),
            ..
        } if holder == id => NextAction::Verify,
        // The error names no holder: it may be this segment, changed by an earlier request that has arrived meanwhile.
        ApiError::NameTaken { .. }
        | ApiError::DefinitionTaken {
            existing_id: None, ..
        } if had_ambiguous_attempt => NextAction::Verify,
        ApiError::Refused { status: 400, .. } => NextAction::Verify,
        // The segment is archived, or updates are forbidden for another reason.
        ApiError::NotUpdatable { .. } if may_unarchive => NextAction::UnarchiveFirst,
        _ if had_ambiguous_attempt && !error.may_reflect_segment_state() => NextAction::Unknown,
        _ => NextAction::Fail,
    }
}

pub(super) fn resolve_update(error: &RequestError, effect: Effect) -> Resolution {
    match (error.is_ambiguous_write(), effect) {
        (true, Effect::Applied) => Resolution::Applied,
        (true, Effect::NotApplied) => Resolution::Retry,
        (true, Effect::Conflicting) => Resolution::Unknown,
        (false, Effect::Applied) => Resolution::AlreadyApplied,
        (false, Effect::NotApplied) => Resolution::Rejected,
        // The refusal may answer the second delivery of a request, and the segment may have been edited since.
        (false, Effect::Conflicting) => Resolution::Unknown,
    }
}

/// What follows a request with a list. It changes nothing if it arrives twice, so it is sent again until it is answered.
/// `may_verify`: a read can show whether the request created the segment.
pub(super) fn next_after_list_request(
    error: &RequestError,
    may_verify: bool,
    had_ambiguous_attempt: bool,
) -> NextAction {
    match error.kind {
        _ if error.is_ambiguous_write() && may_verify => NextAction::Verify,
        _ if error.is_ambiguous_write() => NextAction::Retry,
        ApiError::NameTaken { .. } if may_verify => NextAction::Verify,
        _ if had_ambiguous_attempt => NextAction::Unknown,
        _ => NextAction::Fail,
    }
}

/// Archive and unarchive are idempotent. A retry proves more than a listing, which may lag.
pub(super) fn next_after_lifecycle(error: &RequestError, had_ambiguous_attempt: bool) -> NextAction {
    match error.kind {
        _ if error.is_ambiguous_write() => NextAction::Retry,
        // The segment existed a moment ago and the request is well-formed, so a refusal means that the segment is
        // already in that state. If the listing can show it, it must agree.
        ApiError::Refused { status: 400, .. } => NextAction::Verify,
        _ if had_ambiguous_attempt => NextAction::Unknown,
        _ => NextAction::Fail,
    }
}

pub(super) fn resolve_lifecycle(is_in_lifecycle: bool, had_ambiguous_attempt: bool) -> Resolution {
    match (is_in_lifecycle, had_ambiguous_attempt) {
        (true, true) => Resolution::Applied,
        (true, false) => Resolution::AlreadyApplied,
        (false, true) => Resolution::Unknown,
        (false, false) => Resolution::Rejected,
    }
}

#[cfg(test)]
mod tests;
