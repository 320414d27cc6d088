//! Patterns of segment names: `*` stands for any text, `?` for one character, everything else for itself.

use super::identity::SegmentName;
use globset::{GlobBuilder, GlobMatcher};
use std::fmt;

/// A pattern of names, such as `CRM / *`.
///
/// The two wildcards are characters that no name may hold, so that a name is always a pattern of itself.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    matcher: GlobMatcher,
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// An empty text, which no name fits, or one too large to be matched.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refused = || PatternError {
            text: text.to_owned(),
        };
        if text.is_empty() {
            return Err(refused());
        }
        // Classes, alternatives and escapes of globs would make names that hold such characters unnameable.
        let plain: String = text
            .chars()
            .map(|character| match character {
                '[' | ']' | '{' | '}' | '\\' => format!("[{character}]"),
                _ => character.to_string(),
            })
            .collect();
        let glob = GlobBuilder::new(&plain).literal_separator(false).build();
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.map_err(|_| refused())?.compile_matcher(),
        })
    }

    /// Whether `name` fits, letter by letter.
    #[must_use]
    pub fn matches(&self, name: &SegmentName) -> bool {
        self.matcher.is_match(name.as_str())
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError {
    text: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is no pattern of names: write a name, with `*` for any text and `?` for one character",
            self.text
        )
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_star_and_question_mark_are_wildcards() {
        let table = [
            ("*", "anything / at [all]", true),
            ("CRM / *", "CRM / Lapsed", true),
            ("CRM / *", "crm / Lapsed", false),
            ("[A]", "[A]", true),
            ("[A]", "A", false),
            ("{a,b}", "{a,b}", true),
            ("{a,b}", "a", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("!x", "!x", true),
            ("!x", "y", false),
        ];
        for (pattern, name, fits) in table {
            let pattern = NamePattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.matches(&SegmentName::new(name)),
                fits,
                "{} {name}",
                pattern.as_str()
            );
        }
        assert!(NamePattern::parse("").is_err());
    }
}
