//! The lock of a ledger over time: waiting for it, and renewing it while work is done.

use super::Notes;
use crate::api::{Clock, Stopper};
use crate::ledger::{LedgerStore, Lock, Process, StoreError};
use futures_util::future::{Either, pending, select};
use jiff::{SignedDuration, Timestamp};
use std::convert::Infallible;
use std::pin::pin;
use std::{error, fmt};

/// How often a lock that somebody else holds is looked at: a run that waits begins a second late at the worst.
const POLL: SignedDuration = SignedDuration::from_secs(1);

/// How often a lease is renewed: three times may fail before it runs out.
const RENEWAL: SignedDuration = SignedDuration::from_secs(30);

/// A lock that this run holds.
#[derive(Debug)]
pub struct HeldLock(Lock);

/// How a lock is asked for.
pub struct Claim<'a> {
    /// What is taken.
    pub lock: Lock,
    /// For how long somebody else's lock is waited for.
    pub timeout: SignedDuration,
    /// Whether a process has ended, asked where it is sure.
    pub is_gone: &'a (dyn Fn(&Process) -> bool + Send + Sync),
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
    pub async fn take<S: LedgerStore, C: Clock>(
        (store, clock): (&S, &C),
        claim: Claim<'_>,
        on_note: &Notes,
    ) -> Result<Self, LockError> {
        let Claim {
            mut lock,
            timeout,
            is_gone,
        } = claim;
        let deadline = clock.now().saturating_add(timeout).unwrap_or(Timestamp::MAX);
        let mut is_told = false;
        loop {
            lock = Lock::taken(&lock.run, &lock.command, lock.holder, clock.now());
            let before = store.change_lock(|held| lock.take(held, is_gone)).await?;
            let Some(held) = before else {
                return Ok(Self(lock));
            };
            if held.is_abandoned(lock.taken_at, is_gone) {
                on_note(format!("the lock was left behind by {held}, which has ended"));
                return Ok(Self(lock));
            }
            let now = clock.now();
            if now >= deadline {
                return Err(LockError::Held(Box::new(held)));
            }
            if !is_told {
                let until = deadline.strftime("%H:%M:%S UTC");
                on_note(format!(
                    "waiting until {until} at most: the ledger is locked by {held}"
                ));
                is_told = true;
            }
            let next = now.saturating_add(POLL).unwrap_or(Timestamp::MAX);
            clock.sleep_until(next.min(deadline)).await;
        }
    }

    /// Does `work` while the lock is kept from running out; where it is lost all the same, `stopper` is told, so that
    /// nothing waits any more for a write that must not be made.
    pub async fn during<S: LedgerStore, C: Clock, A>(
        &self,
        (store, clock): (&S, &C),
        work: impl Future<Output = A>,
        (on_note, stopper): (&Notes, &Stopper),
    ) -> A {
        let renewal = pin!(self.renew((store, clock), (on_note, stopper)));
        match select(pin!(work), renewal).await {
            Either::Left((done, _)) => done,
            Either::Right((never, _)) => match never {},
        }
    }

    async fn renew<S: LedgerStore, C: Clock>(
        &self,
        (store, clock): (&S, &C),
        (on_note, stopper): (&Notes, &Stopper),
    ) -> Infallible {
        loop {
            let next = clock.now().saturating_add(RENEWAL).unwrap_or(Timestamp::MAX);
            clock.sleep_until(next).await;
            let now = clock.now();
            match store.change_lock(|held| self.0.renew(held, now)).await {
                Ok(Some(held)) if held.is_claim_of(&self.0) => {}
                Ok(_) => {
                    on_note("the ledger's lock was taken away: no further write begins".to_owned());
                    // A write that is ready finds out by itself, before it is sent.
                    stopper.stop();
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
    pub async fn give_back(self, store: &impl LedgerStore) -> Result<(), StoreError> {
        store.change_lock(|held| self.0.give_back(held)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Change, DirectoryStore, Holder};
    use futures_util::future::poll_fn;
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;

    /// Time goes by when somebody waits for it, one wait at a time.
    struct Waited(Mutex<Timestamp>);

    impl Clock for Waited {
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

    fn claim(run: &str, timeout: i64) -> Claim<'static> {
        let holder = Holder {
            user: "ada".to_owned(),
            host: "runner".to_owned(),
            process: None,
        };
        Claim {
            lock: Lock::taken(run, "segctl apply", holder, at(0)),
            timeout: SignedDuration::from_secs(timeout),
            is_gone: &|_| false,
        }
    }

    async fn held(store: &DirectoryStore) -> Option<Lock> {
        store.change_lock(|_| Change::Keep).await.unwrap()
    }

    /// Goes on until a moment of the clock.
    async fn until(clock: &Waited, moment: Timestamp) {
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
    async fn a_lock_is_renewed_for_as_long_as_the_work_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (mine, other) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = Waited(Mutex::new(at(0)));
        let silent: &Notes = &|note| panic!("{note}");
        let lock = HeldLock::take((&mine, &clock), claim("a", 0), silent)
            .await
            .unwrap();
        let work = until(&clock, at(1000));
        let (stopper, stop) = Stopper::new();
        lock.during((&mine, &clock), work, (silent, &stopper)).await;
        assert!(!stop.is_raised());
        assert!(held(&other).await.unwrap().lease_until > at(1000));
        let refused = HeldLock::take((&other, &clock), claim("b", 0), silent).await;
        assert!(matches!(refused, Err(LockError::Held(lock)) if lock.run == "a"));
        lock.give_back(&mine).await.unwrap();
        assert_eq!(held(&other).await, None);
    }

    #[tokio::test]
    async fn whoever_loses_the_lock_is_told_to_stop() {
        let directory = tempfile::tempdir().unwrap();
        let (mine, other) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = Waited(Mutex::new(at(0)));
        let (tell, told) = mpsc::channel();
        let tell: Box<Notes> = Box::new(move |note| tell.send(note).unwrap());
        let lock = HeldLock::take((&mine, &clock), claim("a", 0), &tell)
            .await
            .unwrap();
        other.change_lock(|_| Change::Remove).await.unwrap();
        let (stopper, stop) = Stopper::new();
        lock.during((&mine, &clock), stop.raised(), (&tell, &stopper))
            .await;
        assert!(clock.now() <= at(30), "{}", clock.now());
        assert!(told.recv().unwrap().contains("was taken away"));
    }

    #[tokio::test]
    async fn one_who_waits_takes_over_what_runs_out() {
        let directory = tempfile::tempdir().unwrap();
        let (gone, next) = (
            DirectoryStore::new(directory.path()),
            DirectoryStore::new(directory.path()),
        );
        let clock = Waited(Mutex::new(at(0)));
        let silent: &Notes = &|note| panic!("{note}");
        HeldLock::take((&gone, &clock), claim("a", 0), silent)
            .await
            .unwrap();
        let (tell, told) = mpsc::channel();
        let tell: Box<Notes> = Box::new(move |note| tell.send(note).unwrap());
        let lock = HeldLock::take((&next, &clock), claim("b", 600), &tell)
            .await
            .unwrap();
        let taken_at = held(&next).await.unwrap().taken_at;
        assert!(at(120) < taken_at && taken_at <= at(122), "{taken_at}");
        let notes: Vec<String> = told.try_iter().collect();
        assert!(
            notes[0].starts_with("waiting until 00:10:00 UTC at most"),
            "{notes:?}"
        );
        assert!(notes[1].starts_with("the lock was left behind by"), "{notes:?}");
        // The first one writes nothing more, and does not give back what it does not hold.
        let refused = gone.add(&crate::ledger::Ledger::default(), &[]).await;
        assert!(matches!(refused, Err(StoreError::LockLost { by: Some(lock) }) if lock.run == "b"));
        next.add(&crate::ledger::Ledger::default(), &[]).await.unwrap();
        lock.give_back(&next).await.unwrap();
    }
}
