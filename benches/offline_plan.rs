//! Whole runs of the program for segments that are all applied and unchanged: `plan --offline` and `validate`.
//!
//! Each time is a ratio to reading the same files and computing their SHA-256 in the same run. The benchmark fails if a
//! figure is over its limit.

#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod figures;
mod measure;
mod workload;

use figures::{Figures, milliseconds, ratio};
use measure::shortest_time;
use segctl::api::{Clock, SystemClock};
use segctl::config::load;
use segctl::config::settings::parse_settings;
use segctl::config::source::SourceFile;
use segctl::model::{
    Lifecycle, ObservedSegment, ObservedWorkspace, Payload, RemoteKind, SegmentId, SegmentName,
};
use segctl::state::{Cache, State, StateEntry, StateStore};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

const SEGMENTS: usize = 1_000;
const RUNS: usize = 15;

fn main() -> ExitCode {
    let (small, large) = (project(SEGMENTS), project(10 * SEGMENTS));
    let (small, large) = (small.path(), large.path());
    let mut figures = Figures::default();
    let floor = shortest_time(RUNS, || read_and_hash(small));
    figures.show("floor: read and hash 1,000 files, ms", milliseconds(floor));

    let mut run = |name: &str, arguments: &[&str], limit: f64| {
        let time = time(small, arguments);
        figures.show(&format!("{name}, ms"), milliseconds(time));
        figures.check(&format!("{name}, to the floor"), ratio(time, floor), limit);
        time
    };
    // 5 ms where the floor takes 6.2 ms.
    run("--version", &["--version"], 0.8);
    run("validate of 1,000", &["validate"], 5.0);
    // 100 ms where the floor takes 6.2 ms.
    run("plan --offline --no-cache of 1,000", WITHOUT_INDEX, 16.0);
    let planned = run("plan --offline of 1,000", PLAN, 8.0);
    let planned_large = time(large, PLAN);
    figures.show("plan --offline of 10,000, ms", milliseconds(planned_large));
    figures.check("10,000 to 1,000", ratio(planned_large, planned), 10.5);

    let mut memory = |name: &str, directory: &Path, arguments: &[&str], limit: f64| {
        figures.check(
            &format!("{name}, peak MiB"),
            peak_memory(directory, arguments),
            limit,
        );
    };
    memory("plan --offline of 1,000", small, PLAN, 24.0);
    memory("plan --offline --no-cache of 1,000", small, WITHOUT_INDEX, 32.0);
    memory("plan --offline of 10,000", large, PLAN, 120.0);
    figures.exit_code()
}

const PLAN: &[&str] = &["plan", "--offline"];
const WITHOUT_INDEX: &[&str] = &["plan", "--offline", "--no-cache"];

fn project(count: usize) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    workload::write_project(directory.path(), count);
    record_as_applied(directory.path());
    directory
}

/// Writes the state and the cache that an apply and a plan would leave.
fn record_as_applied(directory: &Path) {
    let (settings, _) = parse_settings(&SourceFile::new("segctl.yaml", workload::SETTINGS));
    let display = |path: &Path| path.display().to_string();
    let loaded = load(&settings.unwrap(), &directory.join("segctl.yaml"), &display);
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
    let segments: Vec<_> = loaded
        .declarations
        .iter()
        .map(|declaration| &declaration.segment)
        .collect();
    let ids: BTreeMap<&SegmentName, SegmentId> = segments
        .iter()
        .enumerate()
        .map(|(number, segment)| (&segment.name, SegmentId::new(format!("{number:024x}"))))
        .collect();
    let applied_at = SystemClock.now();
    let (mut state, mut observed) = (State::default(), ObservedWorkspace::default());
    for segment in &segments {
        let (id, name) = (ids[&segment.name].clone(), segment.name.clone());
        let declared = segment.contents.definition().unwrap();
        let mut entry = StateEntry::new(id.clone(), name.clone(), applied_at);
        let remote = with_ids(declared.payload().clone(), &ids);
        entry.set_definition(remote.clone(), declared.facts().digests.exact.to_string());
        state.record(entry);
        let remote = ObservedSegment {
            id: id.clone(),
            name,
            kind: RemoteKind::Filter,
            lifecycle: Lifecycle::Active,
            source: Some("API".to_owned()),
            created_time: None,
            listed: true,
            fetched_at: Some(applied_at),
            applied_before_fetch_at: Some(applied_at),
            definition: Some(remote.into()),
        };
        observed.segments.insert(id, remote);
    }
    observed.listed_at = Some(applied_at);
    let store = StateStore::in_directory(directory.join(".segctl/dev"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        store.save(&state).await.unwrap();
        store.save_cache(&Cache::of(&observed)).await.unwrap();
    });
}

/// References by id, as MoEngage returns them.
fn with_ids(mut definition: Payload, ids: &BTreeMap<&SegmentName, SegmentId>) -> Payload {
    let filters = definition.included_filters["filters"].as_array_mut().unwrap();
    for filter in filters {
        if filter["filter_type"] == "custom_segments" {
            let name = SegmentName::new(filter["name"].as_str().unwrap());
            filter["id"] = Value::from(ids[&name].as_str());
        }
    }
    definition
}

fn read_and_hash(directory: &Path) {
    for entry in fs::read_dir(directory.join("segments")).unwrap() {
        black_box(Sha256::digest(fs::read(entry.unwrap().path()).unwrap()));
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segctl"));
    command
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn time(directory: &Path, arguments: &[&str]) -> Duration {
    shortest_time(RUNS, || {
        let status = command(directory, arguments).status().unwrap();
        assert!(status.success(), "{arguments:?}: {status}");
    })
}

/// In MiB. The system reports it as long as the process runs.
fn peak_memory(directory: &Path, arguments: &[&str]) -> f64 {
    let mut child = command(directory, arguments).spawn().unwrap();
    let mut peak: f64 = 0.0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(measure::peak_memory(child.id()).unwrap_or(0.0));
        thread::yield_now();
    }
    peak
}
