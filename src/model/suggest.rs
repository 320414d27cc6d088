//! "Did you mean …?" for unknown keys, operators and names.

/// Longer words are not typos, and comparing them is slow.
const MAX_WORD_LENGTH: usize = 64;

/// The most similar word of `known`, or the first of several.
///
/// A word that differs only in case or separators (`includedFilters`) is preferred over any typo.
#[must_use]
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = folded(written);
    if written.is_empty() || written.len() > MAX_WORD_LENGTH {
        return None;
    }
    let candidates = known.into_iter().filter_map(|known| {
        let folded = folded(known);
        let longer = written.len().max(folded.len());
        let distance = edit_distance(&written, &folded);
        (distance <= max_distance(longer)).then_some((distance, known))
    });
    candidates
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// About one typo in three characters, so that short words such as `is` and `in` do not match each other.
fn max_distance(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    }
}

fn folded(word: &str) -> Vec<char> {
    word.chars()
        .filter(|next| !matches!(next, '_' | '-' | ' '))
        .flat_map(char::to_lowercase)
        .take(MAX_WORD_LENGTH + 1)
        .collect()
}

/// Insertions, deletions, replacements and swaps of neighbors.
fn edit_distance(left: &[char], right: &[char]) -> usize {
    let mut two_ago: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &to) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(from != to);
            let mut best = replaced
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(&to)
                && right.get(column - 1) == Some(&from);
            if swapped {
                best = best.min(at(&two_ago, column - 1) + 1);
            }
            current.push(best);
        }
        two_ago = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_get_a_suggestion_and_other_words_do_not() {
        let known = [
            "name",
            "kind",
            "owner",
            "labels",
            "included_filters",
            "excluded_filters",
            "filter_operator",
            "filter_type",
            "action_name",
            "inTheLast",
            "inTheNext",
            "is",
            "in",
            "lessThan",
            "greaterThan",
            "containsInTheFollowing",
        ];
        let table = [
            ("Name", Some("name")),
            ("nmae", Some("name")),
            ("includedFilters", Some("included_filters")),
            ("included-filter", Some("included_filters")),
            ("exclude_filters", Some("excluded_filters")),
            ("filtertype", Some("filter_type")),
            ("fliter_type", Some("filter_type")),
            ("in_the_last", Some("inTheLast")),
            ("inthelst", Some("inTheLast")),
            ("less_than", Some("lessThan")),
            ("contain_in_the_following", Some("containsInTheFollowing")),
            ("IN", Some("in")),
            ("label", Some("labels")),
            ("ownr", Some("owner")),
            ("on", None),
            ("it", None),
            ("", None),
            ("schedule", None),
            ("game_over", None),
            ("filter", None),
        ];
        for (written, expected) in table {
            assert_eq!(did_you_mean(written, known), expected, "{written:?}");
        }
        assert_eq!(did_you_mean(&"name".repeat(1000), known), None);
    }
}
