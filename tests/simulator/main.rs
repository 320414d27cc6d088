//! The simulator runs the real client, planner, executor and state against a simulated API, network, disk and clock.
//! A seed decides which of their operations fail. The same seed always gives the same run.
//!
//! - `cargo test --test simulator -- --seeds 10000` runs the seeds from 0; `--from K` starts at K.
//! - `--seed K` runs one seed and prints its trace.
//! - `--bugs` injects bugs and checks that each one is found.
//! - Without arguments, it runs the default seeds and then the bugs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failing test may panic and prints the reason"
)]

mod callbacks;
mod commands;
mod counted_requests;
mod declared_list;
mod disk;
mod executor;
mod expected_conflicts;
mod faults;
mod ground_truth;
mod injected_bugs;
mod invariants;
mod list_checks;
mod lock;
mod network;
mod people;
mod publisher;
mod random;
mod recorder;
mod run;
mod run_checker;
mod service_profile;
mod simulation;
mod store;
mod stored_state;
mod upload_queue;
mod user_model;
mod workspace;

use injected_bugs::ALL_BUGS;
use simulation::{SeedCounts, SeedReport, simulate};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// One of these seeds has to find each injected bug.
const DEFAULT_SEEDS: u64 = 10_000;

/// One seed in so many runs twice, to check that both runs are equal.
const REPLAY_EVERY: u64 = 16;

/// A long run prints its progress after so many seeds.
const PROGRESS_EVERY: u64 = 50_000;

/// The simulator stops after so many failed seeds.
const MAX_FAILURES: usize = 30;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        let value = arguments
            .get(position + 1)
            .and_then(|value| value.parse::<u64>().ok());
        Some(value.unwrap_or_else(|| panic!("{name} takes a number")))
    };
    // Test runners call every test with this.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Some(seed) = number("--seed") {
        return replay(seed);
    }
    if arguments.iter().any(|argument| argument == "--bugs") {
        return find_bugs(number("--seeds").unwrap_or(DEFAULT_SEEDS));
    }
    let seeds = number("--seeds");
    let done = run_all(number("--from").unwrap_or(0), seeds.unwrap_or(DEFAULT_SEEDS));
    if seeds.is_some() || done != ExitCode::SUCCESS {
        return done;
    }
    find_bugs(DEFAULT_SEEDS)
}

/// Injects each bug and runs seeds until one of them finds it.
fn find_bugs(seeds: u64) -> ExitCode {
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(bug) = ALL_BUGS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = (0..seeds)
                        .find_map(|seed| Some((seed, simulate(seed, false, Some(*bug)).violation?)));
                    match found {
                        Some((seed, violation)) => println!("{bug:?}: seed {seed}: {}", violation.invariant),
                        None => missed.lock().unwrap().push(bug),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().unwrap();
    let count = ALL_BUGS.len();
    println!("{} of {count} injected bugs were found", count - missed.len());
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("not found in {seeds} seeds: {missed:?}");
    ExitCode::FAILURE
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs one seed twice and prints its trace.
fn replay(seed: u64) -> ExitCode {
    let report = simulate(seed, true, None);
    for line in &report.lines {
        println!("{line}");
    }
    let again = simulate(seed, true, None);
    if again.lines != report.lines {
        println!("seed {seed}: two runs of the seed differ");
        return ExitCode::FAILURE;
    }
    match &report.violation {
        None => {
            println!("seed {seed}: every invariant holds; {:?}", report.counts);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: {}: {}", violation.invariant, violation.message);
            ExitCode::FAILURE
        }
    }
}

/// Runs seeds on all processors, and replays the first failed one with its trace.
fn run_all(first: u64, count: u64) -> ExitCode {
    let started_at = Instant::now();
    let next = AtomicU64::new(first);
    let failed = Mutex::new(BTreeSet::<u64>::new());
    let total = Mutex::new(SeedCounts::default());
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().unwrap().len() >= MAX_FAILURES {
                        break;
                    }
                    let report = simulate(seed, false, None);
                    add_counts(&mut total.lock().unwrap(), report.counts);
                    if let Some(reason) = failure_reason(seed, &report) {
                        println!("seed {seed}: {reason}");
                        failed.lock().unwrap().insert(seed);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(PROGRESS_EVERY) {
                        println!("{done} seeds after {:.0} s", started_at.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let SeedCounts {
        runs,
        crashes,
        writes,
        blocked,
    } = *total.lock().unwrap();
    let count = done.into_inner();
    let seconds = started_at.elapsed().as_secs_f64();
    if let Some(seed) = failed.first() {
        replay(*seed);
        println!("to replay: cargo test --test simulator -- --seed {seed}");
    }
    println!(
        "{count} seeds from {first}: {} ({runs} runs, {crashes} crashes, {writes} writes, {blocked} blocked by manual changes, \
         {seconds:.1} s)",
        match failed.len() {
            0 => "every invariant holds".to_owned(),
            count => format!("{count} seeds violated an invariant"),
        },
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn failure_reason(seed: u64, report: &SeedReport) -> Option<String> {
    if let Some(violation) = &report.violation {
        return Some(violation.invariant.to_owned());
    }
    let differs =
        seed.is_multiple_of(REPLAY_EVERY) && simulate(seed, false, None).fingerprint != report.fingerprint;
    differs.then(|| "two runs of the seed differ".to_owned())
}

fn add_counts(total: &mut SeedCounts, counts: SeedCounts) {
    total.runs += counts.runs;
    total.crashes += counts.crashes;
    total.writes += counts.writes;
    total.blocked += counts.blocked;
}
