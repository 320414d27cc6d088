//! Why a step ended without an outcome of its own.

use super::AbortReason;
use crate::api::RequestError;
use crate::state::StoreError;
use std::error::Error;
use std::io;

pub(super) type StepResult<A> = Result<A, StepError>;

pub(super) enum StepError {
    Request(RequestError),
    /// The list of a file segment cannot be published.
    Publish(io::Error),
    State(StateError),
}

/// segctl cannot record a write, and can record no further one.
pub(super) enum StateError {
    BeforeWrite(StoreError),
    AfterWrite(StoreError),
}

impl From<RequestError> for StepError {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::State(StateError::AfterWrite(error))
    }
}

impl From<StateError> for StepError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

impl StateError {
    pub(super) fn into_abort_reason(self) -> AbortReason {
        let (Self::BeforeWrite(error) | Self::AfterWrite(error)) = self;
        AbortReason::StateWriteFailed(error)
    }
}

pub(super) fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
