//! `segctl drift`: shows what changed in the workspace since the last apply, and how to update the files.

mod file_updates;

use self::file_updates::FileUpdates;
use super::arguments::DriftArguments;
use super::connection::{self, Connection};
use super::edits::FileEdits;
use super::failure::{EXIT_CODE_CHANGES, Failure, FailureKind};
use super::output::Output;
use super::planning::{plan_request, require_matching_patterns, selection};
use super::project::{Project, SelectedWorkspace, describe_endpoint};
use super::signals::Signals;
use crate::api::{Clock, SystemClock};
use crate::model::Freshness;
use crate::plan::plan;
use crate::plan::step::{Finding, Plan};
use crate::plan::targeting::Selection;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::render::json::DriftReport;
use crate::render::text;
use std::process::ExitCode;

pub(super) async fn run(
    project: &Project,
    arguments: &DriftArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let workspace = project.workspace(&arguments.workspace)?;
    if !has_state(workspace).await? {
        return report_no_state(workspace, arguments, output);
    }
    let started_at = SystemClock.now();
    let read = read_workspace(workspace, arguments, output).await?;
    let mut plan = plan(&read.plan_input());
    retain_selected(&mut plan, read.plan_input().selection);
    let updates = FileUpdates::of(&plan, &read, workspace);
    let edits = FileEdits::of(&updates.patches);
    let diffs = edits.diffs()?;
    let endpoint = describe_endpoint(workspace.settings);
    let (already, unwritable) = (&updates.already_in_files, updates.unwritable);
    let report = DriftReport::new(workspace.name, &endpoint, &plan.drift, already, diffs, unwritable)
        .with_findings(&plan)
        .with_freshness(Freshness::new(&read.observed, &read.examined, started_at));
    if output.json {
        output.print_json(&report);
    } else {
        let options = output.text_options(&arguments.compact);
        output.print_result(&text::drift(&report, arguments.update_files, options));
    }
    if arguments.update_files {
        edits.write(output)?;
    }
    Ok(if !report.unreadable.is_empty() {
        FailureKind::Error.into()
    } else if arguments.detailed_exitcode && !report.drift.is_empty() {
        EXIT_CODE_CHANGES.into()
    } else {
        ExitCode::SUCCESS
    })
}

/// Reads what the drift depends on. A signal ends the reading; what was read stays in the cache.
async fn read_workspace(
    workspace: SelectedWorkspace<'_>,
    arguments: &DriftArguments,
    output: Output,
) -> Result<LoadedWorkspace, Failure> {
    let signals = Signals::listen(output)?;
    let cancel_token = signals.cancel_token.clone();
    let connection = Connection::open(workspace, output, cancel_token).await?;
    let request = PlanRequest {
        selection: selection(workspace, &arguments.selection)?,
        ..plan_request(workspace, arguments.refresh.policy())
    };
    let read = connection
        .reconciler
        .load_for_drift(request, arguments.max_duration);
    let read = signals.until_killed(read).await;
    connection.close().await;
    if signals.cancel_token.is_cancelled() {
        let failure = Failure::new(signals.failure_kind(false), signals.stop_reason());
        return Err(failure.with_help("the definitions that were read are in the cache"));
    }
    let read = read??;
    require_matching_patterns(&read)?;
    Ok(read)
}

/// Whether an apply recorded a segment, or began to.
async fn has_state(workspace: SelectedWorkspace<'_>) -> Result<bool, Failure> {
    let store = connection::open_state_store(workspace)?;
    let state = store.load().await?;
    Ok(state.managed_entries().next().is_some() || state.intents().next().is_some())
}

/// Without a state the drift of a declared segment is unknown, which is not the same as no drift.
fn report_no_state(
    workspace: SelectedWorkspace<'_>,
    arguments: &DriftArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    let SelectedWorkspace { project, name, .. } = workspace;
    if project.loaded.sources.is_empty() {
        let message = format!("no segment files, and no state for workspace `{name}`");
        return Err(Failure::new(FailureKind::InvalidFiles, message).with_help(
            "check `segments` in segctl.yaml; `segctl import` writes files for existing segments",
        ));
    }
    let no_state = workspace.declarations().next().is_some();
    if no_state && arguments.detailed_exitcode {
        let message = format!("no state for workspace `{name}`, so the drift is unknown");
        return Err(Failure::new(FailureKind::Error, message)
            .with_help("run `segctl apply` first")
            .with_help("if the state was lost, restore its directory, or run `segctl state rebuild`"));
    }
    let endpoint = describe_endpoint(workspace.settings);
    let report = DriftReport::without_state(name, &endpoint, no_state);
    if output.json {
        output.print_json(&report);
    } else {
        output.print_result(&text::drift(
            &report,
            false,
            output.text_options(&arguments.compact),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes drift, warnings and conflicts of segments that the run excludes. A segment is selected by any of its names.
fn retain_selected(plan: &mut Plan, selection: &Selection) {
    let declared = &plan.references.identities.declared_by_id;
    plan.drift.retain(|drift| {
        let others = [declared.get(&drift.id), drift.renamed_to.as_ref()];
        let names = std::iter::once(&drift.segment).chain(others.into_iter().flatten());
        selection.includes(&names.collect::<Vec<_>>())
    });
    let is_selected = |finding: &Finding| selection.includes(&finding.segments.iter().collect::<Vec<_>>());
    plan.warnings.retain(is_selected);
    plan.conflicts.retain(is_selected);
}
