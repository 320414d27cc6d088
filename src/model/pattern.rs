//! Patterns of segment names: `*` matches any text, `?` matches one character, everything else matches itself.

use super::identity::SegmentName;
use globset::{GlobBuilder, GlobMatcher};
use std::fmt;

/// Names cannot contain the two wildcards, so a name is also a pattern that matches only itself.
#[derive(Clone, Debug)]
pub struct NamePattern {
    text: String,
    matcher: GlobMatcher,
}

impl NamePattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let invalid = || PatternError(text.to_owned());
        if text.is_empty() {
            return Err(invalid());
        }
        // Classes, alternatives and escapes of globs are disabled, because names may contain their characters.
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
            matcher: glob.map_err(|_| invalid())?.compile_matcher(),
        })
    }

    /// Case-sensitive.
    #[must_use]
    pub fn matches(&self, name: &SegmentName) -> bool {
        self.matcher.is_match(name.as_str())
    }

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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is not a valid name pattern: write a name, with `*` for any text and `?` for one character",
            self.0
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
        for (pattern, name, matches) in table {
            let pattern = NamePattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.matches(&SegmentName::new(name)),
                matches,
                "{} {name}",
                pattern.as_str()
            );
        }
        assert!(NamePattern::parse("").is_err());
    }
}
