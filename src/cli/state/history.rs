//! `segctl ledger history`: what a segment was, and what came after it.

use super::super::arguments::HistoryArguments;
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::project::Project;
use super::lookup::OfflineState;
use crate::definition::{FieldChange, Identities, canonical, diff};
use crate::render::json::{HistoryDocument, RevisionDocument};
use crate::render::text;
use crate::state::{Revision, StateEntry};

/// Shows the definitions of a segment that were replaced.
///
/// # Errors
///
/// The ledger cannot be read, or knows no such segment.
pub(super) async fn run(
    project: &Project,
    arguments: &HistoryArguments,
    output: Output,
) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let recalled = OfflineState::load(project, workspace).await?;
    let known = recalled.find(&arguments.name)?;
    // Every name that is known reads better than an id, be it declared or not.
    let identities = Identities {
        declared_by_id: recalled.names(),
        ..Identities::default()
    };
    let definitions = revision_documents(known.entry, &identities);
    let segment = (known.entry, known.others.as_slice());
    let document = HistoryDocument::new(workspace.0, &arguments.name, segment, definitions);
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::history(&document));
    }
    Ok(())
}

/// Each definition that was replaced, beside what came after it.
fn revision_documents(entry: &StateEntry, identities: &Identities) -> Vec<RevisionDocument> {
    let form = |replaced: &Revision| canonical::exact(&replaced.definition, identities);
    let applied = entry
        .definition
        .as_ref()
        .map(|payload| canonical::exact(payload, identities));
    let mut after = applied.map(|form| (entry.name.clone(), form));
    let mut documents = Vec::new();
    for (number, replaced) in entry.numbered_revisions().collect::<Vec<_>>().into_iter().rev() {
        let form = form(replaced);
        let mut changes = Vec::new();
        if let Some((name, later)) = &after {
            changes.extend((*name != replaced.name).then(|| FieldChange::rename(&replaced.name, name)));
            let found = diff(&form, later).into_iter();
            changes.extend(found.map(|change| change.with_readable_references(identities)));
        }
        documents.push(RevisionDocument::new((number, replaced), form.clone(), &changes));
        after = Some((replaced.name.clone(), form));
    }
    documents.reverse();
    documents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Payload, SegmentId, SegmentName};
    use jiff::Timestamp;
    use serde_json::json;

    fn payload(amount: usize, of: &str) -> Payload {
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [
                {"filter_type": "custom_segments", "id": of},
                {"filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
                 "value": amount}]}),
            excluded_filters: None,
        }
    }

    fn entry(replaced: &[(&str, usize, &str)]) -> StateEntry {
        let mut entry = StateEntry::new(
            SegmentId::new("a"),
            SegmentName::new("New"),
            Timestamp::UNIX_EPOCH,
        );
        entry.definition = Some(payload(100, "aa"));
        for (name, amount, of) in replaced {
            entry.add_revision(Revision {
                name: SegmentName::new(*name),
                definition: payload(*amount, of),
                replaced_at: Timestamp::UNIX_EPOCH,
                run: "run".to_owned(),
            });
        }
        entry
    }

    fn changes(entry: &StateEntry) -> Vec<(usize, Vec<String>)> {
        let identities = Identities {
            declared_by_id: [(SegmentId::new("aa"), SegmentName::new("Known"))].into(),
            ..Identities::default()
        };
        let documents = revision_documents(entry, &identities);
        let lines = |document: RevisionDocument| {
            let changes = document.changes.into_iter();
            let lines = changes.map(|change| {
                let after = change.after.unwrap_or_default();
                format!("{} {after}", change.field.unwrap_or_else(|| change.path.concat()))
            });
            (document.number, lines.collect())
        };
        documents.into_iter().map(lines).collect()
    }

    #[test]
    fn each_revision_is_compared_with_the_next_and_the_last_with_the_applied_definition() {
        let entry = entry(&[("Old", 1, "aa"), ("Old", 2, "bb"), ("New", 100, "aa")]);
        let expected = [
            (1, vec![r#"segment {"id":"bb"}"#, "value 2"]),
            (
                2,
                vec![r#"name "New""#, r#"segment {"name":"Known"}"#, "value 100"],
            ),
            // A write that was taken down and never made replaced nothing.
            (3, vec![]),
        ];
        let found = changes(&entry);
        let found: Vec<_> = found
            .iter()
            .map(|(number, lines)| (*number, lines.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn revision_numbers_continue_after_older_revisions_are_dropped() {
        let many: Vec<(&str, usize, &str)> = (1..=25).map(|amount| ("New", amount, "aa")).collect();
        let found = changes(&entry(&many));
        assert_eq!(found.first(), Some(&(6, vec!["value 7".to_owned()])));
        assert_eq!(found.last(), Some(&(25, vec!["value 100".to_owned()])));
        assert_eq!(changes(&entry(&[])), []);
    }
}
