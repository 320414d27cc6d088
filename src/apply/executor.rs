//! Runs each step as soon as its dependencies are done, several steps at once.

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
    /// Starts no step while there is an `abort_reason`, and waits for running steps. The reports are in plan order.
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
            let Some((index, task, result)) = running.next().await else {
                break;
            };
            match task {
                StepTask::WaitForCallback(..) => waiting -= 1,
                StepTask::Step(step) => {
                    let pending = self.run_state().pending_uploads.remove(&step.number);
                    if let Some(pending) = pending.filter(|_| result.is_ok()) {
                        waiting += 1;
                        running.push(self.run_task(index, StepTask::WaitForCallback(step, pending)));
                        continue;
                    }
                }
            }
            let (outcome, reason) = match result {
                Ok(outcome) => (outcome, None),
                Err(error) => self.failed_step_outcome(error),
            };
            // A cancelled wait leaves its step unknown, even if no other step is left to start.
            let is_cut_off = matches!(task, StepTask::WaitForCallback(..))
                && !outcome.is_done()
                && self.options.cancel_token.is_cancelled();
            let cancelled = is_cut_off.then_some(AbortReason::Cancelled);
            // Also after a step that handled the rejection itself.
            let rejection = self.client.credentials_rejection();
            let rejection = rejection.map(AbortReason::CredentialsRejected);
            abort_reason = abort_reason.or(reason).or(rejection).or(cancelled);
            self.run_state().is_stopping = abort_reason.is_some();
            on_event(StepEvent::Finished(progress.finish(index, outcome)));
        }
        // A cancelled run may have had no step left to start, and still leave steps not attempted.
        if abort_reason.is_none() && self.options.cancel_token.is_cancelled() && progress.has_unattempted() {
            abort_reason = Some(AbortReason::Cancelled);
        }
        for report in progress.unfinished() {
            on_event(StepEvent::Finished(report));
        }
        (progress.reports, abort_reason)
    }

    async fn run_task<'s>(
        &self,
        index: usize,
        task: StepTask<'s>,
    ) -> (usize, StepTask<'s>, Result<StepOutcome, StepError>) {
        let result = match &task {
            StepTask::Step(step) => self.run_step(step).await,
            StepTask::WaitForCallback(step, pending) => self.wait_for_callback(step, pending).await,
        };
        (index, task, result)
    }
}

enum StepTask<'s> {
    Step(&'s Step),
    WaitForCallback(&'s Step, PendingUpload),
}

/// All lists are in plan order; `dependents` and `ready` contain indices of steps.
struct Progress<'p> {
    steps: &'p [Step],
    /// Not attempted until finished.
    reports: Vec<StepReport>,
    is_finished: Vec<bool>,
    unmet_dependencies: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl<'p> Progress<'p> {
    fn new(steps: &'p [Step]) -> Self {
        let mut dependents = vec![Vec::new(); steps.len()];
        for (index, step) in steps.iter().enumerate() {
            // Steps are numbered from 1 in plan order.
            for dependency in step.depends_on.iter().filter_map(|number| number.checked_sub(1)) {
                if let Some(list) = dependents.get_mut(dependency) {
                    list.push(index);
                }
            }
        }
        let report = |step: &Step| StepReport {
            number: step.number,
            segment: step.segment.clone(),
            action: step.action.as_str(),
            is_temporary: step.action.temporary_change().is_some(),
            outcome: StepOutcome::NotAttempted,
        };
        Self {
            reports: steps.iter().map(report).collect(),
            is_finished: vec![false; steps.len()],
            unmet_dependencies: steps.iter().map(|step| step.depends_on.len()).collect(),
            dependents,
            ready: (0..steps.len())
                .filter(|index| steps[*index].depends_on.is_empty())
                .collect(),
            steps,
        }
    }

    fn take_next(&mut self) -> Option<(usize, &'p Step)> {
        let index = self.ready.pop_first()?;
        Some((index, &self.steps[index]))
    }

    fn blocked_outcome(&self, step: &Step) -> Option<StepOutcome> {
        let dependencies = step.depends_on.iter().filter_map(|number| number.checked_sub(1));
        let mut reports = dependencies.filter_map(|index| self.reports.get(index));
        let unmet = reports.find(|report| !report.outcome.is_done())?;
        Some(match unmet.outcome {
            StepOutcome::NotAttempted => StepOutcome::NotAttempted,
            _ => StepOutcome::Skipped(SkipReason::DependencyNotApplied(unmet.segment.clone())),
        })
    }

    fn finish(&mut self, index: usize, outcome: StepOutcome) -> &StepReport {
        self.is_finished[index] = true;
        for dependent in &self.dependents[index] {
            self.unmet_dependencies[*dependent] -= 1;
            if self.unmet_dependencies[*dependent] == 0 {
                self.ready.insert(*dependent);
            }
        }
        let report = &mut self.reports[index];
        report.outcome = outcome;
        report
    }

    fn has_unattempted(&self) -> bool {
        let mut reports = self.reports.iter();
        reports.any(|report| report.outcome == StepOutcome::NotAttempted)
    }

    fn unfinished(&self) -> impl Iterator<Item = &StepReport> {
        let reports = self.reports.iter().zip(&self.is_finished);
        reports.filter_map(|(report, finished)| (!finished).then_some(report))
    }
}
