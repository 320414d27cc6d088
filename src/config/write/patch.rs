//! A change of the workspace taken into a file that people keep: as few bytes as possible, comments untouched.
//!
//! The document is walked beside the normal forms of what it says and of what it should say. Fields and filters that
//! are the same in normal form are left alone, however they are spelled. Every attempt is proven by reading the new
//! text; one that fails is followed by a coarser one, down to whole sides of the definition.

mod align;
mod page;
mod put;
mod walk;
mod window;

use self::page::Page;
use self::walk::{Change, Fineness, Walk};
use super::super::declaration::Declaration;
use super::super::yaml::{Key, Node, Yaml};
use super::edit::{Edit, Patch, apply};
use super::law;
use super::live::{Live, Names, SIDES};
use super::tree::Tree;
use super::unwritable::Unwritable;
use crate::definition::{Identities, normal, print};
use crate::model::{Keyword, Lifecycle, Payload, SegmentName};
use serde_json::{Map, Value};

/// What a declaration should say from now on; what is `None` stays.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The name.
    pub name: Option<&'a SegmentName>,
    /// Whether it is in use.
    pub lifecycle: Option<Lifecycle>,
    /// The definition as the service answered it, and the names of the segments that it refers to.
    pub definition: Option<(&'a Payload, Names<'a>)>,
}

/// The edits that make `declaration` say what is `wanted`, proven to be read back so.
///
/// # Errors
///
/// When a part of the definition cannot be written, see [`Unwritable`], or stands in the file in a way that no edit
/// of this declaration alone can change, such as behind an alias that other fields share.
pub fn patch(declaration: &Declaration, wanted: &Wanted<'_>) -> Result<Patch, Unwritable> {
    let goal = Goal::new(declaration, wanted)?;
    if goal.before == goal.after {
        return Ok(Patch::default());
    }
    let page = Page::new(&declaration.source.text, &declaration.document);
    let change = Change {
        old: &goal.before,
        new: &goal.after,
        tree: &goal.tree,
    };
    let mut failure = None;
    for fineness in Fineness::ALL {
        let edits = match Walk::new(&page, fineness).document(&declaration.document, change) {
            Ok(edits) => Patch::new(edits),
            Err(coarse) => {
                failure = Some(coarse.into());
                continue;
            }
        };
        match goal.proven(declaration, &page, &edits) {
            Ok(()) => return Ok(edits),
            Err(fault) => failure = Some(fault),
        }
    }
    Err(failure.unwrap_or_else(|| Unwritable::Differs {
        path: "document".to_owned(),
    }))
}

/// What the document says, what it should say, and how that is written.
struct Goal {
    /// Name, lifecycle and the sides in normal form.
    before: Value,
    after: Value,
    tree: Tree,
    identities: Identities,
    name: SegmentName,
    lifecycle: Lifecycle,
}

impl Goal {
    fn new(declaration: &Declaration, wanted: &Wanted<'_>) -> Result<Self, Unwritable> {
        let segment = &declaration.segment;
        let declared = print(&segment.definition);
        let name = wanted.name.unwrap_or(&segment.name).clone();
        let lifecycle = wanted.lifecycle.unwrap_or(segment.lifecycle);
        let live = wanted
            .definition
            .map(|(payload, names)| Live::new(payload, names, Some(&declared)));
        let identities = live
            .as_ref()
            .map(|live| live.identities.clone())
            .unwrap_or_default();
        let old = normal::exact(&declared, &identities);
        let new = live
            .as_ref()
            .map_or_else(|| old.clone(), |live| live.form.clone());
        let mut fields = vec![("name".to_owned(), Tree::text(name.as_str()))];
        if lifecycle == Lifecycle::Archived || has(&declaration.document, "lifecycle") {
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

    /// Whether the edited document says what it should, and nothing else has changed in it.
    fn proven(&self, declaration: &Declaration, page: &Page<'_>, patch: &Patch) -> Result<(), Unwritable> {
        let bounds = page.document_bounds(&declaration.document);
        let moved = patch.edits.iter().map(|edit| Edit {
            range: edit.range.start.saturating_sub(bounds.start)..edit.range.end.saturating_sub(bounds.start),
            text: edit.text.clone(),
        });
        let moved = Patch {
            edits: moved.collect(),
        };
        let before = page.text.get(bounds).unwrap_or_default();
        let read = law::read(&apply(before, [&moved])?)?;
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
        match changed_bystander(&declaration.document, &read.document) {
            Some(field) => Err(differs(field)),
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

fn fields(node: &Node) -> &[(Key, Node)] {
    match &node.value {
        Yaml::Map(entries) => entries,
        _ => &[],
    }
}

fn has(document: &Node, field: &str) -> bool {
    fields(document).iter().any(|(key, _)| key.text == field)
}

/// A field that no patch is about and that changed with one, behind an alias, say.
fn changed_bystander<'n>(before: &'n Node, after: &'n Node) -> Option<&'n str> {
    let is_bystander = |key: &Key| {
        let key = key.text.as_str();
        !SIDES.contains(&key) && key != "name" && key != "lifecycle"
    };
    let of = |node: &'n Node| fields(node).iter().filter(move |(key, _)| is_bystander(key));
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

#[cfg(test)]
mod tests;
