//! What guards refuse, in words.

use super::super::plan::OriginDocument;
use super::FindingDocument;
use crate::plan::estimate::MaxDurationExceeded;
use crate::plan::step::GuardViolation;

/// A refusal in words: the number, the limit, the flag and the key.
pub(in super::super) fn guard_violation(refusal: &GuardViolation) -> FindingDocument {
    let new = FindingDocument::new;
    let shares = |kind: &str, what: &str, (count, of, percent): (usize, usize, u32)| {
        let message =
            format!("{count} of {of} managed segments would be {what}, and the guard is at {percent}%");
        new(&format!("guard_{kind}"), message)
            .with_help(format!(
                "look at each of them; if they are meant: `--max-{kind}s {}%`",
                (count * 100).div_ceil(of.max(1))
            ))
            .with_help(format!("for good: `guards: {{{kind}: …%}}` in segctl.yaml"))
    };
    match refusal {
        GuardViolation::Archives {
            count,
            total: of,
            max_percent: percent,
        } => shares("archive", "archived", (*count, *of, *percent)),
        GuardViolation::Updates {
            count,
            total: of,
            max_percent: percent,
        } => shares("update", "updated", (*count, *of, *percent)),
        GuardViolation::Protected { segment, id, origin } => {
            let message = format!("`{segment}` (id {id}) is protected and would be archived");
            let mut finding = new("protected", message);
            finding.segments.push(segment.to_string());
            finding.origins.extend(origin.as_ref().map(OriginDocument::of));
            match origin {
                Some(_) => finding.with_help("take `protect: true` out of the file first"),
                None => finding
                    .with_help("put its file back; to archive it, set `protect: false` there and apply before removing it"),
            }
        }
        GuardViolation::EmptyConfiguration { managed: owned } => new(
            "nothing_declared",
            format!(
                "no segment is declared for this workspace, and {} would be archived",
                match owned {
                    1 => "the one that is owned".to_owned(),
                    2 => "both that are owned".to_owned(),
                    _ => format!("all {owned} that are owned"),
                }
            ),
        )
        .with_help("look whether `segments` in segctl.yaml names the right directory")
        .with_help("if it is meant: `--allow-empty`"),
        GuardViolation::MissingSegments {
            missing,
            total: of,
            max_percent: percent,
        } => missing_segments(*missing, *of, *percent),
    }
}

fn missing_segments(missing: usize, of: usize, percent: Option<u32>) -> FindingDocument {
    let message = match percent {
        Some(percent) => format!(
            "the service does not list {missing} of {of} segments that the ledger knows to be in use, and the guard \
             is at {percent}%"
        ),
        None => format!(
            "the service lists no segment that is in use, and the ledger knows {missing} that the files have in use"
        ),
    };
    let finding = FindingDocument::new("short_list", message)
        .with_help("look at the workspace: is it the right one, and does its dashboard show them?")
        .with_help("if they were archived: `--allow-short-list`");
    match percent {
        Some(_) => finding.with_help("for good: `guards: {archive: …%}` in segctl.yaml"),
        None => finding,
    }
}

/// A plan that takes longer than it may, in words.
pub(in super::super) fn max_duration_exceeded(over: &MaxDurationExceeded) -> FindingDocument {
    FindingDocument {
        help: over.help(),
        ..FindingDocument::new("max_duration", over.to_string())
    }
}
