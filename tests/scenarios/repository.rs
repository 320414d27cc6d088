//! The repository that a scenario's commands run in.

use super::folder::entries;
use super::format::{Rewrite, Run};
use super::process::{self, Ran};
use super::service::{API_KEY, WORD};
use super::stable::Stable;
use jiff::{SignedDuration, Timestamp};
use segctl::model::RequestRecord;
use segctl::state::{DirectoryStore, StateStore as _};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

/// The name of the workspace.
pub(super) const WORKSPACE: &str = "shop";

/// How long a run may take: none waits for anything, but the machine may have much else to do.
const LIMIT: Duration = Duration::from_secs(120);

/// Ends the name of a file that stands for the removal of the one named before it.
const GONE: &str = ".gone";

/// A directory with `segctl.yaml` and files of segments.
pub(super) struct Repository(tempfile::TempDir);

impl Repository {
    /// A repository with one workspace.
    pub(super) fn new(workspace: Map<String, Value>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = json!({"segments": "segments/", "workspaces": {WORKSPACE: workspace}});
        fs::write(
            directory.path().join("segctl.yaml"),
            serde_yaml::to_string(&settings).unwrap(),
        )
        .unwrap();
        fs::create_dir(directory.path().join("segments")).unwrap();
        Self(directory)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lays the files of a directory over those that are there, with the ids that their labels stand for.
    pub(super) fn lay_over(&self, from: &Path, stable: &Stable) -> Result<(), String> {
        let to = self.path().join("segments");
        for file in files(from) {
            let inner = file.strip_prefix(from).unwrap();
            let target = to.join(inner);
            let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
            if let Some(gone) = target.to_string_lossy().strip_suffix(GONE) {
                fs::remove_file(gone).map_err(wrong)?;
                continue;
            }
            fs::create_dir_all(target.parent().unwrap()).map_err(wrong)?;
            let text = fs::read_to_string(&file).map_err(wrong)?;
            fs::write(target, stable.with_ids(&text)).map_err(wrong)?;
        }
        Ok(())
    }

    /// Puts one text for another in a file, or in the place of all of it.
    pub(super) fn rewrite(&self, rewrite: &Rewrite) -> Result<(), String> {
        let path = self.path().join(&rewrite.file);
        let wrong = |error: std::io::Error| format!("{}: {error}", rewrite.file);
        let text = match &rewrite.from {
            None => rewrite.to.clone(),
            Some(from) => {
                let text = fs::read_to_string(&path).map_err(wrong)?;
                if !text.contains(from) {
                    return Err(format!("`{from}` is not in {}", rewrite.file));
                }
                text.replacen(from, &rewrite.to, 1)
            }
        };
        fs::write(path, text).map_err(wrong)
    }

    /// Throws away what segctl remembers.
    pub(super) fn lose_ledger(&self) -> Result<(), String> {
        let ledger = self.path().join(".segctl").join(WORKSPACE);
        fs::remove_dir_all(ledger).map_err(|error| format!("the ledger cannot get lost: {error}"))
    }

    /// Lets time go by for what was applied and seen and for the calls that were made: segctl reads the clock of the
    /// machine.
    pub(super) fn grow_older(&self, runtime: &Runtime, seconds: u32) -> Result<(), String> {
        let store = DirectoryStore::new(self.path().join(".segctl").join(WORKSPACE));
        let by = SignedDuration::from_secs(seconds.into());
        let earlier = |moment: &mut Timestamp| *moment = moment.saturating_sub(by).unwrap();
        let done = runtime.block_on(async {
            let mut ledger = store.load().await?;
            for mut entry in ledger.clone().managed_entries().cloned() {
                earlier(&mut entry.applied_at);
                ledger.record(entry);
            }
            store.save(&ledger).await?;
            let mut snapshot = store.load_cache().await?;
            let seen = snapshot.segments.values_mut();
            seen.flat_map(|seen| [&mut seen.fetched_at, &mut seen.applied_before_fetch_at])
                .chain([&mut snapshot.listed_at])
                .flatten()
                .for_each(earlier);
            store.save_cache(&snapshot).await?;
            let mut calls = store.load_requests().await?;
            for call in &mut calls {
                match call {
                    RequestRecord::Sent { at, .. } => earlier(at),
                    RequestRecord::Answered { sent, at, .. } => {
                        earlier(sent);
                        earlier(at);
                    }
                    RequestRecord::ListAndCreateSeparate => {}
                }
            }
            let log = self.path().join(".segctl").join(WORKSPACE).join("requests.jsonl");
            // There is none where no call was made yet.
            drop(fs::remove_file(log));
            store.exchange_requests(&mut 0, |_| calls.clone()).await
        });
        done.map_err(|error| error.to_string())
    }

    /// The files at a path, each under its name.
    pub(super) fn text_of(&self, path: &str) -> Result<String, String> {
        let path = self.path().join(path);
        let mut text = String::new();
        for file in if path.is_dir() { files(&path) } else { vec![path] } {
            let name = file
                .strip_prefix(self.path())
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let content = fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
            text.push_str(&format!("--- {name}\n{content}"));
        }
        Ok(text)
    }

    /// Runs segctl here with a bare environment.
    pub(super) fn run(&self, run: &Run) -> Result<Ran, String> {
        let mut segctl = Command::new(env!("CARGO_BIN_EXE_segctl"));
        segctl
            .args(run.arguments())
            .current_dir(self.path())
            .env_clear()
            // One at a time: what is printed has to be in the same order each time.
            .env("SEGCTL_PARALLELISM", "1");
        if run.credentials {
            segctl.env(API_KEY, WORD);
        }
        process::run(&mut segctl, LIMIT).map_err(|error| format!("`{}` {error}", run.run))
    }
}

/// All files below a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let below = entries(directory).into_iter();
    below
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}
