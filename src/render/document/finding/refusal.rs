//! What guards refuse, in words.

use super::super::plan::OriginDocument;
use super::FindingDocument;
use crate::plan::quota::QuotaRefusal;
use crate::plan::step::Refusal;

/// A refusal in words: the number, the limit, the flag and the key.
pub(in super::super) fn refusal(refusal: &Refusal) -> FindingDocument {
    let new = FindingDocument::new;
    let shares = |kind: &str, what: &str, (count, of, percent): (usize, usize, u32)| {
        let message =
            format!("{count} of {of} managed segments would be {what}, and the guard is at {percent}%");
        new(&format!("guard_{kind}"), message)
            .help(format!(
                "look at each of them; if they are meant: `--max-{kind}s {}%`",
                (count * 100).div_ceil(of.max(1))
            ))
            .help(format!("for good: `guards: {{{kind}: …%}}` in segctl.yaml"))
    };
    match refusal {
        Refusal::Archives { count, of, percent } => shares("archive", "archived", (*count, *of, *percent)),
        Refusal::Updates { count, of, percent } => shares("update", "updated", (*count, *of, *percent)),
        Refusal::Protected { segment, id, origin } => {
            let message = format!("`{segment}` (id {id}) is protected and would be archived");
            let mut finding = new("protected", message);
            finding.segments.push(segment.to_string());
            finding.origins.extend(origin.as_ref().map(OriginDocument::of));
            match origin {
                Some(_) => finding.help("take `protect: true` out of the file first"),
                None => finding
                    .help("put its file back; to archive it, set `protect: false` there and apply before removing it"),
            }
        }
        Refusal::NothingDeclared { owned } => new(
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
        .help("look whether `segments` in segctl.yaml names the right directory")
        .help("if it is meant: `--allow-empty`"),
        Refusal::ShortList { missing, of, percent } => short_list(*missing, *of, *percent),
    }
}

fn short_list(missing: usize, of: usize, percent: Option<u32>) -> FindingDocument {
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
        .help("look at the workspace: is it the right one, and does its dashboard show them?")
        .help("if they were archived: `--allow-short-list`");
    match percent {
        Some(_) => finding.help("for good: `guards: {archive: …%}` in segctl.yaml"),
        None => finding,
    }
}

/// A plan that takes longer than it may, in words.
pub(in super::super) fn too_long(over: &QuotaRefusal) -> FindingDocument {
    FindingDocument {
        help: over.help(),
        ..FindingDocument::new("max_duration", over.to_string())
    }
}
