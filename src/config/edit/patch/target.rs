//! What a document says and what it should say, and the proof that a text says that.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::{RemoteDefinition, TOP_LEVEL_GROUPS};
use super::super::round_trip;
use super::DeclarationUpdate;
use super::document_editor::NodeChange;
use crate::definition::{Identities, encode};
use crate::model::{Keyword, Lifecycle, SegmentName};
use serde_json::{Map, Value};

/// What the document says, what it should say, and how that is written.
pub(super) struct PatchTarget {
    /// Name, lifecycle and the sides in normal form.
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
        let declared = segment.contents.definition().map(encode);
        let name = update.name.unwrap_or(&segment.name).clone();
        let lifecycle = update.lifecycle.unwrap_or(segment.lifecycle);
        let live = update
            .definition
            .map(|(payload, names)| RemoteDefinition::new(payload, names, declared.as_ref()));
        let identities = live
            .as_ref()
            .map(|live| live.identities.clone())
            .unwrap_or_default();
        let old = round_trip::canonical_form(declaration, &identities);
        let new = live
            .as_ref()
            .map_or_else(|| old.clone(), |live| live.canonical.clone());
        let mut fields = vec![("name".to_owned(), OrderedValue::text(name.as_str()))];
        if lifecycle == Lifecycle::Archived || super::has_field(&declaration.document, "lifecycle") {
            fields.push(("lifecycle".to_owned(), OrderedValue::text(lifecycle.as_str())));
        }
        if let Some(live) = live.filter(|_| old != new) {
            for side in TOP_LEVEL_GROUPS {
                fields.extend(live.top_level_group(side)?.map(|group| (side.to_owned(), group)));
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

    /// Whether `text` says what it should, and nothing else has changed in what was `before`.
    pub(super) fn verify(&self, before: &Declaration, text: &str) -> Result<(), EditError> {
        let read = round_trip::read_declaration(text)?;
        let differs = |path: &str| EditError::RoundTripMismatch {
            path: path.to_owned(),
        };
        if read.segment.name != self.name {
            return Err(differs("name"));
        }
        if read.segment.lifecycle != self.lifecycle {
            return Err(differs("lifecycle"));
        }
        round_trip::verify_definition(&read, &top_level_groups(&self.after), &self.identities)?;
        match changed_unrelated_field(&before.document, &read.document) {
            Some(field) => Err(EditError::SharedField {
                field: field.to_owned(),
            }),
            None => Ok(()),
        }
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
    let sides = TOP_LEVEL_GROUPS
        .iter()
        .filter_map(|side| Some(((*side).to_owned(), whole.get(side)?.clone())));
    Value::Object(sides.collect())
}

/// A field that no patch is about and that changed with one, behind an alias, say.
pub(super) fn changed_unrelated_field<'n>(before: &'n Node, after: &'n Node) -> Option<&'n str> {
    let is_bystander = |key: &Key| {
        let key = key.text.as_str();
        !TOP_LEVEL_GROUPS.contains(&key) && key != "name" && key != "lifecycle"
    };
    let of = |node: &'n Node| {
        super::map_entries(node)
            .iter()
            .filter(move |(key, _)| is_bystander(key))
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

/// Whether two nodes hold the same, wherever they stand.
fn equal_nodes(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Yaml::Scalar(left), Yaml::Scalar(right)) => left == right,
        (Yaml::List(left), Yaml::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal_nodes(left, right))
        }
        (Yaml::Map(left), Yaml::Map(right)) => {
            let pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs
                    .into_iter()
                    .all(|((key, left), (other, right))| key.text == other.text && equal_nodes(left, right))
        }
        _ => false,
    }
}
