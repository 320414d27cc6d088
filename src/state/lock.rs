//! Who writes to a ledger: one run at a time.
//!
//! Two runs at once would each plan on what the other is about to change. A run takes the lock before it reads what it
//! plans from, holds it by a lease that it renews, and gives it back at its end. A holder that ended without a word is
//! found out at once where its process can be asked for, and elsewhere when its lease has run out. Leases are compared by
//! the clocks of the machines, which have to agree within a minute.
//!
//! A run that was suspended for longer than its lease, or whose lock was taken away by hand, finds that out at its next
//! change of the ledger. One is made before every write to the service, which follows it within seconds or not at all: a
//! write that had to wait, or whose process stood still, is made ready anew. What was just being sent when the lock went
//! away still arrives.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// For how long a lock is held without being renewed: long enough for a machine that stands still for a moment, and
/// short enough that a pipeline waits for a holder that died elsewhere.
const LEASE_DURATION: SignedDuration = SignedDuration::from_mins(2);

/// A claim to be the only one who writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Which run holds it, as its entries in the ledger say.
    pub run: String,
    /// What it does, such as `segctl apply`.
    pub command: String,
    /// Who runs it, and where.
    pub holder: LockHolder,
    /// When it was taken.
    pub acquired_at: Timestamp,
    /// Until when it is held at least.
    pub lease_until: Timestamp,
}

/// Who runs segctl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockHolder {
    /// The user's name.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process; `None` on systems that do not tell processes apart for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessIdentity>,
}

/// One process among all that ever ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessIdentity {
    /// The boot of the machine and the process table: ids mean nothing outside of it.
    pub machine: String,
    /// Its id.
    pub id: u32,
    /// When it was started: ids are used again.
    pub started: String,
}

/// What becomes of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockChange {
    /// It stays as it is.
    Keep,
    /// Nobody holds it.
    Remove,
    /// This one is held.
    Put(Lock),
}

impl Lock {
    /// A lock that is taken now.
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
        let Self {
            run,
            command,
            holder,
            acquired_at: taken_at,
            lease_until: _,
        } = self;
        (run, command, holder, taken_at) == (&other.run, &other.command, &other.holder, &other.acquired_at)
    }

    /// Whether its holder has ended without giving it back. `is_gone` answers for a process, and only where it is sure.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp, has_exited: impl Fn(&ProcessIdentity) -> bool) -> bool {
        self.lease_until < now || self.holder.process.as_ref().is_some_and(has_exited)
    }

    /// Takes it where nobody holds `held`.
    #[must_use]
    pub fn acquire(&self, held: Option<&Self>, has_exited: impl Fn(&ProcessIdentity) -> bool) -> LockChange {
        match held {
            Some(held) if !held.is_stale(self.acquired_at, has_exited) => LockChange::Keep,
            _ => LockChange::Put(self.clone()),
        }
    }

    /// Renews it where it is still held.
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

    /// Gives it back where it is still held.
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
        let wanted = |second| lock("b", Some(2), second);
        let taken = |second| LockChange::Put(wanted(second));
        let (held, unknown) = (lock("a", Some(1), 0), lock("a", None, 0));
        let lease = LEASE_DURATION.as_secs();
        let table = [
            (None, 0, false, taken(0)),
            (Some(&held), lease, false, LockChange::Keep),
            (Some(&held), lease + 1, false, taken(lease + 1)),
            (Some(&held), 1, true, taken(1)),
            (Some(&unknown), 1, true, LockChange::Keep),
            (Some(&unknown), lease + 1, true, taken(lease + 1)),
        ];
        for (held, second, is_gone, expected) in table {
            let change = wanted(second).acquire(held, |process| is_gone && process.id == 1);
            assert_eq!(change, expected, "{held:?} at {second}");
        }
    }

    #[test]
    fn only_the_holder_renews_and_releases_a_lock() {
        let (mine, other) = (lock("a", Some(1), 0), lock("b", Some(2), 0));
        let LockChange::Put(renewed) = mine.renew(Some(&mine), at(30)) else {
            panic!("it is held");
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
