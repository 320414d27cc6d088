//! The lock of a ledger over time: waiting for it, and renewing it while work is done.

use super::NoteSink;
use crate::api::{CancelHandle, Clock};
use crate::state::{Lock, ProcessIdentity, StateStore, StoreError};
use futures_util::future::{Either, pending, select};
use jiff::{SignedDuration, Timestamp};
use std::convert::Infallible;
use std::pin::pin;
use std::{error, fmt};

/// How often a lock that somebody else holds is looked at: a run that waits begins a second late at the worst.
const POLL_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// How often a lease is renewed: three times may fail before it runs out.
const RENEWAL_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// A lock that this run holds.
#[derive(Debug)]
pub struct HeldLock(Lock);

/// How a lock is asked for.
pub struct LockOptions<'a> {
    /// What is taken.
    pub lock: Lock,
    /// For how long somebody else's lock is waited for.
    pub timeout: SignedDuration,
    /// Whether a process has ended, asked where it is sure.
    pub has_exited: &'a (dyn Fn(&ProcessIdentity) -> bool + Send + Sync),
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it.
    Held(Box<Lock>),
    /// It could not be read or written.
    Store(StoreError),
}

impl fmt::Display for LockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(lock) => write!(formatter, "the ledger is locked by {lock}"),
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

impl HeldLock {
    /// Takes the lock, after waiting for whoever holds it.
    ///
    /// # Errors
    ///
    /// It is still held when the time is up, or cannot be written.
    pub async fn acquire<S: StateStore, C: Clock>(
        (store, clock): (&S, &C),
        options: LockOptions<'_>,
        on_note: &NoteSink,
    ) -> Result<Self, LockError> {
        let LockOptions {
            mut lock,
            timeout,
            has_exited,
        } = options;
        let deadline = clock.now().saturating_add(timeout).unwrap_or(Timestamp::MAX);
        let mut has_reported_wait = false;
        loop {
            lock = Lock::acquired(&lock.run, &lock.command, lock.holder, clock.now());
            let before = store.change_lock(|held| lock.acquire(held, has_exited)).await?;
            let Some(held) = before else {
                return Ok(Self(lock));
            };
            if held.is_stale(lock.acquired_at, has_exited) {
                on_note(format!("the lock was left behind by {held}, which has ended"));
                return Ok(Self(lock));
            }
            let now = clock.now();
            if now >= deadline {
                return Err(LockError::Held(Box::new(held)));
            }
            if !has_reported_wait {
                let until = deadline.strftime("%H:%M:%S UTC");
                on_note(format!(
                    "waiting until {until} at most: the ledger is locked by {held}"
                ));
                has_reported_wait = true;
            }
            let next = now.saturating_add(POLL_INTERVAL).unwrap_or(Timestamp::MAX);
            clock.sleep_until(next.min(deadline)).await;
        }
    }

    /// Does `work` while the lock is kept from running out; where it is lost all the same, `stopper` is told, so that
    /// nothing waits any more for a write that must not be made.
    pub async fn run_while_held<S: StateStore, C: Clock, A>(
        &self,
        (store, clock): (&S, &C),
        work: impl Future<Output = A>,
        (on_note, stopper): (&NoteSink, &CancelHandle),
    ) -> A {
        let renewal = pin!(self.renew((store, clock), (on_note, stopper)));
        match select(pin!(work), renewal).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn renew<S: StateStore, C: Clock>(
        &self,
        (store, clock): (&S, &C),
        (on_note, stopper): (&NoteSink, &CancelHandle),
    ) -> Infallible {
        loop {
            let next = clock
                .now()
                .saturating_add(RENEWAL_INTERVAL)
                .unwrap_or(Timestamp::MAX);
            clock.sleep_until(next).await;
            let now = clock.now();
            match store.change_lock(|held| self.0.renew(held, now)).await {
                Ok(Some(held)) if held.is_same_claim(&self.0) => {}
                Ok(_) => {
                    on_note("the ledger's lock was taken away: no further write begins".to_owned());
                    // A write that is ready finds out by itself, before it is sent.
                    stopper.cancel();
                    return pending().await;
                }
                Err(error) => on_note(format!("the ledger's lock could not be renewed: {error}")),
            }
        }
    }

    /// Gives the lock back, unless somebody took it away.
    ///
    /// # Errors
    ///
    /// It cannot be written: it is free once its lease has run out.
    pub async fn release(self, store: &impl StateStore) -> Result<(), StoreError> {
        store.change_lock(|held| self.0.release(held)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{DirectoryStore, LockChange, LockHolder};
    use futures_util::future::poll_fn;
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;

    /// Time goes by when somebody waits for it, one wait at a time.
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

    async fn current_lock(store: &DirectoryStore) -> Option<Lock> {
        store.change_lock(|_| LockChange::Keep).await.unwrap()
    }

    /// Goes on until a moment of the clock.
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
        let (mine, other) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = SimulatedClock(Mutex::new(at(0)));
        let silent: &NoteSink = &|note| panic!("{note}");
        let lock = HeldLock::acquire((&mine, &clock), lock_options("a", 0), silent)
            .await
            .unwrap();
        let work = wait_until(&clock, at(1000));
        let (stopper, stop) = CancelHandle::new();
        lock.run_while_held((&mine, &clock), work, (silent, &stopper))
            .await;
        assert!(!stop.is_cancelled());
        assert!(current_lock(&other).await.unwrap().lease_until > at(1000));
        let refused = HeldLock::acquire((&other, &clock), lock_options("b", 0), silent).await;
        assert!(matches!(refused, Err(LockError::Held(lock)) if lock.run == "a"));
        lock.release(&mine).await.unwrap();
        assert_eq!(current_lock(&other).await, None);
    }

    #[tokio::test]
    async fn losing_the_lock_cancels_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let (mine, other) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = SimulatedClock(Mutex::new(at(0)));
        let (tell, told) = mpsc::channel();
        let tell: Box<NoteSink> = Box::new(move |note| tell.send(note).unwrap());
        let lock = HeldLock::acquire((&mine, &clock), lock_options("a", 0), &tell)
            .await
            .unwrap();
        other.change_lock(|_| LockChange::Remove).await.unwrap();
        let (stopper, stop) = CancelHandle::new();
        lock.run_while_held((&mine, &clock), stop.cancelled(), (&tell, &stopper))
            .await;
        assert!(clock.now() <= at(30), "{}", clock.now());
        assert!(told.recv().unwrap().contains("was taken away"));
    }

    #[tokio::test]
    async fn a_waiting_run_takes_over_an_expired_lock() {
        let directory = tempfile::tempdir().unwrap();
        let (gone, next) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = SimulatedClock(Mutex::new(at(0)));
        let silent: &NoteSink = &|note| panic!("{note}");
        HeldLock::acquire((&gone, &clock), lock_options("a", 0), silent)
            .await
            .unwrap();
        let (tell, told) = mpsc::channel();
        let tell: Box<NoteSink> = Box::new(move |note| tell.send(note).unwrap());
        let lock = HeldLock::acquire((&next, &clock), lock_options("b", 600), &tell)
            .await
            .unwrap();
        let taken_at = current_lock(&next).await.unwrap().acquired_at;
        assert!(at(120) < taken_at && taken_at <= at(122), "{taken_at}");
        let notes: Vec<String> = told.try_iter().collect();
        assert!(
            notes[0].starts_with("waiting until 00:10:00 UTC at most"),
            "{notes:?}"
        );
        assert!(notes[1].starts_with("the lock was left behind by"), "{notes:?}");
        // The first one writes nothing more, and does not give back what it does not hold.
        let refused = gone.append(&crate::state::State::default(), &[]).await;
        assert!(matches!(refused, Err(StoreError::LockLost { by: Some(lock) }) if lock.run == "b"));
        next.append(&crate::state::State::default(), &[]).await.unwrap();
        lock.release(&next).await.unwrap();
    }
}
