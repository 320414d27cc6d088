//! The text of an answer of MoEngage, readable as JSON where only single values of it are not.
//!
//! MoEngage stores what browsers and other programs send, so one odd segment must not make an answer about many segments
//! unreadable. These are readable afterwards:
//!
//! - bytes that are not UTF-8, and half a surrogate pair, such as `\ud83d` at the end of a name that was cut: U+FFFD
//! - a control character inside a text: its escape
//! - a byte order mark before the JSON: nothing
//! - `NaN` and `Infinity`: a number that is too large, so that only what needs the number is unreadable.

use std::borrow::Cow;

const REPLACEMENT_ESCAPE: &str = r"\ufffd";

/// JSON by its grammar, and no number of 64 bits.
const UNREADABLE_NUMBER: &str = "1e999";

/// `\ud83d`, in bytes.
const UNICODE_ESCAPE_LENGTH: usize = 6;

#[must_use]
pub fn answer_text(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match repair(&text) {
        Some(repaired) => Cow::Owned(repaired),
        None => text,
    }
}

/// `None` if there is nothing to repair.
fn repair(text: &str) -> Option<String> {
    let mut repair = Repair {
        text,
        copied: 0,
        repaired: String::new(),
    };
    let (mut position, mut in_text) = (0, false);
    while let Some(byte) = text.as_bytes().get(position) {
        position += match byte {
            b'"' => {
                in_text = !in_text;
                1
            }
            b'\\' if in_text => repair.escape(position),
            0..b' ' if in_text => repair.replace(position, 1, &format!("\\u{byte:04x}")),
            b'N' if !in_text => repair.number(position, "NaN"),
            b'I' if !in_text => repair.number(position, "Infinity"),
            _ => 1,
        };
    }
    repair.finish()
}

struct Repair<'t> {
    text: &'t str,
    /// The bytes of `text` that `repaired` contains, or what replaces them.
    copied: usize,
    repaired: String,
}

impl Repair<'_> {
    /// Returns the length of the escape at `start`, or of both escapes of a pair.
    fn escape(&mut self, start: usize) -> usize {
        let Some(unit) = self.utf16_unit(start) else {
            return 2;
        };
        match unit {
            0xd800..0xdc00 => match self.utf16_unit(start + UNICODE_ESCAPE_LENGTH) {
                Some(0xdc00..0xe000) => 2 * UNICODE_ESCAPE_LENGTH,
                _ => self.replace(start, UNICODE_ESCAPE_LENGTH, REPLACEMENT_ESCAPE),
            },
            0xdc00..0xe000 => self.replace(start, UNICODE_ESCAPE_LENGTH, REPLACEMENT_ESCAPE),
            _ => UNICODE_ESCAPE_LENGTH,
        }
    }

    /// The value of the `\u` escape at `start`, if there is one.
    fn utf16_unit(&self, start: usize) -> Option<u16> {
        let escape = self.text.get(start..start + UNICODE_ESCAPE_LENGTH)?;
        let digits = escape.strip_prefix(r"\u")?;
        // `from_str_radix` accepts a sign.
        let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hexadecimal)
    }

    fn number(&mut self, start: usize, word: &str) -> usize {
        let is_word = self.text.get(start..).is_some_and(|rest| rest.starts_with(word));
        if is_word {
            self.replace(start, word.len(), UNREADABLE_NUMBER)
        } else {
            1
        }
    }

    /// Returns `length`.
    fn replace(&mut self, start: usize, length: usize, replacement: &str) -> usize {
        let unchanged = self.text.get(self.copied..start).unwrap_or_default();
        self.repaired.push_str(unchanged);
        self.repaired.push_str(replacement);
        self.copied = start + length;
        length
    }

    fn finish(mut self) -> Option<String> {
        if self.copied == 0 {
            return None;
        }
        let rest = self.text.get(self.copied..).unwrap_or_default();
        self.repaired.push_str(rest);
        Some(self.repaired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn halves_of_pairs_are_replaced_and_pairs_are_kept() {
        for (escaped, text) in [
            (r"Weekend \ud83d", "Weekend \u{fffd}"),
            (r"Weekend \uD83D", "Weekend \u{fffd}"),
            (r"\udE00 first", "\u{fffd} first"),
            (r"\ud83d\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\ud83d\ude00", "😀"),
            (r"\uD83D\uDE00\ude00", "😀\u{fffd}"),
            (r"\ud83d\n", "\u{fffd}\n"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ud83dé", "\u{fffd}é"),
            // Not an escape.
            (r"\\ud83d", r"\ud83d"),
            (r"\\\ud83d", "\\\u{fffd}"),
            (r#"\"\ud83d\""#, "\"\u{fffd}\""),
            ("tab\tand\u{1}", "tab\tand\u{1}"),
            ("NaN and Infinity", "NaN and Infinity"),
            (r"\ufffd \ue000 \ud7ff", "\u{fffd} \u{e000} \u{d7ff}"),
        ] {
            let body = format!(r#"{{"name": "{escaped}", "other": 1}}"#);
            let answer: Value = serde_json::from_str(&answer_text(body.as_bytes())).unwrap();
            assert_eq!(answer["name"], text, "{escaped}");
            assert_eq!(answer["other"], 1, "{escaped}");
            let key = format!(r#"{{"{escaped}": 1}}"#);
            let answer: Value = serde_json::from_str(&answer_text(key.as_bytes())).unwrap();
            assert_eq!(answer[text], 1, "{escaped}");
        }
    }

    #[test]
    fn other_bytes_are_replaced_and_what_is_no_json_stays_so() {
        let table: [(&[u8], &str); 12] = [
            (b"\xef\xbb\xbf[1]", "[1]"),
            (b"[\"\xff\xfe\"]", "[\"\u{fffd}\u{fffd}\"]"),
            // A surrogate that was encoded as UTF-8.
            (b"[\"\xed\xa0\xbd\"]", "[\"\u{fffd}\u{fffd}\u{fffd}\"]"),
            (b"[NaN,Infinity,-Infinity]", "[1e999,1e999,-1e999]"),
            (b"[Nan,Inf]", "[Nan,Inf]"),
            (br#"["\u12"]"#, r#"["\u12"]"#),
            (br#"["\u+d83"]"#, r#"["\u+d83"]"#),
            (br#"["\ud83d"#, r#"["\ufffd"#),
            (br#"["\ud83"#, r#"["\ud83"#),
            (br#"["\"#, r#"["\"#),
            (b"", ""),
            (b"<html>\t</html>", "<html>\t</html>"),
        ];
        for (bytes, text) in table {
            assert_eq!(answer_text(bytes), text);
        }
        assert!(matches!(
            answer_text(br#"{"a": "\ud83d\ude00"}"#),
            Cow::Borrowed(_)
        ));
    }
}
