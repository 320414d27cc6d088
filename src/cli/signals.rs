//! Ctrl-C and its like: the first lets a run finish what is under way, the second has it leave at once.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::api::{CancelHandle, CancelToken};
use std::io;
use std::sync::{Arc, OnceLock};

/// What a run listens to.
pub(super) struct Signals {
    /// Raised by the first signal, and where the ledger's lock is lost.
    pub(super) cancel_token: CancelToken,
    /// Raises it.
    pub(super) cancel_handle: CancelHandle,
    /// Raised by the second.
    kill_token: CancelToken,
    /// Which signal was the first.
    first_signal: Arc<OnceLock<FailureKind>>,
}

impl Signals {
    /// Takes the signals from here on, in place of the death that they bring otherwise.
    ///
    /// # Errors
    ///
    /// The system does not let the program listen.
    pub(super) fn listen(output: Output) -> Result<Self, Failure> {
        let mut arriving =
            SignalStream::new().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let (stopper, stop) = CancelHandle::new();
        let (leaver, leave) = CancelHandle::new();
        let first = Arc::new(OnceLock::new());
        let told = Arc::clone(&first);
        let raising = stopper.clone();
        tokio::spawn(async move {
            let kind = arriving.next().await;
            told.get_or_init(|| kind);
            output.print_status("Stopping: what is under way is finished first. Once more leaves at once.\n");
            raising.cancel();
            arriving.next().await;
            leaver.cancel();
            // Both wishes stay raised for as long as anybody listens.
            std::future::pending::<()>().await;
        });
        Ok(Self {
            cancel_token: stop,
            cancel_handle: stopper,
            kill_token: leave,
            first_signal: first,
        })
    }

    /// What kind of end it is where a signal ended the run, or the loss of the ledger's lock: the latter says that
    /// nothing was written, and where something was that counts for more.
    pub(super) fn failure_kind(&self, has_written: bool) -> FailureKind {
        let of_lock = if has_written {
            FailureKind::Partial
        } else {
            FailureKind::Lock
        };
        self.first_signal.get().copied().unwrap_or(of_lock)
    }

    /// What ended the run, in words.
    pub(super) fn stop_reason(&self) -> &'static str {
        match self.first_signal.get() {
            Some(_) => "a signal asked for it",
            None => "the ledger's lock was taken away",
        }
    }

    /// Runs `work` that writes nothing, and ends it with the first signal.
    ///
    /// # Errors
    ///
    /// A signal came first.
    pub(super) async fn until_cancelled<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        let done = tokio::select! {
            biased;
            () = self.cancel_token.cancelled() => None,
            done = work => Some(done),
        };
        // Work hears of the signal, too, and may be the first to: then it ended for no reason of its own.
        done.filter(|_| !self.cancel_token.is_cancelled()).ok_or_else(|| {
            let message = match self.first_signal.get() {
                Some(_) => "the run was stopped; nothing was written",
                None => "the ledger's lock was taken away; nothing was written",
            };
            Failure::new(self.failure_kind(false), message)
        })
    }

    /// Runs `work`, and leaves it where it stands with the second signal.
    ///
    /// # Errors
    ///
    /// A second signal came first.
    pub(super) async fn until_killed<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.kill_token.cancelled() => {
                let message = "left at once, with calls under way";
                Err(Failure::new(self.failure_kind(true), message).with_help("run it again: it finds out what became of them first"))
            }
        }
    }
}

/// The signals that mean stop.
struct SignalStream {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl SignalStream {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> FailureKind {
        tokio::select! {
            _ = self.interrupt.recv() => FailureKind::Interrupted,
            _ = self.terminate.recv() => FailureKind::Terminated,
        }
    }
}

#[cfg(not(unix))]
impl SignalStream {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> FailureKind {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nothing can be heard: the run goes on to its end.
            std::future::pending::<()>().await;
        }
        FailureKind::Interrupted
    }
}

/// Has a write fail that makes a file larger than the process may make any: without this it ends the process without a
/// word. Where the system does not let that be, it stays as it was.
#[cfg(unix)]
pub(super) fn ignore_file_size_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, which has the same number on all but a few old architectures.
    const SIGXFSZ: i32 = 25;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        // Once taken, a signal is never given back, so that nobody needs to go on listening.
        runtime.block_on(async { drop(signal(SignalKind::from_raw(SIGXFSZ))) });
    }
}

#[cfg(not(unix))]
pub(super) fn ignore_file_size_signal() {}
