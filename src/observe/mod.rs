//! What is live, read with as few calls as will do.
//!
//! One list, then one get for each segment that matters: those that declared names, previous names and the ledger
//! point to. Definitions of all other segments are read only when the plan is about to store a definition, since
//! only then one of them can clash with it.
//!
//! The list does not show archived segments, and nothing the service answers carries the fact. A segment that the
//! ledger knows, that the list lacks and that can still be got by id is therefore an archived one.

mod again;

pub use again::look_again;

use crate::api::{ApiError, CallError, Client, Clock, Listed, Stored, Transport};
use crate::ledger::Ledger;
use crate::model::{
    DeclaredSegment, Lifecycle, LiveKind, LiveSegment, Observed, Policy, SegmentId, SegmentName,
};
use std::collections::BTreeSet;

/// What decides how much is read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// What the files say.
    pub declared: &'a [DeclaredSegment],
    /// What was applied last.
    pub ledger: &'a Ledger,
    /// What is ours, and whether the list shows archived segments; then only the ledger tells which they are.
    pub policy: &'a Policy,
}

/// Reads the list, the declared segments, and the hidden ones that the ledger knows.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn observe<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
) -> Result<Observed, CallError> {
    let mut observed = Observed::default();
    for listed in client.list().await? {
        let live = of_list(&listed, scope);
        observed.segments.insert(live.id.clone(), live);
    }
    for id in pointed_to(scope, &observed) {
        read(client, scope, &id, &mut observed).await?;
    }
    Ok(observed)
}

/// Reads the definitions of all filter segments that were not read yet.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn complete<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    observed: &mut Observed,
) -> Result<(), CallError> {
    let unread = |live: &&LiveSegment| live.kind == LiveKind::Filter && live.definition.is_none();
    let ids: Vec<_> = observed
        .segments
        .values()
        .filter(unread)
        .map(|live| live.id.clone())
        .collect();
    for id in ids {
        read(client, scope, &id, observed).await?;
    }
    Ok(())
}

/// The ids that declared names and the ledger point to.
fn pointed_to(scope: &Scope<'_>, observed: &Observed) -> BTreeSet<SegmentId> {
    let temporary: Vec<SegmentName> = scope
        .declared
        .iter()
        .map(|segment| segment.name.temporary())
        .collect();
    let names: BTreeSet<&SegmentName> = scope
        .declared
        .iter()
        .flat_map(|segment| std::iter::once(&segment.name).chain(&segment.previous_names))
        .chain(&temporary)
        .collect();
    let by_name = observed
        .segments
        .values()
        .filter(|live| names.contains(&live.name) || scope.policy.owns(&live.name));
    let by_name = by_name
        .filter(|live| live.kind == LiveKind::Filter)
        .map(|live| live.id.clone());
    let by_ledger = scope.ledger.entries().map(|entry| entry.id.clone());
    let by_file = scope.declared.iter().filter_map(|segment| segment.id.clone());
    by_name.chain(by_ledger).chain(by_file).collect()
}

async fn read<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    id: &SegmentId,
    observed: &mut Observed,
) -> Result<(), CallError> {
    match client.get(id).await {
        Ok(stored) => {
            let was_listed = observed.segments.contains_key(id);
            let live = of_get(stored, scope, was_listed);
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

fn of_list(listed: &Listed, scope: &Scope<'_>) -> LiveSegment {
    LiveSegment {
        id: listed.id.clone(),
        name: listed.name.clone(),
        kind: kind(&listed.kind),
        lifecycle: lifecycle(&listed.id, scope, true),
        definition: None,
    }
}

fn of_get(stored: Stored, scope: &Scope<'_>, was_listed: bool) -> LiveSegment {
    LiveSegment {
        definition: stored.payload(),
        lifecycle: lifecycle(&stored.id, scope, was_listed),
        kind: kind(&stored.kind),
        id: stored.id,
        name: stored.name,
    }
}

fn lifecycle(id: &SegmentId, scope: &Scope<'_>, was_listed: bool) -> Lifecycle {
    if !was_listed {
        return Lifecycle::Archived;
    }
    let remembered = scope.ledger.entry(id).map(|entry| entry.lifecycle);
    match remembered {
        Some(Lifecycle::Archived) if scope.policy.behaviour.list_shows_archived => Lifecycle::Archived,
        _ => Lifecycle::Active,
    }
}

/// Filter segments are the one kind whose definition the service shows.
fn kind(word: &str) -> LiveKind {
    if word == "ELASTIC_SEARCH" {
        LiveKind::Filter
    } else {
        LiveKind::Other(word.to_owned())
    }
}
