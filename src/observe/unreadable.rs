//! Segments whose row in the list or whose definition cannot be read. The other segments are read as usual.

use super::{Scope, recorded_segment};
use crate::model::{Lifecycle, ObservedSegment, ObservedWorkspace, RemoteKind, SegmentId, UnreadableRow};
use crate::state::StateEntry;

impl Scope<'_> {
    /// A row that may be of a managed segment is taken as that segment, so that it is neither created again nor regarded as
    /// archived. Its definition is read by id, and so is what the row does not show.
    pub(super) fn add_unreadable_rows(&self, rows: &[UnreadableRow], observed: &mut ObservedWorkspace) {
        for row in rows {
            let Some(segment) = self.managed_segment_of(row, observed) else {
                observed.unreadable_rows.push(row.clone());
                continue;
            };
            let reason = format!("in row {} of the segment list, {}", row.position, row.reason);
            observed.unreadable.insert(segment.id.clone(), reason);
            observed.segments.insert(segment.id.clone(), segment);
        }
    }

    fn managed_segment_of(
        &self,
        row: &UnreadableRow,
        observed: &ObservedWorkspace,
    ) -> Option<ObservedSegment> {
        let is_unlisted = |entry: &&StateEntry| !observed.segments.contains_key(&entry.id);
        let entry = match (&row.id, &row.name) {
            (Some(id), _) => self.state.managed_entry(id),
            (None, Some(name)) => self.state.latest_by_name(name).filter(is_unlisted),
            (None, None) => None,
        };
        if let Some(entry) = entry {
            return Some(ObservedSegment {
                lifecycle: Lifecycle::Active,
                listed: true,
                definition: None,
                ..recorded_segment(entry)
            });
        }
        let id = row.id.as_ref()?;
        let pinned = self
            .declared
            .iter()
            .find(|segment| segment.id.as_ref() == Some(id))?;
        Some(ObservedSegment {
            id: id.clone(),
            name: pinned.name.clone(),
            kind: RemoteKind::Filter,
            lifecycle: Lifecycle::Active,
            source: None,
            created_time: None,
            listed: true,
            fetched_at: None,
            applied_before_fetch_at: None,
            definition: None,
        })
    }

    /// What was read of the segment before is outdated.
    pub(super) fn note_unreadable(&self, id: &SegmentId, reason: String, observed: &mut ObservedWorkspace) {
        if let Some(remote) = observed.segments.get_mut(id) {
            remote.definition = None;
            remote.fetched_at = None;
        } else if let Some(entry) = self.state.managed_entry(id) {
            // The list does not contain it, and MoEngage answers: it is archived, as far as known.
            let name = &entry.name;
            let lifecycle = self.lifecycle(id, name, &RemoteKind::Filter, false, &observed.shown_kinds);
            let remote = ObservedSegment {
                lifecycle,
                listed: false,
                definition: None,
                ..recorded_segment(entry)
            };
            observed.segments.insert(id.clone(), remote);
        }
        observed.unreadable.insert(id.clone(), reason);
        observed.fetched.insert(id.clone());
    }
}
