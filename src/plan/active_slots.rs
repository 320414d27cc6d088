//! The limit of active segments.

use super::PlanInput;
use super::step::{Code, Finding, Step};
use crate::diagnostic::phrases::count_noun;
use crate::model::Lifecycle;

/// The active segments before the first step, and how many there may be.
#[derive(Clone, Copy)]
pub(super) struct ActiveSlots {
    active: usize,
    limit: usize,
}

impl ActiveSlots {
    pub(super) fn of(input: &PlanInput<'_>) -> Self {
        let remotes = input.observed.segments.values();
        let listed = remotes.filter(|remote| remote.lifecycle == Lifecycle::Active);
        Self {
            // The list shows the unreadable ones, so they count, too.
            active: listed.count() + input.observed.unreadable_rows.len(),
            limit: input.policy.api_behavior.active_limit,
        }
    }

    /// Whether that many more segments reach the limit.
    pub(super) fn may_run_out(self, added: usize) -> bool {
        added > 0 && self.active + added > self.limit
    }

    /// Lets each step that exceeds the limit wait for an archive of its own: if one archive fails, the other steps still
    /// fit. The pairs follow from the selected steps, so a part of a plan has its own pairs.
    pub(super) fn assign(self, steps: &mut [Step]) {
        let free_slots = self.limit.saturating_sub(self.active);
        // The first archives free no slot if the limit was lowered, or if the dashboard does not enforce it.
        let excess = self.active.saturating_sub(self.limit);
        let mut added = 0;
        let mut archives: Vec<usize> = Vec::new();
        let mut waits = Vec::new();
        for step in &mut *steps {
            step.frees_slot_for = None;
        }
        for position in 0..steps.len() {
            if steps[position].action.removes_active_segment() {
                archives.push(position);
            }
            if steps[position].action.adds_active_segment() {
                let needed = usize::checked_sub(added, free_slots);
                if let Some(archive) = needed.and_then(|needed| archives.get(excess + needed)) {
                    steps[*archive].frees_slot_for = Some(steps[position].segment.clone());
                    let first = archives.iter().take(excess).chain([archive]);
                    waits.extend(first.map(|archive| (*archive, position)));
                }
                added += 1;
            }
        }
        for (archive, position) in waits {
            let number = steps[archive].number;
            let depends_on = &mut steps[position].depends_on;
            if let Err(index) = depends_on.binary_search(&number) {
                depends_on.insert(index, number);
            }
        }
    }

    /// The number of active segments during the run exceeds the limit.
    pub(super) fn conflict(self, steps: &[Step]) -> Option<Finding> {
        let Self { mut active, limit } = self;
        let mut maximum = 0;
        for step in steps {
            if step.action.adds_active_segment() {
                active += 1;
                maximum = maximum.max(active);
            }
            if step.action.removes_active_segment() {
                active = active.saturating_sub(1);
            }
        }
        let excess = maximum.checked_sub(limit).filter(|excess| *excess > 0)?;
        let message = format!(
            "{maximum} segments would be active at once, which exceeds the limit of {limit} active segments"
        );
        Some(Finding {
            help: vec![
                format!(
                    "archive {}: a declared one with `lifecycle: archived`, an unmanaged one (see `segctl import`) in the \
                     dashboard",
                    count_noun(excess, "unused segment")
                ),
                "apply a part of the plan: `--target NAME`".to_owned(),
                "if MoEngage raised your limit: set `api_behavior: {active_limit: …}` in segctl.yaml"
                    .to_owned(),
            ],
            ..Finding::new(Code::ActiveLimit, message)
        })
    }
}
