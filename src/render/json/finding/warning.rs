//! Warnings in words.

use super::super::plan::ChangeDocument;
use super::super::yaml_scalar::yaml_scalar;
use super::{FindingDocument, describe_remote, join_with_and, location};
use crate::model::SegmentName;
use crate::plan::step::{DeclaredRef, RemoteRef, SegmentRef, Warning};
use crate::render::shell_commands;
use jiff::Timestamp;

/// Segments that one message names at most.
const MAX_NAMES: usize = 5;

/// A warning in words.
pub(in super::super) fn warning(warning: &Warning) -> FindingDocument {
    match warning {
        Warning::LikelyDuplicate { segment, holder } => {
            let message = format!(
                "`{}` has the filters of {} in another form",
                segment.name,
                describe_remote(holder)
            );
            FindingDocument::new("likely_duplicate", message)
                .with_segment(segment)
                .with_remote(holder)
                .with_help("the service may refuse it as a duplicate: refer to the other one, or change one of the two")
        }
        Warning::NameDiffersInCase { segment, holder } => name_differs_in_case(segment, holder),
        Warning::ArchivedButListed { segments } => archived_but_listed(segments),
        Warning::LifecycleUnknown { segments } => lifecycle_unknown(segments),
        Warning::CannotArchive { segments } => cannot_archive(segments),
        Warning::StaleMembersPossible { segments } => stale_members_possible(segments),
        Warning::UsersLost { segments, until } => users_lost(segments, *until),
        Warning::UploadsPending { segments } => uploads_pending(segments),
        Warning::Expires {
            segment,
            at,
            is_expired: is_over,
        } => expires(segment, *at, *is_over),
        Warning::OverwritesManualChanges {
            segment,
            target,
            changes,
        } => {
            let name = &segment.name;
            let was = if target.name == *name {
                format!("`{name}` is live already (id {})", target.id)
            } else {
                format!(
                    "`{name}` is live already under the name `{}` (id {})",
                    target.name, target.id
                )
            };
            let message = format!("{was}, segctl did not make it, and applying overwrites it");
            let mut finding = FindingDocument::new("overwrites_by_hand", message)
                .with_segment(segment)
                .with_help(format!(
                    "what it was is kept in the ledger: `{}` shows it after the apply",
                    shell_commands::state_history(name.as_str())
                ))
                .with_help(format!(
                    "to keep it: take `{name}` out of {}, and `{}` writes a file that says what it is now",
                    location(segment),
                    shell_commands::import(&target.name)
                ));
            finding.remote_ids.push(target.id.to_string());
            finding.changes = changes.iter().map(ChangeDocument::of).collect();
            finding
        }
        Warning::ArchiveUnmanaged { pattern, segments } => archive_unmanaged(pattern, segments),
        Warning::LikelyRename { segment, target } => likely_rename(segment, target),
        Warning::StillReferenced {
            segment,
            target,
            referenced_by: by,
        } => still_referenced(segment, target, by),
    }
}

fn name_differs_in_case(segment: &DeclaredRef, holder: &RemoteRef) -> FindingDocument {
    let message = format!(
        "the name `{}` differs by case only from that of {}",
        segment.name,
        describe_remote(holder)
    );
    let finding = FindingDocument::new("name_in_other_case", message)
        .with_segment(segment)
        .with_remote(holder)
        .with_help("whether the service tells them apart is not documented: choose another name");
    match &holder.declared {
        Some(_) => finding,
        None => finding.with_help(format!(
            "if it is the same segment: `name: {}`",
            yaml_scalar(holder.name.as_str())
        )),
    }
}

fn archived_but_listed(segments: &[SegmentRef]) -> FindingDocument {
    let (it, lists) = match segments {
        [_] => ("it", "it"),
        _ => ("them", "them all"),
    };
    let message = format!(
        "the ledger knows {} as archived, and the service lists {lists}: its list shows archived segments, or somebody took {it} out \
         again",
        list_segments(segments)
    );
    let mut finding = FindingDocument::new("archived_and_listed", message)
        .with_help(
            "if its list shows archived segments: `service: {list_shows_archived: true}` in segctl.yaml; what the service \
             or a person archives is not seen then",
        )
        .with_help(format!("if somebody took {it} out: the plan is right as it is"));
    add_segments(&mut finding, segments);
    finding
}

fn cannot_archive(segments: &[SegmentRef]) -> FindingDocument {
    let (stays, it) = match segments {
        [_] => ("stays", "it"),
        _ => ("stay", "them"),
    };
    let message = format!(
        "no file declares {} any more, and {it} {stays} in use: the API archives no cohorts",
        list_segments(segments)
    );
    let names: Vec<String> = segments
        .iter()
        .map(|live| shell_commands::state_rm(&live.name))
        .collect();
    let mut finding = FindingDocument::new("cannot_archive", message)
        .with_help(format!("archive {it} in the dashboard"))
        .with_help(format!(
            "to have nothing to do with {it} from now on: {}",
            names.join(", ")
        ));
    add_segments(&mut finding, segments);
    finding
}

fn stale_members_possible(segments: &[SegmentRef]) -> FindingDocument {
    let it = match segments {
        [_] => "it",
        _ => "them",
    };
    let message = format!(
        "nobody knows who is in {}: who is not listed and in {it} stays in {it}",
        list_segments(segments)
    );
    let mut finding = FindingDocument::new("members_may_stay", message)
        .with_help("list whoever may be in it and should not be, apply, and take them out of the list again");
    add_segments(&mut finding, segments);
    finding
}

fn users_lost(segments: &[SegmentRef], until: Timestamp) -> FindingDocument {
    let their = match segments {
        [_] => "its",
        _ => "their",
    };
    let message = format!(
        "{} would be archived, and {their} users are gone for good after {}",
        list_segments(segments),
        until.strftime("%F")
    );
    let mut finding = FindingDocument::new("users_lost", message).with_help(
        "what is taken out later than that is uploaded anew from its list, as long as there is one",
    );
    add_segments(&mut finding, segments);
    finding
}

fn uploads_pending(segments: &[SegmentRef]) -> FindingDocument {
    let it = match segments {
        [_] => "it",
        _ => "them",
    };
    let message = format!(
        "the service has not said yet what became of the lists of {}; where it could not read one, nobody is in {it}",
        list_segments(segments)
    );
    let mut finding = FindingDocument::new("lists_unheard", message)
        .with_help("`segctl apply --wait` waits for what the service says")
        .with_help("where a receiver listens and nothing ever comes, its address does not lead there from outside: `callbacks.url`");
    add_segments(&mut finding, segments);
    finding
}

fn expires(segment: &SegmentRef, at: Timestamp, is_over: bool) -> FindingDocument {
    let day = at.strftime("%F");
    let message = if is_over {
        format!(
            "`{}` expired on {day}: the service archives it and drops its users",
            segment.name
        )
    } else {
        format!(
            "`{}` expires on {day}: the service archives it then and drops its users",
            segment.name
        )
    };
    let mut finding = FindingDocument::new("expires", message)
        .with_help("the API never changes that: declare another one under a new name, and refer to it");
    add_segments(&mut finding, std::slice::from_ref(segment));
    finding
}

fn lifecycle_unknown(segments: &[SegmentRef]) -> FindingDocument {
    let (is, them) = match segments {
        [_] => ("is", "it"),
        _ => ("are", "them"),
    };
    let message = format!(
        "whether {} {is} archived is not known: an earlier run did not learn what became of its call, and the service's list \
         does not tell",
        list_segments(segments)
    );
    let mut finding = FindingDocument::new("lifecycle_unknown", message).with_help(format!(
        "the plan makes {them} what the files say; where that is so already, the call changes nothing"
    ));
    add_segments(&mut finding, segments);
    finding
}

/// The first of them by name and id, and how many more there are.
fn list_segments(segments: &[SegmentRef]) -> String {
    let shown = segments.iter().take(MAX_NAMES);
    let mut names: Vec<_> = shown
        .map(|live| format!("`{}` (id {})", live.name, live.id))
        .collect();
    if let Some(more) = segments.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    join_with_and(&names)
}

fn add_segments(finding: &mut FindingDocument, segments: &[SegmentRef]) {
    let names = segments.iter().map(|live| live.name.to_string());
    finding.segments.extend(names);
    let ids = segments.iter().map(|live| live.id.to_string());
    finding.remote_ids.extend(ids);
}

fn archive_unmanaged(pattern: &str, segments: &[SegmentRef]) -> FindingDocument {
    let (was, it) = match segments {
        [_] => ("was", "it"),
        _ => ("were", "them"),
    };
    let message = format!(
        "{} {was} made by hand, and would be archived, since `{pattern}` in `owns` names {it} and no file declares {it}",
        list_segments(segments)
    );
    let mut finding = FindingDocument::new("archives_by_hand", message)
        .with_help(match segments {
            [live] => format!(
                "to keep it: `{}` writes a file for it",
                shell_commands::import(&live.name)
            ),
            _ => "to keep them: `segctl pull NAME` writes a file for each".to_owned(),
        })
        .with_help(format!(
            "to leave {it} to others: take or narrow `{pattern}` in `owns` in segctl.yaml"
        ))
        .with_help(format!(
            "if {it} should go: the plan is right as it is, and the ledger keeps what {it} {was}",
            it = match segments {
                [_] => "it",
                _ => "they",
            }
        ));
    add_segments(&mut finding, segments);
    finding
}

fn likely_rename(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "`{}` would be made, and {}, which no file declares any more, would be archived",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::new("likely_rename", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(format!(
            "if it is the same segment: add `previous_names: [{}]` at {}, and it is changed with its id kept",
            yaml_scalar(target.name.as_str()),
            location(segment)
        ))
        .with_help("if they are two: the plan is right as it is")
}

fn still_referenced(segment: &SegmentName, target: &RemoteRef, by: &[SegmentRef]) -> FindingDocument {
    let names: Vec<_> = by
        .iter()
        .map(|live| format!("`{}` (id {})", live.name, live.id))
        .collect();
    let (count, verb) = match by {
        [_] => ("a segment that segctl does not manage".to_owned(), "refers"),
        _ => (
            format!("{} segments that segctl does not manage", by.len()),
            "refer",
        ),
    };
    let message = format!(
        "{} would be archived, and {count} {verb} to it: {}",
        describe_remote(target),
        names.join(", ")
    );
    let mut finding = FindingDocument::new("still_referenced", message)
        .with_help("what becomes of their members is not documented: look at them in the dashboard first");
    finding.segments.push(segment.to_string());
    finding.remote_ids.push(target.id.to_string());
    finding
        .remote_ids
        .extend(by.iter().map(|live| live.id.to_string()));
    finding
}
