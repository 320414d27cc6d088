//! `segctl drift`: what changed in the workspace since it was last applied, and what a file would have to say to keep it.

use super::arguments::DriftArguments;
use super::connection::Connection;
use super::edits::{Edits, Patched};
use super::failure::{CHANGES, Failure, Kind};
use super::output::Output;
use super::planning::{aim, read_all, selection};
use super::project::Project;
use crate::api::{Clock, StopSignal, SystemClock};
use crate::config::declaration::Declaration;
use crate::config::write::{Patch, Wanted, patch};
use crate::model::{Lifecycle, LiveSegment, Reference, SegmentId, SegmentName};
use crate::plan::plan;
use crate::plan::selection::Selection;
use crate::plan::step::{Action, Cause, Changed, Drift, LifecycleDrift, Plan};
use crate::render::document::{DriftReport, SeenDocument};
use crate::render::text;
use crate::session::{Aim, Read};
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// Prints what changed, and takes it into the files when asked to.
///
/// # Errors
///
/// A call or the ledger failed, or a file cannot be written.
pub(super) async fn run(
    project: &Project,
    arguments: &DriftArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection =
        Connection::open(project, workspace.0, workspace.1, (output, StopSignal::never())).await?;
    let refresh = arguments.refresh.policy();
    let began = SystemClock.now();
    let aim = Aim {
        selection: selection(&arguments.selection),
        ..aim(project, workspace, refresh)
    };
    let read = read_all(aim, &connection).await;
    connection.close().await;
    let read = read?;
    let nothing_applied = is_nothing_applied(&read);
    if nothing_applied && arguments.detailed_exitcode {
        return Err(nothing_to_compare(workspace.0));
    }
    let mut plan = plan(&read.situation());
    keep_selected(&mut plan, read.situation().selection);
    let declarations = project.loaded.declarations.iter();
    let declarations: Vec<_> = declarations
        .filter(|declaration| declaration.is_for(workspace.0))
        .collect();
    let found = found(&plan, &read, &declarations);
    let edits = Edits::of(&found.patches);
    let drift = (plan.drift.as_slice(), &found.in_files);
    let report = DriftReport::new(workspace.0, drift, edits.documents()?, found.unwritten)
        .with_seen(SeenDocument::new(&read.observed, began));
    let report = DriftReport {
        nothing_applied,
        ..report
    };
    if output.json {
        output.document(&report);
    } else {
        output.result(&text::drift(&report, arguments.write, output.colour()));
    }
    if arguments.write {
        edits.write(output)?;
    }
    Ok(if arguments.detailed_exitcode && !report.drift.is_empty() {
        CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether nothing is remembered of segments that are declared or owned: then nothing can be told, which is something
/// else than that nothing changed.
fn is_nothing_applied(read: &Read) -> bool {
    let situation = read.situation();
    let owns_any = || {
        let mut live = read.observed.segments.values();
        live.any(|live| situation.policy.owns(&live.name))
    };
    read.ledger.entries().next().is_none() && (!situation.declared.is_empty() || owns_any())
}

fn nothing_to_compare(workspace: &str) -> Failure {
    let message = format!(
        "nothing was applied to `{workspace}` from here yet, so that it cannot be told what changed since"
    );
    Failure::new(Kind::Error, message)
        .with_help("if the ledger was lost: bring its directory back, or take down what is live with `segctl ledger rebuild`")
        .with_help("otherwise: `segctl apply` first")
}

/// Drops the drift of segments that the run is not about, whichever of their names says so.
fn keep_selected(plan: &mut Plan, selection: &Selection) {
    let declared = &plan.known.identities.declared_by_id;
    plan.drift.retain(|drift| {
        let others = [declared.get(&drift.id), drift.renamed.as_ref()];
        let names = std::iter::once(&drift.segment).chain(others.into_iter().flatten());
        selection.names(&names.collect::<Vec<_>>())
    });
}

/// What was found for the files.
#[derive(Default)]
struct Found<'a> {
    /// What they would have to say.
    patches: Vec<Patched<'a>>,
    /// Segments of which they say it already.
    in_files: BTreeSet<SegmentId>,
    /// Segments of which no file can say it, and why.
    unwritten: BTreeMap<SegmentId, String>,
}

fn found<'a>(plan: &Plan, read: &Read, declarations: &[&'a Declaration]) -> Found<'a> {
    let mut found = Found::default();
    for drift in &plan.drift {
        let name = plan.known.identities.declared_by_id.get(&drift.id);
        let declaration = declarations
            .iter()
            .find(|declaration| Some(&declaration.segment.name) == name);
        let (Some(declaration), Some(live)) = (declaration, read.live(&drift.id)) else {
            continue;
        };
        match one((drift, live), (declaration, declarations), plan) {
            Ok(patch) if patch.is_empty() => {
                found.in_files.insert(drift.id.clone());
            }
            Ok(patch) => found.patches.push((*declaration, patch)),
            Err(why) => {
                found.unwritten.insert(drift.id.clone(), why);
            }
        }
    }
    found
}

/// The edits that take the workspace's version of a segment into its file.
fn one(
    (drift, live): (&Drift, &LiveSegment),
    (declaration, all): (&Declaration, &[&Declaration]),
    plan: &Plan,
) -> Result<Patch, String> {
    let (is_open, is_new) = sides(plan, drift);
    if is_open && is_new {
        let why = "its file says something new, too, which would be lost: bring the two together by hand";
        return Err(why.to_owned());
    }
    let renamed = drift.renamed.as_ref();
    let is_renamed = renamed.is_some_and(|name| *name != declaration.segment.name);
    if is_renamed && is_referred_to(&declaration.segment.name, all) {
        return Err("other files refer to it by its name: rename it there, too, by hand".to_owned());
    }
    let ids = plan.known.ids.iter();
    let names: BTreeMap<&SegmentId, &SegmentName> = ids.map(|(name, id)| (id, name)).collect();
    let names = |id: &SegmentId| names.get(id).map(|name| (*name).clone());
    let definition = live.definition.as_ref().filter(|_| is_open);
    let wanted = Wanted {
        name: renamed,
        lifecycle: match drift.lifecycle {
            Some(LifecycleDrift::Archived | LifecycleDrift::AutoArchived) => Some(Lifecycle::Archived),
            Some(LifecycleDrift::Unarchived) => Some(Lifecycle::Active),
            Some(LifecycleDrift::Gone) | None => None,
        },
        definition: definition.map(|payload| (payload, &names as crate::config::write::Names<'_>)),
        renames: None,
    };
    patch(declaration, &wanted).map_err(|error| error.to_string())
}

/// Of a definition that the workspace changed: whether its file lacks any of that, and whether it says something else
/// that is new.
fn sides(plan: &Plan, drift: &Drift) -> (bool, bool) {
    if drift.changes.is_empty() {
        return (false, false);
    }
    let updates = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Update(update) if update.target.id == drift.id => Some(&update.changes),
        _ => None,
    });
    let updates: Vec<_> = updates.collect();
    if updates.is_empty() {
        // What is not updated is as its file says, or put away: the file itself tells.
        return (true, false);
    }
    let changes = updates.into_iter().flatten();
    let (of_files, others): (Vec<_>, Vec<&Changed>) =
        changes.partition(|changed| changed.cause == Some(Cause::Files));
    (!others.is_empty(), !of_files.is_empty())
}

fn is_referred_to(name: &SegmentName, declarations: &[&Declaration]) -> bool {
    let references = declarations
        .iter()
        .flat_map(|declaration| declaration.segment.definition.references());
    references
        .into_iter()
        .any(|reference| matches!(reference, Reference::Name(other) if other == name))
}
