//! The way to a plan that `plan` and `apply` share.

use super::arguments::PlanningArguments;
use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::config::workspace::Workspace;
use crate::ledger::{Ledger, LedgerStore};
use crate::model::{Observed, Policy};
use crate::observe::{Scope, complete, observe};
use crate::plan::guard::Allowances;
use crate::plan::selection::Selection;
use crate::plan::step::Plan;
use crate::plan::{Situation, plan};

/// A plan with the ledger that it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: Ledger,
    /// What was seen.
    pub(super) observed: Observed,
}

impl Planned {
    /// What forbids applying the plan, if anything does.
    pub(super) fn forbidden(&self) -> Option<Kind> {
        match (self.plan.conflicts.is_empty(), self.plan.refusals.is_empty()) {
            (false, _) => Some(Kind::Conflict),
            (true, false) => Some(Kind::Guard),
            (true, true) => None,
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
    (name, workspace): (&str, &Workspace),
    arguments: &PlanningArguments,
    connection: &Connection,
) -> Result<Planned, Failure> {
    let declared = project.declared(name);
    let ledger = connection.store.load().await?;
    let policy = policy(workspace, arguments);
    let scope = Scope {
        declared: &declared,
        ledger: &ledger,
        policy: &policy,
    };
    let selection = Selection {
        targets: arguments.target.clone(),
        excludes: arguments.exclude.clone(),
    };
    let mut observed = observe(&connection.client, &scope).await?;
    let of = |observed: &Observed| {
        plan(&Situation {
            workspace: name,
            declared: &declared,
            observed,
            ledger: &ledger,
            policy: &policy,
            allowances: Allowances {
                empty: arguments.allow_empty,
                short_list: arguments.allow_short_list,
            },
            selection: &selection,
            now: SystemClock.now(),
        })
    };
    let mut plan = of(&observed);
    // Definitions of other segments matter only when one is about to be stored.
    if plan.steps.iter().any(|step| step.action.wanted().is_some()) {
        complete(&connection.client, &scope, &mut observed).await?;
        plan = of(&observed);
    }
    Ok(Planned {
        plan,
        ledger,
        observed,
    })
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
