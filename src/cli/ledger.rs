//! `segctl ledger`: what is remembered of a workspace.

use super::arguments::{LedgerArguments, LedgerCommand, PlanningArguments, WorkspaceArguments};
use super::connection::{self, Connection};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::planning::read_all;
use super::project::Project;
use crate::api::{Clock, StopSignal, SystemClock};
use crate::config::suggest::did_you_mean;
use crate::ledger::{Entry, Ledger, LedgerStore};
use crate::model::SegmentName;
use crate::observe::Refresh;
use crate::plan;
use crate::plan::step::{Known, Record, digest_of};
use crate::render::document::LedgerDocument;
use crate::render::text;
use std::process::ExitCode;

/// Shows, forgets or rebuilds.
///
/// # Errors
///
/// The ledger cannot be read or written, the name is unknown, or a call failed.
pub(super) async fn run(
    project: &Project,
    arguments: &LedgerArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    match &arguments.command {
        LedgerCommand::Show(workspace) => show(project, workspace, output).await,
        LedgerCommand::Forget(forget) => {
            self::forget(project, &forget.workspace, (&forget.name, output)).await
        }
        LedgerCommand::Rebuild(rebuild) => {
            self::rebuild(project, &rebuild.workspace, &rebuild.planning, output).await
        }
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn show(project: &Project, arguments: &WorkspaceArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(arguments)?;
    let ledger = connection::store(project, name, workspace).load().await?;
    let document = LedgerDocument::new(name, &ledger);
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::ledger(&document));
    }
    Ok(())
}

async fn forget(
    project: &Project,
    arguments: &WorkspaceArguments,
    (segment, output): (&str, Output),
) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(arguments)?;
    let store = connection::store(project, name, workspace);
    let mut ledger = store.load().await?;
    let Some(entry) = ledger.forget(&SegmentName::new(segment)) else {
        return Err(unknown(segment, &ledger));
    };
    store.save(&ledger).await?;
    output.note(&format!(
        "Forgot `{segment}` (id {}): nobody's from now on, unless a file declares it or `owns` says so.\n",
        entry.id
    ));
    Ok(())
}

fn unknown(segment: &str, ledger: &Ledger) -> Failure {
    let failure = Failure::new(Kind::Error, format!("the ledger knows no segment `{segment}`"));
    let known: Vec<&str> = ledger.entries().map(|entry| entry.name.as_str()).collect();
    match did_you_mean(segment, known) {
        Some(name) => failure.with_help(format!("did you mean `{name}`?")),
        None => failure.with_help("`segctl ledger show` lists what it knows"),
    }
}

/// Finds the declared and owned segments in the workspace and takes them down as they are.
async fn rebuild(
    project: &Project,
    arguments: &WorkspaceArguments,
    planning: &PlanningArguments,
    output: Output,
) -> Result<(), Failure> {
    let workspace = project.workspace(arguments)?;
    let connection =
        Connection::open(project, workspace.0, workspace.1, (output, StopSignal::never())).await?;
    let read = read_all(project, workspace, (planning, Refresh::Full), &connection).await;
    let done = match read {
        Ok(read) => {
            let (records, known) = plan::recognise(&read.situation());
            let count = records.len();
            let ledger = rebuilt(read.ledger.clone(), records, &known);
            let saved = connection
                .session
                .store
                .save(&ledger)
                .await
                .map_err(Failure::from);
            saved.map(|()| count)
        }
        Err(failure) => Err(failure),
    };
    connection.close().await;
    let count = done?;
    let noun = if count == 1 { "segment" } else { "segments" };
    output.note(&format!(
        "The ledger knows {count} {noun} as they are now. Archived segments that the service does not list are not \
         found this way; they are when their names are taken.\n"
    ));
    Ok(())
}

/// What was known of names and definitions before is kept.
fn rebuilt(mut ledger: Ledger, records: Vec<Record>, known: &Known) -> Ledger {
    let now = SystemClock.now();
    for record in records {
        let entry = ledger.entry(&record.id).cloned();
        let mut entry = entry.unwrap_or_else(|| Entry::new(record.id.clone(), record.segment.clone(), now));
        entry.rename(record.segment);
        entry.lifecycle = record.lifecycle;
        entry.protect = record.protect;
        entry.digest = record
            .definition
            .as_ref()
            .map(|payload| digest_of(payload, known).to_string());
        entry.definition = record.definition;
        entry.applied_at = now;
        "rebuild".clone_into(&mut entry.run);
        ledger.record(entry);
    }
    ledger
}
