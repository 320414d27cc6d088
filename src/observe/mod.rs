//! What is live, read with as few calls as will do.
//!
//! One list, then one get for each segment that matters and is not remembered from an earlier run: those that files
//! declare, that the ledger knows, or that the workspace owns. Of the remembered ones a part is read again each time,
//! since definitions can be changed in the dashboard. Definitions of all other segments are read only when the plan is
//! about to store a definition, since only then one of them can clash with it.
//!
//! The list does not show archived segments, and nothing the service answers carries the fact. A segment that the
//! ledger knows, that the list lacks and that can still be got by id is therefore an archived one.

mod recheck;
mod refresh;

pub use recheck::{ids_with_pending_writes, recheck};
pub use refresh::Refresh;

use crate::api::{ApiError, Client, Clock, RemoteSegment, RemoteSummary, RequestError, Transport};
use crate::definition::{Digest, Identities};
use crate::model::{
    DeclaredSegment, Keyword, Lifecycle, ObservedSegment, ObservedWorkspace, Payload, Policy, RemoteKind,
    SegmentId, SegmentKind, SegmentName,
};
use crate::state::{Cache, CachedSegment, Intent, State, StateEntry};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What decides how much is read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// What the files say.
    pub declared: &'a [DeclaredSegment],
    /// What was applied last.
    pub state: &'a State,
    /// What is ours, and whether the list shows archived segments; then only the ledger tells which they are.
    pub policy: &'a Policy,
    /// What was seen last.
    pub cache: &'a Cache,
    /// How much of it is read again.
    pub refresh: Refresh,
    /// When this is.
    pub now: Timestamp,
}

/// Reads the list, the managed segments as far as they are not remembered, and the hidden ones that the ledger knows.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn observe<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
) -> Result<ObservedWorkspace, RequestError> {
    let mut observed = ObservedWorkspace {
        listed_at: Some(scope.now),
        ..ObservedWorkspace::default()
    };
    for listed in client.list().await? {
        let live = scope.listed(&listed);
        observed.segments.insert(live.id.clone(), live);
    }
    let managed = scope.managed(&observed);
    for id in &managed {
        let hidden = scope.cache.segments.get(id);
        if let Some(hidden) = hidden.filter(|seen| !seen.listed && !observed.segments.contains_key(id)) {
            observed.segments.insert(id.clone(), scope.cached(id, hidden));
        }
    }
    for id in scope.ids_to_fetch(&managed, &observed) {
        fetch(client, scope, &id, &mut observed).await?;
    }
    Ok(observed)
}

/// Reads the definitions of all filter segments that `wanted` asks for and that are not known yet.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn fetch_missing_definitions<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    observed: &mut ObservedWorkspace,
    is_needed: impl Fn(&SegmentId) -> bool,
) -> Result<(), RequestError> {
    // What was read since the list is as new as anything can be.
    let since = observed.listed_at;
    let is_old = |live: &ObservedSegment| scope.refresh == Refresh::Full && live.fetched_at < since;
    let unread = |live: &&ObservedSegment| {
        live.kind == RemoteKind::Filter && (live.definition.is_none() || is_old(live))
    };
    let ids: Vec<_> = observed
        .segments
        .values()
        .filter(unread)
        .map(|live| live.id.clone())
        .filter(|id| is_needed(id))
        .collect();
    for id in ids {
        fetch(client, scope, &id, observed).await?;
    }
    Ok(())
}

/// What was seen last, as if it were seen now: for plans without a service.
#[must_use]
pub fn from_cache(scope: &Scope<'_>) -> ObservedWorkspace {
    let segments = scope.cache.segments.iter();
    ObservedWorkspace {
        listed_at: scope.cache.listed_at,
        segments: segments
            .map(|(id, seen)| (id.clone(), scope.cached(id, seen)))
            .collect(),
    }
}

/// What was seen last, and what the ledger knows of segments that were not seen: enough to tell which segment is which.
#[must_use]
pub fn from_cache_and_state(scope: &Scope<'_>) -> ObservedWorkspace {
    let mut observed = from_cache(scope);
    let entries = scope.state.managed_entries();
    for entry in entries.filter(|entry| !scope.state.is_superseded(entry)) {
        let live = observed.segments.entry(entry.id.clone());
        live.or_insert_with(|| recorded_segment(entry));
    }
    observed
}

/// A segment as it was last applied.
fn recorded_segment(entry: &StateEntry) -> ObservedSegment {
    ObservedSegment {
        id: entry.id.clone(),
        name: entry.name.clone(),
        kind: match entry.kind {
            SegmentKind::Filter => RemoteKind::Filter,
            other => RemoteKind::Other(other.as_str().to_owned()),
        },
        lifecycle: entry.lifecycle,
        source: None,
        created_time: None,
        listed: entry.lifecycle == Lifecycle::Active,
        fetched_at: None,
        applied_before_fetch_at: None,
        definition: entry.definition.clone(),
    }
}

async fn fetch<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    id: &SegmentId,
    observed: &mut ObservedWorkspace,
) -> Result<(), RequestError> {
    match client.get(id).await {
        Ok(stored) => {
            let was_listed = observed.segments.get(id).is_some_and(|live| live.listed);
            let live = scope.fetched(stored, was_listed);
            observed.segments.insert(live.id.clone(), live);
            Ok(())
        }
        // Gone since the list, or the ledger is of another workspace: there is no such segment.
        Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => {
            observed.segments.remove(id);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

impl Scope<'_> {
    /// The ids that files, the ledger and `owns` point to.
    fn managed(&self, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
        let temporary: Vec<SegmentName> = self
            .declared
            .iter()
            .map(|segment| segment.name.temporary())
            .collect();
        let names: BTreeSet<&SegmentName> = self
            .declared
            .iter()
            .flat_map(|segment| std::iter::once(&segment.name).chain(&segment.previous_names))
            .chain(&temporary)
            .chain(self.state.intents().map(|intent| &intent.segment))
            .collect();
        let by_name = observed
            .segments
            .values()
            .filter(|live| names.contains(&live.name) || self.policy.manages(&live.name))
            .filter(|live| live.kind == RemoteKind::Filter)
            .map(|live| live.id.clone());
        let by_ledger = self.state.managed_entries().map(|entry| entry.id.clone());
        let by_file = self.declared.iter().filter_map(|segment| segment.id.clone());
        let by_intent = self
            .state
            .intents()
            .filter_map(|intent| intent.write.id().cloned());
        by_name.chain(by_ledger).chain(by_file).chain(by_intent).collect()
    }

    /// Whether what is remembered of a segment is older than what was done to it since, or than what may have been.
    fn is_stale(&self, live: &ObservedSegment) -> bool {
        let digest = |payload: &Payload| Digest::exact(payload, &Identities::default());
        let was_applied_since = |entry: &StateEntry| {
            // What was only taken down, and not written, is as it was read.
            let definitions = entry.definition.as_ref().zip(live.definition.as_ref());
            let is_other = |(applied, seen)| digest(applied) != digest(seen);
            live.applied_before_fetch_at != Some(entry.applied_at)
                && (live.name != entry.name || definitions.is_some_and(is_other))
        };
        let has_pending_write = |intent: &Intent| intent.targets(&live.id, &live.name);
        self.state.managed_entry(&live.id).is_some_and(was_applied_since)
            || self.state.intents().any(has_pending_write)
    }

    /// The managed segments that are not remembered, and those whose turn it is.
    fn ids_to_fetch(
        &self,
        managed: &BTreeSet<SegmentId>,
        observed: &ObservedWorkspace,
    ) -> BTreeSet<SegmentId> {
        let read_at = |id: &SegmentId| observed.segments.get(id).and_then(|live| live.fetched_at);
        let is_known = |id: &&SegmentId| {
            let live = observed.segments.get(*id);
            live.is_some_and(|live| live.fetched_at.is_some() && !self.is_stale(live))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = managed.iter().partition(is_known);
        let known: BTreeMap<SegmentId, Timestamp> = known
            .into_iter()
            .filter_map(|id| Some((id.clone(), read_at(id)?)))
            .collect();
        let mut ids = refresh::ids_to_reread(&known, self.refresh);
        ids.extend(unknown.into_iter().cloned());
        ids
    }

    /// A segment as the list shows it, with what is remembered of it. That is another segment's when its name or the
    /// time it was made differs: ids are not documented never to be used again.
    fn listed(&self, listed: &RemoteSummary) -> ObservedSegment {
        let seen = self.cache.segments.get(&listed.id).filter(|seen| {
            seen.listed && seen.name == listed.name && seen.created_time == listed.created_time
        });
        ObservedSegment {
            id: listed.id.clone(),
            name: listed.name.clone(),
            kind: parse_kind(&listed.kind),
            lifecycle: self.lifecycle(&listed.id, true),
            source: listed.source.clone(),
            created_time: listed.created_time.clone(),
            listed: true,
            fetched_at: seen.and_then(|seen| seen.fetched_at),
            applied_before_fetch_at: seen.and_then(|seen| seen.applied_before_fetch_at),
            definition: seen.and_then(|seen| seen.definition.clone()),
        }
    }

    fn fetched(&self, stored: RemoteSegment, listed: bool) -> ObservedSegment {
        ObservedSegment {
            definition: stored.payload(),
            lifecycle: self.lifecycle(&stored.id, listed),
            kind: parse_kind(&stored.kind),
            source: stored.source,
            created_time: stored.created_time,
            listed,
            fetched_at: Some(self.now),
            applied_before_fetch_at: applied_at(self.state, &stored.id),
            id: stored.id,
            name: stored.name,
        }
    }

    fn cached(&self, id: &SegmentId, seen: &CachedSegment) -> ObservedSegment {
        ObservedSegment {
            id: id.clone(),
            name: seen.name.clone(),
            kind: seen.kind.clone(),
            lifecycle: self.lifecycle(id, seen.listed),
            source: seen.source.clone(),
            created_time: seen.created_time.clone(),
            listed: seen.listed,
            fetched_at: seen.fetched_at,
            applied_before_fetch_at: seen.applied_before_fetch_at,
            definition: seen.definition.clone(),
        }
    }

    fn lifecycle(&self, id: &SegmentId, listed: bool) -> Lifecycle {
        if self.policy.api_behavior.list_shows_archived {
            // Such a list says nothing of it: one that lacks a segment lags behind.
            let remembered = self.state.managed_entry(id).map(|entry| entry.lifecycle);
            return remembered.unwrap_or(Lifecycle::Active);
        }
        if listed {
            Lifecycle::Active
        } else {
            Lifecycle::Archived
        }
    }
}

/// When a segment was applied last, by what the ledger says.
fn applied_at(ledger: &State, id: &SegmentId) -> Option<Timestamp> {
    ledger.managed_entry(id).map(|entry| entry.applied_at)
}

/// What an answer showed of a segment, to be remembered; `ledger` knows what was applied before it was given.
#[must_use]
pub fn cache_entry(
    stored: &RemoteSegment,
    listed: bool,
    (ledger, now): (&State, Timestamp),
) -> CachedSegment {
    CachedSegment {
        name: stored.name.clone(),
        kind: parse_kind(&stored.kind),
        source: stored.source.clone(),
        created_time: stored.created_time.clone(),
        listed,
        fetched_at: stored.payload().map(|_| now),
        applied_before_fetch_at: applied_at(ledger, &stored.id),
        definition: stored.payload(),
    }
}

/// Filter segments are the one kind whose definition the service shows.
fn parse_kind(word: &str) -> RemoteKind {
    if word == "ELASTIC_SEARCH" {
        RemoteKind::Filter
    } else {
        RemoteKind::Other(word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::recovery::tests::payload;

    /// Who spends more.
    #[test]
    fn a_segment_applied_after_its_last_read_is_read_again_despite_clock_changes() {
        let second = |second| Timestamp::from_second(second).unwrap();
        // What the ledger knew when it was read at second 100, what it knows now, what was seen.
        let table = [
            (Some(50), 50, 1, false),
            // Edited by hand before it was read: that is drift, and remembered.
            (Some(50), 50, 2, false),
            (Some(50), 200, 2, true),
            // The clock was set back between.
            (Some(50), 60, 2, true),
            (None, 60, 2, true),
            // As it was applied: there is nothing to learn.
            (Some(50), 200, 1, false),
            (None, 200, 1, false),
        ];
        for (then, now, amount, is_read) in table {
            let id = SegmentId::new("a1");
            let mut ledger = State::default();
            ledger.record(StateEntry {
                definition: Some(payload(1)),
                ..StateEntry::new(id.clone(), SegmentName::new("One"), second(now))
            });
            let seen = CachedSegment {
                name: SegmentName::new("One"),
                kind: RemoteKind::Filter,
                source: None,
                created_time: None,
                listed: true,
                fetched_at: Some(second(100)),
                applied_before_fetch_at: then.map(second),
                definition: Some(payload(amount)),
            };
            let scope = Scope {
                declared: &[],
                state: &ledger,
                policy: &Policy::default(),
                cache: &Cache::default(),
                refresh: Refresh::None,
                now: second(300),
            };
            let observed = ObservedWorkspace {
                segments: [(id.clone(), scope.cached(&id, &seen))].into(),
                ..ObservedWorkspace::default()
            };
            let due = scope.ids_to_fetch(&[id.clone()].into(), &observed);
            assert_eq!(due.contains(&id), is_read, "{then:?} {now} {amount}");
        }
    }
}
