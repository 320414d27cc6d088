//! What is kept in a directory: JSON files with a version and a checksum, replaced whole.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    format_version: u32,
    /// SHA-256 of the contents as canonical JSON: tells a damaged file from an edited format.
    checksum: String,
    contents: T,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The file system refused.
    Io(io::Error),
    /// The file is not what segctl wrote.
    Corrupt(String),
}

/// Reads a file; `None` where there is none.
pub(super) fn read<T: Serialize + DeserializeOwned>(
    path: &Path,
    version: u32,
) -> Result<Option<T>, Unreadable> {
    match fs::read(path) {
        Ok(bytes) => decode(&bytes, version).map(Some).map_err(Unreadable::Corrupt),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Unreadable::Io(error)),
    }
}

/// Replaces a file, and makes its directory where there is none.
pub(super) fn write(path: &Path, version: u32, contents: &impl Serialize) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    replace(path, encode(version, contents).as_bytes())
}

/// The text of a file.
pub(super) fn encode(version: u32, contents: &impl Serialize) -> String {
    let document = Document {
        format_version: version,
        checksum: checksum(contents),
        contents,
    };
    // Plain structures of text and numbers always serialise.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], known: u32) -> Result<T, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    // The version comes first: a file of another version may have any shape.
    let version = value.get("format_version").and_then(Value::as_u64);
    if let Some(version) = version.filter(|version| *version != u64::from(known)) {
        return Err(format!(
            "it has format version {version}, and this segctl knows {known}"
        ));
    }
    let document: Document<T> = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if document.checksum != checksum(&document.contents) {
        return Err("its checksum does not match its contents".to_owned());
    }
    Ok(document.contents)
}

fn checksum(contents: &impl Serialize) -> String {
    let text = serde_json_canonicalizer::to_string(contents).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Replaces a file so that a crash leaves the old one or the new one, never a part of either.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Two runs at once must not write into one temporary file.
    let temporary = path.with_extension(format!("json.{}.new", std::process::id()));
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
