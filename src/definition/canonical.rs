//! The normal form: one text for one meaning, whoever wrote it.
//!
//! Both sides of every comparison pass through here: declared definitions as printed, live ones as the service
//! answered them. The service may fill or drop defaults and may use the dashboard's forms; the normal form
//! levels that, and nothing else. It never refuses: a part it does not know stays as it is and is compared as
//! plain JSON.
//!
//! The exact form, rule by rule:
//!
//! 1. `{included_filters, excluded_filters}`; an absent, null or empty `excluded_filters` is left out.
//! 2. Groups are `{filter_operator, filters}`; with fewer than two filters the operator says nothing and is `and`.
//! 3. Fields that are null are left out. Numbers with no fraction are integers.
//! 4. `negate` and `case_sensitive` are stated (false); `extract_type` and `value_type` of dates are stated.
//! 5. `category` is left out: the service's own answers lack it. The filter type of an event's attributes likewise.
//! 6. `exists` and `today` carry no value. `array_filter_type` goes under negation and for `exists`.
//! 7. A comparison with another attribute is `is_dynamic_value: true` with the template as a plain text; false
//!    is left out.
//! 8. `execution` is stated: at least once when executed, exactly 0 when not. An event without attributes has the
//!    empty group; one without an aggregation has no `aggregation_attributes`.
//! 9. Windows are `{type, value, value1, value_type, period_unit}`: `days`/`days1` become values in days and
//!    `from`/`to` become values; absolute ones have no unit.
//! 10. References are `{segment}` with the segment's identity: see [`Identities`].
//!
//! The unordered form is the exact one with the filters of every group sorted by their JSON text and freed of
//! doubles, and nested groups of one filter replaced by that filter.

mod attribute;
mod event;
mod fields;
mod identity;
mod unordered;

pub use identity::Identities;

use crate::model::Payload;
use fields::{canonicalize_numbers, without_nulls};
use serde_json::{Map, Value};

/// The exact normal form of a definition.
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

/// The unordered normal form, from the exact one.
#[must_use]
pub fn unordered(exact: &Value) -> Value {
    unordered::unordered_definition(exact)
}

/// Whether an `excluded_filters` leaves nobody out.
fn is_empty_exclusion(group: &Value) -> bool {
    match group {
        Value::Null => true,
        Value::Object(fields) => {
            fields.is_empty()
                || fields
                    .get("filters")
                    .and_then(Value::as_array)
                    .is_some_and(Vec::is_empty)
        }
        _ => false,
    }
}

fn canonical_group(group: &Value, identities: &Identities) -> Value {
    canonical_children(group, &|filter| canonical_filter(filter, identities))
}

/// A group with each filter replaced; what is not a group stays as it is.
fn canonical_children(group: &Value, normal_child: &dyn Fn(&Value) -> Value) -> Value {
    let Value::Object(fields) = group else {
        return group.clone();
    };
    let mut fields = without_nulls(fields);
    if let Some(Value::Array(filters)) = fields.get_mut("filters") {
        for filter in filters.iter_mut() {
            *filter = normal_child(filter);
        }
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
