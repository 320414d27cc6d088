//! What an answer means for a step, and what a look says about a write that was not answered. Pure: calls are made
//! elsewhere.
//!
//! An answer that is not success is told apart by what it leaves open. One that was lost leaves open everything. A
//! refusal that names the segment itself, or says that nothing would change, may be the echo of a call that was
//! delivered twice: the first delivery did it. Any other refusal is what it says, unless an earlier call of the same
//! step was lost and the service was not even asked this time.

use crate::api::{ApiError, CallError};
use crate::model::{SegmentId, SegmentName};

/// What is there, between what was there before a write and what the write was to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It took effect.
    Done,
    /// It did not, so it may be tried again.
    NotDone,
    /// Something else is there than before the write or after it.
    Neither,
}

/// What to do after a write that was not answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Look what is there.
    Look,
    /// Ask for the same once more.
    Again,
    /// Take the segment out, and then write.
    TakeOut,
    /// It failed, and nothing was written.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// What came of a write, once it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// The workspace is as it should be: a lost write did it.
    Done,
    /// The workspace is as it should be, and the service had nothing to change.
    DoneAlready,
    /// Nothing came of it, so it may be made again.
    Again,
    /// The name is taken, and nobody who is listed has it.
    Hidden,
    /// Another segment has the name.
    Other,
    /// The refusal was what it said.
    Failed,
    /// Nobody can tell.
    Unknown,
}

/// Compares a definition: `is_wanted` and `is_as_before` say what is there now.
pub(super) fn definition(is_wanted: bool, is_as_before: bool) -> Verdict {
    match (is_wanted, is_as_before) {
        (true, _) => Verdict::Done,
        (false, true) => Verdict::NotDone,
        (false, false) => Verdict::Neither,
    }
}

/// What to do after a create; `was_lost` where an earlier one of the step was not answered.
pub(super) fn after_create(error: &CallError, name: &SegmentName, was_lost: bool) -> Next {
    let is_own = matches!(&error.kind,
        ApiError::DefinitionTaken { existing_name: Some(holder), .. } if holder == name);
    if error.is_ambiguous_write() || is_own || matches!(error.kind, ApiError::NameTaken { .. }) {
        Next::Look
    } else if was_lost && !error.tells_of_segment() {
        Next::Unknown
    } else {
        Next::Failed
    }
}

/// What came of a create, by the listed segment of its name, if there is one: whether it has the definition sent.
pub(super) fn create(error: &CallError, found: Option<bool>) -> Came {
    let is_lost = error.is_ambiguous_write();
    match found {
        Some(true) if is_lost => Came::Done,
        Some(true) => Came::DoneAlready,
        Some(false) => Came::Other,
        None if matches!(error.kind, ApiError::NameTaken { .. }) => Came::Hidden,
        // Lists may lag: that none shows it is no proof that none was made. The name is unique, so that a second try
        // can be refused and never doubled.
        None => Came::Again,
    }
}

/// What to do after an update of `id`; `may_take_out` where it was not taken out for this step yet, `was_lost` where an
/// earlier call of the step was not answered.
pub(super) fn after_update(
    error: &CallError,
    id: &SegmentId,
    (may_take_out, was_lost): (bool, bool),
) -> Next {
    match &error.kind {
        _ if error.is_ambiguous_write() => Next::Look,
        ApiError::DefinitionTaken {
            existing_id: Some(holder),
            ..
        } if holder == id => Next::Look,
        // Nobody says who has it: it may be what the earlier call made of this segment, which arrived meanwhile.
        ApiError::NameTaken { .. }
        | ApiError::DefinitionTaken {
            existing_id: None, ..
        } if was_lost => Next::Look,
        ApiError::Refused { status: 400, .. } => Next::Look,
        // Archived since the plan, or archived and listed all the same; or it is forbidden for another reason.
        ApiError::Forbidden { .. } if may_take_out => Next::TakeOut,
        _ => Next::Failed,
    }
}

/// What came of an update, by what is there.
pub(super) fn update(error: &CallError, found: Verdict) -> Came {
    match (error.is_ambiguous_write(), found) {
        (true, Verdict::Done) => Came::Done,
        (true, Verdict::NotDone) => Came::Again,
        (true, Verdict::Neither) => Came::Unknown,
        (false, Verdict::Done) => Came::DoneAlready,
        (false, Verdict::NotDone) => Came::Failed,
        // The refusal may be the echo of a call that was delivered twice and that somebody has changed since.
        (false, Verdict::Neither) => Came::Unknown,
    }
}

/// What to do after a segment was to be put away or taken out; `was_lost` where an earlier call of the step was not
/// answered.
///
/// What is so already is asked for once more without harm, and the answer says more than a list could, which may lag.
pub(super) fn after_lifecycle(error: &CallError, was_lost: bool) -> Next {
    match error.kind {
        _ if error.is_ambiguous_write() => Next::Again,
        // The segment was there a moment ago and the call is well formed, so a service that refuses it means that the
        // segment is so already. Where the list can tell, it has to agree.
        ApiError::Refused { status: 400, .. } => Next::Look,
        _ if was_lost => Next::Unknown,
        _ => Next::Failed,
    }
}

/// What came of a change of the lifecycle that was refused; `is_so` where the segment is as it was to be.
pub(super) fn lifecycle(is_so: bool, was_lost: bool) -> Came {
    match (is_so, was_lost) {
        (true, true) => Came::Done,
        (true, false) => Came::DoneAlready,
        (false, true) => Came::Unknown,
        (false, false) => Came::Failed,
    }
}

#[cfg(test)]
mod tests;
