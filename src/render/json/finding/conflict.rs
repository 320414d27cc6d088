//! Conflicts: each message names the other segment and its id, and the help lists every resolution that can work.
//!
//! Usually there are three: adopt the other segment, reference it, or change the declaration. A declared segment cannot
//! be adopted, and an archived one cannot be referenced.

mod definition;
mod file_segment;
mod limit;
mod matching;
mod name;

use super::unreadable::unreadable_segment;
use super::{FindingDocument, describe_remote, location, names, quoted, reference_filter};
use crate::model::{Lifecycle, SegmentName};
use crate::plan::step::{Conflict, DeclaredRef, RemoteRef};
use crate::render::json::yaml_scalar::yaml_scalar;

pub(in super::super) fn conflict(conflict: &Conflict) -> FindingDocument {
    match conflict {
        Conflict::KindMismatch {
            segment,
            declared_kind,
            holder,
            kind,
        } => name::kind_mismatch((segment, *declared_kind), holder, kind),
        Conflict::CohortKeyChanged {
            segment,
            target,
            created_with,
            declared,
        } => matching::cohort_key_changed(segment, target, (created_with, declared)),
        Conflict::MembersUnknown {
            segment,
            kind,
            target,
        } => matching::members_unknown((segment, *kind), target),
        Conflict::CannotRename { segment, target } => name::cannot_rename(segment, target),
        Conflict::CannotArchive { segment, target } => cannot_archive(segment, target),
        Conflict::FixedAtUpload {
            segment,
            target,
            field,
        } => file_segment::fixed_at_upload(segment, target, field),
        Conflict::PublishNotConfigured { segment } => file_segment::publish_not_configured(segment),
        Conflict::DailyUserLimit {
            segment,
            count,
            used,
            limit,
            available_at,
        } => file_segment::daily_user_limit(segment, (*count, *used, *limit), *available_at),
        Conflict::NameTaken { segment, holder } => name::name_taken(segment, holder),
        Conflict::NameReserved { segment, holder } => name::name_reserved(segment, holder),
        Conflict::DefinitionTaken {
            segment,
            holder,
            target,
        } => definition::definition_taken(segment, holder, target.as_ref()),
        Conflict::DefinitionShared { segments } => definition::definition_shared(segments),
        Conflict::UnknownReference {
            segment,
            reference,
            renamed,
            archived: None,
            ..
        } if !renamed.is_empty() => reference_to_previous_name(segment, reference, renamed),
        Conflict::UnknownReference {
            segment,
            archived: Some(archived),
            ..
        } => reference_to_archived(segment, archived),
        Conflict::UnknownReference {
            segment,
            reference,
            suggestion,
            ..
        } => unknown_reference(segment, reference, suggestion.as_ref()),
        Conflict::ReferenceUnlisted { segment, reference } => reference_unlisted(segment, reference),
        Conflict::OrphanReferenced {
            segment,
            target,
            managed_by,
        } => matching::orphan_referenced(segment, target, managed_by),
        Conflict::SharedTarget {
            segments,
            target,
            matched_by,
        } => matching::shared_target(segments, target, matched_by),
        Conflict::AmbiguousTarget { segment, targets } => matching::ambiguous_target(segment, targets),
        Conflict::PreviousNameInUse {
            segment,
            target,
            other,
            managed_by,
        } => matching::previous_name_in_use(segment, (target, other), managed_by),
        Conflict::UndecidedRename {
            segment,
            target,
            others,
        } => matching::undecided_rename(segment, target, others),
        Conflict::UnknownId { segment, id } => matching::unknown_id(segment, id),
        Conflict::UnreadableSegment {
            segment,
            origin,
            id,
            reason,
        } => unreadable_segment((segment, origin.as_ref()), id.as_ref(), reason),
        Conflict::AdoptionRefused { segment, target } => matching::adoption_refused(segment, target),
        Conflict::ArchiveRefused { target, pattern } => matching::archive_refused(target, pattern),
        Conflict::ReferenceLimit { segment, limit } => limit::reference_limit(segment, limit),
        Conflict::Cycle { segments, waiting } => limit::cycle(segments, waiting),
        Conflict::ActiveLimit { count, limit } => limit::active_limit(*count, *limit),
    }
}

fn cannot_archive(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "cannot archive {}: cohorts cannot be archived through the API",
        describe_remote(target)
    );
    FindingDocument::between("cannot_archive", message, segment, target)
        .with_help("archive it in the dashboard; the next plan then has no conflict")
        .with_help(format!(
            "to keep it: remove `lifecycle: archived` from {}",
            location(segment)
        ))
}

fn reference_to_previous_name(
    segment: &DeclaredRef,
    reference: &SegmentName,
    renamed: &[DeclaredRef],
) -> FindingDocument {
    let message = format!(
        "`{}` references `{reference}`, a previous name of {}",
        segment.name,
        names(renamed)
    );
    let at = &segment.origin;
    let help = |declared: &DeclaredRef| {
        let (name, location) = (&declared.name, location(declared));
        match renamed {
            [_] => {
                format!("`{reference}` was renamed to `{name}` in {location}; update the reference at {at}")
            }
            _ => format!("if `{name}` in {location} is meant: update the reference at {at}"),
        }
    };
    FindingDocument::new("unknown_reference", message)
        .with_segment(segment)
        .with_helps(renamed.iter().map(help))
}

fn reference_to_archived(segment: &DeclaredRef, archived: &DeclaredRef) -> FindingDocument {
    let name = &archived.name;
    let message = format!(
        "`{}` references `{name}`, which is declared archived at {} and whose id is unknown: neither the state nor MoEngage's \
         list contains it",
        segment.name,
        location(archived)
    );
    FindingDocument::new("unknown_reference", message)
        .with_segment(segment)
        .with_help(format!(
            "if `{name}` exists: copy its id from the dashboard, and set it as `id` at {}",
            location(archived)
        ))
        .with_help(format!(
            "if it does not exist: remove `lifecycle: archived` at {}, or the reference at {}",
            location(archived),
            segment.origin
        ))
}

fn unknown_reference(
    segment: &DeclaredRef,
    reference: &SegmentName,
    suggestion: Option<&SegmentName>,
) -> FindingDocument {
    let message = format!("`{}` references the unknown segment `{reference}`", segment.name);
    FindingDocument::new("unknown_reference", message)
        .with_segment(segment)
        .with_helps(
            reference
                .is_reserved()
                .then(|| "to refer to all users, use the id `moe_all_users`".to_owned()),
        )
        .with_helps(suggestion.map(|name| format!("did you mean `{name}`?")))
        .with_help(format!(
            "declare it: add a segment file with `name: {}`",
            yaml_scalar(reference.as_str())
        ))
        .with_help(format!(
            "if another segment is meant: correct `name` in the `custom_segments` filter at {}",
            location(segment)
        ))
        .with_help("if the reference is not needed: remove that filter")
}

fn reference_unlisted(segment: &DeclaredRef, reference: &SegmentName) -> FindingDocument {
    let message = format!(
        "`{}` references the cohort `{reference}`, whose id is unknown: MoEngage lists no cohorts",
        segment.name
    );
    FindingDocument::new("reference_unlisted", message)
        .with_segment(segment)
        .with_help(format!(
            "copy the id of `{reference}` from the dashboard, and set it as `id` in the file of `{reference}`"
        ))
        .with_help(format!(
            "if the reference is not needed: remove that filter at {}",
            location(segment)
        ))
}

/// Referencing an active segment instead of declaring the same one again.
fn reference_help(segment: &DeclaredRef, holder: &RemoteRef) -> Option<String> {
    (holder.lifecycle == Lifecycle::Active).then(|| {
        let (name, at) = (&segment.name, location(segment));
        if holder.name == *name {
            return format!(
                "to use the existing segment: remove `{name}` from {at}; references to that name then mean it"
            );
        }
        let reference = reference_filter(holder.name.as_str());
        format!(
            "to use the existing segment: remove `{name}` from {at}, and replace references to it with {reference}"
        )
    })
}

fn rename_help(segment: &DeclaredRef) -> String {
    format!(
        "choose another `name` for `{}` at {}; names are unique in a workspace, including archived segments",
        segment.name,
        location(segment)
    )
}
