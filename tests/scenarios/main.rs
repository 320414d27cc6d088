//! Scenarios: each folder contains a workspace, segment files, commands, and snapshots of the output and of the final
//! workspace. See `README.md`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failing test panics and prints the reason"
)]

mod alternative;
mod folder;
mod format;
mod kinds;
mod laws;
mod process;
mod repository;
mod run;
mod sandbox;
mod stable;
mod workspace;

use folder::Folder;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Selects the scenarios with this text in their path.
const ONLY: &str = "SCENARIO";

#[test]
fn every_scenario_matches_its_snapshots() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let only = env::var(ONLY).unwrap_or_default();
    let folders: Vec<Folder> = folder::all()
        .into_iter()
        .filter(|folder| folder.name.contains(&only))
        .collect();
    assert!(!folders.is_empty(), "no scenario has `{only}` in its path");
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let new = failures_of(folder, &runtime);
            failures.lock().unwrap().extend(new);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |count| count.get().min(4)) {
            scope.spawn(work);
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    for failure in &failures {
        eprintln!("{failure}\n");
    }
    assert!(failures.is_empty(), "{} failures, printed above", failures.len());
}

/// The failures of a scenario, each with its name.
fn failures_of(folder: &Folder, runtime: &tokio::runtime::Runtime) -> Vec<String> {
    // A scenario that panics must not hide the failures of the others.
    let checked = catch_unwind(AssertUnwindSafe(|| run::check(folder, runtime)));
    checked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        vec![format!("{}: {}", folder.name, text.unwrap_or_default())]
    })
}
