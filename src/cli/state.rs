//! `segctl state`: inspects and repairs the state of a workspace.

mod history;
mod lookup;
mod restore;
mod show;

use super::approval::{PromptAnswer, ask};
use super::arguments::{
    LockArguments, RebuildArguments, RmArguments, StateArguments, StateCommand, UnlockArguments,
    WorkspaceArguments,
};
use super::connection::{self, Connection};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::planning::{plan_request, read_workspace};
use super::project::{Project, SelectedWorkspace};
use super::state_lock::{LockRequest, LockedState};
use crate::api::{CancelHandle, CancelToken, Clock, SystemClock};
use crate::model::SegmentName;
use crate::observe::Refresh;
use crate::plan;
use crate::plan::step::{ResolvedReferences, StateUpdate, exact_digest};
use crate::render::json::StateDocument;
use crate::render::text;
use crate::state::{Lock, LockChange, ProcessIdentity, State, StateEntry, StateStore};
use lookup::unknown_segment;
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &StateArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    match &arguments.command {
        StateCommand::List(workspace) => list(project, workspace, output).await,
        StateCommand::Show(arguments) => show::run(project, arguments, output).await,
        StateCommand::History(arguments) => history::run(project, arguments, output).await,
        StateCommand::Restore(arguments) => return restore::run(project, arguments, output).await,
        StateCommand::Rm(arguments) => rm(project, arguments, output).await,
        StateCommand::Rebuild(arguments) => rebuild(project, arguments, output).await,
        StateCommand::Unlock(arguments) => unlock(project, arguments, output).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn list(project: &Project, arguments: &WorkspaceArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(arguments)?;
    let store = connection::open_state_store(workspace)?;
    let document = StateDocument::new(workspace.name, &store.load().await?);
    if output.json {
        output.print_json(&document);
    } else {
        output.print_result(&text::state(&document));
    }
    Ok(())
}

async fn lock_state<'a>(
    store: &'a StateStore,
    command: &'static str,
    arguments: &LockArguments,
    output: Output,
) -> Result<LockedState<'a>, Failure> {
    let request = LockRequest {
        run_id: command,
        command,
        timeout: arguments.lock_timeout,
    };
    LockedState::acquire(store, request, output).await
}

async fn rm(project: &Project, arguments: &RmArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let store = connection::open_state_store(workspace)?;
    let locked = lock_state(&store, "segctl state rm", &arguments.lock, output).await?;
    let work = remove_from_state(&store, &arguments.name, output);
    let state = locked.run(work, &CancelHandle::new().0).await?;
    if output.json {
        output.print_json(&StateDocument::new(workspace.name, &state));
    }
    Ok(())
}

async fn remove_from_state(store: &StateStore, segment: &str, output: Output) -> Result<State, Failure> {
    let mut state = store.load().await?;
    let removed = state.remove_by_name(&SegmentName::new(segment));
    let [latest, older @ ..] = removed.as_slice() else {
        return Err(unknown_segment(segment, &state));
    };
    store.save(&state).await?;
    output.print_status_line(&format!(
        "Removed `{segment}` (id {}) from the state. segctl no longer manages it, unless a file declares it or `manages` \
         matches it.",
        latest.id
    ));
    for entry in older {
        output.print_status_line(&format!(
            "Removed an older segment with this name from the state, too: id {}.",
            entry.id
        ));
    }
    Ok(state)
}

async fn rebuild(project: &Project, arguments: &RebuildArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(workspace, output, CancelToken::never()).await?;
    let store = &connection.reconciler.store;
    let result = match lock_state(store, "segctl state rebuild", &arguments.lock, output).await {
        Ok(locked) => {
            let work = rebuild_state(workspace, &connection);
            locked.run(work, &CancelHandle::new().0).await
        }
        Err(failure) => Err(failure),
    };
    connection.close().await;
    let (count, state) = result?;
    let noun = if count == 1 { "segment" } else { "segments" };
    output.print_status(&format!(
        "State rebuilt: {count} {noun}. Archived segments that MoEngage does not list could not be recovered; segctl finds \
         them when a step needs their name.\n"
    ));
    if output.json {
        output.print_json(&StateDocument::new(workspace.name, &state));
    }
    Ok(())
}

/// Returns the number of segments that were found, and the new state.
async fn rebuild_state(
    workspace: SelectedWorkspace<'_>,
    connection: &Connection,
) -> Result<(usize, State), Failure> {
    let read = read_workspace(plan_request(workspace, Refresh::Full), connection).await?;
    let on_note = &connection.reconciler.on_note;
    for row in &read.observed.unreadable_rows {
        let (position, reason) = (row.position, &row.reason);
        on_note(format!(
            "row {position} of the segment list cannot be read ({reason}); if it is a managed segment, the state lacks it"
        ));
    }
    for (id, reason) in &read.observed.unreadable {
        on_note(format!(
            "the segment with id {id} cannot be read ({reason}); its state entry is unchanged"
        ));
    }
    let (updates, references) = plan::rebuild_state(&read.plan_input());
    let count = updates.len();
    let state = rebuilt_state(read.state.clone(), updates, &references);
    connection.reconciler.store.save(&state).await?;
    Ok((count, state))
}

/// Keeps the previous names and revisions of existing entries.
fn rebuilt_state(mut state: State, updates: Vec<StateUpdate>, references: &ResolvedReferences) -> State {
    let now = SystemClock.now();
    for update in updates {
        let existing = state.any_entry(&update.id).cloned();
        let mut entry =
            existing.unwrap_or_else(|| StateEntry::new(update.id.clone(), update.segment.clone(), now));
        entry.rename(update.segment);
        entry.lifecycle = update.lifecycle;
        entry.protect = update.protect;
        entry.used_previous_names = update.previous_names;
        entry.history_only = false;
        match update.definition {
            Some(definition) => {
                let digest = exact_digest(&definition, references).to_string();
                entry.set_definition(definition, digest);
            }
            None => (entry.digest, entry.definition) = (None, None),
        }
        entry.applied_at = now;
        "rebuild".clone_into(&mut entry.run);
        state.record(entry);
    }
    state
}

/// Prints the holder of the lock, asks for approval, and removes the lock.
async fn unlock(project: &Project, arguments: &UnlockArguments, output: Output) -> Result<(), Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let store = connection::open_state_store(workspace)?;
    let name = workspace.name;
    let Some(lock) = store.change_lock(|_| LockChange::Keep).await? else {
        output.print_status_line(&format!("The state of {name} is not locked."));
        return Ok(());
    };
    output.print_status_line(&format!("The state of {name} is locked by {lock}."));
    output.print_status_line(&lock_status(&lock));
    if !arguments.auto_approve {
        match ask("Force-unlock the state?", output).await? {
            PromptAnswer::Yes => {}
            PromptAnswer::No => return Err(Failure::new(FailureKind::Error, "lock not removed")),
            PromptAnswer::NoTerminal => {
                let message =
                    "approval required, but standard input is not a terminal; the lock was not removed";
                return Err(Failure::new(FailureKind::Usage, message)
                    .with_help("make sure that the run has ended, then add --auto-approve"));
            }
        }
    }
    // During the prompt, another process may have acquired the lock. That lock stays.
    let held = store.change_lock(|held| lock.release(held)).await?;
    if let Some(other) = held.filter(|held| !held.is_same_claim(&lock)) {
        let message = format!("the state is now locked by {other}; that lock was not removed");
        return Err(Failure::new(FailureKind::Lock, message).with_help("wait until that run has ended"));
    }
    output.print_status("Unlocked.\n");
    Ok(())
}

fn lock_status(lock: &Lock) -> String {
    let until = lock.lease_until.strftime("%H:%M:%S UTC");
    let process = lock.holder.process.as_ref();
    if process.is_some_and(ProcessIdentity::has_exited) {
        "Its process has exited. The next run replaces the lock automatically.".to_owned()
    } else if lock.is_stale(SystemClock.now(), |_| false) {
        format!("The lock expired at {until}. The next run replaces it automatically.")
    } else {
        format!(
            "The lock expires at {until}. If that run is still active, it will stop after its current request."
        )
    }
}
