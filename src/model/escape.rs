//! Makes text from MoEngage and from users safe to print: names and answers may contain terminal control sequences.

/// Escapes what a terminal obeys, what changes the writing direction, and what is invisible, as in `\u{202e}`.
/// Joiners and variation selectors that scripts and emoji need stay.
#[must_use]
pub fn escape_unprintable(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut previous = None;
    for next in text.chars() {
        if is_unprintable(next, previous) {
            escaped.extend(next.escape_default());
        } else {
            escaped.push(next);
        }
        previous = Some(next);
    }
    escaped
}

#[must_use]
pub fn is_unprintable(next: char, previous: Option<char>) -> bool {
    next.is_control() || (is_invisible(next) && !(is_joiner(next) && previous.is_some_and(accepts_joiner)))
}

fn accepts_joiner(character: char) -> bool {
    !character.is_ascii() && (!is_invisible(character) || is_joiner(character))
}

/// Zero-width characters, direction marks, and spaces other than U+0020.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{a0}'
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200f}'
            | '\u{2028}'..='\u{202f}'
            | '\u{205f}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Joiners and variation selectors, which belong to the character before them.
fn is_joiner(character: char) -> bool {
    matches!(
        character,
        '\u{180b}'..='\u{180f}'
            | '\u{200c}'..='\u{200d}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0020}'..='\u{e007f}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Removes the query strings of URLs. A signature in a query string grants access until it expires.
#[must_use]
pub fn redact_query_strings(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let is_end = |end: char| end.is_whitespace() || "\"'`<>".contains(end);
    for part in text.split_inclusive(is_end) {
        let url = part.find("://");
        let query = url.and_then(|start| Some(start + part.get(start..)?.find('?')?));
        match query.and_then(|query| part.split_at_checked(query)) {
            Some((before, query)) => {
                redacted.push_str(before);
                redacted.push_str("?[redacted]");
                redacted.extend(query.chars().last().filter(|end| is_end(*end)));
            }
            None => redacted.push_str(part),
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unprintable_characters_are_escaped() {
        for (text, escaped) in [
            ("Buyers, gold", "Buyers, gold"),
            ("a\u{1b}[31mb\nc\td", "a\\u{1b}[31mb\\nc\\td"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            (
                "a\u{200b}b\u{feff}\u{ad}\u{a0}c",
                "a\\u{200b}b\\u{feff}\\u{ad}\\u{a0}c",
            ),
            ("a\u{200d}b", "a\\u{200d}b"),
            ("\u{85}\u{2028}", "\\u{85}\\u{2028}"),
            ("👩\u{200d}💻 ❤\u{fe0f}", "👩\u{200d}💻 ❤\u{fe0f}"),
            ("می\u{200c}خواهم é", "می\u{200c}خواهم é"),
            ("é\u{202e}\u{200d}", "é\\u{202e}\\u{200d}"),
        ] {
            assert_eq!(escape_unprintable(text), escaped);
        }
    }

    #[test]
    fn query_strings_of_urls_are_redacted() {
        for (text, redacted) in [
            (
                "download of https://b.example/a.csv?X-Signature=s3cret&b=c failed: https://c.example",
                "download of https://b.example/a.csv?[redacted] failed: https://c.example",
            ),
            (
                "\"https://b.example/?s3cret\" is gone?",
                "\"https://b.example/?[redacted]\" is gone?",
            ),
            ("really? yes", "really? yes"),
            ("s3://b/é?ü", "s3://b/é?[redacted]"),
        ] {
            assert_eq!(redact_query_strings(text), redacted);
        }
    }
}
