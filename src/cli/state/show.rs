//! `segctl state show`: everything that the state contains about one segment.

use super::super::arguments::SegmentArguments;
use super::super::failure::Failure;
use super::super::output::{Output, json_text};
use super::super::project::Project;
use super::lookup::{OfflineState, print_shared_name_note};
use crate::definition::canonical;
use crate::model::escape_unprintable;
use crate::render::json::{FORMAT_VERSION, StateDocument, StateEntryDocument};
use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
struct EntryDocument {
    format_version: &'static str,
    workspace: String,
    segment: SegmentDocument,
}

#[derive(Serialize)]
struct SegmentDocument {
    #[serde(flatten)]
    entry: StateEntryDocument,
    /// In canonical form, with names in place of ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Value>,
}

pub(super) async fn run(
    project: &Project,
    arguments: &SegmentArguments,
    output: Output,
) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let offline = OfflineState::load(workspace).await?;
    let found = offline.find(&arguments.name)?;
    print_shared_name_note(&arguments.name, &found.others, output);
    let identities = offline.identities();
    let definition = found.entry.definition.as_ref();
    // The list also shows whether a later segment has the name.
    let list = StateDocument::new(workspace.name, &offline.state);
    let mut listed = list.segments.into_iter();
    let segment = SegmentDocument {
        entry: listed
            .find(|listed| listed.id == found.entry.id.as_str())
            .unwrap_or_else(|| StateEntryDocument::of(found.entry)),
        definition: definition.map(|payload| canonical::exact(payload, &identities)),
    };
    if output.json {
        output.print_json(&EntryDocument {
            format_version: FORMAT_VERSION,
            workspace: workspace.name.to_owned(),
            segment,
        });
    } else {
        output.print_result(&text(&segment));
    }
    Ok(())
}

fn text(segment: &SegmentDocument) -> String {
    let SegmentDocument { entry, definition } = segment;
    let previous_names = entry.previous_names.iter().map(|name| format!("\"{name}\""));
    let previous_names = previous_names.collect::<Vec<_>>().join(", ");
    let applied = format!("{:.0} by {}", entry.applied_at, entry.run);
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let rows = [
        ("name", format!("\"{}\"", entry.name)),
        ("previous names", or_none(previous_names)),
        ("id", entry.id.clone()),
        ("kind", entry.kind.clone()),
        ("lifecycle", entry.lifecycle.clone()),
        ("protected", if entry.protect { "yes" } else { "no" }.to_owned()),
        ("digest", or_none(entry.digest.clone().unwrap_or_default())),
        ("last applied", applied),
        ("previous versions", entry.revisions.to_string()),
    ];
    let mut text = String::new();
    for (label, value) in rows {
        text.push_str(&format!("{label}: {}\n", escape_unprintable(&value)));
    }
    match definition {
        None => text.push_str("definition: none\n"),
        Some(definition) => {
            text.push_str("definition:\n");
            for line in json_text(definition).lines() {
                text.push_str(&format!("  {}\n", escape_unprintable(line)));
            }
        }
    }
    text
}
