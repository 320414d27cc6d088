//! The time of `segctl validate` for 1,000 files of about 1.4 KB, as a ratio to reading, parsing and hashing the same
//! files.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod measure;

use measure::{peak_memory, shortest_time};
use segctl::config::settings::parse_settings;
use segctl::config::source::{self, SourceFile};
use segctl::config::{load, yaml};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;

const FILES: usize = 1000;
const RUNS: usize = 15;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let segments = directory.path().join("segments");
    fs::create_dir(&segments).unwrap();
    let mut bytes = 0;
    for number in 0..FILES {
        let text = segment(number);
        bytes += text.len();
        fs::write(segments.join(format!("{number:04}.yaml")), text).unwrap();
    }
    println!("{FILES} files, {} bytes each", bytes / FILES);

    let baseline = shortest_time(RUNS, || read_parse_and_hash(&segments));
    let validated = shortest_time(RUNS, || validate(directory.path()));
    println!("read + parse + hash   {:8.2} ms", baseline.as_secs_f64() * 1e3);
    println!("validate              {:8.2} ms", validated.as_secs_f64() * 1e3);
    println!(
        "ratio                 {:8.2}",
        validated.as_secs_f64() / baseline.as_secs_f64()
    );
    if let Some(peak) = peak_memory() {
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
    let text = "segments: segments/\nworkspaces: {dev: {sandbox: box.json}}\n";
    let (settings, diagnostics) = parse_settings(&SourceFile::new("segctl.yaml", text));
    assert!(diagnostics.is_empty());
    let display = |path: &Path| path.to_string_lossy().into_owned();
    let loaded = load(&settings.unwrap(), directory, &display);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
    assert_eq!(loaded.declarations.len(), FILES);
    black_box(loaded);
    black_box(source::read(&directory.join("segments/0000.yaml"), "a").is_ok());
}

/// A segment with a few filters of each kind. Every tenth one has a reference.
fn segment(number: usize) -> String {
    let mut text = format!(
        "name: Segment {number}\ndescription: one of many\nowner: team@example.com\nlabels: [a, b]\n"
    );
    text.push_str("included_filters:\n  filter_operator: and\n  filters:\n");
    for event in 0..3 {
        let _ = write!(
            text,
            "    - filter_type: actions\n      action_name: event_{event}_{number}\n      executed: true\n      \
             execution: {{type: atleast, count: {}}}\n      primary_time_range: {{type: inTheLast, value: 30, \
             period_unit: days}}\n      attributes:\n        filter_operator: and\n        filters:\n          \
             - {{name: price, data_type: double, operator: greaterThan, value: {number}}}\n",
            event + 1
        );
    }
    for attribute in 0..3 {
        let _ = write!(
            text,
            "    - filter_type: user_attributes\n      name: attribute_{attribute}\n      data_type: string\n      \
             category: Tracked\n      operator: in\n      value: [one, two, three]\n"
        );
    }
    if number % 10 == 1 {
        let _ = writeln!(
            text,
            "    - {{filter_type: custom_segments, name: Segment {}}}",
            number - 1
        );
    }
    text
}
