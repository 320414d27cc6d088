//! What tells a damaged file from one that is as it was written.
//!
//! The checksum of JSON is SHA-256, in hexadecimal, of its text without the white space between its tokens: what editors,
//! formatters and git's line ends may change without changing what it says. Everything else counts, down to the order of
//! keys and the spelling of numbers, so that nothing has to be read before it is known to be whole.

use crate::model::hexadecimal;
use sha2::{Digest as _, Sha256};

/// The checksum of a JSON text.
pub(super) fn checksum(text: &str) -> String {
    hexadecimal(&Sha256::digest(without_whitespace(text)))
}

/// A JSON text without the white space between its tokens.
fn without_whitespace(text: &str) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut is_inside, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        if is_inside || !byte.is_ascii_whitespace() {
            kept.push(byte);
        }
        if byte == b'"' && !is_escaped {
            is_inside = !is_inside;
        }
        is_escaped = is_inside && byte == b'\\' && !is_escaped;
    }
    kept
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
