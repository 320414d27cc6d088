//! Guard violations: the count, the limit, and the flag that overrides it.

use super::super::origin::OriginDocument;
use super::FindingDocument;
use crate::model::SegmentKind;
use crate::plan::estimate::MaxDurationExceeded;
use crate::plan::step::{DeclaredRef, GuardViolation};
use crate::render::phrases::with_thousands_separators;

pub(in super::super) fn guard_violation(violation: &GuardViolation) -> FindingDocument {
    match violation {
        GuardViolation::Archives {
            count,
            total,
            max_percent,
        } => too_many("archive", *count, *total, *max_percent),
        GuardViolation::Updates {
            count,
            total,
            max_percent,
        } => too_many("update", *count, *total, *max_percent),
        GuardViolation::Protected { segment, id, origin } => {
            let message = format!("would archive `{segment}` (id {id}), which is protected");
            let mut finding = FindingDocument::new("protected", message);
            finding.segments.push(segment.to_string());
            finding.origins.extend(origin.as_ref().map(OriginDocument::of));
            finding.with_help(match origin {
                Some(_) => "to archive it: remove `protect: true` first",
                None => {
                    "restore its file; to archive it: set `protect: false` there and apply, then remove the file"
                }
            })
        }
        GuardViolation::EmptyConfiguration { managed } => {
            let segments = if *managed == 1 { "segment" } else { "segments" };
            let message = format!(
                "the configuration declares no segments for this workspace; would archive {managed} managed {segments}"
            );
            FindingDocument::new("empty_configuration", message)
                .with_help("check that `segments` in segctl.yaml is correct")
                .with_help("to archive all managed segments: `--allow-empty`")
        }
        GuardViolation::MissingSegments {
            missing,
            total,
            max_percent,
        } => missing_segments(*missing, *total, *max_percent),
        GuardViolation::MemberRemovals {
            segment,
            kind,
            removed,
            total,
            max_percent,
        } => member_removals((segment, *kind), (*removed, *total), *max_percent),
    }
}

fn too_many(action: &str, count: usize, total: usize, max_percent: u32) -> FindingDocument {
    let percent = (count * 100).div_ceil(total.max(1));
    let message = format!(
        "would {action} {count} of {total} managed segments ({percent}%); the limit is {max_percent}%"
    );
    FindingDocument::new(&format!("guard_{action}"), message)
        .with_help(format!(
            "review the list; to proceed: `--max-{action}s {percent}%`"
        ))
        .with_help(format!(
            "to change the limit: `guards: {{{action}: …%}}` in segctl.yaml"
        ))
}

fn member_removals(
    (segment, kind): (&DeclaredRef, SegmentKind),
    (removed, total): (u64, u64),
    max_percent: u32,
) -> FindingDocument {
    let noun = match kind {
        SegmentKind::File => "users",
        SegmentKind::Cohort | SegmentKind::Filter => "members",
    };
    let percent = removed.saturating_mul(100).div_ceil(total.max(1));
    let (count, of) = (
        with_thousands_separators(removed),
        with_thousands_separators(total),
    );
    let message = format!(
        "would remove {count} of {of} {noun} of `{}` ({percent}%); the limit is {max_percent}%",
        segment.name
    );
    let mut finding = FindingDocument::new("guard_members", message);
    finding.segments.push(segment.name.to_string());
    finding.origins.push(OriginDocument::of(&segment.origin));
    finding
        .with_help("check that its member list is complete: MoEngage cannot return removed members")
        .with_help(format!("to proceed: `--max-member-removals {percent}%`"))
        .with_help("to change the limit: `guards: {members: …%}` in segctl.yaml")
}

fn missing_segments(missing: usize, total: usize, max_percent: Option<u32>) -> FindingDocument {
    let message = match max_percent {
        Some(percent) => format!(
            "MoEngage does not list {missing} of {total} segments that are active in the state; the limit is {percent}%"
        ),
        None => format!(
            "MoEngage lists no active segments; the state and the configuration have {missing} active segments"
        ),
    };
    let finding = FindingDocument::new("missing_segments", message)
        .with_help("check that this is the right workspace and that its dashboard shows the segments")
        .with_help("if they were archived: `--allow-missing-segments`");
    match max_percent {
        Some(_) => finding.with_help("to change the limit: `guards: {archive: …%}` in segctl.yaml"),
        None => finding,
    }
}

pub(in super::super) fn max_duration_exceeded(exceeded: &MaxDurationExceeded) -> FindingDocument {
    FindingDocument {
        help: exceeded.help(),
        ..FindingDocument::new("max_duration", exceeded.to_string())
    }
}
