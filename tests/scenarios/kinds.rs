//! Every kind of conflict stands in some reviewed output: a kind that no scenario reaches is one that nobody has seen.

use super::folder;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Kinds that files never lead to: two that mean one segment, by its id or a former name, are told of as faults of the
/// files. The planner does not rely on that.
const NOT_BY_FILES: [&str; 1] = ["shared_target"];

#[test]
fn every_kind_of_conflict_was_reviewed() {
    let reviewed: BTreeSet<String> = folder::all()
        .iter()
        .filter_map(|folder| fs::read_to_string(folder.path.join("expected.snap")).ok())
        .flat_map(|text| words(&text))
        .collect();
    let kinds = kinds();
    assert!(kinds.contains("cycle"), "{kinds:?}");
    let shown = |kind: &&String| reviewed.contains(*kind) || NOT_BY_FILES.contains(&kind.as_str());
    let missing: Vec<&String> = kinds.iter().filter(|kind| !shown(kind)).collect();
    assert!(
        missing.is_empty(),
        "no scenario with `plan --json` shows {missing:?}"
    );
}

/// What stands behind `"kind"` in the conflicts of a plan in JSON.
fn words(text: &str) -> Vec<String> {
    let kinds = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"kind\": \""));
    kinds
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The words for the variants of the type, which no value of it can list.
fn kinds() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/step/finding.rs");
    let source = fs::read_to_string(path).unwrap();
    let (_, variants) = source.split_once("pub enum Conflict {\n").unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let names = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    names
        .map(|line| snake_case(line.trim_end_matches(['{', ' ', ',', '('])))
        .collect()
}

fn snake_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
