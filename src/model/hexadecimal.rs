//! Bytes as text.

use std::fmt::Write as _;

/// Bytes in lowercase hexadecimal, two digits each.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Text takes whatever is written.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether a text is so many bytes in lowercase hexadecimal, and nothing else: it may become a part of a file's name.
#[must_use]
pub fn is_hexadecimal(text: &str, bytes: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 2 * bytes && text.bytes().all(is_digit)
}
