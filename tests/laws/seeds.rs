//! Long runs: a law with fresh seeds, each of which can be repeated.

use super::fixed_seeds;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

/// Checks a law with the fixed seed, or with `SEGCTL_LAW_RUNS` fresh seeds.
pub(crate) fn for_each_seed(law: impl Fn(u64) -> Result<(), String>) {
    let Ok(runs) = std::env::var("SEGCTL_LAW_RUNS") else {
        return law(fixed_seeds::seed()).unwrap_or_else(|failure| panic!("{failure}"));
    };
    let runs: u64 = runs.parse().unwrap();
    let first = RandomState::new().build_hasher().finish();
    let seeds = (0..runs).map(|run| first.wrapping_add(run));
    let outcomes = seeds.map(|seed| (seed, law(seed)));
    let failures: Vec<String> = outcomes
        .filter_map(|(seed, outcome)| {
            Some(format!(
                "SEGCTL_LAW_SEED={seed} repeats this:\n{}",
                outcome.err()?
            ))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {runs} runs failed\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn every_property_test_has_a_fixed_seed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    assert!(!files.is_empty());
    // Written so that this file itself does not match.
    let opening = concat!("proptest", "! {");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (_, after) in text
            .match_indices(opening)
            .map(|(at, _)| text.split_at(at + opening.len()))
        {
            let is_fixed = after
                .trim_start()
                .starts_with("#![proptest_config(crate::fixed_seeds::config(");
            assert!(is_fixed, "{}: `proptest!` without a fixed seed", file.display());
        }
        let runners = text.matches(concat!("TestRunner", "::")).count();
        let fixed = text.matches(concat!("TestRunner", "::new(fixed_seeds::")).count();
        assert_eq!(
            runners,
            fixed,
            "{}: `TestRunner` without a fixed seed",
            file.display()
        );
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
