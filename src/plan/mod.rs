//! The planner: a pure, synchronous, deterministic function of what is declared, what was observed and what the
//! ledger remembers.
//!
//! In order: `identity` finds which live segment each declared one is, `change` drafts the steps for each,
//! `conflict` and `limits` find what the service would refuse, `order` puts the steps in sequence. No call is made, nothing
//! is read, no clock is asked: the same values give the same plan, byte for byte.

mod change;
mod conflict;
mod identity;
mod limits;
mod order;
pub mod step;

use crate::ledger::Ledger;
use crate::model::{DeclaredSegment, Observed};
use change::Draft;
use step::Plan;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The workspace's name in `segctl.yaml`.
    pub workspace: &'a str,
    /// What the files say, free of errors.
    pub declared: &'a [DeclaredSegment],
    /// What is live.
    pub observed: &'a Observed,
    /// What was applied last.
    pub ledger: &'a Ledger,
}

/// Plans what makes the workspace what the files say.
///
/// A plan with conflicts must not be applied; its steps are there to be shown.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> Plan {
    let matches = identity::match_all(situation.declared, situation.observed, situation.ledger);
    let mut conflicts = matches.conflicts.clone();
    let mut unchanged = Vec::new();
    let mut drafts = Vec::new();
    for (segment, found) in &matches.pairs {
        match change::actions(segment, *found, &matches.known) {
            Ok(actions) if actions.is_empty() => unchanged.push(segment.name.clone()),
            Ok(actions) => drafts.extend(actions.into_iter().map(|action| Draft { segment, action })),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    let (found, warnings) = conflict::find(&drafts, &matches, situation.observed);
    conflicts.extend(found);
    conflicts.extend(limits::find(&drafts, &matches, situation.observed));
    let steps = order::order(drafts, &matches, situation.observed).unwrap_or_else(|cycles| {
        conflicts.extend(cycles);
        Vec::new()
    });
    Plan {
        workspace: situation.workspace.to_owned(),
        steps,
        unchanged,
        undeclared: matches.undeclared.len(),
        conflicts,
        warnings,
        known: matches.known,
    }
}

#[cfg(test)]
mod tests;
