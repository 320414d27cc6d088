//! Re-reads what a plan depends on.

use super::{Scope, fetch};
use crate::api::{Client, Clock, FetchedSegment, RequestError, Transport};
use crate::model::{ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId};
use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};

/// Reads the list, and then the ids that `ids_to_read` selects from it. The answers are part of the result, since they are
/// as fresh as a read before a write that follows at once.
pub async fn recheck<T: Transport, C: Clock>(
    client: &Client<T, C>,
    clock: &C,
    scope: &Scope<'_>,
    ids_to_read: impl FnOnce(&ObservedWorkspace) -> BTreeSet<SegmentId>,
) -> Result<(ObservedWorkspace, BTreeMap<SegmentId, FetchedSegment>), RequestError> {
    let mut observed = ObservedWorkspace::default();
    scope.add_listed(&client.list().await?, &mut observed);
    scope.add_unlisted_cohorts(&mut observed);
    let mut answers = BTreeMap::new();
    for id in ids_to_read(&observed) {
        let fetched_at = clock.now();
        if let Some(segment) = fetch(client, scope, &id, &mut observed).await? {
            answers.insert(id, FetchedSegment { segment, fetched_at });
        }
    }
    Ok((observed, answers))
}

#[must_use]
pub fn ids_with_pending_writes(state: &State, listed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
    // Archived segments are not listed.
    let by_id = state.intents().filter_map(|intent| intent.write.id());
    let is_target = |remote: &&ObservedSegment| {
        let mut intents = state.intents();
        remote.kind == RemoteKind::Filter && intents.any(|intent| intent.targets(&remote.id, &remote.name))
    };
    let targets = listed.segments.values().filter(is_target);
    by_id.chain(targets.map(|remote| &remote.id)).cloned().collect()
}
