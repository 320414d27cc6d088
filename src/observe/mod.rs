//! What is live, read with as few calls as will do.
//!
//! One list, then one get for each segment that matters and is not remembered from an earlier run: those that files
//! declare, that the ledger knows, or that the workspace owns. Of the remembered ones a part is read again each time,
//! since definitions can be changed in the dashboard. Definitions of all other segments are read only when the plan is
//! about to store a definition, since only then one of them can clash with it.
//!
//! The list does not show archived segments, and nothing the service answers carries the fact. A segment that the
//! ledger knows, that the list lacks and that can still be got by id is therefore an archived one.

mod again;
pub mod members;
mod refresh;
mod settle;

pub use again::{look_again, under_way};
pub use refresh::Refresh;
pub use settle::{left_out, settle};

use crate::api::{ApiError, CallError, Client, Clock, Listed, Stored, Transport};
use crate::definition::{Digest, Identities};
use crate::ledger::{Entry, Intent, Ledger, Remembered, Snapshot};
use crate::model::{
    DeclaredSegment, Keyword, Lifecycle, LiveKind, LiveSegment, Observed, Payload, Policy, SegmentId,
    SegmentKind, SegmentName,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What decides how much is read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// What the files say.
    pub declared: &'a [DeclaredSegment],
    /// What was applied last.
    pub ledger: &'a Ledger,
    /// What is ours, and whether the list shows archived segments; then only the ledger tells which they are.
    pub policy: &'a Policy,
    /// What was seen last.
    pub snapshot: &'a Snapshot,
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
) -> Result<Observed, CallError> {
    let mut observed = Observed {
        listed_at: Some(scope.now),
        ..Observed::default()
    };
    for listed in client.list().await? {
        let live = scope.listed(&listed);
        observed.segments.insert(live.id.clone(), live);
    }
    let managed = scope.managed(&observed);
    for id in &managed {
        let hidden = scope.snapshot.segments.get(id);
        if let Some(hidden) = hidden.filter(|seen| !seen.listed && !observed.segments.contains_key(id)) {
            observed.segments.insert(id.clone(), scope.remembered(id, hidden));
        }
    }
    for id in scope.due(&managed, &observed) {
        read(client, scope, &id, &mut observed).await?;
    }
    Ok(observed)
}

/// Reads the definitions of all filter segments that `wanted` asks for and that are not known yet.
///
/// # Errors
///
/// The first call that fails for good.
pub async fn complete<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    observed: &mut Observed,
    wanted: impl Fn(&SegmentId) -> bool,
) -> Result<(), CallError> {
    // What was read since the list is as new as anything can be.
    let since = observed.listed_at;
    let is_old = |live: &LiveSegment| scope.refresh == Refresh::Full && live.read_at < since;
    let unread =
        |live: &&LiveSegment| live.kind == LiveKind::Filter && (live.definition.is_none() || is_old(live));
    let ids: Vec<_> = observed
        .segments
        .values()
        .filter(unread)
        .map(|live| live.id.clone())
        .filter(|id| wanted(id))
        .collect();
    for id in ids {
        read(client, scope, &id, observed).await?;
    }
    Ok(())
}

/// What was seen last, as if it were seen now: for plans without a service.
#[must_use]
pub fn offline(scope: &Scope<'_>) -> Observed {
    let segments = scope.snapshot.segments.iter();
    Observed {
        listed_at: scope.snapshot.listed_at,
        segments: segments
            .map(|(id, seen)| (id.clone(), scope.remembered(id, seen)))
            .collect(),
    }
}

/// What was seen last, and what the ledger knows of segments that were not seen: enough to tell which segment is which.
#[must_use]
pub fn recall(scope: &Scope<'_>) -> Observed {
    let mut observed = offline(scope);
    let entries = scope.ledger.entries();
    for entry in entries.filter(|entry| !scope.ledger.is_superseded(entry)) {
        let live = observed.segments.entry(entry.id.clone());
        live.or_insert_with(|| applied(entry));
    }
    observed
}

/// A segment as it was last applied.
fn applied(entry: &Entry) -> LiveSegment {
    LiveSegment {
        id: entry.id.clone(),
        name: entry.name.clone(),
        kind: match entry.kind {
            SegmentKind::Filter => LiveKind::Filter,
            other => LiveKind::Other(other.as_str().to_owned()),
        },
        lifecycle: entry.lifecycle,
        source: None,
        created_time: None,
        listed: entry.lifecycle == Lifecycle::Active,
        read_at: None,
        read_after: None,
        definition: entry.definition.clone(),
    }
}

async fn read<T: Transport, C: Clock>(
    client: &Client<T, C>,
    scope: &Scope<'_>,
    id: &SegmentId,
    observed: &mut Observed,
) -> Result<(), CallError> {
    match client.get(id).await {
        Ok(stored) => {
            let was_listed = observed.segments.get(id).is_some_and(|live| live.listed);
            let live = scope.read(stored, was_listed);
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
    fn managed(&self, observed: &Observed) -> BTreeSet<SegmentId> {
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
            .chain(self.ledger.intents().map(|intent| &intent.segment))
            .collect();
        let by_name = observed
            .segments
            .values()
            .filter(|live| names.contains(&live.name) || self.policy.owns(&live.name))
            .filter(|live| live.kind == LiveKind::Filter)
            .map(|live| live.id.clone());
        let by_ledger = self.ledger.entries().map(|entry| entry.id.clone());
        let by_file = self.declared.iter().filter_map(|segment| segment.id.clone());
        let by_intent = self
            .ledger
            .intents()
            .filter_map(|intent| intent.write.id().cloned());
        by_name.chain(by_ledger).chain(by_file).chain(by_intent).collect()
    }

    /// Whether what is remembered of a segment is older than what was done to it since, or than what may have been.
    fn is_outdated(&self, live: &LiveSegment) -> bool {
        let digest = |payload: &Payload| Digest::exact(payload, &Identities::default());
        let was_changed = |entry: &Entry| {
            // What was only taken down, and not written, is as it was read.
            let definitions = entry.definition.as_ref().zip(live.definition.as_ref());
            let is_other = |(applied, seen)| digest(applied) != digest(seen);
            live.read_after != Some(entry.applied_at)
                && (live.name != entry.name || definitions.is_some_and(is_other))
        };
        let may_be_changed = |intent: &Intent| intent.concerns(&live.id, &live.name);
        self.ledger.entry(&live.id).is_some_and(was_changed) || self.ledger.intents().any(may_be_changed)
    }

    /// The managed segments that are not remembered, and those whose turn it is.
    fn due(&self, managed: &BTreeSet<SegmentId>, observed: &Observed) -> BTreeSet<SegmentId> {
        let read_at = |id: &SegmentId| observed.segments.get(id).and_then(|live| live.read_at);
        let is_known = |id: &&SegmentId| {
            let live = observed.segments.get(*id);
            live.is_some_and(|live| live.read_at.is_some() && !self.is_outdated(live))
        };
        let (known, unknown): (Vec<_>, Vec<_>) = managed.iter().partition(is_known);
        let known: BTreeMap<SegmentId, Timestamp> = known
            .into_iter()
            .filter_map(|id| Some((id.clone(), read_at(id)?)))
            .collect();
        let mut ids = refresh::to_read(&known, self.refresh);
        ids.extend(unknown.into_iter().cloned());
        ids
    }

    /// A segment as the list shows it, with what is remembered of it. That is another segment's when its name or the
    /// time it was made differs: ids are not documented never to be used again.
    fn listed(&self, listed: &Listed) -> LiveSegment {
        let seen = self.snapshot.segments.get(&listed.id).filter(|seen| {
            seen.listed && seen.name == listed.name && seen.created_time == listed.created_time
        });
        LiveSegment {
            id: listed.id.clone(),
            name: listed.name.clone(),
            kind: kind(&listed.kind),
            lifecycle: self.lifecycle(&listed.id, true),
            source: listed.source.clone(),
            created_time: listed.created_time.clone(),
            listed: true,
            read_at: seen.and_then(|seen| seen.read_at),
            read_after: seen.and_then(|seen| seen.read_after),
            definition: seen.and_then(|seen| seen.definition.clone()),
        }
    }

    fn read(&self, stored: Stored, listed: bool) -> LiveSegment {
        LiveSegment {
            definition: stored.payload(),
            lifecycle: self.lifecycle(&stored.id, listed),
            kind: kind(&stored.kind),
            source: stored.source,
            created_time: stored.created_time,
            listed,
            read_at: Some(self.now),
            read_after: applied_at(self.ledger, &stored.id),
            id: stored.id,
            name: stored.name,
        }
    }

    fn remembered(&self, id: &SegmentId, seen: &Remembered) -> LiveSegment {
        LiveSegment {
            id: id.clone(),
            name: seen.name.clone(),
            kind: seen.kind.clone(),
            lifecycle: self.lifecycle(id, seen.listed),
            source: seen.source.clone(),
            created_time: seen.created_time.clone(),
            listed: seen.listed,
            read_at: seen.read_at,
            read_after: seen.read_after,
            definition: seen.definition.clone(),
        }
    }

    fn lifecycle(&self, id: &SegmentId, listed: bool) -> Lifecycle {
        if self.policy.behaviour.list_shows_archived {
            // Such a list says nothing of it: one that lacks a segment lags behind.
            let remembered = self.ledger.entry(id).map(|entry| entry.lifecycle);
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
fn applied_at(ledger: &Ledger, id: &SegmentId) -> Option<Timestamp> {
    ledger.entry(id).map(|entry| entry.applied_at)
}

/// What an answer showed of a segment, to be remembered; `ledger` knows what was applied before it was given.
#[must_use]
pub fn remember(stored: &Stored, listed: bool, (ledger, now): (&Ledger, Timestamp)) -> Remembered {
    Remembered {
        name: stored.name.clone(),
        kind: kind(&stored.kind),
        source: stored.source.clone(),
        created_time: stored.created_time.clone(),
        listed,
        read_at: stored.payload().map(|_| now),
        read_after: applied_at(ledger, &stored.id),
        definition: stored.payload(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Who spends more.
    pub(super) fn payload(amount: u8) -> Payload {
        let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                            "operator": "greaterThan", "value": amount});
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [filter]}),
            excluded_filters: None,
        }
    }

    #[test]
    fn what_was_applied_since_it_was_read_is_read_again_whatever_the_clock_said() {
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
            let mut ledger = Ledger::default();
            ledger.record(Entry {
                definition: Some(payload(1)),
                ..Entry::new(id.clone(), SegmentName::new("One"), second(now))
            });
            let seen = Remembered {
                name: SegmentName::new("One"),
                kind: LiveKind::Filter,
                source: None,
                created_time: None,
                listed: true,
                read_at: Some(second(100)),
                read_after: then.map(second),
                definition: Some(payload(amount)),
            };
            let scope = Scope {
                declared: &[],
                ledger: &ledger,
                policy: &Policy::default(),
                snapshot: &Snapshot::default(),
                refresh: Refresh::None,
                now: second(300),
            };
            let observed = Observed {
                segments: [(id.clone(), scope.remembered(&id, &seen))].into(),
                ..Observed::default()
            };
            let due = scope.due(&[id.clone()].into(), &observed);
            assert_eq!(due.contains(&id), is_read, "{then:?} {now} {amount}");
        }
    }
}
