//! The lines of a plan below its steps.

use super::quoted;
use crate::model::escape_unprintable;
use crate::render::json::{ExcludedDocument, MatchDocument, PlanDocument};
use crate::render::phrases::{count_noun, join_limited};

/// Lines without their ends.
pub(super) fn plan_notes(document: &PlanDocument) -> Vec<String> {
    let adopting = document
        .steps
        .iter()
        .filter(|step| step.adopts && step.origin.is_some());
    let lines = [
        adopting_line(adopting.count()),
        archive_unmanaged_line(document.summary.archive_unmanaged),
        adopted_line(&document.adopted),
        (!document.unmanaged.is_empty()).then(|| {
            format!(
                "{} (ignored).",
                count_noun(document.unmanaged.len(), "unmanaged segment")
            )
        }),
        excluded_line(&document.excluded),
    ];
    lines.into_iter().flatten().collect()
}

fn adopting_line(count: usize) -> Option<String> {
    let segments = count_noun(count, "existing segment");
    (count > 0).then(|| format!("{segments} will be adopted (not created by segctl)."))
}

fn archive_unmanaged_line(count: usize) -> Option<String> {
    let segments = count_noun(count, "unmanaged segment");
    let they_match = if count == 1 { "it matches" } else { "they match" };
    (count > 0).then(|| format!("{segments} will be archived because {they_match} `manages`."))
}

fn adopted_line(adopted: &[MatchDocument]) -> Option<String> {
    let names = adopted.iter().map(|adopted| {
        let reason = adopted.match_reason.as_deref().unwrap_or_default();
        format!("{} ({})", quoted(&adopted.segment), escape_unprintable(reason))
    });
    let matches = if adopted.len() == 1 { "matches" } else { "match" };
    (!adopted.is_empty()).then(|| {
        format!(
            "{} {matches} the configuration and will be adopted without changes: {}.",
            count_noun(adopted.len(), "existing segment"),
            join_limited(names)
        )
    })
}

fn excluded_line(excluded: &ExcludedDocument) -> Option<String> {
    let dependents = excluded.dependents.iter().map(|dependent| {
        let (segment, depends_on) = (quoted(&dependent.segment), quoted(&dependent.depends_on));
        format!("{segment} (depends on {depends_on})")
    });
    let including = match excluded.dependents.as_slice() {
        [] => String::new(),
        _ => format!(", including {}", join_limited(dependents)),
    };
    (excluded.steps > 0).then(|| {
        format!(
            "{} excluded by {}{including}.",
            count_noun(excluded.steps, "change"),
            excluded.flags.join(" and ")
        )
    })
}
