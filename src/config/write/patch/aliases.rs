//! Aliases written out: where an anchored value and what its aliases say part ways.
//!
//! Only aliases of a definition are: what another field shares with it is for people to part.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Alias, Node, Resolved, Yaml, marks};
use super::super::edit::{Edit, Patch, apply};
use super::super::law;
use super::super::live::SIDES;
use super::super::tree::Tree;
use super::super::unwritable::Unwritable;
use super::fields;
use super::page::{Page, Slot};
use super::walk::{Coarse, Fineness, Walk};
use serde_json::{Number, Value};
use std::ops::Range;

/// The declaration without aliases in its definition.
pub(super) fn all_written_out(draft: &Declaration) -> Result<Declaration, Unwritable> {
    let page = Page::new(&draft.source.text, &draft.document);
    let all: Vec<_> = of_definition((&page, &draft.document)).collect();
    written_out((&page, &draft.document), &all)
}

/// The aliases of values that `edits` are in, as far as they are not edited themselves.
pub(super) fn touched((page, document): (&Page<'_>, &Node), edits: &[Edit]) -> Vec<Alias> {
    let is_touched = |alias: &Alias| {
        // What is put below the last line of a block is in it.
        let is_block = !page.slice(alias.value.clone()).starts_with(['[', '{']);
        let end = if is_block {
            page.line_end(alias.value.end)
        } else {
            alias.value.end
        };
        let is_in = |edit: &Edit| edit.range.start <= end && edit.range.end >= alias.anchor.start;
        let is_gone = |edit: &Edit| edit.range.start <= alias.span.start && edit.range.end >= alias.span.end;
        edits.iter().any(is_in) && !edits.iter().any(is_gone)
    };
    of_definition((page, document)).filter(is_touched).collect()
}

/// The declaration with values in the place of `aliases`, and without the anchors that nothing is left to mean.
pub(super) fn written_out(
    (page, document): (&Page<'_>, &Node),
    aliases: &[Alias],
) -> Result<Declaration, Unwritable> {
    let mut walk = Walk::new(page, Fineness::Fields);
    for alias in aliases {
        let node = node_at(document, &alias.value).ok_or(Coarse)?;
        walk.replace(slot(page, alias), node, &tree(node).ok_or(Coarse)?)?;
    }
    let mut anchors: Vec<_> = aliases.iter().map(|alias| &alias.anchor).collect();
    anchors.dedup();
    let all = marks(page.text).aliases;
    for anchor in anchors {
        let mut others = all.iter().filter(|alias| alias.anchor == *anchor);
        if others.all(|other| aliases.contains(other)) {
            walk.edit(with_gap(page, anchor), String::new());
        }
    }
    law::read(&apply(page.text, [&Patch::new(walk.edits)])?)
}

fn of_definition((page, document): (&Page<'_>, &Node)) -> impl Iterator<Item = Alias> {
    let is_of_definition = |alias: &Alias| {
        let keys = fields(document).iter().map(|(key, _)| key);
        let field = keys.take_while(|key| key.span.start < alias.span.start).last();
        field.is_some_and(|key| SIDES.contains(&key.text.as_str()))
    };
    marks(page.text).aliases.into_iter().filter(is_of_definition)
}

/// Where an alias stands: behind a dash or colon of its line, or somewhere in brackets.
fn slot(page: &Page<'_>, alias: &Alias) -> Slot {
    let line = page.line_start(alias.span.start);
    let before = page.slice(line..alias.span.start).trim_end();
    let item = before.ends_with('-');
    if alias.flow || !(item || before.ends_with(':')) {
        return Slot {
            flow: true,
            start: alias.span.start,
            column: 0,
            item: false,
        };
    }
    let start = line + before.len();
    let column = if item {
        page.column(start - 1)
    } else {
        before.len() - before.trim_start_matches([' ', '-']).len()
    };
    Slot {
        flow: false,
        start,
        column,
        item,
    }
}

fn node_at<'n>(node: &'n Node, span: &Range<usize>) -> Option<&'n Node> {
    if node.span == *span {
        return Some(node);
    }
    match &node.value {
        Yaml::List(items) => items.iter().find_map(|item| node_at(item, span)),
        Yaml::Map(entries) => entries.iter().find_map(|(_, value)| node_at(value, span)),
        Yaml::Scalar(_) | Yaml::Refused => None,
    }
}

/// A node as it is to be written, its fields in the order that they have.
fn tree(node: &Node) -> Option<Tree> {
    Some(match &node.value {
        Yaml::List(items) => Tree::List(items.iter().map(tree).collect::<Option<_>>()?),
        Yaml::Map(entries) => {
            let fields = entries
                .iter()
                .map(|(key, value)| Some((key.text.clone(), tree(value)?)));
            Tree::Map(fields.collect::<Option<_>>()?)
        }
        Yaml::Scalar(scalar) => Tree::Scalar(match scalar.resolved {
            Resolved::Null => Value::Null,
            Resolved::Bool(value) => Value::Bool(value),
            Resolved::Integer(value) => value.into(),
            Resolved::Float(value) => Value::Number(Number::from_f64(value)?),
            Resolved::Text => Value::String(scalar.text.clone()),
        }),
        Yaml::Refused => return None,
    })
}

/// An anchor with the spaces that part it from the value, or at the end of a line from what is before.
fn with_gap(page: &Page<'_>, anchor: &Range<usize>) -> Range<usize> {
    let rest = page.slice(anchor.end..page.line_end(anchor.end));
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    if !rest.trim().is_empty() {
        return anchor.start..anchor.end + gap;
    }
    let before = page.slice(page.line_start(anchor.start)..anchor.start);
    let gap = before.len() - before.trim_end_matches(' ').len();
    anchor.start - gap..anchor.end
}
