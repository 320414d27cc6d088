//! The simulator: the real client, planner, applier and ledger over a service, a network, a disk and a clock that fail
//! in every way that a seed can think of. One seed is one run, and the same run each time.
//!
//! `cargo test --release --test simulator -- --seeds 10000` runs the seeds from 0 on, `--from K` from K on, and
//! `--seed K` runs one and prints what happened. `--bugs` plants bugs and looks whether they are found. Without
//! arguments some seeds are run, and then the bugs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and says why"
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

/// Seeds of the gate; a planted bug has to be found by one of them.
const DEFAULT_SEEDS: u64 = 10_000;

/// Every so many seeds one is run twice, to see that it is the same.
const REPLAY_EVERY: u64 = 16;

/// A long run says so often that it goes on, in seeds.
const PROGRESS_EVERY: u64 = 50_000;

/// More say nothing new.
const MAX_FAILURES: usize = 30;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        let value = arguments
            .get(place + 1)
            .and_then(|value| value.parse::<u64>().ok());
        Some(value.unwrap_or_else(|| panic!("{name} takes a number")))
    };
    // What test runners ask of every test.
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

/// Plants one bug after the other, and runs seeds until it is found.
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
    println!("{} of {count} planted bugs were found", count - missed.len());
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{seeds} seeds did not find {missed:?}");
    ExitCode::FAILURE
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs one seed and prints all of it.
fn replay(seed: u64) -> ExitCode {
    let report = simulate(seed, true, None);
    for line in &report.lines {
        println!("{line}");
    }
    let again = simulate(seed, true, None);
    if again.lines != report.lines {
        println!("seed {seed} is not the same twice");
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

/// Runs seeds on all processors, tells of each one that fails when it does, and then runs the first of them again, with its
/// trace.
fn run_all(first: u64, count: u64) -> ExitCode {
    let began = Instant::now();
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
                    if let Some(why) = failure_reason(seed, &report) {
                        println!("seed {seed}: {why}");
                        failed.lock().unwrap().insert(seed);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    if done.is_multiple_of(PROGRESS_EVERY) {
                        println!("{done} seeds after {:.0} s", began.elapsed().as_secs_f64());
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
    let seconds = began.elapsed().as_secs_f64();
    if let Some(seed) = failed.first() {
        replay(*seed);
        println!("replay one with: cargo test --test simulator -- --seed {seed}");
    }
    println!(
        "{count} seeds from {first}: {} ({runs} runs, {crashes} crashes, {writes} writes, {blocked} blocked by what was done \
         by hand, {seconds:.1} s)",
        match failed.len() {
            0 => "every invariant holds".to_owned(),
            broken => format!("{broken} with a broken promise"),
        },
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is wrong with a seed.
fn failure_reason(seed: u64, report: &SeedReport) -> Option<String> {
    if let Some(violation) = &report.violation {
        return Some(violation.invariant.to_owned());
    }
    let differs =
        seed.is_multiple_of(REPLAY_EVERY) && simulate(seed, false, None).fingerprint != report.fingerprint;
    differs.then(|| "it is not the same twice".to_owned())
}

fn add_counts(total: &mut SeedCounts, tally: SeedCounts) {
    total.runs += tally.runs;
    total.crashes += tally.crashes;
    total.writes += tally.writes;
    total.blocked += tally.blocked;
}
