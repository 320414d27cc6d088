//! The invariants after each run and after the recovery.

use super::declared_list::DeclaredList;
use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::ProcessLifetime;
use super::ground_truth::{ActualSegment, Author, Meaning, SegmentChange};
use super::list_checks;
use super::recorder::Recorder;
use super::run::RunExit;
use super::run_checker::RunChecker;
use super::user_model::{DeclaredFiles, DeclaredItem};
use super::workspace::SimulatedWorkspace;
use futures_util::FutureExt;
use segctl::apply::RunStatus;
use segctl::model::{Payload, SegmentId, SegmentKind};
use segctl::state::{State, StateStore};
use segctl::storage::DirectoryStorage;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// The state keeps at least so many replaced definitions of a segment: 20 less temporary ones.
const RETAINED_REVISIONS: usize = 12;

/// The longest time between a read and the arrival of the write that relies on it, in milliseconds.
const MAX_READ_AGE: i64 = 62_000;

pub(crate) fn require_no_key_in_files(disk: &MachineDisk, recorder: &Recorder) {
    for (path, bytes) in disk.files() {
        recorder.require_key_hidden(&path.display().to_string(), &String::from_utf8_lossy(bytes));
    }
}

/// The state matches the changes, and contains the replaced definitions.
pub(crate) fn require_state_correct(workspace: &SimulatedWorkspace, disk: &Arc<Mutex<MachineDisk>>) {
    // Reading the state is expensive.
    if workspace
        .ground_truth
        .changes
        .iter()
        .any(|change| matches!(change.author, Author::Run(_) | Author::LateRequest(_)))
        && let Some(state) = load_state(disk, &workspace.recorder)
    {
        require_no_definition_lost(workspace, &state);
        require_recorded_definitions_existed(workspace, &state);
        list_checks::require_lists_correct(workspace, disk, &state);
        workspace
            .published_files
            .require_recorded(&state, &workspace.recorder);
    }
}

/// Each definition that a run replaced is in the state's history or in the workspace.
fn require_no_definition_lost(workspace: &SimulatedWorkspace, state: &State) {
    let ground_truth = &workspace.ground_truth;
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for (index, change) in ground_truth.changes.iter().enumerate().rev() {
        let Author::Run(run) = change.author else { continue };
        let Some(before) = change
            .before
            .as_ref()
            .filter(|before| before.meaning != change.after.meaning)
        else {
            continue;
        };
        let count = seen.entry(&change.id).or_default();
        *count += 1;
        if *count > RETAINED_REVISIONS || is_own_or_recent(workspace, (index, change), run) {
            continue;
        }
        let is_in_workspace = ground_truth
            .segments
            .values()
            .any(|segment| segment.meaning == before.meaning);
        // The run restored it. What replaced it after that is another change.
        let is_restored = ground_truth.changes.iter().skip(index).any(|later| {
            later.author == change.author && later.id == change.id && later.after.meaning == before.meaning
        });
        workspace.recorder.require(
            is_in_workspace || is_restored || recorded_meanings(state, &change.id).contains(&before.meaning),
            "no definition is lost",
            || {
                format!(
                    "{} of {} was overwritten by run {run}",
                    before.meaning.text, change.id
                )
            },
        );
    }
}

/// Each definition that the state records as applied was in the workspace once.
fn require_recorded_definitions_existed(workspace: &SimulatedWorkspace, state: &State) {
    for entry in state.managed_entries() {
        let Some(applied) = entry.definition.as_deref().map(meaning_of_payload) else {
            continue;
        };
        let mut changes = workspace.ground_truth.changes.iter();
        let existed = changes
            .any(|change| change.id == entry.id.as_str() && change.after.meaning.has_same_members(&applied));
        workspace
            .recorder
            .require(existed, "the state records what was applied", || {
                format!("`{}` ({}) never was {}", entry.name, entry.id, applied.text)
            });
    }
}

/// The exit of a run shows whether all steps are done, and whether nothing changed.
pub(crate) fn require_exit_status_correct(workspace: &SimulatedWorkspace, run: usize, exit: &RunExit) {
    let is_changed = workspace.ground_truth.is_still_changed_by(run);
    let is_all_done = || {
        workspace
            .run_checkers
            .get(&run)
            .is_some_and(RunChecker::all_steps_done)
    };
    let is_true = match exit {
        RunExit::Failed
        | RunExit::Planned(_)
        | RunExit::Stale
        | RunExit::Blocked(_)
        | RunExit::Applied {
            status: RunStatus::CredentialsRejected | RunStatus::StateWriteFailed,
            ..
        } => !is_changed,
        RunExit::Applied { status, .. } => match status {
            RunStatus::Complete => is_all_done(),
            RunStatus::Cancelled { has_written: false } => !is_changed && !is_all_done(),
            _ => !is_all_done(),
        },
    };
    workspace
        .recorder
        .require(is_true, "the exit code is correct", || {
            format!("run {run} ended with {exit:?}; it changed something: {is_changed}")
        });
}

/// Whether the replaced definition was the run's own temporary change, or too recent for the run to have read it.
fn is_own_or_recent(
    workspace: &SimulatedWorkspace,
    (index, change): (usize, &SegmentChange),
    run: usize,
) -> bool {
    let earlier = workspace.ground_truth.changes.get(..index).unwrap_or_default();
    let previous = earlier.iter().rposition(|other| other.id == change.id);
    let Some(previous) = previous else { return false };
    let SegmentChange {
        author,
        changed_at: at,
        ..
    } = &earlier[previous];
    let is_unseen = previous >= change.changes_at_read && change.changed_at - at <= MAX_READ_AGE;
    *author == Author::Run(run) || matches!(author, Author::LateRequest(_)) || is_unseen
}

fn recorded_meanings(state: &State, id: &str) -> BTreeSet<Meaning> {
    let entry = state.any_entry(&SegmentId::new(id));
    let replaced = entry
        .into_iter()
        .flat_map(|entry| entry.revisions.iter().map(|replaced| &replaced.definition));
    let applied = entry.and_then(|entry| entry.definition.as_ref());
    replaced
        .chain(applied)
        .map(|definition| meaning_of_payload(definition))
        .collect()
}

fn meaning_of_payload(payload: &Payload) -> Meaning {
    let excluded = payload.excluded_filters.as_ref().unwrap_or(&Value::Null);
    Meaning::from_filters(&payload.included_filters, excluded)
}

/// Loads the state from the disk.
pub(crate) fn load_state(disk: &Arc<Mutex<MachineDisk>>, recorder: &Recorder) -> Option<State> {
    let disk = SimulatedFileSystem {
        disk: Arc::clone(disk),
        lifetime: ProcessLifetime::crashing_at(None),
        recorder: recorder.clone(),
        actor: "check".to_owned(),
    };
    let store = StateStore::new(DirectoryStorage::with_filesystem(disk, "state"));
    let loaded = store.load().now_or_never().unwrap();
    loaded
        .inspect_err(|error| recorder.report_violation("no file is corrupt", || error.to_string()))
        .ok()
}

/// A declared cohort or file segment exists with exactly the declared people.
fn require_list_as_declared(
    workspace: &SimulatedWorkspace,
    (item, list): (&DeclaredItem, &DeclaredList),
    remote: Option<(&str, &ActualSegment)>,
) {
    let is_hidden_cohort =
        item.kind() == SegmentKind::Cohort && workspace.hidden_kinds.contains(&SegmentKind::Cohort);
    let is_name_taken = match remote {
        // A cohort that no list shows has no id to read, so its new name is hidden, too.
        None => workspace.ground_truth.was_renamed_in_dashboard(&item.name),
        // The service drops members for a name of another segment, and no list shows this one either.
        Some((_, holder)) => holder.kind != SegmentKind::Cohort && holder.is_archived,
    };
    if is_hidden_cohort && is_name_taken {
        return;
    }
    let is_there = remote.is_some_and(|(id, segment)| {
        let has_people = workspace.has_desired_people(id, list.people);
        !segment.is_archived && segment.kind == item.kind() && has_people
    });
    workspace
        .recorder
        .require(is_there, "a segment has exactly the declared people", || {
            format!("`{}` is {remote:?} and should have {:?}", item.name, list.people)
        });
}

/// The workspace matches the configuration.
///
/// If listings include archived segments, a run cannot see archives and unarchives by others, or by requests without a
/// response.
pub(crate) fn require_as_declared(
    files: &DeclaredFiles,
    (workspace, disk): (&SimulatedWorkspace, &Arc<Mutex<MachineDisk>>),
    (shows_archived, changes_before): (bool, usize),
) {
    let (ground_truth, recorder) = (&workspace.ground_truth, &workspace.recorder);
    let Some(state) = load_state(disk, recorder) else {
        return;
    };
    // Segments can expire while a run reads.
    let latest = ground_truth.changes.get(changes_before..).unwrap_or_default();
    let has_expired = |id: &str| {
        let mut latest = latest.iter();
        latest.any(|change| change.id == id && change.author == Author::Expiry)
    };
    let is_hidden = |id: &str| {
        let segment = ground_truth.segments.get(id);
        shows_archived || segment.is_some_and(|segment| workspace.hides_lifecycle_of(segment.kind))
    };
    let is_visible = |id: &str| {
        let is_by_run = |author| matches!(author, Author::Run(_) | Author::LateRequest(_));
        !has_expired(id)
            && (!is_hidden(id)
                || ground_truth.last_lifecycle_author(id).is_some_and(is_by_run)
                    && !ground_truth.ambiguous_lifecycle_changes.contains(id))
    };
    let invariant = "the workspace matches the configuration";
    for item in files.items() {
        let remote = ground_truth.by_name(&item.name);
        // No list shows the segment of a create without a response, so segctl cannot archive it.
        let is_unrecorded = |id: &str| {
            workspace.hidden_kinds.contains(&item.kind())
                && state.managed_entry(&SegmentId::new(id)).is_none()
        };
        if !item.is_declared
            || item.is_archived && remote.is_some_and(|(id, _)| is_unrecorded(id))
            || remote.is_some_and(|(id, _)| !is_visible(id) || ground_truth.is_late_duplicate(id))
        {
            continue;
        }
        if let (Some(list), false) = (&item.list, item.is_archived) {
            require_list_as_declared(workspace, (item, list), remote);
            continue;
        }
        let remote = remote.map(|(_, segment)| segment);
        if item.is_archived {
            let is_archived = remote.is_none_or(|segment| segment.is_archived);
            recorder.require(is_archived, invariant, || format!("`{}` is active", item.name));
            continue;
        }
        let refers_to = |segment: &ActualSegment| -> BTreeSet<String> {
            let ids = segment.meaning.refers_to.iter();
            ids.filter_map(|id| ground_truth.segments.get(id))
                .map(|segment| segment.name.clone())
                .collect()
        };
        let is_there = remote.is_some_and(|segment| {
            !segment.is_archived
                && segment.meaning.amounts == files.amounts(item)
                && refers_to(segment) == files.references(item)
        });
        recorder.require(is_there, invariant, || {
            format!(
                "`{}` is {remote:?} and should have {:?}",
                item.name,
                files.amounts(item)
            )
        });
    }
    for (id, segment) in &ground_truth.segments {
        let mut changes = ground_truth.changes.iter().filter(|change| change.id == *id);
        let first = changes.next();
        // A dashboard user changed the segment before the run could record that it created it, or no list shows it. A
        // lagging list may have hidden it, too, and its definition may be returned in a form that proves nothing.
        let is_manual = |change: &SegmentChange| change.author == Author::Dashboard;
        let is_unproven =
            workspace.returns_undocumented_forms && !ground_truth.confirmed_creates.contains(id);
        let is_unrecorded =
            (workspace.hidden_kinds.contains(&segment.kind) || is_unproven || changes.any(is_manual))
                && state.managed_entry(&SegmentId::new(id)).is_none();
        let is_managed = !is_unrecorded
            && !ground_truth.is_late_duplicate(id)
            // The second delivery of a create is refused as a conflict, so the run does not adopt the segment.
            && !workspace.was_delivered_twice(id)
            && first.is_some_and(|first| matches!(first.author, Author::Run(_) | Author::LateRequest(_)));
        let is_declared = files
            .items()
            .iter()
            .any(|item| item.is_declared && item.name == segment.name);
        // The API archives no cohorts.
        let is_declared = is_declared || segment.kind == SegmentKind::Cohort;
        recorder.require(
            !is_managed || is_declared || segment.is_archived || !is_visible(id),
            "managed segments without a declaration are archived",
            || format!("{id} is {segment:?}"),
        );
    }
}
