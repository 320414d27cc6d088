//! Runs each step as soon as its dependencies are done, several steps at once.

use super::run_report::{SkipReason, StepOutcome, StepReport};
use super::step_run::StepRun;
use super::upload_results::PendingUpload;
use super::{AbortReason, Applier, StepEvent};
use crate::api::{Clock, Transport};
use crate::plan::step::Step;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;

impl<T: Transport, C: Clock> Applier<'_, T, C> {
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
            let Some(end) = running.next().await else {
                break;
            };
            if let StepTask::WaitForCallback(..) = end.task {
                waiting -= 1;
            }
            if let Some(pending) = end.pending_upload {
                waiting += 1;
                running.push(self.run_task(end.index, StepTask::WaitForCallback(end.task.step(), pending)));
                continue;
            }
            let is_cut_off = self.options.cancel_token.is_cancelled() && end.is_unfinished_wait();
            let cancelled = is_cut_off.then_some(AbortReason::Cancelled);
            let rejection = self.client.credentials_rejection();
            let rejection = rejection.map(AbortReason::CredentialsRejected);
            abort_reason = abort_reason.or(end.abort_reason).or(rejection).or(cancelled);
            self.run_state().is_stopping = abort_reason.is_some();
            on_event(StepEvent::Finished(progress.finish(end.index, end.outcome)));
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

    async fn run_task<'s>(&self, index: usize, task: StepTask<'s>) -> TaskEnd<'s> {
        let mut run = StepRun::new(task.step());
        let result = match &task {
            StepTask::Step(_) => self.run_step(&mut run).await,
            StepTask::WaitForCallback(step, pending) => self.wait_for_callback(step, pending).await,
        };
        let pending_upload = run.pending_upload.take().filter(|_| result.is_ok());
        let (outcome, abort_reason) = match result {
            Ok(outcome) => (outcome, None),
            Err(error) => (run.state_error_outcome(&error), Some(error.into_abort_reason())),
        };
        TaskEnd {
            index,
            task,
            outcome,
            abort_reason,
            pending_upload,
        }
    }
}

enum StepTask<'s> {
    Step(&'s Step),
    WaitForCallback(&'s Step, PendingUpload),
}

struct TaskEnd<'s> {
    /// The index of the step.
    index: usize,
    task: StepTask<'s>,
    outcome: StepOutcome,
    abort_reason: Option<AbortReason>,
    /// The upload whose callback the step waits for.
    pending_upload: Option<PendingUpload>,
}

impl TaskEnd<'_> {
    /// A wait that ended early leaves its step unknown, even if no other step is left to start.
    fn is_unfinished_wait(&self) -> bool {
        matches!(self.task, StepTask::WaitForCallback(..)) && !self.outcome.is_done()
    }
}

impl<'s> StepTask<'s> {
    fn step(&self) -> &'s Step {
        let (Self::Step(step) | Self::WaitForCallback(step, _)) = self;
        step
    }
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
