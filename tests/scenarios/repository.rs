//! The repository in which the commands of a scenario run.

use super::folder::entries;
use super::format::{Rewrite, Run};
use super::process::{self, ProcessOutput};
use super::sandbox::{API_KEY, CREDENTIAL};
use super::stable::Stable;
use jiff::{SignedDuration, Timestamp};
use segctl::model::RequestRecord;
use segctl::state::StateStore;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(super) const WORKSPACE: &str = "shop";

/// No command waits for long, but the machine can be slow.
const LIMIT: Duration = Duration::from_secs(120);

/// The suffix of an empty file that removes the file with the rest of its name.
const GONE: &str = ".gone";

/// A directory with `segctl.yaml` and segment files.
pub(super) struct Repository(tempfile::TempDir);

impl Repository {
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

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Copies the files of a directory over the segment files and replaces labels by ids.
    pub(super) fn copy_files(&self, from: &Path, stable: &Stable) -> Result<(), String> {
        let to = self.path().join("segments");
        for file in files(from) {
            let inner = file.strip_prefix(from).unwrap();
            let target = to.join(inner);
            let message = |error: std::io::Error| format!("{}: {error}", file.display());
            if let Some(gone) = target.to_string_lossy().strip_suffix(GONE) {
                fs::remove_file(gone).map_err(message)?;
                continue;
            }
            fs::create_dir_all(target.parent().unwrap()).map_err(message)?;
            let text = fs::read_to_string(&file).map_err(message)?;
            fs::write(target, stable.with_ids(&text)).map_err(message)?;
        }
        Ok(())
    }

    /// Replaces the first occurrence of a text in a file, or the whole file.
    pub(super) fn rewrite(&self, rewrite: &Rewrite) -> Result<(), String> {
        let path = self.path().join(&rewrite.file);
        let message = |error: std::io::Error| format!("{}: {error}", rewrite.file);
        let text = match &rewrite.from {
            None => rewrite.to.clone(),
            Some(from) => {
                let text = fs::read_to_string(&path).map_err(message)?;
                if !text.contains(from) {
                    return Err(format!("`{from}` is not in {}", rewrite.file));
                }
                text.replacen(from, &rewrite.to, 1)
            }
        };
        fs::write(path, text).map_err(message)
    }

    pub(super) fn lose_state(&self) -> Result<(), String> {
        let directory = self.path().join(".segctl").join(WORKSPACE);
        fs::remove_dir_all(directory).map_err(|error| format!("cannot remove the state: {error}"))
    }

    /// Makes the state, the cache and the request log older, because segctl uses the clock of the machine.
    pub(super) fn make_older(&self, runtime: &Runtime, seconds: u32) -> Result<(), String> {
        let store = StateStore::in_directory(self.path().join(".segctl").join(WORKSPACE));
        let by = SignedDuration::from_secs(seconds.into());
        let earlier = |moment: &mut Timestamp| *moment = moment.saturating_sub(by).unwrap();
        let done = runtime.block_on(async {
            let mut state = store.load().await?;
            for mut entry in state.clone().managed_entries().cloned() {
                earlier(&mut entry.applied_at);
                state.record(entry);
            }
            store.save(&state).await?;
            let mut cache = store.load_cache().await?;
            let cached = cache.segments.values_mut();
            cached
                .flat_map(|segment| [&mut segment.fetched_at, &mut segment.applied_before_fetch_at])
                .chain([&mut cache.listed_at])
                .flatten()
                .for_each(earlier);
            store.save_cache(&cache).await?;
            let mut requests = store.load_requests().await?;
            for request in &mut requests {
                match request {
                    RequestRecord::Sent { at, .. } => earlier(at),
                    RequestRecord::Answered { sent, at, .. } => {
                        earlier(sent);
                        earlier(at);
                    }
                    RequestRecord::ListAndCreateSeparate | RequestRecord::ListAndCreateShared => {}
                }
            }
            let log = self.path().join(".segctl").join(WORKSPACE).join("requests");
            // Without earlier requests there is no log.
            drop(fs::remove_dir_all(log));
            store.exchange_requests(&mut 0, |_| requests.clone()).await
        });
        done.map_err(|error| error.to_string())
    }

    /// The contents of the files at a path, each after its name.
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

    /// Runs segctl with an empty environment.
    pub(super) fn run(&self, run: &Run) -> Result<ProcessOutput, String> {
        let mut segctl = Command::new(env!("CARGO_BIN_EXE_segctl"));
        segctl
            .args(run.arguments())
            .current_dir(self.path())
            .env_clear()
            // One request at a time, so that the order of the output is stable.
            .env("SEGCTL_PARALLELISM", "1");
        if run.credentials {
            segctl.env(API_KEY, CREDENTIAL);
        }
        process::run(&mut segctl, LIMIT).map_err(|error| format!("`{}` {error}", run.run))
    }
}

/// All files below a directory, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let below = entries(directory).into_iter();
    below
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}
