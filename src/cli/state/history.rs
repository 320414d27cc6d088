//! `segctl state history`: the previous versions of a segment, and the changes between them.

use super::super::arguments::SegmentArguments;
use super::super::failure::Failure;
use super::super::output::Output;
use super::super::project::Project;
use super::lookup::OfflineState;
use crate::definition::{FieldChange, Identities, canonical, diff};
use crate::render::json::{HistoryDocument, RevisionDocument};
use crate::render::text;
use crate::state::StateEntry;

pub(super) async fn run(
    project: &Project,
    arguments: &SegmentArguments,
    output: Output,
) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let offline = OfflineState::load(workspace).await?;
    let found = offline.find(&arguments.name)?;
    let revisions = revision_documents(found.entry, &offline.identities());
    let name = &arguments.name;
    let document = HistoryDocument::new(workspace.name, name, found.entry, &found.others, revisions);
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::history(&document, output.color()));
    }
    Ok(())
}

/// Each revision, with its differences from the next one.
fn revision_documents(entry: &StateEntry, identities: &Identities) -> Vec<RevisionDocument> {
    let applied = entry.definition.as_ref();
    let mut next = applied.map(|payload| (&entry.name, canonical::exact(payload, identities)));
    let mut documents = Vec::new();
    for (number, revision) in entry.numbered_revisions().collect::<Vec<_>>().into_iter().rev() {
        let definition = canonical::exact(&revision.definition, identities);
        let mut changes = Vec::new();
        if let Some((name, next)) = &next {
            changes.extend((**name != revision.name).then(|| FieldChange::rename(&revision.name, name)));
            let differences = diff(&definition, next).into_iter();
            changes.extend(differences.map(|change| change.with_readable_references(identities)));
        }
        let document = RevisionDocument::new(number, revision, definition.clone(), &changes);
        documents.push(document);
        next = Some((&revision.name, definition));
    }
    documents.reverse();
    documents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Payload, SegmentId, SegmentName};
    use crate::state::Revision;
    use jiff::Timestamp;
    use serde_json::json;

    fn payload(amount: usize, segment: &str) -> Payload {
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [
                {"filter_type": "custom_segments", "id": segment},
                {"filter_type": "user_attributes", "name": "spend", "data_type": "double", "operator": "greaterThan",
                 "value": amount}]}),
            excluded_filters: None,
        }
    }

    fn entry(revisions: &[(&str, usize, &str)]) -> StateEntry {
        let mut entry = StateEntry::new(
            SegmentId::new("a"),
            SegmentName::new("New"),
            Timestamp::UNIX_EPOCH,
        );
        entry.definition = Some(payload(100, "aa").into());
        for (name, amount, segment) in revisions {
            entry.add_revision(Revision {
                name: SegmentName::new(*name),
                definition: payload(*amount, segment).into(),
                returned_digest: None,
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
            (document.revision, lines.collect())
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
            // The journal contains the intent of a write that was never sent.
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
