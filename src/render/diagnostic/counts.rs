//! Counts of the diagnostics that are not shown in full.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::phrases::count_noun;
use crate::model::escape_unprintable;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Files with the most diagnostics; more would be another long list.
const FILE_LIMIT: usize = 10;

/// Counts by code and by file.
pub(super) fn not_shown(diagnostics: &[&Diagnostic]) -> String {
    let mut by_code: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut by_file: BTreeMap<&str, usize> = BTreeMap::new();
    for diagnostic in diagnostics {
        *by_code
            .entry((diagnostic.code, diagnostic.severity.as_str()))
            .or_default() += 1;
        if let Some(label) = diagnostic.labels.first() {
            *by_file.entry(&label.location.file).or_default() += 1;
        }
    }
    let mut text = format!("{} more not shown; --max-errors 0 shows all\n", diagnostics.len());
    for ((code, severity), count) in by_code {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {code}: {}", count_noun(count, severity));
    }
    let mut files: Vec<(&str, usize)> = by_file.into_iter().collect();
    files.sort_by_key(|(file, count)| (std::cmp::Reverse(*count), *file));
    for (file, count) in files.iter().take(FILE_LIMIT) {
        let _ = writeln!(text, "  {}: {count}", escape_unprintable(file));
    }
    if files.len() > FILE_LIMIT {
        let rest = files.iter().skip(FILE_LIMIT);
        let count: usize = rest.map(|(_, count)| count).sum();
        let more = count_noun(files.len() - FILE_LIMIT, "more file");
        let _ = writeln!(text, "  {more}: {count}");
    }
    text.push('\n');
    text
}
