//! Two texts, so that a reader sees where they differ.

use super::look_alikes::code_points;
use crate::diagnostic::phrases::with_thousands_separators;
use crate::model::escape_unprintable;
use serde_json::Value;

/// In characters: longer texts are shown around their first difference.
pub(super) const MAX_TEXT_LENGTH: usize = 100;
/// In characters, before the first difference.
const CONTEXT: usize = 20;
/// In characters, from the first difference.
const DIFFERENCE: usize = 60;

/// `"old" -> "new"`, with code points where the two look the same.
pub(super) fn text_change(before: &str, after: &str) -> String {
    let [old, new] = [before, after].map(|text| text.chars().collect::<Vec<_>>());
    if old.len().max(new.len()) <= MAX_TEXT_LENGTH {
        return change_of(&[Excerpt::whole(before), Excerpt::whole(after)]);
    }
    let first = old
        .iter()
        .zip(&new)
        .take_while(|(one, other)| one == other)
        .count();
    let excerpts = [&old, &new].map(|text| Excerpt::around(text, first));
    format!(
        "{} ({} -> {} characters, first difference at {})",
        change_of(&excerpts),
        with_thousands_separators(old.len() as u64),
        with_thousands_separators(new.len() as u64),
        with_thousands_separators(first as u64 + 1)
    )
}

fn change_of(excerpts: &[Excerpt; 2]) -> String {
    let [before, after] = excerpts;
    let points = code_points(&before.text, &after.text).unwrap_or_default();
    let [before, after] = [(before, &points[0]), (after, &points[1])].map(|(excerpt, points)| {
        let text = excerpt.to_string();
        if points.is_empty() {
            text
        } else {
            format!("{text} ({points})")
        }
    });
    format!("{before} -> {after}")
}

struct Excerpt {
    text: String,
    is_start_cut: bool,
    is_end_cut: bool,
}

impl Excerpt {
    fn whole(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_start_cut: false,
            is_end_cut: false,
        }
    }

    fn around(text: &[char], first_difference: usize) -> Self {
        let start = first_difference.saturating_sub(CONTEXT);
        let end = (first_difference + DIFFERENCE).min(text.len());
        Self {
            text: text.iter().take(end).skip(start).collect(),
            is_start_cut: start > 0,
            is_end_cut: end < text.len(),
        }
    }
}

impl std::fmt::Display for Excerpt {
    /// The ellipses are outside the quotes, because the text may contain some.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |is_cut| if is_cut { "…" } else { "" };
        let text = quoted_value(&self.text);
        write!(
            formatter,
            "{}{text}{}",
            cut(self.is_start_cut),
            cut(self.is_end_cut)
        )
    }
}

fn quoted_value(text: &str) -> String {
    escape_unprintable(&Value::from(text).to_string())
}
