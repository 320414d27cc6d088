//! The way to a plan that `plan` and `apply` share.

use super::arguments::{PlanningArguments, SelectionArguments};
use super::connection::{self, Connection};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::config::settings::WorkspaceSettings;
use crate::model::{NamePattern, ObservedWorkspace, Policy};
use crate::observe::Refresh;
use crate::plan::estimate::{Estimate, MaxDurationExceeded, estimate};
use crate::plan::guards::Overrides;
use crate::plan::plan;
use crate::plan::step::Plan;
use crate::plan::targeting::Selection;
use crate::rate_limit::RateLimiter;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::render::json::{FreshnessDocument, PlanDocument};
use crate::state::{State, StateStore};

/// A plan with the ledger that it was made from.
pub(super) struct PreparedPlan {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: State,
    /// Whether it was settled after it was read.
    pub(super) recovered_writes: bool,
    /// What was seen.
    pub(super) observed: ObservedWorkspace,
    /// How old that is.
    freshness: FreshnessDocument,
    /// What applying costs.
    pub(super) estimate: Estimate,
    /// That it costs more time than it may.
    pub(super) exceeded_duration: Option<MaxDurationExceeded>,
}

impl PreparedPlan {
    /// What forbids applying the plan, if anything does.
    pub(super) fn blocked_by(&self) -> Option<FailureKind> {
        let is_refused = !self.plan.guard_violations.is_empty() || self.exceeded_duration.is_some();
        match (self.plan.conflicts.is_empty(), is_refused) {
            (false, _) => Some(FailureKind::Conflict),
            (true, true) => Some(FailureKind::Guard),
            (true, false) => None,
        }
    }

    /// The plan with what it costs, for people and programs.
    pub(super) fn document(&self) -> PlanDocument {
        PlanDocument::new(&self.plan)
            .with_estimate(&self.estimate, self.exceeded_duration.as_ref())
            .with_freshness(self.freshness.clone())
    }
}

/// What a run is about that is not told more: everything, by what the workspace allows.
pub(super) fn plan_request(
    project: &Project,
    (name, workspace): (&str, &WorkspaceSettings),
    refresh: Refresh,
) -> PlanRequest {
    PlanRequest {
        workspace: name.to_owned(),
        declared: project.declared_segments(name),
        directory: project.directory.clone(),
        policy: workspace.policy.clone(),
        allowances: Overrides::default(),
        selection: Selection::default(),
        refresh,
    }
}

/// What a plan is about, from the files and the command line.
fn plan_request_from_arguments(
    project: &Project,
    workspace: (&str, &WorkspaceSettings),
    (arguments, refresh): (&PlanningArguments, Refresh),
) -> PlanRequest {
    PlanRequest {
        policy: policy_with_overrides(workspace.1, arguments),
        allowances: Overrides {
            allow_empty: arguments.allow_empty,
            allow_missing_segments: arguments.allow_missing_segments,
            force_upload: arguments.force_upload,
            assume_members_in_sync: arguments.assume_members_in_sync,
        },
        selection: selection(&arguments.selection),
        ..plan_request(project, workspace, refresh)
    }
}

/// Which segments a run is about.
pub(super) fn selection(arguments: &SelectionArguments) -> Selection {
    Selection {
        targets: arguments.target.clone(),
        excludes: arguments.exclude.clone(),
    }
}

/// Reads what is live of what is managed.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn read_workspace(
    aim: PlanRequest,
    connection: &Connection,
) -> Result<LoadedWorkspace, Failure> {
    let read = connection.session.load_workspace(aim).await?;
    require_matching_patterns(&read)?;
    Ok(read)
}

/// A pattern that nothing fits is a slip: of `--target`, a plan of nothing would hide it, and of `--exclude`, a plan of
/// everything.
fn require_matching_patterns(read: &LoadedWorkspace) -> Result<(), Failure> {
    let situation = read.plan_input();
    let declared = situation.declared.iter().map(|segment| &segment.name);
    let live = read.observed.segments.values().map(|live| &live.name);
    let names: Vec<_> = declared.chain(live).collect();
    let idle = |pattern: &&NamePattern| !names.iter().any(|name| pattern.matches(name));
    let selection = situation.selection;
    let target = selection
        .targets
        .iter()
        .find(idle)
        .map(|pattern| ("target", pattern));
    let exclude = || {
        selection
            .excludes
            .iter()
            .find(idle)
            .map(|pattern| ("exclude", pattern))
    };
    match target.or_else(exclude) {
        None => Ok(()),
        Some((flag, pattern)) => {
            let message = format!("no segment has a name that fits `--{flag} {}`", pattern.as_str());
            Err(Failure::new(FailureKind::Usage, message).with_help("`*` stands for any text"))
        }
    }
}

/// Reads what is live and plans.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn make_plan(
    project: &Project,
    workspace: (&str, &WorkspaceSettings),
    (arguments, refresh, purpose): (&PlanningArguments, Refresh, Purpose),
    connection: &Connection,
) -> Result<PreparedPlan, Failure> {
    let began = SystemClock.now();
    let aim = plan_request_from_arguments(project, workspace, (arguments, refresh));
    let mut read = read_workspace(aim, connection).await?;
    let plan = connection.session.plan(&mut read).await?;
    let (quota, over) = estimate_cost(&plan, connection.session.rate_limiter(), (arguments, purpose));
    Ok(PreparedPlan {
        freshness: FreshnessDocument::new(&read.observed, began),
        plan,
        recovered_writes: read.recovered_writes,
        ledger: read.state,
        observed: read.observed,
        estimate: quota,
        exceeded_duration: over,
    })
}

/// Plans from what was seen last: no call is made, and no credentials are looked up.
///
/// # Errors
///
/// Nothing was seen yet, or the ledger cannot be read.
pub(super) async fn plan_offline(
    project: &Project,
    workspace: (&str, &WorkspaceSettings),
    arguments: &PlanningArguments,
    output: Output,
) -> Result<PreparedPlan, Failure> {
    let store = connection::open_state_store(project, workspace.0, workspace.1)?;
    let aim = plan_request_from_arguments(project, workspace, (arguments, Refresh::None));
    let note = move |note| output.print_status_line(&format!("note: {note}"));
    let mut read = LoadedWorkspace::load_local(aim, (&store, SystemClock.now()), &note).await?;
    if read.cache.listed_at.is_none() {
        let message = "nothing was seen of this workspace yet, so that nothing can be planned offline";
        let help = "run `segctl plan` once with credentials, and keep the ledger's whole directory where the offline run finds it";
        return Err(Failure::new(FailureKind::Error, message).with_help(help));
    }
    read.load_cached();
    require_matching_patterns(&read)?;
    read.load_member_lists((&store, &note)).await?;
    let plan = plan(&read.plan_input());
    let mut pacing = RateLimiter::new(connection::rate_limits(workspace.1)?);
    match store.load_requests().await {
        Ok(calls) => pacing.merge_log(calls, read.now),
        Err(error) => note(format!("the calls of earlier runs are not known: {error}")),
    }
    let (quota, over) = estimate_cost(&plan, pacing, (arguments, Purpose::Show));
    Ok(PreparedPlan {
        freshness: FreshnessDocument::new(&read.observed, read.now),
        plan,
        recovered_writes: read.recovered_writes,
        ledger: read.state,
        observed: read.observed,
        estimate: quota,
        exceeded_duration: over,
    })
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be shown, and applied by another run.
    Show,
    /// To be applied by this run, which has read the list already.
    Apply,
}

/// What applying a plan costs, and whether that is more time than it may take.
pub(super) fn estimate_cost(
    plan: &Plan,
    pacing: RateLimiter,
    (arguments, purpose): (&PlanningArguments, Purpose),
) -> (Estimate, Option<MaxDurationExceeded>) {
    let mut calls = plan.requests();
    if purpose == Purpose::Apply && !calls.is_empty() {
        // The list comes first.
        calls.remove(0);
    }
    let quota = estimate(&calls, pacing, SystemClock.now());
    let over = arguments
        .max_duration
        .and_then(|max| quota.check_max_duration(max).err());
    (quota, over)
}

/// The workspace's policy, with what the command line says in its place.
pub(super) fn policy_with_overrides(workspace: &WorkspaceSettings, arguments: &PlanningArguments) -> Policy {
    let mut policy = workspace.policy.clone();
    if let Some(percent) = arguments.max_archives {
        policy.guards.archive = percent;
    }
    if let Some(percent) = arguments.max_updates {
        policy.guards.update = percent;
    }
    policy
}
