//! One remote filter in the vocabulary of segment files.
//!
//! The input is its canonical form, so each meaning has one spelling; values that the decoder adds are omitted.
//! Categories and labels of ids come from the remote filter, because the canonical form has none. The caller verifies
//! the result: unknown fields stay, so that the verification fails.

use super::ordered_value::OrderedValue;
use serde_json::{Map, Value};

type JsonFields = Map<String, Value>;
type Shorten<'a> = dyn Fn(&Value, &JsonFields) -> OrderedValue + 'a;

const DAY_START: &str = "T00:00:00.000Z";
const DAY_END: &str = "T23:59:59.999Z";

/// `form` is the canonical form of `remote`.
pub(super) fn filter_shorthand(remote: &Value, form: &Value) -> OrderedValue {
    let Value::Object(fields) = form else {
        return OrderedValue::from_json(form);
    };
    match text_of(fields, "filter_type") {
        "user_attributes" => condition(remote, fields, false),
        "actions" => event(remote, fields),
        "psychographic_event" => affinity(remote, fields),
        "custom_segments" => reference(remote, fields),
        _ => OrderedValue::from_json(form),
    }
}

/// `of_event`: the decoder knows the category.
fn condition(remote: &Value, form: &JsonFields, of_event: bool) -> OrderedValue {
    let mut fields = form.clone();
    let category = remote.get("category").and_then(Value::as_str);
    if let Some(category) = category.filter(|_| !of_event) {
        fields.insert("category".to_owned(), category.into());
    }
    remove_if_false(&mut fields, "negate");
    remove_if_false(&mut fields, "case_sensitive");
    if text_of(&fields, "data_type") == "datetime" {
        shorten_datetime(&mut fields);
    }
    let children = fields.remove("filters");
    let mut output = ordered_fields(&fields);
    output.extend(children.map(|children| {
        let shorten = |remote: &Value, form: &JsonFields| condition(remote, form, of_event);
        ("filters".to_owned(), map_filters(remote, &children, &shorten))
    }));
    OrderedValue::map(output)
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

/// Removes the time of day that the decoder adds.
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

fn event(remote: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    remove_default_execution(&mut fields);
    if let Some(Value::Object(range)) = fields.get_mut("primary_time_range") {
        remove_implied_value_type(range);
        shorten_dates(range);
    }
    let attributes = fields.remove("attributes");
    let aggregation = fields.remove("aggregation_attributes");
    let mut output = ordered_fields(&fields);
    output.extend(attributes.and_then(|group| attribute_group(remote, &group, true)));
    output.extend(aggregation.map(|group| aggregation_group(remote, &group)));
    OrderedValue::map(output)
}

fn affinity(remote: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    remove_default_execution(&mut fields);
    if fields.get("executed") == Some(&Value::Bool(true)) {
        fields.remove("executed");
    }
    if let Some(Value::Object(range)) = fields.get_mut("primary_time_range") {
        shorten_affinity_time_range(range);
    }
    let attributes = fields.remove("attributes");
    let preferred = fields.remove("psychographic_attributes");
    let mut output = ordered_fields(&fields);
    output.extend(attributes.and_then(|group| attribute_group(remote, &group, true)));
    output.extend(
        preferred.map(|group| group_of_conditions(remote, "psychographic_attributes", &group, false)),
    );
    OrderedValue::map(output)
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

fn remove_implied_value_type(range: &mut JsonFields) {
    let is_count = range.get("value").is_some_and(Value::is_number);
    let implied = match text_of(range, "type") {
        "inTheLast" => "relative_past",
        "after" => "absolute",
        _ if is_count => "relative_past",
        _ => "absolute",
    };
    if text_of(range, "value_type") == implied {
        range.remove("value_type");
    }
}

/// Affinity filters count in days, and name their dates `from` and `to`.
fn shorten_affinity_time_range(range: &mut JsonFields) {
    let is_absolute = text_of(range, "value_type") == "absolute";
    remove_implied_value_type(range);
    if text_of(range, "period_unit") == "days" {
        range.remove("period_unit");
    }
    let names = if is_absolute {
        ["from", "to"]
    } else {
        ["days", "days1"]
    };
    for (key, name) in ["value", "value1"].into_iter().zip(names) {
        if let Some(value) = range.remove(key) {
            range.insert(name.to_owned(), value);
        }
    }
    shorten_dates(range);
}

/// `None` for an event without conditions.
fn attribute_group(remote: &Value, group: &Value, of_event: bool) -> Option<(String, OrderedValue)> {
    let filters = group.get("filters").and_then(Value::as_array);
    if filters.is_some_and(Vec::is_empty) {
        return None;
    }
    Some(group_of_conditions(remote, "attributes", group, of_event))
}

fn group_of_conditions(remote: &Value, key: &str, group: &Value, of_event: bool) -> (String, OrderedValue) {
    let shorten = |remote: &Value, form: &JsonFields| condition(remote, form, of_event);
    (key.to_owned(), map_group(remote.get(key), group, &shorten))
}

/// An event has at most one aggregation, so its group needs no operator.
fn aggregation_group(remote: &Value, group: &Value) -> (String, OrderedValue) {
    let key = "aggregation_attributes";
    let mut value = map_group(remote.get(key), group, &|_, form| aggregation(form));
    if let OrderedValue::Map(fields) = &mut value {
        fields.retain(|(key, _)| key != "filter_operator");
    }
    (key.to_owned(), value)
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
    OrderedValue::from_fields(&fields)
}

/// By name if the canonical form has one; else by id, with the name of the remote filter as its label.
fn reference(remote: &Value, form: &JsonFields) -> OrderedValue {
    let mut fields = form.clone();
    let segment = fields.remove("segment").unwrap_or_default();
    let segment = segment.as_str().unwrap_or_default();
    if let Some(name) = segment.strip_prefix("name:") {
        fields.insert("name".to_owned(), name.into());
    } else if let Some(id) = segment.strip_prefix("id:") {
        fields.insert("id".to_owned(), id.into());
        let label = remote.get("name").and_then(Value::as_str);
        if let Some(label) = label.filter(|label| !label.is_empty()) {
            fields.insert("name".to_owned(), label.into());
        }
    }
    OrderedValue::from_fields(&fields)
}

fn map_group(remote: Option<&Value>, group: &Value, shorten: &Shorten<'_>) -> OrderedValue {
    let Value::Object(fields) = group else {
        return OrderedValue::from_json(group);
    };
    OrderedValue::map(fields.iter().map(|(key, value)| {
        let value = match key.as_str() {
            "filters" => map_filters(remote.unwrap_or(&Value::Null), value, shorten),
            _ => OrderedValue::from_json(value),
        };
        (key.clone(), value)
    }))
}

fn map_filters(remote: &Value, forms: &Value, shorten: &Shorten<'_>) -> OrderedValue {
    let Value::Array(forms) = forms else {
        return OrderedValue::from_json(forms);
    };
    let remotes = remote.get("filters").and_then(Value::as_array);
    let shortened = forms.iter().enumerate().map(|(index, form)| match form {
        Value::Object(form) => {
            let remote = remotes.and_then(|remotes| remotes.get(index));
            shorten(remote.unwrap_or(&Value::Null), form)
        }
        other => OrderedValue::from_json(other),
    });
    OrderedValue::List(shortened.collect())
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
