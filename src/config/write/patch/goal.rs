//! What a document says and what it should say, and the proof that a text says that.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Key, Node, Yaml};
use super::super::law;
use super::super::live::{Live, SIDES};
use super::super::tree::Tree;
use super::super::unwritable::Unwritable;
use super::Wanted;
use super::walk::Change;
use crate::definition::{Identities, print};
use crate::model::{Keyword, Lifecycle, SegmentName};
use serde_json::{Map, Value};

/// What the document says, what it should say, and how that is written.
pub(super) struct Goal {
    /// Name, lifecycle and the sides in normal form.
    pub(super) before: Value,
    pub(super) after: Value,
    pub(super) tree: Tree,
    identities: Identities,
    name: SegmentName,
    lifecycle: Lifecycle,
}

impl Goal {
    pub(super) fn new(declaration: &Declaration, wanted: &Wanted<'_>) -> Result<Self, Unwritable> {
        let segment = &declaration.segment;
        let declared = segment.contents.definition().map(print);
        let name = wanted.name.unwrap_or(&segment.name).clone();
        let lifecycle = wanted.lifecycle.unwrap_or(segment.lifecycle);
        let live = wanted
            .definition
            .map(|(payload, names)| Live::new(payload, names, declared.as_ref()));
        let identities = live
            .as_ref()
            .map(|live| live.identities.clone())
            .unwrap_or_default();
        let old = law::form_of(declaration, &identities);
        let new = live
            .as_ref()
            .map_or_else(|| old.clone(), |live| live.form.clone());
        let mut fields = vec![("name".to_owned(), Tree::text(name.as_str()))];
        if lifecycle == Lifecycle::Archived || super::has(&declaration.document, "lifecycle") {
            fields.push(("lifecycle".to_owned(), Tree::text(lifecycle.as_str())));
        }
        if let Some(live) = live.filter(|_| old != new) {
            for side in SIDES {
                fields.extend(live.side(side)?.map(|group| (side.to_owned(), group)));
            }
        }
        Ok(Self {
            before: whole(&segment.name, segment.lifecycle, old),
            after: whole(&name, lifecycle, new),
            tree: Tree::map(fields),
            identities,
            name,
            lifecycle,
        })
    }

    pub(super) fn change(&self) -> Change<'_> {
        Change {
            old: &self.before,
            new: &self.after,
            tree: &self.tree,
        }
    }

    /// Whether `text` says what it should, and nothing else has changed in what was `before`.
    pub(super) fn proven(&self, before: &Declaration, text: &str) -> Result<(), Unwritable> {
        let read = law::read(text)?;
        let differs = |path: &str| Unwritable::Differs {
            path: path.to_owned(),
        };
        if read.segment.name != self.name {
            return Err(differs("name"));
        }
        if read.segment.lifecycle != self.lifecycle {
            return Err(differs("lifecycle"));
        }
        law::holds(&read, &sides(&self.after), &self.identities)?;
        match changed_bystander(&before.document, &read.document) {
            Some(field) => Err(Unwritable::Shared {
                field: field.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn whole(name: &SegmentName, lifecycle: Lifecycle, form: Value) -> Value {
    let mut fields = match form {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.insert("name".to_owned(), name.as_str().into());
    fields.insert("lifecycle".to_owned(), lifecycle.as_str().into());
    Value::Object(fields)
}

fn sides(whole: &Value) -> Value {
    let sides = SIDES
        .iter()
        .filter_map(|side| Some(((*side).to_owned(), whole.get(side)?.clone())));
    Value::Object(sides.collect())
}

/// A field that no patch is about and that changed with one, behind an alias, say.
pub(super) fn changed_bystander<'n>(before: &'n Node, after: &'n Node) -> Option<&'n str> {
    let is_bystander = |key: &Key| {
        let key = key.text.as_str();
        !SIDES.contains(&key) && key != "name" && key != "lifecycle"
    };
    let of = |node: &'n Node| {
        super::fields(node)
            .iter()
            .filter(move |(key, _)| is_bystander(key))
    };
    let changed = of(before)
        .zip(of(after))
        .find(|((left, before), (right, after))| left.text != right.text || !same(before, after));
    match changed {
        Some(((key, _), _)) => Some(&key.text),
        None if of(before).count() != of(after).count() => Some("document"),
        None => None,
    }
}

/// Whether two nodes hold the same, wherever they stand.
fn same(left: &Node, right: &Node) -> bool {
    match (&left.value, &right.value) {
        (Yaml::Scalar(left), Yaml::Scalar(right)) => left == right,
        (Yaml::List(left), Yaml::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Yaml::Map(left), Yaml::Map(right)) => {
            let pairs = left.iter().zip(right);
            left.len() == right.len()
                && pairs
                    .into_iter()
                    .all(|((key, left), (other, right))| key.text == other.text && same(left, right))
        }
        _ => false,
    }
}
