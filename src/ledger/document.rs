//! The form of what a ledger keeps whole: JSON with a version and a checksum.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    format_version: u32,
    /// SHA-256 of the contents as canonical JSON: tells a damaged file from an edited format.
    checksum: String,
    contents: T,
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

/// Reads the text of a file.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], known: u32) -> Result<T, String> {
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

/// SHA-256 of the contents as canonical JSON, in hexadecimal.
pub(super) fn checksum(contents: &impl Serialize) -> String {
    let text = serde_json_canonicalizer::to_string(contents).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
