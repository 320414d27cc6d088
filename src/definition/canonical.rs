//! The canonical form: one JSON text per meaning.
//!
//! Both sides of every comparison have this form: declared definitions as encoded, remote ones as MoEngage returned
//! them. MoEngage may add or drop defaults and may use the forms of the dashboard; the canonical form removes these
//! differences and nothing else. It never fails: an unknown part stays unchanged and is compared as plain JSON.
//!
//! The rules of the exact form:
//!
//! 1. `{included_filters, excluded_filters}`; an absent, null or empty `excluded_filters` is omitted.
//! 2. Groups are `{filter_operator, filters}` with the operator in lower case; with fewer than two filters the operator
//!    is `and`. Only nested groups have a `filter_type`.
//! 3. Null fields are omitted. Numbers without a fraction are integers. Numbers and flags written as text are numbers
//!    and flags where the data type requires one.
//! 4. `negate` and `case_sensitive` (default: false), `array_filter_type` of arrays (default: `any_of`), and
//!    `extract_type` and `value_type` of dates, are explicit. Conditions that cannot have these fields omit a default.
//! 5. `category` is omitted, because responses of the API lack it. So are the filter type of an event's attributes, an
//!    empty `project_name`, and the operator `around` of a geopoint.
//! 6. `exists` and `today` have no value. Negated conditions and `exists` have no `array_filter_type`.
//! 7. A comparison with another attribute has `is_dynamic_value: true` and the template as plain text; false is
//!    omitted. `dynamic_attribute_type` is always omitted.
//! 8. Operators on lists have a list, all others a single value.
//! 9. Dates are `YYYY-MM-DDTHH:MM:SS.mmmZ`. A date without a time is the start of the day, and its end in `value1`. The
//!    last second of a day in `value1` is the end of the day.
//! 10. `execution` is explicit: at least once when executed, exactly 0 times when not. An event without attributes has
//!     the empty group; one without an aggregation has no `aggregation_attributes`.
//! 11. Time ranges are `{type, value, value1, value_type, period_unit}`: `days` and `days1` become values in days,
//!     `from` and `to` become values; absolute ranges have no unit.
//! 12. References are `{segment}` with the identity of the segment: see [`Identities`].
//!
//! The unordered form is the exact form with sorted filters: the filters of each group are sorted by their JSON text,
//! duplicates are removed, and a nested group of one filter is replaced by the filter.

mod attribute;
mod date;
mod event;
mod fields;
mod identity;
mod operand;
mod unordered;

pub use identity::Identities;

use crate::model::Payload;
use fields::{canonicalize_numbers, text};
use serde_json::{Map, Value};

#[must_use]
pub fn exact(payload: &Payload, identities: &Identities) -> Value {
    let mut form = Map::new();
    let included = canonical_root(&payload.included_filters, identities);
    form.insert("included_filters".to_owned(), included);
    if let Some(excluded) = &payload.excluded_filters {
        let excluded = canonical_root(excluded, identities);
        if !is_empty_group(&excluded) {
            form.insert("excluded_filters".to_owned(), excluded);
        }
    }
    let mut form = Value::Object(form);
    canonicalize_numbers(&mut form);
    form
}

#[must_use]
pub fn unordered(mut exact: Value) -> Value {
    unordered::sort_definition(&mut exact);
    exact
}

fn is_empty_group(group: &Value) -> bool {
    match group {
        Value::Null => true,
        Value::Array(filters) => filters.is_empty(),
        // An unknown field may select users.
        Value::Object(fields) => fields.iter().all(|(key, value)| match key.as_str() {
            "filter_operator" | "filter_type" => true,
            "filters" => value.is_null() || value.as_array().is_some_and(Vec::is_empty),
            _ => value.is_null(),
        }),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A top-level group. Its `filter_type` has no meaning.
fn canonical_root(group: &Value, identities: &Identities) -> Value {
    without_filter_type(canonical_group(group, identities))
}

fn without_filter_type(mut group: Value) -> Value {
    if let Value::Object(fields) = &mut group
        && text(fields, "filter_type") == "nested_filters"
    {
        fields.remove("filter_type");
    }
    group
}

fn canonical_group(group: &Value, identities: &Identities) -> Value {
    canonical_children(group, &|filter| canonical_filter(filter, identities))
}

/// Replaces each filter of a group; other JSON stays unchanged.
fn canonical_children(group: &Value, canonical_child: &dyn Fn(&Value) -> Value) -> Value {
    let Value::Object(fields) = group else {
        return group.clone();
    };
    let present = fields.iter().filter(|(_, value)| !value.is_null());
    let canonical_field = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Array(filters) if key == "filters" => filters.iter().map(canonical_child).collect(),
            other => other.clone(),
        };
        (key.clone(), value)
    };
    let mut fields: Map<String, Value> = present.map(canonical_field).collect();
    if let Some(Value::Array(filters)) = fields.get("filters")
        && filters.len() < 2
    {
        fields.insert("filter_operator".to_owned(), "and".into());
    }
    if let Some(Value::String(operator)) = fields.get_mut("filter_operator") {
        operator.make_ascii_lowercase();
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

#[cfg(test)]
mod tests;
