//! What an apply tells: text for people, events and a receipt for programs. Knows at each moment what came of every step,
//! so that a run that is left in the middle has a true receipt, too.

use super::arguments::ApplyArguments;
use super::events::Events;
use super::failure::{Failure, Kind};
use super::output::Output;
use super::whole_file::WholeFile;
use crate::api::{Clock, SystemClock};
use crate::apply::Event;
use crate::apply::receipt::{Entry, Outcome, Receipt};
use crate::diagnostic::Diagnostic;
use crate::plan::step::Plan;
use crate::render::document::{
    DiagnosticDocument, EndDocument, FindingKind, OutcomeDocument, PlanDocument, ReceiptDocument, RunEvent,
    TallyDocument,
};
use crate::render::text;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{self, ExitCode};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A run's report, from its beginning to its exit code.
pub(super) struct Report {
    /// Where text goes.
    pub(super) output: Output,
    /// What the ledger calls this run: when it was, and which process.
    pub(super) run: String,
    began_at: Timestamp,
    events: Events,
    receipt: Option<WholeFile>,
    known: Mutex<Known>,
}

/// What is known of the run so far.
#[derive(Default)]
struct Known {
    workspace: Option<String>,
    /// What came of each step, by its number.
    entries: BTreeMap<usize, Entry>,
    /// Steps that began and did not end.
    under_way: BTreeSet<usize>,
    /// Steps whose outcome was told.
    told: BTreeSet<usize>,
    /// Why the run ended before its last step.
    stopped: Vec<String>,
}

impl Report {
    /// The report of a run of which nothing is known but how it ended.
    pub(super) fn bare(output: Output) -> Self {
        Self::telling(Events::new(output), (output, None))
    }

    fn telling(events: Events, (output, receipt): (Output, Option<WholeFile>)) -> Self {
        let began_at = SystemClock.now();
        let run = format!("{}-{}", began_at.strftime("%Y%m%dT%H%M%SZ"), process::id());
        let report = Self {
            output,
            run,
            began_at,
            events,
            receipt,
            known: Mutex::default(),
        };
        report.events.tell(RunEvent::version(&report.run));
        report
    }

    /// Begins; there is a report even where not everything that it is asked for can be written.
    pub(super) fn begin(arguments: &ApplyArguments, output: Output) -> (Self, Result<(), Failure>) {
        let mut events = Events::new(output);
        let into = arguments.json_into.as_ref();
        let opened = into.map_or(Ok(()), |path| events.also_into(path));
        let receipt = arguments.receipt_into.as_ref();
        let receipt = receipt.map(|path| WholeFile::at(path)).transpose();
        let (receipt, found) = match receipt {
            Ok(receipt) => (receipt, Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        let report = Self::telling(events, (output, receipt));
        (report, opened.and(found))
    }

    /// Tells of what is wrong with the files, for programs; people were told before.
    pub(super) fn files(&self, found: &[Diagnostic]) {
        for diagnostic in found {
            self.tell(DiagnosticDocument::of_files(diagnostic));
        }
    }

    /// Tells of the plan; its steps are what the receipt is about from here on.
    pub(super) fn plan(&self, plan: &Plan, document: &PlanDocument) {
        let steps = plan.steps.iter().map(|step| {
            let entry = Entry {
                number: step.number,
                segment: step.segment.clone(),
                action: step.action.as_str(),
                outcome: Outcome::NotAttempted,
            };
            (step.number, entry)
        });
        self.known().entries = steps.collect();
        for step in &document.steps {
            self.events.tell(RunEvent::PlannedChange(step));
        }
        let findings = [
            (&document.refusals, FindingKind::Guard),
            (&document.conflicts, FindingKind::Conflict),
            (&document.warnings, FindingKind::Warning),
        ];
        for (findings, kind) in findings {
            for finding in findings {
                self.tell(DiagnosticDocument::of_finding(finding, kind));
            }
        }
    }

    /// Takes down which workspace the run is on.
    pub(super) fn workspace(&self, name: &str) {
        self.known().workspace = Some(name.to_owned());
    }

    /// Tells of a step that begins or ends.
    pub(super) fn step(&self, event: Event<'_>) {
        match event {
            Event::Started(step) => {
                self.known().under_way.insert(step.number);
                self.events.tell(RunEvent::started(step));
            }
            Event::Finished(entry) => {
                let mut known = self.known();
                known.under_way.remove(&entry.number);
                known.entries.insert(entry.number, entry.clone());
                known.told.insert(entry.number);
                drop(known);
                self.outcome(entry);
            }
        }
    }

    fn outcome(&self, entry: &Entry) {
        if !self.output.json {
            let outcome = OutcomeDocument::new(entry);
            self.output.result(&text::outcome(&outcome, self.output.colour()));
        }
        self.events.tell(RunEvent::finished(entry));
    }

    /// Tells what came of steps that a run which was left in the middle could not tell of. Where none began, that nothing
    /// was attempted says it of all of them.
    fn rest(&self, receipt: &Receipt) {
        let known = self.known();
        let told = known.told.clone();
        let has_begun = !known.under_way.is_empty() || !told.is_empty();
        drop(known);
        let untold = receipt
            .entries
            .iter()
            .filter(|entry| !told.contains(&entry.number));
        untold.filter(|_| has_begun).for_each(|entry| self.outcome(entry));
    }

    /// Takes down what keeps steps from being run; the findings that say more of it were told with the plan.
    pub(super) fn forbidden(&self, message: &str) {
        self.known().stopped = vec![message.to_owned()];
    }

    /// Tells what ended the run before its last step.
    pub(super) fn stopped(&self, kind: Kind, why: Vec<String>) {
        if let [message, causes @ ..] = why.as_slice() {
            self.tell(DiagnosticDocument::of_run(kind.as_str(), message, (causes, &[])));
        }
        self.known().stopped = why;
    }

    /// Ends: tells of a failure, writes the receipt, and says last how it ended. The exit code is that of the run, unless
    /// it would be success and something that was asked for could not be written.
    pub(super) fn end(self, done: Result<Option<Kind>, Failure>) -> ExitCode {
        let kind = done.unwrap_or_else(|failure| {
            self.failed(&failure);
            let mut known = self.known();
            if known.stopped.is_empty() {
                known.stopped = failure.in_lines();
            }
            Some(failure.kind)
        });
        let mut code = kind.map_or(0, Kind::code);
        let receipt = self.receipt();
        self.rest(&receipt);
        let mut end = self.ended(&receipt, code);
        if !self.output.json {
            self.output.result(&text::receipt(&end));
        }
        if self.output.is_lost() || self.events.is_cut() {
            code = or_error(code);
            end.exit_code = code;
        }
        if let Err(failure) = self.write_receipt(&receipt, &end) {
            self.failed(&failure);
            code = or_error(code);
        }
        if self.events.is_cut() {
            code = or_error(code);
        }
        end.exit_code = code;
        self.events.tell(RunEvent::ChangeSummary(&end));
        code.into()
    }

    /// Tells of a failure.
    fn failed(&self, failure: &Failure) {
        self.files(&failure.diagnostics);
        let notes = [&*failure.differences, failure.causes.as_slice()].concat();
        let why = (notes.as_slice(), failure.help.as_slice());
        self.tell(DiagnosticDocument::of_run(
            failure.kind.as_str(),
            &failure.message,
            why,
        ));
        if !self.output.json {
            self.output.failure(failure);
        }
    }

    /// What came of each step, as far as it is known.
    fn receipt(&self) -> Receipt {
        let known = self.known();
        let entries = known.entries.values().cloned().map(|mut entry| {
            if known.under_way.contains(&entry.number) {
                let message = "the run was left while this step was under way; the next run finds out what became of it";
                entry.outcome = Outcome::Unknown {
                    message: message.to_owned(),
                };
            }
            entry
        });
        Receipt {
            entries: entries.collect(),
        }
    }

    fn ended(&self, receipt: &Receipt, exit_code: u8) -> EndDocument {
        let known = self.known();
        EndDocument {
            workspace: known.workspace.clone(),
            run: self.run.clone(),
            started_at: self.began_at,
            ended_at: SystemClock.now(),
            exit_code,
            tally: TallyDocument::new(receipt),
            stopped: known.stopped.clone(),
        }
    }

    fn write_receipt(&self, receipt: &Receipt, end: &EndDocument) -> Result<(), Failure> {
        let Some(file) = &self.receipt else {
            return Ok(());
        };
        let document = ReceiptDocument::new(receipt, end.clone());
        // Documents are plain structures of text and numbers, which always serialise.
        file.write(&(serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"))
    }

    fn tell(&self, diagnostic: DiagnosticDocument) {
        self.events.tell(RunEvent::Diagnostic(diagnostic));
    }

    // Every change of what is known is a single step, so that what a panicking task left is whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code of a run that did what it should, and could not say so.
fn or_error(code: u8) -> u8 {
    if code == 0 { Kind::Error.code() } else { code }
}
