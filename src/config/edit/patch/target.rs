//! The current and the new content of a document, and the verification of a new text.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::{RemoteDefinition, TOP_LEVEL_GROUPS};
use super::super::round_trip;
use super::DeclarationUpdate;
use super::node_change::NodeChange;
use crate::definition::Identities;
use crate::model::{Keyword, Lifecycle, SegmentName, StoredDefinition};
use serde_json::{Map, Value};

/// `before` and `after` have the name, the lifecycle and the groups in canonical form.
pub(super) struct PatchTarget {
    pub(super) before: Value,
    pub(super) after: Value,
    pub(super) output: OrderedValue,
    identities: Identities,
    name: SegmentName,
    lifecycle: Lifecycle,
}

impl PatchTarget {
    pub(super) fn new(declaration: &Declaration, update: &DeclarationUpdate<'_>) -> Result<Self, EditError> {
        let segment = &declaration.segment;
        let declared = segment.contents.definition().map(StoredDefinition::payload);
        let name = update.name.unwrap_or(&segment.name).clone();
        let lifecycle = update.lifecycle.unwrap_or(segment.lifecycle);
        let remote = update
            .definition
            .map(|(payload, names)| RemoteDefinition::new(payload, names, declared));
        let identities = remote.as_ref().map(|remote| remote.identities.clone());
        let identities = identities.unwrap_or_default();
        let old = round_trip::canonical_form(declaration, &identities);
        let new = remote.as_ref().map_or(&old, |remote| &remote.canonical).clone();
        let mut fields = vec![("name".to_owned(), OrderedValue::text(name.as_str()))];
        if lifecycle == Lifecycle::Archived || super::has_field(&declaration.document, "lifecycle") {
            fields.push(("lifecycle".to_owned(), OrderedValue::text(lifecycle.as_str())));
        }
        if let Some(remote) = remote.filter(|_| old != new) {
            for key in TOP_LEVEL_GROUPS {
                fields.extend(remote.top_level_group(key)?.map(|group| (key.to_owned(), group)));
            }
        }
        Ok(Self {
            before: with_name_and_lifecycle(&segment.name, segment.lifecycle, old),
            after: with_name_and_lifecycle(&name, lifecycle, new),
            output: OrderedValue::map(fields),
            identities,
            name,
            lifecycle,
        })
    }

    pub(super) fn change(&self) -> NodeChange<'_> {
        NodeChange {
            old: &self.before,
            new: &self.after,
            output: &self.output,
        }
    }

    /// `text` must have the new content, and no other field of `before` may change.
    pub(super) fn verify(&self, before: &Declaration, text: &str) -> Result<(), EditError> {
        let after = round_trip::read_declaration(text)?;
        if after.segment.name != self.name {
            return Err(EditError::mismatch("name"));
        }
        if after.segment.lifecycle != self.lifecycle {
            return Err(EditError::mismatch("lifecycle"));
        }
        round_trip::verify_definition(&after, &top_level_groups(&self.after), &self.identities)?;
        verify_unrelated_fields(&before.document, &after.document)
    }
}

fn with_name_and_lifecycle(name: &SegmentName, lifecycle: Lifecycle, form: Value) -> Value {
    let mut fields = match form {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.insert("name".to_owned(), name.as_str().into());
    fields.insert("lifecycle".to_owned(), lifecycle.as_str().into());
    Value::Object(fields)
}

fn top_level_groups(whole: &Value) -> Value {
    let groups = TOP_LEVEL_GROUPS
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), whole.get(key)?.clone())));
    Value::Object(groups.collect())
}

pub(super) fn verify_unrelated_fields(before: &Node, after: &Node) -> Result<(), EditError> {
    match changed_unrelated_field(before, after) {
        Some(field) => Err(EditError::SharedField {
            field: field.to_owned(),
        }),
        None => Ok(()),
    }
}

fn changed_unrelated_field<'n>(before: &'n Node, after: &'n Node) -> Option<&'n str> {
    let is_unrelated = |key: &Key| {
        let key = key.text.as_str();
        !TOP_LEVEL_GROUPS.contains(&key) && key != "name" && key != "lifecycle"
    };
    let of = |node: &'n Node| {
        super::map_entries(node)
            .iter()
            .filter(move |(key, _)| is_unrelated(key))
    };
    let changed = of(before)
        .zip(of(after))
        .find(|((left, before), (right, after))| left.text != right.text || !equal_nodes(before, after));
    match changed {
        Some(((key, _), _)) => Some(&key.text),
        None if of(before).count() != of(after).count() => Some("document"),
        None => None,
    }
}

fn equal_nodes(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Yaml::Scalar(left), Yaml::Scalar(right)) => left == right,
        (Yaml::List(left), Yaml::List(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| equal_nodes(left, right))
        }
        (Yaml::Map(left), Yaml::Map(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs
                    .all(|((key, left), (other, right))| key.text == other.text && equal_nodes(left, right))
        }
        _ => false,
    }
}
