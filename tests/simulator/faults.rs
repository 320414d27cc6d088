//! Draws the faults of a run, in the network, the service and the disk.

use super::disk::DiskFault;
use super::random::Random;

/// The requests that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultScope {
    Any,
    Read,
    Listing,
    Write,
    Create,
    Update,
    Lifecycle,
    /// Requests that change members or users.
    MemberLists,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NetworkFault {
    pub(crate) scope: FaultScope,
    /// How many matching requests succeed before it.
    pub(crate) skipped: usize,
    /// How many matching requests fail in a row.
    pub(crate) times: usize,
    pub(crate) fault: NetworkFaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkFaultKind {
    /// Status 429, with the seconds until the window resets or without them.
    RateLimited { reset_in: Option<i64> },
    /// The response reports that too many segments are active.
    ActiveLimit,
    /// The service reports an error and has done nothing.
    FailedBefore { status: u16 },
    /// The service reports an error after it has done the write.
    FailedAfter { status: u16 },
    /// The connection fails.
    Unreachable,
    /// The connection is reset before the request arrives.
    ResetBefore,
    /// The connection is reset after the service has done the write.
    ResetAfter,
    /// No response, and the service does nothing.
    TimeoutBefore,
    /// No response, and the service does the write.
    TimeoutAfter,
    /// No response; the request arrives after the client has given up.
    DeliveredLate,
    /// The response is cut off.
    Truncated,
    /// The response is HTML that repeats the request's credentials.
    MalformedResponse,
    /// The response arrives after this time.
    Slow { milliseconds: i64 },
    /// The request arrives twice.
    DeliveredTwice,
    /// The listing lacks the last writes.
    StaleList { writes: usize },
    /// The service rejects the key once.
    Unauthorized,
}

pub(crate) fn draw_network_faults(random: &mut Random, has_lists: bool) -> Vec<NetworkFault> {
    let count = random.below(7);
    let faults = (0..count).map(|_| draw_network_fault(random));
    let mut faults: Vec<NetworkFault> = faults.collect();
    if has_lists {
        for fault in &mut faults {
            let is_for_lists =
                !matches!(fault.fault, NetworkFaultKind::StaleList { .. }) && random.percent(50);
            fault.scope = if is_for_lists {
                FaultScope::MemberLists
            } else {
                fault.scope
            };
        }
    }
    faults
}

fn draw_network_fault(random: &mut Random) -> NetworkFault {
    let scopes = [
        FaultScope::Any,
        FaultScope::Read,
        FaultScope::Listing,
        FaultScope::Write,
        FaultScope::Write,
        FaultScope::Create,
        FaultScope::Update,
        FaultScope::Lifecycle,
    ];
    let scope = scopes[random.below(scopes.len())];
    let kind = draw_fault_kind(random);
    let scope = match kind {
        NetworkFaultKind::StaleList { .. } => FaultScope::Listing,
        NetworkFaultKind::DeliveredTwice => [FaultScope::Create, FaultScope::Update][random.below(2)],
        NetworkFaultKind::DeliveredLate | NetworkFaultKind::ActiveLimit => FaultScope::Write,
        _ => scope,
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
        scope,
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

/// Most runs have no disk faults.
pub(crate) fn draw_disk_faults(random: &mut Random) -> Vec<DiskFault> {
    if random.percent(75) {
        return Vec::new();
    }
    let count = random.below(2) + 1;
    let fault = |random: &mut Random| DiskFault {
        after: usize::try_from(random.skewed(8)).unwrap(),
        times: if random.percent(30) {
            random.below(40) + 1
        } else {
            1
        },
        is_full: random.percent(50),
    };
    (0..count).map(|_| fault(random)).collect()
}
