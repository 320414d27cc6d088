//! Conflicts in words, each with the other side, its id, and every way out that leads somewhere.
//!
//! Three ways out are usual: adopt the other segment, refer to it, or change what is wanted. Fewer stand where there are
//! no more:
//!
//! | kind | ways out | why |
//! |---|---|---|
//! | `name_taken` by a declared segment | 2 | it is declared, so that nobody can adopt it, and archived, so that nobody should refer to it |
//! | those with an archived segment on the other side | one less | what is put away is not there to be referred to |
//! | `cycle` | 2 | all sides are declared, and what they want fits together: only the way there is missing |

mod definition;
mod file_segment;
mod limit;
mod matching;
mod name;

use super::{FindingDocument, describe_remote, join_with_and, location, names, quoted, reference_filter};
use crate::model::Lifecycle;
use crate::plan::step::{Conflict, DeclaredRef, RemoteRef};
use crate::render::json::yaml_scalar::yaml_scalar;

/// A conflict in words.
pub(in super::super) fn conflict(conflict: &Conflict) -> FindingDocument {
    match conflict {
        Conflict::KindMismatch {
            segment,
            declared_kind,
            holder,
            kind,
        } => name::kind_taken((segment, *declared_kind), holder, kind),
        Conflict::CohortKeyChanged {
            segment,
            target,
            created_with: before,
            declared: now,
        } => matching::cohort_key_changed(segment, target, (before, now)),
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
        Conflict::PublishNotConfigured { segment } => file_segment::not_published(segment),
        Conflict::DailyUserLimit {
            segment,
            count,
            used: taken,
            limit,
            available_at: fits_from,
        } => file_segment::daily_user_limit(segment, (*count, *taken, *limit), *fits_from),
        Conflict::NameTaken { segment, holder } => name::name_taken(segment, holder),
        Conflict::NameReserved { segment, holder } => name::name_reserved(segment, holder),
        Conflict::DefinitionTaken {
            segment,
            holder,
            target,
        } => definition::definition_taken(segment, holder, target.as_ref()),
        Conflict::DefinitionShared { segments } => definition::definition_shared(segments),
        Conflict::UnknownReference { segment, reference } => unknown_reference(segment, reference.as_str()),
        Conflict::OrphanReferenced {
            segment,
            target,
            managed_by: owned_by,
        } => matching::orphan_referenced(segment, target, owned_by),
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
            managed_by: owned_by,
        } => matching::previous_name_live(segment, (target, other), owned_by),
        Conflict::UnknownId { segment, id } => matching::unknown_id(segment, id),
        Conflict::AdoptionRefused { segment, target } => matching::adoption_refused(segment, target),
        Conflict::ArchiveRefused { target, pattern } => matching::archive_refused(target, pattern),
        Conflict::ReferenceLimit { segment, limit } => limit::limit_exceeded(segment, limit),
        Conflict::Cycle { segments } => limit::cycle(segments),
        Conflict::ActiveLimit { count, limit } => limit::active_limit(*count, *limit),
    }
}

fn cannot_archive(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "`{}` is to be archived, and the API archives no cohorts: {} is in use",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::new("cannot_archive", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help("archive it in the dashboard: the plan takes it as it is then")
        .with_help(format!(
            "to keep it: take `lifecycle: archived` out of {}",
            location(segment)
        ))
}

fn unknown_reference(segment: &DeclaredRef, reference: &str) -> FindingDocument {
    let message = format!(
        "`{}` refers to `{reference}`, which is neither declared nor live",
        segment.name
    );
    FindingDocument::new("unknown_reference", message)
        .with_segment(segment)
        .with_help(format!(
            "declare it: a segment file with `name: {}`",
            yaml_scalar(reference)
        ))
        .with_help(format!(
            "if another one is meant: correct `name` in the `custom_segments` filter below {}",
            location(segment)
        ))
        .with_help("if none is needed: take that filter out")
}

/// That another segment is used in place of this one: one that is in use.
fn reference_help(segment: &DeclaredRef, holder: &RemoteRef) -> Option<String> {
    (holder.lifecycle == Lifecycle::Active).then(|| {
        let (name, at) = (&segment.name, location(segment));
        if holder.name == *name {
            return format!(
                "refer to it: take `{name}` out of {at}; whoever refers to that name means it then"
            );
        }
        let reference = reference_filter(holder.name.as_str());
        format!("refer to it: take `{name}` out of {at}, and write {reference} where it is used")
    })
}

/// That a segment gets a name that nobody has.
fn rename_help(segment: &DeclaredRef) -> String {
    format!(
        "choose another name: `name` of `{}` at {}; names are unique in a workspace, archived segments too",
        segment.name,
        location(segment)
    )
}
