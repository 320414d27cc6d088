//! The ledger in a directory.
//!
//! `ledger.json` is replaced whole, and what a run takes down afterwards goes to `journal.jsonl`: a step then costs a few
//! lines, however large the ledger is. The journal names the generation of `ledger.json` that it follows. A run first
//! replaces `ledger.json` by the next generation, and removes the journal that it took in; if it ends in between, the
//! journal that is left follows an older generation and is passed over.
//!
//! Beside them stands what may be lost without harm: what was seen last, and the calls of earlier runs.

use super::disk::{Disk, LocalDisk};
use super::journal::Journal;
use super::{AppliedPlan, Entry, Intent, Ledger, LedgerStore, Record, Requests, Snapshot};
use super::{document, journal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::{error, fmt};
use tokio::sync::Mutex;

const LEDGER: &str = "ledger.json";
const JOURNAL: &str = "journal.jsonl";
/// Held while a file is replaced: two runs at once write into one temporary file otherwise.
const GUARD: &str = ".guard";
const SNAPSHOT: &str = "snapshot.json";
const REQUESTS: &str = "requests.json";

/// The versions of the files' formats; a file of another version is refused, never guessed at.
const LEDGER_VERSION: u32 = 3;
const SNAPSHOT_VERSION: u32 = 1;
const REQUESTS_VERSION: u32 = 1;

/// A ledger in a directory.
#[derive(Debug)]
pub struct DirectoryStore<D = LocalDisk> {
    directory: PathBuf,
    disk: D,
    /// The state that this run replaced the ledger by, and whether its journal was begun; `None` before.
    written: Mutex<Option<Written>>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    generation: u64,
    has_journal: bool,
}

/// Why a ledger could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The file system refused.
    Io {
        /// What was tried: `read`, `write`.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// The file is not what segctl wrote.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { operation, path, .. } => {
                write!(formatter, "cannot {operation} `{}`", path.display())
            }
            Self::Corrupt { path, reason } => write!(
                formatter,
                "`{}` cannot be used: {reason}; restore it from a backup, or move it away and run `segctl ledger \
                 rebuild`: what is lost with it costs requests, not correctness",
                path.display()
            ),
        }
    }
}

impl error::Error for StoreError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Corrupt { .. } => None,
        }
    }
}

impl DirectoryStore {
    /// A ledger in `directory`, which is made when the ledger is first written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::on(LocalDisk, directory)
    }
}

impl<D: Disk> DirectoryStore<D> {
    /// A ledger in a directory of another disk than this machine's.
    pub fn on(disk: D, directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            disk,
            written: Mutex::new(None),
        }
    }

    async fn bytes(&self, file: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(file);
        self.disk.read(&path).await.map_err(io_error("read", &path))
    }

    async fn read<T: Serialize + DeserializeOwned>(
        &self,
        file: &str,
        version: u32,
    ) -> Result<Option<T>, StoreError> {
        let bytes = self.bytes(file).await?;
        let contents = bytes.map(|bytes| document::decode(&bytes, version));
        contents.transpose().map_err(self.corrupt(file))
    }

    fn corrupt(&self, file: &str) -> impl FnOnce(String) -> StoreError {
        let path = self.directory.join(file);
        |reason| StoreError::Corrupt { path, reason }
    }

    async fn write(&self, file: &str, version: u32, contents: &impl Serialize) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        let text = document::encode(version, contents);
        let replaced = self.replace(&path, text.as_bytes()).await;
        replaced.map_err(io_error("write", &path))
    }

    /// Replaces a file so that a crash leaves the old one or the new one, never a part of either.
    async fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.create_directories(&self.directory).await?;
        let _guard = self.disk.exclusive(&self.directory.join(GUARD)).await?;
        let temporary = path.with_extension("json.new");
        self.disk.write(&temporary, bytes).await?;
        // Without this the rename may reach the disk before the bytes do.
        self.disk.sync(&temporary).await?;
        self.disk.rename(&temporary, path).await?;
        self.disk.sync_directory(&self.directory).await
    }

    /// The ledger's file and the records that follow it.
    async fn contents(&self) -> Result<(Contents, Vec<Record>), StoreError> {
        loop {
            let Some(contents) = self.read::<Contents>(LEDGER, LEDGER_VERSION).await? else {
                // It is never written after its journal, so what a journal without it follows was lost.
                return Ok((Contents::default(), Vec::new()));
            };
            let Some(bytes) = self.bytes(JOURNAL).await? else {
                // Whoever replaced the ledger in between removed the journal that its file followed.
                if self.generation().await? == contents.generation {
                    return Ok((contents, Vec::new()));
                }
                continue;
            };
            let journal = journal::decode(&bytes).map_err(self.corrupt(JOURNAL))?;
            match journal {
                Some(Journal { follows, records }) if follows == contents.generation => {
                    return Ok((contents, records));
                }
                Some(Journal { follows, .. }) if follows > self.generation().await? => {
                    return Err(self.corrupt(LEDGER)(format!(
                        "it is of generation {}, and `{JOURNAL}` follows generation {follows}, which is later",
                        contents.generation
                    )));
                }
                _ if self.generation().await? == contents.generation => return Ok((contents, Vec::new())),
                _ => {}
            }
        }
    }

    async fn generation(&self) -> Result<u64, StoreError> {
        let contents: Option<Contents> = self.read(LEDGER, LEDGER_VERSION).await?;
        Ok(contents.unwrap_or_default().generation)
    }

    /// Replaces the ledger's file by its next generation, which no journal follows yet.
    async fn next_generation(&self, ledger: &Ledger) -> Result<Written, StoreError> {
        let journal = self.bytes(JOURNAL).await?;
        let followed = journal.and_then(|bytes| journal::decode(&bytes).ok().flatten());
        let followed = followed.map_or(0, |journal| journal.follows);
        let contents = Contents {
            generation: self.generation().await?.max(followed) + 1,
            ..Contents::of(ledger)
        };
        self.write(LEDGER, LEDGER_VERSION, &contents).await?;
        let path = self.directory.join(JOURNAL);
        self.disk.remove(&path).await.map_err(io_error("remove", &path))?;
        Ok(Written {
            generation: contents.generation,
            has_journal: false,
        })
    }

    async fn begin_journal(&self, text: &str) -> io::Result<()> {
        let path = self.directory.join(JOURNAL);
        self.disk.write(&path, text.as_bytes()).await?;
        self.disk.sync(&path).await?;
        self.disk.sync_directory(&self.directory).await
    }

    async fn add_to_journal(&self, text: &str) -> io::Result<()> {
        let path = self.directory.join(JOURNAL);
        self.disk.append(&path, text.as_bytes()).await?;
        self.disk.sync(&path).await
    }
}

impl<D: Disk> LedgerStore for DirectoryStore<D> {
    async fn load(&self) -> Result<Ledger, StoreError> {
        let (contents, records) = self.contents().await?;
        let mut ledger = contents.ledger();
        for record in records {
            ledger.apply(record);
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let mut written = self.written.lock().await;
        *written = None;
        *written = Some(self.next_generation(ledger).await?);
        Ok(())
    }

    async fn add(&self, ledger: &Ledger, records: &[Record]) -> Result<(), StoreError> {
        // Whatever ends this early leaves nothing that can be added to: a line may be torn.
        let mut written = self.written.lock().await;
        let Some(state) = written.take() else {
            *written = Some(self.next_generation(ledger).await?);
            return Ok(());
        };
        let text = journal::lines(records);
        let added = if state.has_journal {
            self.add_to_journal(&text).await
        } else {
            self.begin_journal(&(journal::header(state.generation) + &text))
                .await
        };
        added.map_err(io_error("write", &self.directory.join(JOURNAL)))?;
        *written = Some(Written {
            has_journal: true,
            ..state
        });
        Ok(())
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        let snapshot = self.read(SNAPSHOT, SNAPSHOT_VERSION).await?;
        Ok(snapshot.unwrap_or_default())
    }

    async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write(SNAPSHOT, SNAPSHOT_VERSION, snapshot).await
    }

    async fn load_requests(&self) -> Result<Requests, StoreError> {
        let requests = self.read(REQUESTS, REQUESTS_VERSION).await?;
        Ok(requests.unwrap_or_default())
    }

    async fn save_requests(&self, requests: &Requests) -> Result<(), StoreError> {
        self.write(REQUESTS, REQUESTS_VERSION, requests).await
    }
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        operation,
        path,
        source,
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    /// Counted up whenever the file is replaced.
    generation: u64,
    segments: Vec<Entry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
    /// Writes of an earlier run that are not settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intents: Vec<Intent>,
}

impl Contents {
    fn of(ledger: &Ledger) -> Self {
        Self {
            generation: 0,
            segments: ledger.entries().cloned().collect(),
            applied_plans: ledger.applied_plans().to_vec(),
            intents: ledger.intents().cloned().collect(),
        }
    }

    fn ledger(self) -> Ledger {
        let mut ledger = Ledger::default();
        let segments = self.segments.into_iter().map(Record::Entry);
        let plans = self.applied_plans.into_iter().map(Record::Plan);
        let intents = self.intents.into_iter().map(Record::Intent);
        for record in segments.chain(plans).chain(intents) {
            ledger.apply(record);
        }
        ledger
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Replaced, StepKey, Write};
    use super::*;
    use crate::model::{EndpointClass, Lifecycle, Payload, SegmentId, SegmentName};
    use jiff::Timestamp;
    use serde_json::json;
    use std::fs;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let payload = Payload {
            included_filters: json!({"filter_operator": "and", "filters": [{"value": 1.5}]}),
            excluded_filters: None,
        };
        for (id, name, lifecycle) in [
            ("a1", "One", Lifecycle::Active),
            ("b2", "Two", Lifecycle::Archived),
        ] {
            let mut entry = Entry {
                lifecycle,
                digest: (id == "a1").then(|| "00ff".to_owned()),
                definition: (id == "a1").then(|| payload.clone()),
                protect: id == "a1",
                run: "run 1".to_owned(),
                ..Entry::new(SegmentId::new(id), SegmentName::new("Old"), Timestamp::UNIX_EPOCH)
            };
            entry.rename(SegmentName::new(name));
            entry.keep(Replaced {
                name: SegmentName::new("Old"),
                definition: payload.clone(),
                replaced_at: Timestamp::UNIX_EPOCH,
                run: "run 0".to_owned(),
            });
            ledger.record(entry);
        }
        ledger.record_plan(AppliedPlan {
            digest: "abc".to_owned(),
            applied_at: Timestamp::UNIX_EPOCH,
        });
        ledger
    }

    fn record(number: usize) -> Record {
        Record::Intent(Intent {
            step: StepKey {
                run: "run 2".to_owned(),
                step: number,
            },
            segment: SegmentName::new("One"),
            protect: false,
            at: Timestamp::UNIX_EPOCH,
            write: Write::Lifecycle {
                id: SegmentId::new("a1"),
                name: SegmentName::new("One"),
                lifecycle: Lifecycle::Archived,
            },
        })
    }

    #[tokio::test]
    async fn everything_comes_back_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path().join("deep/down"));
        assert_eq!(store.load().await.unwrap(), Ledger::default());
        store.save(&ledger()).await.unwrap();
        assert_eq!(store.load().await.unwrap(), ledger());
        let requests = Requests {
            calls: [(EndpointClass::Get, vec![Timestamp::UNIX_EPOCH])].into(),
            list_and_create_apart: true,
        };
        store.save_requests(&requests).await.unwrap();
        assert_eq!(store.load_requests().await.unwrap(), requests);
    }

    /// The ledger with the first records taken down.
    fn ledger_with(records: usize) -> Ledger {
        let mut ledger = ledger();
        for number in 0..records {
            ledger.apply(record(number));
        }
        ledger
    }

    #[tokio::test]
    async fn what_a_run_adds_is_read_by_the_next_whatever_was_left_of_the_last_line() {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join(JOURNAL);
        let store = DirectoryStore::new(directory.path());
        for count in 1..4 {
            store
                .add(&ledger_with(count), &[record(count - 1)])
                .await
                .unwrap();
        }
        let next = DirectoryStore::new(directory.path());
        assert_eq!(next.load().await.unwrap(), ledger_with(3));
        let text = fs::read(&journal).unwrap();
        fs::write(&journal, &text[..text.len() - 5]).unwrap();
        assert_eq!(next.load().await.unwrap(), ledger_with(2));
        // Its first change leaves the torn line behind.
        next.add(&ledger_with(3), &[record(2)]).await.unwrap();
        assert!(!journal.exists());
        next.add(&ledger_with(4), &[record(3)]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), ledger_with(4));
        // A run that ended before it removed the journal: it follows an older generation.
        let journal_of_before = fs::read(&journal).unwrap();
        store.save(&ledger_with(1)).await.unwrap();
        fs::write(&journal, &journal_of_before).unwrap();
        assert_eq!(store.load().await.unwrap(), ledger_with(1));
    }

    #[tokio::test]
    async fn a_journal_that_does_not_fit_is_told_and_a_lost_ledger_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path());
        store.save(&ledger()).await.unwrap();
        let backup = fs::read(directory.path().join(LEDGER)).unwrap();
        store.save(&ledger()).await.unwrap();
        store.add(&ledger_with(1), &[record(0)]).await.unwrap();
        fs::write(directory.path().join(LEDGER), backup).unwrap();
        let refused = store.load().await.unwrap_err().to_string();
        assert!(refused.contains("follows generation 2"), "{refused}");
        fs::remove_file(directory.path().join(LEDGER)).unwrap();
        assert_eq!(store.load().await.unwrap(), Ledger::default());
        let next = DirectoryStore::new(directory.path());
        next.add(&ledger_with(2), &[record(1)]).await.unwrap();
        assert_eq!(store.load().await.unwrap(), ledger_with(2));
        fs::write(directory.path().join(JOURNAL), "{}\n{}\n").unwrap();
        let refused = store.load().await.unwrap_err().to_string();
        assert!(
            refused.contains("journal.jsonl") && refused.contains("first line"),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path());
        let good = document::encode(LEDGER_VERSION, &Contents::of(&ledger()));
        let damaged = [
            (good.replace("\"One\"", "\"Own\""), "checksum"),
            (
                good.replace("\"format_version\": 3", "\"format_version\": 4"),
                "format version 4",
            ),
            (good[..good.len() / 2].to_owned(), "EOF"),
            (String::new(), "EOF"),
            (good.replace("\"archived\"", "\"gone\""), "`gone` is no lifecycle"),
        ];
        for (text, reason) in damaged {
            fs::write(directory.path().join(LEDGER), text).unwrap();
            let refused = store.load().await.unwrap_err().to_string();
            assert!(
                refused.contains(reason) && refused.contains("ledger.json"),
                "{refused}"
            );
        }
    }
}
