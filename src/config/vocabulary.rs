//! Words that other tools use, with the words of the API. Pure: messages suggest them, and nothing accepts them.

mod fields;
mod keywords;
mod operators;

pub(super) use fields::field_for;
pub(super) use keywords::keyword_for;
pub(super) use operators::operator_help;

/// A word of the API, and words of other tools for it, without case and separators.
type Synonyms = (&'static str, &'static [&'static str]);

/// Without case, spaces and separators.
fn folded(word: &str) -> String {
    word.chars()
        .filter(|next| !matches!(next, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}
