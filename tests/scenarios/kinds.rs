//! Every kind of finding stands in some reviewed output: a kind that no scenario reaches is one that nobody has seen.

use super::folder;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A kind that files never lead to: two that mean one segment, by its id or a former name, are told of as faults of the
/// files. The planner does not rely on that.
const NOT_BY_FILES: [&str; 1] = ["shared_target"];

/// Kinds of JSON that are not called after their variants, with these.
const RENAMED: [(&str, &str); 2] = [("archives", "guard_archive"), ("updates", "guard_update")];

/// What is refused for the time that it takes, which is no variant of a refusal.
const OF_THE_QUOTA: &str = "max_duration";

#[test]
fn every_kind_of_finding_was_reviewed() {
    let reviewed: BTreeSet<String> = folder::all()
        .iter()
        .filter_map(|folder| fs::read_to_string(folder.path.join("expected.snap")).ok())
        .flat_map(|text| words(&text))
        .collect();
    let mut kinds = BTreeSet::from([OF_THE_QUOTA.to_owned()]);
    for (findings, one_of_them) in [
        ("Conflict", "cycle"),
        ("Refusal", "guard_archive"),
        ("Warning", "still_referenced"),
    ] {
        let found = kinds_of(findings);
        assert!(found.contains(one_of_them), "{found:?}");
        kinds.extend(found);
    }
    let shown = |kind: &&String| reviewed.contains(*kind) || NOT_BY_FILES.contains(&kind.as_str());
    let missing: Vec<&String> = kinds.iter().filter(|kind| !shown(kind)).collect();
    assert!(
        missing.is_empty(),
        "no scenario with `plan --json` shows {missing:?}"
    );
}

/// What stands behind `"kind"` in a plan in JSON.
fn words(text: &str) -> Vec<String> {
    let kinds = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"kind\": \""));
    kinds
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The words for the variants of a type of findings, which no value of it can list.
fn kinds_of(findings: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/step/finding.rs");
    let source = fs::read_to_string(path).unwrap();
    let (_, variants) = source.split_once(&format!("pub enum {findings} {{\n")).unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let names = variants.lines().filter_map(|line| line.strip_prefix("    "));
    let names = names.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    names
        .map(|line| kind(line.trim_end_matches(['{', ' ', ',', '('])))
        .collect()
}

fn kind(variant: &str) -> String {
    let word = snake_case(variant);
    let renamed = RENAMED.iter().find(|(from, _)| *from == word);
    renamed.map_or(word, |(_, to)| (*to).to_owned())
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
