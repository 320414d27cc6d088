//! A new segment file for what cannot be read back: the service shows neither who is in a file segment or a cohort, nor most of
//! what made it.
//!
//! It is no segment file yet, and has another ending, so that it declares nothing until somebody who knows what is missing has
//! filled that in and renamed it.

use super::emit::{self, Style};
use super::file::heading;
use super::tree::Tree;
use super::unwritable::Unwritable;
use crate::model::{SegmentKind, SegmentName};

/// A segment without filters that is to become a file.
pub struct Stub<'a> {
    /// Where it comes from, for the comment at the top.
    pub comment: &'a str,
    /// The name.
    pub name: &'a SegmentName,
    /// What it is, where that is known.
    pub kind: Option<SegmentKind>,
    /// What the service calls that.
    pub word: &'a str,
}

const WHAT_TO_DO: &str =
    "# Fill that in, take these lines away, and let the file's name end with .yaml. Then apply with
# --resend to send the whole list, or with --assume-in-sync where those of the list are in it.
";

const FILE: &str = "identifier: {attribute: ATTRIBUTE, type: string}
users: {path: LIST.csv}
expires_in_days: DAYS
";

const COHORT: &str = "partner: PARTNER
cohort_id: COHORT_ID
members: {path: LIST.txt}
";

/// The text of a file that says what is not known of `stub`, and how to declare it.
///
/// # Errors
///
/// The name cannot be written.
pub fn stub_file(stub: &Stub<'_>) -> Result<String, Unwritable> {
    let name = emit::field("name", &Tree::text(stub.name.as_str()), Style { json: false })?;
    let mut text = heading(stub.comment);
    let called = format!(
        "The service calls it {}, and does not tell who is in it, nor what else is in capitals below.",
        stub.word
    );
    text.push_str(&heading(&called));
    text.push_str(WHAT_TO_DO);
    if stub.kind.is_none() {
        text.push_str("# It is one of the two.\n");
    }
    let kinds = [
        (SegmentKind::File, "file", FILE),
        (SegmentKind::Cohort, "cohort", COHORT),
    ];
    let kinds = kinds
        .into_iter()
        .filter(|(kind, ..)| stub.kind.is_none_or(|known| known == *kind));
    let declarations = kinds.map(|(_, word, fields)| format!("kind: {word}\n{name}\n{fields}"));
    text.push_str(&declarations.collect::<Vec<_>>().join("---\n"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;
    use crate::config::write::law;

    fn stub(name: &str, kind: Option<SegmentKind>) -> String {
        let stub = Stub {
            comment: "pulled from id a1\nkind: filter",
            name: &SegmentName::new(name),
            kind,
            word: "FILE_V2\u{2028}name: B",
        };
        stub_file(&stub).unwrap()
    }

    #[test]
    fn what_others_wrote_says_nothing_of_its_own() {
        for (kind, count) in [
            (None, 2),
            (Some(SegmentKind::File), 1),
            (Some(SegmentKind::Cohort), 1),
        ] {
            let text = stub("A\nkind: filter\u{2029}x", kind);
            let (documents, faults) = crate::config::yaml::parse(&Source::new("a.yaml", text.as_str()));
            assert_eq!((documents.len(), faults.as_slice()), (count, &[][..]), "{text}");
            assert!(!text.contains("\nkind: filter"), "{text}");
        }
    }

    #[test]
    fn what_is_filled_in_is_a_declaration() {
        for (kind, name) in [(SegmentKind::File, "no: A"), (SegmentKind::Cohort, "true")] {
            let text = stub(name, Some(kind));
            let filled = text.replace("DAYS", "30");
            let declared = law::read(&filled).unwrap().segment;
            assert_eq!(
                (declared.name.as_str(), declared.contents.kind()),
                (name, kind),
                "{filled}"
            );
        }
    }
}
