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

#[test]
fn every_kind_of_finding_is_in_a_snapshot() {
    let reviewed: BTreeSet<String> = folder::all()
        .iter()
        .filter_map(|folder| fs::read_to_string(folder.path.join("expected.snap")).ok())
        .flat_map(|text| kinds_in(&text))
        .collect();
    let kinds = codes();
    for example in ["cycle", "guard_archive", "still_referenced"] {
        assert!(kinds.contains(example), "{kinds:?}");
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

/// The codes of findings, read from the source because Rust cannot list variants.
fn codes() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/step/finding.rs");
    let source = fs::read_to_string(path).unwrap();
    let (_, variants) = source.split_once("pub enum Code {\n").unwrap();
    let (variants, _) = variants.split_once("\n}\n").unwrap();
    let names = variants.lines().filter_map(|line| line.trim().strip_suffix(','));
    // `Other(String)` has the code of another version.
    let names = names.filter(|name| name.chars().all(|letter| letter.is_ascii_alphabetic()));
    names.map(snake_case).collect()
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
