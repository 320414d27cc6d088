//! What a step has done so far, and what an error then means for its outcome.

use super::run_report::StepOutcome;
use super::step_error::{StateError, StepError, StepResult, error_chain};
use super::upload_results::PendingUpload;
use super::{Applier, hints};
use crate::api::{ApiError, Clock, FetchedSegment, RemoteSegment, RequestError, Transport};
use crate::model::SegmentId;
use crate::plan::step::{Step, Target};
use crate::state::StateEntry;
use jiff::Timestamp;
use std::io;

/// The attempts of a write whose response was lost and that, when verified, had no effect. The waits before the
/// verifications add up to 15 s at most, plus five response timeouts.
pub(super) const MAX_ATTEMPTS: u32 = 5;

pub(super) struct StepRun<'s> {
    pub(super) step: &'s Step,
    /// MoEngage accepted a request.
    pub(super) has_written: bool,
    /// A request got no clear response and may have taken effect.
    pub(super) may_have_written: bool,
    /// The error of the last write that segctl sent again because its response was lost.
    pub(super) ambiguous_error: Option<RequestError>,
    /// When MoEngage last failed to answer a request that may still arrive, by its clock.
    pub(super) ambiguous_since: Option<Timestamp>,
    /// A read after the last request: it replaces the next re-read.
    pub(super) fetched: Option<FetchedSegment>,
    /// The segment was re-read as the plan read it. Steps with lists re-read it once.
    pub(super) is_rechecked: bool,
    /// The step unarchived its segment before the update.
    pub(super) was_unarchived: bool,
    /// The step unarchived an unmanaged segment and could not archive it again: its intent stays in the journal.
    pub(super) is_left_unarchived: bool,
    /// The segment before its update.
    pub(super) before: Option<SegmentBefore>,
    pub(super) pending_upload: Option<PendingUpload>,
}

#[derive(Clone)]
pub(super) struct SegmentBefore {
    pub(super) segment: RemoteSegment,
    /// Its entry in the state.
    pub(super) entry: Option<StateEntry>,
}

impl<'s> StepRun<'s> {
    pub(super) fn new(step: &'s Step) -> Self {
        Self {
            step,
            has_written: false,
            may_have_written: false,
            ambiguous_error: None,
            ambiguous_since: None,
            fetched: None,
            is_rechecked: false,
            was_unarchived: false,
            is_left_unarchived: false,
            before: None,
            pending_upload: None,
        }
    }

    /// The segment that a step with a list re-reads before its first request. A cohort that no list shows cannot be read.
    pub(super) fn segment_to_recheck<'t>(&self, target: Option<&'t Target>) -> Option<&'t SegmentId> {
        let id = &target?.id;
        (!self.is_rechecked && !id.is_unlisted_cohort()).then_some(id)
    }

    pub(super) fn record_answer<A>(&mut self, result: &Result<A, RequestError>, now: Timestamp) {
        match result {
            Ok(_) => self.has_written = true,
            Err(error) => {
                self.may_have_written |= error.is_ambiguous_write();
                if error.may_still_be_processed() {
                    self.ambiguous_since = Some(now);
                }
            }
        }
    }

    pub(super) fn unarchive_note(&self) -> Option<String> {
        let note = "the segment was archived and had to be unarchived first";
        self.was_unarchived.then(|| note.to_owned())
    }

    /// The outcome of a step that ends the run, because segctl can record no further write.
    pub(super) fn state_error_outcome(&self, error: &StateError) -> StepOutcome {
        match error {
            StateError::AfterWrite(error) => StepOutcome::unknown(format!(
                "the write succeeded, but could not be recorded: {}",
                error_chain(error)
            )),
            StateError::BeforeWrite(error) if self.has_written || self.may_have_written => {
                StepOutcome::unknown(format!(
                    "the step may be partially applied: {}",
                    error_chain(error)
                ))
            }
            StateError::BeforeWrite(error) => {
                StepOutcome::failed(format!("nothing was written: {}", error_chain(error)))
            }
        }
    }

    /// Adds what the step did before a failure.
    pub(super) fn with_unarchive_note(&self, outcome: StepOutcome) -> StepOutcome {
        match (self.unarchive_note(), outcome) {
            (Some(note), StepOutcome::Failed { message }) => {
                StepOutcome::failed(format!("{note}; then {message}"))
            }
            (Some(note), StepOutcome::NotAttempted) => {
                StepOutcome::failed(format!("{note}; then the run was stopped"))
            }
            (_, outcome) => outcome,
        }
    }
}

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    /// Gives a step that a request or a publication ended its outcome. If a response was lost before, the result is unknown.
    pub(super) fn resolve_error(
        &self,
        run: &StepRun<'_>,
        result: StepResult<StepOutcome>,
    ) -> Result<StepOutcome, StateError> {
        match (result, &run.ambiguous_error) {
            (Err(StepError::Request(error)), Some(lost)) => Ok(unverifiable(lost, &error)),
            (Err(StepError::Request(error)), None) => {
                Ok(run.with_unarchive_note(self.failed_request_outcome(&error)))
            }
            (Err(StepError::Publish(error)), lost) => Ok(publish_failed(&error, lost.as_ref())),
            (Err(StepError::State(error)), _) => Err(error),
            (Ok(outcome), _) => Ok(outcome),
        }
    }

    pub(super) fn failed_request_outcome(&self, error: &RequestError) -> StepOutcome {
        let message = error.to_string();
        if error.is_ambiguous_write() {
            StepOutcome::unknown(message)
        } else if matches!(error.kind, ApiError::Cancelled) || self.was_cancelled_before_retry(&error.kind) {
            StepOutcome::NotAttempted
        } else {
            StepOutcome::failed(match hints::hint(error, &self.options.api_behavior) {
                Some(hint) => format!("{message}; {hint}"),
                None => message,
            })
        }
    }

    /// Whether MoEngage rejected a request unprocessed and the run was cancelled before the retry.
    fn was_cancelled_before_retry(&self, error: &ApiError) -> bool {
        matches!(error, ApiError::RateLimited { .. }) && self.options.cancel_token.is_cancelled()
    }
}

/// No attempt of a write was answered, and as far as segctl could verify, none took effect.
pub(super) fn attempts_exhausted(attempts: u32, last: &RequestError) -> StepOutcome {
    StepOutcome::unknown(format!(
        "gave up after attempt {attempts} of {MAX_ATTEMPTS}; last error: {last}; plan again"
    ))
}

pub(super) fn unverifiable(write: &RequestError, read: &RequestError) -> StepOutcome {
    StepOutcome::unknown(format!(
        "{write}; the result could not be verified: {read}; plan again"
    ))
}

fn publish_failed(error: &io::Error, ambiguous_error: Option<&RequestError>) -> StepOutcome {
    let message = format!("the member list cannot be published: {error}");
    match ambiguous_error {
        Some(lost) => StepOutcome::unknown(format!("{lost}; then {message}")),
        None => StepOutcome::failed(message),
    }
}
