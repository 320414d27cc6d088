//! Detects damaged files.
//!
//! The checksum of JSON is SHA-256, in hexadecimal, of its text without the white space between tokens. Editors, formatters
//! and git's line endings may change that white space. Everything else counts, including the order of keys and the form of
//! numbers, so segctl verifies a text before it decodes it.

use crate::model::hexadecimal;
use sha2::{Digest as _, Sha256};

pub(super) fn checksum(text: &str) -> String {
    hexadecimal(&Sha256::digest(without_whitespace(text)))
}

/// Whether a text has this checksum.
pub(super) fn has_checksum(text: &str, expected: &str) -> bool {
    checksum_of_lines(text) == expected || checksum(text) == expected
}

/// The same for a text as segctl writes it: without white space between tokens but line ends.
fn checksum_of_lines(text: &str) -> String {
    let mut hash = Sha256::new();
    text.split('\n').for_each(|line| hash.update(line));
    hexadecimal(&hash.finalize())
}

fn without_whitespace(text: &str) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let between = rest.split(|byte| *byte == b'"').next().unwrap_or_default();
        result.extend(between.iter().filter(|byte| !byte.is_ascii_whitespace()));
        rest = rest.get(between.len()..).unwrap_or_default();
        let (string, after) = rest.split_at(string_length(rest));
        result.extend_from_slice(string);
        rest = after;
    }
    result
}

/// The length of the string at the start of `text`, with its quotes; it may lack its end.
fn string_length(text: &[u8]) -> usize {
    let mut is_escaped = true;
    let end = text.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_algorithm_is_pinned() {
        let pinned = "6845884469dd530b6ce59344b87f6d8f440f4efe64bb40891e126892b7e9d137";
        assert_eq!(checksum(r#"{"a":[1,"b c"]}"#), pinned);
    }

    #[test]
    fn whitespace_counts_only_inside_strings() {
        for (text, same) in [
            ("{ \"a\" :\r\n\t[1, 2] }", r#"{"a":[1,2]}"#),
            (r#"[ "a \" b", "c\\" , "d  e" ]"#, r#"["a \" b","c\\","d  e"]"#),
            (r#""\\\" \\" "#, r#""\\\" \\""#),
        ] {
            assert_eq!(without_whitespace(text), same.as_bytes(), "{text}");
        }
    }
}
