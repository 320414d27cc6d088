//! The ledger in a directory: one JSON file, replaced whole.

use super::{Entry, Ledger, LedgerStore};
use crate::model::{Keyword, Lifecycle, SegmentId, SegmentName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{error, fmt};

/// The version of the file's format; a file of another version is refused, never guessed at.
const FORMAT_VERSION: u32 = 1;

/// A ledger in `ledger.json` of a directory.
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
                write!(formatter, "cannot {operation} the ledger `{}`", path.display())
            }
            Self::Corrupt { path, reason } => write!(
                formatter,
                "the ledger `{}` cannot be used: {reason}; restore it from a backup, or move it away: a lost ledger \
                 costs requests, not correctness",
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

    fn path(&self) -> PathBuf {
        self.directory.join("ledger.json")
    }

    fn read(&self) -> Result<Ledger, StoreError> {
        let path = self.path();
        match fs::read(&path) {
            Ok(bytes) => decode(&bytes).map_err(|reason| StoreError::Corrupt { path, reason }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(source) => Err(StoreError::Io {
                operation: "read",
                path,
                source,
            }),
        }
    }

    fn write(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io {
            operation: "write",
            path: self.path(),
            source,
        };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        replace(&self.path(), encode(ledger).as_bytes()).map_err(failed)
    }
}

impl LedgerStore for DirectoryStore {
    async fn load(&self) -> Result<Ledger, StoreError> {
        self.read()
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        self.write(ledger)
    }
}

/// Replaces a file so that a crash leaves the old one or the new one, never a part of either.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    // Without this the rename may reach the disk before the bytes do.
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        // The rename itself is in the directory.
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLedger {
    format_version: u32,
    /// SHA-256 of the segments as JSON: tells a damaged file from an edited format.
    checksum: String,
    segments: Vec<StoredEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    id: String,
    name: String,
    lifecycle: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    digest: Option<String>,
    applied_at: Timestamp,
}

fn encode(ledger: &Ledger) -> String {
    let segments: Vec<StoredEntry> = ledger.entries().map(stored).collect();
    let stored = StoredLedger {
        format_version: FORMAT_VERSION,
        checksum: checksum(&segments),
        segments,
    };
    // Plain structures of text and numbers always serialise.
    serde_json::to_string_pretty(&stored).unwrap_or_default() + "\n"
}

fn stored(entry: &Entry) -> StoredEntry {
    StoredEntry {
        id: entry.id.to_string(),
        name: entry.name.to_string(),
        lifecycle: entry.lifecycle.as_str().to_owned(),
        digest: entry.digest.clone(),
        applied_at: entry.applied_at,
    }
}

fn decode(bytes: &[u8]) -> Result<Ledger, String> {
    let stored: StoredLedger = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if stored.format_version != FORMAT_VERSION {
        return Err(format!(
            "it has format version {}, and this segctl knows {FORMAT_VERSION}",
            stored.format_version
        ));
    }
    if stored.checksum != checksum(&stored.segments) {
        return Err("its checksum does not match its contents".to_owned());
    }
    let mut ledger = Ledger::default();
    for entry in stored.segments {
        let lifecycle = Lifecycle::from_text(&entry.lifecycle)
            .ok_or_else(|| format!("`{}` is no lifecycle", entry.lifecycle))?;
        ledger.record(Entry {
            id: SegmentId::new(entry.id),
            name: SegmentName::new(entry.name),
            lifecycle,
            digest: entry.digest,
            applied_at: entry.applied_at,
        });
    }
    Ok(ledger)
}

fn checksum(segments: &[StoredEntry]) -> String {
    let text = serde_json::to_string(segments).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        for (id, name, lifecycle) in [
            ("a1", "One", Lifecycle::Active),
            ("b2", "Two", Lifecycle::Archived),
        ] {
            ledger.record(Entry {
                id: SegmentId::new(id),
                name: SegmentName::new(name),
                lifecycle,
                digest: (id == "a1").then(|| "00ff".to_owned()),
                applied_at: Timestamp::UNIX_EPOCH,
            });
        }
        ledger
    }

    #[test]
    fn a_ledger_comes_back_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path().join("deep/down"));
        assert_eq!(store.read().unwrap(), Ledger::default());
        store.write(&ledger()).unwrap();
        assert_eq!(store.read().unwrap(), ledger());
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let store = DirectoryStore::new(directory.path());
        let good = encode(&ledger());
        let damaged = [
            (good.replace("\"One\"", "\"Own\""), "checksum"),
            (
                good.replace("\"format_version\": 1", "\"format_version\": 2"),
                "format version 2",
            ),
            (good[..good.len() / 2].to_owned(), "EOF"),
            (String::new(), "EOF"),
            (good.replace("\"archived\"", "\"gone\""), "checksum"),
        ];
        for (text, reason) in damaged {
            fs::write(store.path(), text).unwrap();
            let refused = store.read().unwrap_err().to_string();
            assert!(
                refused.contains(reason) && refused.contains("ledger.json"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_name_means_its_latest_entry() {
        let mut ledger = ledger();
        ledger.record(Entry {
            id: SegmentId::new("c3"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Active,
            digest: None,
            applied_at: Timestamp::from_second(5).unwrap(),
        });
        assert_eq!(
            ledger
                .named(&SegmentName::new("One"))
                .map(|entry| entry.id.as_str()),
            Some("c3")
        );
    }
}
