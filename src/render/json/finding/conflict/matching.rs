//! Conflicts over which remote segment a declared one matches, and which segments are managed.

use super::{FindingDocument, describe_remote, location, names, yaml_scalar};
use crate::model::{CohortKey, SegmentId, SegmentKind};
use crate::plan::step::{DeclaredRef, MatchReason, RemoteRef};
use crate::render::phrases::join_with_and;
use crate::render::shell_commands;

pub(super) fn orphan_referenced(
    segment: &DeclaredRef,
    target: &RemoteRef,
    managed_by: &[MatchReason],
) -> FindingDocument {
    let message = format!(
        "cannot archive {}, which is not in the configuration: still referenced by `{}`",
        describe_remote(target),
        segment.name
    );
    FindingDocument::between("orphan_referenced", message, segment, target)
        .with_help(import_help(target))
        .with_help(format!(
            "remove the reference: in `{}` at {}",
            segment.name,
            location(segment)
        ))
        .with_help(stop_managing_help(managed_by))
}

pub(super) fn cohort_key_changed(
    segment: &DeclaredRef,
    target: &RemoteRef,
    (created_with, declared): (&CohortKey, &CohortKey),
) -> FindingDocument {
    let describe = |key: &CohortKey| format!("`{}` of `{}`", key.cohort_id, key.partner);
    let message = format!(
        "`{}` was created as cohort {} and is declared as {}, which is another segment",
        segment.name,
        describe(created_with),
        describe(declared)
    );
    FindingDocument::between("cohort_key_changed", message, segment, target)
        .with_help(format!(
            "if it is the same segment: set `partner: {}` and `cohort_id: {}` at {}",
            yaml_scalar(&created_with.partner),
            yaml_scalar(&created_with.cohort_id),
            location(segment)
        ))
        .with_help(format!(
            "if another segment is meant: declare it under another name; to remove `{}`, archive it in the dashboard",
            segment.name
        ))
}

pub(super) fn members_unknown(
    (segment, kind): (&DeclaredRef, SegmentKind),
    target: &RemoteRef,
) -> FindingDocument {
    let message = format!(
        "the members of `{}` are unknown: {} exists, but the state has no member list and the API does not return one",
        segment.name,
        describe_remote(target)
    );
    FindingDocument::between("members_unknown", message, segment, target)
        .with_help(match kind {
            SegmentKind::File => "to replace its users with the list: plan with `--force-upload`",
            SegmentKind::Cohort | SegmentKind::Filter => {
                "to send all members of the list: plan with `--force-upload`; other members stay in the cohort"
            }
        })
        .with_help("if its members already match the list: plan with `--assume-members-in-sync`")
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
    let (both, others) = match segments {
        [_, _] => ("both", "one of them"),
        _ => ("all", "all but one of them"),
    };
    let message = format!("{} {both} match the segment with id {target}", names(segments));
    FindingDocument::new("shared_target", message)
        .with_segments(segments)
        .with_help(match matched_by {
            MatchReason::Id => format!("remove `id` from {others}"),
            _ => format!("remove its name from `previous_names` of {others}"),
        })
        .with_help(format!(
            "if another existing segment is meant: set its `id` in {others}"
        ))
        .with_help(format!(
            "if they are not needed: remove {others} from the configuration"
        ))
}

pub(super) fn ambiguous_target(segment: &DeclaredRef, targets: &[RemoteRef]) -> FindingDocument {
    let message = format!(
        "`{}` matches more than one segment: {}",
        segment.name,
        join_with_and(&targets.iter().map(describe_remote).collect::<Vec<_>>())
    );
    let finding = FindingDocument::new("ambiguous_target", message).with_segment(segment);
    let finding = targets.iter().fold(finding, FindingDocument::with_remote);
    let (name, at) = (&segment.name, location(segment));
    let (named, others): (Vec<_>, Vec<_>) = targets.iter().partition(|remote| remote.name == *name);
    let previous = others
        .iter()
        .map(|remote| format!("`{}`", yaml_scalar(remote.name.as_str())));
    let previous = join_with_and(&previous.collect::<Vec<_>>());
    let [own] = named.as_slice() else {
        let add_id = targets
            .iter()
            .map(|remote| format!("if `{}` is meant: add `id: {}` at {at}", remote.name, remote.id));
        return finding.with_helps(add_id).with_help(format!(
            "if none is meant: remove {previous} from `previous_names` at {at}; `{name}` is then created"
        ));
    };
    // `own` keeps its name, so the declared segment needs a third one to match any of the others.
    let rename = others.into_iter().map(|other| {
        format!(
            "if `{}` is meant: set another `name` at {at}, since the existing segment `{name}` keeps its name, and add `id: {}`",
            other.name, other.id
        )
    });
    finding
        .with_help(format!(
            "if `{name}` is meant: add `id: {}` at {at}, and remove {previous} from `previous_names`",
            own.id
        ))
        .with_helps(rename)
        .with_help(format!(
            "if none is meant: set another `name` at {at}, and remove {previous} from `previous_names`"
        ))
}

pub(super) fn previous_name_in_use(
    segment: &DeclaredRef,
    (target, other): (&RemoteRef, &RemoteRef),
    managed_by: &[MatchReason],
) -> FindingDocument {
    let message = format!(
        "`{}` matches the segment with id {}, but {}, which is managed and not in the configuration, has one of its \
         previous names",
        segment.name,
        target.id,
        describe_remote(other)
    );
    FindingDocument::between("previous_name_in_use", message, segment, target)
        .with_remote(other)
        .with_help(import_help(other))
        .with_help(format!(
            "archive it: remove `{}` from `previous_names` of `{}` at {}",
            other.name,
            segment.name,
            location(segment)
        ))
        .with_help(stop_managing_help(managed_by))
}

pub(super) fn undecided_rename(
    segment: &DeclaredRef,
    target: &RemoteRef,
    others: &[RemoteRef],
) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    let described: Vec<_> = others.iter().map(describe_remote).collect();
    let previous: Vec<_> = others
        .iter()
        .map(|other| format!("`{}`", yaml_scalar(other.name.as_str())))
        .collect();
    let message = format!(
        "`{name}` matches {}, and by `previous_names` {}; the state does not show whether the rename was applied",
        describe_remote(target),
        join_with_and(&described)
    );
    let finding = FindingDocument::between("undecided_rename", message, segment, target);
    let finding = others.iter().fold(finding, FindingDocument::with_remote);
    let ids = others.iter().map(|other| {
        format!(
            "if `{}` (id {}) is to become `{name}`: add `id: {}` at {at}",
            other.name, other.id, other.id
        )
    });
    finding
        .with_help(format!(
            "if the rename was applied already: remove {} from `previous_names` at {at}",
            join_with_and(&previous)
        ))
        .with_helps(ids)
}

pub(super) fn unknown_id(segment: &DeclaredRef, id: &SegmentId) -> FindingDocument {
    let (name, at) = (&segment.name, location(segment));
    FindingDocument::new("unknown_id", format!("`{name}`: no segment with id {id}"))
        .with_segment(segment)
        .with_help(format!(
            "correct `id` at {at}: `segctl state list` shows the ids of managed segments, `segctl import` those of \
             unmanaged ones"
        ))
        .with_help("remove `id`: the segment is then matched by state or by name, or created")
        .with_help("if the id belongs to another workspace: limit the segment to it with `workspaces: […]`")
}

pub(super) fn adoption_refused(segment: &DeclaredRef, target: &RemoteRef) -> FindingDocument {
    let message = format!(
        "`{}` already exists (id {}) and is not managed; this workspace refuses adoption",
        segment.name, target.id
    );
    FindingDocument::between("adoption_refused", message, segment, target)
        .with_help(format!(
            "to adopt this segment: add `id: {}` at {}",
            target.id,
            location(segment)
        ))
        .with_help("to adopt all existing segments: set `adoption: allow` in segctl.yaml")
        .with_help(STATE_LOST_HELP)
}

pub(super) fn archive_refused(target: &RemoteRef, pattern: &str) -> FindingDocument {
    let message = format!(
        "would archive {}, which segctl did not create: it matches `{pattern}` in `manages` and is not in the configuration; \
         this workspace refuses adoption",
        describe_remote(target)
    );
    let mut finding = FindingDocument::new("archive_refused", message)
        .with_remote(target)
        .with_help(format!(
            "{}, then add `id: {}` to the file",
            import_help(target),
            target.id
        ))
        .with_help(stop_managing_help(&[MatchReason::Pattern(pattern.to_owned())]))
        .with_help("archive it: set `adoption: allow` in segctl.yaml, or archive it in the dashboard")
        .with_help(STATE_LOST_HELP);
    finding.segments.push(target.name.to_string());
    finding
}

const STATE_LOST_HELP: &str = "if the state was lost: `segctl state rebuild`";

fn import_help(remote: &RemoteRef) -> String {
    format!(
        "keep managing it: write a file for it with `{}`",
        shell_commands::import(&remote.name)
    )
}

fn stop_managing_help(managed_by: &[MatchReason]) -> String {
    let changes = managed_by.iter().filter_map(|reason| match reason {
        MatchReason::RemovedFromConfiguration(name) => Some(format!("`{}`", shell_commands::state_rm(name))),
        MatchReason::Pattern(pattern) => Some(format!(
            "remove or narrow `{pattern}` in `manages` in segctl.yaml"
        )),
        _ => None,
    });
    format!(
        "stop managing it: {}; segctl then ignores it",
        join_with_and(&changes.collect::<Vec<_>>())
    )
}
