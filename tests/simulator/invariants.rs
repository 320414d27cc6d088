//! What has to hold when a run is over, and when all is over.

use super::disk::{Platter, SimulatedDisk};
use super::executor::Life;
use super::list::List;
use super::lists;
use super::record::Record;
use super::run::End;
use super::truth::{Author, Change, Meaning, Segment};
use super::witness::Witness;
use super::workspace::Workspace;
use super::world::{Files, Item};
use futures_util::FutureExt;
use segctl::apply::RunStatus;
use segctl::ledger::{DirectoryStore, State, StateStore};
use segctl::model::{Payload, SegmentId, SegmentKind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Replaced definitions of a segment that are surely kept: the ledger holds 20, passing ones among them.
const KEPT: usize = 12;

/// A look may be as old as this when the write that rests on it arrives: an answer that takes as long as one can, and the
/// way there, in milliseconds.
const OLDEST_LOOK: i64 = 62_000;

/// The key is in no file.
pub(crate) fn no_key_in_files(platter: &Platter, record: &Record) {
    for (path, bytes) in platter.files() {
        record.shown(&path.display().to_string(), &String::from_utf8_lossy(bytes));
    }
}

/// The ledger says what was done, and keeps what was overwritten.
pub(crate) fn ledger_is_true(workspace: &Workspace, platter: &Arc<Mutex<Platter>>) {
    // Cheaper than to read the ledger for nothing.
    if workspace
        .truth
        .changes
        .iter()
        .any(|change| matches!(change.author, Author::Run(_) | Author::Late(_)))
        && let Some(ledger) = ledger(platter, &workspace.record)
    {
        nothing_is_lost(workspace, &ledger);
        nothing_is_made_up(workspace, &ledger);
        lists::are_true(workspace, platter, &ledger);
        workspace.shelf.is_known(&ledger, &workspace.record);
    }
}

/// What runs overwrote is in the ledger's history, or somewhere in the workspace.
fn nothing_is_lost(workspace: &Workspace, ledger: &State) {
    let truth = &workspace.truth;
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
        if *count > KEPT || is_own_or_unseen(workspace, (place, change), run) {
            continue;
        }
        let is_live = truth
            .segments
            .values()
            .any(|segment| segment.meaning == before.meaning);
        workspace.record.require(
            is_live || kept(ledger, &change.id).contains(&before.meaning),
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
fn nothing_is_made_up(workspace: &Workspace, ledger: &State) {
    for entry in ledger.managed_entries() {
        let Some(applied) = entry.definition.as_ref().map(meaning) else {
            continue;
        };
        let mut changes = workspace.truth.changes.iter();
        let was_there = changes
            .any(|change| change.id == entry.id.as_str() && change.after.meaning.has_same_members(&applied));
        workspace
            .record
            .require(was_there, "the ledger says what was done", || {
                format!("`{}` ({}) never was {}", entry.name, entry.id, applied.text)
            });
    }
}

/// How a run ended says whether everything was done, and whether nothing was.
pub(crate) fn ends_truly(workspace: &Workspace, run: usize, end: &End) {
    let is_changed = workspace.truth.is_changed_by(run);
    let is_all_done = || workspace.witnesses.get(&run).is_some_and(Witness::is_all_done);
    let is_true = match end {
        End::Failed
        | End::Planned(_)
        | End::Stale
        | End::Forbidden(_)
        | End::Applied {
            verdict: RunStatus::CredentialsRejected | RunStatus::StateWriteFailed,
            ..
        } => !is_changed,
        End::Applied { verdict, .. } => match verdict {
            RunStatus::Complete => is_all_done(),
            RunStatus::Cancelled { has_written: false } => !is_changed && !is_all_done(),
            _ => !is_all_done(),
        },
    };
    workspace
        .record
        .require(is_true, "the exit code is the truth", || {
            format!("run {run} ended with {end:?}; it changed something: {is_changed}")
        });
}

/// Whether what was overwritten was the run's own passing form, or came after its last look and right before the write.
fn is_own_or_unseen(workspace: &Workspace, (place, change): (usize, &Change), run: usize) -> bool {
    let earlier = workspace.truth.changes.get(..place).unwrap_or_default();
    let previous = earlier.iter().rposition(|other| other.id == change.id);
    let Some(previous) = previous else { return false };
    let Change { author, at, .. } = &earlier[previous];
    let is_unseen = previous >= change.looked_at && change.at - at <= OLDEST_LOOK;
    *author == Author::Run(run) || matches!(author, Author::Late(_)) || is_unseen
}

fn kept(ledger: &State, id: &str) -> BTreeSet<Meaning> {
    let entry = ledger.any_entry(&SegmentId::new(id));
    let replaced = entry
        .into_iter()
        .flat_map(|entry| entry.revisions.iter().map(|replaced| &replaced.definition));
    let applied = entry.and_then(|entry| entry.definition.as_ref());
    replaced.chain(applied).map(meaning).collect()
}

fn meaning(payload: &Payload) -> Meaning {
    let excluded = payload.excluded_filters.as_ref().unwrap_or(&Value::Null);
    Meaning::of(&payload.included_filters, excluded)
}

/// What the disk holds of the ledger.
pub(crate) fn ledger(platter: &Arc<Mutex<Platter>>, record: &Record) -> Option<State> {
    let disk = SimulatedDisk {
        platter: Arc::clone(platter),
        life: Life::until(None),
        record: record.clone(),
        who: "check".to_owned(),
    };
    let loaded = DirectoryStore::with_filesystem(disk, "ledger").load().now_or_never().unwrap();
    loaded
        .inspect_err(|error| record.violated("files are old or new, never torn", || error.to_string()))
        .ok()
}

/// A declared list is there, with exactly those who are in it.
fn has_list(workspace: &Workspace, (item, list): (&Item, &List), live: Option<(&str, &Segment)>) {
    let is_there = live.is_some_and(|(id, segment)| {
        let has_people = workspace.has_people(id, list.people) || workspace.strayed.contains(id);
        !segment.is_archived && segment.kind == item.kind() && has_people
    });
    workspace.record.require(
        is_there,
        "those are in a segment who are declared to be, and nobody else",
        || format!("`{}` is {live:?} and should have {:?}", item.name, list.people),
    );
}

/// Everything is as the files say.
///
/// Where a list shows what is archived, too, nothing tells a run what was put away or taken out by others, or by a call
/// that was not answered.
pub(crate) fn as_declared(
    files: &Files,
    (workspace, platter): (&Workspace, &Arc<Mutex<Platter>>),
    (shows_archived, changes_before): (bool, usize),
) {
    let (truth, record) = (&workspace.truth, &workspace.record);
    let Some(ledger) = ledger(platter, record) else {
        return;
    };
    // Time goes on while a run looks.
    let latest = truth.changes.get(changes_before..).unwrap_or_default();
    let is_passed = |id: &str| {
        let mut latest = latest.iter();
        latest.any(|change| change.id == id && change.author == Author::Time)
    };
    let is_seen = |id: &str| {
        let is_by_run = |author| matches!(author, Author::Run(_) | Author::Late(_));
        !is_passed(id)
            && (!shows_archived
                || truth.last_moved_by(id).is_some_and(is_by_run) && !truth.unanswered_moves.contains(id))
    };
    let invariant = "what was applied is there";
    for item in files.items() {
        let live = truth.named(&item.name);
        if !item.is_declared || live.is_some_and(|(id, _)| !is_seen(id) || truth.is_made_again(id)) {
            continue;
        }
        if let (Some(list), false) = (&item.list, item.is_archived) {
            has_list(workspace, (item, list), live);
            continue;
        }
        let live = live.map(|(_, segment)| segment);
        if item.is_archived {
            let is_away = live.is_none_or(|segment| segment.is_archived);
            record.require(is_away, invariant, || format!("`{}` is active", item.name));
            continue;
        }
        let refers_to = |segment: &Segment| -> BTreeSet<String> {
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
        let is_by_hand = |change: &Change| change.author == Author::Dashboard;
        let is_taken_over = changes.any(is_by_hand) && ledger.managed_entry(&SegmentId::new(id)).is_none();
        let is_ours = !is_taken_over
            && !truth.is_made_again(id)
            // What is heard of a call that was doubled is that somebody else has the name.
            && !workspace.is_doubled(id)
            && first.is_some_and(|first| matches!(first.author, Author::Run(_) | Author::Late(_)));
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
