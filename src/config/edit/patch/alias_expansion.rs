//! Aliases written out: where an anchored value and what its aliases say part ways.
//!
//! Only aliases of a definition are: what another field shares with it is for people to part.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Alias, Node, ScalarValue, Yaml, comments_and_aliases};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::round_trip;
use super::super::text_edit::{Patch, TextEdit, apply_patches};
use super::document_editor::{DocumentEditor, Granularity, TooFineGrained};
use super::map_entries;
use super::source_text::{SourceText, ValuePosition};
use serde_json::{Number, Value};
use std::ops::Range;

/// The declaration without aliases in its definition.
pub(super) fn expand_all(draft: &Declaration) -> Result<Declaration, EditError> {
    let page = SourceText::new(&draft.source.text, &draft.document);
    let all: Vec<_> = aliases_in_definition((&page, &draft.document)).collect();
    expand((&page, &draft.document), &all)
}

/// The aliases of values that `edits` are in, as far as they are not edited themselves.
pub(super) fn affected_aliases((page, document): (&SourceText<'_>, &Node), edits: &[TextEdit]) -> Vec<Alias> {
    let is_touched = |alias: &Alias| {
        // What is put below the last line of a block is in it.
        let is_block = !page.slice(alias.value.clone()).starts_with(['[', '{']);
        let end = if is_block {
            page.line_end(alias.value.end)
        } else {
            alias.value.end
        };
        let is_in = |edit: &TextEdit| edit.range.start <= end && edit.range.end >= alias.anchor.start;
        let is_gone =
            |edit: &TextEdit| edit.range.start <= alias.span.start && edit.range.end >= alias.span.end;
        edits.iter().any(is_in) && !edits.iter().any(is_gone)
    };
    aliases_in_definition((page, document))
        .filter(is_touched)
        .collect()
}

/// The declaration with values in the place of `aliases`, and without the anchors that nothing is left to mean.
pub(super) fn expand(
    (page, document): (&SourceText<'_>, &Node),
    aliases: &[Alias],
) -> Result<Declaration, EditError> {
    let mut walk = DocumentEditor::new(page, Granularity::Fields);
    for alias in aliases {
        let node = node_at(document, &alias.value).ok_or(TooFineGrained)?;
        walk.replace(
            alias_position(page, alias),
            node,
            &ordered_value_of(node).ok_or(TooFineGrained)?,
        )?;
    }
    let mut anchors: Vec<_> = aliases.iter().map(|alias| &alias.anchor).collect();
    anchors.dedup();
    let all = comments_and_aliases(page.text).aliases;
    for anchor in anchors {
        let mut others = all.iter().filter(|alias| alias.anchor == *anchor);
        if others.all(|other| aliases.contains(other)) {
            walk.push_edit(anchor_with_spaces(page, anchor), String::new());
        }
    }
    round_trip::read_declaration(&apply_patches(page.text, [&Patch::new(walk.edits)])?)
}

fn aliases_in_definition((page, document): (&SourceText<'_>, &Node)) -> impl Iterator<Item = Alias> {
    let is_of_definition = |alias: &Alias| {
        let keys = map_entries(document).iter().map(|(key, _)| key);
        let field = keys.take_while(|key| key.span.start < alias.span.start).last();
        field.is_some_and(|key| TOP_LEVEL_GROUPS.contains(&key.text.as_str()))
    };
    comments_and_aliases(page.text)
        .aliases
        .into_iter()
        .filter(is_of_definition)
}

/// Where an alias stands: behind a dash or colon of its line, or somewhere in brackets.
fn alias_position(page: &SourceText<'_>, alias: &Alias) -> ValuePosition {
    let line = page.line_start(alias.span.start);
    let before = page.slice(line..alias.span.start).trim_end();
    let item = before.ends_with('-');
    if alias.flow || !(item || before.ends_with(':')) {
        return ValuePosition {
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
    ValuePosition {
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
        Yaml::Scalar(_) | Yaml::Invalid => None,
    }
}

/// A node as it is to be written, its fields in the order that they have.
fn ordered_value_of(node: &Node) -> Option<OrderedValue> {
    Some(match &node.value {
        Yaml::List(items) => OrderedValue::List(items.iter().map(ordered_value_of).collect::<Option<_>>()?),
        Yaml::Map(entries) => {
            let fields = entries
                .iter()
                .map(|(key, value)| Some((key.text.clone(), ordered_value_of(value)?)));
            OrderedValue::Map(fields.collect::<Option<_>>()?)
        }
        Yaml::Scalar(scalar) => OrderedValue::Scalar(match scalar.resolved {
            ScalarValue::Null => Value::Null,
            ScalarValue::Bool(value) => Value::Bool(value),
            ScalarValue::Integer(value) => value.into(),
            ScalarValue::Float(value) => Value::Number(Number::from_f64(value)?),
            ScalarValue::Text => Value::String(scalar.text.clone()),
        }),
        Yaml::Invalid => return None,
    })
}

/// An anchor with the spaces that part it from the value, or at the end of a line from what is before.
fn anchor_with_spaces(page: &SourceText<'_>, anchor: &Range<usize>) -> Range<usize> {
    let rest = page.slice(anchor.end..page.line_end(anchor.end));
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    if !rest.trim().is_empty() {
        return anchor.start..anchor.end + gap;
    }
    let before = page.slice(page.line_start(anchor.start)..anchor.start);
    let gap = before.len() - before.trim_end_matches(' ').len();
    anchor.start - gap..anchor.end
}
