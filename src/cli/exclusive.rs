//! Commands that change a ledger: one at a time.

use super::failure::{Failure, Kind};
use super::holder;
use super::output::Output;
use crate::api::{Clock, Stopper, SystemClock};
use crate::ledger::{ConfiguredStore, Lock};
use crate::session::{Claim, HeldLock, LockError, Notes};
use jiff::SignedDuration;

/// Who wants to be alone, and for how long somebody else is waited for.
pub(super) struct Turn<'a> {
    /// What the ledger calls this run.
    pub(super) run: &'a str,
    /// What is run, such as `segctl apply`.
    pub(super) command: &'static str,
    /// For how long a lock that somebody else holds is waited for.
    pub(super) timeout: SignedDuration,
}

/// A ledger that nobody else changes.
pub(super) struct LockedLedger<'a> {
    store: &'a ConfiguredStore,
    output: Output,
    held: HeldLock,
}

impl<'a> LockedLedger<'a> {
    /// Takes the ledger's lock.
    ///
    /// # Errors
    ///
    /// Somebody else holds it for longer than is waited, or it cannot be written.
    pub(super) async fn take(
        store: &'a ConfiguredStore,
        turn: Turn<'_>,
        output: Output,
    ) -> Result<Self, Failure> {
        let now = SystemClock.now();
        let claim = Claim {
            lock: Lock::taken(turn.run, turn.command, holder::this(), now),
            timeout: turn.timeout,
            is_gone: &holder::is_gone,
        };
        let held = HeldLock::take((store, &SystemClock), claim, &notes(output)).await?;
        Ok(Self { store, output, held })
    }

    /// Does `work`, and gives the lock back; `stopper` is told where it is lost before.
    pub(super) async fn run<A>(self, work: impl Future<Output = A>, stopper: &Stopper) -> A {
        let notes = notes(self.output);
        let told: (&Notes, _) = (&notes, stopper);
        let done = self.held.during((self.store, &SystemClock), work, told).await;
        if let Err(error) = self.held.give_back(self.store).await {
            notes(format!("the ledger stays locked for a while: {error}"));
        }
        done
    }
}

fn notes(output: Output) -> impl Fn(String) + Send + Sync {
    move |note| output.line(&format!("note: {note}"))
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(_) => Self::caused(Kind::Lock, &error)
                .with_help("wait for it with --lock-timeout, such as --lock-timeout 10m")
                .with_help("if that run has ended, `segctl ledger unlock` takes the lock away"),
            LockError::Store(error) => error.into(),
        }
    }
}
