//! The time of `segctl validate` for 1,000 files of about 1.4 KB, as a ratio to reading, parsing and hashing the same
//! files.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod measure;
mod workload;

use measure::{peak_memory, shortest_time};
use segctl::config::settings::parse_settings;
use segctl::config::source::{self, SourceFile};
use segctl::config::{load, yaml};
use sha2::{Digest, Sha256};
use std::fs;
use std::hint::black_box;
use std::path::Path;

const FILES: usize = 1000;
const RUNS: usize = 15;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let size = workload::write_project(directory.path(), FILES);
    println!("{FILES} files, {size} bytes each");
    let segments = directory.path().join("segments");

    let baseline = shortest_time(RUNS, || read_parse_and_hash(&segments));
    let validated = shortest_time(RUNS, || validate(directory.path()));
    println!("read + parse + hash   {:8.2} ms", baseline.as_secs_f64() * 1e3);
    println!("validate              {:8.2} ms", validated.as_secs_f64() * 1e3);
    println!(
        "ratio                 {:8.2}",
        validated.as_secs_f64() / baseline.as_secs_f64()
    );
    if let Some(peak) = peak_memory(std::process::id()) {
        println!("peak memory           {peak:8} KiB");
    }
}

/// Uses the parser of the validation.
fn read_parse_and_hash(segments: &Path) {
    for entry in fs::read_dir(segments).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        black_box(Sha256::digest(text.as_bytes()));
        black_box(yaml::parse(&SourceFile::new("a.yaml", text)));
    }
}

fn validate(directory: &Path) {
    let (settings, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", workload::SETTINGS));
    assert!(diagnostics.is_empty());
    let display = |path: &Path| path.to_string_lossy().into_owned();
    let loaded = load(&settings.unwrap(), directory, &display);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
    assert_eq!(loaded.declarations.len(), FILES);
    black_box(loaded);
    black_box(source::read(&directory.join("segments/00000.yaml"), "a").is_ok());
}
