//! Forms in which a service may return a definition, with the same meaning.

use super::digests::{drop_defaults, is_raw, map_objects, reversed};
use proptest::prelude::*;
use proptest::sample::subsequence;
use segctl::model::Payload;
use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// A difference of notation: changes one object of a definition, the inner ones first.
pub(super) type Respelling = (&'static str, fn(Fields) -> Fields);

pub(super) const RESPELLINGS: [Respelling; 20] = [
    ("defaults dropped", drop_defaults),
    ("array default dropped", drop_array_default),
    ("array default filled", fill_array_default),
    ("defaults filled", fill_defaults),
    ("dates without fraction", |fields| {
        map_dates(fields, |date| date.replace(".000Z", "Z").replace(".999Z", "Z"))
    }),
    ("dates without Z", |fields| {
        map_dates(fields, |date| date.trim_end_matches('Z').to_owned())
    }),
    ("dates in microseconds", |fields| {
        map_dates(fields, |date| date.replace('Z', "000Z"))
    }),
    ("numbers as floats", |fields| {
        map_numbers(fields, |number| number.as_f64().map(|float| json!(float)))
    }),
    ("numbers as text", numbers_as_text),
    ("nulls", |fields| {
        add_to_filters(fields, &json!({"value9": null, "description": null}))
    }),
    ("extra fields", |fields| {
        add_to_filters(
            fields,
            &json!({"schema_version": 2, "labels": {"en": ["x", null]}}),
        )
    }),
    ("is as in", is_as_in),
    ("single values as lists", single_values_as_lists),
    ("no project", |fields| {
        add_to("filter_type", "actions", fields, &json!({"project_name": ""}))
    }),
    ("geopoints with an operator", |fields| {
        add_to("data_type", "geopoint", fields, &json!({"operator": "around"}))
    }),
    ("negated objects", |fields| {
        add_to(
            "data_type",
            "object",
            fields,
            &json!({"negate": false, "case_sensitive": false}),
        )
    }),
    ("type beside no dynamic value", dynamic_type_beside_false),
    ("ids in upper case", ids_in_upper_case),
    ("filters in another order", reverse_filters),
    ("single filters in groups", wrap_filters),
];

fn map_dates(mut fields: Fields, respell: fn(&str) -> String) -> Fields {
    let respell_date = |value: &mut Value| {
        let text = value.as_str().unwrap_or_default();
        // Fractions that are no edge of a day mean something.
        if text.len() == "2026-01-01T00:00:00.000Z".len()
            && (text.ends_with(":00.000Z") || text.ends_with(":59.999Z"))
        {
            *value = respell(text).into();
        }
    };
    for key in ["value", "value1", "from", "to"] {
        match fields.get_mut(key) {
            Some(Value::Array(values)) => values.iter_mut().for_each(respell_date),
            Some(value) => respell_date(value),
            None => {}
        }
    }
    fields
}

fn map_numbers(mut fields: Fields, respell: fn(&Value) -> Option<Value>) -> Fields {
    let respell_number = |value: &mut Value| {
        if let Some(number) = respell(value) {
            *value = number;
        }
    };
    for value in fields.values_mut() {
        match value {
            Value::Array(values) => values.iter_mut().for_each(respell_number),
            value => respell_number(value),
        }
    }
    fields
}

fn numbers_as_text(fields: Fields) -> Fields {
    let data_type = fields.get("data_type").and_then(Value::as_str);
    if matches!(data_type, Some("double" | "array_double" | "geopoint")) {
        map_numbers(fields, |number| {
            number.is_number().then(|| number.to_string().into())
        })
    } else {
        fields
    }
}

fn is_condition(fields: &Fields) -> bool {
    fields.contains_key("data_type") && !fields.contains_key("filters")
}

fn add(mut fields: Fields, more: &Value) -> Fields {
    for (key, value) in more.as_object().unwrap() {
        fields.entry(key).or_insert(value.clone());
    }
    fields
}

fn add_to_filters(fields: Fields, more: &Value) -> Fields {
    if fields.contains_key("filter_type") || fields.contains_key("data_type") {
        add(fields, more)
    } else {
        fields
    }
}

fn add_to(key: &str, value: &str, fields: Fields, more: &Value) -> Fields {
    if fields.get(key) == Some(&json!(value)) {
        add(fields, more)
    } else {
        fields
    }
}

fn is_array(fields: &Fields) -> bool {
    let data_type = fields.get("data_type").and_then(Value::as_str);
    matches!(data_type, Some("array_string" | "array_double"))
}

fn drop_array_default(mut fields: Fields) -> Fields {
    if is_array(&fields) {
        fields.retain(|key, value| key != "array_filter_type" || *value != json!("any_of"));
    }
    fields
}

fn fill_array_default(fields: Fields) -> Fields {
    if is_array(&fields) {
        add(fields, &json!({"array_filter_type": "any_of"}))
    } else {
        fields
    }
}

fn fill_defaults(fields: Fields) -> Fields {
    if fields.contains_key("action_name") {
        add(
            fields,
            &json!({"executed": true, "attributes": {"filter_operator": "and", "filters": []}}),
        )
    } else if is_condition(&fields) {
        add(
            fields,
            &json!({"negate": false, "case_sensitive": false, "extract_type": "default_option_date"}),
        )
    } else {
        fields
    }
}

fn is_as_in(mut fields: Fields) -> Fields {
    let data_type = fields
        .get("data_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_dynamic = fields.get("is_dynamic_value") == Some(&json!(true));
    if matches!(data_type, "string" | "array_string")
        && fields.get("operator") == Some(&json!("is"))
        && !is_dynamic
    {
        fields.insert("operator".to_owned(), json!("in"));
        single_values_as_lists(fields)
    } else {
        fields
    }
}

fn single_values_as_lists(mut fields: Fields) -> Fields {
    if is_condition(&fields)
        && fields.get("is_dynamic_value") != Some(&json!(true))
        && fields.get("data_type") != Some(&json!("geopoint"))
        && let Some(value) = fields.get_mut("value")
        && !value.is_array()
    {
        *value = json!([value]);
    }
    fields
}

fn dynamic_type_beside_false(fields: Fields) -> Fields {
    match fields.get("data_type") {
        Some(data_type) if is_condition(&fields) => {
            let more = json!({"is_dynamic_value": false, "dynamic_attribute_type": data_type});
            add(fields, &more)
        }
        _ => fields,
    }
}

fn ids_in_upper_case(mut fields: Fields) -> Fields {
    let id = fields.get("id").and_then(Value::as_str).unwrap_or_default();
    // The pseudo id of all users is no object id.
    if id.len() == 24 {
        let id = id.to_uppercase();
        fields.insert("id".to_owned(), id.into());
    }
    fields
}

fn reverse_filters(mut fields: Fields) -> Fields {
    if let Some(Value::Array(filters)) = fields.get_mut("filters") {
        filters.reverse();
    }
    fields
}

fn wrap_filters(mut fields: Fields) -> Fields {
    if fields
        .get("filter_type")
        .is_none_or(|kind| kind == "nested_filters")
        && !fields.contains_key("data_type")
        && let Some(Value::Array(filters)) = fields.get_mut("filters")
        && let Some(first) = filters.first_mut()
        && first.get("filter_type").is_some()
    {
        *first = json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": [first]});
    }
    fields
}

/// What a service changes in its answers.
#[derive(Clone, Debug)]
pub(super) struct Notation {
    pub(super) respellings: Vec<Respelling>,
    pub(super) root_has_filter_type: bool,
    pub(super) empty_exclusion: Option<Value>,
    pub(super) reverses_keys: bool,
}

impl Notation {
    pub(super) fn of(respellings: &[Respelling]) -> Self {
        Self {
            respellings: respellings.to_vec(),
            root_has_filter_type: false,
            empty_exclusion: None,
            reverses_keys: false,
        }
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.respellings.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    pub(super) fn respell(&self, mut answer: Value) -> String {
        let data = &mut answer["data"];
        if data["included_filters"].is_object() {
            let payload = Payload {
                included_filters: data["included_filters"].take(),
                excluded_filters: data.get("excluded_filters").cloned(),
            };
            let payload = map_objects(&payload, &|fields| self.respell_object(fields));
            data["included_filters"] = payload.included_filters;
            if let Some(excluded) = payload.excluded_filters.or_else(|| self.empty_exclusion.clone()) {
                data["excluded_filters"] = excluded;
            }
            if self.root_has_filter_type {
                data["included_filters"]["filter_type"] = json!("nested_filters");
            }
        }
        if self.reverses_keys {
            reversed(&answer)
        } else {
            answer.to_string()
        }
    }

    fn respell_object(&self, fields: Fields) -> Fields {
        if is_raw(&fields) {
            return fields;
        }
        self.respellings
            .iter()
            .fold(fields, |fields, (_, respell)| respell(fields))
    }
}

pub(super) fn notation() -> impl Strategy<Value = Notation> {
    let exclusion = prop::sample::select(vec![
        None,
        Some(Value::Null),
        Some(json!({})),
        Some(json!({"filter_operator": "and", "filters": []})),
    ]);
    let respellings = subsequence(RESPELLINGS.to_vec(), 0..=RESPELLINGS.len());
    (respellings, any::<bool>(), exclusion, any::<bool>()).prop_map(
        |(respellings, root_has_filter_type, empty_exclusion, reverses_keys)| Notation {
            respellings,
            root_has_filter_type,
            empty_exclusion,
            reverses_keys,
        },
    )
}
