//! The form of what a ledger keeps whole: JSON with a version and a checksum.

use super::checksum::checksum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Envelope<T> {
    format_version: u32,
    checksum: String,
    contents: T,
}

/// As much of a file as tells whether it can be used; a file of another version may lack any of it.
#[derive(Deserialize)]
struct RawEnvelope<'a> {
    format_version: Option<u64>,
    checksum: Option<String>,
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
}

/// The text of a file.
pub(super) fn encode(version: u32, contents: &impl Serialize) -> String {
    // Plain structures of text and numbers always serialise.
    let text = serde_json::to_string(contents).unwrap_or_default();
    let document = Envelope {
        format_version: version,
        checksum: checksum(&text),
        contents,
    };
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

/// Reads the text of a file.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], known: u32) -> Result<T, String> {
    let sealed: RawEnvelope<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    match sealed.format_version {
        None => return Err("it has no format version".to_owned()),
        Some(version) if version != u64::from(known) => {
            return Err(format!(
                "it has format version {version}, and this segctl knows {known}"
            ));
        }
        Some(_) => {}
    }
    // Where it may be absent, nothing is told from `null`: a free lock is one.
    let text = sealed.contents.map_or("null", RawValue::get);
    if sealed.checksum.is_none_or(|sealed| sealed != checksum(text)) {
        return Err("its checksum does not match its contents".to_owned());
    }
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_ignores_layout_but_detects_changes() {
        let contents = vec!["a  b".to_owned(), "c\\\" d".to_owned()];
        let text = encode(7, &contents);
        let laid_out = [
            text.clone(),
            text.replace('\n', "\r\n"),
            text.replace("\n  ", "\n\t"),
        ];
        for text in laid_out {
            assert_eq!(decode(text.as_bytes(), 7), Ok(contents.clone()), "{text}");
        }
        let damaged = text.replace("a  b", "a b");
        let refused = decode::<Vec<String>>(damaged.as_bytes(), 7).unwrap_err();
        assert!(refused.contains("checksum"), "{refused}");
    }

    #[test]
    fn an_absent_value_round_trips() {
        let text = encode(7, &None::<String>);
        assert_eq!(decode(text.as_bytes(), 7), Ok(None::<String>));
    }

    #[test]
    fn another_format_version_is_rejected_by_its_number_alone() {
        let refused = decode::<String>(b"{\"format_version\": 8, \"shape\": []}", 7).unwrap_err();
        assert_eq!(refused, "it has format version 8, and this segctl knows 7");
    }
}
