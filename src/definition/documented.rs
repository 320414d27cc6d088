//! The filter types and fields that MoEngage documents. Its responses may contain others, which it refuses in a request.

use crate::model::Payload;
use serde_json::Value;

/// The fields that definitions and their canonical forms share, at any depth.
const FIELDS: [&str; 37] = [
    "action_name",
    "aggregation_attributes",
    "aggregation_type",
    "array_filter_type",
    "attribute_name",
    "attributes",
    "base_time_range",
    "case_sensitive",
    "comparator",
    "count",
    "data_type",
    "days",
    "days1",
    "excluded_filters",
    "executed",
    "execution",
    "extract_type",
    "filter_operator",
    "filter_type",
    "filters",
    "included_filters",
    "is_dynamic_value",
    "name",
    "negate",
    "operator",
    "operator_type",
    "percent_of_times",
    "percent_of_users",
    "period_unit",
    "primary_time_range",
    "project_name",
    "psychographic_attributes",
    "radius",
    "type",
    "value",
    "value1",
    "value_type",
];

/// Fields that the canonical form omits or renames.
const FIELDS_OF_REQUESTS: [&str; 5] = ["category", "dynamic_attribute_type", "from", "id", "to"];

pub(super) fn is_canonical_field(key: &str) -> bool {
    FIELDS.contains(&key) || key == "segment"
}

/// Whether the fields of the filter are known. Filters of an event or an object have no type.
pub(super) fn is_documented_filter(filter: &Value) -> bool {
    matches!(
        filter.get("filter_type").and_then(Value::as_str),
        None | Some(
            "user_attributes" | "actions" | "psychographic_event" | "custom_segments" | "nested_filters"
        )
    )
}

/// A filter of an undocumented type stays as it is: nothing is known about its fields.
#[must_use]
pub fn without_undocumented_fields(remote: &Payload) -> Payload {
    let mut payload = remote.clone();
    for group in std::iter::once(&mut payload.included_filters).chain(&mut payload.excluded_filters) {
        remove_undocumented_fields(group);
    }
    payload
}

fn remove_undocumented_fields(part: &mut Value) {
    if !is_documented_filter(part) {
        return;
    }
    match part {
        Value::Object(fields) => {
            fields.retain(|key, _| {
                FIELDS.contains(&key.as_str()) || FIELDS_OF_REQUESTS.contains(&key.as_str())
            });
            fields.values_mut().for_each(remove_undocumented_fields);
        }
        Value::Array(parts) => parts.iter_mut().for_each(remove_undocumented_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn group(filters: &Value) -> Value {
        json!({"filter_operator": "and", "filters": filters})
    }

    #[test]
    fn undocumented_fields_go_at_every_depth_and_undocumented_filters_stay() {
        let extra = |mut part: Value| {
            part["schema_version"] = json!(2);
            part["labels"] = json!({"en": null});
            part
        };
        let city = json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Custom",
                          "operator": "is", "value": "Pune", "negate": false});
        let amount =
            json!({"name": "amount", "data_type": "double", "operator": "between", "value": 1, "value1": 2});
        let event = |attribute: Value, range: Value| {
            json!({"filter_type": "actions", "action_name": "buy", "executed": true, "primary_time_range": range,
                   "execution": {"type": "atleast", "count": 1}, "attributes": group(&json!([attribute]))})
        };
        let range =
            json!({"type": "inTheLast", "value": 3, "value_type": "relative_past", "period_unit": "days"});
        let nested = |filter: Value| json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": [filter]});
        let new = json!({"filter_type": "of next year", "field": 1, "filters": [{"field": 2}]});
        let reference = json!({"filter_type": "custom_segments", "id": "a1", "name": "VIPs"});
        let documented = Payload {
            included_filters: group(&json!([nested(city.clone()), new.clone()])),
            excluded_filters: Some(group(&json!([
                event(amount.clone(), range.clone()),
                reference.clone()
            ]))),
        };
        let returned = Payload {
            included_filters: extra(group(&json!([extra(nested(extra(city))), new]))),
            excluded_filters: Some(group(&json!([
                extra(event(extra(amount), extra(range))),
                extra(reference)
            ]))),
        };
        assert_eq!(without_undocumented_fields(&returned), documented);
    }
}
