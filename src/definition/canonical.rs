//! The canonical form: one JSON text per meaning.
//!
//! Both sides of every comparison have this form: declared definitions as encoded, remote ones as MoEngage returned
//! them. MoEngage may add or drop defaults and may use the forms of the dashboard; the canonical form removes these
//! differences and nothing else. It never fails: an unknown part stays unchanged and is compared as plain JSON.
//!
//! The rules of the exact form:
//!
//! 1. `{included_filters, excluded_filters}`; an absent, null or empty `excluded_filters` is omitted.
//! 2. Groups are `{filter_operator, filters}`; with fewer than two filters the operator is `and`.
//! 3. Null fields are omitted. Numbers without a fraction are integers.
//! 4. `negate` and `case_sensitive` (default: false), and `extract_type` and `value_type` of dates, are explicit.
//! 5. `category` is omitted, because responses of the API lack it. So is the filter type of an event's attributes.
//! 6. `exists` and `today` have no value. Negated conditions and `exists` have no `array_filter_type`.
//! 7. A comparison with another attribute has `is_dynamic_value: true` and the template as plain text; false is
//!    omitted.
//! 8. `execution` is explicit: at least once when executed, exactly 0 times when not. An event without attributes has
//!    the empty group; one without an aggregation has no `aggregation_attributes`.
//! 9. Time ranges are `{type, value, value1, value_type, period_unit}`: `days` and `days1` become values in days,
//!    `from` and `to` become values; absolute ranges have no unit.
//! 10. References are `{segment}` with the identity of the segment: see [`Identities`].
//!
//! The unordered form is the exact form with sorted filters: the filters of each group are sorted by their JSON text,
//! duplicates are removed, and a nested group of one filter is replaced by the filter.

mod attribute;
mod event;
mod fields;
mod identity;
mod unordered;

pub use identity::Identities;

use crate::model::Payload;
use fields::{canonicalize_numbers, without_nulls};
use serde_json::{Map, Value};

#[must_use]
pub fn exact(payload: &Payload, identities: &Identities) -> Value {
    let mut form = Map::new();
    let included = canonical_group(&payload.included_filters, identities);
    form.insert("included_filters".to_owned(), included);
    if let Some(excluded) = &payload.excluded_filters {
        let excluded = canonical_group(excluded, identities);
        if !is_empty_exclusion(&excluded) {
            form.insert("excluded_filters".to_owned(), excluded);
        }
    }
    let mut form = Value::Object(form);
    canonicalize_numbers(&mut form);
    form
}

#[must_use]
pub fn unordered(exact: &Value) -> Value {
    unordered::unordered_definition(exact)
}

fn is_empty_exclusion(group: &Value) -> bool {
    match group {
        Value::Null => true,
        Value::Object(fields) => {
            let filters = fields.get("filters").and_then(Value::as_array);
            fields.is_empty() || filters.is_some_and(Vec::is_empty)
        }
        _ => false,
    }
}

fn canonical_group(group: &Value, identities: &Identities) -> Value {
    canonical_children(group, &|filter| canonical_filter(filter, identities))
}

/// Replaces each filter of a group; other JSON stays unchanged.
fn canonical_children(group: &Value, canonical_child: &dyn Fn(&Value) -> Value) -> Value {
    let Value::Object(fields) = group else {
        return group.clone();
    };
    let mut fields = without_nulls(fields);
    if let Some(Value::Array(filters)) = fields.get_mut("filters") {
        filters
            .iter_mut()
            .for_each(|filter| *filter = canonical_child(filter));
        if filters.len() < 2 {
            fields.insert("filter_operator".to_owned(), "and".into());
        }
    }
    Value::Object(fields)
}

fn canonical_filter(filter: &Value, identities: &Identities) -> Value {
    let Value::Object(fields) = filter else {
        return filter.clone();
    };
    match fields.get("filter_type").and_then(Value::as_str) {
        Some("user_attributes") => {
            attribute::canonical_condition(fields, &attribute::ConditionRole::TopLevel)
        }
        Some("actions") => event::canonical_event(fields),
        Some("psychographic_event") => event::canonical_affinity(fields),
        Some("custom_segments") => identities.canonical_reference(fields),
        Some("nested_filters") => canonical_group(filter, identities),
        _ => filter.clone(),
    }
}
