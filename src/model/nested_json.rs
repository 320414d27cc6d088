//! JSON that is nested deeper than serde_json reads by default: 64 groups inside each other have about 130 levels.

use serde::Deserialize;
use serde::de::Error;

/// Every later stage recurses, so the nesting of an answer has a limit. With this one, no stage needs a large stack.
const ANSWER_NESTING_LIMIT: usize = 256;

/// Files hold definitions some levels below their top.
const FILE_NESTING_LIMIT: usize = ANSWER_NESTING_LIMIT + 32;

/// Reads an answer of MoEngage, or a part of one.
pub fn json_from_answer<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    from_text(text, ANSWER_NESTING_LIMIT)
}

/// Reads a file that segctl wrote.
pub fn json_from_file<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    from_text(text, FILE_NESTING_LIMIT)
}

/// Whether a text is one whole JSON object by its brackets, valid or not. A truncated answer and a page are not.
#[must_use]
pub fn is_whole_object(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{') && text.ends_with('}') && brackets(text).open == 0
}

fn from_text<'de, T: Deserialize<'de>>(text: &'de str, limit: usize) -> serde_json::Result<T> {
    // Few texts are nested deeper than serde_json allows, and counting brackets takes as long as reading.
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    require_nesting(text, limit)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// For a part of a file that is parsed later.
pub(super) fn require_file_nesting(text: &str) -> serde_json::Result<()> {
    // In sums of bytes, which processors add many at a time.
    let opened = text.as_bytes().chunks(usize::from(u8::MAX)).map(|chunk| {
        let opening = chunk.iter().map(|byte| u8::from(matches!(byte, b'[' | b'{')));
        usize::from(opening.sum::<u8>())
    });
    let opened: usize = opened.sum();
    // Hardly any text has so many brackets in all.
    if opened <= FILE_NESTING_LIMIT {
        return Ok(());
    }
    require_nesting(text, FILE_NESTING_LIMIT)
}

fn require_nesting(text: &str, limit: usize) -> serde_json::Result<()> {
    if brackets(text).deepest > limit {
        let message = format!("recursion limit exceeded: nested more than {limit} levels");
        return Err(serde_json::Error::custom(message));
    }
    Ok(())
}

/// Lists and objects. Brackets in texts do not count.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brackets {
    /// The largest number of lists and objects that are open at once.
    deepest: usize,
    /// How many are open at the end.
    open: usize,
}

fn brackets(text: &str) -> Brackets {
    let mut brackets = Brackets::default();
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                brackets.open += 1;
                brackets.deepest = brackets.deepest.max(brackets.open);
            }
            b']' | b'}' => brackets.open = brackets.open.saturating_sub(1),
            _ => {}
        }
    }
    brackets
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn brackets_in_texts_do_not_count() {
        for (text, deepest, open) in [
            ("1", 0, 0),
            (r#"{"a": [1, [2]], "b": {}}"#, 3, 0),
            (r#"["[[[", "\"[[", "\\"]"#, 1, 0),
            ("]]]][[", 2, 2),
            ("\"[[[", 0, 0),
        ] {
            assert_eq!(brackets(text), Brackets { deepest, open }, "{text}");
        }
    }

    #[test]
    fn a_truncated_answer_is_not_whole() {
        for (text, is_whole) in [
            (r#" {"data": NaN} "#, true),
            (r#"{"data": [{}"#, false),
            (r#"{"data": "}"#, false),
            ("<html>{}</html>", false),
            ("", false),
        ] {
            assert_eq!(is_whole_object(text), is_whole, "{text}");
        }
    }

    #[test]
    fn what_was_read_from_an_answer_is_also_read_from_a_file() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let answer = |levels: usize| json_from_answer::<Value>(&nested(levels)).is_ok();
        let file = |levels: usize| json_from_file::<Value>(&nested(levels)).is_ok();
        assert!(answer(ANSWER_NESTING_LIMIT) && !answer(ANSWER_NESTING_LIMIT + 1));
        assert!(file(FILE_NESTING_LIMIT) && !file(FILE_NESTING_LIMIT + 1) && !file(100_000));
        assert!(json_from_answer::<Value>("[] []").is_err());
    }
}
