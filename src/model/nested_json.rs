//! JSON that is nested deeper than serde_json reads by default: 64 groups inside each other have about 130 levels.

use serde::Deserialize;
use serde::de::Error;

/// Every later stage recurses, so the nesting of an answer has a limit. With this one, no stage needs a large stack.
const ANSWER_NESTING_LIMIT: usize = 256;

/// Files hold definitions some levels below their top.
const FILE_NESTING_LIMIT: usize = ANSWER_NESTING_LIMIT + 32;

/// Reads an answer of MoEngage.
pub fn json_from_answer<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    from_slice(bytes, ANSWER_NESTING_LIMIT)
}

/// Reads a file that segctl wrote.
pub fn json_from_file<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    from_slice(text.as_bytes(), FILE_NESTING_LIMIT)
}

fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8], limit: usize) -> serde_json::Result<T> {
    if nesting(bytes) > limit {
        let message = format!("recursion limit exceeded: nested more than {limit} levels");
        return Err(serde_json::Error::custom(message));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    deserializer.disable_recursion_limit();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The largest number of lists and objects that are open at once. Brackets in texts do not count.
fn nesting(bytes: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let (mut in_text, mut is_escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn brackets_in_texts_do_not_count() {
        for (text, expected) in [
            ("1", 0),
            (r#"{"a": [1, [2]], "b": {}}"#, 3),
            (r#"["[[[", "\"[[", "\\"]"#, 1),
            ("]]]][[", 2),
            ("\"[[[", 0),
        ] {
            assert_eq!(nesting(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_was_read_from_an_answer_is_also_read_from_a_file() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let answer = |levels: usize| json_from_answer::<Value>(nested(levels).as_bytes()).is_ok();
        let file = |levels: usize| json_from_file::<Value>(&nested(levels)).is_ok();
        assert!(answer(ANSWER_NESTING_LIMIT) && !answer(ANSWER_NESTING_LIMIT + 1));
        assert!(file(FILE_NESTING_LIMIT) && !file(FILE_NESTING_LIMIT + 1) && !file(100_000));
        assert!(json_from_answer::<Value>(b"[] []").is_err());
    }
}
