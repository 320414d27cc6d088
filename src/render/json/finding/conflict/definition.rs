//! Conflicts over definitions.

use super::{FindingDocument, describe_remote, location, names, reference_help, yaml_scalar};
use crate::model::SegmentId;
use crate::plan::step::{DeclaredRef, RemoteRef};

pub(super) fn definition_taken(
    segment: &DeclaredRef,
    holder: &RemoteRef,
    target: Option<&SegmentId>,
) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let message = format!("`{name}` has the same definition as {}", describe_remote(holder));
    // A segment that already has a remote segment keeps its id, so it cannot match the other one.
    let help = match (&holder.declared, target) {
        (Some(declared), None) => format!(
            "if `{name}` is a new name for `{}`: remove `{}` from {}, and add `previous_names: [{}]` to `{name}` at {at}",
            declared.name,
            declared.name,
            location(declared),
            yaml_scalar(holder.name.as_str()),
        ),
        (None, None) => format!(
            "to adopt it: add `id: {}` to `{name}` at {at}; it is renamed and keeps its id",
            holder.id
        ),
        (Some(declared), Some(_)) => format!(
            "change the definition of `{}` at {} first, and apply while it is active",
            declared.name,
            location(declared)
        ),
        (None, Some(_)) => format!(
            "if the other segment is not needed: change its definition or archive it in the dashboard; `{name}` has its \
             own id and cannot match it"
        ),
    };
    FindingDocument::between("definition_taken", message, segment, holder)
        .with_help(help)
        .with_helps(reference_help(segment, holder))
        .with_help(format!(
            "change the definition of `{name}` at {at}: any value, operator or filter in `included_filters` or \
             `excluded_filters`; a new name alone is not enough"
        ))
}

pub(super) fn definition_shared(segments: &[DeclaredRef]) -> FindingDocument {
    let message = format!(
        "{} have the same definition in this workspace: their references mean the same segments",
        names(segments)
    );
    let (others, rest) = match segments {
        [_, _] => ("the other one is", "one of them"),
        _ => ("the others are", "all but one of them"),
    };
    FindingDocument::new("definition_shared", message)
        .with_segments(segments)
        .with_help(format!("keep one of them, and reference it where {others} used"))
        .with_help(format!(
            "change the definition of {rest}: any value, operator or filter; a new name, or a reference by id instead of by \
             name, is not enough"
        ))
        .with_help(format!("archive {rest}: `lifecycle: archived`"))
}
