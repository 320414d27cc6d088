//! The output of an apply: text on standard output, events, and the run report. The reporter knows the outcome of every
//! step at each moment, so the report is also correct for a run that exits early.

use super::arguments::ApplyArguments;
use super::atomic_file::AtomicFile;
use super::events::EventStream;
use super::failure::{Failure, FailureKind};
use super::output::{Output, json_text};
use crate::api::{Clock, SystemClock};
use crate::apply::StepEvent;
use crate::apply::run_report::{RunReport, StepOutcome, StepReport};
use crate::diagnostic::Diagnostic;
use crate::model::Freshness;
use crate::plan::step::Plan;
use crate::render::json::{
    DiagnosticDocument, FindingKind, OutcomeCountsDocument, OutcomeDocument, PlanDocument, RunEvent,
    RunReportDocument, RunSummaryDocument,
};
use crate::render::text;
use crate::state::State;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The last stop reason of a run that wrote nothing.
pub(super) const NO_CHANGES: &str = "no changes were made";

pub(super) struct RunReporter {
    pub(super) output: Output,
    /// The start time and the process id.
    pub(super) run_id: String,
    started_at: Timestamp,
    events: EventStream,
    report_file: Option<AtomicFile>,
    progress: Mutex<RunProgress>,
}

#[derive(Default)]
struct RunProgress {
    workspace: Option<String>,
    freshness: Option<Freshness>,
    /// The outcome of each step, by its number.
    steps: BTreeMap<usize, StepReport>,
    /// Steps that have started and not finished.
    in_progress: BTreeSet<usize>,
    /// Steps whose outcome was printed.
    reported: BTreeSet<usize>,
    /// The steps on declared segments that become managed.
    adopting_steps: BTreeSet<usize>,
    /// Segments that became managed without a step.
    adopted_without_step: usize,
    /// Why the run ended before its last step.
    stop_reasons: Vec<String>,
    /// Whether the user rejected the plan.
    is_cancelled: bool,
}

impl RunReporter {
    pub(super) fn without_files(output: Output) -> Self {
        Self::start(EventStream::new(output), output, None)
    }

    fn start(events: EventStream, output: Output, report_file: Option<AtomicFile>) -> Self {
        let started_at = SystemClock.now();
        let reporter = Self {
            output,
            run_id: format!("{}-{}", started_at.strftime("%Y%m%dT%H%M%SZ"), process::id()),
            started_at,
            events,
            report_file,
            progress: Mutex::default(),
        };
        reporter.events.emit(RunEvent::version(&reporter.run_id));
        reporter
    }

    /// Starts the report. It also exists if a requested file cannot be written.
    pub(super) fn begin(arguments: &ApplyArguments, output: Output) -> (Self, Result<(), Failure>) {
        let mut events = EventStream::new(output);
        let json_file = arguments.json_file.as_ref();
        let opened = json_file.map_or(Ok(()), |path| events.add_file(path));
        let report_file = arguments.report_file.as_ref();
        let prepared = report_file.map(|path| AtomicFile::prepare(path)).transpose();
        let (report_file, prepared) = match prepared {
            Ok(file) => (file, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        (Self::start(events, output, report_file), opened.and(prepared))
    }

    /// Emits events for the diagnostics of the configuration, which are on standard error already.
    pub(super) fn report_file_diagnostics(&self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            self.emit_diagnostic(DiagnosticDocument::of_configuration(diagnostic));
        }
    }

    pub(super) fn report_plan(&self, plan: &Plan, document: &PlanDocument) {
        let steps = plan.steps.iter().map(|step| {
            let report = StepReport {
                number: step.number,
                segment: step.segment.clone(),
                action: step.action.as_str(),
                is_temporary: step.action.temporary_change().is_some(),
                outcome: StepOutcome::NotAttempted,
            };
            (step.number, report)
        });
        let adopting = plan
            .steps
            .iter()
            .filter(|step| step.adopts && step.origin.is_some());
        let mut progress = self.progress();
        progress.steps = steps.collect();
        progress.freshness.clone_from(&document.freshness);
        progress.adopting_steps = adopting.map(|step| step.number).collect();
        drop(progress);
        for step in &document.steps {
            self.events.emit(RunEvent::PlannedChange(step));
        }
        let findings = [
            (&document.guard_violations, FindingKind::Guard),
            (&document.conflicts, FindingKind::Conflict),
            (&document.warnings, FindingKind::Warning),
        ];
        for (findings, kind) in findings {
            for finding in findings {
                self.emit_diagnostic(DiagnosticDocument::of_finding(finding, kind));
            }
        }
    }

    pub(super) fn set_workspace(&self, name: &str) {
        self.progress().workspace = Some(name.to_owned());
    }

    pub(super) fn report_step(&self, event: StepEvent<'_>) {
        match event {
            StepEvent::Started(step) => {
                self.progress().in_progress.insert(step.number);
                self.events.emit(RunEvent::started(step));
            }
            StepEvent::Finished(step) => {
                let mut progress = self.progress();
                progress.in_progress.remove(&step.number);
                progress.steps.insert(step.number, step.clone());
                progress.reported.insert(step.number);
                drop(progress);
                self.report_outcome(step);
            }
        }
    }

    fn report_outcome(&self, step: &StepReport) {
        if !self.output.json {
            let outcome = OutcomeDocument::new(step);
            self.output
                .print_result(&text::outcome(&outcome, self.output.color()));
        }
        self.events.emit(RunEvent::finished(step));
    }

    /// Reports the steps that a run which exited early did not report. If no step started, the summary covers them all.
    fn report_remaining(&self, run_report: &RunReport) {
        let progress = self.progress();
        let reported = progress.reported.clone();
        let has_started = !progress.in_progress.is_empty() || !reported.is_empty();
        drop(progress);
        if has_started {
            let steps = run_report.steps.iter();
            let remaining = steps.filter(|step| !reported.contains(&step.number));
            remaining.for_each(|step| self.report_outcome(step));
        }
    }

    /// Records the segments without a step that the run made managed.
    pub(super) fn record_adoptions(&self, plan: &Plan, state: &State) {
        let adopted = plan
            .adoptions()
            .filter(|update| state.managed_entry(&update.id).is_some());
        self.progress().adopted_without_step = adopted.count();
    }

    /// Records why no step can run. The findings of the plan have the details.
    pub(super) fn record_blocked(&self, message: &str) {
        self.progress().stop_reasons = vec![message.to_owned()];
    }

    /// Reports why the run ended before its last step.
    pub(super) fn report_stop(&self, kind: FailureKind, reasons: Vec<String>) {
        if let [message, causes @ ..] = reasons.as_slice() {
            self.emit_diagnostic(DiagnosticDocument::of_run(kind.as_str(), message, causes, &[]));
        }
        self.progress().stop_reasons = reasons;
    }

    /// Reports that the user rejected the plan.
    pub(super) fn report_cancelled(&self) {
        self.report_stop(
            FailureKind::Error,
            vec!["apply cancelled".to_owned(), NO_CHANGES.to_owned()],
        );
        self.progress().is_cancelled = true;
    }

    /// Prints the failure and the summary, and writes the run report. An exit code of success becomes an error if a
    /// requested output could not be written.
    pub(super) fn finish(self, result: Result<Option<FailureKind>, Failure>) -> ExitCode {
        let is_reason_printed = result.is_err();
        let kind = result.unwrap_or_else(|failure| {
            self.report_failure(&failure);
            let mut progress = self.progress();
            if progress.stop_reasons.is_empty() {
                progress.stop_reasons = failure.to_lines();
            }
            Some(failure.kind)
        });
        let mut code = kind.map_or(0, FailureKind::exit_code);
        let run_report = self.build_report();
        self.report_remaining(&run_report);
        let mut summary = self.summary(&run_report, code);
        if !self.output.json {
            self.print_summary(&summary, is_reason_printed);
        }
        if self.output.stdout_failed() || self.events.is_incomplete() {
            code = error_if_success(code);
            summary.exit_code = code;
        }
        if let Err(failure) = self.write_report(&run_report, &summary) {
            self.report_failure(&failure);
            code = error_if_success(code);
        }
        if self.events.is_incomplete() {
            code = error_if_success(code);
        }
        summary.exit_code = code;
        self.events.emit(RunEvent::ChangeSummary(&summary));
        code.into()
    }

    /// Prints the last lines of the run, without what is on the terminal already.
    fn print_summary(&self, summary: &RunSummaryDocument, is_reason_printed: bool) {
        let counts = summary.counts;
        let no_step_ran = counts
            == OutcomeCountsDocument {
                not_attempted: counts.not_attempted,
                adopted: counts.adopted,
                ..OutcomeCountsDocument::default()
            };
        if self.progress().is_cancelled {
            self.output.print_result("Apply cancelled.\n");
        } else if summary.exit_code != 0 || counts != OutcomeCountsDocument::default() {
            let mut summary = summary.clone();
            summary.stop_reasons.retain(|reason| {
                let is_in_summary = no_step_ran && reason == NO_CHANGES;
                !is_reason_printed && !is_in_summary
            });
            self.output.print_result(&text::run_summary(&summary));
        }
        // The text of a plan without steps ends with `No changes.`.
    }

    fn report_failure(&self, failure: &Failure) {
        self.report_file_diagnostics(&failure.diagnostics);
        let notes = [&*failure.differences, failure.causes.as_slice()].concat();
        let code = failure.kind.as_str();
        let document = DiagnosticDocument::of_run(code, &failure.message, &notes, &failure.help);
        self.emit_diagnostic(document);
        if !self.output.json {
            self.output.print_failure(failure);
        }
    }

    fn build_report(&self) -> RunReport {
        let progress = self.progress();
        let steps = progress.steps.values().cloned().map(|mut step| {
            if progress.in_progress.contains(&step.number) {
                step.outcome = StepOutcome::Unknown {
                    message: "segctl exited during this step; the next run verifies the result".to_owned(),
                };
            }
            step
        });
        RunReport {
            steps: steps.collect(),
        }
    }

    fn summary(&self, run_report: &RunReport, exit_code: u8) -> RunSummaryDocument {
        let progress = self.progress();
        let adopting_steps_done = run_report
            .steps
            .iter()
            .filter(|step| step.outcome.is_done() && progress.adopting_steps.contains(&step.number));
        RunSummaryDocument {
            workspace: progress.workspace.clone(),
            run: self.run_id.clone(),
            started_at: self.started_at,
            ended_at: SystemClock.now(),
            exit_code,
            counts: OutcomeCountsDocument {
                adopted: progress.adopted_without_step + adopting_steps_done.count(),
                ..OutcomeCountsDocument::new(run_report)
            },
            freshness: progress.freshness.clone(),
            stop_reasons: progress.stop_reasons.clone(),
        }
    }

    fn write_report(&self, run_report: &RunReport, summary: &RunSummaryDocument) -> Result<(), Failure> {
        let Some(file) = &self.report_file else {
            return Ok(());
        };
        file.write(&json_text(&RunReportDocument::new(run_report, summary.clone())))
    }

    fn emit_diagnostic(&self, diagnostic: DiagnosticDocument) {
        self.events.emit(RunEvent::Diagnostic(diagnostic));
    }

    // Every change of the progress is one operation, so a task that panicked left it complete.
    fn progress(&self) -> MutexGuard<'_, RunProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error_if_success(code: u8) -> u8 {
    if code == 0 {
        FailureKind::Error.exit_code()
    } else {
        code
    }
}
