//! A live definition on its way into text: its normal form, and the two sides as they are to be written.

use super::edit_error::EditError;
use super::ordered_value::OrderedValue;
use super::round_trip;
use super::shorthand::filter_shorthand;
use crate::definition::references::referenced_ids;
use crate::definition::{Identities, canonical};
use crate::model::{GroupOperator, Keyword, Payload, SegmentId, SegmentName};
use serde_json::{Map, Value};

/// The name that references to a segment are written with; `None` keeps the id.
pub type NameLookup<'a> = &'a dyn Fn(&SegmentId) -> Option<SegmentName>;

/// The two sides of a definition.
pub(super) const TOP_LEVEL_GROUPS: [&str; 2] = ["included_filters", "excluded_filters"];

/// A live definition, levelled.
pub(super) struct RemoteDefinition<'a> {
    payload: &'a Payload,
    /// What references mean, in the files and at the service.
    pub(super) identities: Identities,
    /// The exact normal form.
    pub(super) canonical: Value,
}

impl<'a> RemoteDefinition<'a> {
    /// Levels `payload`; `also` is compared with it later, so its references are levelled alike.
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
        let form = canonical::exact(payload, &identities);
        Self {
            payload,
            identities,
            canonical: form,
        }
    }

    /// A side's normal form; `None` for an exclusion of nobody.
    pub(super) fn canonical_group(&self, side: &str) -> Option<&Value> {
        self.canonical.get(side)
    }

    /// A side as it is to be written, each filter proven to mean what the live one means.
    pub(super) fn top_level_group(&self, side: &str) -> Result<Option<OrderedValue>, EditError> {
        let Some(form) = self.canonical_group(side) else {
            return Ok(None);
        };
        let live = match side {
            "included_filters" => &self.payload.included_filters,
            _ => self.payload.excluded_filters.as_ref().unwrap_or(&Value::Null),
        };
        self.group(live, form, side).map(Some)
    }

    fn group(&self, live: &Value, form: &Value, path: &str) -> Result<OrderedValue, EditError> {
        let no_group = || EditError::NotAGroup {
            path: path.to_owned(),
        };
        let (Value::Object(live), Value::Object(form)) = (live, form) else {
            return Err(no_group());
        };
        // The normal form calls a group of one filter `and`; a file keeps the service's word.
        let stated = [live, form].map(|fields| fields.get("filter_operator").and_then(Value::as_str));
        let operator = stated.into_iter().flatten().find_map(GroupOperator::from_text);
        let operator = operator.ok_or_else(no_group)?;
        let is_known = |key: &String| matches!(key.as_str(), "filter_type" | "filter_operator" | "filters");
        if !form.keys().all(is_known) {
            return Err(no_group());
        }
        let filters = filters_of(live).zip(filters_of(form)).enumerate();
        let filters = filters
            .map(|(index, (live, form))| self.filter(live, form, &format!("{path}.filters[{index}]")))
            .collect::<Result<Vec<_>, _>>()?;
        let mut fields = vec![
            (
                "filter_operator".to_owned(),
                OrderedValue::text(operator.as_str()),
            ),
            ("filters".to_owned(), OrderedValue::List(filters)),
        ];
        if let Some(kind) = form.get("filter_type") {
            fields.push(("filter_type".to_owned(), OrderedValue::from_json(kind)));
        }
        Ok(OrderedValue::map(fields))
    }

    /// A filter in the vocabulary, or raw where the vocabulary cannot say it.
    fn filter(&self, live: &Value, form: &Value, path: &str) -> Result<OrderedValue, EditError> {
        let kind = form.get("filter_type").and_then(Value::as_str);
        let tree = if kind == Some("nested_filters") {
            // What is inside was proven on the way.
            self.group(live, form, path).ok()
        } else {
            let tree = filter_shorthand(live, form);
            round_trip::verify_filter(&tree, form, &self.identities)
                .is_ok()
                .then_some(tree)
        };
        if let Some(tree) = tree {
            return Ok(tree);
        }
        let raw = OrderedValue::Map(vec![("raw".to_owned(), OrderedValue::from_json(live))]);
        match round_trip::verify_filter(&raw, form, &self.identities) {
            Ok(()) => Ok(raw),
            Err(reason) => Err(EditError::InvalidFilter {
                path: path.to_owned(),
                reason,
            }),
        }
    }
}

/// The filters of a group.
fn filters_of(group: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    group
        .get("filters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
