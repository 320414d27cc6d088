//! File names for new segment files: readable, and valid on every file system.

use crate::model::{SegmentName, hexadecimal};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// With a hash and a number, a name has about 100 bytes; file systems allow 255.
const STEM_BYTE_LIMIT: usize = 80;
const HASH_DIGITS: usize = 12;
/// Windows reserves these, whatever the extension is.
const WINDOWS_DEVICE_NAMES: [&str; 6] = ["con", "prn", "aux", "nul", "conin", "conout"];

/// The name differs from every name in `taken`, ignoring case.
///
/// Letters and digits of every script stay, in lowercase; everything else becomes one `-`. A name without any, or a
/// shortened name, gets a hash of the whole name, so that the result is stable.
#[must_use]
pub fn file_name(name: &SegmentName, taken: &BTreeSet<String>) -> String {
    let taken: BTreeSet<String> = taken.iter().map(|name| case_folded(name)).collect();
    let stem = stem(name.as_str());
    let first = format!("{stem}.yaml");
    if !taken.contains(&case_folded(&first)) {
        return first;
    }
    let numbered = (2_u64..).map(|number| format!("{stem}-{number}.yaml"));
    let mut free = numbered.filter(|name| !taken.contains(&case_folded(name)));
    free.next().unwrap_or(first)
}

fn stem(name: &str) -> String {
    let mut stem = String::new();
    // Letter by letter: lowercasing the whole text would write a sigma at its end differently.
    for character in name.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() || is_nukta_or_virama(character) {
            stem.push(character);
        } else if !stem.is_empty() && !stem.ends_with('-') && !is_combining_accent(character) {
            stem.push('-');
        }
    }
    let whole = stem.trim_end_matches('-');
    if whole.is_empty() {
        return format!("segment-{}", hash(name));
    }
    let cut = &whole[..whole.floor_char_boundary(STEM_BYTE_LIMIT)];
    // Two long names may differ only in the part that is cut off.
    if cut.len() < whole.len() {
        return format!("{}-{}", cut.trim_end_matches('-'), hash(name));
    }
    if is_windows_device_name(cut) {
        return format!("{cut}-segment");
    }
    cut.to_owned()
}

/// What case-insensitive file systems compare: `ß` equals `ss`, and both sigmas are equal.
fn case_folded(name: &str) -> String {
    let upper = name.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// Marks that change letters of an Indian script. The blocks of these scripts have the same layout.
fn is_nukta_or_virama(character: char) -> bool {
    let code = u32::from(character);
    (0x0900..0x0d80).contains(&code) && matches!(code & 0x7f, 0x3c | 0x4d)
}

/// File systems disagree whether a letter with an accent equals one composed character, so accents are dropped.
fn is_combining_accent(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

fn is_windows_device_name(stem: &str) -> bool {
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    // Windows also reserves the three superscript digits of its old character set.
    let is_digit = |digit: char| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³');
    let is_port = port.is_some_and(|number| number.chars().count() == 1 && number.chars().all(is_digit));
    is_port || WINDOWS_DEVICE_NAMES.contains(&stem)
}

fn hash(name: &str) -> String {
    let hex = hexadecimal(&Sha256::digest(name.as_bytes()));
    hex.chars().take(HASH_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_readable_safe_and_stable() {
        let long = "very ".repeat(40);
        let table = [
            ("Lapsed purchasers 7d", "lapsed-purchasers-7d.yaml"),
            ("  @x: a/b\\c..  ", "x-a-b-c.yaml"),
            ("../../etc/passwd", "etc-passwd.yaml"),
            (".hidden", "hidden.yaml"),
            ("CON", "con-segment.yaml"),
            ("com1", "com1-segment.yaml"),
            ("com10", "com10.yaml"),
            ("com\u{b9}", "com\u{b9}-segment.yaml"),
            ("Caf\u{e9} visitors", "caf\u{e9}-visitors.yaml"),
            ("\u{c9}mile \u{1f389}", "\u{e9}mile.yaml"),
            ("E\u{301}mile", "emile.yaml"),
            ("\u{130}zmir", "izmir.yaml"),
            (
                "\u{91cd}\u{8981}\u{306a}\u{9867}\u{5ba2} 7",
                "\u{91cd}\u{8981}\u{306a}\u{9867}\u{5ba2}-7.yaml",
            ),
            (
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
                "\u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}.yaml",
            ),
            ("\u{1f600}", "segment-f0443a342c5e.yaml"),
            ("", "segment-e3b0c44298fc.yaml"),
        ];
        for (name, expected) in table {
            assert_eq!(
                file_name(&SegmentName::new(name), &BTreeSet::new()),
                expected,
                "{name}"
            );
        }
        let name = file_name(&SegmentName::new(long), &BTreeSet::new());
        assert!(name.starts_with("very-very-") && name.len() < 120, "{name}");
        for letter in ["\u{444}", "\u{9867}", "\u{1d4d0}"] {
            let name = file_name(&SegmentName::new(letter.repeat(60)), &BTreeSet::new());
            assert!(name.starts_with(letter) && name.len() <= 100, "{name}");
        }
    }

    #[test]
    fn names_already_used_in_any_letter_case_get_a_number() {
        let mut taken = BTreeSet::from(["VIP-Buyers.yaml".to_owned()]);
        for expected in ["vip-buyers-2.yaml", "vip-buyers-3.yaml"] {
            let name = file_name(&SegmentName::new("VIP buyers"), &taken);
            assert_eq!(name, expected);
            taken.insert(name);
        }
    }

    #[test]
    fn names_equal_to_a_file_system_get_a_number() {
        let pairs = [
            ("stra\u{df}e", "STRASSE.yaml"),
            ("ΟΔΟΣ", "οδος.yaml"),
            ("\u{e9}mile", "\u{c9}mile.yaml"),
        ];
        for (name, there) in pairs {
            let taken = BTreeSet::from([there.to_owned()]);
            let name = file_name(&SegmentName::new(name), &taken);
            assert!(name.ends_with("-2.yaml"), "{name}");
        }
    }
}
