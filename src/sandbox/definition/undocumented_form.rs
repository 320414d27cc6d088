//! Forms in which no documentation shows a definition, and that have the same meaning.

use serde_json::{Map, Value, json};

pub(super) fn undocumented_form(mut group: Value) -> Value {
    if let Value::Object(fields) = &mut group {
        fields.insert("filter_type".to_owned(), json!("nested_filters"));
    }
    group
}

pub(super) fn to_undocumented_form(fields: &mut Map<String, Value>) {
    let data_type = fields
        .get("data_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match data_type {
        "" => {}
        "object" | "array_object" => fill(
            fields,
            &[("negate", json!(false)), ("case_sensitive", json!(false))],
        ),
        data_type => {
            let data_type = data_type.to_owned();
            respell_condition(fields, &data_type);
        }
    }
    if fields.contains_key("filter_type") {
        fill(
            fields,
            &[("schema_version", json!(2)), ("labels", json!({"en": null}))],
        );
    }
    if fields.get("filter_type") == Some(&json!("actions")) {
        fill(fields, &[("project_name", json!(""))]);
    }
    for key in ["value", "value1", "from", "to"] {
        if let Some(Value::String(date)) = fields.get_mut(key) {
            *date = shorten_date(date);
        }
    }
}

fn respell_condition(fields: &mut Map<String, Value>, data_type: &str) {
    let is_dynamic = fields.get("is_dynamic_value") == Some(&json!(true));
    if fields.get("array_filter_type") == Some(&json!("any_of")) {
        fields.remove("array_filter_type");
    }
    if data_type == "geopoint" {
        fill(fields, &[("operator", json!("around"))]);
    }
    if is_dynamic {
        return;
    }
    fill(
        fields,
        &[
            ("is_dynamic_value", json!(false)),
            ("dynamic_attribute_type", json!(data_type)),
        ],
    );
    if data_type == "string"
        && fields.get("operator") == Some(&json!("is"))
        && let Some(value) = fields.get_mut("value")
    {
        *value = json!([value]);
        fields.insert("operator".to_owned(), json!("in"));
    }
}

fn fill(fields: &mut Map<String, Value>, defaults: &[(&str, Value)]) {
    for (key, default) in defaults {
        fields.entry(*key).or_insert_with(|| default.clone());
    }
}

/// Without the fraction of an edge of a day.
fn shorten_date(text: &str) -> String {
    let edges = [("T00:00:00.000Z", "T00:00:00Z"), ("T23:59:59.999Z", "T23:59:59")];
    let shortened = edges.iter().find_map(|(edge, short)| {
        let date = text.strip_suffix(edge)?;
        Some(format!("{date}{short}"))
    });
    shortened.unwrap_or_else(|| text.to_owned())
}
