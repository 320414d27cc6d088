//! Reads JSON that is nested deeper than serde_json allows: 64 groups inside each other have about 130 levels.

use serde::Deserialize;
use serde::de::Error;

/// Every check of the service recurses, so the nesting has a limit. Values with this nesting need far less than the
/// 2 MiB of a thread's stack.
const NESTING_LIMIT: usize = 256;

/// The state holds definitions some levels below its top.
const STATE_NESTING_LIMIT: usize = NESTING_LIMIT + 16;

/// The body of a request.
pub(super) fn from_body<'de, T: Deserialize<'de>>(body: &'de [u8]) -> serde_json::Result<T> {
    from_slice(body, NESTING_LIMIT)
}

/// The state of the service, as it was saved.
pub(super) fn from_data_file<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    from_slice(bytes, STATE_NESTING_LIMIT)
}

fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8], limit: usize) -> serde_json::Result<T> {
    if nesting(bytes) > limit {
        let message = format!("nested more than {limit} levels");
        return Err(serde_json::Error::custom(message));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    deserializer.disable_recursion_limit();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// How many lists and objects are open at once, at most. Brackets in texts do not count.
fn nesting(bytes: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            b'"' => skip_text(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_text(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NESTING_LIMIT, from_body, nesting};
    use serde_json::Value;

    #[test]
    fn brackets_in_texts_do_not_count() {
        for (text, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [1, [2]], "b": {}}"#, 3),
            (r#"["[[[", "\"[[", "\\"]"#, 1),
            ("]]]][[", 2),
            ("\"[[[", 0),
        ] {
            assert_eq!(nesting(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn deep_values_are_read_up_to_the_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for (levels, is_read) in [
            (200, true),
            (NESTING_LIMIT, true),
            (NESTING_LIMIT + 1, false),
            (100_000, false),
        ] {
            let value = from_body::<Value>(nested(levels).as_bytes());
            assert_eq!(value.is_ok(), is_read, "{levels}");
        }
        assert!(from_body::<Value>(b"[] []").is_err());
    }
}
