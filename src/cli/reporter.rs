//! What an apply tells: text for people, events and a receipt for programs. Knows at each moment what came of every step,
//! so that a run that is left in the middle has a true receipt, too.

use super::arguments::ApplyArguments;
use super::atomic_file::AtomicFile;
use super::events::EventStream;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use crate::api::{Clock, SystemClock};
use crate::apply::StepEvent;
use crate::apply::run_report::{RunReport, StepOutcome, StepReport};
use crate::diagnostic::Diagnostic;
use crate::plan::step::Plan;
use crate::render::json::{
    DiagnosticDocument, FindingKind, OutcomeCountsDocument, OutcomeDocument, PlanDocument, RunEvent,
    RunReportDocument, RunSummaryDocument,
};
use crate::render::text;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A run's report, from its beginning to its exit code.
pub(super) struct RunReporter {
    /// Where text goes.
    pub(super) output: Output,
    /// What the ledger calls this run: when it was, and which process.
    pub(super) run_id: String,
    started_at: Timestamp,
    events: EventStream,
    report_file: Option<AtomicFile>,
    progress: Mutex<RunProgress>,
}

/// What is known of the run so far.
#[derive(Default)]
struct RunProgress {
    workspace: Option<String>,
    /// What came of each step, by its number.
    entries: BTreeMap<usize, StepReport>,
    /// Steps that began and did not end.
    in_progress: BTreeSet<usize>,
    /// Steps whose outcome was told.
    reported: BTreeSet<usize>,
    /// Why the run ended before its last step.
    stop_reasons: Vec<String>,
}

impl RunReporter {
    /// The report of a run of which nothing is known but how it ended.
    pub(super) fn without_files(output: Output) -> Self {
        Self::start(EventStream::new(output), (output, None))
    }

    fn start(events: EventStream, (output, receipt): (Output, Option<AtomicFile>)) -> Self {
        let began_at = SystemClock.now();
        let run = format!("{}-{}", began_at.strftime("%Y%m%dT%H%M%SZ"), process::id());
        let report = Self {
            output,
            run_id: run,
            started_at: began_at,
            events,
            report_file: receipt,
            progress: Mutex::default(),
        };
        report.events.emit(RunEvent::version(&report.run_id));
        report
    }

    /// Begins; there is a report even where not everything that it is asked for can be written.
    pub(super) fn begin(arguments: &ApplyArguments, output: Output) -> (Self, Result<(), Failure>) {
        let mut events = EventStream::new(output);
        let into = arguments.json_file.as_ref();
        let opened = into.map_or(Ok(()), |path| events.add_file(path));
        let receipt = arguments.report_file.as_ref();
        let receipt = receipt.map(|path| AtomicFile::prepare(path)).transpose();
        let (receipt, found) = match receipt {
            Ok(receipt) => (receipt, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        let report = Self::start(events, (output, receipt));
        (report, opened.and(found))
    }

    /// Tells of what is wrong with the files, for programs; people were told before.
    pub(super) fn report_file_diagnostics(&self, found: &[Diagnostic]) {
        for diagnostic in found {
            self.emit_diagnostic(DiagnosticDocument::of_files(diagnostic));
        }
    }

    /// Tells of the plan; its steps are what the receipt is about from here on.
    pub(super) fn report_plan(&self, plan: &Plan, document: &PlanDocument) {
        let steps = plan.steps.iter().map(|step| {
            let entry = StepReport {
                number: step.number,
                segment: step.segment.clone(),
                action: step.action.as_str(),
                outcome: StepOutcome::NotAttempted,
            };
            (step.number, entry)
        });
        self.progress().entries = steps.collect();
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

    /// Takes down which workspace the run is on.
    pub(super) fn set_workspace(&self, name: &str) {
        self.progress().workspace = Some(name.to_owned());
    }

    /// Tells of a step that begins or ends.
    pub(super) fn report_step(&self, event: StepEvent<'_>) {
        match event {
            StepEvent::Started(step) => {
                self.progress().in_progress.insert(step.number);
                self.events.emit(RunEvent::started(step));
            }
            StepEvent::Finished(entry) => {
                let mut known = self.progress();
                known.in_progress.remove(&entry.number);
                known.entries.insert(entry.number, entry.clone());
                known.reported.insert(entry.number);
                drop(known);
                self.report_outcome(entry);
            }
        }
    }

    fn report_outcome(&self, entry: &StepReport) {
        if !self.output.json {
            let outcome = OutcomeDocument::new(entry);
            self.output
                .print_result(&text::outcome(&outcome, self.output.colour()));
        }
        self.events.emit(RunEvent::finished(entry));
    }

    /// Tells what came of steps that a run which was left in the middle could not tell of. Where none began, that nothing
    /// was attempted says it of all of them.
    fn report_remaining(&self, receipt: &RunReport) {
        let known = self.progress();
        let told = known.reported.clone();
        let has_begun = !known.in_progress.is_empty() || !told.is_empty();
        drop(known);
        let untold = receipt.steps.iter().filter(|entry| !told.contains(&entry.number));
        untold
            .filter(|_| has_begun)
            .for_each(|entry| self.report_outcome(entry));
    }

    /// Takes down what keeps steps from being run; the findings that say more of it were told with the plan.
    pub(super) fn record_blocked(&self, message: &str) {
        self.progress().stop_reasons = vec![message.to_owned()];
    }

    /// Tells what ended the run before its last step.
    pub(super) fn report_stop(&self, kind: FailureKind, why: Vec<String>) {
        if let [message, causes @ ..] = why.as_slice() {
            self.emit_diagnostic(DiagnosticDocument::of_run(kind.as_str(), message, (causes, &[])));
        }
        self.progress().stop_reasons = why;
    }

    /// Ends: tells of a failure, writes the receipt, and says last how it ended. The exit code is that of the run, unless
    /// it would be success and something that was asked for could not be written.
    pub(super) fn finish(self, done: Result<Option<FailureKind>, Failure>) -> ExitCode {
        let kind = done.unwrap_or_else(|failure| {
            self.report_failure(&failure);
            let mut known = self.progress();
            if known.stop_reasons.is_empty() {
                known.stop_reasons = failure.to_lines();
            }
            Some(failure.kind)
        });
        let mut code = kind.map_or(0, FailureKind::exit_code);
        let receipt = self.build_report();
        self.report_remaining(&receipt);
        let mut end = self.run_summary(&receipt, code);
        if !self.output.json {
            self.output.print_result(&text::run_summary(&end));
        }
        if self.output.stdout_failed() || self.events.is_incomplete() {
            code = error_if_success(code);
            end.exit_code = code;
        }
        if let Err(failure) = self.write_report(&receipt, &end) {
            self.report_failure(&failure);
            code = error_if_success(code);
        }
        if self.events.is_incomplete() {
            code = error_if_success(code);
        }
        end.exit_code = code;
        self.events.emit(RunEvent::ChangeSummary(&end));
        code.into()
    }

    /// Tells of a failure.
    fn report_failure(&self, failure: &Failure) {
        self.report_file_diagnostics(&failure.diagnostics);
        let notes = [&*failure.differences, failure.causes.as_slice()].concat();
        let why = (notes.as_slice(), failure.help.as_slice());
        self.emit_diagnostic(DiagnosticDocument::of_run(
            failure.kind.as_str(),
            &failure.message,
            why,
        ));
        if !self.output.json {
            self.output.print_failure(failure);
        }
    }

    /// What came of each step, as far as it is known.
    fn build_report(&self) -> RunReport {
        let known = self.progress();
        let entries = known.entries.values().cloned().map(|mut entry| {
            if known.in_progress.contains(&entry.number) {
                let message = "the run was left while this step was under way; the next run finds out what became of it";
                entry.outcome = StepOutcome::Unknown {
                    message: message.to_owned(),
                };
            }
            entry
        });
        RunReport {
            steps: entries.collect(),
        }
    }

    fn run_summary(&self, receipt: &RunReport, exit_code: u8) -> RunSummaryDocument {
        let known = self.progress();
        RunSummaryDocument {
            workspace: known.workspace.clone(),
            run: self.run_id.clone(),
            started_at: self.started_at,
            ended_at: SystemClock.now(),
            exit_code,
            counts: OutcomeCountsDocument::new(receipt),
            stop_reasons: known.stop_reasons.clone(),
        }
    }

    fn write_report(&self, receipt: &RunReport, end: &RunSummaryDocument) -> Result<(), Failure> {
        let Some(file) = &self.report_file else {
            return Ok(());
        };
        let document = RunReportDocument::new(receipt, end.clone());
        // Documents are plain structures of text and numbers, which always serialise.
        file.write(&(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"))
    }

    fn emit_diagnostic(&self, diagnostic: DiagnosticDocument) {
        self.events.emit(RunEvent::Diagnostic(diagnostic));
    }

    // Every change of what is known is a single step, so that what a panicking task left is whole.
    fn progress(&self) -> MutexGuard<'_, RunProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code of a run that did what it should, and could not say so.
fn error_if_success(code: u8) -> u8 {
    if code == 0 {
        FailureKind::Error.exit_code()
    } else {
        code
    }
}
