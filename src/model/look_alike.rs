//! Names that readers cannot tell apart. Pure; declared and remote names are compared in the same way.

use super::identity::SegmentName;
use icu_normalizer::ComposingNormalizerBorrowed;

/// Equal for names that look the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookAlikeKey(String);

impl SegmentName {
    /// The name without what readers do not see: case, compatibility forms and composition of letters, invisible
    /// characters, repeated and outer spaces, and letters of other scripts with the shape of a Latin one.
    #[must_use]
    pub fn look_alike_key(&self) -> LookAlikeKey {
        if self.as_str().is_ascii() {
            // Only case and spaces differ, and a plan compares every name.
            let words: Vec<&str> = self.as_str().split_whitespace().collect();
            return LookAlikeKey(words.join(" ").to_ascii_lowercase());
        }
        let normalizer = ComposingNormalizerBorrowed::new_nfkc();
        let visible: String = normalizer
            .normalize(self.as_str())
            .chars()
            .filter(|next| !is_ignorable(*next))
            .collect();
        // Through capitals, so that `ß` and `ss`, and both forms of the lowercase sigma, are the same.
        let capitals = visible.chars().flat_map(char::to_uppercase);
        let folded: String = capitals.flat_map(char::to_lowercase).collect();
        let folded = normalizer.normalize(&folded);
        let is_space = |next: char| next.is_whitespace() || next == '\u{2800}';
        let words = folded.split(is_space).filter(|word| !word.is_empty());
        let words: Vec<String> = words
            .map(|word| word.chars().map(latin_shape).collect())
            .collect();
        LookAlikeKey(words.join(" "))
    }

    /// How two names that look the same differ, after "differ only": `in case`, or the first difference in code points.
    #[must_use]
    pub fn difference_from(&self, other: &Self) -> String {
        if self.differs_by_case_only(other) {
            return "in case".to_owned();
        }
        let (one, two) = (self.as_str().trim(), other.as_str().trim());
        if one.to_lowercase() == two.to_lowercase() {
            return "in case or outer spaces".to_owned();
        }
        let pairs = self.as_str().chars().zip(other.as_str().chars());
        let same = pairs.take_while(|(one, two)| one == two).count();
        let from = |name: &Self| code_points(name.as_str(), same);
        format!("from character {}: {} and {}", same + 1, from(self), from(other))
    }
}

/// The first code points from a character on.
fn code_points(text: &str, from: usize) -> String {
    let shown = text.chars().skip(from).take(2);
    let shown: Vec<String> = shown.map(|next| format!("U+{:04X}", u32::from(next))).collect();
    if shown.is_empty() {
        "nothing".to_owned()
    } else {
        shown.join(" ")
    }
}

/// Default-ignorable code points of Unicode.
fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The Latin letter that a Cyrillic or Greek letter looks like, in small or in capital letters.
fn latin_shape(character: char) -> char {
    match character {
        'а' | 'α' => 'a',
        'в' | 'β' => 'b',
        'с' => 'c',
        'ԁ' => 'd',
        'е' | 'ε' => 'e',
        'н' | 'һ' | 'η' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' | 'μ' => 'm',
        'ν' => 'n',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'ԛ' => 'q',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'ԝ' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'υ' => 'y',
        'ζ' => 'z',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_have_one_key() {
        for (one, other, alike) in [
            ("VIP", "vip", true),
            ("VIP", " VIP ", true),
            ("Gold  buyers", "Gold buyers", true),
            ("Gold buyers", "Gold\u{a0}buyers", true),
            ("Gold buyers", "Gold\tbuyers", true),
            ("Café", "Cafe\u{301}", true),
            ("Buyers", "Buy\u{200b}ers", true),
            ("Buyers", "Buyers\u{feff}", true),
            ("Buyers", "Ｂuyers", true),
            ("ﬁrst", "first", true),
            ("STRASSE", "straße", true),
            ("ΣΊΣΥΦΟΣ", "σίσυφος", true),
            ("VIP", "VІP", true),
            ("Active", "Асtivе", true),
            ("Buyers 1", "Buyers ①", true),
            ("Buyers", "Buyer", false),
            ("Gold buyers", "Goldbuyers", false),
            ("Cafe", "Café", false),
            ("a-b", "a_b", false),
            ("1", "l", false),
        ] {
            let [left, right] = [one, other].map(|name| SegmentName::new(name).look_alike_key());
            assert_eq!(left == right, alike, "{one:?} {other:?} {left:?} {right:?}");
        }
    }

    #[test]
    fn the_difference_is_shown_in_code_points() {
        for (one, other, difference) in [
            ("VIP", "vip", "in case"),
            ("VIP", "vip ", "in case or outer spaces"),
            (
                "Café",
                "Cafe\u{301}",
                "from character 4: U+00E9 and U+0065 U+0301",
            ),
            ("Buyers", "Buyers\u{200b}", "from character 7: nothing and U+200B"),
            ("VIP", "VІP", "from character 2: U+0049 U+0050 and U+0406 U+0050"),
        ] {
            let found = SegmentName::new(one).difference_from(&SegmentName::new(other));
            assert_eq!(found, difference, "{one:?} {other:?}");
        }
    }
}
