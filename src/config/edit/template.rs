//! A template for a file segment or a cohort: the API returns neither the members nor most of the settings.
//!
//! The file has another extension, so it declares nothing until a person completes and renames it.

use super::edit_error::EditError;
use super::emit::{self, Style};
use super::new_file::comment_line;
use super::ordered_value::OrderedValue;
use crate::model::{Keyword, SegmentKind, SegmentName};

pub struct SegmentTemplate<'a> {
    /// The origin, for the comment at the top.
    pub comment: &'a str,
    pub name: &'a SegmentName,
    /// `None` when the API type does not determine it.
    pub kind: Option<SegmentKind>,
    /// As the API names it.
    pub api_type: &'a str,
}

const INSTRUCTIONS: &str =
    "# Fill in the values in capitals, delete these comments, and rename the file so that it ends with .yaml. Then run
# `segctl apply` with --force-upload to upload the whole list, or with --assume-members-in-sync if MoEngage has it.
";

const FILE_SEGMENT_FIELDS: &str = "identifier: {attribute: ATTRIBUTE, type: string}
users: {path: LIST.csv}
expires_in_days: DAYS
";

const COHORT_FIELDS: &str = "partner: PARTNER
cohort_id: COHORT_ID
members: {path: LIST.txt}
";

pub fn template_text(template: &SegmentTemplate<'_>) -> Result<String, EditError> {
    let name = OrderedValue::text(template.name.as_str());
    let name = emit::field("name", &name, Style { json: false })?;
    let mut text = comment_line(template.comment);
    let missing = "The API returns neither the member list nor the values in capitals below.";
    text.push_str(&comment_line(&format!(
        "Type in MoEngage: {}. {missing}",
        template.api_type
    )));
    text.push_str(INSTRUCTIONS);
    if template.kind.is_none() {
        text.push_str("# Keep one of the two documents.\n");
    }
    let kinds = [
        (SegmentKind::File, FILE_SEGMENT_FIELDS),
        (SegmentKind::Cohort, COHORT_FIELDS),
    ];
    let documents: Vec<_> = kinds
        .into_iter()
        .filter(|(kind, _)| template.kind.is_none_or(|known| known == *kind))
        .map(|(kind, fields)| format!("kind: {}\n{name}\n{fields}", kind.as_str()))
        .collect();
    text.push_str(&documents.join("---\n"));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::edit::round_trip;
    use crate::config::source::SourceFile;

    fn template_of(name: &str, kind: Option<SegmentKind>) -> String {
        let template = SegmentTemplate {
            comment: "imported from id a1\nkind: filter",
            name: &SegmentName::new(name),
            kind,
            api_type: "FILE_V2\u{2028}name: B",
        };
        template_text(&template).unwrap()
    }

    #[test]
    fn remote_text_cannot_inject_yaml_fields() {
        for (kind, count) in [
            (None, 2),
            (Some(SegmentKind::File), 1),
            (Some(SegmentKind::Cohort), 1),
        ] {
            let text = template_of("A\nkind: filter\u{2029}x", kind);
            let (documents, diagnostics) =
                crate::config::yaml::parse(&SourceFile::new("a.yaml", text.as_str()));
            assert_eq!(
                (documents.len(), diagnostics.as_slice()),
                (count, &[][..]),
                "{text}"
            );
            assert!(!text.contains("\nkind: filter"), "{text}");
        }
    }

    #[test]
    fn a_completed_template_is_a_declaration() {
        for (kind, name) in [(SegmentKind::File, "no: A"), (SegmentKind::Cohort, "true")] {
            let text = template_of(name, Some(kind));
            let filled = text.replace("DAYS", "30");
            let segment = round_trip::read_declaration(&filled).unwrap().segment;
            assert_eq!(
                (segment.name.as_str(), segment.contents.kind()),
                (name, kind),
                "{filled}"
            );
        }
    }
}
