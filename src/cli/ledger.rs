//! `segctl ledger`: what is remembered of a workspace.

mod find;
mod history;
mod restore;

use super::approval::{Answer, ask};
use super::arguments::{
    ForgetArguments, LedgerArguments, LedgerCommand, LockArguments, RebuildArguments, UnlockArguments,
    WorkspaceArguments,
};
use super::connection::{self, Connection};
use super::exclusive::{LockedLedger, Turn};
use super::failure::{Failure, Kind};
use super::holder;
use super::output::Output;
use super::planning::{aim, read_all};
use super::project::Project;
use crate::api::{Clock, StopSignal, Stopper, SystemClock};
use crate::config::workspace::Workspace;
use crate::ledger::{Change, ConfiguredStore, Entry, Ledger, LedgerStore, Lock};
use crate::model::SegmentName;
use crate::observe::Refresh;
use crate::plan;
use crate::plan::step::{Known, Record, digest_of};
use crate::render::document::LedgerDocument;
use crate::render::text;
use find::unknown;
use std::process::ExitCode;

/// Shows, restores, forgets, rebuilds or unlocks.
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
        LedgerCommand::History(arguments) => history::run(project, arguments, output).await,
        LedgerCommand::Restore(arguments) => return restore::run(project, arguments, output).await,
        LedgerCommand::Forget(arguments) => forget(project, arguments, output).await,
        LedgerCommand::Rebuild(arguments) => rebuild(project, arguments, output).await,
        LedgerCommand::Unlock(arguments) => unlock(project, arguments, output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn show(project: &Project, arguments: &WorkspaceArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(arguments)?;
    let ledger = connection::store(project, name, workspace)?.load().await?;
    let document = LedgerDocument::new(name, &ledger);
    if output.json {
        output.document(&document);
    } else {
        output.result(&text::ledger(&document));
    }
    Ok(())
}

/// Takes the lock of a ledger for a command that was given on its own.
async fn locked<'a>(
    store: &'a ConfiguredStore,
    (command, arguments): (&'static str, &LockArguments),
    output: Output,
) -> Result<LockedLedger<'a>, Failure> {
    let turn = Turn {
        run: command,
        command,
        timeout: arguments.lock_timeout,
    };
    LockedLedger::take(store, turn, output).await
}

async fn forget(project: &Project, arguments: &ForgetArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(&arguments.workspace)?;
    let store = connection::store(project, name, workspace)?;
    let ledger = locked(&store, ("segctl ledger forget", &arguments.lock), output).await?;
    let ledger = ledger
        .run(forget_named(&store, &arguments.name, output), &Stopper::new().0)
        .await?;
    if output.json {
        output.document(&LedgerDocument::new(name, &ledger));
    }
    Ok(())
}

/// Forgets a segment, and hands out what is remembered then.
async fn forget_named(store: &ConfiguredStore, segment: &str, output: Output) -> Result<Ledger, Failure> {
    let mut ledger = store.load().await?;
    let forgotten = ledger.forget(&SegmentName::new(segment));
    let [latest, older @ ..] = forgotten.as_slice() else {
        return Err(unknown(segment, &ledger));
    };
    store.save(&ledger).await?;
    output.line(&format!(
        "Forgot `{segment}` (id {}): nobody's from now on, unless a file declares it or `owns` says so.",
        latest.id
    ));
    for entry in older {
        output.line(&format!(
            "Forgot what had this name before and is gone, too: id {}.",
            entry.id
        ));
    }
    Ok(ledger)
}

/// Finds the declared and owned segments in the workspace and takes them down as they are.
async fn rebuild(project: &Project, arguments: &RebuildArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace, (output, StopSignal::never())).await?;
    let turn = ("segctl ledger rebuild", &arguments.lock);
    let done = match locked(&connection.session.store, turn, output).await {
        Ok(ledger) => {
            let work = find_again(project, workspace, &connection);
            ledger.run(work, &Stopper::new().0).await
        }
        Err(failure) => Err(failure),
    };
    connection.close().await;
    let (count, ledger) = done?;
    let noun = if count == 1 { "segment" } else { "segments" };
    output.note(&format!(
        "The ledger knows {count} {noun} as they are now. Archived segments that the service does not list are not \
         found this way; they are when their names are taken.\n"
    ));
    if output.json {
        output.document(&LedgerDocument::new(workspace.0, &ledger));
    }
    Ok(())
}

/// Takes down what is there, and hands out of how many segments, with the ledger.
async fn find_again(
    project: &Project,
    workspace: (&str, &Workspace),
    connection: &Connection,
) -> Result<(usize, Ledger), Failure> {
    let read = read_all(aim(project, workspace, Refresh::Full), connection).await?;
    let (records, known) = plan::recognise(&read.situation());
    let count = records.len();
    let ledger = rebuilt(read.ledger.clone(), records, &known);
    connection.session.store.save(&ledger).await?;
    Ok((count, ledger))
}

/// What was known of names and definitions before is kept.
fn rebuilt(mut ledger: Ledger, records: Vec<Record>, known: &Known) -> Ledger {
    let now = SystemClock.now();
    for record in records {
        let entry = ledger.kept(&record.id).cloned();
        let mut entry = entry.unwrap_or_else(|| Entry::new(record.id.clone(), record.segment.clone(), now));
        entry.rename(record.segment);
        entry.lifecycle = record.lifecycle;
        entry.protect = record.protect;
        entry.only_kept = false;
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

/// Takes a lock away, once it was said whose it is.
async fn unlock(project: &Project, arguments: &UnlockArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(&arguments.workspace)?;
    let store = connection::store(project, name, workspace)?;
    let Some(lock) = store.change_lock(|_| Change::Keep).await? else {
        output.line(&format!("The ledger of {name} is not locked."));
        return Ok(());
    };
    output.line(&format!("The ledger of {name} is locked by {lock}."));
    output.line(&standing(&lock));
    if !arguments.auto_approve {
        match ask("Take the lock away?", output).await? {
            Answer::Yes => {}
            Answer::No => return Err(Failure::new(Kind::Error, "the lock was left as it is")),
            Answer::Nobody => {
                let message = "nobody is here to say whether the lock may be taken away";
                return Err(Failure::new(Kind::Usage, message)
                    .with_help("make sure that the run has ended, then add --auto-approve"));
            }
        }
    }
    // Not the one of somebody who took it while the question was thought over.
    let held = store.change_lock(|held| lock.give_back(held)).await?;
    if let Some(other) = held.filter(|held| !held.is_claim_of(&lock)) {
        let message = format!("meanwhile the ledger was locked by {other}; that lock was left as it is");
        return Err(Failure::new(Kind::Lock, message));
    }
    output.note("Unlocked.\n");
    Ok(())
}

/// What is known of whether the holder of a lock still runs.
fn standing(lock: &Lock) -> String {
    let now = SystemClock.now();
    let until = lock.lease_until.strftime("%H:%M:%S UTC");
    if lock.holder.process.as_ref().is_some_and(holder::is_gone) {
        "Its process has ended: the next run takes the lock over by itself.".to_owned()
    } else if lock.is_abandoned(now, |_| false) {
        format!("It was not renewed since, and ran out at {until}: the next run takes it over by itself.")
    } else {
        format!(
            "It is held until {until} at least. A run that still goes on ends without it, but for a write that is just \
             being sent."
        )
    }
}
