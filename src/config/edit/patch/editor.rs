//! Walks a document together with its current and its new canonical form.

use super::super::super::yaml::{self, Key, Marks, Node, Yaml};
use super::super::edit_error::EditError;
use super::super::ordered_value::OrderedValue;
use super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::text_edit::TextEdit;
use super::matching::{FilterCounts, item_type, match_items};
use super::source_text::SourceText;
use super::{has_field, map_entries};
use serde_json::{Map, Value};
use std::ops::Range;

/// The text has a layout that the editor does not know.
#[derive(Debug)]
pub(super) struct UnknownLayout;

impl From<EditError> for UnknownLayout {
    fn from(_: EditError) -> Self {
        Self
    }
}

pub(super) type Edits = Result<Vec<TextEdit>, UnknownLayout>;

/// An entry or an item of the new text.
pub(super) enum Piece {
    /// The index of the old one, and edits of its text.
    Old(usize, Vec<TextEdit>),
    New(String),
}

/// One node: its current and its new canonical form, and the new value as it is written.
#[derive(Clone, Copy)]
pub(super) struct NodeChange<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    pub(super) output: &'a OrderedValue,
}

impl NodeChange<'_> {
    fn is_reference(self) -> bool {
        self.output.get("filter_type") == Some(&OrderedValue::text("custom_segments"))
    }

    fn filter_count(self) -> usize {
        let filters = self.new.get("filters").and_then(Value::as_array);
        filters.map_or(0, Vec::len)
    }
}

/// Where the value of an entry or item is.
#[derive(Clone, Copy)]
pub(super) struct ValuePosition {
    /// Inside braces or brackets.
    pub(super) flow: bool,
    /// After the colon or dash.
    pub(super) start: usize,
    /// Of the mapping or list.
    pub(super) column: usize,
    pub(super) item: bool,
}

pub(super) struct Editor<'s> {
    pub(super) source: &'s SourceText<'s>,
    /// Of the whole document.
    change: NodeChange<'s>,
    counts: FilterCounts,
    whole_groups: bool,
    marks: Marks,
    /// What the edits lose.
    pub(super) lost: Vec<Range<usize>>,
}

impl<'s> Editor<'s> {
    pub(super) fn new(source: &'s SourceText<'s>, change: NodeChange<'s>, whole_groups: bool) -> Self {
        Self {
            source,
            change,
            counts: FilterCounts::new(change.old, change.new),
            whole_groups,
            marks: yaml::marks(source.text),
            lost: Vec::new(),
        }
    }

    pub(super) fn edit_document(&mut self, document: &Node) -> Edits {
        self.edit_map(self.source.is_flow(document), map_entries(document), self.change)
    }

    fn edit_value(&mut self, position: ValuePosition, node: &Node, change: NodeChange<'_>) -> Edits {
        let flow = position.flow || self.source.is_flow(node);
        match (&node.value, change.old, change.new, change.output) {
            (Yaml::Map(entries), Value::Object(_), Value::Object(_), OrderedValue::Map(_))
                if !entries.is_empty() =>
            {
                self.edit_map(flow, entries, change)
            }
            (Yaml::List(items), Value::Array(old), Value::Array(new), OrderedValue::List(outputs))
                if !items.is_empty() && items.len() == old.len() && !outputs.is_empty() =>
            {
                self.edit_list(flow, node, items, old, new, outputs)
            }
            (Yaml::List(_), old, Value::Array(new), _) if new.is_empty() && !self.counts.persists(old) => {
                // The comments of the items disappear with them.
                let lost = self.lost.len();
                let edits = self.replace(position, node, change.output);
                self.lost.truncate(lost);
                edits
            }
            _ => self.replace(position, node, change.output),
        }
    }

    fn edit_map(&mut self, flow: bool, entries: &[(Key, Node)], change: NodeChange<'_>) -> Edits {
        let (first, _) = entries.first().ok_or(UnknownLayout)?;
        let column = self.source.column(first.span.start);
        let mut pieces = Vec::new();
        let mut names = Vec::new();
        for (index, (key, node)) in entries.iter().enumerate() {
            let position = ValuePosition {
                flow,
                start: self.source.after_colon(key).ok_or(UnknownLayout)?,
                column,
                item: false,
            };
            match self.edit_field(position, &key.text, node, change)? {
                Some(edits) => {
                    pieces.push(Piece::Old(index, edits));
                    names.push(key.text.as_str());
                }
                None => self.remove(flow, &entry_span(key, node), change.old.get(&key.text)),
            }
        }
        let fields = change.output.fields();
        for (rank, (name, output)) in fields.iter().enumerate() {
            // segctl never adds what the canonical form omits, such as a category.
            let is_declared = change.new.get(name).is_some() || change.is_reference();
            if is_declared && entries.iter().all(|(key, _)| key.text != *name) {
                let mut before = fields.iter().take(rank).rev();
                let before = before.find_map(|(name, _)| names.iter().position(|other| other == name));
                let at = before.map_or(names.len(), |before| before + 1);
                let text = self.entry_text(flow, first.span.start, name, output)?;
                pieces.insert(at, Piece::New(text));
                names.insert(at, name);
            }
        }
        let spans: Vec<_> = entries.iter().map(|(key, node)| entry_span(key, node)).collect();
        self.assemble(flow, &spans, pieces)
    }

    /// `None` for a field to remove.
    fn edit_field(
        &mut self,
        position: ValuePosition,
        name: &str,
        node: &Node,
        change: NodeChange<'_>,
    ) -> Result<Option<Vec<TextEdit>>, UnknownLayout> {
        let (old, new) = (change.old.get(name), change.new.get(name));
        let output = change.output.get(name);
        let is_whole_group = self.whole_groups && TOP_LEVEL_GROUPS.contains(&name);
        let is_changed = if name == "filter_operator" {
            // With fewer than two filters, the operator has no meaning.
            change.filter_count() > 1 && output.is_some_and(|output| !has_text(node, output))
        } else if change.is_reference() || change.old == change.new {
            // In canonical form, references and time ranges have other fields than in files.
            output.map_or(change.is_reference(), |output| !has_text(node, output))
        } else {
            old != new || is_whole_group && output.is_some() && !self.marks.aliases.is_empty()
        };
        // An edit of the anchored value changes the alias, too. The verification shows whether that is right.
        let is_alias = node.span.start < position.start && !is_whole_group && output.is_some();
        if !is_changed || is_alias {
            return Ok(Some(Vec::new()));
        }
        match (output, new) {
            (Some(output), _) if is_whole_group => self.replace(position, node, output),
            (Some(output), _) if name == "primary_time_range" => self.edit_time_range(position, node, output),
            (Some(output), _) => {
                let [old, new] = [old, new].map(|form| form.unwrap_or(&Value::Null));
                self.edit_value(position, node, NodeChange { old, new, output })
            }
            // An explicit flag stays explicit.
            (None, Some(flag @ Value::Bool(_))) => {
                self.replace(position, node, &OrderedValue::Scalar(flag.clone()))
            }
            (None, _) => return Ok(None),
        }
        .map(Some)
    }

    /// Time ranges have several forms: a file that counts in `days` keeps doing so.
    fn edit_time_range(&mut self, position: ValuePosition, node: &Node, output: &OrderedValue) -> Edits {
        let in_days = in_days(output).filter(|_| has_field(node, "days"));
        let output = in_days.as_ref().unwrap_or(output);
        let is_type = |(key, node): &(Key, Node)| {
            key.text == "type" && output.get("type").is_some_and(|kind| has_text(node, kind))
        };
        let has_all_fields = output.fields().iter().all(|(key, _)| has_field(node, key));
        if !has_all_fields || !map_entries(node).iter().any(is_type) {
            return self.replace(position, node, output);
        }
        let form = &Value::Object(Map::new());
        let (old, new) = (form, form);
        self.edit_value(position, node, NodeChange { old, new, output })
    }

    fn edit_list(
        &mut self,
        flow: bool,
        list: &Node,
        items: &[Node],
        old: &[Value],
        new: &[Value],
        outputs: &[OrderedValue],
    ) -> Edits {
        let mut end = list.span.start;
        let mut spans = Vec::with_capacity(items.len());
        for item in items {
            // The span of an alias is that of its anchor, above.
            let dash = if flow {
                Some(item.span.start)
            } else {
                self.source.item_dash(item)
            };
            let start = dash.filter(|_| item.span.start >= end).ok_or(UnknownLayout)?;
            end = item.span.end;
            spans.push(start..end);
        }
        let matches = match_items(old, new, &self.counts);
        let mut pieces = Vec::with_capacity(new.len());
        for ((new, output), from) in new.iter().zip(outputs).zip(&matches) {
            let from =
                from.and_then(|index| Some((index, items.get(index)?, spans.get(index)?, old.get(index)?)));
            let Some((index, item, span, old)) = from else {
                let first = spans.first().ok_or(UnknownLayout)?.start;
                pieces.push(Piece::New(self.item_text(flow, first, output)?));
                continue;
            };
            let position = ValuePosition {
                flow,
                start: if flow { span.start } else { span.start + 1 },
                column: self.source.column(span.start),
                item: true,
            };
            let is_raw = has_field(item, "raw") || output.get("raw").is_some();
            let edits = if old == new {
                Vec::new()
            } else if is_raw || item_type(old) != item_type(new) {
                self.replace(position, item, output)?
            } else {
                self.edit_value(position, item, NodeChange { old, new, output })?
            };
            pieces.push(Piece::Old(index, edits));
        }
        for (index, span) in spans.iter().enumerate() {
            if !matches.contains(&Some(index)) {
                self.remove(flow, span, old.get(index));
            }
        }
        self.assemble(flow, &spans, pieces)
    }

    /// The comments of a removed piece disappear with it, unless its filters are elsewhere in the new definition.
    fn remove(&mut self, flow: bool, span: &Range<usize>, old: Option<&Value>) {
        if old.is_some_and(|old| self.counts.persists(old)) {
            let piece = self.piece_span(flow, span);
            self.lose_comments(&piece);
        }
    }

    pub(super) fn lose_comments(&mut self, range: &Range<usize>) {
        let comments = self.marks.comments.iter();
        let lost = comments.filter(|comment| range.contains(&comment.start));
        self.lost.extend(lost.cloned());
    }

    pub(super) fn lose_all(&mut self, range: &Range<usize>) {
        let marks = self.marks.aliases.iter().chain(&self.marks.anchors);
        let lost = marks.filter(|mark| range.contains(&mark.start));
        self.lost.extend(lost.cloned());
        self.lose_comments(range);
    }

    /// The bytes of a value. For an alias, those of the alias.
    pub(super) fn value_span(&self, position: ValuePosition, node: &Node) -> Option<Range<usize>> {
        if node.span.start < position.start {
            let mut aliases = self.marks.aliases.iter();
            return aliases.find(|alias| alias.start >= position.start).cloned();
        }
        let start = match &node.value {
            Yaml::List(items) if !self.source.is_flow(node) => self.source.item_dash(items.first()?)?,
            _ => node.span.start,
        };
        Some(start..node.span.end)
    }
}

/// From the key to the end of the value, unless the value is an alias.
fn entry_span(key: &Key, value: &Node) -> Range<usize> {
    key.span.start..key.span.end.max(value.span.end)
}

fn has_text(node: &Node, value: &OrderedValue) -> bool {
    let (Yaml::Scalar(scalar), OrderedValue::Scalar(value)) = (&node.value, value) else {
        return false;
    };
    let text = value.to_string();
    value.as_str().unwrap_or(&text) == scalar.text
}

fn in_days(range: &OrderedValue) -> Option<OrderedValue> {
    if range.get("period_unit") != Some(&OrderedValue::text("days")) {
        return None;
    }
    let fields = range.fields().iter().filter(|(key, _)| key != "period_unit");
    let renamed = |key: &str| match key {
        "value" => "days".to_owned(),
        "value1" => "days1".to_owned(),
        other => other.to_owned(),
    };
    Some(OrderedValue::map(
        fields.map(|(key, value)| (renamed(key), value.clone())),
    ))
}
