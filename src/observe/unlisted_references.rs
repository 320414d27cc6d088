//! Archived segments that only the definitions of other segments show.

use super::Scope;
use crate::model::{DeclaredSegment, Lifecycle, ObservedWorkspace, SegmentId, SegmentName, StoredDefinition};
use std::collections::BTreeSet;

impl Scope<'_> {
    /// The unlisted segments that known definitions reference, if a declared archived segment may be one of them. After a
    /// loss of the state, nothing else shows its id.
    #[must_use]
    pub fn unlisted_references(&self, observed: &ObservedWorkspace) -> BTreeSet<SegmentId> {
        let names: BTreeSet<&SegmentName> = observed.segments.values().map(|remote| &remote.name).collect();
        let is_missing = |segment: &DeclaredSegment| {
            segment.lifecycle == Lifecycle::Archived
                && segment.id.is_none()
                && self.state.latest_by_name(&segment.name).is_none()
                && !names.contains(&segment.name)
        };
        if !self.declared.iter().any(is_missing) {
            return BTreeSet::new();
        }
        let definitions = observed
            .segments
            .values()
            .filter_map(|remote| remote.definition.as_ref());
        let referenced = definitions.flat_map(StoredDefinition::referenced_ids);
        let mut ids: BTreeSet<SegmentId> = referenced.cloned().collect();
        ids.retain(|id| !observed.segments.contains_key(id));
        ids
    }
}
