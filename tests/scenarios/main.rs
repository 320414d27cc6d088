//! Scenarios: folders that say what is in a workspace and in the files, which commands are run, and what must come of
//! it, in the output and in the workspace. `README.md` says how to add one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that fails may panic and say why"
)]

mod alternative;
mod folder;
mod format;
mod kinds;
mod laws;
mod process;
mod repository;
mod run;
mod service;
mod stable;
mod workspace;

use folder::Folder;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Names a part of the paths of the scenarios to run, where not all are wanted.
const ONLY: &str = "SCENARIO";

#[test]
fn every_scenario_comes_out_as_reviewed() {
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
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = complaints_about(folder, &runtime);
            complaints.lock().unwrap().extend(found);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |count| count.get().min(4)) {
            scope.spawn(work);
        }
    });
    let mut complaints = complaints.into_inner().unwrap();
    complaints.sort();
    for complaint in &complaints {
        eprintln!("{complaint}\n");
    }
    assert!(
        complaints.is_empty(),
        "{} complaints, see above",
        complaints.len()
    );
}

/// What is wrong with a scenario or what comes of it, each with the scenario's name.
fn complaints_about(folder: &Folder, runtime: &tokio::runtime::Runtime) -> Vec<String> {
    // A scenario that cannot even be run must not hide the others.
    let checked = catch_unwind(AssertUnwindSafe(|| run::check(folder, runtime)));
    checked.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        vec![format!("{}: {}", folder.name, text.unwrap_or_default())]
    })
}
