//! Whole runs of the program for segments that are all applied and unchanged: `plan --offline` and `validate`.
//!
//! Each time is a ratio to reading the same files and computing their SHA-256 in the same run. The benchmark fails if a
//! figure is over its limit.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod measure;
mod workload;

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
    let start_up = time(small, &["--version"]);
    figures.check("--version, ms", milliseconds(start_up), 5.0);

    let floor = shortest_time(RUNS, || read_and_hash(small));
    println!(
        "{:<44} {:8.1}",
        "floor: read and hash 1,000 files, ms",
        milliseconds(floor)
    );
    let ratio = |time: Duration| time.as_secs_f64() / floor.as_secs_f64();
    let planned = time(small, PLAN);
    println!(
        "{:<44} {:8.1}",
        "plan --offline of 1,000, ms",
        milliseconds(planned)
    );
    figures.check("plan --offline of 1,000, to the floor", ratio(planned), 8.0);
    figures.check(
        "plan --offline of 1,000, peak MiB",
        peak_memory(small, PLAN),
        24.0,
    );
    let parsed = time(small, &["plan", "--offline", "--no-cache"]);
    figures.check(
        "plan --offline --no-cache of 1,000, ms",
        milliseconds(parsed),
        100.0,
    );
    let peak = peak_memory(small, &["plan", "--offline", "--no-cache"]);
    figures.check("plan --offline --no-cache of 1,000, peak MiB", peak, 32.0);
    let validated = time(small, &["validate"]);
    println!("{:<44} {:8.1}", "validate of 1,000, ms", milliseconds(validated));
    figures.check("validate of 1,000, to the floor", ratio(validated), 5.0);

    let planned_large = time(large, PLAN);
    println!(
        "{:<44} {:8.1}",
        "plan --offline of 10,000, ms",
        milliseconds(planned_large)
    );
    let growth = planned_large.as_secs_f64() / planned.as_secs_f64();
    figures.check("10,000 to 1,000", growth, 10.5);
    figures.check(
        "plan --offline of 10,000, peak MiB",
        peak_memory(large, PLAN),
        120.0,
    );
    figures.exit_code()
}

const PLAN: &[&str] = &["plan", "--offline"];

#[derive(Default)]
struct Figures {
    exceeded: bool,
}

impl Figures {
    fn check(&mut self, name: &str, value: f64, limit: f64) {
        println!("{name:<44} {value:8.1} (at most {limit})");
        self.exceeded |= value > limit;
    }

    fn exit_code(self) -> ExitCode {
        if self.exceeded {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

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
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(measure::peak_memory(child.id()).unwrap_or(0));
        thread::yield_now();
    }
    f64::from(u32::try_from(peak).unwrap()) / 1024.0
}
