//! The state lock: one run at a time changes the state.
//!
//! Two runs at once would each plan on what the other is about to change. A run acquires the lock before it reads, renews
//! its lease while it works, and releases the lock at its end. A holder that crashed is detected at once where its process
//! can be checked, and elsewhere when its lease has expired. Leases are compared by the clocks of the machines, which have
//! to agree within a minute.
//!
//! A run that was suspended beyond its lease, or that lost its lock, notices at its next change of the state. Such a change
//! precedes every write to MoEngage, which follows within seconds or is prepared again. A request that was in flight when
//! the lock was removed still arrives.

mod held;
mod process;

pub use held::{HeldLock, LockError, LockOptions};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long an unrenewed lock is held: longer than a short stall of a machine, and short for a pipeline that waits for a
/// crashed holder.
const LEASE_DURATION: SignedDuration = SignedDuration::from_mins(2);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    pub run: String,
    pub command: String,
    pub holder: LockHolder,
    pub acquired_at: Timestamp,
    pub lease_until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockHolder {
    pub user: String,
    pub host: String,
    /// `None` on systems without a lasting identity of processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
}

/// Identifies one process among all that ever ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessIdentity {
    /// The boot of the machine and the process table. Process ids are meaningless outside them.
    pub machine: String,
    pub id: u32,
    /// Its start time: process ids are reused.
    pub started: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    Keep,
    Remove,
    Put(Lock),
}

impl Lock {
    #[must_use]
    pub fn acquired(run: &str, command: &str, holder: LockHolder, now: Timestamp) -> Self {
        Self {
            run: run.to_owned(),
            command: command.to_owned(),
            holder,
            acquired_at: now,
            lease_until: lease_end(now),
        }
    }

    /// Whether both are one claim, renewed or not.
    #[must_use]
    pub fn is_same_claim(&self, other: &Self) -> bool {
        let renewed = Self {
            lease_until: other.lease_until,
            ..self.clone()
        };
        renewed == *other
    }

    /// Whether its holder has ended without releasing it. `has_exited` returns true only where it is certain.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, has_exited: impl Fn(&ProcessIdentity) -> bool) -> bool {
        self.lease_until < now || self.holder.process.as_ref().is_some_and(has_exited)
    }

    #[must_use]
    pub fn acquire(&self, held: Option<&Self>, has_exited: impl Fn(&ProcessIdentity) -> bool) -> LockChange {
        match held {
            Some(held) if !held.is_stale(self.acquired_at, has_exited) => LockChange::Keep,
            _ => LockChange::Put(self.clone()),
        }
    }

    #[must_use]
    pub fn renew(&self, held: Option<&Self>, now: Timestamp) -> LockChange {
        match held {
            Some(held) if held.is_same_claim(self) => LockChange::Put(Self {
                lease_until: lease_end(now),
                ..self.clone()
            }),
            _ => LockChange::Keep,
        }
    }

    #[must_use]
    pub fn release(&self, held: Option<&Self>) -> LockChange {
        match held {
            Some(held) if held.is_same_claim(self) => LockChange::Remove,
            _ => LockChange::Keep,
        }
    }
}

fn lease_end(now: Timestamp) -> Timestamp {
    now.saturating_add(LEASE_DURATION).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LockHolder { user, host, process } = &self.holder;
        write!(formatter, "`{}` of {user}@{host}", self.command)?;
        if let Some(process) = process {
            write!(formatter, ", process {}", process.id)?;
        }
        let since = self.acquired_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(formatter, ", run {}, since {since}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lock(run: &str, process: Option<u32>, second: i64) -> Lock {
        let process = process.map(|id| ProcessIdentity {
            machine: "one".to_owned(),
            id,
            started: "5".to_owned(),
        });
        let holder = LockHolder {
            user: "ada".to_owned(),
            host: "runner".to_owned(),
            process,
        };
        Lock::acquired(run, "segctl apply", holder, at(second))
    }

    #[test]
    fn a_free_or_stale_lock_can_be_acquired() {
        let desired = |second| lock("b", Some(2), second);
        let acquired = |second| LockChange::Put(desired(second));
        let (held, unknown) = (lock("a", Some(1), 0), lock("a", None, 0));
        let lease = LEASE_DURATION.as_secs();
        let table = [
            (None, 0, false, acquired(0)),
            (Some(&held), lease, false, LockChange::Keep),
            (Some(&held), lease + 1, false, acquired(lease + 1)),
            (Some(&held), 1, true, acquired(1)),
            (Some(&unknown), 1, true, LockChange::Keep),
            (Some(&unknown), lease + 1, true, acquired(lease + 1)),
        ];
        for (held, second, has_exited, expected) in table {
            let change = desired(second).acquire(held, |process| has_exited && process.id == 1);
            assert_eq!(change, expected, "{held:?} at {second}");
        }
    }

    #[test]
    fn only_the_holder_renews_and_releases_a_lock() {
        let (mine, other) = (lock("a", Some(1), 0), lock("b", Some(2), 0));
        let LockChange::Put(renewed) = mine.renew(Some(&mine), at(30)) else {
            panic!("the lock is held");
        };
        assert_eq!(renewed.lease_until, at(30 + LEASE_DURATION.as_secs()));
        assert!(renewed.is_same_claim(&mine) && renewed.acquired_at == mine.acquired_at);
        assert_eq!(mine.release(Some(&renewed)), LockChange::Remove);
        for held in [Some(&other), None] {
            assert_eq!(mine.renew(held, at(30)), LockChange::Keep);
            assert_eq!(mine.release(held), LockChange::Keep);
        }
    }

    #[test]
    fn a_lock_is_displayed_with_its_holder() {
        assert_eq!(
            lock("20261124T100000Z-7", Some(7), 0).to_string(),
            "`segctl apply` of ada@runner, process 7, run 20261124T100000Z-7, since 1970-01-01 00:00:00 UTC"
        );
    }
}
