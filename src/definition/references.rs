//! Which segments a definition in the API's JSON refers to.

use crate::model::{ALL_USERS_ID, Payload, SegmentId};
use serde_json::Value;
use std::collections::BTreeSet;

/// The ids that a definition refers to, at any depth, without the pseudo id for everyone.
#[must_use]
pub fn referenced_ids(payload: &Payload) -> BTreeSet<SegmentId> {
    let mut found = BTreeSet::new();
    for group in std::iter::once(&payload.included_filters).chain(&payload.excluded_filters) {
        collect(group, &mut found);
    }
    found
}

fn collect(group: &Value, found: &mut BTreeSet<SegmentId>) {
    for filter in group
        .get("filters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        match filter.get("filter_type").and_then(Value::as_str) {
            Some("custom_segments") => {
                let id = filter
                    .get("id")
                    .and_then(Value::as_str)
                    .filter(|id| *id != ALL_USERS_ID);
                found.extend(id.map(SegmentId::new));
            }
            Some("nested_filters") => collect(filter, found),
            _ => {}
        }
    }
}
