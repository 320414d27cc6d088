//! Commands that change a ledger: one at a time.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::process_identity;
use crate::api::{CancelHandle, Clock, SystemClock};
use crate::state::{ConfiguredStore, Lock};
use crate::state::{HeldLock, LockError, LockOptions, NoteSink};
use jiff::SignedDuration;

/// Who wants to be alone, and for how long somebody else is waited for.
pub(super) struct LockRequest<'a> {
    /// What the ledger calls this run.
    pub(super) run_id: &'a str,
    /// What is run, such as `segctl apply`.
    pub(super) command: &'static str,
    /// For how long a lock that somebody else holds is waited for.
    pub(super) timeout: SignedDuration,
}

/// A ledger that nobody else changes.
pub(super) struct LockedState<'a> {
    store: &'a ConfiguredStore,
    output: Output,
    held: HeldLock,
}

impl<'a> LockedState<'a> {
    /// Takes the ledger's lock.
    ///
    /// # Errors
    ///
    /// Somebody else holds it for longer than is waited, or it cannot be written.
    pub(super) async fn acquire(
        store: &'a ConfiguredStore,
        turn: LockRequest<'_>,
        output: Output,
    ) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let claim = LockOptions {
            lock: Lock::acquired(turn.run_id, turn.command, process_identity::current_holder(), now),
            timeout: turn.timeout,
            has_exited: &process_identity::has_exited,
        };
        let held = HeldLock::acquire((store, &SystemClock), claim, &note_printer(output)).await?;
        Ok(Self { store, output, held })
    }

    /// Does `work`, and gives the lock back; `stopper` is told where it is lost before.
    pub(super) async fn run<A>(self, work: impl Future<Output = A>, stopper: &CancelHandle) -> A {
        let notes = note_printer(self.output);
        let told: (&NoteSink, _) = (&notes, stopper);
        let done = self
            .held
            .run_while_held((self.store, &SystemClock), work, told)
            .await;
        if let Err(error) = self.held.release(self.store).await {
            notes(format!("the ledger stays locked for a while: {error}"));
        }
        done
    }
}

fn note_printer(output: Output) -> impl Fn(String) + Send + Sync {
    move |note| output.print_status_line(&format!("note: {note}"))
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(_) => Self::from_error(FailureKind::Lock, &error)
                .with_help("wait for it with --lock-timeout, such as --lock-timeout 10m")
                .with_help("if that run has ended, `segctl ledger unlock` takes the lock away"),
            LockError::Store(error) => error.into(),
        }
    }
}
