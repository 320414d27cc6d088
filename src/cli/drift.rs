//! `segctl drift`: what changed in the workspace since it was last applied, and what a file would have to say to keep it.

mod found;

use self::found::Found;
use super::arguments::DriftArguments;
use super::connection::Connection;
use super::edits::Edits;
use super::failure::{CHANGES, Failure, Kind};
use super::output::Output;
use super::planning::{aim, read_all, selection};
use super::project::Project;
use crate::api::{Clock, StopSignal, SystemClock};
use crate::plan::plan;
use crate::plan::selection::Selection;
use crate::plan::step::{Plan, Warning};
use crate::render::document::{DriftReport, SeenDocument};
use crate::render::text;
use crate::session::{Aim, Read};
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
    let connection = Connection::open(project, workspace, (output, StopSignal::never())).await?;
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
    let found = Found::of(&plan, &read, (workspace.0, &project.loaded.declarations));
    let edits = Edits::of(&found.patches);
    let drift = (plan.drift.as_slice(), &found.in_files);
    let report = DriftReport::new(workspace.0, drift, edits.documents()?, found.unwritten)
        .with_expiring(&plan.warnings)
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

/// Drops the drift of segments that the run is not about, whichever of their names says so, and what is told of them.
fn keep_selected(plan: &mut Plan, selection: &Selection) {
    let declared = &plan.known.identities.declared_by_id;
    plan.drift.retain(|drift| {
        let others = [declared.get(&drift.id), drift.renamed.as_ref()];
        let names = std::iter::once(&drift.segment).chain(others.into_iter().flatten());
        selection.names(&names.collect::<Vec<_>>())
    });
    let is_selected = |warning: &Warning| selection.names(&warning.segments());
    plan.warnings.retain(is_selected);
}
