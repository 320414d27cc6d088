//! Determines whether the unfinished writes of an interrupted run took effect, from what MoEngage has now. Pure.
//!
//! A write took effect if its expected result is there. Otherwise it was undone since or never made, and the plan starts
//! from what is there in both cases. What MoEngage does not show is recorded as unknown, such as the lifecycle where the list
//! shows archived segments too.

mod evidence;

use super::member_lists::IN_FLIGHT_LIMIT;
use crate::model::{ObservedSegment, ObservedWorkspace, RemoteKind};
use crate::state::{IntendedWrite, Intent, JournalEntry, State, StateEntry};
pub use evidence::Evidence;
use evidence::recovered_entry;
use jiff::Timestamp;

/// The entries that resolve the unfinished writes of `state`. A write without effect stays unresolved while its request may
/// still arrive; `now` is by MoEngage's clock.
#[must_use]
pub fn recovery_records(state: &State, evidence: Evidence<'_>, now: Timestamp) -> Vec<JournalEntry> {
    let unreadable = &evidence.observed.unreadable;
    let mut records = Vec::new();
    for intent in state.intents() {
        if intent.write.id().is_some_and(|id| unreadable.contains_key(id)) {
            // A later run may be able to read the result.
            continue;
        }
        let recovered = recovered_entry(state, evidence, intent);
        // A negative age means that the clock was set back.
        let age = now.duration_since(intent.sent_at);
        let is_in_flight = !age.is_negative() && age < IN_FLIGHT_LIMIT;
        match recovered {
            Some(entry) => records.push(JournalEntry::StateEntry(entry)),
            None if is_in_flight => continue,
            None if is_creation_hidden(intent, evidence) => {
                records.extend(without_published_file(intent));
                continue;
            }
            None => records.extend(intent.published_file().map(JournalEntry::Published)),
        }
        records.push(JournalEntry::Resolved(intent.step.clone()));
    }
    records
}

/// Whether the write may have created a segment that no list shows. The recorded intent then shows what the next run has to
/// expect: members of a cohort, or a file segment that holds the name.
fn is_creation_hidden(intent: &Intent, evidence: Evidence<'_>) -> bool {
    let (behavior, shown) = (evidence.api_behavior, &evidence.observed.shown_kinds);
    match intent.write {
        IntendedWrite::CreateFileSegment { .. } => !behavior.lists_file_segments(shown),
        IntendedWrite::CreateCohort { .. } => !behavior.lists_cohorts(shown),
        IntendedWrite::Create { .. }
        | IntendedWrite::Update { .. }
        | IntendedWrite::ProbeNameHolder { .. }
        | IntendedWrite::SetLifecycle { .. } => false,
    }
}

/// The same intent, without the file that its request published: MoEngage has read it by now.
fn without_published_file(intent: &Intent) -> Vec<JournalEntry> {
    let (
        Some(file),
        IntendedWrite::CreateFileSegment {
            identifier,
            expires_in_days,
            ..
        },
    ) = (intent.published_file(), &intent.write)
    else {
        return Vec::new();
    };
    let write = IntendedWrite::CreateFileSegment {
        identifier: identifier.clone(),
        expires_in_days: *expires_in_days,
        published_file: None,
    };
    let intent = Intent {
        write,
        ..intent.clone()
    };
    vec![JournalEntry::Published(file), JournalEntry::Intent(intent)]
}

/// The unmanaged segments that an interrupted run unarchived and did not archive again.
pub fn unrestored_segments<'o>(
    state: &'o State,
    evidence: Evidence<'o>,
) -> impl Iterator<Item = &'o ObservedSegment> {
    let temporarily_unarchived = state.intents().filter(|intent| intent.rearchive_if_unadopted);
    temporarily_unarchived.filter_map(move |intent| {
        let mut segments = evidence.observed.segments.values();
        let remote = match &intent.write {
            IntendedWrite::ProbeNameHolder { name, .. } => segments.find(|remote| remote.name == *name),
            IntendedWrite::Create { .. }
            | IntendedWrite::CreateCohort { .. }
            | IntendedWrite::CreateFileSegment { .. } => None,
            IntendedWrite::Update { id, .. } | IntendedWrite::SetLifecycle { id, .. } => {
                evidence.observed.segments.get(id)
            }
        };
        remote.filter(|remote| {
            remote.listed
                && state.managed_entry(&remote.id).is_none()
                && recovered_entry(state, evidence, intent).is_none()
        })
    })
}

/// Moves the entries of cohorts that a list shows for the first time to their real ids.
#[must_use]
pub fn listed_cohort_records(state: &State, observed: &ObservedWorkspace) -> Vec<JournalEntry> {
    let entries = state.all_entries();
    let unlisted = entries.filter(|entry| entry.id.is_unlisted_cohort());
    let mut records = Vec::new();
    for entry in unlisted {
        let mut remotes = observed.segments.values();
        let Some(remote) = remotes.find(|remote| {
            remote.name == entry.name && remote.kind != RemoteKind::Filter && !remote.id.is_unlisted_cohort()
        }) else {
            continue;
        };
        let recorded = state.managed_entry(&remote.id);
        if recorded.is_none_or(|recorded| recorded.cohort_state.is_none()) {
            records.push(JournalEntry::StateEntry(StateEntry {
                id: remote.id.clone(),
                ..entry.clone()
            }));
        }
        records.push(JournalEntry::Forgotten(entry.id.clone()));
    }
    records
}
#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{ApiBehavior, Lifecycle, Payload, SegmentId, SegmentKind, SegmentName};
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
        let remote = ObservedSegment {
            id: SegmentId::new("a1"),
            name: SegmentName::new(name),
            kind: RemoteKind::Filter,
            lifecycle,
            source: None,
            created_time: None,
            listed: lifecycle == Lifecycle::Active,
            fetched_at: None,
            applied_before_fetch_at: None,
            definition: Some(payload(amount).into()),
        };
        ObservedWorkspace {
            segments: [(remote.id.clone(), remote)].into(),
            ..ObservedWorkspace::default()
        }
    }

    /// A state with an unfinished write; a managed segment has the name `Before` in it.
    fn state_with_intent(is_managed: bool, write: IntendedWrite) -> State {
        let mut state = State::default();
        if is_managed {
            state.record(StateEntry::new(
                SegmentId::new("a1"),
                SegmentName::new("Before"),
                Timestamp::UNIX_EPOCH,
            ));
        }
        state.apply_journal_entry(JournalEntry::Intent(Intent {
            step: StepKey {
                run: "crashed".to_owned(),
                step: 1,
            },
            segment: SegmentName::new("One"),
            protect: true,
            previous_names: vec![SegmentName::new("Before")],
            at: Timestamp::from_second(5).unwrap(),
            sent_at: Timestamp::from_second(5).unwrap(),
            rearchive_if_unadopted: false,
            write,
        }));
        state
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

    fn probe() -> IntendedWrite {
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

    fn evidence(observed: &ObservedWorkspace) -> Evidence<'_> {
        Evidence::new(observed, ApiBehavior::default())
    }

    /// Recovers when no request can be in flight.
    fn recover_into(state: &mut State, evidence: Evidence<'_>) {
        let now = Timestamp::from_second(600).unwrap();
        for record in recovery_records(state, evidence, now) {
            state.apply_journal_entry(record);
        }
        assert_eq!(state.intents().count(), 0);
    }

    #[test]
    fn a_creation_that_no_list_can_show_stays_recorded() {
        use crate::model::{Identifier, IdentifierType, ListDigest, ListedKinds};
        let file_name = ListDigest::from_bytes([7; 32]);
        let create_file = IntendedWrite::CreateFileSegment {
            identifier: Identifier {
                attribute: "uid".to_owned(),
                kind: IdentifierType::Text,
            },
            expires_in_days: 9,
            published_file: Some(file_name.clone()),
        };
        for (setting, is_kept) in [
            (Some(ListedKinds::All), false),
            (Some(ListedKinds::Filter), true),
            (Some(ListedKinds::FilterAndFile), false),
            (None, true),
        ] {
            let api_behavior = ApiBehavior {
                list_shows: setting,
                ..ApiBehavior::default()
            };
            let mut state = state_with_intent(false, create_file.clone());
            let observed = ObservedWorkspace::default();
            let evidence = Evidence::new(&observed, api_behavior);
            let now = Timestamp::from_second(600).unwrap();
            for _ in 0..2 {
                for record in recovery_records(&state, evidence, now) {
                    state.apply_journal_entry(record);
                }
                assert_eq!(state.intents().count(), usize::from(is_kept), "{setting:?}");
                // Its file can be deleted.
                assert_eq!(state.orphaned_files().count(), 1, "{setting:?}");
                assert!(!state.is_file_in_use(&file_name), "{setting:?}");
            }
        }
    }

    #[test]
    fn a_cohort_gets_its_real_id_when_a_list_shows_it() {
        let unlisted = SegmentId::unlisted_cohort("acme", "loyalty");
        for (kind, name, is_moved) in [
            (RemoteKind::Other("COHORT".to_owned()), "One", true),
            (RemoteKind::Other("COHORT".to_owned()), "Two", false),
            (RemoteKind::Filter, "One", false),
        ] {
            let mut state = State::default();
            state.record(StateEntry {
                kind: SegmentKind::Cohort,
                ..StateEntry::new(unlisted.clone(), SegmentName::new("One"), Timestamp::UNIX_EPOCH)
            });
            let mut observed = observed_segment(name, 1, Lifecycle::Active);
            for remote in observed.segments.values_mut() {
                remote.kind = kind.clone();
            }
            for record in listed_cohort_records(&state, &observed) {
                state.apply_journal_entry(record);
            }
            let id = SegmentId::new("a1");
            assert_eq!(state.managed_entry(&id).is_some(), is_moved, "{kind:?} {name}");
            assert_eq!(
                state.managed_entry(&unlisted).is_some(),
                !is_moved,
                "{kind:?} {name}"
            );
        }
    }

    #[test]
    fn an_update_of_a_manually_renamed_segment_was_applied_if_its_definition_is_new() {
        for (before, expected) in [(2, ("One", Some("digest"))), (1, ("Before", None))] {
            let mut state = state_with_intent(true, update());
            let mut entry = state.managed_entry(&SegmentId::new("a1")).cloned().unwrap();
            entry.add_revision(Revision {
                name: SegmentName::new("Before"),
                definition: payload(before).into(),
                returned_digest: None,
                replaced_at: Timestamp::from_second(5).unwrap(),
                run: "crashed".to_owned(),
            });
            state.record(entry);
            let observed = observed_segment("Renamed", 1, Lifecycle::Active);
            recover_into(&mut state, evidence(&observed));
            let entry = state.managed_entry(&SegmentId::new("a1")).unwrap();
            // The state has the declared name, so the rename is drift.
            assert_eq!((entry.name.as_str(), entry.digest.as_deref()), expected);
        }
    }

    #[test]
    fn a_write_was_applied_if_its_definition_is_observed_in_another_form() {
        let id = SegmentId::new("a1");
        let respelled = |amount| {
            let mut observed = observed_segment("One", amount, Lifecycle::Active);
            let mut definition = payload(amount);
            definition.included_filters["filters"][0]["schema_version"] = json!(2);
            observed.segments.get_mut(&id).unwrap().definition = Some(definition.into());
            observed
        };
        let replaced =
            |observed: &ObservedWorkspace| observed.segments[&id].definition.as_deref().cloned().unwrap();
        // The write, what it replaced, and what is observed.
        let table = [
            (create(), None, respelled(1), true),
            (create(), None, respelled(2), false),
            // The probed segment may be another one.
            (probe(), None, respelled(1), false),
            (update(), Some(payload(2)), respelled(1), true),
            (update(), Some(payload(2)), respelled(2), false),
            // The update removes the field, and was not applied.
            (update(), Some(replaced(&respelled(1))), respelled(1), false),
        ];
        for (write, before, observed, is_applied) in table {
            let mut state = state_with_intent(before.is_some(), write.clone());
            if let Some(definition) = before {
                let mut entry = state.managed_entry(&id).cloned().unwrap();
                entry.add_revision(Revision {
                    name: SegmentName::new("One"),
                    definition: definition.into(),
                    returned_digest: None,
                    replaced_at: Timestamp::from_second(5).unwrap(),
                    run: "crashed".to_owned(),
                });
                state.record(entry);
            }
            recover_into(&mut state, evidence(&observed));
            let entry = state.managed_entry(&id).cloned();
            let digest = entry.as_ref().and_then(|entry| entry.digest.as_deref());
            assert_eq!(digest == Some("digest"), is_applied, "{write:?} {observed:?}");
            if let Some(entry) = entry.filter(|_| is_applied) {
                let returned = observed.segments[&id].definition.as_ref().unwrap();
                assert_eq!(entry.as_written(returned), &payload(1));
            }
        }
    }

    #[test]
    fn the_lifecycle_is_unknown_when_the_list_shows_archived_segments() {
        let api_behavior = ApiBehavior {
            list_shows_archived: true,
            ..ApiBehavior::default()
        };
        let table = [
            (archive(), true),
            (probe(), true),
            (create(), false),
            (update(), false),
        ];
        for (write, is_unknown) in table {
            for is_managed in [true, false] {
                let mut state = state_with_intent(is_managed, write.clone());
                let observed = observed_segment("One", 1, Lifecycle::Active);
                recover_into(&mut state, Evidence::new(&observed, api_behavior));
                let id = SegmentId::new("a1");
                let entry = state.any_entry(&id).unwrap();
                assert_eq!(
                    (entry.lifecycle, entry.lifecycle_unknown),
                    (Lifecycle::Active, is_unknown),
                    "{write:?}"
                );
                // A write with an unknown result adopts no segment.
                let is_lifecycle = matches!(write, IntendedWrite::SetLifecycle { .. });
                let is_adopted = state.managed_entry(&id).is_some();
                assert_eq!(is_adopted, is_managed || !is_lifecycle, "{write:?}");
            }
        }
    }

    #[test]
    fn a_write_was_applied_if_its_expected_result_is_observed() {
        use Lifecycle::{Active, Archived};
        let empty = ObservedWorkspace::default();
        let table = [
            (create(), false, observed_segment("One", 1, Active), true),
            (create(), false, observed_segment("One", 2, Active), false),
            (create(), false, observed_segment("Other", 1, Active), false),
            (create(), false, empty.clone(), false),
            (probe(), false, observed_segment("One", 1, Active), true),
            (probe(), false, observed_segment("One", 2, Active), false),
            (probe(), false, empty.clone(), false),
            (update(), true, observed_segment("One", 1, Active), true),
            (update(), true, observed_segment("One", 2, Active), false),
            (update(), true, observed_segment("Before", 1, Active), false),
            (update(), true, empty.clone(), false),
            (archive(), true, observed_segment("One", 3, Archived), true),
            (archive(), false, observed_segment("One", 3, Archived), true),
            (archive(), true, observed_segment("One", 3, Active), false),
            (archive(), true, empty, false),
        ];
        for (write, is_managed, observed, is_applied) in table {
            let mut after = state_with_intent(is_managed, write.clone());
            let before = after.managed_entry(&SegmentId::new("a1")).cloned();
            // A request that was sent a moment ago may still arrive.
            if !is_applied {
                let now = Timestamp::from_second(6).unwrap();
                assert_eq!(recovery_records(&after, evidence(&observed), now), []);
            }
            recover_into(&mut after, evidence(&observed));
            let entry = after.managed_entry(&SegmentId::new("a1")).cloned();
            if !is_applied {
                assert_eq!(entry, before, "{write:?}");
                continue;
            }
            let entry = entry.unwrap();
            assert_eq!(
                (entry.name.as_str(), entry.run.as_str(), entry.protect),
                ("One", "crashed", true)
            );
            assert_eq!(entry.used_previous_names, [SegmentName::new("Before")]);
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
