//! The steps to a plan, which `plan` and `apply` share.

use super::arguments::{PlanningArguments, SelectionArguments};
use super::connection::{self, Connection};
use super::failure::{Failure, FailureKind};
use super::given_files::GivenFiles;
use super::output::Output;
use super::project::{SelectedWorkspace, describe_endpoint};
use crate::api::{Clock, FetchedSegment, SystemClock};
use crate::config::settings::WorkspaceSettings;
use crate::model::{Freshness, NamePattern, ObservedWorkspace, Policy, SegmentId};
use crate::observe::Refresh;
use crate::plan::estimate::{Estimate, MaxDurationExceeded, estimate};
use crate::plan::guards::Overrides;
use crate::plan::plan;
use crate::plan::step::Plan;
use crate::plan::targeting::Selection;
use crate::rate_limit::RateLimiter;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::render::json::PlanDocument;
use crate::state::State;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A plan with the state that it was made from.
pub(super) struct PreparedPlan {
    pub(super) plan: Plan,
    pub(super) state: State,
    /// Whether the state was changed by a recovery after it was read.
    pub(super) recovered_writes: bool,
    pub(super) observed: ObservedWorkspace,
    /// The segments that were just read.
    pub(super) fetched: BTreeMap<SegmentId, FetchedSegment>,
    freshness: Freshness,
    estimate: Estimate,
    exceeded_duration: Option<MaxDurationExceeded>,
}

impl PreparedPlan {
    fn new(
        plan: Plan,
        read: LoadedWorkspace,
        read_at: Timestamp,
        estimate: Estimate,
        exceeded_duration: Option<MaxDurationExceeded>,
    ) -> Self {
        Self {
            plan,
            freshness: Freshness::new(&read.observed, &read.examined, read_at),
            fetched: read.fetched,
            recovered_writes: read.recovered_writes,
            state: read.state,
            observed: read.observed,
            estimate,
            exceeded_duration,
        }
    }

    pub(super) fn blocked_by(&self) -> Option<FailureKind> {
        let is_guarded = !self.plan.guard_violations.is_empty() || self.exceeded_duration.is_some();
        match (self.plan.conflicts.is_empty(), is_guarded) {
            (false, _) => Some(FailureKind::Conflict),
            (true, true) => Some(FailureKind::Guard),
            (true, false) => None,
        }
    }

    pub(super) fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    pub(super) fn document(&self) -> PlanDocument {
        PlanDocument::new(&self.plan)
            .with_estimate(&self.estimate, self.exceeded_duration.as_ref())
            .with_freshness(self.freshness.clone())
    }
}

/// A request for all segments, without overrides from the command line.
pub(super) fn plan_request(workspace: SelectedWorkspace<'_>, refresh: Refresh) -> PlanRequest {
    let declared = workspace.declarations();
    PlanRequest {
        workspace: workspace.name.to_owned(),
        endpoint: describe_endpoint(workspace.settings),
        declared: declared.map(|declared| declared.segment.clone()).collect(),
        directory: workspace.project.directory.clone(),
        policy: workspace.settings.policy.clone(),
        overrides: Overrides::default(),
        selection: Selection::default(),
        refresh,
    }
}

fn plan_request_from_arguments(
    workspace: SelectedWorkspace<'_>,
    arguments: &PlanningArguments,
    refresh: Refresh,
) -> Result<PlanRequest, Failure> {
    Ok(PlanRequest {
        policy: policy_with_overrides(workspace.settings, arguments),
        overrides: Overrides {
            allow_empty: arguments.allow_empty,
            allow_missing_segments: arguments.allow_missing_segments,
            force_upload: arguments.force_upload,
            assume_members_in_sync: arguments.assume_members_in_sync,
        },
        selection: selection(workspace, &arguments.selection)?,
        ..plan_request(workspace, refresh)
    })
}

pub(super) fn selection(
    workspace: SelectedWorkspace<'_>,
    arguments: &SelectionArguments,
) -> Result<Selection, Failure> {
    let mut targets = arguments.target.clone();
    if !arguments.target_file.is_empty() {
        targets.extend(GivenFiles::find(workspace.project, &arguments.target_file).targets(workspace.name)?);
    }
    Ok(Selection {
        targets,
        excludes: arguments.exclude.clone(),
    })
}

pub(super) async fn read_workspace(
    request: PlanRequest,
    connection: &Connection,
) -> Result<LoadedWorkspace, Failure> {
    let read = connection.reconciler.load_workspace(request).await?;
    require_matching_patterns(&read)?;
    Ok(read)
}

/// A pattern without a match is a typing error. Without this check, `--target` would give an empty plan, and `--exclude`
/// a plan of everything.
pub(super) fn require_matching_patterns(read: &LoadedWorkspace) -> Result<(), Failure> {
    let input = read.plan_input();
    let declared = input.declared.iter().map(|segment| &segment.name);
    let remote = read.observed.segments.values().map(|remote| &remote.name);
    let names: Vec<_> = declared.chain(remote).collect();
    let is_unmatched = |pattern: &NamePattern| !names.iter().any(|name| pattern.matches(name));
    let Selection { targets, excludes } = input.selection;
    let targets = targets.iter().map(|pattern| ("target", pattern));
    let excludes = excludes.iter().map(|pattern| ("exclude", pattern));
    match targets.chain(excludes).find(|(_, pattern)| is_unmatched(pattern)) {
        None => Ok(()),
        Some((flag, pattern)) => {
            let message = format!("no segment matches `--{flag} {}`", pattern.as_str());
            Err(Failure::new(FailureKind::Usage, message).with_help("check the name; `*` is a wildcard"))
        }
    }
}

pub(super) async fn make_plan(
    workspace: SelectedWorkspace<'_>,
    arguments: &PlanningArguments,
    refresh: Refresh,
    purpose: Purpose,
    connection: &Connection,
) -> Result<PreparedPlan, Failure> {
    let started_at = SystemClock.now();
    let request = plan_request_from_arguments(workspace, arguments, refresh)?;
    let mut read = read_workspace(request, connection).await?;
    let plan = connection.reconciler.plan(&mut read).await?;
    let rate_limiter = connection.reconciler.rate_limiter();
    let (estimate, exceeded) = estimate_cost(&plan, rate_limiter, arguments, purpose);
    Ok(PreparedPlan::new(plan, read, started_at, estimate, exceeded))
}

/// Plans from the cache, without API requests or credentials.
pub(super) async fn plan_offline(
    workspace: SelectedWorkspace<'_>,
    arguments: &PlanningArguments,
    output: Output,
) -> Result<PreparedPlan, Failure> {
    let store = connection::open_state_store(workspace)?;
    let request = plan_request_from_arguments(workspace, arguments, Refresh::None)?;
    let on_note = move |note: String| output.print_note(note);
    let mut read = LoadedWorkspace::load_local(request, &store, SystemClock.now(), &on_note).await?;
    if read.cache.listed_at.is_none() {
        let message = format!("no cached data for workspace `{}`", workspace.name);
        let help = "run `segctl plan` online first, and make its complete state directory available to the offline run";
        return Err(Failure::new(FailureKind::Error, message).with_help(help));
    }
    read.load_cached();
    require_matching_patterns(&read)?;
    read.load_member_lists(&store, &on_note).await?;
    let plan = plan(&read.plan_input());
    let mut rate_limiter = RateLimiter::new(connection::rate_limits(workspace.settings));
    match store.load_requests().await {
        Ok(requests) => rate_limiter.merge_log(requests, read.now),
        Err(error) => output.print_note(format!("the estimate ignores requests of earlier runs: {error}")),
    }
    let (estimate, exceeded) = estimate_cost(&plan, rate_limiter, arguments, Purpose::Show);
    let read_at = read.now;
    let planned = PreparedPlan::new(plan, read, read_at, estimate, exceeded);
    Ok(PreparedPlan {
        freshness: planned.freshness.offline(),
        ..planned
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The plan is shown, and another run may apply it.
    Show,
    /// This run applies the plan, and has already listed the segments.
    Apply,
}

pub(super) fn estimate_cost(
    plan: &Plan,
    rate_limiter: RateLimiter,
    arguments: &PlanningArguments,
    purpose: Purpose,
) -> (Estimate, Option<MaxDurationExceeded>) {
    let mut requests = plan.requests();
    if purpose == Purpose::Apply && !requests.is_empty() {
        // The first request lists the segments.
        requests.remove(0);
    }
    let estimate = estimate(&requests, rate_limiter, SystemClock.now());
    let max_duration = arguments.max_duration;
    let exceeded = max_duration.and_then(|max| estimate.check_max_duration(max).err());
    (estimate, exceeded)
}

/// The policy of the workspace with the overrides of the command line.
pub(super) fn policy_with_overrides(workspace: &WorkspaceSettings, arguments: &PlanningArguments) -> Policy {
    let mut policy = workspace.policy.clone();
    policy.guards.archive = arguments.max_archives.unwrap_or(policy.guards.archive);
    policy.guards.update = arguments.max_updates.unwrap_or(policy.guards.update);
    policy.guards.members = arguments.max_member_removals.unwrap_or(policy.guards.members);
    policy
}
