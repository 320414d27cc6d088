//! The ledger in a directory: one JSON file, replaced whole.

use super::{AppliedPlan, Entry, Ledger, LedgerStore};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{error, fmt};

/// The version of the file's format; a file of another version is refused, never guessed at.
const FORMAT_VERSION: u32 = 2;

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
                "the ledger `{}` cannot be used: {reason}; restore it from a backup, or move it away and \
                 run `segctl ledger rebuild`: a lost ledger costs requests, not correctness",
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
    /// SHA-256 of the contents as canonical JSON: tells a damaged file from an edited format.
    checksum: String,
    contents: Contents,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    segments: Vec<Entry>,
    #[serde(default)]
    applied_plans: Vec<AppliedPlan>,
}

fn encode(ledger: &Ledger) -> String {
    let contents = Contents {
        segments: ledger.entries().cloned().collect(),
        applied_plans: ledger.applied_plans().to_vec(),
    };
    let stored = StoredLedger {
        format_version: FORMAT_VERSION,
        checksum: checksum(&contents),
        contents,
    };
    // Plain structures of text and numbers always serialise.
    serde_json::to_string_pretty(&stored).unwrap_or_default() + "\n"
}

fn decode(bytes: &[u8]) -> Result<Ledger, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    // The version comes first: a file of another version may have any shape.
    let version = value.get("format_version").and_then(Value::as_u64);
    if let Some(version) = version.filter(|version| *version != u64::from(FORMAT_VERSION)) {
        return Err(format!(
            "it has format version {version}, and this segctl knows {FORMAT_VERSION}"
        ));
    }
    let stored: StoredLedger = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if stored.checksum != checksum(&stored.contents) {
        return Err("its checksum does not match its contents".to_owned());
    }
    let mut ledger = Ledger::default();
    for entry in stored.contents.segments {
        ledger.record(entry);
    }
    for plan in stored.contents.applied_plans {
        ledger.record_plan(plan);
    }
    Ok(ledger)
}

fn checksum(contents: &Contents) -> String {
    let text = serde_json_canonicalizer::to_string(contents).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Replaced;
    use super::*;
    use crate::model::{Lifecycle, Payload, SegmentId, SegmentName};
    use jiff::Timestamp;
    use serde_json::json;

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
                good.replace("\"format_version\": 2", "\"format_version\": 3"),
                "format version 3",
            ),
            (good[..good.len() / 2].to_owned(), "EOF"),
            (String::new(), "EOF"),
            (good.replace("\"archived\"", "\"gone\""), "`gone` is no lifecycle"),
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
}
