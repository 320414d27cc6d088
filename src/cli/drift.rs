//! `segctl drift`: what changed in the workspace since it was last applied, and what a file would have to say to keep it.

mod file_updates;

use self::file_updates::FileUpdates;
use super::arguments::DriftArguments;
use super::connection::Connection;
use super::edits::FileEdits;
use super::failure::{EXIT_CODE_CHANGES, Failure, FailureKind};
use super::output::Output;
use super::planning::{plan_request, read_workspace, selection};
use super::project::Project;
use crate::api::{CancelToken, Clock, SystemClock};
use crate::plan::plan;
use crate::plan::step::{Plan, Warning};
use crate::plan::targeting::Selection;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::render::json::{DriftReport, FreshnessDocument};
use crate::render::text;
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
    let connection = Connection::open(project, workspace, (output, CancelToken::never())).await?;
    let refresh = arguments.refresh.policy();
    let began = SystemClock.now();
    let aim = PlanRequest {
        selection: selection(&arguments.selection),
        ..plan_request(project, workspace, refresh)
    };
    let read = read_workspace(aim, &connection).await;
    connection.close().await;
    let read = read?;
    let nothing_applied = has_no_state(&read);
    if nothing_applied && arguments.detailed_exitcode {
        return Err(no_state_failure(workspace.0));
    }
    let mut plan = plan(&read.plan_input());
    retain_selected(&mut plan, read.plan_input().selection);
    let found = FileUpdates::of(&plan, &read, (workspace.0, &project.loaded.declarations));
    let edits = FileEdits::of(&found.patches);
    let drift = (plan.drift.as_slice(), &found.already_in_files);
    let report = DriftReport::new(workspace.0, drift, edits.diffs()?, found.unwritable)
        .with_expiring(&plan.warnings)
        .with_freshness(FreshnessDocument::new(&read.observed, began));
    let report = DriftReport {
        no_state: nothing_applied,
        ..report
    };
    if output.json {
        output.print_json(&report);
    } else {
        output.print_result(&text::drift(&report, arguments.update_files, output.colour()));
    }
    if arguments.update_files {
        edits.write(output)?;
    }
    Ok(if arguments.detailed_exitcode && !report.drift.is_empty() {
        EXIT_CODE_CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Whether nothing is remembered of segments that are declared or owned: then nothing can be told, which is something
/// else than that nothing changed.
fn has_no_state(read: &LoadedWorkspace) -> bool {
    let situation = read.plan_input();
    let owns_any = || {
        let mut live = read.observed.segments.values();
        live.any(|live| situation.policy.manages(&live.name))
    };
    read.state.managed_entries().next().is_none() && (!situation.declared.is_empty() || owns_any())
}

fn no_state_failure(workspace: &str) -> Failure {
    let message = format!(
        "nothing was applied to `{workspace}` from here yet, so that it cannot be told what changed since"
    );
    Failure::new(FailureKind::Error, message)
        .with_help("if the ledger was lost: bring its directory back, or take down what is live with `segctl ledger rebuild`")
        .with_help("otherwise: `segctl apply` first")
}

/// Drops the drift of segments that the run is not about, whichever of their names says so, and what is told of them.
fn retain_selected(plan: &mut Plan, selection: &Selection) {
    let declared = &plan.references.identities.declared_by_id;
    plan.drift.retain(|drift| {
        let others = [declared.get(&drift.id), drift.renamed_to.as_ref()];
        let names = std::iter::once(&drift.segment).chain(others.into_iter().flatten());
        selection.includes(&names.collect::<Vec<_>>())
    });
    let is_selected = |warning: &Warning| selection.includes(&warning.segments());
    plan.warnings.retain(is_selected);
}
