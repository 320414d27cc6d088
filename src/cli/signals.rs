//! Ctrl-C and its like: the first lets a run finish what is under way, the second has it leave at once.

use super::failure::{Failure, Kind};
use super::output::Output;
use crate::api::{StopSignal, Stopper};
use std::io;
use std::sync::{Arc, OnceLock};

/// What a run listens to.
pub(super) struct Signals {
    /// Raised by the first signal, and where the ledger's lock is lost.
    pub(super) stop: StopSignal,
    /// Raises it.
    pub(super) stopper: Stopper,
    /// Raised by the second.
    leave: StopSignal,
    /// Which signal was the first.
    first: Arc<OnceLock<Kind>>,
}

impl Signals {
    /// Takes the signals from here on, in place of the death that they bring otherwise.
    ///
    /// # Errors
    ///
    /// The system does not let the program listen.
    pub(super) fn listen(output: Output) -> Result<Self, Failure> {
        let mut arriving = Arriving::new().map_err(|error| Failure::caused(Kind::Error, &error))?;
        let (stopper, stop) = Stopper::new();
        let (leaver, leave) = Stopper::new();
        let first = Arc::new(OnceLock::new());
        let told = Arc::clone(&first);
        let raising = stopper.clone();
        tokio::spawn(async move {
            let kind = arriving.next().await;
            told.get_or_init(|| kind);
            output.note("Stopping: what is under way is finished first. Once more leaves at once.\n");
            raising.stop();
            arriving.next().await;
            leaver.stop();
            // Both wishes stay raised for as long as anybody listens.
            std::future::pending::<()>().await;
        });
        Ok(Self {
            stop,
            stopper,
            leave,
            first,
        })
    }

    /// What kind of end it is where a signal ended the run, or the loss of the ledger's lock: the latter says that
    /// nothing was written, and where something was that counts for more.
    pub(super) fn kind(&self, has_written: bool) -> Kind {
        let of_lock = if has_written { Kind::Partial } else { Kind::Lock };
        self.first.get().copied().unwrap_or(of_lock)
    }

    /// What ended the run, in words.
    pub(super) fn cause(&self) -> &'static str {
        match self.first.get() {
            Some(_) => "a signal asked for it",
            None => "the ledger's lock was taken away",
        }
    }

    /// Runs `work` that writes nothing, and ends it with the first signal.
    ///
    /// # Errors
    ///
    /// A signal came first.
    pub(super) async fn or_stop<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        let done = tokio::select! {
            biased;
            () = self.stop.raised() => None,
            done = work => Some(done),
        };
        // Work hears of the signal, too, and may be the first to: then it ended for no reason of its own.
        done.filter(|_| !self.stop.is_raised()).ok_or_else(|| {
            let message = match self.first.get() {
                Some(_) => "the run was stopped; nothing was written",
                None => "the ledger's lock was taken away; nothing was written",
            };
            Failure::new(self.kind(false), message)
        })
    }

    /// Runs `work`, and leaves it where it stands with the second signal.
    ///
    /// # Errors
    ///
    /// A second signal came first.
    pub(super) async fn or_leave<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.leave.raised() => {
                let message = "left at once, with calls under way";
                Err(Failure::new(self.kind(true), message).with_help("run it again: it finds out what became of them first"))
            }
        }
    }
}

/// The signals that mean stop.
struct Arriving {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Arriving {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Kind {
        tokio::select! {
            _ = self.interrupt.recv() => Kind::Interrupted,
            _ = self.terminate.recv() => Kind::Terminated,
        }
    }
}

#[cfg(not(unix))]
impl Arriving {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> Kind {
        if tokio::signal::ctrl_c().await.is_err() {
            // Nothing can be heard: the run goes on to its end.
            std::future::pending::<()>().await;
        }
        Kind::Interrupted
    }
}

/// Has a write fail that makes a file larger than the process may make any: without this it ends the process without a
/// word. Where the system does not let that be, it stays as it was.
#[cfg(unix)]
pub(super) fn outlive_large_files() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, which has the same number on all but a few old architectures.
    const FILE_TOO_LARGE: i32 = 25;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        // Once taken, a signal is never given back, so that nobody needs to go on listening.
        runtime.block_on(async { drop(signal(SignalKind::from_raw(FILE_TOO_LARGE))) });
    }
}

#[cfg(not(unix))]
pub(super) fn outlive_large_files() {}
