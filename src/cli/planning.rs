//! The way to a plan that `plan` and `apply` share.

use super::connection::Connection;
use super::failure::Failure;
use super::project::Project;
use crate::config::workspace::Workspace;
use crate::ledger::{Ledger, LedgerStore};
use crate::model::Observed;
use crate::observe::{Scope, complete, observe};
use crate::plan::step::Plan;
use crate::plan::{Situation, plan};

/// A plan with the ledger that it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: Ledger,
}

/// Reads what is live and plans.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn make_plan(
    project: &Project,
    (name, workspace): (&str, &Workspace),
    connection: &Connection,
) -> Result<Planned, Failure> {
    let declared = project.declared(name);
    let ledger = connection.store.load().await?;
    let scope = Scope {
        declared: &declared,
        ledger: &ledger,
        list_shows_archived: workspace.list_shows_archived,
    };
    let mut observed = observe(&connection.client, &scope).await?;
    let of = |observed: &Observed| {
        plan(&Situation {
            workspace: name,
            declared: &declared,
            observed,
            ledger: &ledger,
        })
    };
    let mut plan = of(&observed);
    // Definitions of other segments matter only when one is about to be stored.
    if plan.steps.iter().any(|step| step.action.wanted().is_some()) {
        complete(&connection.client, &scope, &mut observed).await?;
        plan = of(&observed);
    }
    Ok(Planned { plan, ledger })
}
