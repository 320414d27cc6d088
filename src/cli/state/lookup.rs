//! Which segment of the ledger is meant, and what is known of the others without asking anybody.

use super::super::connection;
use super::super::failure::{Failure, FailureKind};
use super::super::project::Project;
use crate::api::{Clock, SystemClock};
use crate::config::settings::WorkspaceSettings;
use crate::config::suggest::did_you_mean;
use crate::model::{SegmentId, SegmentName};
use crate::observe::Refresh;
use crate::plan::guards::Overrides;
use crate::plan::rebuild_state;
use crate::plan::step::ResolvedReferences;
use crate::plan::targeting::Selection;
use crate::reconcile::{LoadedWorkspace, PlanRequest};
use crate::state::{State, StateEntry};
use std::collections::BTreeMap;

/// What is known of a workspace without asking anybody.
pub(super) struct OfflineState {
    pub(super) state: State,
    /// Which segment has which name, in the files and at the service.
    pub(super) references: ResolvedReferences,
}

/// A segment of the ledger.
pub(super) struct StateMatch<'a> {
    pub(super) entry: &'a StateEntry,
    /// Others that have or had its name.
    pub(super) others: Vec<&'a StateEntry>,
}

impl OfflineState {
    /// Reads the ledger and what was seen last.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    pub(super) async fn load(
        project: &Project,
        (name, workspace): (&str, &WorkspaceSettings),
    ) -> Result<Self, Failure> {
        let aim = PlanRequest {
            workspace: name.to_owned(),
            declared: project.declared_segments(name),
            directory: project.directory.clone(),
            policy: workspace.policy.clone(),
            allowances: Overrides::default(),
            selection: Selection::default(),
            refresh: Refresh::None,
        };
        let store = connection::open_state_store(project, name, workspace)?;
        // Without a snapshot some references have ids in place of names.
        let mut read = LoadedWorkspace::load_local(aim, (&store, SystemClock.now()), &drop).await?;
        read.load_cached_and_recorded();
        let (_, known) = rebuild_state(&read.plan_input());
        Ok(Self {
            state: read.state,
            references: known,
        })
    }

    /// Finds a segment by any name it had, or else by the name that a file gives it and that is not applied yet.
    ///
    /// # Errors
    ///
    /// The ledger knows none.
    pub(super) fn find(&self, name: &str) -> Result<StateMatch<'_>, Failure> {
        let wanted = SegmentName::new(name);
        let mut known = self.state.entries_ever_named(&wanted).into_iter();
        let declared = || {
            self.references
                .ids_by_name
                .get(&wanted)
                .and_then(|id| self.state.managed_entry(id))
        };
        match known.next().or_else(declared) {
            Some(entry) => Ok(StateMatch {
                entry,
                others: known.collect(),
            }),
            None => Err(unknown_segment(name, &self.state)),
        }
    }

    /// The names of the segments.
    pub(super) fn names(&self) -> BTreeMap<SegmentId, SegmentName> {
        let names = self.references.ids_by_name.iter();
        names.map(|(name, id)| (id.clone(), name.clone())).collect()
    }
}

/// Why a name leads to nothing, and which one may be meant.
pub(super) fn unknown_segment(segment: &str, ledger: &State) -> Failure {
    let failure = Failure::new(
        FailureKind::Error,
        format!("the ledger knows no segment `{segment}`"),
    );
    let known: Vec<&str> = ledger
        .managed_entries()
        .map(|entry| entry.name.as_str())
        .collect();
    match did_you_mean(segment, known) {
        Some(name) => failure.with_help(format!("did you mean `{name}`?")),
        None => failure.with_help("`segctl ledger show` lists what it knows"),
    }
}
