//! A remote definition in canonical form, and its top-level groups as they are written.

use super::edit_error::EditError;
use super::ordered_value::OrderedValue;
use super::round_trip;
use super::shorthand::filter_shorthand;
use crate::definition::references::referenced_ids;
use crate::definition::{Identities, canonical};
use crate::model::{GroupOperator, Keyword, Payload, SegmentId, SegmentName};
use serde_json::{Map, Value};

/// `None` keeps the id of a reference.
pub type NameLookup<'a> = &'a dyn Fn(&SegmentId) -> Option<SegmentName>;

pub(super) const TOP_LEVEL_GROUPS: [&str; 2] = ["included_filters", "excluded_filters"];

pub(super) struct RemoteDefinition<'a> {
    payload: &'a Payload,
    /// How references compare between the files and MoEngage.
    pub(super) identities: Identities,
    pub(super) canonical: Value,
}

impl<'a> RemoteDefinition<'a> {
    /// The identities also cover `declared`, which is compared with `payload` later.
    pub(super) fn new(payload: &'a Payload, names: NameLookup<'_>, declared: Option<&Payload>) -> Self {
        let ids = [Some(payload), declared]
            .into_iter()
            .flatten()
            .flat_map(referenced_ids);
        let named = ids.filter_map(|id| {
            let name = names(&id).filter(|name| !name.as_str().is_empty())?;
            Some((id, name))
        });
        let identities = Identities {
            declared_by_id: named.collect(),
            ..Identities::default()
        };
        Self {
            payload,
            canonical: canonical::exact(payload, &identities),
            identities,
        }
    }

    /// Each filter is verified to have the canonical form of the remote filter.
    pub(super) fn top_level_group(&self, key: &str) -> Result<Option<OrderedValue>, EditError> {
        let Some(form) = self.canonical.get(key) else {
            return Ok(None);
        };
        let remote = match key {
            "included_filters" => &self.payload.included_filters,
            _ => self.payload.excluded_filters.as_ref().unwrap_or(&Value::Null),
        };
        self.group(remote, form, key).map(Some)
    }

    fn group(&self, remote: &Value, form: &Value, path: &str) -> Result<OrderedValue, EditError> {
        let not_a_group = || EditError::NotAGroup {
            path: path.to_owned(),
        };
        let (Value::Object(remote), Value::Object(form)) = (remote, form) else {
            return Err(not_a_group());
        };
        // The canonical operator of a single filter is `and`; the file keeps the operator that MoEngage returned.
        let operators = [remote, form].map(|fields| fields.get("filter_operator").and_then(Value::as_str));
        let operator = operators.into_iter().flatten().find_map(GroupOperator::from_text);
        let operator = operator.ok_or_else(not_a_group)?;
        let is_known = |key: &String| matches!(key.as_str(), "filter_type" | "filter_operator" | "filters");
        if !form.keys().all(is_known) {
            return Err(not_a_group());
        }
        let filters = filters_of(remote)
            .zip(filters_of(form))
            .enumerate()
            .map(|(index, (remote, form))| self.filter(remote, form, &format!("{path}.filters[{index}]")))
            .collect::<Result<Vec<_>, _>>()?;
        let filter_type = form.get("filter_type").map(OrderedValue::from_json);
        let fields = [
            ("filter_type", filter_type),
            ("filter_operator", Some(OrderedValue::text(operator.as_str()))),
            ("filters", Some(OrderedValue::List(filters))),
        ];
        let fields = fields.into_iter();
        Ok(OrderedValue::map(
            fields.filter_map(|(key, value)| Some((key.to_owned(), value?))),
        ))
    }

    /// A `raw` filter where the vocabulary cannot express it.
    fn filter(&self, remote: &Value, form: &Value, path: &str) -> Result<OrderedValue, EditError> {
        let verified = |filter| round_trip::verify_filter(&filter, form, &self.identities).map(|()| filter);
        let shorthand = match form.get("filter_type").and_then(Value::as_str) {
            // `group` has verified the filters inside.
            Some("nested_filters") => self.group(remote, form, path).ok(),
            _ => verified(filter_shorthand(remote, form)).ok(),
        };
        if let Some(shorthand) = shorthand {
            return Ok(shorthand);
        }
        let raw = OrderedValue::Map(vec![("raw".to_owned(), OrderedValue::from_json(remote))]);
        verified(raw).map_err(|reason| EditError::InvalidFilter {
            path: path.to_owned(),
            reason,
        })
    }
}

fn filters_of(group: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let filters = group.get("filters").and_then(Value::as_array);
    filters.into_iter().flatten()
}
