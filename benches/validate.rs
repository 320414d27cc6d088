//! The time of `segctl validate` for 1,000 files of about 1.4 KB, as a ratio to reading, parsing and hashing the same
//! files.

#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod figures;
mod measure;
mod workload;

use figures::{Figures, milliseconds, ratio};
use measure::{peak_memory, shortest_time};
use segctl::config::settings::parse_settings;
use segctl::config::source::{self, SourceFile};
use segctl::config::{load, yaml};
use sha2::{Digest, Sha256};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

const FILES: usize = 1000;
const RUNS: usize = 15;

fn main() -> ExitCode {
    let directory = tempfile::tempdir().unwrap();
    workload::write_project(directory.path(), FILES);
    let segments = directory.path().join("segments");
    let mut figures = Figures::default();
    let floor = shortest_time(RUNS, || read_parse_and_hash(&segments));
    let validated = shortest_time(RUNS, || validate(directory.path()));
    figures.show("floor: read, parse and hash 1,000 files, ms", milliseconds(floor));
    figures.show("validate of 1,000, ms", milliseconds(validated));
    figures.check("validate of 1,000, to the floor", ratio(validated, floor), 1.7);
    if let Some(peak) = peak_memory(std::process::id()) {
        figures.show("peak MiB", peak);
    }
    figures.exit_code()
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
    let loaded = load(&settings.unwrap(), &directory.join("segctl.yaml"), &display);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
    assert_eq!(loaded.declarations.len(), FILES);
    black_box(loaded);
    black_box(source::read(&directory.join("segments/00000.yaml"), "a").is_ok());
}
