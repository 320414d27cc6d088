//! The format of files that segctl replaces as a whole: JSON with a version and a checksum.

use super::checksum::checksum;
use crate::model::json_from_file;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Envelope<T> {
    format_version: u32,
    checksum: String,
    contents: T,
}

/// The fields that segctl checks before the contents. A file of another version may lack any of them.
#[derive(Deserialize)]
struct RawEnvelope<'a> {
    format_version: Option<u64>,
    checksum: Option<String>,
    #[serde(borrow)]
    contents: Option<&'a RawValue>,
}

pub(super) fn encode(version: u32, contents: &impl Serialize) -> String {
    // An empty text in place of the state would lose it: a crash keeps the file.
    let text = serde_json::to_string(contents).expect("structures of text and numbers serialize");
    let envelope = Envelope {
        format_version: version,
        checksum: checksum(&text),
        contents,
    };
    serde_json::to_string_pretty(&envelope).expect("structures of text and numbers serialize") + "\n"
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], supported: u32) -> Result<T, String> {
    let envelope: RawEnvelope<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let version = envelope.format_version.ok_or("it has no format version")?;
    if version != u64::from(supported) {
        return Err(format!(
            "its format version is {version}, and this segctl reads version {supported}"
        ));
    }
    // serde reads an optional `null` as absent. The contents of a free lock are `null`.
    let text = envelope.contents.map_or("null", RawValue::get);
    if envelope
        .checksum
        .is_none_or(|expected| expected != checksum(text))
    {
        return Err("its checksum does not match its contents".to_owned());
    }
    json_from_file(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_ignores_layout_but_detects_changes() {
        let contents = vec!["a  b".to_owned(), "c\\\" d".to_owned()];
        let text = encode(7, &contents);
        let reformatted = [
            text.clone(),
            text.replace('\n', "\r\n"),
            text.replace("\n  ", "\n\t"),
        ];
        for text in reformatted {
            assert_eq!(decode(text.as_bytes(), 7), Ok(contents.clone()), "{text}");
        }
        let damaged = text.replace("a  b", "a b");
        let error = decode::<Vec<String>>(damaged.as_bytes(), 7).unwrap_err();
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn an_absent_value_round_trips() {
        let text = encode(7, &None::<String>);
        assert_eq!(decode(text.as_bytes(), 7), Ok(None::<String>));
    }

    #[test]
    fn another_format_version_is_rejected_by_its_number_alone() {
        let error = decode::<String>(b"{\"format_version\": 8, \"shape\": []}", 7).unwrap_err();
        assert_eq!(error, "its format version is 8, and this segctl reads version 7");
    }
}
