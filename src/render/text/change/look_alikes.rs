//! Texts that look the same: composed and decomposed letters, letters of other alphabets, invisible characters.

use crate::model::is_unprintable;
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_normalizer::properties::CanonicalCombiningClassMapBorrowed;
use similar::{DiffOp, TextDiff};
use std::fmt::Write as _;

/// The described differences of two texts are at most this many.
const MAX_DIFFERENCES: usize = 4;
/// The described characters of one difference are at most this many.
const MAX_CHARACTERS: usize = 8;

/// Characters that only their code point distinguishes from the ASCII characters in front of them.
const CONFUSABLE: &[(&str, &str)] = &[
    ("A", "\u{410}\u{391}"),
    ("B", "\u{412}\u{392}"),
    ("C", "\u{421}\u{3f9}"),
    ("E", "\u{415}\u{395}"),
    ("H", "\u{41d}\u{397}"),
    ("J", "\u{408}"),
    ("K", "\u{41a}\u{39a}"),
    ("M", "\u{41c}\u{39c}"),
    ("N", "\u{39d}"),
    ("O", "0\u{41e}\u{39f}\u{555}"),
    ("P", "\u{420}\u{3a1}"),
    ("S", "\u{405}\u{54f}"),
    ("T", "\u{422}\u{3a4}"),
    ("X", "\u{425}\u{3a7}"),
    ("Y", "\u{423}\u{4ae}\u{3a5}"),
    ("Z", "\u{396}"),
    ("a", "\u{430}\u{3b1}\u{251}"),
    ("c", "\u{441}\u{3f2}"),
    ("d", "\u{501}"),
    ("e", "\u{435}"),
    ("g", "\u{261}"),
    ("h", "\u{4bb}\u{570}"),
    ("i", "\u{456}\u{3b9}\u{131}"),
    ("j", "\u{458}\u{3f3}"),
    ("k", "\u{43a}\u{3ba}"),
    ("l", "1I|\u{406}\u{399}\u{4c0}\u{4cf}"),
    ("n", "\u{578}"),
    ("o", "\u{43e}\u{3bf}\u{585}"),
    ("p", "\u{440}\u{3c1}"),
    ("q", "\u{51b}"),
    ("s", "\u{455}"),
    ("u", "\u{3c5}\u{57d}"),
    ("v", "\u{475}\u{3bd}"),
    ("w", "\u{51d}"),
    ("x", "\u{445}\u{3c7}"),
    ("y", "\u{443}\u{3b3}"),
    ("'", "\u{2018}\u{2019}\u{201b}\u{2b9}\u{2bc}\u{2032}`\u{b4}"),
    ("\"", "\u{201c}\u{201d}\u{201f}\u{2033}"),
    ("-", "\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}\u{ad}"),
];

/// Equal for texts that look the same to a reader.
pub(super) fn appearance(text: &str) -> String {
    let replaced = text.chars().map(plain);
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize_iter(replaced);
    let visible = decomposed.filter(|next| next.is_control() || !is_unprintable(*next, None));
    visible.map(plain).collect()
}

fn plain(character: char) -> char {
    let found = CONFUSABLE.iter().find(|(_, others)| others.contains(character));
    found
        .and_then(|(plain, _)| plain.chars().next())
        .unwrap_or(character)
}

/// The code points of the parts that differ and look the same; `None` without such parts.
pub(super) fn code_points(before: &str, after: &str) -> Option<[String; 2]> {
    let [before, after] = [before, after].map(clusters);
    let diff = TextDiff::from_slices(&before, &after);
    let mut hunks: Vec<[String; 2]> = Vec::new();
    let mut continues = false;
    for step in diff.ops() {
        if matches!(step, DiffOp::Equal { .. }) {
            continues = false;
            continue;
        }
        if !continues {
            hunks.push(Default::default());
        }
        continues = true;
        if let Some([old, new]) = hunks.last_mut() {
            old.push_str(&before[step.old_range()].concat());
            new.push_str(&after[step.new_range()].concat());
        }
    }
    hunks.retain(|[old, new]| appearance(old) == appearance(new));
    let sides = [0, 1].map(|side| {
        let parts = hunks.iter().map(|hunk| describe(&hunk[side]));
        let mut parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        if parts.len() > MAX_DIFFERENCES {
            parts.truncate(MAX_DIFFERENCES);
            parts.push("…".to_owned());
        }
        parts.join(", ")
    });
    (!hunks.is_empty()).then_some(sides)
}

/// Each character with the combining marks and the invisible characters after it.
fn clusters(text: &str) -> Vec<&str> {
    let combining = CanonicalCombiningClassMapBorrowed::new();
    let (mut clusters, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let belongs_to_previous =
            |next: char| combining.get_u8(next) > 0 || appearance(next.encode_utf8(&mut [0; 4])).is_empty();
        let mut next = rest.char_indices().skip(1);
        let end = next.find(|(_, next)| !belongs_to_previous(*next));
        let (cluster, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        clusters.push(cluster);
        rest = after;
    }
    clusters
}

/// `e + U+0301`
fn describe(part: &str) -> String {
    let is_plain = |next: char| next.is_ascii_graphic() && !"0O1Il|'`".contains(next);
    let mut text = String::new();
    for (index, next) in part.chars().enumerate() {
        if index == MAX_CHARACTERS {
            text.push_str(" + …");
            break;
        }
        let separator = if index == 0 { "" } else { " + " };
        let _ = if is_plain(next) {
            write!(text, "{separator}{next}")
        } else {
            write!(text, "{separator}U+{:04X}", u32::from(next))
        };
    }
    text
}
