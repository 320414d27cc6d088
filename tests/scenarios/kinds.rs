//! Every kind of finding is in a reviewed snapshot, so that each kind was seen at least once.

use super::folder;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A kind that no configuration produces: linting reports two files that match one segment. The planner does not rely on
/// that.
const NOT_PRODUCED: [&str; 1] = ["shared_target"];

/// The sandbox answers correctly; `tests/cli/odd_answers.rs` has an API that does not.
const IN_ODD_ANSWERS: [&str; 3] = ["unreadable_segment", "unreadable_rows", "unreadable_segments"];

/// Variants with another kind in JSON.
const RENAMED: [(&str, &str); 3] = [
    ("archives", "guard_archive"),
    ("updates", "guard_update"),
    ("member_removals", "guard_members"),
];

/// The kind of a plan that exceeds `--max-duration`, which is not a `GuardViolation`.
const MAX_DURATION: &str = "max_duration";

#[test]
fn every_kind_of_finding_is_in_a_snapshot() {
    let reviewed: BTreeSet<String> = folder::all()
        .iter()
        .filter_map(|folder| fs::read_to_string(folder.path.join("expected.snap")).ok())
        .flat_map(|text| kinds_in(&text))
        .collect();
    let mut kinds = BTreeSet::from([MAX_DURATION.to_owned()]);
    for (findings, example) in [
        ("Conflict", "cycle"),
        ("GuardViolation", "guard_archive"),
        ("Warning", "still_referenced"),
    ] {
        let found = kinds_of(findings);
        assert!(found.contains(example), "{found:?}");
        kinds.extend(found);
    }
    let elsewhere = [&NOT_PRODUCED[..], &IN_ODD_ANSWERS].concat();
    let shown = |kind: &&String| reviewed.contains(*kind) || elsewhere.contains(&kind.as_str());
    let missing: Vec<&String> = kinds.iter().filter(|kind| !shown(kind)).collect();
    assert!(
        missing.is_empty(),
        "no scenario shows {missing:?}; add one that runs `plan --json`"
    );
}

/// The values of `"code"` in a JSON plan.
fn kinds_in(text: &str) -> Vec<String> {
    let kinds = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"code\": \""));
    kinds
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

/// The kinds of an enum of findings, read from its source because Rust cannot list variants.
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
    let kind = snake_case(variant);
    let renamed = RENAMED.iter().find(|(from, _)| *from == kind);
    renamed.map_or(kind, |(_, to)| (*to).to_owned())
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
