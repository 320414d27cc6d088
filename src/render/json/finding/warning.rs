//! Warnings: they do not block an apply.

use super::super::change::ChangeDocument;
use super::super::yaml_scalar::yaml_scalar;
use super::unreadable::{unreadable_rows, unreadable_segments};
use super::{FindingDocument, describe_remote, location};
use crate::definition::FieldChange;
use crate::model::{SegmentId, SegmentName};
use crate::plan::step::{DeclaredRef, RemoteRef, SegmentRef, Warning};
use crate::render::phrases::{count_noun, join_limited};
use crate::render::shell_commands;
use jiff::Timestamp;

pub(in super::super) fn warning(warning: &Warning) -> FindingDocument {
    match warning {
        Warning::LikelyDuplicate { segment, holder } => {
            let message = format!(
                "`{}` has the same filters as {}, in another form",
                segment.name,
                describe_remote(holder)
            );
            FindingDocument::between("likely_duplicate", message, segment, holder)
                .with_help(
                    "MoEngage may reject it as a duplicate: reference the other segment, or change one of the two",
                )
        }
        Warning::NameLooksAlike { segment, holder } => name_looks_alike(segment, holder),
        Warning::ArchivedButListed { segments } => archived_but_listed(segments),
        Warning::LifecycleUnknown { segments } => lifecycle_unknown(segments),
        Warning::CannotArchive { segments } => cannot_archive(segments),
        Warning::StaleMembersPossible { segments } => stale_members_possible(segments),
        Warning::UsersLost { segments, until } => users_lost(segments, *until),
        Warning::UploadsPending { segments } => uploads_pending(segments),
        Warning::Expires {
            segment,
            at,
            is_expired,
        } => expires(segment, *at, *is_expired),
        Warning::OverwritesManualChanges {
            segment,
            target,
            changes,
        } => overwrites_manual_changes(segment, target, changes),
        Warning::ArchiveUnmanaged { pattern, segments } => archive_unmanaged(pattern, segments),
        Warning::LikelyRename { segment, target } => likely_rename(segment, target),
        Warning::ReferencesUnknown { segments, unread } => references_unknown(segments, unread),
        Warning::UnreadableRows { rows } => unreadable_rows(rows),
        Warning::UnreadableSegments { segments } => unreadable_segments(segments),
        Warning::ImportedNotApplied { segments } => imported_not_applied(segments),
        Warning::StillReferenced {
            segment,
            target,
            referenced_by,
        } => still_referenced(segment, target, referenced_by),
    }
}

fn name_looks_alike(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let names = format!("the names of `{}` and {}", segment.name, describe_remote(holder));
    let finding = if segment.name.differs_by_case_only(&holder.name) {
        let message = format!("{names} differ only in case");
        FindingDocument::between("name_differs_in_case", message, segment, holder)
            .with_help("choose another name: the API does not document whether names are case-sensitive")
    } else {
        let difference = segment.name.difference_from(&holder.name);
        let message = format!("{names} look the same; they differ {difference}");
        FindingDocument::between("name_looks_alike", message, segment, holder).with_help(
            "choose another name: readers cannot tell the two apart, and a name can never be reused",
        )
    };
    match &holder.declared {
        Some(_) => finding,
        None => finding.with_help(format!(
            "if it is the same segment: set `name: {}`",
            yaml_scalar(holder.name.as_str())
        )),
    }
}

fn overwrites_manual_changes(
    segment: &DeclaredRef,
    target: &RemoteRef,
    changes: &[FieldChange],
) -> FindingDocument {
    let name = &segment.name;
    let exists = if target.name == *name {
        format!("`{name}` already exists (id {})", target.id)
    } else {
        format!("`{name}` already exists as `{}` (id {})", target.name, target.id)
    };
    let message = format!("{exists} and is not managed; apply will overwrite it");
    let mut finding = FindingDocument::new("overwrites_manual_changes", message)
        .with_segment(segment)
        .with_help(format!(
            "the state keeps the overwritten definition: after the apply, show it with `{}`",
            shell_commands::state_history(name.as_str())
        ))
        .with_help(format!(
            "to keep the existing definition: remove `{name}` from {}, and write a file for it with `{}`",
            location(segment),
            shell_commands::import(&target.name)
        ));
    finding.remote_ids.push(target.id.to_string());
    finding.changes = changes.iter().map(ChangeDocument::of).collect();
    finding
}

fn archived_but_listed(segments: &[SegmentRef]) -> FindingDocument {
    let (is, it) = (is(segments), it(segments));
    let they_were = match segments {
        [_] => "it was",
        _ => "they were",
    };
    let message = format!(
        "{} {is} archived in the state, but MoEngage lists {it}: either the list contains archived segments, or \
         {they_were} unarchived outside segctl",
        list_segments(segments)
    );
    finding("archived_but_listed", message, segments)
        .with_help(
            "if the list contains archived segments: set `api_behavior: {list_shows_archived: true}` in segctl.yaml; \
             segctl then does not detect what is archived outside segctl",
        )
        .with_help(format!("if {they_were} unarchived: the plan is correct"))
}

fn cannot_archive(segments: &[SegmentRef]) -> FindingDocument {
    let (is, it) = (is(segments), it(segments));
    let message = format!(
        "{} {is} not in the configuration and {} active: cohorts cannot be archived through the API",
        list_segments(segments),
        if segments.len() == 1 { "stays" } else { "stay" }
    );
    let commands: Vec<String> = segments
        .iter()
        .map(|remote| format!("`{}`", shell_commands::state_rm(&remote.name)))
        .collect();
    finding("cannot_archive", message, segments)
        .with_help(format!("archive {it} in the dashboard"))
        .with_help(format!("stop managing {it}: {}", commands.join(", ")))
}

fn stale_members_possible(segments: &[SegmentRef]) -> FindingDocument {
    let message = format!(
        "the members of {} are unknown: members that are not in the list stay",
        list_segments(segments)
    );
    finding("stale_members_possible", message, segments).with_help(
        "to remove stale members: add them to the list and apply, then remove them and apply again",
    )
}

fn users_lost(segments: &[SegmentRef], until: Timestamp) -> FindingDocument {
    let their = if segments.len() == 1 { "its" } else { "their" };
    let message = format!(
        "would archive {}; MoEngage deletes {their} users after {}",
        list_segments(segments),
        until.strftime("%F")
    );
    finding("users_lost", message, segments)
        .with_help("after that date, an unarchive uploads the whole list again, which must still exist")
}

fn uploads_pending(segments: &[SegmentRef]) -> FindingDocument {
    let message = format!(
        "MoEngage has not reported an upload result for {}; if MoEngage could not read a list, the users of its segment are unknown",
        list_segments(segments)
    );
    finding("uploads_pending", message, segments)
        .with_help("wait for the result: `segctl apply --wait`")
        .with_help("if no result ever arrives: check that `callbacks.url` reaches the callback receiver from the internet")
}

fn expires(segment: &SegmentRef, at: Timestamp, is_expired: bool) -> FindingDocument {
    let expires = if is_expired { "expired" } else { "expires" };
    let message = format!(
        "`{}` {expires} on {}: MoEngage then archives it and deletes its users",
        segment.name,
        at.strftime("%F")
    );
    finding("expires", message, std::slice::from_ref(segment)).with_help(
        "the API cannot change the date: declare a new segment with another name, and reference that one",
    )
}

fn lifecycle_unknown(segments: &[SegmentRef]) -> FindingDocument {
    let (is, them) = (is(segments), it(segments));
    let message = format!(
        "it is unknown whether {} {is} archived: an earlier run did not get the result of its request, and the segment list \
         does not show it",
        list_segments(segments)
    );
    finding("lifecycle_unknown", message, segments).with_help(format!(
        "nothing to do: the plan sets {them} as declared; the request has no effect if that is already the case"
    ))
}

fn archive_unmanaged(pattern: &str, segments: &[SegmentRef]) -> FindingDocument {
    let it = it(segments);
    let (matches, is) = match segments {
        [_] => ("it matches", "is"),
        _ => ("they match", "are"),
    };
    let message = format!(
        "would archive {}, which segctl did not create: {matches} `{pattern}` in `manages` and {is} not in the configuration",
        list_segments(segments)
    );
    finding("archive_unmanaged", message, segments)
        .with_help(match segments {
            [remote] => format!(
                "keep it: write a file for it with `{}`",
                shell_commands::import(&remote.name)
            ),
            _ => "keep them: write a file for each with `segctl import NAME`".to_owned(),
        })
        .with_help(format!(
            "leave {it} unmanaged: remove or narrow `{pattern}` in `manages` in segctl.yaml"
        ))
        .with_help(format!(
            "archive {it}: the plan is correct; the state keeps the definition"
        ))
}

fn likely_rename(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "would create `{}` and archive {}, which is no longer in the configuration",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::between("likely_rename", message, segment, target)
        .with_help(format!(
            "if it is the same segment: add `previous_names: [{}]` at {}; it is updated and keeps its id",
            yaml_scalar(target.name.as_str()),
            location(segment)
        ))
        .with_help("if they are two segments: the plan is correct")
}

fn imported_not_applied(segments: &[SegmentRef]) -> FindingDocument {
    let (is, it) = (is(segments), it(segments));
    let (was, its_file) = match segments {
        [_] => ("was", "its file"),
        _ => ("were", "their files"),
    };
    let message = format!(
        "{} {was} imported but never applied, and {is} not in the configuration any more: segctl does not manage {it} and \
         leaves {it} unchanged",
        list_segments(segments)
    );
    let import = match segments {
        [remote] => shell_commands::import(&remote.name),
        _ => "segctl import NAME".to_owned(),
    };
    finding("imported_not_applied", message, segments)
        .with_help(format!(
            "to archive {it}: restore {its_file}, or run `{import}`; run `segctl apply`; then remove {its_file} and apply again"
        ))
        .with_help(format!("to leave {it} unmanaged: the plan is correct"))
}

fn still_referenced(
    segment: &SegmentName,
    target: &RemoteRef,
    referenced_by: &[SegmentRef],
) -> FindingDocument {
    let names: Vec<_> = referenced_by.iter().map(name_and_id).collect();
    let segments = match referenced_by {
        [_] => "an unmanaged segment references".to_owned(),
        _ => format!("{} unmanaged segments reference", referenced_by.len()),
    };
    let message = format!(
        "would archive {}, but {segments} it: {}",
        describe_remote(target),
        names.join(", ")
    );
    let mut finding = FindingDocument::new("still_referenced", message).with_help(
        "check the referencing segments in the dashboard first: the API does not document the effect on them",
    );
    finding.segments.push(segment.to_string());
    finding.remote_ids.push(target.id.to_string());
    let ids = referenced_by.iter().map(|remote| remote.id.to_string());
    finding.remote_ids.extend(ids);
    finding
}

fn references_unknown(segments: &[SegmentRef], unread: &[SegmentId]) -> FindingDocument {
    let were = if unread.len() == 1 { "was" } else { "were" };
    let message = format!(
        "would archive {}; {} {were} never read and may refer to {}",
        list_segments(segments),
        count_noun(unread.len(), "remote segment"),
        it(segments)
    );
    let mut finding = finding("references_unknown", message, segments)
        .with_help("to read them first: `--refresh full`, which may wait for the rate limit of gets");
    finding.remote_ids.extend(unread.iter().map(ToString::to_string));
    finding
}

fn finding(code: &str, message: String, segments: &[SegmentRef]) -> FindingDocument {
    let mut finding = FindingDocument::new(code, message);
    finding.segments = segments.iter().map(|remote| remote.name.to_string()).collect();
    finding.remote_ids = segments.iter().map(|remote| remote.id.to_string()).collect();
    finding
}

fn list_segments(segments: &[SegmentRef]) -> String {
    join_limited(segments.iter().map(name_and_id))
}

fn name_and_id(remote: &SegmentRef) -> String {
    format!("`{}` (id {})", remote.name, remote.id)
}

fn it(segments: &[SegmentRef]) -> &'static str {
    if segments.len() == 1 { "it" } else { "them" }
}

fn is(segments: &[SegmentRef]) -> &'static str {
    if segments.len() == 1 { "is" } else { "are" }
}
