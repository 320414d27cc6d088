//! Which step is run when: each as soon as what it depends on is done, several at once.

use super::run_report::{SkipReason, StepOutcome, StepReport};
use super::upload_results::PendingUpload;
use super::{AbortReason, Applier, StepError, StepEvent};
use crate::api::{Clock, Transport};
use crate::plan::step::Step;
use crate::state::StateStore;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Runs all steps, unless `stop` holds a reason not to; their outcomes in the order of the plan, and what ended the
    /// run early. A step is started only while nothing speaks against it; those that are under way are waited for.
    pub(super) async fn run_all(
        &self,
        steps: &[Step],
        mut abort_reason: Option<AbortReason>,
        on_event: &(dyn Fn(StepEvent<'_>) + Sync),
    ) -> (Vec<StepReport>, Option<AbortReason>) {
        let mut progress = Progress::new(steps);
        let mut running = FuturesUnordered::new();
        let mut waiting = 0;
        loop {
            while running.len() - waiting < self.options.parallelism.max(1) {
                if abort_reason.is_none()
                    && self.options.cancel_token.is_cancelled()
                    && !progress.ready.is_empty()
                {
                    abort_reason = Some(AbortReason::Cancelled);
                }
                if abort_reason.is_some() {
                    break;
                }
                let Some((index, step)) = progress.take_next() else {
                    break;
                };
                if let Some(outcome) = progress.blocked_outcome(step) {
                    on_event(StepEvent::Finished(progress.finish(index, outcome)));
                    continue;
                }
                on_event(StepEvent::Started(step));
                running.push(self.run_task(index, StepTask::Step(step)));
            }
            let Some((index, task, done)) = running.next().await else {
                break;
            };
            match task {
                StepTask::WaitForCallback(..) => waiting -= 1,
                StepTask::Step(step) => {
                    if let Some(pending) = self.take_pending_upload(step).filter(|_| done.is_ok()) {
                        waiting += 1;
                        running.push(self.run_task(index, StepTask::WaitForCallback(step, pending)));
                        continue;
                    }
                }
            }
            let (outcome, reason) = match done {
                Ok(outcome) => (outcome, None),
                Err(interruption) => self.failed_step_outcome(interruption),
            };
            // Whoever waits and is stopped leaves nothing to be started, and something unknown.
            let is_cut_off = matches!(task, StepTask::WaitForCallback(..)) && !outcome.is_done();
            let cancelled =
                (is_cut_off && self.options.cancel_token.is_cancelled()).then_some(AbortReason::Cancelled);
            abort_reason = abort_reason.or(reason).or(cancelled);
            self.run_state().is_stopping = abort_reason.is_some();
            on_event(StepEvent::Finished(progress.finish(index, outcome)));
        }
        // What was asked to stop may have had nothing left to start, and still left steps that waited undone.
        if abort_reason.is_none() && self.options.cancel_token.is_cancelled() && progress.has_unattempted() {
            abort_reason = Some(AbortReason::Cancelled);
        }
        for entry in progress.unfinished() {
            on_event(StepEvent::Finished(entry));
        }
        (progress.reports, abort_reason)
    }

    /// Does a part of a step; what came of it, with what it was.
    async fn run_task<'s>(
        &self,
        index: usize,
        task: StepTask<'s>,
    ) -> (usize, StepTask<'s>, Result<StepOutcome, StepError>) {
        let done = match &task {
            StepTask::Step(step) => self.run_step(step).await,
            StepTask::WaitForCallback(step, awaited) => self.wait_for_callback(step, awaited).await,
        };
        (index, task, done)
    }
}

/// What is done of a step: the step itself, or the wait for what the service says of its list.
enum StepTask<'s> {
    Step(&'s Step),
    WaitForCallback(&'s Step, PendingUpload),
}

/// What came of the steps so far.
struct Progress<'p> {
    steps: &'p [Step],
    /// One for each step; not attempted until it is finished.
    reports: Vec<StepReport>,
    is_finished: Vec<bool>,
    /// For each step, how many that it depends on are unfinished.
    unmet_dependencies: Vec<usize>,
    /// For each step, the places of those that depend on it.
    dependents: Vec<Vec<usize>>,
    /// Places of steps that can be started.
    ready: BTreeSet<usize>,
}

impl<'p> Progress<'p> {
    fn new(steps: &'p [Step]) -> Self {
        let mut dependents = vec![Vec::new(); steps.len()];
        for (index, step) in steps.iter().enumerate() {
            // Steps are numbered from 1 in the order of the plan.
            let needs = step.depends_on.iter().filter_map(|need| need.checked_sub(1));
            for need in needs {
                if let Some(list) = dependents.get_mut(need) {
                    list.push(index);
                }
            }
        }
        let entry = |step: &Step| StepReport {
            number: step.number,
            segment: step.segment.clone(),
            action: step.action.as_str(),
            outcome: StepOutcome::NotAttempted,
        };
        Self {
            reports: steps.iter().map(entry).collect(),
            is_finished: vec![false; steps.len()],
            unmet_dependencies: steps.iter().map(|step| step.depends_on.len()).collect(),
            dependents,
            ready: (0..steps.len())
                .filter(|place| steps.get(*place).is_some_and(|step| step.depends_on.is_empty()))
                .collect(),
            steps,
        }
    }

    /// The next step that can be started, with its place; it is handed out once.
    fn take_next(&mut self) -> Option<(usize, &'p Step)> {
        let index = self.ready.pop_first()?;
        self.steps.get(index).map(|step| (index, step))
    }

    /// What keeps a step from being run, of the steps that it depends on.
    fn blocked_outcome(&self, step: &Step) -> Option<StepOutcome> {
        let needs = step.depends_on.iter().filter_map(|need| need.checked_sub(1));
        let mut needed = needs.filter_map(|place| self.reports.get(place));
        let unmet = needed.find(|entry| !entry.outcome.is_done())?;
        Some(match unmet.outcome {
            StepOutcome::NotAttempted => StepOutcome::NotAttempted,
            _ => StepOutcome::Skipped(SkipReason::DependencyNotApplied(unmet.segment.clone())),
        })
    }

    /// Takes down what came of the step in a place.
    fn finish(&mut self, index: usize, outcome: StepOutcome) -> &StepReport {
        self.is_finished[index] = true;
        for dependent in &self.dependents[index] {
            self.unmet_dependencies[*dependent] -= 1;
            if self.unmet_dependencies[*dependent] == 0 {
                self.ready.insert(*dependent);
            }
        }
        let entry = &mut self.reports[index];
        entry.outcome = outcome;
        entry
    }

    fn has_unattempted(&self) -> bool {
        let mut entries = self.reports.iter();
        entries.any(|entry| entry.outcome == StepOutcome::NotAttempted)
    }

    /// Steps that were not come to.
    fn unfinished(&self) -> impl Iterator<Item = &StepReport> {
        let entries = self.reports.iter().zip(&self.is_finished);
        entries
            .filter(|(_, finished)| !**finished)
            .map(|(entry, _)| entry)
    }
}
