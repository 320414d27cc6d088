//! SIGINT, SIGTERM and SIGHUP: the first finishes running operations, the second exits immediately.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::api::{CancelHandle, CancelToken};
use std::io;
use std::sync::{Arc, OnceLock};

pub(super) struct Signals {
    /// Cancelled by the first signal, and by the loss of the state lock.
    pub(super) cancel_token: CancelToken,
    pub(super) cancel_handle: CancelHandle,
    /// Cancelled by the second signal.
    kill_token: CancelToken,
    first_signal: Arc<OnceLock<FailureKind>>,
}

impl Signals {
    /// Handles the signals from here on. By default they would kill the process.
    pub(super) fn listen(output: Output) -> Result<Self, Failure> {
        let mut signals =
            SignalStream::new().map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
        let (cancel_handle, cancel_token) = CancelHandle::new();
        let (kill_handle, kill_token) = CancelHandle::new();
        let first_signal = Arc::new(OnceLock::new());
        let (first, cancel) = (Arc::clone(&first_signal), cancel_handle.clone());
        tokio::spawn(async move {
            let kind = signals.next().await;
            first.get_or_init(|| kind);
            output.print_status(
                "Interrupt received. Finishing running operations; press Ctrl-C again to exit now.\n",
            );
            cancel.cancel();
            signals.next().await;
            kill_handle.cancel();
        });
        Ok(Self {
            cancel_token,
            cancel_handle,
            kill_token,
            first_signal,
        })
    }

    /// The failure of a run that was cancelled by a signal or by the loss of the state lock. `Lock` means that the run
    /// wrote nothing.
    pub(super) fn failure_kind(&self, has_written: bool) -> FailureKind {
        let lock_lost = if has_written {
            FailureKind::Partial
        } else {
            FailureKind::Lock
        };
        self.first_signal.get().copied().unwrap_or(lock_lost)
    }

    pub(super) fn stop_reason(&self) -> &'static str {
        match self.first_signal.get() {
            Some(FailureKind::Interrupted) => "interrupted by SIGINT",
            Some(FailureKind::HungUp) => "interrupted by SIGHUP",
            Some(_) => "interrupted by SIGTERM",
            None => "the state lock was lost",
        }
    }

    /// Runs `work` that writes nothing. The first signal ends it.
    pub(super) async fn until_cancelled<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        let done = tokio::select! {
            biased;
            () = self.cancel_token.cancelled() => None,
            done = work => Some(done),
        };
        // The work also sees the signal, and may end because of it.
        done.filter(|_| !self.cancel_token.is_cancelled())
            .ok_or_else(|| Failure::new(self.failure_kind(false), self.stop_reason()))
    }

    /// Runs `work`. The second signal ends it immediately.
    pub(super) async fn until_killed<A>(&self, work: impl Future<Output = A>) -> Result<A, Failure> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.kill_token.cancelled() => {
                Err(Failure::new(self.failure_kind(true), "exited with requests in flight")
                    .with_help("run the command again: it verifies the result of these requests first"))
            }
        }
    }
}

struct SignalStream {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// `None` if the process ignores SIGHUP, as under `nohup`: then the run outlives its terminal.
    #[cfg(unix)]
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl SignalStream {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_up() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    async fn next(&mut self) -> FailureKind {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => FailureKind::Interrupted,
            _ = self.terminate.recv() => FailureKind::Terminated,
            _ = hang_up => FailureKind::HungUp,
        }
    }
}

/// Whether the parent process made this one ignore SIGHUP. Only Linux shows it without unsafe code.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    /// The first bit of the mask is signal 1, which is SIGHUP.
    const HANG_UP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANG_UP != 0)
}

#[cfg(not(unix))]
impl SignalStream {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn next(&mut self) -> FailureKind {
        if tokio::signal::ctrl_c().await.is_err() {
            // The system delivers no signal, so the run cannot be cancelled.
            std::future::pending::<()>().await;
        }
        FailureKind::Interrupted
    }
}

/// Makes a write over the file size limit fail with an error. By default the signal kills the process without a message.
#[cfg(unix)]
pub(super) fn ignore_file_size_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ, which has the same number on all but a few old architectures.
    const SIGXFSZ: i32 = 25;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        // Tokio keeps the handler after the stream is dropped.
        runtime.block_on(async { drop(signal(SignalKind::from_raw(SIGXFSZ))) });
    }
}

#[cfg(not(unix))]
pub(super) fn ignore_file_size_signal() {}
