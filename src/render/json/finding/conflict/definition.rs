//! Conflicts over definitions in words.

use super::{FindingDocument, describe_remote, location, names, reference_help, yaml_scalar};
use crate::model::SegmentId;
use crate::plan::step::{DeclaredRef, RemoteRef};

pub(super) fn definition_taken(
    segment: &DeclaredRef,
    holder: &RemoteRef,
    target: Option<&SegmentId>,
) -> FindingDocument {
    let name = &segment.name;
    let message = format!("`{name}` has the very definition of {}", describe_remote(holder));
    let finding = FindingDocument::new("definition_taken", message)
        .with_segment(segment)
        .with_remote(holder);
    // What is live already stays what it is, and cannot become the other one.
    let finding = match (&holder.declared, target) {
        (Some(declared), None) => finding.with_help(format!(
            "if `{name}` is a new name for `{}`: take that one out of {}, and add `previous_names: [{}]` to `{name}` at {}",
            declared.name,
            location(declared),
            yaml_scalar(holder.name.as_str()),
            location(segment)
        )),
        (None, None) => finding.with_help(format!(
            "adopt it: add `id: {}` to `{name}` at {}, and it is renamed with its id kept",
            holder.id,
            location(segment)
        )),
        (Some(declared), Some(_)) => finding.with_help(format!(
            "give `{}` another definition first: change it at {} while it is in use, and apply",
            declared.name,
            location(declared)
        )),
        (None, Some(_)) => finding.with_help(format!(
            "if the other one is not needed: give it another definition in the dashboard, or archive it there; `{name}` is \
             live with the id of its own and cannot become it"
        )),
    };
    finding
        .with_helps(reference_help(segment, holder))
        .with_help(change_definition_help(segment))
}

pub(super) fn definition_shared(segments: &[DeclaredRef]) -> FindingDocument {
    let message = format!(
        "{} have one definition: what they refer to is the same in this workspace",
        names(segments)
    );
    let (others, rest) = match segments {
        [_, _] => ("the other one is", "one of them"),
        _ => ("the others are", "all of them but one"),
    };
    FindingDocument::new("definition_shared", message)
        .with_segments(segments)
        .with_help(format!("keep one of them, and refer to it where {others} used"))
        .with_help(format!(
            "change the definition of {rest}: any value, operator or filter; another name or another spelling of a \
             reference does not make it another one"
        ))
        .with_help(format!("put {rest} away: `lifecycle: archived`"))
}

/// What makes a definition another one.
fn change_definition_help(segment: &DeclaredRef) -> String {
    format!(
        "change the definition of `{}` at {}: any value, operator or filter in `included_filters` or `excluded_filters`; \
         another name does not make it another one",
        segment.name,
        location(segment)
    )
}
