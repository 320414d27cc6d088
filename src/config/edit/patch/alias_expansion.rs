//! Replaces aliases by their values, where an anchored value and its alias become different.
//!
//! Only aliases in the definition: other fields may share a value with it on purpose.

use super::super::super::declaration::Declaration;
use super::super::super::yaml::{Alias, Key, Node, ScalarValue, Yaml, comments_and_aliases};
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

pub(super) fn expand_all(draft: &Declaration) -> Result<Declaration, EditError> {
    let source = SourceText::new(&draft.source.text, &draft.document);
    let all: Vec<_> = aliases_in_definition((&source, &draft.document)).collect();
    expand((&source, &draft.document), &all)
}

/// The aliases whose value the edits change, except those that the edits replace.
pub(super) fn affected_aliases(
    (source, document): (&SourceText<'_>, &Node),
    edits: &[TextEdit],
) -> Vec<Alias> {
    let is_affected = |alias: &Alias| {
        // A line inserted below the last line of a block is in the block.
        let is_block = !source.slice(alias.value.clone()).starts_with(['[', '{']);
        let end = if is_block {
            source.line_end(alias.value.end)
        } else {
            alias.value.end
        };
        let is_in = |edit: &TextEdit| edit.range.start <= end && edit.range.end >= alias.anchor.start;
        let is_replaced =
            |edit: &TextEdit| edit.range.start <= alias.span.start && edit.range.end >= alias.span.end;
        edits.iter().any(is_in) && !edits.iter().any(is_replaced)
    };
    let aliases = aliases_in_definition((source, document));
    aliases.filter(is_affected).collect()
}

/// Also removes the anchors that no alias needs anymore.
pub(super) fn expand(
    (source, document): (&SourceText<'_>, &Node),
    aliases: &[Alias],
) -> Result<Declaration, EditError> {
    let mut editor = DocumentEditor::new(source, Granularity::Fields);
    for alias in aliases {
        let node = node_at(document, &alias.value).ok_or(TooFineGrained)?;
        let value = ordered_value_of(node).ok_or(TooFineGrained)?;
        editor.replace(alias_position(source, alias), node, &value)?;
    }
    let mut anchors: Vec<_> = aliases.iter().map(|alias| &alias.anchor).collect();
    anchors.dedup();
    let all = comments_and_aliases(source.text).aliases;
    for anchor in anchors {
        let mut others = all.iter().filter(|alias| alias.anchor == *anchor);
        if others.all(|other| aliases.contains(other)) {
            editor.push_edit(anchor_with_spaces(source, anchor), String::new());
        }
    }
    round_trip::read_declaration(&apply_patches(source.text, [&Patch::new(editor.edits)])?)
}

fn aliases_in_definition((source, document): (&SourceText<'_>, &Node)) -> impl Iterator<Item = Alias> {
    let is_of_definition = |alias: &Alias| {
        let keys = map_entries(document).iter().map(|(key, _)| key);
        let field = keys.take_while(|key| key.span.start < alias.span.start).last();
        field.is_some_and(|key| TOP_LEVEL_GROUPS.contains(&key.text.as_str()))
    };
    let aliases = comments_and_aliases(source.text).aliases;
    aliases.into_iter().filter(is_of_definition)
}

/// After a dash or colon of its line, or inside brackets.
fn alias_position(source: &SourceText<'_>, alias: &Alias) -> ValuePosition {
    let line = source.line_start(alias.span.start);
    let before = source.slice(line..alias.span.start).trim_end();
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
        source.column(start - 1)
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

fn ordered_value_of(node: &Node) -> Option<OrderedValue> {
    Some(match &node.value {
        Yaml::List(items) => OrderedValue::List(items.iter().map(ordered_value_of).collect::<Option<_>>()?),
        Yaml::Map(entries) => {
            let field = |(key, value): &(Key, Node)| Some((key.text.clone(), ordered_value_of(value)?));
            OrderedValue::Map(entries.iter().map(field).collect::<Option<_>>()?)
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

/// An anchor with the spaces that separate it from its value, or, at the end of a line, from the text before it.
fn anchor_with_spaces(source: &SourceText<'_>, anchor: &Range<usize>) -> Range<usize> {
    let rest = source.slice(anchor.end..source.line_end(anchor.end));
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    if !rest.trim().is_empty() {
        return anchor.start..anchor.end + gap;
    }
    let before = source.slice(source.line_start(anchor.start)..anchor.start);
    let gap = before.len() - before.trim_end_matches(' ').len();
    anchor.start - gap..anchor.end
}
