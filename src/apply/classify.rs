//! What an answer means for a step, and what a look says about a write that was not answered. Pure: calls are made
//! elsewhere.
//!
//! An answer that is not success is told apart by what it leaves open. One that was lost leaves open everything. A
//! refusal that names the segment itself, or says that nothing would change, may be the echo of a call that was
//! delivered twice: the first delivery did it. Any other refusal is what it says, unless an earlier call of the same
//! step was lost and the service was not even asked this time.

use crate::api::{ApiError, RequestError};
use crate::model::{SegmentId, SegmentName};

/// What is there, between what was there before a write and what the write was to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It took effect.
    Applied,
    /// It did not, so it may be tried again.
    NotApplied,
    /// Something else is there than before the write or after it.
    Conflicting,
}

/// What to do after a write that was not answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextAction {
    /// Look what is there.
    Verify,
    /// Ask for the same once more.
    Retry,
    /// Take the segment out, and then write.
    UnarchiveFirst,
    /// It failed, and nothing was written.
    Fail,
    /// Nobody can tell.
    Unknown,
}

/// What came of a write, once it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// The workspace is as it should be: a lost write did it.
    Applied,
    /// The workspace is as it should be, and the service had nothing to change.
    AlreadyApplied,
    /// Nothing came of it, so it may be made again.
    Retry,
    /// The name is taken, and nobody who is listed has it.
    HiddenNameHolder,
    /// Another segment has the name.
    OtherNameHolder,
    /// The refusal was what it said.
    Rejected,
    /// Nobody can tell.
    Unknown,
}

/// Compares a definition: `is_wanted` and `is_as_before` say what is there now.
pub(super) fn definition_effect(is_desired: bool, is_unchanged: bool) -> Effect {
    match (is_desired, is_unchanged) {
        (true, _) => Effect::Applied,
        (false, true) => Effect::NotApplied,
        (false, false) => Effect::Conflicting,
    }
}

/// What to do after a create; `was_lost` where an earlier one of the step was not answered.
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

/// What came of a create, by the listed segment of its name, if there is one: whether it has the definition sent.
pub(super) fn resolve_create(error: &RequestError, found: Option<bool>) -> Resolution {
    let is_lost = error.is_ambiguous_write();
    match found {
        Some(true) if is_lost => Resolution::Applied,
        Some(true) => Resolution::AlreadyApplied,
        Some(false) => Resolution::OtherNameHolder,
        None if matches!(error.kind, ApiError::NameTaken { .. }) => Resolution::HiddenNameHolder,
        // Lists may lag: that none shows it is no proof that none was made. The name is unique, so that a second try
        // can be refused and never doubled.
        None => Resolution::Retry,
    }
}

/// What to do after an update of `id`; `may_take_out` where it was not taken out for this step yet, `was_lost` where an
/// earlier call of the step was not answered.
pub(super) fn next_after_update(
    error: &RequestError,
    id: &SegmentId,
    (may_unarchive, had_ambiguous_attempt): (bool, bool),
) -> NextAction {
    match &error.kind {
        _ if error.is_ambiguous_write() => NextAction::Verify,
        ApiError::DefinitionTaken {
            existing_id: Some(holder),
            ..
        } if holder == id => NextAction::Verify,
        // Nobody says who has it: it may be what the earlier call made of this segment, which arrived meanwhile.
        ApiError::NameTaken { .. }
        | ApiError::DefinitionTaken {
            existing_id: None, ..
        } if had_ambiguous_attempt => NextAction::Verify,
        ApiError::Refused { status: 400, .. } => NextAction::Verify,
        // Archived since the plan, or archived and listed all the same; or it is forbidden for another reason.
        ApiError::NotUpdatable { .. } if may_unarchive => NextAction::UnarchiveFirst,
        _ => NextAction::Fail,
    }
}

/// What came of an update, by what is there.
pub(super) fn resolve_update(error: &RequestError, effect: Effect) -> Resolution {
    match (error.is_ambiguous_write(), effect) {
        (true, Effect::Applied) => Resolution::Applied,
        (true, Effect::NotApplied) => Resolution::Retry,
        (true, Effect::Conflicting) => Resolution::Unknown,
        (false, Effect::Applied) => Resolution::AlreadyApplied,
        (false, Effect::NotApplied) => Resolution::Rejected,
        // The refusal may be the echo of a call that was delivered twice and that somebody has changed since.
        (false, Effect::Conflicting) => Resolution::Unknown,
    }
}

/// What to do after a segment was to be put away or taken out; `was_lost` where an earlier call of the step was not
/// answered.
///
/// What is so already is asked for once more without harm, and the answer says more than a list could, which may lag.
pub(super) fn next_after_lifecycle(error: &RequestError, had_ambiguous_attempt: bool) -> NextAction {
    match error.kind {
        _ if error.is_ambiguous_write() => NextAction::Retry,
        // The segment was there a moment ago and the call is well formed, so a service that refuses it means that the
        // segment is so already. Where the list can tell, it has to agree.
        ApiError::Refused { status: 400, .. } => NextAction::Verify,
        _ if had_ambiguous_attempt => NextAction::Unknown,
        _ => NextAction::Fail,
    }
}

/// What came of a change of the lifecycle that was refused; `is_so` where the segment is as it was to be.
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
