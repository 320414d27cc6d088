//! A second look at what a plan touches.

use super::Scope;
use crate::api::{ApiError, CallError, Client, Clock, Seen, Transport};
use crate::ledger::{Intent, Ledger};
use crate::model::{LiveKind, Observed, SegmentId};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the list, and anew what `wanted` asks for when it has seen it: 1 call and as many as there are ids. What was
/// answered comes with it, since it is as good as a look right before a write that follows at once.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn look_again<T: Transport, C: Clock>(
    (client, clock): (&Client<T, C>, &C),
    scope: &Scope<'_>,
    wanted: impl FnOnce(&Observed) -> BTreeSet<SegmentId>,
) -> Result<(Observed, BTreeMap<SegmentId, Seen>), CallError> {
    let mut observed = Observed::default();
    for listed in client.list().await? {
        let live = scope.listed(&listed);
        observed.segments.insert(live.id.clone(), live);
    }
    let mut answers = BTreeMap::new();
    for id in wanted(&observed) {
        let at = clock.now();
        match client.get(&id).await {
            Ok(stored) => {
                let was_listed = observed.segments.contains_key(&id);
                let seen = Seen {
                    stored: stored.clone(),
                    at,
                };
                answers.insert(id.clone(), seen);
                observed.segments.insert(id, scope.read(stored, was_listed));
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
pub fn under_way(ledger: &Ledger, listed: &Observed) -> BTreeSet<SegmentId> {
    let of_intent = |intent: &Intent| match intent.write.id() {
        Some(id) => Some(id.clone()),
        None => {
            let mut live = listed.segments.values();
            let found = live.find(|live| live.name == intent.segment && live.kind == LiveKind::Filter);
            found.map(|live| live.id.clone())
        }
    };
    ledger.intents().filter_map(of_intent).collect()
}
