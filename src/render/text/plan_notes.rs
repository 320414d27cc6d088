//! What is worth knowing of a plan beside its steps, each in one line.

use super::quoted;
use crate::model::escape_unprintable;
use crate::render::json::{ExcludedDocument, MatchDocument, PlanDocument};

/// Names that one line holds at most.
const MAX_NAMES: usize = 5;

/// Lines without their ends.
pub(super) fn plan_notes(document: &PlanDocument) -> Vec<String> {
    let adopting = document
        .steps
        .iter()
        .filter(|step| step.adopts && step.origin.is_some());
    let unmanaged = document.unmanaged.len();
    let lines = [
        count_line(adopting.count(), "live segment", |noun| {
            format!("{noun} adopted: segctl did not make what these steps change.")
        }),
        count_line(document.summary.archive_unmanaged, "live segment", |noun| {
            format!("{noun} archived for the name alone: segctl did not make what these steps put away.")
        }),
        adopted(&document.adopted),
        count_line(unmanaged, "live segment", |noun| {
            let are = if unmanaged == 1 { "is" } else { "are" };
            format!("{noun} {are} neither declared nor owned and never touched.")
        }),
        excluded(&document.excluded),
    ];
    lines.into_iter().flatten().collect()
}

fn adopted(adopted: &[MatchDocument]) -> Option<String> {
    let names: Vec<_> = adopted
        .iter()
        .map(|met| {
            let reason = met.matched_by.as_deref().unwrap_or_default();
            format!("{} ({})", quoted(&met.segment), escape_unprintable(reason))
        })
        .collect();
    count_line(adopted.len(), "live segment", |noun| {
        format!(
            "{noun} met for the first time: as declared already, so nothing is written: {}.",
            join_limited(&names)
        )
    })
}

fn excluded(left_out: &ExcludedDocument) -> Option<String> {
    let dependents: Vec<_> = left_out
        .dependents
        .iter()
        .map(|dependent| {
            format!(
                "{}, which depends on {}",
                quoted(&dependent.segment),
                quoted(&dependent.depends_on)
            )
        })
        .collect();
    let with = match dependents.as_slice() {
        [] => String::new(),
        _ => format!(", among them {}", join_limited(&dependents)),
    };
    count_line(left_out.steps, "step", |noun| {
        let are = if left_out.steps == 1 { "is" } else { "are" };
        format!("{noun} {are} left out by {}{with}.", left_out.flags.join(" and "))
    })
}

/// Some names in quotes.
pub(super) fn quoted_list(names: &[&String]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    join_limited(&names)
}

/// The first of some words, and how many more there are.
fn join_limited(words: &[String]) -> String {
    let (shown, rest) = words.split_at(words.len().min(MAX_NAMES));
    match (shown, rest.len()) {
        ([first @ .., last], 0) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (_, 0) => shown.concat(),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A line about so many things; none where there are none.
fn count_line(count: usize, noun: &str, line: impl Fn(&str) -> String) -> Option<String> {
    match count {
        0 => None,
        1 => Some(line(&format!("1 {noun}"))),
        _ => Some(line(&format!("{count} {noun}s"))),
    }
}
