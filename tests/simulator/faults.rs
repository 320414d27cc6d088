//! What goes wrong in a run: on the way to the service, at it, on the way back, and on the disk.

use super::disk::DiskFault;
use super::random::Random;

/// Which calls a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultScope {
    Any,
    Read,
    Listing,
    Write,
    Create,
    Update,
    Lifecycle,
    /// Calls about members and users.
    MemberLists,
}

/// A fault of some calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkFault {
    pub(crate) scope: FaultScope,
    /// How many of them go well before.
    pub(crate) skipped: usize,
    /// How many in a row do not.
    pub(crate) times: usize,
    pub(crate) fault: NetworkFaultKind,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkFaultKind {
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
    ResetBefore,
    /// The connection ends when the service has done it.
    ResetAfter,
    /// Nothing is ever heard, and nothing is done.
    TimeoutBefore,
    /// Nothing is ever heard, and it is done.
    TimeoutAfter,
    /// Nothing is heard, and it is done when nobody waits for it any more.
    DeliveredLate,
    /// The answer ends in its middle.
    Truncated,
    /// The answer is something else, and holds what was sent.
    MalformedResponse,
    /// The answer takes so many milliseconds, and comes.
    Slow { milliseconds: i64 },
    /// The call arrives twice.
    DeliveredTwice,
    /// The list is as it was so many writes before.
    StaleList { writes: usize },
    /// The service does not know the key for once.
    Unauthorized,
}

/// Draws the faults of one run.
pub(crate) fn draw_network_faults(random: &mut Random, has_lists: bool) -> Vec<NetworkFault> {
    let count = random.below(7);
    let faults = (0..count).map(|_| draw_network_fault(random));
    let mut faults: Vec<NetworkFault> = faults.collect();
    if has_lists {
        for fault in &mut faults {
            let is_of_lists =
                !matches!(fault.fault, NetworkFaultKind::StaleList { .. }) && random.percent(50);
            fault.scope = if is_of_lists {
                FaultScope::MemberLists
            } else {
                fault.scope
            };
        }
    }
    faults
}

fn draw_network_fault(random: &mut Random) -> NetworkFault {
    let on = [
        FaultScope::Any,
        FaultScope::Read,
        FaultScope::Listing,
        FaultScope::Write,
        FaultScope::Write,
        FaultScope::Create,
        FaultScope::Update,
        FaultScope::Lifecycle,
    ];
    let on = on[random.below(on.len())];
    let kind = draw_fault_kind(random);
    let on = match kind {
        NetworkFaultKind::StaleList { .. } => FaultScope::Listing,
        NetworkFaultKind::DeliveredTwice => [FaultScope::Create, FaultScope::Update][random.below(2)],
        NetworkFaultKind::DeliveredLate | NetworkFaultKind::ActiveLimit => FaultScope::Write,
        _ => on,
    };
    let times = match kind {
        NetworkFaultKind::FailedBefore { .. }
        | NetworkFaultKind::Unreachable
        | NetworkFaultKind::ResetBefore
            if random.percent(30) =>
        {
            random.below(8) + 1
        }
        NetworkFaultKind::StaleList { .. } | NetworkFaultKind::RateLimited { .. } => random.below(3) + 1,
        _ if random.percent(15) => random.below(4) + 1,
        _ => 1,
    };
    NetworkFault {
        scope: on,
        skipped: usize::try_from(random.skewed(5)).unwrap(),
        times,
        fault: kind,
    }
}

fn draw_fault_kind(random: &mut Random) -> NetworkFaultKind {
    let status = [500, 502, 503, 504][random.below(4)];
    match random.below(17) {
        0 => NetworkFaultKind::RateLimited {
            reset_in: random.percent(70).then(|| random.between(1, 90)),
        },
        1 => NetworkFaultKind::ActiveLimit,
        2 => NetworkFaultKind::FailedBefore { status },
        3 | 4 => NetworkFaultKind::FailedAfter { status },
        5 => NetworkFaultKind::Unreachable,
        6 => NetworkFaultKind::ResetBefore,
        7 | 8 => NetworkFaultKind::ResetAfter,
        9 => NetworkFaultKind::TimeoutBefore,
        10 => NetworkFaultKind::TimeoutAfter,
        11 => NetworkFaultKind::DeliveredLate,
        12 => NetworkFaultKind::Truncated,
        13 => NetworkFaultKind::MalformedResponse,
        14 => NetworkFaultKind::Slow {
            milliseconds: random.between(1_000, 59_000),
        },
        15 => NetworkFaultKind::DeliveredTwice,
        _ if random.percent(8) => NetworkFaultKind::Unauthorized,
        _ => NetworkFaultKind::StaleList {
            writes: random.below(5) + 1,
        },
    }
}

/// Draws the faults of the disk in one run: most runs have none.
pub(crate) fn draw_disk_faults(random: &mut Random) -> Vec<DiskFault> {
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
