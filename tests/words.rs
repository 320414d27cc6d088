//! Checks the language: words and phrases that readers stumble over are not used in names, messages, comments, help texts,
//! documentation or reviewed output. Each row has the words to write instead.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use clap::CommandFactory as _;
use segctl::cli::arguments::Arguments;
use std::fs;
use std::path::{Path, PathBuf};

/// Phrases that are not used, and what to write. Upper and lower case, `snake_case` and `CamelCase` are the same.
const BANNED: &[(&[&str], &str)] = &[
    (
        &["nobody", "nobodys", "somebody", "whoever", "whom", "whosever"],
        "name the actor, or use the passive",
    ),
    (
        &["what became of", "what becomes of", "what came of"],
        "outcome, result, effect",
    ),
    (
        &[
            "take down",
            "takes down",
            "took down",
            "taken down",
            "taking down",
        ],
        "record, journal",
    ),
    (&["in passing", "passing step"], "temporary change"),
    (&["so already", "the very"], "already in that state; identical"),
    (&["put away", "puts away", "putting away"], "archive"),
    (
        &["take out", "takes out", "took out", "taken out", "taking out"],
        "unarchive, remove",
    ),
    (
        &[
            "bring back",
            "brings back",
            "brought back",
            "take back",
            "takes back",
            "taken back",
        ],
        "unarchive, restore, roll back",
    ),
    (
        &["way out", "ways out", "way round", "way past", "ways round"],
        "fix, override, workaround",
    ),
    (&["makes room", "make room", "made room"], "frees a slot"),
    (&["first contact", "met for the first time"], "adopt"),
    (
        &["made anew", "made by hand", "by hand"],
        "re-created; manually, outside segctl",
    ),
    (&["ledger", "ledgers"], "state"),
    (&["receipt", "receipts"], "run report"),
    (&["circle", "circles"], "cycle"),
    (&["under way"], "in progress, in flight"),
    (&["side by side"], "in parallel"),
    (&["mend", "mends", "mended", "mending"], "fix"),
    (
        &[
            "is ours",
            "be ours",
            "are ours",
            "not ours",
            "none of ours",
            "of ours",
        ],
        "managed",
    ),
    (&["stranger", "strangers"], "unmanaged segment"),
    (
        &["told", "tells", "heard", "hears", "says", "anew"],
        "reports, receives, sets; again",
    ),
    (&["as it stands", "slip", "slips"], "unchanged; mistake"),
    (&["held against"], "compared with"),
    (
        &[
            "look again",
            "looks again",
            "looked again",
            "look back",
            "looks back",
        ],
        "re-read, verify",
    ),
    (&["left out", "leave out", "leaves out"], "excluded, omitted"),
    (&["stands twice", "stand twice"], "duplicate"),
    (&["makes no sense"], "is invalid"),
    (&["made so", "makes it so", "make it so"], "apply"),
    (&["files say", "file say"], "sets, contains"),
];

/// Uses that stay, by file and by the text of the line.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "src/state/store/old_format.rs",
        "const OLD_FORMAT_FILES",
        "the name of an old file",
    ),
    (
        "src/state/store/tests.rs",
        "for file in [",
        "the name of an old file",
    ),
    (
        "docs/state.md",
        "An old state directory",
        "the name of an old file",
    ),
];

/// Spellings of `taken out`.
const SPELLINGS: &[&str] = &[
    "is taken\n/// out of it",
    "fn taken_out()",
    "struct TakenOut;",
    "Taken-out",
    "--taken-out",
    "are taken (out)",
];

struct Word {
    text: String,
    line: usize,
}

/// The words of a text in lower case; `state_lock`, `state-lock` and `StateLock` are two words each.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut previous = ' ';
        for character in line.chars().chain([' ']) {
            let starts_word = character.is_uppercase() && previous.is_lowercase();
            if (!character.is_alphabetic() || starts_word) && !word.is_empty() && character != '\'' {
                words.push(Word {
                    text: std::mem::take(&mut word),
                    line: index + 1,
                });
            }
            if character.is_alphabetic() {
                word.extend(character.to_lowercase());
            }
            previous = character;
        }
    }
    words
}

/// Where a banned phrase is used in a text: its line, the phrase, and what to write instead.
fn banned_phrases(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let words = words(text);
    let mut found = Vec::new();
    for (phrases, instead) in BANNED {
        for phrase in *phrases {
            let parts: Vec<&str> = phrase.split(' ').collect();
            let uses = words
                .windows(parts.len())
                .filter(|window| window.iter().zip(&parts).all(|(word, part)| word.text == *part));
            found.extend(uses.map(|window| (window[0].line, *phrase, *instead)));
        }
    }
    found
}

fn text_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn no_banned_word_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "docs", "schemas", "examples"] {
        text_files(&root.join(folder), &mut files);
    }
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "clippy.toml",
    ] {
        files.push(root.join(file));
    }
    let mut found = Vec::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else {
            continue; // Not text: fixtures of invalid UTF-8.
        };
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let lines: Vec<&str> = text.lines().collect();
        // Of this file, everything after its tables.
        let tables_end = if name == "tests/words.rs" {
            lines.iter().rposition(|line| *line == "];").unwrap()
        } else {
            0
        };
        for (line, phrase, instead) in banned_phrases(&text) {
            let context = lines[line - 1];
            let is_allowed = ALLOWED
                .iter()
                .any(|(file, part, _)| name == *file && context.contains(part));
            if !is_allowed && line > tables_end {
                found.push(format!("{name}:{line}: `{phrase}` (write: {instead})"));
            }
        }
    }
    assert!(found.is_empty(), "{} uses:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_banned_word_is_in_a_help_text() {
    fn check(mut command: clap::Command, found: &mut Vec<String>) {
        let help = command.render_long_help().to_string();
        let name = command.get_name().to_owned();
        found.extend(
            banned_phrases(&help)
                .iter()
                .map(|use_of| format!("{name}: {use_of:?}")),
        );
        for subcommand in command.get_subcommands() {
            check(subcommand.clone(), found);
        }
    }
    let mut found = Vec::new();
    check(Arguments::command(), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_spelling_of_a_banned_phrase_is_found() {
    for text in SPELLINGS {
        let found: Vec<_> = banned_phrases(text)
            .iter()
            .map(|(_, phrase, _)| *phrase)
            .collect();
        assert_eq!(found.len(), 1, "{text}");
    }
    assert!(banned_phrases("the output is taken, outer text").is_empty());
}
