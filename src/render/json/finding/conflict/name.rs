//! Conflicts over names.

use super::{FindingDocument, describe_remote, location, reference_help, rename_help, yaml_scalar};
use crate::model::{Keyword, SegmentKind};
use crate::plan::step::{DeclaredRef, RemoteRef};

pub(super) fn kind_mismatch(
    (segment, declared_kind): (&DeclaredRef, SegmentKind),
    holder: &RemoteRef,
    kind: &str,
) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let message = format!(
        "the name `{}` belongs to a segment of kind {kind} (id {})",
        holder.name, holder.id
    );
    FindingDocument::between("kind_mismatch", message, segment, holder)
        .with_help(if holder.name == *name {
            format!("choose another `name` for `{name}` at {at}; a name can never be reused")
        } else {
            format!(
                "if a {} segment is meant: remove `id` and `previous_names` from `{name}` at {at}",
                declared_kind.as_str()
            )
        })
        .with_helps(reference_help(segment, holder))
        .with_help(format!("if the segment is not needed: remove it from {at}"))
}

pub(super) fn cannot_rename(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let message = format!(
        "`{name}` matches {}; the API can rename only filter segments",
        describe_remote(target)
    );
    FindingDocument::between("cannot_rename", message, segment, target)
        .with_help(format!(
            "if it is the same segment: set `name: {}` at {at}",
            yaml_scalar(target.name.as_str())
        ))
        .with_help(format!("if another segment is meant: remove `id` from {at}"))
}

pub(super) fn name_taken(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let message = format!("the name `{name}` is already used by {}", describe_remote(holder));
    let finding = FindingDocument::between("name_taken", message, segment, holder);
    match &holder.declared {
        Some(declared) => finding.with_help(rename_help(segment)).with_help(format!(
            "if it is the same segment: remove `{}` from {}, and remove `id` and `previous_names` from `{name}` at {at}",
            declared.name,
            location(declared)
        )),
        None => finding
            .with_help(format!(
                "if it is the same segment: remove `previous_names` from `{name}` at {at}, and set `id: {}`",
                holder.id
            ))
            .with_helps(reference_help(segment, holder))
            .with_help(rename_help(segment)),
    }
}

pub(super) fn name_reserved(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let has_name = holder.name == *name;
    let used = if has_name { "currently" } else { "previously" };
    let message = format!(
        "`{name}` needs the name {used} used by {}; a name can never be reused",
        describe_remote(holder)
    );
    let help = match &holder.declared {
        Some(declared) if has_name => format!(
            "keep the names and swap the definitions: set `id: {}` in `{name}` at {at}; remove `id`, and `{}` from \
             `previous_names`, in `{}` at {}",
            holder.id,
            yaml_scalar(name.as_str()),
            declared.name,
            location(declared)
        ),
        Some(declared) => format!(
            "if `{name}` is the same segment: remove `{}` from {}, and set `id: {}` at {at}",
            declared.name,
            location(declared),
            holder.id
        ),
        None => format!("if `{name}` is the same segment: set `id: {}` at {at}", holder.id),
    };
    FindingDocument::between("name_reserved", message, segment, holder)
        .with_help(rename_help(segment))
        .with_help(help)
        .with_help(
            "if your workspace frees the old name of a renamed segment: set `api_behavior: {rename_frees_names: true}` in \
             segctl.yaml; the API does not document it",
        )
}
