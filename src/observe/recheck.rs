//! A second look at what a plan touches.

use super::Scope;
use crate::api::{ApiError, Client, Clock, FetchedSegment, RequestError, Transport};
use crate::model::{ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the list, and anew what `wanted` asks for when it has seen it: 1 call and as many as there are ids. What was
/// answered comes with it, since it is as good as a look right before a write that follows at once.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn recheck<T: Transport, C: Clock>(
    (client, clock): (&Client<T, C>, &C),
    scope: &Scope<'_>,
    ids_to_read: impl FnOnce(&ObservedWorkspace) -> BTreeSet<SegmentId>,
) -> Result<(ObservedWorkspace, BTreeMap<SegmentId, FetchedSegment>), RequestError> {
    let mut observed = ObservedWorkspace::default();
    for listed in client.list().await? {
        let live = scope.listed(&listed);
        observed.segments.insert(live.id.clone(), live);
    }
    let mut answers = BTreeMap::new();
    for id in ids_to_read(&observed) {
        let at = clock.now();
        match client.get(&id).await {
            Ok(stored) => {
                let was_listed = observed.segments.contains_key(&id);
                let seen = FetchedSegment {
                    segment: stored.clone(),
                    fetched_at: at,
                };
                answers.insert(id.clone(), seen);
                observed.segments.insert(id, scope.fetched(stored, was_listed));
            }
            Err(error) if matches!(error.kind, ApiError::NotFound { .. }) => {
                observed.segments.remove(&id);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((observed, answers))
}

/// What has to be read to know what became of writes that an earlier run left.
#[must_use]
pub fn ids_with_pending_writes(ledger: &State, listed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
    // What is archived is not listed.
    let by_id = ledger.intents().filter_map(|intent| intent.write.id().cloned());
    let is_concerned = |live: &&ObservedSegment| {
        let mut intents = ledger.intents();
        live.kind == RemoteKind::Filter && intents.any(|intent| intent.targets(&live.id, &live.name))
    };
    let live = listed.segments.values().filter(is_concerned);
    by_id.chain(live.map(|live| live.id.clone())).collect()
}
