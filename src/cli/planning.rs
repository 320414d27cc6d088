//! The way to a plan that `plan` and `apply` share.

use super::arguments::PlanningArguments;
use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::project::Project;
use crate::api::pacing::Pacing;
use crate::api::{Clock, SystemClock};
use crate::config::workspace::Workspace;
use crate::ledger::{Ledger, LedgerStore};
use crate::model::{DeclaredSegment, Observed, Policy};
use crate::observe::{Scope, complete, observe};
use crate::plan::guard::Allowances;
use crate::plan::quota::{Quota, QuotaRefusal, quota};
use crate::plan::selection::Selection;
use crate::plan::step::Plan;
use crate::plan::{Situation, plan};
use crate::render::document::PlanDocument;
use jiff::Timestamp;

/// A plan with the ledger that it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: Ledger,
    /// What was seen.
    pub(super) observed: Observed,
    /// What applying costs.
    pub(super) quota: Quota,
    /// That it costs more time than it may.
    pub(super) over: Option<QuotaRefusal>,
}

impl Planned {
    /// What forbids applying the plan, if anything does.
    pub(super) fn forbidden(&self) -> Option<Kind> {
        let is_refused = !self.plan.refusals.is_empty() || self.over.is_some();
        match (self.plan.conflicts.is_empty(), is_refused) {
            (false, _) => Some(Kind::Conflict),
            (true, true) => Some(Kind::Guard),
            (true, false) => None,
        }
    }

    /// The plan with what it costs, for people and programs.
    pub(super) fn document(&self) -> PlanDocument {
        PlanDocument::new(&self.plan).with_quota(&self.quota, self.over.as_ref())
    }
}

/// Everything that a plan is made from.
pub(super) struct Read<'a> {
    workspace: &'a str,
    declared: Vec<DeclaredSegment>,
    /// The ledger.
    pub(super) ledger: Ledger,
    observed: Observed,
    policy: Policy,
    allowances: Allowances,
    selection: Selection,
    now: Timestamp,
}

impl Read<'_> {
    /// What the planner takes.
    pub(super) fn situation(&self) -> Situation<'_> {
        Situation {
            workspace: self.workspace,
            declared: &self.declared,
            observed: &self.observed,
            ledger: &self.ledger,
            policy: &self.policy,
            allowances: self.allowances,
            selection: &self.selection,
            now: self.now,
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            declared: &self.declared,
            ledger: &self.ledger,
            policy: &self.policy,
        }
    }
}

/// Reads what is live of what is managed.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn read_all<'a>(
    project: &Project,
    (name, workspace): (&'a str, &Workspace),
    arguments: &PlanningArguments,
    connection: &Connection,
) -> Result<Read<'a>, Failure> {
    let mut read = Read {
        workspace: name,
        declared: project.declared(name),
        ledger: connection.store.load().await?,
        observed: Observed::default(),
        policy: policy(workspace, arguments),
        allowances: Allowances {
            empty: arguments.allow_empty,
            short_list: arguments.allow_short_list,
        },
        selection: Selection {
            targets: arguments.target.clone(),
            excludes: arguments.exclude.clone(),
        },
        now: SystemClock.now(),
    };
    read.observed = observe(&connection.client, &read.scope()).await?;
    read.now = connection.client.service_time();
    Ok(read)
}

/// Reads what is live and plans.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn make_plan(
    project: &Project,
    workspace: (&str, &Workspace),
    arguments: &PlanningArguments,
    connection: &Connection,
) -> Result<Planned, Failure> {
    let mut read = read_all(project, workspace, arguments, connection).await?;
    let mut plan = plan(&read.situation());
    // Definitions of other segments matter only when one is about to be stored.
    if plan.steps.iter().any(|step| step.action.wanted().is_some()) {
        let mut observed = std::mem::take(&mut read.observed);
        complete(&connection.client, &read.scope(), &mut observed).await?;
        read.observed = observed;
        plan = crate::plan::plan(&read.situation());
    }
    let Read { ledger, observed, .. } = read;
    let (quota, over) = cost(&plan, connection.client.pacing(), arguments);
    Ok(Planned {
        plan,
        ledger,
        observed,
        quota,
        over,
    })
}

/// What applying a plan costs, and whether that is more time than it may take.
pub(super) fn cost(
    plan: &Plan,
    pacing: Pacing,
    arguments: &PlanningArguments,
) -> (Quota, Option<QuotaRefusal>) {
    let quota = quota(&plan.calls(), pacing, SystemClock.now());
    let over = arguments.max_duration.and_then(|max| quota.check(max).err());
    (quota, over)
}

/// The workspace's policy, with what the command line says in its place.
pub(super) fn policy(workspace: &Workspace, arguments: &PlanningArguments) -> Policy {
    let mut policy = workspace.policy.clone();
    if let Some(percent) = arguments.max_archives {
        policy.guards.archive = percent;
    }
    if let Some(percent) = arguments.max_updates {
        policy.guards.update = percent;
    }
    policy
}
