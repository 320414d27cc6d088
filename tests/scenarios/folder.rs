//! The scenario folders and their files.

use super::format::{self, Command, Event, Outcome, Scenario};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// `group/name`
    pub(super) name: String,
}

/// All scenario folders, `cases/<group>/<name>`.
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
    pub(super) fn scenario(&self) -> Result<Scenario, String> {
        let text = fs::read_to_string(self.path.join("scenario.yaml"));
        let text = text.map_err(|error| format!("scenario.yaml: {error}"))?;
        let scenario = format::parse(&text).map_err(|error| format!("scenario.yaml: {error}"))?;
        self.contains_only_known_files(&scenario)?;
        Ok(scenario)
    }

    /// A file that no test reads looks like a test that runs, so it is an error.
    fn contains_only_known_files(&self, scenario: &Scenario) -> Result<(), String> {
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
            // A failed comparison writes `.snap.new` files.
            if !known.contains(name.trim_end_matches(".new")) {
                return Err(format!("the scenario does not use the file `{name}`"));
            }
        }
        Ok(())
    }
}

/// The sorted paths in a directory.
pub(super) fn entries(directory: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = read.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
