//! What is worth knowing of a plan beside its steps, each in one line.

use super::quoted;
use crate::model::printable;
use crate::render::document::{LeftOutDocument, MatchDocument, PlanDocument};

/// Names that one line holds at most.
const SHOWN: usize = 5;

/// Lines without their ends.
pub(super) fn about(document: &PlanDocument) -> Vec<String> {
    let adopting = document
        .steps
        .iter()
        .filter(|step| step.adopts && step.origin.is_some());
    let unmanaged = document.unmanaged.len();
    let lines = [
        counted(adopting.count(), "live segment", |noun| {
            format!("{noun} adopted: segctl did not make what these steps change.")
        }),
        counted(document.summary.archive_by_hand, "live segment", |noun| {
            format!("{noun} archived for the name alone: segctl did not make what these steps put away.")
        }),
        adopted(&document.adopted),
        counted(unmanaged, "live segment", |noun| {
            let are = if unmanaged == 1 { "is" } else { "are" };
            format!("{noun} {are} neither declared nor owned and never touched.")
        }),
        left_out(&document.left_out),
    ];
    lines.into_iter().flatten().collect()
}

fn adopted(adopted: &[MatchDocument]) -> Option<String> {
    let names: Vec<_> = adopted
        .iter()
        .map(|met| {
            let reason = met.matched_by.as_deref().unwrap_or_default();
            format!("{} ({})", quoted(&met.segment), printable(reason))
        })
        .collect();
    counted(adopted.len(), "live segment", |noun| {
        format!(
            "{noun} met for the first time: as declared already, so nothing is written: {}.",
            listed(&names)
        )
    })
}

fn left_out(left_out: &LeftOutDocument) -> Option<String> {
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
        _ => format!(", among them {}", listed(&dependents)),
    };
    counted(left_out.steps, "step", |noun| {
        let are = if left_out.steps == 1 { "is" } else { "are" };
        format!("{noun} {are} left out by {}{with}.", left_out.flags.join(" and "))
    })
}

/// Some names in quotes.
pub(super) fn some(names: &[&String]) -> String {
    let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    listed(&names)
}

/// The first of some words, and how many more there are.
fn listed(words: &[String]) -> String {
    let (shown, rest) = words.split_at(words.len().min(SHOWN));
    match (shown, rest.len()) {
        ([first @ .., last], 0) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        (_, 0) => shown.concat(),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A line about so many things; none where there are none.
fn counted(count: usize, noun: &str, line: impl Fn(&str) -> String) -> Option<String> {
    match count {
        0 => None,
        1 => Some(line(&format!("1 {noun}"))),
        _ => Some(line(&format!("{count} {noun}s"))),
    }
}
