//! The way to a plan that `plan` and `apply` share.

use super::arguments::{PlanningArguments, SelectionArguments};
use super::connection::{self, Connection};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::project::Project;
use crate::api::pacing::Pacing;
use crate::api::{Clock, SystemClock};
use crate::config::workspace::Workspace;
use crate::ledger::{Ledger, LedgerStore};
use crate::model::{NamePattern, Observed, Policy};
use crate::observe::Refresh;
use crate::plan::guard::Allowances;
use crate::plan::plan;
use crate::plan::quota::{Quota, QuotaRefusal, quota};
use crate::plan::selection::Selection;
use crate::plan::step::Plan;
use crate::render::document::{PlanDocument, SeenDocument};
use crate::session::{Aim, Read};

/// A plan with the ledger that it was made from.
pub(super) struct Planned {
    /// The plan.
    pub(super) plan: Plan,
    /// The ledger.
    pub(super) ledger: Ledger,
    /// Whether it was settled after it was read.
    pub(super) has_settled: bool,
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

/// What a run is about that is not told more: everything, by what the workspace allows.
pub(super) fn aim(project: &Project, (name, workspace): (&str, &Workspace), refresh: Refresh) -> Aim {
    Aim {
        workspace: name.to_owned(),
        declared: project.declared(name),
        directory: project.directory.clone(),
        policy: workspace.policy.clone(),
        allowances: Allowances::default(),
        selection: Selection::default(),
        refresh,
    }
}

/// What a plan is about, from the files and the command line.
fn aim_of_plan(
    project: &Project,
    workspace: (&str, &Workspace),
    (arguments, refresh): (&PlanningArguments, Refresh),
) -> Aim {
    Aim {
        policy: policy(workspace.1, arguments),
        allowances: Allowances {
            empty: arguments.allow_empty,
            short_list: arguments.allow_short_list,
            resend: arguments.resend,
            assume_in_sync: arguments.assume_in_sync,
        },
        selection: selection(&arguments.selection),
        ..aim(project, workspace, refresh)
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
pub(super) async fn read_all(aim: Aim, connection: &Connection) -> Result<Read, Failure> {
    let read = connection.session.read(aim).await?;
    require_names(&read)?;
    Ok(read)
}

/// A pattern that nothing fits is a slip: of `--target`, a plan of nothing would hide it, and of `--exclude`, a plan of
/// everything.
fn require_names(read: &Read) -> Result<(), Failure> {
    let situation = read.situation();
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
            Err(Failure::new(Kind::Usage, message).with_help("`*` stands for any text"))
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
    workspace: (&str, &Workspace),
    (arguments, refresh, purpose): (&PlanningArguments, Refresh, Purpose),
    connection: &Connection,
) -> Result<Planned, Failure> {
    let began = SystemClock.now();
    let aim = aim_of_plan(project, workspace, (arguments, refresh));
    let mut read = read_all(aim, connection).await?;
    let plan = connection.session.plan(&mut read).await?;
    let (quota, over) = cost(&plan, connection.session.pacing(), (arguments, purpose));
    Ok(Planned {
        seen: SeenDocument::new(&read.observed, began),
        plan,
        has_settled: read.has_settled,
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
    let store = connection::store(project, workspace.0, workspace.1)?;
    let aim = aim_of_plan(project, workspace, (arguments, Refresh::None));
    let note = move |note| output.line(&format!("note: {note}"));
    let mut read = Read::local(aim, (&store, SystemClock.now()), &note).await?;
    if read.snapshot.listed_at.is_none() {
        let message = "nothing was seen of this workspace yet, so that nothing can be planned offline";
        let help = "run `segctl plan` once with credentials, and keep the ledger's whole directory where the offline run finds it";
        return Err(Failure::new(Kind::Error, message).with_help(help));
    }
    read.look_offline();
    require_names(&read)?;
    read.read_lists((&store, &note)).await?;
    let plan = plan(&read.situation());
    let mut pacing = Pacing::new(connection::limits(workspace.1)?);
    match store.requests().await {
        Ok(calls) => pacing.take_in(calls, read.now),
        Err(error) => note(format!("the calls of earlier runs are not known: {error}")),
    }
    let (quota, over) = cost(&plan, pacing, (arguments, Purpose::Show));
    Ok(Planned {
        seen: SeenDocument::new(&read.observed, read.now),
        plan,
        has_settled: read.has_settled,
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
    if purpose == Purpose::Apply && !calls.is_empty() {
        // The list comes first.
        calls.remove(0);
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
