//! Names for new files: readable, and safe on every file system.

use crate::model::{SegmentName, hexadecimal};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Bytes of the readable part: with a hash and a number, about 100 of the 255 that file systems take.
const STEM_BYTE_LIMIT: usize = 80;
/// Hexadecimal digits that stand for what a file name cannot hold.
const HASH_DIGITS: usize = 12;
/// Names that Windows keeps for devices, whatever the extension is.
const WINDOWS_DEVICE_NAMES: [&str; 6] = ["con", "prn", "aux", "nul", "conin", "conout"];

/// A file name for the segment `name` that is none of `taken`, whatever the letter case.
///
/// Letters and digits of every script stay, in lower case; everything else becomes one `-`. A name without any, or
/// one that is cut, gets a short hash of the whole name, so that it is the same every time.
#[must_use]
pub fn file_name(name: &SegmentName, taken: &BTreeSet<String>) -> String {
    let taken: BTreeSet<String> = taken.iter().map(|name| case_folded(name)).collect();
    let stem = stem(name.as_str());
    let first = format!("{stem}.yaml");
    if !taken.contains(&case_folded(&first)) {
        return first;
    }
    let mut number = 2_u64;
    loop {
        let next = format!("{stem}-{number}.yaml");
        if !taken.contains(&case_folded(&next)) {
            return next;
        }
        number += 1;
    }
}

fn stem(name: &str) -> String {
    let mut stem = String::new();
    // Letter by letter: a whole text has a sigma of its own at the end, and the same letters are to look the same.
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
    let cut = whole
        .get(..whole.floor_char_boundary(STEM_BYTE_LIMIT))
        .unwrap_or(whole);
    // What is cut off may be all that tells two names apart.
    if cut.len() < whole.len() {
        return format!("{}-{}", cut.trim_end_matches('-'), hash(name));
    }
    if is_windows_device_name(cut) {
        return format!("{cut}-segment");
    }
    cut.to_owned()
}

/// The text that file systems compare which take large and small letters for the same: `ß` is `ss` to them, and both
/// sigmas are one.
fn case_folded(name: &str) -> String {
    let upper = name.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).collect()
}

/// Whether it stands for nothing alone but changes letters of an Indian script: their blocks are laid out alike, with
/// a nukta and a virama at the same places.
fn is_nukta_or_virama(character: char) -> bool {
    let code = u32::from(character);
    (0x0900..0x0d80).contains(&code) && matches!(code & 0x7f, 0x3c | 0x4d)
}

/// Whether it is put on the letter before it. File systems differ in whether a letter with one is the same as two
/// characters, so these are left out.
fn is_combining_accent(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

/// Whether Windows takes the name for a device: `con`, `com1`, `lpt9`.
fn is_windows_device_name(stem: &str) -> bool {
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    // The three digits that stand high are those of its old character set.
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
        for (name, wanted) in table {
            assert_eq!(
                file_name(&SegmentName::new(name), &BTreeSet::new()),
                wanted,
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
        for wanted in ["vip-buyers-2.yaml", "vip-buyers-3.yaml"] {
            let name = file_name(&SegmentName::new("VIP buyers"), &taken);
            assert_eq!(name, wanted);
            taken.insert(name);
        }
    }
    #[test]
    fn names_equal_to_a_file_system_get_a_number() {
        let pairs = [
            ("stra\u{df}e", "STRASSE.yaml"),
            (
                "\u{39f}\u{394}\u{39f}\u{3a3}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}.yaml",
            ),
            ("\u{e9}mile", "\u{c9}mile.yaml"),
        ];
        for (name, there) in pairs {
            let taken = BTreeSet::from([there.to_owned()]);
            let name = file_name(&SegmentName::new(name), &taken);
            assert!(name.ends_with("-2.yaml"), "{name}");
        }
    }
}
