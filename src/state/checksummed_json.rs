//! The format of files that segctl replaces as a whole: JSON with a version and a checksum.

use super::checksum::{checksum, has_checksum};
use crate::model::decode_shared;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::sync::Arc;

#[derive(Serialize)]
struct Envelope<T> {
    format_version: u32,
    checksum: String,
    contents: T,
}

/// The fields that segctl checks before the contents. A file of another version may lack any of them.
#[derive(Deserialize)]
struct Header {
    format_version: Option<u64>,
    checksum: Option<String>,
}

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
    let mut lines = Vec::with_capacity(text.len() + text.len() / 16);
    let mut serializer = Serializer::with_formatter(&mut lines, LineFormatter { depth: 0 });
    envelope
        .serialize(&mut serializer)
        .expect("structures of text and numbers serialize");
    lines.push(b'\n');
    String::from_utf8(lines).expect("JSON is UTF-8")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &Arc<Vec<u8>>, supported: u32) -> Result<T, String> {
    let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let (header, contents) = match split(text) {
        Some(parts) => parts,
        None => split_any(text).map_err(|error| error.to_string())?,
    };
    let version = header.format_version.ok_or("it has no format version")?;
    if version != u64::from(supported) {
        return Err(format!(
            "its format version is {version}, and this segctl reads version {supported}"
        ));
    }
    if !header
        .checksum
        .is_some_and(|expected| has_checksum(contents, &expected))
    {
        return Err("its checksum does not match its contents".to_owned());
    }
    decode_shared(bytes, contents).map_err(|error| error.to_string())
}

/// The header and the contents of a file whose fields have the order in which segctl writes them. Finds the contents
/// without reading them.
fn split(text: &str) -> Option<(Header, &str)> {
    let (header, contents) = text.split_once("\"contents\":")?;
    let header = header.trim_end().strip_suffix(',')?;
    let header: Header = serde_json::from_str(&format!("{header}}}")).ok()?;
    let contents = contents.trim_end().strip_suffix('}')?;
    let is_complete = header.format_version.is_some() && header.checksum.is_some();
    is_complete.then_some((header, contents))
}

/// The same of a file that something else formatted.
fn split_any(text: &str) -> serde_json::Result<(Header, &str)> {
    let envelope: RawEnvelope<'_> = serde_json::from_str(text)?;
    // serde reads an optional `null` as absent. The contents of a free lock are `null`.
    let contents = envelope.contents.map_or("null", RawValue::get);
    let header = Header {
        format_version: envelope.format_version,
        checksum: envelope.checksum,
    };
    Ok((header, contents))
}

/// Writes the values of the outer levels on lines of their own: a line for each segment.
struct LineFormatter {
    depth: usize,
}

/// The file, its contents, and their lists.
const LEVELS_OF_LINES: usize = 3;

impl LineFormatter {
    fn begin<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(bracket)
    }

    fn begin_value<W: ?Sized + Write>(&self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if !is_first {
            writer.write_all(b",")?;
        }
        if self.depth <= LEVELS_OF_LINES {
            writer.write_all(b"\n")?;
        }
        Ok(())
    }

    fn end<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(bracket)
    }
}

impl Formatter for LineFormatter {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        self.begin_value(writer, is_first)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        self.begin_value(writer, is_first)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Arc<Vec<u8>> {
        Arc::new(text.as_bytes().to_vec())
    }

    #[test]
    fn the_checksum_ignores_layout_but_detects_changes() {
        let contents = vec!["a  b".to_owned(), "c\\\" d".to_owned()];
        let text = encode(7, &contents);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let (compact, pretty) = (value.to_string(), serde_json::to_string_pretty(&value).unwrap());
        let reformatted = [
            text.clone(),
            text.replace('\n', "\r\n"),
            pretty.replace("\n  ", "\n\t"),
            // With sorted keys, the contents come before the version.
            compact,
        ];
        for text in reformatted {
            assert_eq!(decode(&bytes(&text), 7), Ok(contents.clone()), "{text}");
        }
        let damaged = text.replace("a  b", "a b");
        let error = decode::<Vec<String>>(&bytes(&damaged), 7).unwrap_err();
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn each_segment_has_a_line_of_its_own() {
        let segment = serde_json::json!({"id": "a", "definition": {"filters": [1, 2]}});
        let contents = serde_json::json!({"generation": 1, "segments": [segment, segment]});
        let text = encode(7, &contents);
        let segment = segment.to_string();
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "\"contents\":{",
                "\"generation\":1,",
                "\"segments\":[",
                &format!("{segment},"),
                &format!("{segment}]}}}}")
            ]
        );
    }

    #[test]
    fn an_absent_value_round_trips() {
        let text = encode(7, &None::<String>);
        assert_eq!(decode(&bytes(&text), 7), Ok(None::<String>));
    }

    #[test]
    fn another_format_version_is_rejected_by_its_number_alone() {
        let error = decode::<String>(&bytes(r#"{"format_version": 8, "shape": []}"#), 7).unwrap_err();
        assert_eq!(error, "its format version is 8, and this segctl reads version 7");
    }
}
