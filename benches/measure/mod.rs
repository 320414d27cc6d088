//! Measurements for the benchmarks.

use std::fs;
use std::time::{Duration, Instant};

/// The shortest time of several runs, because noise only adds time.
pub(crate) fn shortest_time(runs: usize, run: impl Fn()) -> Duration {
    let time = || {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..runs).map(|_| time()).min().unwrap_or_default()
}

/// The peak memory of a running process in MiB; `None` except on Linux, and after its end.
pub(crate) fn peak_memory(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
