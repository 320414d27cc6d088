//! The folders of scenarios: which there are, what lies in them, and what was reviewed.

use super::format::{self, Command, Event, Outcome, Scenario};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one scenario.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// `group/name`
    pub(super) name: String,
}

/// All of them: the folders in the folders of `cases`.
pub(super) fn all() -> Vec<Folder> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/cases");
    let folders = entries(&root).into_iter().flat_map(|group| {
        let scenarios = entries(&group);
        assert!(!scenarios.is_empty(), "{} is empty", group.display());
        scenarios
    });
    folders
        .map(|path| Folder {
            name: path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/"),
            path,
        })
        .collect()
}

impl Folder {
    /// What the folder says is to be done.
    pub(super) fn scenario(&self) -> Result<Scenario, String> {
        let text = fs::read_to_string(self.path.join("scenario.yaml"));
        let text = text.map_err(|error| format!("scenario.yaml: {error}"))?;
        let scenario = format::parse(&text).map_err(|error| format!("scenario.yaml: {error}"))?;
        self.holds_nothing_else(&scenario)?;
        Ok(scenario)
    }

    /// A file that nothing reads is a scenario that somebody believes in and nobody runs.
    fn holds_nothing_else(&self, scenario: &Scenario) -> Result<(), String> {
        let mut known: BTreeSet<String> = ["scenario.yaml", "expected.snap", "after.snap"]
            .map(str::to_owned)
            .into();
        known.insert("files".to_owned());
        for command in &scenario.commands {
            if let Command::Event(Event::Files(number)) = command {
                known.insert(format!("files.{number}"));
            }
        }
        for switch in &scenario.switches {
            let files: &[&str] = match switch.outcome {
                Outcome::Same => &[],
                Outcome::OutputDiffers => &["expected"],
                Outcome::WorkspaceDiffers => &["after"],
                Outcome::Differs => &["expected", "after"],
            };
            known.extend(files.iter().map(|file| format!("{file}@{}.snap", switch.name())));
        }
        for path in entries(&self.path) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // Left by a comparison that failed, for review.
            if !known.contains(name.trim_end_matches(".new")) {
                return Err(format!("`{name}` has no part in it"));
            }
        }
        Ok(())
    }
}

/// What is in a directory, in order.
pub(super) fn entries(directory: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
