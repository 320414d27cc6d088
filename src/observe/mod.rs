//! Reads the remote segments with as few API requests as possible.
//!
//! segctl sends one list request, then one get request for each managed segment without a cached definition. These are the
//! segments in the configuration, in the state, and those that `manages:` matches. segctl also re-reads cached ones, as
//! [`Refresh`] selects, since definitions can be changed in the dashboard. It reads the definitions of all other segments only
//! before it stores a definition, since only then can one of them conflict.
//!
//! The list does not show archived segments, and no answer contains the lifecycle. A segment in the state that is not listed
//! but can be read by id is therefore archived, if the list shows its kind: see `shown_kinds`.
//!
//! One segment that cannot be read stops nothing else: see `unreadable`.

mod recheck;
mod refresh;
mod shown_kinds;
mod unlisted_references;
mod unreadable;

pub use recheck::{ids_with_pending_writes, recheck};
pub use refresh::Refresh;

use crate::api::{ApiError, Client, Clock, Listing, RemoteSegment, RemoteSummary, RequestError, Transport};
use crate::model::{
    DeclaredSegment, Keyword, Lifecycle, ObservedSegment, ObservedWorkspace, Policy, RemoteKind, SegmentId,
    SegmentKind, SegmentName, ShownKinds, StoredDefinition,
};
use crate::state::{Cache, CachedSegment, Intent, State, StateEntry};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub declared: &'a [DeclaredSegment],
    pub state: &'a State,
    pub policy: &'a Policy,
    pub cache: &'a Cache,
    /// What earlier lists showed.
    pub shown_kinds: &'a ShownKinds,
    pub refresh: Refresh,
    pub now: Timestamp,
}

/// Reads the list; definitions come from the cache. Includes the archived segments that the cache contains.
pub async fn list<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
) -> Result<ObservedWorkspace, RequestError> {
    let mut observed = ObservedWorkspace {
        listed_at: Some(scope.now),
        imported: scope.imported(),
        ..ObservedWorkspace::default()
    };
    scope.add_listed(&client.list().await?, &mut observed);
    for id in scope.managed(&observed) {
        let cached = scope.cache.segments.get(&id);
        if let Some(cached) = cached.filter(|cached| !cached.listed && !observed.segments.contains_key(&id)) {
            let remote = scope.cached(&id, cached, &observed.shown_kinds);
            observed.segments.insert(id, remote);
        }
    }
    scope.add_unlisted_cohorts(&mut observed);
    Ok(observed)
}

/// Treats the cache as the remote state, for offline plans.
#[must_use]
pub fn from_cache(scope: &Scope<'_>) -> ObservedWorkspace {
    let segments = scope.cache.segments.iter();
    let mut observed = ObservedWorkspace {
        listed_at: scope.cache.listed_at,
        shown_kinds: scope.cache.shown_kinds.clone(),
        imported: scope.imported(),
        segments: segments
            .filter(|(id, _)| !id.is_unlisted_cohort())
            .map(|(id, cached)| (id.clone(), scope.cached(id, cached, &scope.cache.shown_kinds)))
            .collect(),
        ..ObservedWorkspace::default()
    };
    scope.add_unlisted_cohorts(&mut observed);
    observed
}

/// Adds the segments that only the state contains: enough to identify every segment.
#[must_use]
pub fn from_cache_and_state(scope: &Scope<'_>) -> ObservedWorkspace {
    let mut observed = from_cache(scope);
    let entries = scope.state.managed_entries();
    for entry in entries.filter(|entry| !scope.state.is_superseded(entry)) {
        let segment = observed.segments.entry(entry.id.clone());
        segment.or_insert_with(|| recorded_segment(entry));
    }
    observed
}

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

/// Reads a segment into `observed`, and waits for rate limits.
pub async fn fetch<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    id: &SegmentId,
    observed: &mut ObservedWorkspace,
) -> Result<Option<RemoteSegment>, RequestError> {
    if id.is_unlisted_cohort() {
        return Ok(None);
    }
    scope.record_answer(id, client.get(id).await, observed)
}

/// As [`fetch`], but without a wait for a rate limit: [`ReadOutcome::MustWait`] instead.
pub async fn fetch_without_waiting<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    id: &SegmentId,
    observed: &mut ObservedWorkspace,
) -> Result<ReadOutcome, RequestError> {
    let answer = match client.get_without_waiting(id).await {
        Ok(None) => return Ok(ReadOutcome::MustWait),
        Ok(Some(segment)) => Ok(segment),
        Err(error) => Err(error),
    };
    scope.record_answer(id, answer, observed).map(|segment| {
        segment.map_or(ReadOutcome::NotFound, |segment| {
            ReadOutcome::Read(Box::new(segment))
        })
    })
}

/// The result of a read that never waits.
pub enum ReadOutcome {
    Read(Box<RemoteSegment>),
    NotFound,
    MustWait,
}

impl Scope<'_> {
    fn add_listed(&self, listing: &Listing, observed: &mut ObservedWorkspace) {
        observed.shown_kinds = self.shown_kinds.clone();
        for listed in &listing.segments {
            let remote = self.listed(listed);
            self.note_shown_kind(listed, &remote.kind, &mut observed.shown_kinds);
            observed.segments.insert(remote.id.clone(), remote);
        }
        self.add_unreadable_rows(&listing.unreadable, observed);
    }

    fn record_answer(
        &self,
        id: &SegmentId,
        answer: Result<RemoteSegment, RequestError>,
        observed: &mut ObservedWorkspace,
    ) -> Result<Option<RemoteSegment>, RequestError> {
        match answer {
            Ok(segment) => {
                let was_listed = observed.segments.get(id).is_some_and(|remote| remote.listed);
                let remote = self.fetched(&segment, was_listed, &observed.shown_kinds);
                observed.segments.insert(id.clone(), remote);
                observed.fetched.insert(id.clone());
                observed.unreadable.remove(id);
                Ok(Some(segment))
            }
            Err(RequestError {
                kind: ApiError::UnreadableSegment { reason },
                ..
            }) => {
                self.note_unreadable(id, reason, observed);
                Ok(None)
            }
            // Deleted since the list, or the state is of another workspace.
            Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => {
                observed.segments.remove(id);
                observed.unreadable.remove(id);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The segments in the configuration and in the state, those that `manages:` matches, and those that an interrupted
    /// run was writing.
    #[must_use]
    pub fn managed(&self, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
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
            .filter(|remote| names.contains(&remote.name) || self.policy.manages(&remote.name))
            .filter(|remote| remote.kind == RemoteKind::Filter)
            .map(|remote| &remote.id);
        let recorded = self.state.managed_entries().map(|entry| &entry.id);
        let declared = self.declared.iter().filter_map(|segment| segment.id.as_ref());
        let pending = self.state.intents().filter_map(|intent| intent.write.id());
        by_name
            .chain(recorded)
            .chain(declared)
            .chain(pending)
            .filter(|id| !id.is_unlisted_cohort())
            .cloned()
            .collect()
    }

    fn imported(&self) -> BTreeSet<SegmentId> {
        let imported = self.cache.imported.iter();
        imported
            .filter(|id| self.state.managed_entry(id).is_none())
            .cloned()
            .collect()
    }

    /// Whether segctl changed a cached segment since it was read, or may have.
    fn is_stale(&self, cached: &ObservedSegment) -> bool {
        let was_applied_since = |entry: &StateEntry| {
            // An entry that was recorded without a write is equal to the cached segment.
            let definitions = entry.definition.as_ref().zip(cached.definition.as_ref());
            let exact = |definition: &StoredDefinition| definition.facts().digests.exact;
            let differ = |(applied, read)| exact(applied) != exact(self.state.as_written(&cached.id, read));
            cached.applied_before_fetch_at != Some(entry.applied_at)
                && (cached.name != entry.name || definitions.is_some_and(differ))
        };
        let has_pending_write = |intent: &Intent| intent.targets(&cached.id, &cached.name);
        self.state
            .managed_entry(&cached.id)
            .is_some_and(was_applied_since)
            || self.state.intents().any(has_pending_write)
    }

    /// Those of the segments that have no current cached definition, and those that the refresh mode selects.
    #[must_use]
    pub fn ids_to_fetch(
        &self,
        segments: &BTreeSet<SegmentId>,
        observed: &ObservedWorkspace,
    ) -> BTreeSet<SegmentId> {
        let (mut cached, mut ids) = (BTreeMap::new(), BTreeSet::new());
        for id in segments {
            let remote = observed.segments.get(id);
            if remote.is_some_and(|remote| remote.listed && remote.kind != RemoteKind::Filter) {
                // The answer would have no definition.
                continue;
            }
            let current = remote.filter(|remote| !self.is_stale(remote));
            match current.and_then(|remote| remote.fetched_at) {
                Some(fetched_at) => {
                    // A read in the future was made by a clock that was set back meanwhile.
                    let is_dated = fetched_at <= self.now;
                    cached.insert(id.clone(), if is_dated { fetched_at } else { Timestamp::MIN });
                }
                None => {
                    ids.insert(id.clone());
                }
            }
        }
        ids.extend(refresh::ids_to_reread(&cached, self.refresh));
        ids
    }

    /// The filter segments without a definition. A full refresh includes those that this run did not read.
    #[must_use]
    pub fn ids_without_definition(&self, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
        let is_outdated = |id: &SegmentId| self.refresh == Refresh::Full && !observed.fetched.contains(id);
        let filters = observed
            .segments
            .values()
            .filter(|remote| remote.kind == RemoteKind::Filter);
        filters
            .filter(|remote| remote.definition.is_none() || is_outdated(&remote.id))
            .map(|remote| remote.id.clone())
            .collect()
    }

    /// The cached definitions of the segments, the least recently read first. A read in the future was made by a clock
    /// that was set back meanwhile, so its age is unknown and it comes first.
    #[must_use]
    pub fn cached_oldest_first(
        &self,
        segments: &BTreeSet<SegmentId>,
        observed: &ObservedWorkspace,
    ) -> Vec<SegmentId> {
        let remotes = segments.iter().filter_map(|id| observed.segments.get(id));
        let mut cached: Vec<&ObservedSegment> = remotes
            .filter(|remote| remote.definition.is_some() && !observed.fetched.contains(&remote.id))
            .collect();
        cached.sort_by_key(|remote| (remote.fetched_at.filter(|at| *at <= self.now), &remote.id));
        cached.into_iter().map(|remote| remote.id.clone()).collect()
    }

    /// A segment as the list shows it, with its cached definition. MoEngage may reuse ids, so a cached segment with another
    /// name or creation time is ignored.
    fn listed(&self, listed: &RemoteSummary) -> ObservedSegment {
        let cached = self.cache.segments.get(&listed.id).filter(|cached| {
            cached.listed && cached.name == listed.name && cached.created_time == listed.created_time
        });
        let kind = parse_kind(&listed.kind);
        ObservedSegment {
            id: listed.id.clone(),
            name: listed.name.clone(),
            lifecycle: self.lifecycle(&listed.id, &listed.name, &kind, true, self.shown_kinds),
            kind,
            source: listed.source.clone(),
            created_time: listed.created_time.clone(),
            listed: true,
            fetched_at: cached.and_then(|cached| cached.fetched_at),
            applied_before_fetch_at: cached.and_then(|cached| cached.applied_before_fetch_at),
            definition: cached.and_then(|cached| cached.definition.clone()),
        }
    }

    fn fetched(&self, segment: &RemoteSegment, listed: bool, shown: &ShownKinds) -> ObservedSegment {
        let entry = cache_entry(segment, listed, self.state, self.now);
        ObservedSegment {
            fetched_at: Some(self.now),
            ..self.cached(&segment.id, &entry, shown)
        }
    }

    fn cached(&self, id: &SegmentId, cached: &CachedSegment, shown: &ShownKinds) -> ObservedSegment {
        ObservedSegment {
            id: id.clone(),
            name: cached.name.clone(),
            kind: cached.kind.clone(),
            lifecycle: self.lifecycle(id, &cached.name, &cached.kind, cached.listed, shown),
            source: cached.source.clone(),
            created_time: cached.created_time.clone(),
            listed: cached.listed,
            fetched_at: cached.fetched_at,
            applied_before_fetch_at: cached.applied_before_fetch_at,
            definition: cached.definition.clone(),
        }
    }
}

/// The cache entry of a segment in an answer; `state` contains what was applied before that answer.
#[must_use]
pub fn cache_entry(segment: &RemoteSegment, listed: bool, state: &State, now: Timestamp) -> CachedSegment {
    CachedSegment {
        name: segment.name.clone(),
        kind: parse_kind(&segment.kind),
        source: segment.source.clone(),
        created_time: segment.created_time.clone(),
        listed,
        fetched_at: segment.payload().map(|_| now),
        applied_before_fetch_at: state.managed_entry(&segment.id).map(|entry| entry.applied_at),
        definition: segment.payload().map(StoredDefinition::from),
    }
}

/// MoEngage returns the definitions of filter segments only.
fn parse_kind(kind: &str) -> RemoteKind {
    match kind {
        "ELASTIC_SEARCH" => RemoteKind::Filter,
        other => RemoteKind::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::recovery::tests::payload;

    #[test]
    fn a_segment_applied_after_its_last_read_is_reread_despite_clock_changes() {
        let second = |second| Timestamp::from_second(second).unwrap();
        // The recorded apply time when the segment was read at second 100, the one now, what was read, the expectation.
        let table = [
            (Some(50), 50, 1, false),
            // Changed in the dashboard before it was read: drift, and cached.
            (Some(50), 50, 2, false),
            (Some(50), 200, 2, true),
            // The clock was set back meanwhile.
            (Some(50), 60, 2, true),
            (None, 60, 2, true),
            // The cache contains what was applied.
            (Some(50), 200, 1, false),
            (None, 200, 1, false),
        ];
        for (before, now, amount, is_reread) in table {
            let id = SegmentId::new("a1");
            let mut state = State::default();
            state.record(StateEntry {
                definition: Some(payload(1).into()),
                ..StateEntry::new(id.clone(), SegmentName::new("One"), second(now))
            });
            let cached = CachedSegment {
                name: SegmentName::new("One"),
                kind: RemoteKind::Filter,
                source: None,
                created_time: None,
                listed: true,
                fetched_at: Some(second(100)),
                applied_before_fetch_at: before.map(second),
                definition: Some(payload(amount).into()),
            };
            let scope = Scope {
                declared: &[],
                state: &state,
                policy: &Policy::default(),
                cache: &Cache::default(),
                shown_kinds: &ShownKinds::default(),
                refresh: Refresh::None,
                now: second(300),
            };
            let observed = ObservedWorkspace {
                segments: [(id.clone(), scope.cached(&id, &cached, scope.shown_kinds))].into(),
                ..ObservedWorkspace::default()
            };
            let due = scope.ids_to_fetch(&[id.clone()].into(), &observed);
            assert_eq!(due.contains(&id), is_reread, "{before:?} {now} {amount}");
        }
    }
}
