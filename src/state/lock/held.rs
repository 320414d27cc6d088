//! Waits for the state lock, and renews it during a run.

use super::{Lock, ProcessIdentity};
use crate::api::{CancelHandle, Clock};
use crate::state::{NoteSink, StateStore, StoreError};
use futures_util::future::{Either, pending, select};
use jiff::{SignedDuration, Timestamp};
use std::convert::Infallible;
use std::pin::pin;
use std::{error, fmt};

const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Three renewals may fail before the lease expires.
const RENEWAL_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

pub struct HeldLock<'a, C> {
    lock: Lock,
    store: &'a StateStore,
    clock: &'a C,
}

pub struct LockOptions<'a> {
    pub lock: Lock,
    pub timeout: SignedDuration,
    pub has_exited: &'a (dyn Fn(&ProcessIdentity) -> bool + Send + Sync),
}

#[derive(Debug)]
pub enum LockError {
    Held(Box<Lock>),
    Store(StoreError),
}

impl fmt::Display for LockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(lock) => write!(formatter, "the state is locked by {lock}"),
            Self::Store(error) => error.fmt(formatter),
        }
    }
}

impl error::Error for LockError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Held(_) => None,
            Self::Store(error) => error.source(),
        }
    }
}

impl From<StoreError> for LockError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<'a, C: Clock> HeldLock<'a, C> {
    /// Acquires the lock, and waits for another holder until the timeout.
    pub async fn acquire(
        store: &'a StateStore,
        clock: &'a C,
        options: LockOptions<'_>,
        on_note: &NoteSink,
    ) -> Result<Self, LockError> {
        let (mut lock, has_exited) = (options.lock, options.has_exited);
        let deadline = clock.now().saturating_add(options.timeout);
        let deadline = deadline.unwrap_or(Timestamp::MAX);
        let mut has_reported_wait = false;
        loop {
            lock = Lock::acquired(&lock.run, &lock.command, lock.holder, clock.now());
            let before = store.change_lock(|held| lock.acquire(held, has_exited)).await?;
            let Some(held) = before else {
                return Ok(Self { lock, store, clock });
            };
            if held.is_stale(lock.acquired_at, has_exited) {
                on_note(format!("removed the stale state lock of {held}, which has ended"));
                return Ok(Self { lock, store, clock });
            }
            let now = clock.now();
            if now >= deadline {
                return Err(LockError::Held(Box::new(held)));
            }
            if !has_reported_wait {
                let until = deadline.strftime("%H:%M:%S UTC");
                on_note(format!(
                    "waiting until {until} at most: the state is locked by {held}"
                ));
                has_reported_wait = true;
            }
            let next = now.saturating_add(POLL_INTERVAL).unwrap_or(Timestamp::MAX);
            clock.sleep_until(next.min(deadline)).await;
        }
    }

    /// Runs `work` and renews the lock meanwhile. If the lock is lost, `canceller` ends all waits for further writes.
    pub async fn run_while_held<A>(
        &self,
        work: impl Future<Output = A>,
        on_note: &NoteSink,
        canceller: &CancelHandle,
    ) -> A {
        let renewal = pin!(self.renew(on_note, canceller));
        match select(pin!(work), renewal).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn renew(&self, on_note: &NoteSink, canceller: &CancelHandle) -> Infallible {
        let Self { lock, store, clock } = self;
        loop {
            let next = clock
                .now()
                .saturating_add(RENEWAL_INTERVAL)
                .unwrap_or(Timestamp::MAX);
            clock.sleep_until(next).await;
            let now = clock.now();
            match store.change_lock(|held| lock.renew(held, now)).await {
                Ok(Some(held)) if held.is_same_claim(lock) => {}
                Ok(_) => {
                    on_note("this run lost the state lock: it starts no further write".to_owned());
                    // A write that is ready checks the lock itself before it is sent.
                    canceller.cancel();
                    return pending().await;
                }
                Err(error) => on_note(format!("cannot renew the state lock: {error}")),
            }
        }
    }

    /// Releases the lock, unless another process removed it. After an error the lock expires with its lease.
    pub async fn release(self) -> Result<(), StoreError> {
        self.store.change_lock(|held| self.lock.release(held)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{LockChange, LockHolder};
    use futures_util::future::poll_fn;
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;

    struct SimulatedClock(Mutex<Timestamp>);

    impl Clock for SimulatedClock {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }

        async fn sleep_until(&self, moment: Timestamp) {
            tokio::task::yield_now().await;
            let mut now = self.0.lock().unwrap();
            *now = moment.max(*now);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lock_options(run: &str, timeout: i64) -> LockOptions<'static> {
        let holder = LockHolder {
            user: "ada".to_owned(),
            host: "runner".to_owned(),
            process: None,
        };
        LockOptions {
            lock: Lock::acquired(run, "segctl apply", holder, at(0)),
            timeout: SignedDuration::from_secs(timeout),
            has_exited: &|_| false,
        }
    }

    async fn current_lock(store: &StateStore) -> Option<Lock> {
        store.change_lock(|_| LockChange::Keep).await.unwrap()
    }

    async fn wait_until(clock: &SimulatedClock, moment: Timestamp) {
        poll_fn(|context| {
            context.waker().wake_by_ref();
            if clock.now() < moment {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_lock_is_renewed_while_the_work_runs() {
        let directory = tempfile::tempdir().unwrap();
        let store = || StateStore::in_directory(directory.path());
        let (mine, other) = (store(), store());
        let clock = SimulatedClock(Mutex::new(at(0)));
        let no_notes: &NoteSink = &|note| panic!("{note}");
        let lock = HeldLock::acquire(&mine, &clock, lock_options("a", 0), no_notes)
            .await
            .unwrap();
        let work = wait_until(&clock, at(1000));
        let (canceller, token) = CancelHandle::new();
        lock.run_while_held(work, no_notes, &canceller).await;
        assert!(!token.is_cancelled());
        assert!(current_lock(&other).await.unwrap().lease_until > at(1000));
        let error = HeldLock::acquire(&other, &clock, lock_options("b", 0), no_notes).await;
        assert!(matches!(error, Err(LockError::Held(lock)) if lock.run == "a"));
        lock.release().await.unwrap();
        assert_eq!(current_lock(&other).await, None);
    }

    #[tokio::test]
    async fn losing_the_lock_cancels_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let store = || StateStore::in_directory(directory.path());
        let (mine, other) = (store(), store());
        let clock = SimulatedClock(Mutex::new(at(0)));
        let (sender, notes) = mpsc::channel();
        let on_note: Box<NoteSink> = Box::new(move |note| sender.send(note).unwrap());
        let lock = HeldLock::acquire(&mine, &clock, lock_options("a", 0), &on_note)
            .await
            .unwrap();
        other.change_lock(|_| LockChange::Remove).await.unwrap();
        let (canceller, token) = CancelHandle::new();
        lock.run_while_held(token.cancelled(), &on_note, &canceller).await;
        assert!(clock.now() <= at(30), "{}", clock.now());
        assert!(notes.recv().unwrap().contains("lost the state lock"));
    }

    #[tokio::test]
    async fn a_waiting_run_takes_over_an_expired_lock() {
        let directory = tempfile::tempdir().unwrap();
        let store = || StateStore::in_directory(directory.path());
        let (crashed, next) = (store(), store());
        let clock = SimulatedClock(Mutex::new(at(0)));
        let no_notes: &NoteSink = &|note| panic!("{note}");
        HeldLock::acquire(&crashed, &clock, lock_options("a", 0), no_notes)
            .await
            .unwrap();
        let (sender, notes) = mpsc::channel();
        let on_note: Box<NoteSink> = Box::new(move |note| sender.send(note).unwrap());
        let lock = HeldLock::acquire(&next, &clock, lock_options("b", 600), &on_note)
            .await
            .unwrap();
        let acquired_at = current_lock(&next).await.unwrap().acquired_at;
        assert!(at(120) < acquired_at && acquired_at <= at(122), "{acquired_at}");
        let notes: Vec<String> = notes.try_iter().collect();
        assert!(
            notes[0].starts_with("waiting until 00:10:00 UTC at most"),
            "{notes:?}"
        );
        assert!(
            notes[1].starts_with("removed the stale state lock of"),
            "{notes:?}"
        );
        // The first holder cannot write any more.
        let error = crashed.append(&crate::state::State::default(), &[]).await;
        assert!(matches!(error, Err(StoreError::LockLost { by: Some(lock) }) if lock.run == "b"));
        next.append(&crate::state::State::default(), &[]).await.unwrap();
        lock.release().await.unwrap();
    }
}
