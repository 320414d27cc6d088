//! Conflicts over who is who, and whose, in words.

use super::{FindingDocument, describe_remote, join_with_and, location, names, yaml_scalar};
use crate::model::{CohortKey, SegmentId, SegmentKind};
use crate::plan::step::{DeclaredRef, MatchReason, RemoteRef};
use crate::render::shell_commands;

pub(super) fn orphan_referenced(
    segment: &DeclaredRef,
    target: &RemoteRef,
    owned_by: &[MatchReason],
) -> FindingDocument {
    let message = format!(
        "`{}` refers to {}, which is owned, which no file declares, and which would be archived",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::new("orphan_referenced", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(import_help(target))
        .with_help(format!(
            "let it go: take the reference out of `{}` at {}",
            segment.name,
            location(segment)
        ))
        .with_help(stop_managing_help(owned_by))
}

pub(super) fn cohort_key_changed(
    segment: &DeclaredRef,
    target: &RemoteRef,
    (before, now): (&CohortKey, &CohortKey),
) -> FindingDocument {
    let words = |key: &CohortKey| format!("`{}` of `{}`", key.cohort_id, key.partner);
    let message = format!(
        "`{}` was made as the cohort {} and is declared as {}, which would be another segment",
        segment.name,
        words(before),
        words(now)
    );
    FindingDocument::new("cohort_key_changed", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(format!(
            "if it is the same segment: say `partner: {}` and `cohort_id: {}` at {}",
            yaml_scalar(&before.partner),
            yaml_scalar(&before.cohort_id),
            location(segment)
        ))
        .with_help(format!(
            "if another one is meant: declare it under another name; `{}` stays until somebody archives it in the dashboard",
            segment.name
        ))
}

pub(super) fn members_unknown(
    (segment, kind): (&DeclaredRef, SegmentKind),
    target: &RemoteRef,
) -> FindingDocument {
    let message = format!(
        "nobody knows who is in `{}`: {} is there, the ledger knows nothing of its members, and the API shows none",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::new("members_unknown", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(match kind {
            SegmentKind::File => "to have those of its list in it and nobody else: plan with --resend",
            SegmentKind::Cohort | SegmentKind::Filter => {
                "to send all members of its list: plan with --resend; whoever else is in it stays in it"
            }
        })
        .with_help("if those of its list are in it and nobody else: plan with --assume-in-sync")
        .with_help(format!(
            "if it is not the same segment: choose another name for `{}` at {}",
            segment.name,
            location(segment)
        ))
}

pub(super) fn shared_target(
    segments: &[DeclaredRef],
    target: &SegmentId,
    matched_by: &MatchReason,
) -> FindingDocument {
    let (mean, but) = match segments {
        [_, _] => ("both mean", "one of them"),
        _ => ("all mean", "all of them but one"),
    };
    let message = format!("{} {mean} the live segment with the id {target}", names(segments));
    FindingDocument::new("shared_target", message)
        .with_segments(segments)
        .with_help(match matched_by {
            MatchReason::Id => format!("take `id` out of {but}"),
            _ => format!("take its name out of `previous_names` of {but}"),
        })
        .with_help(format!(
            "if {but} means another live segment: `id: …` of that one"
        ))
        .with_help(format!("if {but} is not needed: take it out of its file"))
}

pub(super) fn ambiguous_target(segment: &DeclaredRef, targets: &[RemoteRef]) -> FindingDocument {
    let message = format!(
        "`{}` means more than one live segment: {}",
        segment.name,
        join_with_and(&targets.iter().map(describe_remote).collect::<Vec<_>>())
    );
    let finding = FindingDocument::new("ambiguous_target", message).with_segment(segment);
    let finding = targets.iter().fold(finding, FindingDocument::with_remote);
    let (name, at) = (&segment.name, location(segment));
    let (named, others): (Vec<_>, Vec<_>) = targets.iter().partition(|live| live.name == *name);
    let previous = others
        .iter()
        .map(|live| format!("`{}`", yaml_scalar(live.name.as_str())));
    let previous = join_with_and(&previous.collect::<Vec<_>>());
    let [own] = named.as_slice() else {
        let finding = targets.iter().fold(finding, |finding, live| {
            finding.with_help(format!(
                "if `{}` is meant: add `id: {}` at {at}",
                live.name, live.id
            ))
        });
        return finding.with_help(format!(
            "if none is meant: take {previous} out of `previous_names` at {at}, and `{name}` is made anew"
        ));
    };
    // Its name stays its own, so the other one can only have a third.
    let finding = finding.with_help(format!(
        "if `{name}` is meant: add `id: {}` at {at}, and take {previous} out of `previous_names`",
        own.id
    ));
    let finding = others.into_iter().fold(finding, |finding, other| {
        finding.with_help(format!(
            "if `{}` is meant: write another `name` at {at}, since the live segment `{name}` keeps its own, and add `id: {}`",
            other.name, other.id
        ))
    });
    finding.with_help(format!(
        "if none is meant: write another `name` at {at}, and take {previous} out of `previous_names`"
    ))
}

pub(super) fn previous_name_live(
    segment: &DeclaredRef,
    (target, other): (&RemoteRef, &RemoteRef),
    owned_by: &[MatchReason],
) -> FindingDocument {
    let message = format!(
        "`{}` is the live segment with the id {}, and {}, which is owned and which no file declares, has one of its \
         previous names",
        segment.name,
        target.id,
        describe_remote(other)
    );
    FindingDocument::new("previous_name_live", message)
        .with_segment(segment)
        .with_remote(target)
        .with_remote(other)
        .with_help(import_help(other))
        .with_help(format!(
            "let it go: take `{}` out of `previous_names` of `{}` at {}, and it is archived",
            other.name,
            segment.name,
            location(segment)
        ))
        .with_help(stop_managing_help(owned_by))
}

pub(super) fn unknown_id(segment: &DeclaredRef, id: &SegmentId) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let message = format!("`{name}` says that it is the segment with the id {id}, and there is none");
    FindingDocument::new("unknown_id", message)
        .with_segment(segment)
        .with_help(format!(
            "correct `id` at {at}: `segctl ledger show` and `segctl pull` list the ids of those that are ours and of all others"
        ))
        .with_help("or take `id` out: without it, the segment is found by the ledger and by name, or made anew")
        .with_help("if it is a segment of another workspace: `workspaces: […]` in the file says of which")
}

pub(super) fn adoption_refused(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "`{}` is live (id {}) and was not made by segctl, and this workspace refuses adoption",
        segment.name, target.id
    );
    FindingDocument::new("adoption_refused", message)
        .with_segment(segment)
        .with_remote(target)
        .with_help(format!(
            "adopt this one: add `id: {}` at {}",
            target.id,
            location(segment)
        ))
        .with_help("adopt all of them: `adoption: allow` in segctl.yaml")
        .with_help("if the ledger was lost: `segctl ledger rebuild`")
}

pub(super) fn archive_refused(target: &RemoteRef, pattern: &str) -> FindingDocument {
    let message = format!(
        "{} was not made by segctl and would be archived, since `{pattern}` in `owns` names it and no file declares it, and \
         this workspace refuses adoption",
        describe_remote(target)
    );
    let mut finding = FindingDocument::new("archive_refused", message)
        .with_remote(target)
        .with_help(format!(
            "{}; add `id: {}` to that file",
            import_help(target),
            target.id
        ))
        .with_help(stop_managing_help(&[MatchReason::Pattern(pattern.to_owned())]))
        .with_help("let it go: `adoption: allow` in segctl.yaml, or archive it in the dashboard")
        .with_help("if the ledger was lost: `segctl ledger rebuild`");
    finding.segments.push(target.name.to_string());
    finding
}

fn import_help(live: &RemoteRef) -> String {
    format!(
        "keep it: `{}` writes a file for it",
        shell_commands::import(&live.name)
    )
}

/// How a segment becomes nobody's.
fn stop_managing_help(owned_by: &[MatchReason]) -> String {
    let ways = owned_by.iter().filter_map(|reason| match reason {
        MatchReason::RemovedFromConfiguration(name) => Some(format!("`{}`", shell_commands::state_rm(name))),
        MatchReason::Pattern(pattern) => Some(format!("take or narrow `{pattern}` in `owns` in segctl.yaml")),
        _ => None,
    });
    format!(
        "leave it to others: {}; segctl does not touch it any more",
        join_with_and(&ways.collect::<Vec<_>>())
    )
}
