//! Conflicts over names in words.

use super::{FindingDocument, describe_remote, location, reference_help, rename_help, yaml_scalar};
use crate::model::{Keyword, SegmentKind};
use crate::plan::step::{DeclaredRef, RemoteRef};

pub(super) fn kind_taken(
    (segment, declared_kind): (&DeclaredRef, SegmentKind),
    holder: &RemoteRef,
    kind: &str,
) -> FindingDocument {
    let message = format!(
        "the name `{}` belongs to a segment of the kind {kind} (id {})",
        holder.name, holder.id
    );
    let finding = FindingDocument::new("kind_taken", message)
        .with_segment(segment)
        .with_remote(holder);
    let finding = if holder.name == segment.name {
        finding.with_help(format!(
            "choose another name: `name` of `{}` at {}; names are never free again",
            segment.name,
            location(segment)
        ))
    } else {
        finding.with_help(format!(
            "if a {} segment is meant: take `id` and `previous_names` out of `{}` at {}",
            declared_kind.as_str(),
            segment.name,
            location(segment)
        ))
    };
    finding
        .with_helps(reference_help(segment, holder))
        .with_help(format!(
            "if the segment is not needed: take {} away",
            segment.origin.file
        ))
}

pub(super) fn cannot_rename(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "`{}` is {}, and the API renames filter segments only",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::new("cannot_rename", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(format!(
            "if it is the same segment: say `name: {}` at {}",
            yaml_scalar(target.name.as_str()),
            location(segment)
        ))
        .with_help(format!(
            "if another one is meant: take `id` out of {}",
            location(segment)
        ))
}

pub(super) fn name_taken(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let name = &segment.name;
    let message = format!(
        "`{name}` cannot have its name: {} has it",
        describe_remote(holder)
    );
    let finding = FindingDocument::new("name_taken", message)
        .with_segment(segment)
        .with_remote(holder);
    match &holder.declared {
        Some(declared) => finding.with_help(rename_help(segment)).with_help(format!(
            "if it is the same segment: take `{}` out of {}, and `id` and `previous_names` out of `{name}` at {}",
            declared.name,
            location(declared),
            location(segment)
        )),
        None => finding
            .with_help(format!(
                "if it is the same segment: take `previous_names` out of `{name}` at {}, and say `id: {}`",
                location(segment),
                holder.id
            ))
            .with_helps(reference_help(segment, holder))
            .with_help(rename_help(segment)),
    }
}

pub(super) fn name_reserved(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let name = &segment.name;
    let gives_up = if holder.name == *name {
        format!(
            "`{name}` wants a name that {} gives up, and a name that was given up may stay reserved for ever",
            describe_remote(holder)
        )
    } else {
        format!(
            "`{name}` wants a name that {} had before, and a name that was given up may stay reserved for ever",
            describe_remote(holder)
        )
    };
    let finding = FindingDocument::new("name_reserved", gives_up)
        .with_segment(segment)
        .with_remote(holder)
        .with_help(rename_help(segment));
    let finding = match &holder.declared {
        Some(declared) if holder.name == *name => finding.with_help(format!(
            "leave the name where it is and change the definitions: `id: {}` in `{name}` at {}, and no `id` and no `{}` in \
             `previous_names` of `{}` at {}",
            holder.id,
            location(segment),
            yaml_scalar(name.as_str()),
            declared.name,
            location(declared)
        )),
        Some(declared) => finding.with_help(format!(
            "if `{name}` is that segment again: take `{}` out of {}, and say `id: {}` at {}",
            declared.name,
            location(declared),
            holder.id,
            location(segment)
        )),
        None => finding.with_help(format!(
            "if `{name}` is that segment again: say `id: {}` at {}",
            holder.id,
            location(segment)
        )),
    };
    finding.with_help(
        "if renames free names in your workspace: `service: {rename_frees_names: true}` in segctl.yaml; it is not \
         documented",
    )
}
