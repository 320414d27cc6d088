//! `segctl drift`: shows what changed in the workspace since the last apply, and how to update the files.

mod file_updates;

use self::file_updates::FileUpdates;
use super::arguments::DriftArguments;
use super::connection::Connection;
use super::edits::FileEdits;
use super::failure::{EXIT_CODE_CHANGES, Failure, FailureKind};
use super::output::Output;
use super::planning::{plan_request, read_workspace, selection};
use super::project::{Project, describe_endpoint};
use crate::api::{CancelToken, Clock, SystemClock};
use crate::plan::plan;
use crate::plan::step::{Plan, Warning};
use crate::plan::targeting::Selection;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::render::json::{DriftReport, FreshnessDocument};
use crate::render::text;
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &DriftArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    let connection = Connection::open(project, workspace, (output, CancelToken::never())).await?;
    let started_at = SystemClock.now();
    let request = PlanRequest {
        selection: selection(&arguments.selection),
        ..plan_request(project, workspace, arguments.refresh.policy())
    };
    let read = read_workspace(request, &connection).await;
    connection.close().await;
    let read = read?;
    let no_state = has_no_state(&read);
    if no_state && arguments.detailed_exitcode {
        return Err(no_state_failure(workspace.0));
    }
    let mut plan = plan(&read.plan_input());
    retain_selected(&mut plan, read.plan_input().selection);
    let updates = FileUpdates::of(&plan, &read, (workspace.0, &project.loaded.declarations));
    let edits = FileEdits::of(&updates.patches);
    let drift = (plan.drift.as_slice(), &updates.already_in_files);
    let diffs = edits.diffs()?;
    let workspace = (workspace.0, describe_endpoint(workspace.1));
    let report = DriftReport::new((workspace.0, &workspace.1), drift, diffs, updates.unwritable)
        .with_expiring(&plan.warnings)
        .with_freshness(FreshnessDocument::new(&read.observed, started_at));
    let report = DriftReport { no_state, ..report };
    if output.json {
        output.print_json(&report);
    } else {
        let options = output.text_options(&arguments.compact);
        output.print_result(&text::drift(&report, arguments.update_files, options));
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

/// Whether there are segments to manage and the state is empty. Then drift is unknown, which is not the same as no drift.
fn has_no_state(read: &LoadedWorkspace) -> bool {
    let input = read.plan_input();
    let mut remote = read.observed.segments.values();
    read.state.managed_entries().next().is_none()
        && (!input.declared.is_empty() || remote.any(|remote| input.policy.manages(&remote.name)))
}

fn no_state_failure(workspace: &str) -> Failure {
    let message = format!("no state for workspace `{workspace}`, so the drift is unknown");
    Failure::new(FailureKind::Error, message)
        .with_help("run `segctl apply` first")
        .with_help("if the state was lost, restore its directory, or run `segctl state rebuild`")
}

/// Removes drift and warnings of segments that the run excludes. A segment is selected by any of its names.
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
