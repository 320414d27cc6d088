//! Characters that are not visible and make two different texts look the same.

/// The invisible characters of a text with their positions in bytes: those of the Unicode categories Cf, Zl and Zp, and
/// joiners and selectors that join nothing. Joiners inside a word of a script that needs them and inside an emoji are
/// part of the text. Control characters and spaces are not included.
pub fn invisible_characters(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut before = None;
    let mut letters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        loop {
            let (index, next) = letters.next()?;
            let after = letters.peek().map(|(_, after)| *after);
            if is_invisible_in(next, before, after) {
                return Some((index, next));
            }
            before = Some(next);
        }
    })
}

/// Whether a character looks like a space, or like nothing although it is a letter or a sign, as U+3164.
#[must_use]
pub fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{a0}'
            | '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{1680}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
    )
}

/// The text without the invisible characters and spaces at its ends.
#[must_use]
pub fn trim_invisible(text: &str) -> &str {
    let is_first = |letter: char| letter.is_whitespace() || is_invisible_in(letter, None, None);
    let mut trimmed = text.trim_start_matches(is_first);
    let mut letters = trimmed.chars();
    while let Some(last) = letters.next_back() {
        if !last.is_whitespace() && !is_invisible_in(last, letters.clone().next_back(), None) {
            break;
        }
        trimmed = letters.as_str();
    }
    trimmed
}

/// Whether a character is invisible between its neighbors.
fn is_invisible_in(next: char, before: Option<char>, after: Option<char>) -> bool {
    if next.is_ascii() {
        return false;
    }
    match next {
        '\u{200c}' => !joins_letters(before, after),
        '\u{200d}' => !joins_letters(before, after) && !joins_emoji(before, after),
        '\u{180b}'..='\u{180d}' | '\u{180f}' => !before.is_some_and(is_mongolian),
        '\u{fe00}'..='\u{fe0f}' => !before.is_some_and(|before| has_variants(before, after)),
        '\u{e0020}'..='\u{e007f}' => !before.is_some_and(is_flag_or_tag),
        '\u{e0100}'..='\u{e01ef}' => !before.is_some_and(is_ideograph),
        _ => is_format_or_separator(next),
    }
}

/// The Unicode categories Cf, Zl and Zp without the joiners and tags above.
fn is_format_or_separator(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
    )
}

/// A joiner stands between two letters, or ends a word after a sign that suppresses a vowel.
fn joins_letters(before: Option<char>, after: Option<char>) -> bool {
    let Some(before) = before.filter(|before| needs_joiners(*before)) else {
        return false;
    };
    match after {
        Some(after) => needs_joiners(after),
        None => is_virama(before),
    }
}

/// Letters of scripts whose orthography uses the joiners: Arabic, Syriac, N'Ko, the scripts of South and Southeast Asia,
/// and Mongolian.
fn needs_joiners(character: char) -> bool {
    matches!(
        character,
        '\u{620}'..='\u{6dc}'
            | '\u{6de}'..='\u{70e}'
            | '\u{710}'..='\u{7ff}'
            | '\u{840}'..='\u{88f}'
            | '\u{892}'..='\u{8e1}'
            | '\u{8e3}'..='\u{109f}'
            | '\u{1700}'..='\u{180a}'
            | '\u{1810}'..='\u{1cff}'
            | '\u{a800}'..='\u{abff}'
            | '\u{fb50}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefc}'
            | '\u{10a00}'..='\u{10a5f}'
            | '\u{10d00}'..='\u{11fff}'
            | '\u{1e900}'..='\u{1e95f}'
    )
}

fn is_virama(character: char) -> bool {
    matches!(
        character,
        '\u{94d}'
            | '\u{9cd}'
            | '\u{a4d}'
            | '\u{acd}'
            | '\u{b4d}'
            | '\u{bcd}'
            | '\u{c4d}'
            | '\u{ccd}'
            | '\u{d3b}'..='\u{d3c}'
            | '\u{d4d}'
            | '\u{dca}'
            | '\u{1039}'..='\u{103a}'
            | '\u{17d2}'
    )
}

fn joins_emoji(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(|before| before == '\u{fe0f}' || is_symbol(before)) && after.is_some_and(is_symbol)
}

/// Symbols and emoji, with skin tones and hair styles.
fn is_symbol(character: char) -> bool {
    matches!(character, '\u{2190}'..='\u{2bff}' | '\u{3030}'..='\u{303f}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether a variation selector has an effect after a character. The digits of a keycap are before U+20E3.
fn has_variants(character: char, after: Option<char>) -> bool {
    match character {
        '0'..='9' | '#' | '*' => after == Some('\u{20e3}'),
        '\u{a9}' | '\u{ae}' | '\u{1000}'..='\u{109f}' | '\u{203c}' | '\u{2049}' | '\u{a840}'..='\u{a877}' => {
            true
        }
        _ => {
            matches!(character, '\u{2100}'..='\u{2bff}' | '\u{3000}'..='\u{303f}' | '\u{3200}'..='\u{32ff}')
                || matches!(character, '\u{10ac0}'..='\u{10aff}' | '\u{1f000}'..='\u{1faff}')
                || is_ideograph(character)
        }
    }
}

fn is_mongolian(character: char) -> bool {
    matches!(character, '\u{1800}'..='\u{180a}' | '\u{1810}'..='\u{18af}')
}

fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A flag of a region is a black flag with tags.
fn is_flag_or_tag(character: char) -> bool {
    matches!(character, '\u{1f3f4}' | '\u{e0020}'..='\u{e007e}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joiners_that_scripts_and_emoji_need_are_part_of_the_text() {
        for text in [
            "",
            "plain +491701234567",
            "Käufer",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "ന\u{d4d}\u{200d}",
            "👩\u{200d}💻",
            "👨\u{1f3fd}\u{200d}⚕\u{fe0f}",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "葛\u{e0100}",
            "©\u{fe0f}",
        ] {
            assert_eq!(invisible_characters(text).collect::<Vec<_>>(), [], "{text:?}");
            assert_eq!(trim_invisible(text), text);
        }
    }

    #[test]
    fn other_invisible_characters_are_found_and_trimmed() {
        for (text, found, trimmed) in [
            ("a\u{200b}", "\u{200b}", "a"),
            ("\u{202a}+91\u{202c}", "\u{202a}\u{202c}", "+91"),
            ("\u{ad}b", "\u{ad}", "b"),
            ("b\u{ad}c", "\u{ad}", "b\u{ad}c"),
            ("a\u{200d}", "\u{200d}", "a"),
            ("a\u{200c}b", "\u{200c}", "a\u{200c}b"),
            ("ä\u{200d}ö", "\u{200d}", "ä\u{200d}ö"),
            ("می\u{200c}", "\u{200c}", "می"),
            ("é\u{fe0f}", "\u{fe0f}", "é"),
            ("5\u{fe0f}", "\u{fe0f}", "5"),
            ("a\u{e0061}", "\u{e0061}", "a"),
            ("\u{200d}💻", "\u{200d}", "💻"),
            ("💻\u{200d}", "\u{200d}", "💻"),
            ("\u{feff}a \u{200b} \u{2028}", "\u{feff}\u{200b}\u{2028}", "a"),
            ("\u{200b}", "\u{200b}", ""),
            ("\u{e0001}a\u{2069}\u{a0}", "\u{e0001}\u{2069}", "a"),
        ] {
            let invisible: String = invisible_characters(text).map(|(_, next)| next).collect();
            assert_eq!(
                (invisible.as_str(), trim_invisible(text)),
                (found, trimmed),
                "{text:?}"
            );
        }
    }
}
