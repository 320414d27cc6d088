//! Everything that a fuzzer ever found worth keeping is read once more: nothing panics, hangs or contradicts itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

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
            // Cut short anywhere, it is survived as well.
            for part in 1..16 {
                target(&bytes[..bytes.len() * part / 16]);
            }
            files += 1;
        }
        assert!(files > 9, "{name} has {files} files");
    }
}
