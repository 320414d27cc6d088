//! `segctl ledger`: what is remembered of a workspace.

mod history;
mod lookup;
mod restore;

use super::approval::{PromptAnswer, ask};
use super::arguments::{
    LockArguments, RebuildArguments, RmArguments, StateArguments, StateCommand, UnlockArguments,
    WorkspaceArguments,
};
use super::connection::{self, Connection};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::planning::{plan_request, read_workspace};
use super::process_identity;
use super::project::Project;
use super::state_lock::{LockRequest, LockedState};
use crate::api::{CancelHandle, CancelToken, Clock, SystemClock};
use crate::config::settings::WorkspaceSettings;
use crate::model::SegmentName;
use crate::observe::Refresh;
use crate::plan;
use crate::plan::step::{ResolvedReferences, StateUpdate, exact_digest};
use crate::render::json::StateDocument;
use crate::render::text;
use crate::state::{ConfiguredStore, Lock, LockChange, State, StateEntry, StateStore};
use lookup::unknown_segment;
use std::process::ExitCode;

/// Shows, restores, forgets, rebuilds or unlocks.
///
/// # Errors
///
/// The ledger cannot be read or written, the name is unknown, or a call failed.
pub(super) async fn run(
    project: &Project,
    arguments: &StateArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    match &arguments.command {
        StateCommand::List(workspace) => list(project, workspace, output).await,
        StateCommand::History(arguments) => history::run(project, arguments, output).await,
        StateCommand::Restore(arguments) => return restore::run(project, arguments, output).await,
        StateCommand::Rm(arguments) => rm(project, arguments, output).await,
        StateCommand::Rebuild(arguments) => rebuild(project, arguments, output).await,
        StateCommand::Unlock(arguments) => unlock(project, arguments, output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn list(project: &Project, arguments: &WorkspaceArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(arguments)?;
    let ledger = connection::open_state_store(project, name, workspace)?
        .load()
        .await?;
    let document = StateDocument::new(name, &ledger);
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::state(&document));
    }
    Ok(())
}

/// Takes the lock of a ledger for a command that was given on its own.
async fn lock_state<'a>(
    store: &'a ConfiguredStore,
    (command, arguments): (&'static str, &LockArguments),
    output: Output,
) -> Result<LockedState<'a>, Failure> {
    let turn = LockRequest {
        run_id: command,
        command,
        timeout: arguments.lock_timeout,
    };
    LockedState::acquire(store, turn, output).await
}

async fn rm(project: &Project, arguments: &RmArguments, output: Output) -> Result<(), Failure> {
    let (name, workspace) = project.workspace(&arguments.workspace)?;
    let store = connection::open_state_store(project, name, workspace)?;
    let ledger = lock_state(&store, ("segctl ledger forget", &arguments.lock), output).await?;
    let ledger = ledger
        .run(
            remove_from_state(&store, &arguments.name, output),
            &CancelHandle::new().0,
        )
        .await?;
    if output.json {
        output.print_json(&StateDocument::new(name, &ledger));
    }
    Ok(())
}

/// Forgets a segment, and hands out what is remembered then.
async fn remove_from_state(store: &ConfiguredStore, segment: &str, output: Output) -> Result<State, Failure> {
    let mut ledger = store.load().await?;
    let forgotten = ledger.remove_by_name(&SegmentName::new(segment));
    let [latest, older @ ..] = forgotten.as_slice() else {
        return Err(unknown_segment(segment, &ledger));
    };
    store.save(&ledger).await?;
    output.print_status_line(&format!(
        "Forgot `{segment}` (id {}): nobody's from now on, unless a file declares it or `owns` says so.",
        latest.id
    ));
    for entry in older {
        output.print_status_line(&format!(
            "Forgot what had this name before and is gone, too: id {}.",
            entry.id
        ));
    }
    Ok(ledger)
}

/// Finds the declared and owned segments in the workspace and takes them down as they are.
async fn rebuild(project: &Project, arguments: &RebuildArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace, (output, CancelToken::never())).await?;
    let turn = ("segctl ledger rebuild", &arguments.lock);
    let done = match lock_state(&connection.session.store, turn, output).await {
        Ok(ledger) => {
            let work = rebuild_state(project, workspace, &connection);
            ledger.run(work, &CancelHandle::new().0).await
        }
        Err(failure) => Err(failure),
    };
    connection.close().await;
    let (count, ledger) = done?;
    let noun = if count == 1 { "segment" } else { "segments" };
    output.print_status(&format!(
        "The ledger knows {count} {noun} as they are now. Archived segments that the service does not list are not \
         found this way; they are when their names are taken.\n"
    ));
    if output.json {
        output.print_json(&StateDocument::new(workspace.0, &ledger));
    }
    Ok(())
}

/// Takes down what is there, and hands out of how many segments, with the ledger.
async fn rebuild_state(
    project: &Project,
    workspace: (&str, &WorkspaceSettings),
    connection: &Connection,
) -> Result<(usize, State), Failure> {
    let read = read_workspace(plan_request(project, workspace, Refresh::Full), connection).await?;
    let (records, known) = plan::rebuild_state(&read.plan_input());
    let count = records.len();
    let ledger = rebuilt_state(read.state.clone(), records, &known);
    connection.session.store.save(&ledger).await?;
    Ok((count, ledger))
}

/// What was known of names and definitions before is kept.
fn rebuilt_state(mut ledger: State, records: Vec<StateUpdate>, known: &ResolvedReferences) -> State {
    let now = SystemClock.now();
    for record in records {
        let entry = ledger.any_entry(&record.id).cloned();
        let mut entry =
            entry.unwrap_or_else(|| StateEntry::new(record.id.clone(), record.segment.clone(), now));
        entry.rename(record.segment);
        entry.lifecycle = record.lifecycle;
        entry.protect = record.protect;
        entry.history_only = false;
        entry.digest = record
            .definition
            .as_ref()
            .map(|payload| exact_digest(payload, known).to_string());
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
    let store = connection::open_state_store(project, name, workspace)?;
    let Some(lock) = store.change_lock(|_| LockChange::Keep).await? else {
        output.print_status_line(&format!("The ledger of {name} is not locked."));
        return Ok(());
    };
    output.print_status_line(&format!("The ledger of {name} is locked by {lock}."));
    output.print_status_line(&lock_status(&lock));
    if !arguments.auto_approve {
        match ask("Take the lock away?", output).await? {
            PromptAnswer::Yes => {}
            PromptAnswer::No => return Err(Failure::new(FailureKind::Error, "the lock was left as it is")),
            PromptAnswer::NoTerminal => {
                let message = "nobody is here to say whether the lock may be taken away";
                return Err(Failure::new(FailureKind::Usage, message)
                    .with_help("make sure that the run has ended, then add --auto-approve"));
            }
        }
    }
    // Not the one of somebody who took it while the question was thought over.
    let held = store.change_lock(|held| lock.release(held)).await?;
    if let Some(other) = held.filter(|held| !held.is_same_claim(&lock)) {
        let message = format!("meanwhile the ledger was locked by {other}; that lock was left as it is");
        return Err(Failure::new(FailureKind::Lock, message));
    }
    output.print_status("Unlocked.\n");
    Ok(())
}

/// What is known of whether the holder of a lock still runs.
fn lock_status(lock: &Lock) -> String {
    let now = SystemClock.now();
    let until = lock.lease_until.strftime("%H:%M:%S UTC");
    if lock
        .holder
        .process
        .as_ref()
        .is_some_and(process_identity::has_exited)
    {
        "Its process has ended: the next run takes the lock over by itself.".to_owned()
    } else if lock.is_stale(now, |_| false) {
        format!("It was not renewed since, and ran out at {until}: the next run takes it over by itself.")
    } else {
        format!(
            "It is held until {until} at least. A run that still goes on ends without it, but for a write that is just \
             being sent."
        )
    }
}
