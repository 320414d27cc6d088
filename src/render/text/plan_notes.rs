//! The lines of a plan below its steps.

use super::quoted;
use crate::diagnostic::phrases::{count_noun, join_limited, join_with_and};
use crate::render::json::{ExcludedDocument, PlanDocument};

/// Lines without their ends.
pub(super) fn plan_notes(document: &PlanDocument) -> Vec<String> {
    let adopting = document
        .steps
        .iter()
        .filter(|step| step.adopts && step.origin.is_some());
    let lines = [
        adopting_line(adopting.count()),
        archive_unmanaged_line(document.summary.archive_unmanaged),
        adopted_line(document.adopted.len()),
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

fn adopted_line(count: usize) -> Option<String> {
    let segments = count_noun(count, "existing segment");
    let matches = if count == 1 { "matches" } else { "match" };
    (count > 0)
        .then(|| format!("{segments} {matches} the configuration and will be adopted without changes."))
}

fn excluded_line(excluded: &ExcludedDocument) -> Option<String> {
    let dependents = excluded.dependents.iter().map(|dependent| {
        let [segment, depends_on] =
            [&dependent.segment, &dependent.depends_on].map(|name| quoted(name.as_str()));
        format!("{segment} (depends on {depends_on})")
    });
    let including = match excluded.dependents.as_slice() {
        [] => String::new(),
        _ => format!(", including {}", join_limited(dependents)),
    };
    let counts = [(excluded.steps, "change"), (excluded.adoptions, "adoption")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, noun)| count_noun(count, noun)).collect();
    (!counts.is_empty()).then(|| {
        format!(
            "{} excluded by {}{including}.",
            join_with_and(&counts),
            excluded.flags.join(" and ")
        )
    })
}
