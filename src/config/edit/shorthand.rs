//! One live filter in the vocabulary of files: from its normal form, with what the decoder fills left out.
//!
//! The normal form has levelled how the service said it, so there is one spelling for each meaning. From the live
//! filter itself comes what the normal form leaves out but a file should keep: categories and the labels of ids.
//! Whether the result is sound is for the caller to prove; unknown fields stay, so that the proof fails on them.

use super::ordered_value::OrderedValue;
use serde_json::{Map, Value};

type JsonFields = Map<String, Value>;

/// The start of a day as the API has it, after the date.
const DAY_START: &str = "T00:00:00.000Z";
/// The end of a day as the API has it, after the date.
const DAY_END: &str = "T23:59:59.999Z";

/// `live`, whose normal form is `form`, as a file says it.
pub(super) fn filter_shorthand(live: &Value, form: &Value) -> OrderedValue {
    let Value::Object(fields) = form else {
        return OrderedValue::from_json(form);
    };
    match text_of(fields, "filter_type") {
        "user_attributes" => condition(live, fields, false),
        "actions" => event(live, fields),
        "psychographic_event" => affinity(live, fields),
        "custom_segments" => reference(live, fields),
        _ => OrderedValue::from_json(form),
    }
}

/// A condition; `of_event` where the decoder knows the category.
fn condition(live: &Value, form: &JsonFields, of_event: bool) -> OrderedValue {
    let mut fields = form.clone();
    let category = live.get("category").and_then(Value::as_str);
    if let Some(category) = category.filter(|category| !(of_event && *category == "default")) {
        fields.insert("category".to_owned(), category.into());
    }
    remove_if_false(&mut fields, "negate");
    remove_if_false(&mut fields, "case_sensitive");
    if text_of(&fields, "data_type") == "datetime" {
        shorten_datetime(&mut fields);
    }
    let children = fields.remove("filters");
    let mut written = ordered_fields(&fields);
    written.extend(children.map(|children| {
        let spell = |live: &Value, form: &JsonFields| condition(live, form, of_event);
        ("filters".to_owned(), map_filters(live, &children, &spell))
    }));
    OrderedValue::map(written)
}

fn shorten_datetime(fields: &mut JsonFields) {
    let is_dynamic = fields.get("is_dynamic_value") == Some(&Value::Bool(true));
    let implied = match text_of(fields, "operator") {
        "inTheLast" if !is_dynamic => "relative_past",
        "inTheNext" if !is_dynamic => "relative_future",
        _ => "absolute",
    };
    if text_of(fields, "value_type") == implied {
        fields.remove("value_type");
    }
    if text_of(fields, "extract_type") == "default_option_date" {
        fields.remove("extract_type");
        shorten_dates(fields);
    }
}

/// Days without the time that the decoder adds.
fn shorten_dates(fields: &mut JsonFields) {
    for (key, edge) in [
        ("value", DAY_START),
        ("value1", DAY_END),
        ("from", DAY_START),
        ("to", DAY_END),
    ] {
        match fields.get_mut(key) {
            Some(Value::Array(values)) => values.iter_mut().for_each(|value| shorten_date(value, edge)),
            Some(value) => shorten_date(value, edge),
            None => {}
        }
    }
}

fn shorten_date(value: &mut Value, edge: &str) {
    let date = value.as_str().and_then(|text| text.strip_suffix(edge));
    if let Some(date) = date.filter(|date| date.len() == "YYYY-MM-DD".len()) {
        *value = date.into();
    }
}

fn event(live: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    remove_default_execution(&mut fields);
    if let Some(Value::Object(window)) = fields.get_mut("primary_time_range") {
        remove_implied_value_type(window);
        shorten_dates(window);
    }
    let attributes = fields.remove("attributes");
    let aggregation = fields.remove("aggregation_attributes");
    let mut written = ordered_fields(&fields);
    written.extend(attributes.and_then(|group| attribute_group(live, &group, true)));
    written.extend(aggregation.map(|group| {
        (
            "aggregation_attributes".to_owned(),
            aggregation_group(live, &group),
        )
    }));
    OrderedValue::map(written)
}

fn affinity(live: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    remove_default_execution(&mut fields);
    if fields.get("executed") == Some(&Value::Bool(true)) {
        fields.remove("executed");
    }
    if let Some(Value::Object(window)) = fields.get_mut("primary_time_range") {
        shorten_affinity_time_range(window);
    }
    let attributes = fields.remove("attributes");
    let preferred = fields.remove("psychographic_attributes");
    let mut written = ordered_fields(&fields);
    written.extend(attributes.and_then(|group| attribute_group(live, &group, true)));
    written.extend(preferred.map(|group| {
        let key = "psychographic_attributes";
        let live = live.get(key).unwrap_or(&Value::Null);
        (key.to_owned(), group_of_conditions(live, &group, false))
    }));
    OrderedValue::map(written)
}

fn remove_default_execution(fields: &mut JsonFields) {
    let (kind, count) = if fields.get("executed") == Some(&Value::Bool(false)) {
        ("exactly", 0)
    } else {
        ("atleast", 1)
    };
    let default = serde_json::json!({"type": kind, "count": count});
    if fields.get("execution") == Some(&default) {
        fields.remove("execution");
    }
}

fn remove_implied_value_type(window: &mut JsonFields) {
    let is_count = window.get("value").is_some_and(Value::is_number);
    let implied = match text_of(window, "type") {
        "inTheLast" => "relative_past",
        "after" => "absolute",
        _ if is_count => "relative_past",
        _ => "absolute",
    };
    if text_of(window, "value_type") == implied {
        window.remove("value_type");
    }
}

/// Affinity filters count in days, and call their dates `from` and `to`.
fn shorten_affinity_time_range(window: &mut JsonFields) {
    let is_absolute = text_of(window, "value_type") == "absolute";
    remove_implied_value_type(window);
    if text_of(window, "period_unit") == "days" {
        window.remove("period_unit");
    }
    let names = if is_absolute {
        ["from", "to"]
    } else {
        ["days", "days1"]
    };
    for (key, name) in ["value", "value1"].into_iter().zip(names) {
        if let Some(value) = window.remove(key) {
            window.insert(name.to_owned(), value);
        }
    }
    shorten_dates(window);
}

/// The conditions on occurrences; `None` when there are none.
fn attribute_group(live: &Value, group: &Value, of_event: bool) -> Option<(String, OrderedValue)> {
    let key = "attributes";
    if group
        .get("filters")
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        return None;
    }
    let live = live.get(key).unwrap_or(&Value::Null);
    Some((key.to_owned(), group_of_conditions(live, group, of_event)))
}

fn group_of_conditions(live: &Value, group: &Value, of_event: bool) -> OrderedValue {
    let Value::Object(group) = group else {
        return OrderedValue::from_json(group);
    };
    let spell = |live: &Value, form: &JsonFields| condition(live, form, of_event);
    OrderedValue::map(group.iter().map(|(key, value)| {
        let tree = match key.as_str() {
            "filters" => map_filters(live, value, &spell),
            _ => OrderedValue::from_json(value),
        };
        (key.clone(), tree)
    }))
}

/// The one aggregation of an event filter: its group needs no operator.
fn aggregation_group(live: &Value, group: &Value) -> OrderedValue {
    let Value::Object(fields) = group else {
        return OrderedValue::from_json(group);
    };
    let live = live.get("aggregation_attributes").unwrap_or(&Value::Null);
    let fields = fields.iter().filter(|(key, _)| *key != "filter_operator");
    OrderedValue::map(fields.map(|(key, value)| {
        let tree = match key.as_str() {
            "filters" => map_filters(live, value, &|_, form| aggregation(form)),
            _ => OrderedValue::from_json(value),
        };
        (key.clone(), tree)
    }))
}

fn aggregation(form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    remove_if_false(&mut fields, "negate");
    if text_of(&fields, "data_type") == "double" {
        fields.remove("data_type");
    }
    if let Some(Value::Object(base)) = fields.get_mut("base_time_range") {
        shorten_dates(base);
    }
    OrderedValue::map(ordered_fields(&fields))
}

/// By name where the normal form knows it; else by id, with the name that the live filter carries as a label.
fn reference(live: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    let segment = fields.remove("segment").unwrap_or_default();
    let segment = segment.as_str().unwrap_or_default();
    if let Some(name) = segment.strip_prefix("name:") {
        fields.insert("name".to_owned(), name.into());
    } else if let Some(id) = segment.strip_prefix("id:") {
        fields.insert("id".to_owned(), id.into());
        let label = live.get("name").and_then(Value::as_str);
        if let Some(label) = label.filter(|label| !label.is_empty()) {
            fields.insert("name".to_owned(), label.into());
        }
    }
    OrderedValue::map(ordered_fields(&fields))
}

/// A list with each of its maps spelled, beside the live list that it comes from.
fn map_filters(
    live: &Value,
    forms: &Value,
    spell: &dyn Fn(&Value, &JsonFields) -> OrderedValue,
) -> OrderedValue {
    let Value::Array(forms) = forms else {
        return OrderedValue::from_json(forms);
    };
    let lives = live.get("filters").and_then(Value::as_array);
    let spelled = forms.iter().enumerate().map(|(index, form)| match form {
        Value::Object(form) => {
            let live = lives.and_then(|lives| lives.get(index));
            spell(live.unwrap_or(&Value::Null), form)
        }
        other => OrderedValue::from_json(other),
    });
    OrderedValue::List(spelled.collect())
}

fn ordered_fields(fields: &JsonFields) -> Vec<(String, OrderedValue)> {
    fields
        .iter()
        .map(|(key, value)| (key.clone(), OrderedValue::from_json(value)))
        .collect()
}

fn remove_if_false(fields: &mut JsonFields, key: &str) {
    if fields.get(key) == Some(&Value::Bool(false)) {
        fields.remove(key);
    }
}

fn text_of<'a>(fields: &'a JsonFields, key: &str) -> &'a str {
    fields.get(key).and_then(Value::as_str).unwrap_or_default()
}
