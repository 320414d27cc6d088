//! Runs the `segctl` program in temporary repositories, and checks files, output streams and exit codes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

mod api_faults;
mod callbacks;
mod closed_connections;
mod crash_recovery;
mod credentials;
mod documented_shapes;
mod events;
mod examples;
mod exit_codes;
mod given_files;
mod import;
mod invalid_files;
mod member_lists;
mod missing_segments;
mod odd_answers;
mod output_errors;
mod paths;
mod proxy;
mod refresh;
mod reports;
mod request_counts;
mod restore;
mod secrets;
mod server_clock;
mod settings_file;
mod signals;
mod state_lock;
mod unusable_connections;
#[cfg(target_os = "linux")]
mod unwritable_files;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A repository in a temporary directory, with a sandbox without rate limits.
struct Repository {
    directory: tempfile::TempDir,
}

#[derive(Debug)]
struct CommandResult {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Repository {
    fn new() -> Self {
        let repository = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        repository.write(
            "segctl.yaml",
            "segments: segments/\ndefault_workspace: dev\nworkspaces: {dev: {sandbox: .segctl/box.json, rate_limits: {list: \
             [100000/s], create: [100000/s], get: [100000/s], update: [100000/s], lifecycle: [100000/s]}}}\n",
        );
        repository.write(
            ".segctl/box.json",
            r#"{"format_version": 1, "settings": {"rate_limits": "off"}}"#,
        );
        fs::create_dir_all(repository.path().join("segments")).unwrap();
        repository
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    /// Runs `segctl` in the repository with an empty environment.
    fn run(&self, arguments: &[&str]) -> CommandResult {
        self.run_with_env(arguments, &[])
    }

    fn run_with_env(&self, arguments: &[&str], variables: &[(&str, &str)]) -> CommandResult {
        CommandResult::from_output(
            &self
                .command(arguments)
                .envs(variables.iter().copied())
                .output()
                .unwrap(),
        )
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segctl"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }
}

impl CommandResult {
    fn from_output(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let run = Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        assert!(
            !run.stderr.contains("panicked") && !run.stderr.contains("overflow"),
            "{}",
            run.stderr
        );
        run
    }

    /// The text of a plan without its first line, which names the workspace.
    fn plan_text(&self) -> &str {
        let (workspace_line, text) = self.stdout.split_once("\n\n").unwrap();
        assert!(workspace_line.starts_with("Workspace: "), "{}", self.stdout);
        text
    }

    fn stdout_events(&self) -> Vec<serde_json::Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(line).collect()
    }

    fn stdout_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

fn event_segment(name: &str, event: &str) -> String {
    format!(
        "name: {name}\nincluded_filters:\n  filter_operator: and\n  filters:\n    - filter_type: actions\n      \
         action_name: {event}\n      executed: true\n      primary_time_range: {{type: inTheLast, value: 7, period_unit: \
         days}}\n"
    )
}

fn referencing_segment(name: &str, target: &str) -> String {
    format!(
        "name: {name}\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {{filter_type: custom_segments, \
         name: {target}}}\n    - {{filter_type: user_attributes, name: {target}, data_type: bool, operator: exists}}\n"
    )
}
