//! What goes wrong in a run: on the way to the service, at it, on the way back, and on the disk.

use super::disk::DiskFault;
use super::random::Random;

/// Which calls a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Any,
    Read,
    List,
    Write,
    Create,
    Update,
    Lifecycle,
    /// Calls about members and users.
    Lists,
}

/// A fault of some calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkFault {
    pub(crate) on: On,
    /// How many of them go well before.
    pub(crate) after: usize,
    /// How many in a row do not.
    pub(crate) times: usize,
    pub(crate) kind: Kind,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The service says that it takes no more calls, and perhaps until when, in seconds.
    RateLimited { reset_in: Option<i64> },
    /// The service says that no more segments may be active.
    ActiveLimit,
    /// The service fails before it does anything.
    FailedBefore { status: u16 },
    /// The service does what it was asked and answers that it failed.
    FailedAfter { status: u16 },
    /// No connection comes about.
    Unreachable,
    /// The connection ends before the call is there.
    CutBefore,
    /// The connection ends when the service has done it.
    CutAfter,
    /// Nothing is ever heard, and nothing is done.
    SilentBefore,
    /// Nothing is ever heard, and it is done.
    SilentAfter,
    /// Nothing is heard, and it is done when nobody waits for it any more.
    Late,
    /// The answer ends in its middle.
    Truncated,
    /// The answer is something else, and holds what was sent.
    Garbage,
    /// The answer takes so many milliseconds, and comes.
    Slow { milliseconds: i64 },
    /// The call arrives twice.
    Twice,
    /// The list is as it was so many writes before.
    Stale { writes: usize },
    /// The service does not know the key for once.
    Unauthorized,
}

/// Draws the faults of one run.
pub(crate) fn network(random: &mut Random, has_lists: bool) -> Vec<NetworkFault> {
    let count = random.below(7);
    let faults = (0..count).map(|_| fault(random));
    let mut faults: Vec<NetworkFault> = faults.collect();
    if has_lists {
        for fault in &mut faults {
            let is_of_lists = !matches!(fault.kind, Kind::Stale { .. }) && random.percent(50);
            fault.on = if is_of_lists { On::Lists } else { fault.on };
        }
    }
    faults
}

fn fault(random: &mut Random) -> NetworkFault {
    let on = [
        On::Any,
        On::Read,
        On::List,
        On::Write,
        On::Write,
        On::Create,
        On::Update,
        On::Lifecycle,
    ];
    let on = on[random.below(on.len())];
    let kind = kind(random);
    let on = match kind {
        Kind::Stale { .. } => On::List,
        Kind::Twice => [On::Create, On::Update][random.below(2)],
        Kind::Late | Kind::ActiveLimit => On::Write,
        _ => on,
    };
    let times = match kind {
        Kind::FailedBefore { .. } | Kind::Unreachable | Kind::CutBefore if random.percent(30) => {
            random.below(8) + 1
        }
        Kind::Stale { .. } | Kind::RateLimited { .. } => random.below(3) + 1,
        _ if random.percent(15) => random.below(4) + 1,
        _ => 1,
    };
    NetworkFault {
        on,
        after: usize::try_from(random.skewed(5)).unwrap(),
        times,
        kind,
    }
}

fn kind(random: &mut Random) -> Kind {
    let status = [500, 502, 503, 504][random.below(4)];
    match random.below(17) {
        0 => Kind::RateLimited {
            reset_in: random.percent(70).then(|| random.between(1, 90)),
        },
        1 => Kind::ActiveLimit,
        2 => Kind::FailedBefore { status },
        3 | 4 => Kind::FailedAfter { status },
        5 => Kind::Unreachable,
        6 => Kind::CutBefore,
        7 | 8 => Kind::CutAfter,
        9 => Kind::SilentBefore,
        10 => Kind::SilentAfter,
        11 => Kind::Late,
        12 => Kind::Truncated,
        13 => Kind::Garbage,
        14 => Kind::Slow {
            milliseconds: random.between(1_000, 59_000),
        },
        15 => Kind::Twice,
        _ if random.percent(8) => Kind::Unauthorized,
        _ => Kind::Stale {
            writes: random.below(5) + 1,
        },
    }
}

/// Draws the faults of the disk in one run: most runs have none.
pub(crate) fn disk(random: &mut Random) -> Vec<DiskFault> {
    if random.percent(75) {
        return Vec::new();
    }
    let count = random.below(2) + 1;
    let fault = |random: &mut Random| DiskFault {
        after: usize::try_from(random.skewed(7)).unwrap(),
        times: if random.percent(30) {
            random.below(20) + 1
        } else {
            1
        },
        is_full: random.percent(50),
    };
    (0..count).map(|_| fault(random)).collect()
}
