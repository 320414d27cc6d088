//! Replays the fuzz corpora: no target panics, hangs or gives contradictory results.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failing test may panic")]

#[path = "fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

#[test]
fn the_fuzz_corpus_causes_no_panic() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut files = 0;
        for file in fs::read_dir(corpora.join(name)).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            target(&bytes);
            // Truncated files must not cause a panic either.
            for part in 1..16 {
                target(&bytes[..bytes.len() * part / 16]);
            }
            files += 1;
        }
        assert!(files > 9, "{name} has {files} files");
    }
}
