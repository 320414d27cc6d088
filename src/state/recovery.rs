//! What became of writes that a run was about to make when it ended, by what is there now. Pure.
//!
//! Nothing is guessed: a write took effect when what it was to leave is there. Where something else is, it may have been
//! undone since or never been made; either way the plan starts from what is there. What nothing shows, as whether a segment
//! is archived at a service that lists archived ones too, is taken down as unknown.

use super::member_lists::IN_FLIGHT_LIMIT;
use crate::definition::{Digest, Identities};
use crate::model::{
    ApiBehavior, Lifecycle, ObservedSegment, ObservedWorkspace, Payload, RemoteKind, SegmentId, SegmentKind,
};
use crate::state::{IntendedWrite, Intent, JournalEntry, State, StateEntry, UploadState};
use jiff::Timestamp;

/// What to take down at `now` of the writes that `ledger` does not know the end of. All of them are settled then but those
/// that did not take effect and may yet.
#[must_use]
pub fn recovery_records(
    ledger: &State,
    (observed, behaviour): (&ObservedWorkspace, ApiBehavior),
    now: Timestamp,
) -> Vec<JournalEntry> {
    let mut records = Vec::new();
    for intent in ledger.intents() {
        let learned = recovered_entry(ledger, (observed, behaviour), intent);
        // A clock that was set back says nothing.
        let age = now.duration_since(intent.at);
        let is_in_flight = !age.is_negative() && age < IN_FLIGHT_LIMIT;
        if learned.is_none() && is_in_flight {
            continue;
        }
        match learned {
            Some(entry) => records.push(JournalEntry::StateEntry(entry)),
            None => records.extend(intent.published_file().map(JournalEntry::Published)),
        }
        records.push(JournalEntry::Resolved(intent.step.clone()));
    }
    records
}

/// Segments that a run took out and did not put back before it ended, although they are not ours.
pub fn unrestored_segments<'o>(
    ledger: &'o State,
    (observed, behaviour): (&'o ObservedWorkspace, ApiBehavior),
) -> impl Iterator<Item = &'o ObservedSegment> {
    let temporarily_unarchived = ledger.intents().filter(|intent| intent.rearchive_if_unadopted);
    temporarily_unarchived.filter_map(move |intent| {
        let mut segments = observed.segments.values();
        let live = match &intent.write {
            IntendedWrite::ProbeNameHolder { name, .. } => segments.find(|live| live.name == *name),
            IntendedWrite::Create { .. }
            | IntendedWrite::CreateCohort { .. }
            | IntendedWrite::CreateFileSegment { .. } => None,
            IntendedWrite::Update { id, .. } | IntendedWrite::SetLifecycle { id, .. } => {
                observed.segments.get(id)
            }
        };
        let is_unrestored = |live: &&ObservedSegment| live.listed && ledger.managed_entry(&live.id).is_none();
        live.filter(is_unrestored)
            .filter(|_| recovered_entry(ledger, (observed, behaviour), intent).is_none())
    })
}

/// What is known of the segment if the write took effect. What was written since is known better.
fn recovered_entry(
    ledger: &State,
    seen: (&ObservedWorkspace, ApiBehavior),
    intent: &Intent,
) -> Option<StateEntry> {
    let entry = entry_if_applied(ledger, seen, intent)?;
    let known = ledger.managed_entry(&entry.id);
    known
        .is_none_or(|known| known.applied_at <= intent.at)
        .then_some(entry)
}

fn entry_if_applied(
    ledger: &State,
    (observed, behaviour): (&ObservedWorkspace, ApiBehavior),
    intent: &Intent,
) -> Option<StateEntry> {
    let mut segments = observed.segments.values();
    match &intent.write {
        // What was taken out to see what it is, and is what the step was to make, is what became of the step.
        IntendedWrite::Create { definition, digest }
        | IntendedWrite::ProbeNameHolder {
            definition, digest, ..
        } => {
            let live = segments.find(|live| live.name == intent.segment)?;
            let is_move = matches!(intent.write, IntendedWrite::ProbeNameHolder { .. });
            has_definition(live, definition).then(|| StateEntry {
                lifecycle_unknown: is_move && behaviour.list_shows_archived,
                ..with_definition(stamped_entry(ledger, live, intent), definition, digest)
            })
        }
        IntendedWrite::Update {
            id,
            name,
            definition,
            digest,
        } => {
            let live = observed.segments.get(id)?;
            // With another name it was renamed by hand since, unless it had that definition before.
            let is_there = has_definition(live, definition)
                && (live.name == *name || replaces_definition(ledger, intent, id));
            is_there.then(|| with_definition(stamped_entry(ledger, live, intent), definition, digest))
        }
        // Nobody but its key tells one cohort from another, and nobody shows that; names are unique.
        IntendedWrite::CreateCohort { cohort_state: sent } => {
            let live = segments.find(|live| matches_member_intent(live, intent))?;
            Some(StateEntry {
                cohort_state: Some(sent.clone()),
                ..as_created(stamped_entry(ledger, live, intent), SegmentKind::Cohort)
            })
        }
        IntendedWrite::CreateFileSegment { .. } => {
            let live = segments.find(|live| matches_member_intent(live, intent))?;
            Some(StateEntry {
                upload_state: pending_upload(intent).map(Box::new),
                ..as_created(stamped_entry(ledger, live, intent), SegmentKind::File)
            })
        }
        IntendedWrite::SetLifecycle { .. } if intent.rearchive_if_unadopted => None,
        IntendedWrite::SetLifecycle { id, .. } if behaviour.list_shows_archived => {
            let live = observed.segments.get(id)?;
            Some(StateEntry {
                lifecycle_unknown: true,
                // Nobody can say that it became ours.
                history_only: ledger.managed_entry(id).is_none(),
                ..stamped_entry(ledger, live, intent)
            })
        }
        IntendedWrite::SetLifecycle { id, lifecycle, .. } => {
            let live = observed.segments.get(id)?;
            (live.lifecycle == *lifecycle)
                .then(|| with_lifecycle(stamped_entry(ledger, live, intent), *lifecycle, intent))
        }
    }
}

/// Whether a segment is the one that a run was about to make of members or users.
fn matches_member_intent(live: &ObservedSegment, intent: &Intent) -> bool {
    live.name == intent.segment && live.kind != RemoteKind::Filter
}

/// A segment that was made.
fn as_created(entry: StateEntry, kind: SegmentKind) -> StateEntry {
    StateEntry {
        kind,
        lifecycle: Lifecycle::Active,
        lifecycle_unknown: false,
        ..entry
    }
}

/// What is known of the users of a file segment that a run was about to make.
fn pending_upload(intent: &Intent) -> Option<UploadState> {
    let IntendedWrite::CreateFileSegment {
        identifier,
        expires_in_days,
        ..
    } = &intent.write
    else {
        return None;
    };
    Some(UploadState {
        created_at: Some(intent.at),
        ambiguous_since: Some(intent.at),
        published_files: intent.published_file().into_iter().collect(),
        ..UploadState::new(identifier.clone(), *expires_in_days)
    })
}

/// A segment that was put away or taken out.
fn with_lifecycle(entry: StateEntry, lifecycle: Lifecycle, intent: &Intent) -> StateEntry {
    let mut entry = StateEntry { lifecycle, ..entry };
    if let Some(uploaded) = &mut entry.upload_state {
        match lifecycle {
            Lifecycle::Archived => uploaded.archived_at = Some(intent.at),
            Lifecycle::Active => uploaded.mark_unarchived(intent.at),
        }
    }
    entry
}

/// Whether a run was about to replace another definition of a segment by that of its update.
fn replaces_definition(ledger: &State, intent: &Intent, id: &SegmentId) -> bool {
    let IntendedWrite::Update { definition, .. } = &intent.write else {
        return false;
    };
    let replaced = ledger.any_entry(id).and_then(|entry| entry.revisions.last());
    replaced.is_some_and(|replaced| {
        replaced.run == intent.step.run && digest(&replaced.definition) != digest(definition)
    })
}

/// Whether a segment has a definition, both with ids in references.
fn has_definition(live: &ObservedSegment, definition: &Payload) -> bool {
    let found = live.definition.as_ref();
    let found = found.filter(|_| live.kind == RemoteKind::Filter);
    found.is_some_and(|found| digest(found) == digest(definition))
}

fn digest(definition: &Payload) -> Digest {
    Digest::exact(definition, &Identities::default())
}

/// What is known of a segment, stamped with the run that was about to write it.
fn stamped_entry(ledger: &State, live: &ObservedSegment, intent: &Intent) -> StateEntry {
    let known = ledger.any_entry(&live.id).cloned();
    let known = known.unwrap_or_else(|| StateEntry::new(live.id.clone(), live.name.clone(), intent.at));
    let mut entry = StateEntry {
        protect: intent.protect,
        history_only: false,
        applied_at: intent.at,
        run: intent.step.run.clone(),
        ..known
    };
    // What is taken out under another name gets the declared one by its update, which may not have come.
    let is_unarchive = matches!(
        &intent.write,
        IntendedWrite::SetLifecycle {
            lifecycle: Lifecycle::Active,
            ..
        }
    );
    if !is_unarchive || live.name == intent.segment {
        entry.rename(intent.segment.clone());
    }
    entry
}

fn with_definition(entry: StateEntry, definition: &Payload, digest: &str) -> StateEntry {
    StateEntry {
        lifecycle: Lifecycle::Active,
        lifecycle_unknown: false,
        definition: Some(definition.clone()),
        digest: Some(digest.to_owned()),
        ..entry
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::SegmentName;
    use crate::state::{Revision, StepKey};
    use serde_json::json;

    pub(crate) fn payload(amount: u8) -> Payload {
        let filter = json!({"filter_type": "user_attributes", "name": "spend", "data_type": "double",
                            "operator": "greaterThan", "value": amount});
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [filter]}),
            excluded_filters: None,
        }
    }

    fn observed_segment(name: &str, amount: u8, lifecycle: Lifecycle) -> ObservedWorkspace {
        let live = ObservedSegment {
            id: SegmentId::new("a1"),
            name: SegmentName::new(name),
            kind: RemoteKind::Filter,
            lifecycle,
            source: None,
            created_time: None,
            listed: lifecycle == Lifecycle::Active,
            fetched_at: None,
            applied_before_fetch_at: None,
            definition: Some(payload(amount)),
        };
        ObservedWorkspace {
            segments: [(live.id.clone(), live)].into(),
            ..ObservedWorkspace::default()
        }
    }

    /// A ledger that knows the segment as `Before`, or nothing of it, with a write under way.
    fn state_with_intent(is_known: bool, write: IntendedWrite) -> State {
        let mut ledger = State::default();
        if is_known {
            ledger.record(StateEntry::new(
                SegmentId::new("a1"),
                SegmentName::new("Before"),
                Timestamp::UNIX_EPOCH,
            ));
        }
        ledger.apply_journal_entry(JournalEntry::Intent(Intent {
            step: StepKey {
                run: "crashed".to_owned(),
                step: 1,
            },
            segment: SegmentName::new("One"),
            protect: true,
            at: Timestamp::from_second(5).unwrap(),
            rearchive_if_unadopted: false,
            write,
        }));
        ledger
    }

    fn create() -> IntendedWrite {
        IntendedWrite::Create {
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn update() -> IntendedWrite {
        IntendedWrite::Update {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn probe_name_holder() -> IntendedWrite {
        IntendedWrite::ProbeNameHolder {
            name: SegmentName::new("One"),
            definition: payload(1),
            digest: "digest".to_owned(),
        }
    }

    fn archive() -> IntendedWrite {
        IntendedWrite::SetLifecycle {
            id: SegmentId::new("a1"),
            name: SegmentName::new("One"),
            lifecycle: Lifecycle::Archived,
        }
    }

    /// Settles long after.
    fn recover_into(ledger: &mut State, seen: (&ObservedWorkspace, ApiBehavior)) {
        for record in recovery_records(ledger, seen, Timestamp::from_second(600).unwrap()) {
            ledger.apply_journal_entry(record);
        }
        assert_eq!(ledger.intents().count(), 0);
    }

    #[test]
    fn an_update_of_a_manually_renamed_segment_was_applied_if_its_definition_is_new() {
        for (before, took_effect) in [(2, true), (1, false)] {
            let mut ledger = state_with_intent(true, update());
            let mut entry = ledger.managed_entry(&SegmentId::new("a1")).cloned().unwrap();
            entry.add_revision(Revision {
                name: SegmentName::new("Before"),
                definition: payload(before),
                replaced_at: Timestamp::from_second(5).unwrap(),
                run: "crashed".to_owned(),
            });
            ledger.record(entry);
            recover_into(
                &mut ledger,
                (
                    &observed_segment("By hand", 1, Lifecycle::Active),
                    ApiBehavior::default(),
                ),
            );
            let entry = ledger.managed_entry(&SegmentId::new("a1")).unwrap();
            // Under the declared name, so that the rename is drift.
            let expected = if took_effect {
                ("One", Some("digest"))
            } else {
                ("Before", None)
            };
            assert_eq!((entry.name.as_str(), entry.digest.as_deref()), expected);
        }
    }

    #[test]
    fn the_lifecycle_is_unknown_when_the_list_shows_archived_segments() {
        let behaviour = ApiBehavior {
            list_shows_archived: true,
            ..ApiBehavior::default()
        };
        let table = [
            (archive(), true),
            (probe_name_holder(), true),
            (create(), false),
            (update(), false),
        ];
        for (write, is_unknown) in table {
            for is_known in [true, false] {
                let mut ledger = state_with_intent(is_known, write.clone());
                recover_into(
                    &mut ledger,
                    (&observed_segment("One", 1, Lifecycle::Active), behaviour),
                );
                let id = SegmentId::new("a1");
                let entry = ledger.any_entry(&id).unwrap();
                assert_eq!(
                    (entry.lifecycle, entry.lifecycle_unknown),
                    (Lifecycle::Active, is_unknown),
                    "{write:?}"
                );
                // What is not known to have been done makes nothing ours.
                let is_move = matches!(write, IntendedWrite::SetLifecycle { .. });
                assert_eq!(
                    ledger.managed_entry(&id).is_some(),
                    is_known || !is_move,
                    "{write:?}"
                );
            }
        }
    }

    #[test]
    fn a_write_was_applied_if_its_expected_result_is_observed() {
        use Lifecycle::{Active, Archived};
        let nothing = ObservedWorkspace::default();
        let table = [
            (create(), false, observed_segment("One", 1, Active), true),
            (create(), false, observed_segment("One", 2, Active), false),
            (create(), false, observed_segment("Other", 1, Active), false),
            (create(), false, nothing.clone(), false),
            (
                probe_name_holder(),
                false,
                observed_segment("One", 1, Active),
                true,
            ),
            (
                probe_name_holder(),
                false,
                observed_segment("One", 2, Active),
                false,
            ),
            (probe_name_holder(), false, nothing.clone(), false),
            (update(), true, observed_segment("One", 1, Active), true),
            (update(), true, observed_segment("One", 2, Active), false),
            (update(), true, observed_segment("Before", 1, Active), false),
            (update(), true, nothing.clone(), false),
            (archive(), true, observed_segment("One", 3, Archived), true),
            (archive(), false, observed_segment("One", 3, Archived), true),
            (archive(), true, observed_segment("One", 3, Active), false),
            (archive(), true, nothing, false),
        ];
        for (write, is_known, observed, took_effect) in table {
            let mut after = state_with_intent(is_known, write.clone());
            let before = after.managed_entry(&SegmentId::new("a1")).cloned();
            // A call that was lost a moment ago may still arrive.
            if !took_effect {
                let now = Timestamp::from_second(6).unwrap();
                assert_eq!(
                    recovery_records(&after, (&observed, ApiBehavior::default()), now),
                    []
                );
            }
            recover_into(&mut after, (&observed, ApiBehavior::default()));
            let entry = after.managed_entry(&SegmentId::new("a1")).cloned();
            if !took_effect {
                assert_eq!(entry, before, "{write:?}");
                continue;
            }
            let entry = entry.unwrap();
            assert_eq!(
                (entry.name.as_str(), entry.run.as_str(), entry.protect),
                ("One", "crashed", true)
            );
            let is_lifecycle = matches!(write, IntendedWrite::SetLifecycle { .. });
            assert_eq!(
                (entry.lifecycle, entry.digest.as_deref()),
                if is_lifecycle {
                    (Archived, None)
                } else {
                    (Active, Some("digest"))
                }
            );
        }
    }
}
