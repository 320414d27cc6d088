//! The way to a plan that `plan` and `apply` share.

use super::arguments::PlanningArguments;
use super::connection::{self, Connection};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::project::Project;
use crate::api::pacing::Pacing;
use crate::api::{Clock, SystemClock};
use crate::config::workspace::Workspace;
use crate::ledger::{DirectoryStore, Ledger, LedgerStore, Snapshot};
use crate::model::{DeclaredSegment, EndpointClass, LiveSegment, NamePattern, Observed, Policy, SegmentId};
use crate::observe::{Refresh, Scope, complete, observe, offline};
use crate::plan::guard::Allowances;
use crate::plan::quota::{Quota, QuotaRefusal, quota};
use crate::plan::selection::Selection;
use crate::plan::step::Plan;
use crate::plan::{Situation, plan};
use crate::render::document::{PlanDocument, SeenDocument};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A plan with the ledger that it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: Ledger,
    /// What was seen.
    pub(super) observed: Observed,
    /// How old that is.
    seen: SeenDocument,
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
        PlanDocument::new(&self.plan)
            .with_quota(&self.quota, self.over.as_ref())
            .with_seen(self.seen.clone())
    }
}

/// Everything that a plan is made from.
pub(super) struct Read<'a> {
    workspace: &'a str,
    declared: Vec<DeclaredSegment>,
    /// The ledger.
    pub(super) ledger: Ledger,
    observed: Observed,
    snapshot: Snapshot,
    refresh: Refresh,
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

    /// A live segment that was seen.
    pub(super) fn live(&self, id: &SegmentId) -> Option<&LiveSegment> {
        self.observed.segments.get(id)
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            declared: &self.declared,
            ledger: &self.ledger,
            policy: &self.policy,
            snapshot: &self.snapshot,
            refresh: self.refresh,
            now: self.now,
        }
    }
}

/// What is on this machine: the files, the ledger and what was seen last.
async fn read_local<'a>(
    project: &Project,
    (name, workspace): (&'a str, &Workspace),
    (arguments, refresh): (&PlanningArguments, Refresh),
    (store, output): (&DirectoryStore, Output),
) -> Result<Read<'a>, Failure> {
    Ok(Read {
        workspace: name,
        declared: project.declared(name),
        ledger: store.load().await?,
        observed: Observed::default(),
        snapshot: load_snapshot(store, output).await,
        refresh,
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
    })
}

/// What was seen last; without it everything is read.
pub(super) async fn load_snapshot(store: &DirectoryStore, output: Output) -> Snapshot {
    store.load_snapshot().await.unwrap_or_else(|error| {
        output.note(&format!("note: everything is read again: {error}\n"));
        Snapshot::default()
    })
}

/// Keeps what was seen; a machine that cannot plans all the same.
pub(super) async fn keep_snapshot(store: &DirectoryStore, snapshot: &Snapshot, output: Output) {
    if let Err(error) = store.save_snapshot(snapshot).await {
        output.note(&format!(
            "note: the next plan has to read everything again: {error}\n"
        ));
    }
}

/// Reads what is live of what is managed.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn read_all<'a>(
    project: &Project,
    workspace: (&'a str, &Workspace),
    (arguments, refresh): (&PlanningArguments, Refresh),
    connection: &Connection,
) -> Result<Read<'a>, Failure> {
    let local = (&connection.store, connection.output);
    let mut read = read_local(project, workspace, (arguments, refresh), local).await?;
    read.observed = observe(&connection.client, &read.scope()).await?;
    read.now = connection.client.service_time();
    require_targets(&read)?;
    keep_snapshot(
        &connection.store,
        &Snapshot::of(&read.observed),
        connection.output,
    )
    .await;
    Ok(read)
}

/// A pattern of `--target` that nothing fits is a slip, and a plan of nothing would hide it.
fn require_targets(read: &Read<'_>) -> Result<(), Failure> {
    let declared = read.declared.iter().map(|segment| &segment.name);
    let live = read.observed.segments.values().map(|live| &live.name);
    let names: Vec<_> = declared.chain(live).collect();
    let idle = |pattern: &&NamePattern| !names.iter().any(|name| pattern.matches(name));
    match read.selection.targets.iter().find(idle) {
        None => Ok(()),
        Some(pattern) => {
            let message = format!("no segment has a name that fits `--target {}`", pattern.as_str());
            Err(Failure::new(Kind::Usage, message).with_help("`*` stands for any text"))
        }
    }
}

/// Reads the definitions of some segments that were only listed.
///
/// # Errors
///
/// A call failed.
pub(super) async fn read_definitions(
    read: &mut Read<'_>,
    connection: &Connection,
    ids: &BTreeSet<SegmentId>,
) -> Result<(), Failure> {
    let mut observed = std::mem::take(&mut read.observed);
    let done = complete(&connection.client, &read.scope(), &mut observed, |id| {
        ids.contains(id)
    })
    .await;
    read.observed = observed;
    done?;
    keep_snapshot(
        &connection.store,
        &Snapshot::of(&read.observed),
        connection.output,
    )
    .await;
    Ok(())
}

/// Reads what is live and plans.
///
/// # Errors
///
/// A call or the ledger failed.
pub(super) async fn make_plan(
    project: &Project,
    workspace: (&str, &Workspace),
    (arguments, refresh, purpose): (&PlanningArguments, Refresh, Purpose),
    connection: &Connection,
) -> Result<Planned, Failure> {
    let began = SystemClock.now();
    let mut read = read_all(project, workspace, (arguments, refresh), connection).await?;
    let mut plan = plan(&read.situation());
    // Definitions of other segments matter only when one is about to be stored.
    if plan.steps.iter().any(|step| step.action.wanted().is_some()) {
        let mut observed = std::mem::take(&mut read.observed);
        complete(&connection.client, &read.scope(), &mut observed, |_| true).await?;
        read.observed = observed;
        keep_snapshot(
            &connection.store,
            &Snapshot::of(&read.observed),
            connection.output,
        )
        .await;
        plan = crate::plan::plan(&read.situation());
    }
    let (quota, over) = cost(&plan, connection.client.pacing(), (arguments, purpose));
    Ok(Planned {
        seen: SeenDocument::new(&read.observed, began),
        plan,
        ledger: read.ledger,
        observed: read.observed,
        quota,
        over,
    })
}

/// Plans from what was seen last: no call is made, and no credentials are looked up.
///
/// # Errors
///
/// Nothing was seen yet, or the ledger cannot be read.
pub(super) async fn plan_offline(
    project: &Project,
    workspace: (&str, &Workspace),
    arguments: &PlanningArguments,
    output: Output,
) -> Result<Planned, Failure> {
    let store = connection::store(project, workspace.0, workspace.1);
    let mut read = read_local(project, workspace, (arguments, Refresh::None), (&store, output)).await?;
    if read.snapshot.listed_at.is_none() {
        let message = "nothing was seen of this workspace yet, so that nothing can be planned offline";
        let help = "run `segctl plan` once with credentials, and keep `snapshot.json` and `ledger.json` of the ledger's \
                    directory where the offline run finds them";
        return Err(Failure::new(Kind::Error, message).with_help(help));
    }
    read.observed = offline(&read.scope());
    let plan = plan(&read.situation());
    let mut pacing = Pacing::new(connection::limits(workspace.1)?);
    pacing.remember(connection::requests(&store, output).await.iter(), read.now);
    let (quota, over) = cost(&plan, pacing, (arguments, Purpose::Show));
    Ok(Planned {
        seen: SeenDocument::new(&read.observed, read.now),
        plan,
        ledger: read.ledger,
        observed: read.observed,
        quota,
        over,
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
pub(super) fn cost(
    plan: &Plan,
    pacing: Pacing,
    (arguments, purpose): (&PlanningArguments, Purpose),
) -> (Quota, Option<QuotaRefusal>) {
    let mut calls = plan.calls();
    if purpose == Purpose::Apply {
        calls.retain(|class| *class != EndpointClass::List);
    }
    let quota = quota(&calls, pacing, SystemClock.now());
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
