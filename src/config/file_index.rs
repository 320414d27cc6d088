//! The file index: what decoding gave for each file, so that an unchanged file is read and hashed, but not parsed.
//!
//! An entry belongs to the SHA-256 of a file's bytes. Nothing in it depends on where the file is. Files with errors have no
//! entry, and warnings and notes are part of one.
//!
//! Definitions are not in the index: an unchanged segment needs only its digests and references, and a changed one is decoded
//! from its file.
//!
//! The index is only a cache. Its first line names the version of segctl. Every other line is one entry, with a checksum
//! over the digest of the file and the contents. A line that is not what this version wrote counts as missing, and segctl
//! parses a file without a line.
//!
//! Rules on several segments run every time, on names, digests and references. When such a rule finds something, segctl
//! parses the file for the location.

mod entry;

pub(super) use entry::IndexedFile;

use crate::model::{Digest, hexadecimal};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;

/// Changes with every version of segctl: another one may decode differently.
const HEADER: &str = concat!("segctl file index 3, segctl ", env!("CARGO_PKG_VERSION"), "\n");

const DIGEST_LENGTH: usize = 64;

#[derive(Clone, Debug, Default)]
pub struct FileIndex {
    text: String,
    lines: HashMap<Digest, Range<usize>>,
}

impl FileIndex {
    /// Empty if the text is not an index of this version.
    #[must_use]
    pub fn parse(text: String) -> Self {
        let mut lines = HashMap::new();
        let mut start = HEADER.len();
        let body = text.strip_prefix(HEADER).unwrap_or_default();
        for line in body.split_inclusive('\n') {
            let range = start..start + line.len();
            start = range.end;
            let file = line.get(..DIGEST_LENGTH).and_then(Digest::from_text);
            if let Some(file) = file {
                lines.insert(file, range);
            }
        }
        Self { text, lines }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The text of an index with these entries.
    pub(super) fn text_of(lines: &BTreeSet<Cow<'_, str>>) -> String {
        let mut text = HEADER.to_owned();
        text.extend(lines.iter().map(|line| &**line));
        text
    }

    /// The entry of a file and its line.
    pub(super) fn find(&self, file: &Digest) -> Option<(IndexedFile, &str)> {
        let line = self.text.get(self.lines.get(file)?.clone())?;
        let (head, contents) = line.strip_suffix('\n')?.split_at_checked(2 * DIGEST_LENGTH)?;
        let checksum = head.get(DIGEST_LENGTH..)?;
        if checksum != self::checksum(file, contents) {
            return None;
        }
        Some((serde_json::from_str(contents).ok()?, line))
    }
}

pub(super) fn line_of(file: &Digest, contents: &IndexedFile) -> String {
    let contents = serde_json::to_string(contents).expect("structures of text and numbers serialize");
    let mut line = String::with_capacity(2 * DIGEST_LENGTH + contents.len() + 1);
    let _ = writeln!(line, "{file}{}{contents}", checksum(file, &contents));
    line
}

fn checksum(file: &Digest, contents: &str) -> String {
    let mut hash = Sha256::new_with_prefix(file.as_bytes());
    hash.update(contents.as_bytes());
    hexadecimal(&hash.finalize())
}
