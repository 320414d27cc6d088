//! A new segment file for what cannot be read back: the service shows neither who is in a file segment or a cohort, nor most of
//! what made it.
//!
//! It is no segment file yet, and has another ending, so that it declares nothing until somebody who knows what is missing has
//! filled that in and renamed it.

use super::edit_error::EditError;
use super::emit::{self, Style};
use super::new_file::comment_line;
use super::ordered_value::OrderedValue;
use crate::model::{SegmentKind, SegmentName};

/// A segment without filters that is to become a file.
pub struct SegmentTemplate<'a> {
    /// Where it comes from, for the comment at the top.
    pub comment: &'a str,
    /// The name.
    pub name: &'a SegmentName,
    /// What it is, where that is known.
    pub kind: Option<SegmentKind>,
    /// What the service calls that.
    pub api_type: &'a str,
}

const INSTRUCTIONS: &str =
    "# Fill that in, take these lines away, and let the file's name end with .yaml. Then apply with
# --resend to send the whole list, or with --assume-in-sync where those of the list are in it.
";

const FILE_SEGMENT_FIELDS: &str = "identifier: {attribute: ATTRIBUTE, type: string}
users: {path: LIST.csv}
expires_in_days: DAYS
";

const COHORT_FIELDS: &str = "partner: PARTNER
cohort_id: COHORT_ID
members: {path: LIST.txt}
";

/// The text of a file that says what is not known of `stub`, and how to declare it.
///
/// # Errors
///
/// The name cannot be written.
pub fn template_text(stub: &SegmentTemplate<'_>) -> Result<String, EditError> {
    let name = emit::field(
        "name",
        &OrderedValue::text(stub.name.as_str()),
        Style { json: false },
    )?;
    let mut text = comment_line(stub.comment);
    let called = format!(
        "The service calls it {}, and does not tell who is in it, nor what else is in capitals below.",
        stub.api_type
    );
    text.push_str(&comment_line(&called));
    text.push_str(INSTRUCTIONS);
    if stub.kind.is_none() {
        text.push_str("# It is one of the two.\n");
    }
    let kinds = [
        (SegmentKind::File, "file", FILE_SEGMENT_FIELDS),
        (SegmentKind::Cohort, "cohort", COHORT_FIELDS),
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
    use crate::config::edit::round_trip;
    use crate::config::source::SourceFile;

    fn template_of(name: &str, kind: Option<SegmentKind>) -> String {
        let stub = SegmentTemplate {
            comment: "pulled from id a1\nkind: filter",
            name: &SegmentName::new(name),
            kind,
            api_type: "FILE_V2\u{2028}name: B",
        };
        template_text(&stub).unwrap()
    }

    #[test]
    fn remote_text_cannot_inject_yaml_fields() {
        for (kind, count) in [
            (None, 2),
            (Some(SegmentKind::File), 1),
            (Some(SegmentKind::Cohort), 1),
        ] {
            let text = template_of("A\nkind: filter\u{2029}x", kind);
            let (documents, faults) = crate::config::yaml::parse(&SourceFile::new("a.yaml", text.as_str()));
            assert_eq!((documents.len(), faults.as_slice()), (count, &[][..]), "{text}");
            assert!(!text.contains("\nkind: filter"), "{text}");
        }
    }

    #[test]
    fn a_completed_template_is_a_declaration() {
        for (kind, name) in [(SegmentKind::File, "no: A"), (SegmentKind::Cohort, "true")] {
            let text = template_of(name, Some(kind));
            let filled = text.replace("DAYS", "30");
            let declared = round_trip::read_declaration(&filled).unwrap().segment;
            assert_eq!(
                (declared.name.as_str(), declared.contents.kind()),
                (name, kind),
                "{filled}"
            );
        }
    }
}
