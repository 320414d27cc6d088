//! Categories of attributes, for definitions that are shown.
//!
//! The canonical form has no categories, because responses of the API lack them.

use super::diff::FieldChange;
use crate::model::Payload;
use serde_json::Value;

/// What the decoder adds to the attributes of events.
const DEFAULT: &str = "default";

/// `form` is the canonical form of `source`, so their filters are in the same order.
pub(super) fn add_categories(form: &mut Value, source: &Value) {
    let (Value::Object(fields), Value::Object(source)) = (form, source) else {
        return;
    };
    let category = source.get("category").and_then(Value::as_str);
    if let Some(category) =
        category.filter(|category| *category != DEFAULT && fields.contains_key("data_type"))
    {
        fields.insert("category".to_owned(), category.into());
    }
    for (key, value) in fields {
        match (value, source.get(key)) {
            (Value::Array(filters), Some(Value::Array(sources))) if key == "filters" => {
                let pairs = filters.iter_mut().zip(sources);
                pairs.for_each(|(filter, source)| add_categories(filter, source));
            }
            (value, Some(source)) => add_categories(value, source),
            (_, None) => {}
        }
    }
}

impl FieldChange {
    /// Adds the categories of `after` to a whole filter or group that comes.
    #[must_use]
    pub fn with_categories(mut self, after: &Payload) -> Self {
        if self.field.is_none()
            && let Some(form) = &mut self.after
            && let Some(source) = part_at(after, &self.path)
        {
            add_categories(form, source);
        }
        self
    }
}

fn part_at<'a>(payload: &'a Payload, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut part = match first.as_str() {
        "included_filters" => &payload.included_filters,
        "excluded_filters" => payload.excluded_filters.as_ref()?,
        _ => return None,
    };
    for step in rest {
        let number = step.strip_prefix('[').and_then(|step| step.split_once(']'));
        part = match number.and_then(|(number, _)| number.parse::<usize>().ok()) {
            Some(number) => part.get("filters")?.get(number.checked_sub(1)?)?,
            // The operator of the group, or a part of the filter.
            None => part.get(step).unwrap_or(part),
        };
    }
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Identities, canonical, diff};
    use serde_json::json;

    #[test]
    fn a_filter_that_comes_has_its_category() {
        let attribute = |name: &str| {
            json!({"filter_type": "user_attributes", "name": name, "data_type": "bool", "operator": "exists",
                   "category": "Tracked Custom Attribute"})
        };
        let event = json!({"filter_type": "actions", "action_name": "visit", "executed": true,
            "attributes": {"filter_operator": "and", "filters": [
                {"name": "page", "data_type": "bool", "operator": "exists", "category": "default"}]}});
        let group = |filters: &[Value]| json!({"filter_operator": "and", "filters": filters});
        let mut nested = group(&[attribute("b"), event]);
        nested["filter_type"] = json!("nested_filters");
        let payload = |filters: &[Value]| Payload {
            included_filters: group(filters),
            excluded_filters: None,
        };
        let (before, mut after) = (
            payload(&[attribute("a")]),
            payload(&[attribute("c"), attribute("a"), nested]),
        );
        after.excluded_filters = Some(group(&[attribute("d")]));
        let form = |payload| canonical::exact(payload, &Identities::default());
        let changes = diff(&form(&before), &form(&after)).into_iter();
        let found: Vec<(String, usize)> = changes
            .map(|change| change.with_categories(&after))
            .map(|change| {
                let text = change.after.unwrap_or_default().to_string();
                (
                    change.path.join("/"),
                    text.matches("Tracked Custom Attribute").count(),
                )
            })
            .collect();
        let expected = [
            ("included_filters/and/[1] c", 1),
            ("included_filters/and/[3] group", 1),
            ("excluded_filters", 1),
        ];
        assert_eq!(found, expected.map(|(path, count)| (path.to_owned(), count)));
    }
}
