//! A remote definition in the form that requests need.
//!
//! A response may lack defaults that the API requires in a request: how often an event was executed, its attributes and
//! the value type of its time range. It may contain a `filter_type` of a top-level group, which no request has.

use crate::model::Payload;
use serde_json::{Map, Value, json};

/// With every required field. The meaning stays the same, and so does the digest.
#[must_use]
pub fn request_form(remote: &Payload) -> Payload {
    let mut payload = remote.clone();
    for group in std::iter::once(&mut payload.included_filters).chain(&mut payload.excluded_filters) {
        if let Value::Object(fields) = group {
            fields.remove("filter_type");
        }
        complete_group(group);
    }
    payload
}

fn complete_group(group: &mut Value) {
    let Some(filters) = group.get_mut("filters").and_then(Value::as_array_mut) else {
        return;
    };
    for filter in filters {
        match filter.get("filter_type").and_then(Value::as_str) {
            Some("nested_filters") => complete_group(filter),
            Some("actions" | "psychographic_event") => {
                if let Value::Object(fields) = filter {
                    complete_event(fields);
                }
            }
            _ => {}
        }
    }
}

fn complete_event(fields: &mut Map<String, Value>) {
    let zero_times = fields
        .get("execution")
        .and_then(|execution| execution.get("count"))
        == Some(&json!(0));
    let executed = put_if_absent(fields, "executed", json!(!zero_times));
    let execution = if executed == json!(false) {
        json!({"type": "exactly", "count": 0})
    } else {
        json!({"type": "atleast", "count": 1})
    };
    put_if_absent(fields, "execution", execution);
    let no_attributes = json!({"filter_operator": "and", "filters": []});
    put_if_absent(fields, "attributes", no_attributes);
    if let Some(Value::Object(range)) = fields.get_mut("primary_time_range") {
        let is_count = ["value", "days"]
            .iter()
            .any(|key| range.get(*key).is_some_and(Value::is_number));
        let is_last = range.get("type") == Some(&json!("inTheLast"));
        let value_type = if is_count || is_last {
            "relative_past"
        } else {
            "absolute"
        };
        put_if_absent(range, "value_type", json!(value_type));
    }
}

/// Null counts as absent. Returns the value that the field has then.
fn put_if_absent(fields: &mut Map<String, Value>, key: &str, default: Value) -> Value {
    let value = fields.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = default;
    }
    value.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Digest, Identities};

    fn payload(filter: &Value) -> Payload {
        let nested = json!({"filter_type": "nested_filters", "filter_operator": "or", "filters": [filter]});
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [nested]}),
            excluded_filters: Some(json!({"filter_operator": "and", "filters": [filter]})),
        }
    }

    #[test]
    fn required_fields_are_filled_and_the_digest_stays_the_same() {
        let none = json!({"filter_operator": "and", "filters": []});
        let once = json!({"type": "atleast", "count": 1});
        let never = json!({"type": "exactly", "count": 0});
        for (event, executed, execution, range) in [
            (
                json!({"primary_time_range": {"type": "inTheLast", "days": 3}}),
                true,
                &once,
                json!({"type": "inTheLast", "days": 3, "value_type": "relative_past"}),
            ),
            (
                json!({"executed": false, "attributes": null, "primary_time_range": {"type": "on", "value": 0, "period_unit": "days"}}),
                false,
                &never,
                json!({"type": "on", "value": 0, "period_unit": "days", "value_type": "relative_past"}),
            ),
            (
                json!({"execution": never, "primary_time_range": {"type": "on", "value": "2026-01-05T00:00:00.000Z"}}),
                false,
                &never,
                json!({"type": "on", "value": "2026-01-05T00:00:00.000Z", "value_type": "absolute"}),
            ),
            (json!({"primary_time_range": null}), true, &once, Value::Null),
        ] {
            let mut remote = event;
            remote["filter_type"] = json!("actions");
            remote["action_name"] = json!("buy");
            let remote = payload(&remote);
            let completed = request_form(&remote);
            let found = &completed.included_filters["filters"][0]["filters"][0];
            assert_eq!(found["executed"], json!(executed), "{found}");
            assert_eq!(
                (
                    &found["execution"],
                    &found["attributes"],
                    &found["primary_time_range"]
                ),
                (execution, &none, &range)
            );
            assert_eq!(&completed.excluded_filters.as_ref().unwrap()["filters"][0], found);
            let digest = |payload: &Payload| Digest::exact(payload, &Identities::default());
            assert_eq!(digest(&completed), digest(&remote));
            assert_eq!(request_form(&completed), completed);
        }
    }

    #[test]
    fn a_top_level_group_has_no_filter_type() {
        let mut remote = payload(&json!({"filter_type": "custom_segments", "id": "a1"}));
        let bare = remote.clone();
        remote.included_filters["filter_type"] = json!("nested_filters");
        remote.excluded_filters.as_mut().unwrap()["filter_type"] = json!("nested_filters");
        assert_eq!(request_form(&remote), bare);
    }

    #[test]
    fn other_filters_stay_as_they_are() {
        for filter in [
            json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": "exists"}),
            json!({"filter_type": "of next year", "primary_time_range": {"type": "inTheLast"}}),
            json!(7),
        ] {
            let remote = payload(&filter);
            assert_eq!(request_form(&remote), remote);
        }
    }
}
