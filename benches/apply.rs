//! Whole runs of `apply` that create every segment, against a local service without rate limits.
//!
//! The benchmark fails if ten times the segments take more than eleven times as long.

#![expect(clippy::unwrap_used, reason = "a failing benchmark may panic")]

mod figures;
mod workload;

use figures::{Figures, milliseconds, ratio};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const SEGMENTS: usize = 1_000;

fn main() -> ExitCode {
    let runtime = Runtime::new().unwrap();
    let mut figures = Figures::default();
    let small = create(SEGMENTS, &runtime).min(create(SEGMENTS, &runtime));
    figures.show("apply of 1,000 creates, ms", milliseconds(small));
    let large = create(10 * SEGMENTS, &runtime);
    figures.show("apply of 10,000 creates, ms", milliseconds(large));
    figures.check("10,000 to 1,000", ratio(large, small), 11.0);
    figures.exit_code()
}

/// The time of the run.
fn create(count: usize, runtime: &Runtime) -> Duration {
    let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
    options.credentials = Some(SandboxCredentials {
        workspace_id: "shop".to_owned(),
        api_key: "key".to_owned(),
        db_name: "db".to_owned(),
    });
    options.set_switch("rate_limits", "off").unwrap();
    options.set_switch("active_limit", "100000").unwrap();
    let server = runtime.block_on(Server::start(options)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    workload::write_project(directory.path(), count);
    let settings = format!(
        "segments: segments/\nworkspaces:\n  dev:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    \
         api_key: {{command: [echo, key]}}\n    api_behavior: {{active_limit: 100000}}\n    \
         rate_limits: {{list: [100000/s], get: [100000/s], create: [100000/s]}}\n",
        server.address()
    );
    fs::write(directory.path().join("segctl.yaml"), settings).unwrap();
    let start = Instant::now();
    apply(directory.path());
    let time = start.elapsed();
    runtime.block_on(server.stop());
    time
}

fn apply(directory: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_segctl"))
        .args(["apply", "--auto-approve"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}
