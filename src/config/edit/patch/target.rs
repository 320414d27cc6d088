//! The current and the new content of a document, and the verification of a new text.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::{NameLookup, RemoteDefinition, TOP_LEVEL_GROUPS};
use super::super::round_trip;
use super::editor::NodeChange;
use super::{DeclarationUpdate, has_field, map_entries};
use crate::definition::{Identities, canonical};
use crate::model::{Keyword, Lifecycle, Payload, SegmentName, StoredDefinition};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

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
        let renamed = update.renames.zip(declared.cloned());
        let renamed = renamed.map(|(renames, declared)| renamed_references(declared, renames, false));
        let keep_ids: NameLookup<'_> = &|_| None;
        let definition = update
            .definition
            .or(renamed.as_ref().map(|payload| (payload, keep_ids)));
        let remote = definition.map(|(payload, names)| RemoteDefinition::new(payload, names, declared));
        let identities = remote.as_ref().map(|remote| remote.identities.clone());
        let identities = identities.unwrap_or_default();
        let old = match (update.renames, declared) {
            (Some(renames), Some(declared)) => {
                canonical::exact(&renamed_references(declared.clone(), renames, true), &identities)
            }
            _ => round_trip::canonical_form(declaration, &identities),
        };
        let new = remote.as_ref().map_or(&old, |remote| &remote.canonical).clone();
        let mut fields = vec![("name".to_owned(), OrderedValue::text(name.as_str()))];
        if lifecycle == Lifecycle::Archived || has_field(&declaration.document, "lifecycle") {
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

/// With `marks`, a renamed reference has a field that makes it differ from the same reference of the new definition.
fn renamed_references(
    mut payload: Payload,
    renames: &BTreeMap<SegmentName, SegmentName>,
    marks: bool,
) -> Payload {
    let groups = std::iter::once(&mut payload.included_filters).chain(&mut payload.excluded_filters);
    let mut open: Vec<&mut Value> = groups.collect();
    while let Some(filter) = open.pop() {
        let text = |key| filter.get(key).and_then(Value::as_str);
        let is_reference = text("filter_type") == Some("custom_segments") && text("id").is_none();
        let name = text("name").filter(|_| is_reference).map(SegmentName::new);
        if let Some(new) = name.and_then(|name| renames.get(&name)) {
            filter["name"] = new.as_str().into();
            if marks {
                filter["renamed"] = true.into();
            }
        }
        let filters = filter.get_mut("filters").and_then(Value::as_array_mut);
        open.extend(filters.into_iter().flatten());
    }
    payload
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

fn verify_unrelated_fields(before: &Node, after: &Node) -> Result<(), EditError> {
    let [before, after] = [before, after].map(|document| {
        let entries = map_entries(document).iter().filter(|(key, _)| {
            let is_edited = ["name", "lifecycle"].contains(&key.text.as_str());
            !is_edited && !TOP_LEVEL_GROUPS.contains(&key.text.as_str())
        });
        entries.map(without_spans).collect::<Vec<_>>()
    });
    if before == after {
        return Ok(());
    }
    let mut pairs = before.iter().zip(&after);
    let changed = pairs.find(|(before, after)| before != after);
    let field = changed.map_or("document", |((key, _), _)| key.text.as_str());
    Err(EditError::SharedField {
        field: field.to_owned(),
    })
}

fn without_spans((key, node): &(Key, Node)) -> (Key, Node) {
    let span = 0..0;
    let (text, node) = (key.text.clone(), node_without_spans(node));
    (Key { text, span }, node)
}

fn node_without_spans(node: &Node) -> Node {
    let value = match &node.value {
        Yaml::List(items) => Yaml::List(items.iter().map(node_without_spans).collect()),
        Yaml::Map(entries) => Yaml::Map(entries.iter().map(without_spans).collect()),
        scalar => scalar.clone(),
    };
    Node { span: 0..0, value }
}
