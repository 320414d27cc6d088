//! The canonical form of event and affinity filters, their time ranges and aggregations.

use super::attribute::{canonical_group_of_conditions, remove_inapplicable_defaults};
use super::date::canonicalize_dates;
use super::fields::{remove_if, rename_field, set_default, text, without_nulls};
use super::operand::{canonicalize_number_texts, canonicalize_operand};
use super::{canonical_children, is_empty_group, without_filter_type};
use serde_json::{Map, Value, json};

pub(super) fn canonical_event(fields: &Map<String, Value>) -> Value {
    let mut fields = without_nulls(fields);
    canonicalize_shared_fields(&mut fields);
    // Never executed, with the default that belongs to executed events.
    let is_default = fields.get("execution") == Some(&json!({"type": "atleast", "count": 1}));
    if is_default && fields.get("executed") == Some(&Value::Bool(false)) {
        fields.insert("execution".to_owned(), json!({"type": "exactly", "count": 0}));
    }
    remove_if(&mut fields, "project_name", "");
    if let Some(group) = fields.get("aggregation_attributes") {
        let group = without_filter_type(canonical_children(group, &canonical_aggregation));
        if is_empty_group(&group) {
            fields.remove("aggregation_attributes");
        } else {
            fields.insert("aggregation_attributes".to_owned(), group);
        }
    }
    Value::Object(fields)
}

pub(super) fn canonical_affinity(fields: &Map<String, Value>) -> Value {
    let mut fields = without_nulls(fields);
    canonicalize_shared_fields(&mut fields);
    canonicalize_number_texts(&mut fields, &["percent_of_times", "percent_of_users"]);
    if let Some(group) = fields.get("psychographic_attributes") {
        let group = canonical_group_of_conditions(group);
        fields.insert("psychographic_attributes".to_owned(), group);
    }
    Value::Object(fields)
}

fn canonicalize_shared_fields(fields: &mut Map<String, Value>) {
    canonicalize_execution(fields);
    let attributes = fields
        .get("attributes")
        .filter(|group| !is_empty_group(group))
        .map_or_else(
            || json!({"filter_operator": "and", "filters": []}),
            canonical_group_of_conditions,
        );
    fields.insert("attributes".to_owned(), attributes);
    if let Some(Value::Object(range)) = fields.get("primary_time_range") {
        let range = canonical_time_range(range);
        fields.insert("primary_time_range".to_owned(), range);
    }
}

fn canonicalize_execution(fields: &mut Map<String, Value>) {
    let mut execution = match fields.get("execution") {
        Some(Value::Object(execution)) => without_nulls(execution),
        Some(_) => return,
        None => Map::new(),
    };
    canonicalize_number_texts(&mut execution, &["count"]);
    let default_executed = execution.get("count") != Some(&json!(0));
    set_default(fields, "executed", default_executed);
    let executed = fields.get("executed") != Some(&Value::Bool(false));
    if execution.is_empty() {
        let kind = if executed { "atleast" } else { "exactly" };
        execution.insert("type".to_owned(), kind.into());
        execution.insert("count".to_owned(), u32::from(executed).into());
    }
    if matches!(text(&execution, "type"), "firstTime" | "lastTime") {
        execution.remove("count");
    }
    fields.insert("execution".to_owned(), Value::Object(execution));
}

fn canonical_time_range(range: &Map<String, Value>) -> Value {
    let mut range = without_nulls(range);
    if range.contains_key("days") {
        set_default(&mut range, "period_unit", "days");
    }
    for (from, to) in [
        ("days", "value"),
        ("days1", "value1"),
        ("from", "value"),
        ("to", "value1"),
    ] {
        rename_field(&mut range, from, to);
    }
    if range.get("type") == Some(&Value::Bool(true)) {
        // Schemas of the reference have this YAML 1.1 boolean.
        range.insert("type".to_owned(), "on".into());
    }
    if text(&range, "type") == "inTheLast" || text(&range, "value_type") == "relative_past" {
        canonicalize_number_texts(&mut range, &["value", "value1"]);
    }
    let has_count = range.get("value").is_some_and(Value::is_number);
    let is_relative = has_count || text(&range, "type") == "inTheLast";
    let value_type = if is_relative { "relative_past" } else { "absolute" };
    set_default(&mut range, "value_type", value_type);
    if text(&range, "value_type") == "absolute" {
        range.remove("period_unit");
        canonicalize_dates(&mut range);
    } else {
        // Affinity filters count in days and have no unit.
        set_default(&mut range, "period_unit", "days");
    }
    Value::Object(range)
}

fn canonical_aggregation(aggregation: &Value) -> Value {
    let Value::Object(fields) = aggregation else {
        return aggregation.clone();
    };
    let mut fields = without_nulls(fields);
    set_default(&mut fields, "negate", false);
    set_default(&mut fields, "data_type", "double");
    remove_inapplicable_defaults(&mut fields);
    canonicalize_operand(&mut fields);
    canonicalize_number_texts(&mut fields, &["value", "value1"]);
    if let Some(Value::Object(base)) = fields.get("base_time_range") {
        let mut base = without_nulls(base);
        canonicalize_dates(&mut base);
        fields.insert("base_time_range".to_owned(), Value::Object(base));
    }
    Value::Object(fields)
}
