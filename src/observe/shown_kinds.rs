//! The lifecycle of segments that the list lacks. A list without a segment proves its archive only if the list shows segments
//! of that kind, which MoEngage does not document for cohorts and file segments.

use super::Scope;
use crate::api::RemoteSummary;
use crate::model::{
    Keyword as _, Lifecycle, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, SegmentKind,
    SegmentName, ShownKinds,
};
use crate::state::StateEntry;

impl Scope<'_> {
    pub(super) fn note_shown_kind(&self, listed: &RemoteSummary, kind: &RemoteKind, shown: &mut ShownKinds) {
        let RemoteKind::Other(word) = kind else { return };
        shown.add(word, listed.source.as_deref());
        shown.cohorts |= self.is_cohort(&listed.id, word);
    }

    pub(super) fn lifecycle(
        &self,
        id: &SegmentId,
        name: &SegmentName,
        kind: &RemoteKind,
        listed: bool,
        shown: &ShownKinds,
    ) -> Lifecycle {
        let recorded = self.state.managed_entry(id);
        if self.policy.api_behavior.list_shows_archived {
            // Such a list does not show the lifecycle. One without the segment is outdated.
            return recorded.map_or(Lifecycle::Active, |entry| entry.lifecycle);
        }
        if listed {
            return Lifecycle::Active;
        }
        let behavior = self.policy.api_behavior;
        let is_cohort = match kind {
            RemoteKind::Filter => false,
            RemoteKind::Other(word) => self.is_cohort(id, word),
        };
        // Only a list can have shown the id of a cohort, unless a file contains it.
        let was_listed = is_cohort
            && behavior.list_shows.is_none()
            && recorded.is_some_and(|entry| !entry.id.is_unlisted_cohort())
            && !self.is_pinned(id);
        if behavior.lists_kind(kind, is_cohort, shown) || was_listed {
            return Lifecycle::Archived;
        }
        let recorded = recorded.or_else(|| {
            let entry = self.state.latest_by_name(name);
            entry.filter(|entry| entry.id.is_unlisted_cohort())
        });
        recorded.map_or(Lifecycle::Archived, |entry| self.lifecycle_without_list(entry))
    }

    /// As the state records it, unless MoEngage archived the segment by its own rules.
    fn lifecycle_without_list(&self, entry: &StateEntry) -> Lifecycle {
        let upload_state = entry.upload_state.as_deref();
        let is_expired = upload_state
            .and_then(|upload_state| upload_state.expires_at())
            .is_some_and(|at| at <= self.now);
        if is_expired || entry.may_be_auto_archived(self.now) {
            Lifecycle::Archived
        } else {
            entry.lifecycle
        }
    }

    /// Adds the cohorts of the state that no list has shown, if lists show no cohorts.
    pub(super) fn add_unlisted_cohorts(&self, observed: &mut ObservedWorkspace) {
        if self.policy.api_behavior.lists_cohorts(&observed.shown_kinds) {
            return;
        }
        let entries = self.state.managed_entries();
        let entries = entries.filter(|entry| entry.id.is_unlisted_cohort());
        for entry in entries.filter(|entry| !self.state.is_superseded(entry)) {
            let mut remotes = observed.segments.values();
            if remotes.any(|remote| remote.name == entry.name) {
                continue;
            }
            observed.segments.insert(
                entry.id.clone(),
                ObservedSegment {
                    id: entry.id.clone(),
                    name: entry.name.clone(),
                    kind: RemoteKind::Other(SegmentKind::Cohort.as_str().to_owned()),
                    lifecycle: self.lifecycle_without_list(entry),
                    source: None,
                    created_time: None,
                    listed: false,
                    fetched_at: None,
                    applied_before_fetch_at: None,
                    definition: None,
                },
            );
        }
    }

    fn is_cohort(&self, id: &SegmentId, word: &str) -> bool {
        match self.state.any_entry(id).map(|entry| entry.kind) {
            Some(kind @ (SegmentKind::Cohort | SegmentKind::File)) => kind == SegmentKind::Cohort,
            Some(SegmentKind::Filter) | None => ShownKinds::is_cohort_word(word),
        }
    }

    fn is_pinned(&self, id: &SegmentId) -> bool {
        let mut declared = self.declared.iter();
        declared.any(|segment| segment.id.as_ref() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ApiBehavior, Identifier, IdentifierType, ListedKinds, Policy};
    use crate::observe::Refresh;
    use crate::state::{Cache, State, UploadState};
    use jiff::Timestamp;

    const DAY: i64 = 86_400;

    fn day(number: i64) -> Timestamp {
        Timestamp::from_second(number * DAY).unwrap()
    }

    /// A file segment or cohort that was applied on day 0; a file segment expires on day 30.
    fn state(kind: SegmentKind, lifecycle: Lifecycle) -> State {
        let mut entry = StateEntry::new(SegmentId::new("a1"), SegmentName::new("One"), day(0));
        entry.kind = kind;
        entry.lifecycle = lifecycle;
        if kind == SegmentKind::File {
            let identifier = Identifier {
                attribute: "uid".to_owned(),
                kind: IdentifierType::Text,
            };
            let mut upload_state = UploadState::new(identifier, 30);
            upload_state.created_at = Some(day(0));
            entry.upload_state = Some(Box::new(upload_state));
        }
        let mut state = State::default();
        state.record(entry);
        state
    }

    fn observed_lifecycle(
        state: &State,
        setting: Option<ListedKinds>,
        shown: &[&str],
        word: &str,
        now: i64,
    ) -> Lifecycle {
        let mut shown_kinds = ShownKinds::default();
        shown.iter().for_each(|word| shown_kinds.add(word, None));
        let policy = Policy {
            api_behavior: ApiBehavior {
                list_shows: setting,
                ..ApiBehavior::default()
            },
            ..Policy::default()
        };
        let scope = Scope {
            declared: &[],
            state,
            policy: &policy,
            cache: &Cache::default(),
            shown_kinds: &shown_kinds,
            refresh: Refresh::None,
            now: day(now),
        };
        let kind = RemoteKind::Other(word.to_owned());
        let (id, name) = (SegmentId::new("a1"), SegmentName::new("One"));
        scope.lifecycle(&id, &name, &kind, false, &shown_kinds)
    }

    #[test]
    fn a_segment_missing_from_the_list_is_archived_only_if_the_list_shows_its_kind() {
        use Lifecycle::{Active, Archived};
        use ListedKinds::{All, Filter, FilterAndFile};
        use SegmentKind::{Cohort, File};
        // The kind, the setting, what lists have shown, the day, the lifecycle.
        let table = [
            (File, None, vec![], 1, Active),
            (File, None, vec!["FILE_V2"], 1, Archived),
            (File, None, vec!["COHORT"], 1, Active),
            (File, Some(All), vec![], 1, Archived),
            (File, Some(Filter), vec!["FILE_V2"], 1, Active),
            (File, Some(FilterAndFile), vec![], 1, Archived),
            // MoEngage archives an expired file segment, and one that was not used for 60 days.
            (File, None, vec![], 30, Archived),
            (File, Some(Filter), vec![], 30, Archived),
            // Only a list can have shown the id of a cohort.
            (Cohort, None, vec![], 1, Archived),
            (Cohort, None, vec!["COHORT"], 1, Archived),
            (Cohort, Some(All), vec![], 1, Archived),
            (Cohort, Some(Filter), vec![], 1, Active),
            (Cohort, Some(FilterAndFile), vec!["FILE_V2"], 1, Active),
            (Cohort, Some(FilterAndFile), vec![], 59, Active),
            (Cohort, Some(FilterAndFile), vec![], 60, Archived),
        ];
        for (kind, setting, shown, now, expected) in table {
            let word = if kind == File { "FILE_V2" } else { "COHORT" };
            let observe = |lifecycle| observed_lifecycle(&state(kind, lifecycle), setting, &shown, word, now);
            assert_eq!(observe(Active), expected, "{kind:?} {setting:?} {shown:?} {now}");
            assert_eq!(
                observe(Archived),
                Archived,
                "{kind:?} {setting:?} {shown:?} {now}"
            );
        }
        // Without an entry, an unarchive is safe in any case.
        let unknown = observed_lifecycle(&State::default(), None, &[], "FILE_V2", 1);
        assert_eq!(unknown, Archived);
    }

    #[test]
    fn a_sync_or_an_upload_does_not_keep_a_segment_active() {
        for (kind, word) in [(SegmentKind::File, "FILE_V2"), (SegmentKind::Cohort, "COHORT")] {
            let mut state = state(kind, Lifecycle::Active);
            let mut entry = state.managed_entry(&SegmentId::new("a1")).cloned().unwrap();
            if let Some(upload_state) = &mut entry.upload_state {
                upload_state.expires_in_days = 365;
            }
            for applied_at in [57, 59] {
                entry = entry.written(day(applied_at), "run".to_owned());
                state.record(entry.clone());
            }
            let observe =
                |state: &State, now| observed_lifecycle(state, Some(ListedKinds::Filter), &[], word, now);
            assert_eq!(observe(&state, 59), Lifecycle::Active);
            assert_eq!(observe(&state, 60), Lifecycle::Archived);
            // An unarchive does.
            entry = entry.written(day(70), "run".to_owned());
            entry.change_lifecycle(Lifecycle::Active);
            state.record(entry.clone().written(day(100), "run".to_owned()));
            assert_eq!(observe(&state, 129), Lifecycle::Active);
            assert_eq!(observe(&state, 130), Lifecycle::Archived);
        }
    }
}
