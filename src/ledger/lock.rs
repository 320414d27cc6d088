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
const LEASE: SignedDuration = SignedDuration::from_mins(2);

/// A claim to be the only one who writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Which run holds it, as its entries in the ledger say.
    pub run: String,
    /// What it does, such as `segctl apply`.
    pub command: String,
    /// Who runs it, and where.
    pub holder: Holder,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Until when it is held at least.
    pub lease_until: Timestamp,
}

/// Who runs segctl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// The user's name.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process; `None` on systems that do not tell processes apart for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
}

/// One process among all that ever ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// The boot of the machine and the process table: ids mean nothing outside of it.
    pub machine: String,
    /// Its id.
    pub id: u32,
    /// When it was started: ids are used again.
    pub started: String,
}

/// What becomes of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
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
    pub fn taken(run: &str, command: &str, holder: Holder, now: Timestamp) -> Self {
        Self {
            run: run.to_owned(),
            command: command.to_owned(),
            holder,
            taken_at: now,
            lease_until: leased(now),
        }
    }

    /// Whether both are one claim, renewed or not.
    #[must_use]
    pub fn is_claim_of(&self, other: &Self) -> bool {
        let Self {
            run,
            command,
            holder,
            taken_at,
            lease_until: _,
        } = self;
        (run, command, holder, taken_at) == (&other.run, &other.command, &other.holder, &other.taken_at)
    }

    /// Whether its holder has ended without giving it back. `is_gone` answers for a process, and only where it is sure.
    #[must_use]
    pub fn is_abandoned(&self, now: Timestamp, is_gone: impl Fn(&Process) -> bool) -> bool {
        self.lease_until < now || self.holder.process.as_ref().is_some_and(is_gone)
    }

    /// Takes it where nobody holds `held`.
    #[must_use]
    pub fn take(&self, held: Option<&Self>, is_gone: impl Fn(&Process) -> bool) -> Change {
        match held {
            Some(held) if !held.is_abandoned(self.taken_at, is_gone) => Change::Keep,
            _ => Change::Put(self.clone()),
        }
    }

    /// Renews it where it is still held.
    #[must_use]
    pub fn renew(&self, held: Option<&Self>, now: Timestamp) -> Change {
        match held {
            Some(held) if held.is_claim_of(self) => Change::Put(Self {
                lease_until: leased(now),
                ..self.clone()
            }),
            _ => Change::Keep,
        }
    }

    /// Gives it back where it is still held.
    #[must_use]
    pub fn give_back(&self, held: Option<&Self>) -> Change {
        match held {
            Some(held) if held.is_claim_of(self) => Change::Remove,
            _ => Change::Keep,
        }
    }
}

fn leased(now: Timestamp) -> Timestamp {
    now.saturating_add(LEASE).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { user, host, process } = &self.holder;
        write!(formatter, "`{}` of {user}@{host}", self.command)?;
        if let Some(process) = process {
            write!(formatter, ", process {}", process.id)?;
        }
        let since = self.taken_at.strftime("%Y-%m-%d %H:%M:%S UTC");
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
        let process = process.map(|id| Process {
            machine: "one".to_owned(),
            id,
            started: "5".to_owned(),
        });
        let holder = Holder {
            user: "ada".to_owned(),
            host: "runner".to_owned(),
            process,
        };
        Lock::taken(run, "segctl apply", holder, at(second))
    }

    #[test]
    fn it_is_taken_from_nobody_and_from_one_who_is_gone() {
        let wanted = |second| lock("b", Some(2), second);
        let taken = |second| Change::Put(wanted(second));
        let (held, unknown) = (lock("a", Some(1), 0), lock("a", None, 0));
        let lease = LEASE.as_secs();
        let table = [
            (None, 0, false, taken(0)),
            (Some(&held), lease, false, Change::Keep),
            (Some(&held), lease + 1, false, taken(lease + 1)),
            (Some(&held), 1, true, taken(1)),
            (Some(&unknown), 1, true, Change::Keep),
            (Some(&unknown), lease + 1, true, taken(lease + 1)),
        ];
        for (held, second, is_gone, expected) in table {
            let change = wanted(second).take(held, |process| is_gone && process.id == 1);
            assert_eq!(change, expected, "{held:?} at {second}");
        }
    }

    #[test]
    fn only_its_holder_renews_it_and_gives_it_back() {
        let (mine, other) = (lock("a", Some(1), 0), lock("b", Some(2), 0));
        let Change::Put(renewed) = mine.renew(Some(&mine), at(30)) else {
            panic!("it is held");
        };
        assert_eq!(renewed.lease_until, at(30 + LEASE.as_secs()));
        assert!(renewed.is_claim_of(&mine) && renewed.taken_at == mine.taken_at);
        assert_eq!(mine.give_back(Some(&renewed)), Change::Remove);
        for held in [Some(&other), None] {
            assert_eq!(mine.renew(held, at(30)), Change::Keep);
            assert_eq!(mine.give_back(held), Change::Keep);
        }
    }

    #[test]
    fn it_says_whose_it_is() {
        assert_eq!(
            lock("20261124T100000Z-7", Some(7), 0).to_string(),
            "`segctl apply` of ada@runner, process 7, run 20261124T100000Z-7, since 1970-01-01 00:00:00 UTC"
        );
    }
}
