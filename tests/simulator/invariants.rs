//! What has to hold when a run is over, and when all is over.

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
use segctl::state::{DirectoryStore, State, StateStore};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Replaced definitions of a segment that are surely kept: the ledger holds 20, passing ones among them.
const RETAINED_REVISIONS: usize = 12;

/// A look may be as old as this when the write that rests on it arrives: an answer that takes as long as one can, and the
/// way there, in milliseconds.
const MAX_READ_AGE: i64 = 62_000;

/// The key is in no file.
pub(crate) fn require_no_key_in_files(platter: &MachineDisk, record: &Recorder) {
    for (path, bytes) in platter.files() {
        record.require_key_hidden(&path.display().to_string(), &String::from_utf8_lossy(bytes));
    }
}

/// The ledger says what was done, and keeps what was overwritten.
pub(crate) fn require_state_correct(workspace: &SimulatedWorkspace, platter: &Arc<Mutex<MachineDisk>>) {
    // Cheaper than to read the ledger for nothing.
    if workspace
        .ground_truth
        .changes
        .iter()
        .any(|change| matches!(change.author, Author::Run(_) | Author::LateRequest(_)))
        && let Some(ledger) = load_state(platter, &workspace.recorder)
    {
        require_no_definition_lost(workspace, &ledger);
        require_recorded_definitions_existed(workspace, &ledger);
        list_checks::require_lists_correct(workspace, platter, &ledger);
        workspace
            .published_files
            .require_recorded(&ledger, &workspace.recorder);
    }
}

/// What runs overwrote is in the ledger's history, or somewhere in the workspace.
fn require_no_definition_lost(workspace: &SimulatedWorkspace, ledger: &State) {
    let truth = &workspace.ground_truth;
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for (place, change) in truth.changes.iter().enumerate().rev() {
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
        if *count > RETAINED_REVISIONS || is_own_or_recent(workspace, (place, change), run) {
            continue;
        }
        let is_live = truth
            .segments
            .values()
            .any(|segment| segment.meaning == before.meaning);
        workspace.recorder.require(
            is_live || recorded_meanings(ledger, &change.id).contains(&before.meaning),
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

/// What the ledger says was applied was there once.
fn require_recorded_definitions_existed(workspace: &SimulatedWorkspace, ledger: &State) {
    for entry in ledger.managed_entries() {
        let Some(applied) = entry.definition.as_ref().map(meaning_of_payload) else {
            continue;
        };
        let mut changes = workspace.ground_truth.changes.iter();
        let was_there = changes
            .any(|change| change.id == entry.id.as_str() && change.after.meaning.has_same_members(&applied));
        workspace
            .recorder
            .require(was_there, "the ledger says what was done", || {
                format!("`{}` ({}) never was {}", entry.name, entry.id, applied.text)
            });
    }
}

/// How a run ended says whether everything was done, and whether nothing was.
pub(crate) fn require_exit_status_correct(workspace: &SimulatedWorkspace, run: usize, end: &RunExit) {
    let is_changed = workspace.ground_truth.is_still_changed_by(run);
    let is_all_done = || {
        workspace
            .run_checkers
            .get(&run)
            .is_some_and(RunChecker::all_steps_done)
    };
    let is_true = match end {
        RunExit::Failed
        | RunExit::Planned(_)
        | RunExit::Stale
        | RunExit::Blocked(_)
        | RunExit::Applied {
            status: RunStatus::CredentialsRejected | RunStatus::StateWriteFailed,
            ..
        } => !is_changed,
        RunExit::Applied { status: verdict, .. } => match verdict {
            RunStatus::Complete => is_all_done(),
            RunStatus::Cancelled { has_written: false } => !is_changed && !is_all_done(),
            _ => !is_all_done(),
        },
    };
    workspace
        .recorder
        .require(is_true, "the exit code is the truth", || {
            format!("run {run} ended with {end:?}; it changed something: {is_changed}")
        });
}

/// Whether what was overwritten was the run's own passing form, or came after its last look and right before the write.
fn is_own_or_recent(
    workspace: &SimulatedWorkspace,
    (place, change): (usize, &SegmentChange),
    run: usize,
) -> bool {
    let earlier = workspace.ground_truth.changes.get(..place).unwrap_or_default();
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

fn recorded_meanings(ledger: &State, id: &str) -> BTreeSet<Meaning> {
    let entry = ledger.any_entry(&SegmentId::new(id));
    let replaced = entry
        .into_iter()
        .flat_map(|entry| entry.revisions.iter().map(|replaced| &replaced.definition));
    let applied = entry.and_then(|entry| entry.definition.as_ref());
    replaced.chain(applied).map(meaning_of_payload).collect()
}

fn meaning_of_payload(payload: &Payload) -> Meaning {
    let excluded = payload.excluded_filters.as_ref().unwrap_or(&Value::Null);
    Meaning::from_filters(&payload.included_filters, excluded)
}

/// What the disk holds of the ledger.
pub(crate) fn load_state(platter: &Arc<Mutex<MachineDisk>>, record: &Recorder) -> Option<State> {
    let disk = SimulatedFileSystem {
        disk: Arc::clone(platter),
        lifetime: ProcessLifetime::crashing_at(None),
        recorder: record.clone(),
        actor: "check".to_owned(),
    };
    let loaded = DirectoryStore::with_filesystem(disk, "ledger")
        .load()
        .now_or_never()
        .unwrap();
    loaded
        .inspect_err(|error| {
            record.report_violation("files are old or new, never torn", || error.to_string())
        })
        .ok()
}

/// A declared list is there, with exactly those who are in it.
fn require_list_as_declared(
    workspace: &SimulatedWorkspace,
    (item, list): (&DeclaredItem, &DeclaredList),
    live: Option<(&str, &ActualSegment)>,
) {
    let is_there = live.is_some_and(|(id, segment)| {
        let has_people = workspace.has_desired_people(id, list.people) || workspace.overtaken.contains(id);
        !segment.is_archived && segment.kind == item.kind() && has_people
    });
    workspace.recorder.require(
        is_there,
        "those are in a segment who are declared to be, and nobody else",
        || format!("`{}` is {live:?} and should have {:?}", item.name, list.people),
    );
}

/// Everything is as the files say.
///
/// Where a list shows what is archived, too, nothing tells a run what was put away or taken out by others, or by a call
/// that was not answered.
pub(crate) fn require_as_declared(
    files: &DeclaredFiles,
    (workspace, platter): (&SimulatedWorkspace, &Arc<Mutex<MachineDisk>>),
    (shows_archived, changes_before): (bool, usize),
) {
    let (truth, record) = (&workspace.ground_truth, &workspace.recorder);
    let Some(ledger) = load_state(platter, record) else {
        return;
    };
    // Time goes on while a run looks.
    let latest = truth.changes.get(changes_before..).unwrap_or_default();
    let is_passed = |id: &str| {
        let mut latest = latest.iter();
        latest.any(|change| change.id == id && change.author == Author::Expiry)
    };
    let is_seen = |id: &str| {
        let is_by_run = |author| matches!(author, Author::Run(_) | Author::LateRequest(_));
        !is_passed(id)
            && (!shows_archived
                || truth.last_lifecycle_author(id).is_some_and(is_by_run)
                    && !truth.ambiguous_lifecycle_changes.contains(id))
    };
    let invariant = "what was applied is there";
    for item in files.items() {
        let live = truth.by_name(&item.name);
        if !item.is_declared || live.is_some_and(|(id, _)| !is_seen(id) || truth.is_late_duplicate(id)) {
            continue;
        }
        if let (Some(list), false) = (&item.list, item.is_archived) {
            require_list_as_declared(workspace, (item, list), live);
            continue;
        }
        let live = live.map(|(_, segment)| segment);
        if item.is_archived {
            let is_away = live.is_none_or(|segment| segment.is_archived);
            record.require(is_away, invariant, || format!("`{}` is active", item.name));
            continue;
        }
        let refers_to = |segment: &ActualSegment| -> BTreeSet<String> {
            let ids = segment.meaning.refers_to.iter();
            ids.filter_map(|id| truth.segments.get(id))
                .map(|segment| segment.name.clone())
                .collect()
        };
        let is_there = live.is_some_and(|segment| {
            !segment.is_archived
                && segment.meaning.amounts == files.amounts(item)
                && refers_to(segment) == files.references(item)
        });
        record.require(is_there, invariant, || {
            format!(
                "`{}` is {live:?} and should have {:?}",
                item.name,
                files.amounts(item)
            )
        });
    }
    for (id, segment) in &truth.segments {
        let mut changes = truth.changes.iter().filter(|change| change.id == *id);
        let first = changes.next();
        // Whoever changed it before the run that made it could take it down took it over.
        let is_by_hand = |change: &SegmentChange| change.author == Author::Dashboard;
        let is_taken_over = changes.any(is_by_hand) && ledger.managed_entry(&SegmentId::new(id)).is_none();
        let is_ours = !is_taken_over
            && !truth.is_late_duplicate(id)
            // What is heard of a call that was doubled is that somebody else has the name.
            && !workspace.was_delivered_twice(id)
            && first.is_some_and(|first| matches!(first.author, Author::Run(_) | Author::LateRequest(_)));
        let is_declared = files
            .items()
            .iter()
            .any(|item| item.is_declared && item.name == segment.name);
        // The API puts no cohort away.
        let is_declared = is_declared || segment.kind == SegmentKind::Cohort;
        record.require(
            !is_ours || is_declared || segment.is_archived || !is_seen(id),
            "what no file declares is put away",
            || format!("{id} is {segment:?}"),
        );
    }
}
