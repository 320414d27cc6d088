//! The state lock of a command: one command at a time changes a state.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::api::{CancelHandle, Clock, SystemClock};
use crate::state::{HeldLock, Lock, LockError, LockHolder, LockOptions, ProcessIdentity, StateStore};
use jiff::SignedDuration;

pub(super) struct LockRequest<'a> {
    pub(super) run_id: &'a str,
    /// Such as `segctl apply`.
    pub(super) command: &'static str,
    pub(super) timeout: SignedDuration,
}

/// A state that this process has locked.
pub(super) struct LockedState<'a> {
    output: Output,
    held: HeldLock<'a, SystemClock>,
}

impl<'a> LockedState<'a> {
    pub(super) async fn acquire(
        store: &'a StateStore,
        request: LockRequest<'_>,
        output: Output,
    ) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let holder = LockHolder::current();
        let options = LockOptions {
            lock: Lock::acquired(request.run_id, request.command, holder, now),
            timeout: request.timeout,
            has_exited: &ProcessIdentity::has_exited,
        };
        let on_note = move |note: String| output.print_note(note);
        let held = HeldLock::acquire(store, &SystemClock, options, &on_note).await?;
        Ok(Self { output, held })
    }

    /// Runs `work` and releases the lock. The loss of the lock cancels `cancel_handle`.
    pub(super) async fn run<A>(self, work: impl Future<Output = A>, cancel_handle: &CancelHandle) -> A {
        let output = self.output;
        let on_note = move |note: String| output.print_note(note);
        let result = self.held.run_while_held(work, &on_note, cancel_handle).await;
        if let Err(error) = self.held.release().await {
            output.print_note(format!("the state stays locked until its lease expires: {error}"));
        }
        result
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(_) => Self::from_error(FailureKind::Lock, &error)
                .with_help("wait for the lock with --lock-timeout, such as --lock-timeout 10m")
                .with_help("if that run has ended, remove the lock with `segctl state unlock`"),
            LockError::Store(error) => error.into(),
        }
    }
}
