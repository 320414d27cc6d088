//! Finds a segment of the state by name, without API requests.

use super::super::connection;
use super::super::failure::{Failure, FailureKind};
use super::super::output::Output;
use super::super::planning::plan_request;
use super::super::project::SelectedWorkspace;
use crate::api::{Clock, SystemClock};
use crate::definition::Identities;
use crate::model::{SegmentId, SegmentName, did_you_mean};
use crate::observe::Refresh;
use crate::plan::rebuild_state;
use crate::plan::step::ResolvedReferences;
use crate::plan::step::SegmentRef;
use crate::reconcile::LoadedWorkspace;
use crate::render::text;
use crate::state::{State, StateEntry};
use std::collections::BTreeMap;

/// The state and the cache of a workspace.
pub(super) struct OfflineState {
    pub(super) state: State,
    pub(super) references: ResolvedReferences,
}

pub(super) struct StateMatch<'a> {
    pub(super) entry: &'a StateEntry,
    /// Other segments that have or had the name.
    pub(super) others: Vec<&'a StateEntry>,
}

impl OfflineState {
    pub(super) async fn load(workspace: SelectedWorkspace<'_>) -> Result<Self, Failure> {
        let request = plan_request(workspace, Refresh::None);
        let store = connection::open_state_store(workspace)?;
        // Without a cache, some references have ids instead of names.
        let mut read = LoadedWorkspace::load_local(request, &store, SystemClock.now(), &drop).await?;
        read.load_cached_and_recorded();
        let (_, references) = rebuild_state(&read.plan_input());
        Ok(Self {
            state: read.state,
            references,
        })
    }

    /// Finds a segment by any name that it has or had, or by a new name in its file that is not applied yet.
    pub(super) fn find(&self, name: &str) -> Result<StateMatch<'_>, Failure> {
        let segment_name = SegmentName::new(name);
        let mut entries = self.state.entries_ever_named(&segment_name).into_iter();
        let declared = || {
            let id = self.references.ids_by_name.get(&segment_name)?;
            self.state.managed_entry(id)
        };
        match entries.next().or_else(declared) {
            Some(entry) => Ok(StateMatch {
                entry,
                others: entries.collect(),
            }),
            None => Err(unknown_segment(name, &self.state)),
        }
    }

    /// Resolves all known names, because a name is more readable than an id.
    pub(super) fn identities(&self) -> Identities {
        Identities {
            declared_by_id: self.names(),
            ..Identities::default()
        }
    }

    pub(super) fn names(&self) -> BTreeMap<SegmentId, SegmentName> {
        let names = self.references.ids_by_name.iter();
        names.map(|(name, id)| (id.clone(), name.clone())).collect()
    }
}

pub(super) fn print_shared_name_note(name: &str, others: &[&StateEntry], output: Output) {
    if !others.is_empty() {
        let others: Vec<_> = others.iter().copied().map(SegmentRef::of_entry).collect();
        output.print_note(text::shared_name_note(name, &others));
    }
}

pub(super) fn unknown_segment(segment: &str, state: &State) -> Failure {
    let message = format!("the state contains no segment `{segment}`");
    let failure = Failure::new(FailureKind::Error, message);
    let names = state.managed_entries().map(|entry| entry.name.as_str());
    match did_you_mean(segment, names) {
        Some(name) => failure.with_help(format!("did you mean `{name}`?")),
        None => failure.with_help("list the segments with `segctl state list`"),
    }
}
