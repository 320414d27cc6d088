//! Hexadecimal text.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The value of a digit as `hexadecimal` writes it.
pub(super) fn hexadecimal_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Strict, because the text may become part of a file name.
#[must_use]
pub fn is_hexadecimal(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|byte| hexadecimal_digit(byte).is_some())
}
