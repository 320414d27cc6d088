//! `segctl drift`: what changed in the workspace since it was last applied, and what a file would have to say to keep it.

use super::arguments::DriftArguments;
use super::connection::Connection;
use super::failure::{CHANGES, Failure, Kind};
use super::output::{Output, write_file};
use super::planning::read_all;
use super::project::Project;
use crate::api::{Clock, StopSignal, SystemClock};
use crate::config::declaration::Declaration;
use crate::config::write::{Patch, Wanted, apply, patch};
use crate::model::{Lifecycle, LiveSegment, Reference, SegmentId, SegmentName};
use crate::plan::plan;
use crate::plan::selection::Selection;
use crate::plan::step::{Action, Cause, Drift, Known, LifecycleDrift, Plan};
use crate::render::document::{DriftReport, PatchDocument, SeenDocument};
use crate::render::text;
use crate::session::Read;
use jiff::SignedDuration;
use std::collections::BTreeMap;
use std::fs;
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
    let refresh = arguments.refresh.policy(SignedDuration::ZERO);
    let began = SystemClock.now();
    let read = read_all(project, workspace, (&arguments.planning, refresh), &connection).await;
    connection.close().await;
    let read = read?;
    let mut plan = plan(&read.situation());
    keep_selected(&mut plan, read.situation().selection);
    let declarations = project.loaded.declarations.iter();
    let declarations: Vec<_> = declarations
        .filter(|declaration| declaration.is_for(workspace.0))
        .collect();
    let (patches, unwritten) = patches(&plan, &read, &declarations);
    let files = files(&patches);
    let report = DriftReport::new(workspace.0, &plan.drift, documents(&files)?, unwritten)
        .with_seen(SeenDocument::new(&read.observed, began));
    if output.json {
        output.document(&report);
    } else {
        output.result(&text::drift(&report, output.colour()));
    }
    if arguments.write {
        write(&files, output)?;
    }
    Ok(if arguments.detailed_exitcode && !plan.drift.is_empty() {
        CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
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

/// A declaration and the edits that take the workspace's version into it.
type Patched<'a> = (&'a Declaration, Patch);

/// What each file would have to say, and of which segments no file can say it.
fn patches<'a>(
    plan: &Plan,
    read: &Read,
    declarations: &[&'a Declaration],
) -> (Vec<Patched<'a>>, BTreeMap<SegmentId, String>) {
    let mut patches = Vec::new();
    let mut unwritten = BTreeMap::new();
    for drift in &plan.drift {
        let name = plan.known.identities.declared_by_id.get(&drift.id);
        let declaration = declarations
            .iter()
            .find(|declaration| Some(&declaration.segment.name) == name);
        let (Some(declaration), Some(live)) = (declaration, read.live(&drift.id)) else {
            continue;
        };
        if is_changed_in_the_file(plan, drift) {
            let why = "its file says something new, too, which would be lost: bring the two together by hand";
            unwritten.insert(drift.id.clone(), why.to_owned());
            continue;
        }
        match one(drift, live, (declaration, declarations), &plan.known) {
            Ok(patch) if patch.is_empty() => {}
            Ok(patch) => patches.push((*declaration, patch)),
            Err(why) => {
                unwritten.insert(drift.id.clone(), why);
            }
        }
    }
    (patches, unwritten)
}

/// Whether the file of a changed definition was changed elsewhere in it since it was applied.
fn is_changed_in_the_file(plan: &Plan, drift: &Drift) -> bool {
    let updates = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Update(update) if update.target.id == drift.id => Some(update),
        _ => None,
    });
    let mut changes = updates.flat_map(|update| &update.changes);
    !drift.changes.is_empty() && changes.any(|changed| changed.cause == Some(Cause::Files))
}

fn one(
    drift: &Drift,
    live: &LiveSegment,
    (declaration, all): (&Declaration, &[&Declaration]),
    known: &Known,
) -> Result<Patch, String> {
    let names: BTreeMap<&SegmentId, &SegmentName> = known.ids.iter().map(|(name, id)| (id, name)).collect();
    let names = |id: &SegmentId| names.get(id).map(|name| (*name).clone());
    if drift.renamed.is_some() && is_referred_to(&declaration.segment.name, all) {
        return Err("other files refer to it by its name: rename it there, too, by hand".to_owned());
    }
    let definition = live.definition.as_ref().filter(|_| !drift.changes.is_empty());
    let wanted = Wanted {
        name: drift.renamed.as_ref(),
        lifecycle: match drift.lifecycle {
            Some(LifecycleDrift::Archived | LifecycleDrift::AutoArchived) => Some(Lifecycle::Archived),
            Some(LifecycleDrift::Unarchived) => Some(Lifecycle::Active),
            Some(LifecycleDrift::Gone) | None => None,
        },
        definition: definition.map(|payload| (payload, &names as crate::config::write::Names<'_>)),
    };
    patch(declaration, &wanted).map_err(|error| error.to_string())
}

fn is_referred_to(name: &SegmentName, declarations: &[&Declaration]) -> bool {
    let references = declarations
        .iter()
        .flat_map(|declaration| declaration.segment.definition.references());
    references
        .into_iter()
        .any(|reference| matches!(reference, Reference::Name(other) if other == name))
}

/// The edits of each file, which may hold several declarations.
fn files<'a, 'p>(patches: &'p [Patched<'a>]) -> BTreeMap<&'a str, (&'a str, Vec<&'p Patch>)> {
    let mut files: BTreeMap<&str, (&str, Vec<&Patch>)> = BTreeMap::new();
    for (declaration, patch) in patches {
        let (file, text) = declaration.file();
        files.entry(file).or_insert((text, Vec::new())).1.push(patch);
    }
    files
}

type Files<'a, 'p> = BTreeMap<&'a str, (&'a str, Vec<&'p Patch>)>;

fn documents(files: &Files<'_, '_>) -> Result<Vec<PatchDocument>, Failure> {
    let documents = files.iter().map(|(file, (text, patches))| {
        let after = patched(text, patches)?;
        Ok(PatchDocument::new(file, text, &after))
    });
    documents.collect()
}

fn patched(text: &str, patches: &[&Patch]) -> Result<String, Failure> {
    apply(text, patches.iter().copied()).map_err(|error| Failure::caused(Kind::Error, &error))
}

/// Takes the workspace's version into the files. A file that changed since it was read is left alone.
fn write(files: &Files<'_, '_>, output: Output) -> Result<(), Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::caused(Kind::Error, &error))?;
    for (file, (text, patches)) in files {
        let path = here.join(file);
        if fs::read_to_string(&path).ok().as_deref() != Some(*text) {
            let message = format!("`{file}` changed while this ran; it was not written");
            return Err(Failure::new(Kind::Error, message).with_help("run it again"));
        }
        write_file(&path, &patched(text, patches)?)?;
        output.note(&format!("wrote {file}\n"));
    }
    Ok(())
}
