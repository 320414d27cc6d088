//! Names for new files: readable, and safe on every file system.

use crate::model::SegmentName;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Characters of the readable part: well under the 255 bytes of a name, and short enough to read in a list.
const STEM_LIMIT: usize = 80;
/// Hexadecimal digits that stand for a name of other scripts.
const HASH_DIGITS: usize = 12;
/// Names that Windows keeps for devices, whatever the extension is.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin", "conout"];

/// A file name for the segment `name` that is none of `taken`, whatever the letter case.
///
/// ASCII letters and digits stay, in lower case; everything else becomes one `-`. A name that loses too much by
/// that, such as one in another script, gets a short hash of the whole name, so that it is the same every time.
#[must_use]
pub fn file_name(name: &SegmentName, taken: &BTreeSet<String>) -> String {
    let taken: BTreeSet<String> = taken.iter().map(|name| name.to_lowercase()).collect();
    let stem = stem(name.as_str());
    let first = format!("{stem}.yaml");
    if !taken.contains(&first) {
        return first;
    }
    let mut number = 2_u64;
    loop {
        let next = format!("{stem}-{number}.yaml");
        if !taken.contains(&next) {
            return next;
        }
        number += 1;
    }
}

fn stem(name: &str) -> String {
    let mut stem = String::new();
    let mut lost = 0_usize;
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            stem.push(character.to_ascii_lowercase());
        } else {
            lost += usize::from(character.is_alphanumeric());
            if !stem.is_empty() && !stem.ends_with('-') {
                stem.push('-');
            }
        }
    }
    let whole = stem.trim_end_matches('-');
    if whole.is_empty() {
        return format!("segment-{}", hash(name));
    }
    let cut: String = whole.chars().take(STEM_LIMIT).collect();
    let cut = cut.trim_end_matches('-');
    // What is cut off, or written in letters that are lost, may be all that tells two names apart.
    if cut.len() < whole.len() || lost * 2 > whole.len() {
        return format!("{cut}-{}", hash(name));
    }
    if is_device(cut) {
        return format!("{cut}-segment");
    }
    cut.to_owned()
}

/// Whether Windows takes the name for a device: `con`, `com1`, `lpt9`.
fn is_device(stem: &str) -> bool {
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()));
    is_port || DEVICES.contains(&stem)
}

fn hash(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.chars().take(HASH_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_safe_and_the_same_every_time() {
        let long = "very ".repeat(40);
        let table = [
            ("Lapsed purchasers 7d", "lapsed-purchasers-7d.yaml"),
            ("  @x: a/b\\c..  ", "x-a-b-c.yaml"),
            ("../../etc/passwd", "etc-passwd.yaml"),
            (".hidden", "hidden.yaml"),
            ("CON", "con-segment.yaml"),
            ("com1", "com1-segment.yaml"),
            ("com10", "com10.yaml"),
            ("Caf\u{e9} visitors", "caf-visitors.yaml"),
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
        let other_script = file_name(
            &SegmentName::new("\u{91cd}\u{8981}\u{306a}\u{9867}\u{5ba2} 7"),
            &BTreeSet::new(),
        );
        assert!(
            other_script.starts_with("7-") && other_script.len() == 2 + HASH_DIGITS + 5,
            "{other_script}"
        );
    }

    #[test]
    fn names_that_are_taken_in_any_case_get_a_number() {
        let mut taken = BTreeSet::from(["VIP-Buyers.yaml".to_owned()]);
        for wanted in ["vip-buyers-2.yaml", "vip-buyers-3.yaml"] {
            let name = file_name(&SegmentName::new("VIP buyers"), &taken);
            assert_eq!(name, wanted);
            taken.insert(name);
        }
    }
}
