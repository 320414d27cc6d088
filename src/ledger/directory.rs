//! The ledger in a directory: `ledger.json`, and beside it what may be lost without harm.

use super::document::{self, Unreadable};
use super::{AppliedPlan, Entry, Ledger, LedgerStore, Requests, Snapshot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::{error, fmt};

const LEDGER: &str = "ledger.json";
const SNAPSHOT: &str = "snapshot.json";
const REQUESTS: &str = "requests.json";

/// The versions of the files' formats; a file of another version is refused, never guessed at.
const LEDGER_VERSION: u32 = 2;
const SNAPSHOT_VERSION: u32 = 1;
const REQUESTS_VERSION: u32 = 1;

/// A ledger in a directory.
#[derive(Clone, Debug)]
pub struct DirectoryStore {
    directory: PathBuf,
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
        Self {
            directory: directory.into(),
        }
    }

    fn read<T: Serialize + DeserializeOwned>(
        &self,
        file: &str,
        version: u32,
    ) -> Result<Option<T>, StoreError> {
        let path = self.directory.join(file);
        document::read(&path, version).map_err(|error| match error {
            Unreadable::Io(source) => StoreError::Io {
                operation: "read",
                path,
                source,
            },
            Unreadable::Corrupt(reason) => StoreError::Corrupt { path, reason },
        })
    }

    fn write(&self, file: &str, version: u32, contents: &impl Serialize) -> Result<(), StoreError> {
        let path = self.directory.join(file);
        document::write(&path, version, contents).map_err(|source| StoreError::Io {
            operation: "write",
            path,
            source,
        })
    }
}

impl LedgerStore for DirectoryStore {
    async fn load(&self) -> Result<Ledger, StoreError> {
        let contents = self.read::<Contents>(LEDGER, LEDGER_VERSION)?;
        Ok(contents.map(ledger).unwrap_or_default())
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        self.write(LEDGER, LEDGER_VERSION, &contents(ledger))
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.read(SNAPSHOT, SNAPSHOT_VERSION)?.unwrap_or_default())
    }

    async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.write(SNAPSHOT, SNAPSHOT_VERSION, snapshot)
    }

    async fn load_requests(&self) -> Result<Requests, StoreError> {
        Ok(self.read(REQUESTS, REQUESTS_VERSION)?.unwrap_or_default())
    }

    async fn save_requests(&self, requests: &Requests) -> Result<(), StoreError> {
        self.write(REQUESTS, REQUESTS_VERSION, requests)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    segments: Vec<Entry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
}

fn contents(ledger: &Ledger) -> Contents {
    Contents {
        segments: ledger.entries().cloned().collect(),
        applied_plans: ledger.applied_plans().to_vec(),
    }
}

fn ledger(contents: Contents) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in contents.segments {
        ledger.record(entry);
    }
    for plan in contents.applied_plans {
        ledger.record_plan(plan);
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::super::Replaced;
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

    #[test]
    fn everything_comes_back_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path().join("deep/down"));
        let empty = store.read::<Contents>(LEDGER, LEDGER_VERSION).unwrap();
        assert!(empty.is_none());
        store.write(LEDGER, LEDGER_VERSION, &contents(&ledger())).unwrap();
        let read = store.read::<Contents>(LEDGER, LEDGER_VERSION).unwrap();
        assert_eq!(super::ledger(read.unwrap()), ledger());
        let requests = Requests {
            calls: [(EndpointClass::Get, vec![Timestamp::UNIX_EPOCH])].into(),
            list_and_create_apart: true,
        };
        store.write(REQUESTS, REQUESTS_VERSION, &requests).unwrap();
        assert_eq!(store.read(REQUESTS, REQUESTS_VERSION).unwrap(), Some(requests));
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path());
        let good = document::encode(LEDGER_VERSION, &contents(&ledger()));
        let damaged = [
            (good.replace("\"One\"", "\"Own\""), "checksum"),
            (
                good.replace("\"format_version\": 2", "\"format_version\": 3"),
                "format version 3",
            ),
            (good[..good.len() / 2].to_owned(), "EOF"),
            (String::new(), "EOF"),
            (good.replace("\"archived\"", "\"gone\""), "`gone` is no lifecycle"),
        ];
        for (text, reason) in damaged {
            fs::write(directory.path().join(LEDGER), text).unwrap();
            let refused = store.read::<Contents>(LEDGER, LEDGER_VERSION);
            let refused = refused.map(|_| ()).unwrap_err().to_string();
            assert!(
                refused.contains(reason) && refused.contains("ledger.json"),
                "{refused}"
            );
        }
    }
}
