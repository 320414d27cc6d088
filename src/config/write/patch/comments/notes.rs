//! The comments of a text and what each of them is about.

use super::super::super::super::yaml::{Key, Node, Yaml, marks};
use super::super::super::live::SIDES;
use super::super::fields;
use super::super::page::Page;
use serde_json::Value;
use std::ops::Range;

/// The comments of a text, and the sides, groups and filters that they are about.
pub(super) struct Notes<'a> {
    /// Each before those inside of it.
    pub(super) items: Vec<Item<'a>>,
    pub(super) notes: Vec<Note<'a>>,
}

/// A side, a group or a filter; filters on the attributes of an event are some, too.
pub(super) struct Item<'a> {
    /// From its dash or key on.
    pub(super) span: Range<usize>,
    pub(super) node: &'a Node,
    /// In normal form.
    pub(super) value: &'a Value,
    /// The item that it is in; none of a side.
    pub(super) parent: Option<usize>,
    /// The side that it is or is in.
    pub(super) side: &'a str,
}

/// A comment.
pub(super) struct Note<'a> {
    pub(super) span: Range<usize>,
    pub(super) text: &'a str,
    /// The item that it is about; none where it is about something else than filters.
    pub(super) owner: Option<usize>,
    /// The field of its owner that it is about, if it is about one.
    pub(super) field: Option<&'a str>,
    pub(super) place: Place,
    /// Spaces before it, on a line with something else.
    pub(super) gap: usize,
}

/// Where a comment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind something else.
    Beside,
    /// On a line of its own.
    Above,
}

impl<'a> Item<'a> {
    /// The bytes of a field, from its key on.
    pub(super) fn field(&self, name: &str) -> Option<Range<usize>> {
        let (key, value) = fields(self.node).iter().find(|(key, _)| key.text == name)?;
        Some(entry(key, value))
    }

    /// Whether it is a group: only these hold filters that can stand in other groups just as well.
    pub(super) fn is_group(&self) -> bool {
        self.value.get("filters").is_some()
    }
}

impl<'a> Notes<'a> {
    /// Those of a document that says `form`.
    pub(super) fn of(page: &Page<'a>, document: &'a Node, form: &'a Value) -> Self {
        let mut notes = Self {
            items: Vec::new(),
            notes: Vec::new(),
        };
        notes.collect_sides(page, document, form);
        let comments = marks(page.text).comments;
        notes.notes = comments.into_iter().map(|span| notes.note(page, span)).collect();
        notes
    }

    fn collect_sides(&mut self, page: &Page<'_>, document: &'a Node, form: &'a Value) {
        for (key, node) in fields(document) {
            let value = form.get(&key.text);
            if let (true, Some(value)) = (SIDES.contains(&key.text.as_str()), value) {
                self.add(
                    page,
                    node,
                    Item {
                        span: entry(key, node),
                        node,
                        value,
                        parent: None,
                        side: &key.text,
                    },
                );
            }
        }
    }

    fn add(&mut self, page: &Page<'_>, node: &'a Node, item: Item<'a>) {
        let (value, side, index) = (item.value, item.side, self.items.len());
        let is_alias = item.parent.is_none() && node.span.start < item.span.start;
        self.items.push(item);
        if !is_alias {
            self.collect(page, (node, value), (index, side));
        }
    }

    /// Takes down the filters inside of an item; what an alias brought in stands elsewhere.
    fn collect(&mut self, page: &Page<'_>, (node, value): (&'a Node, &'a Value), of: (usize, &'a str)) {
        for (key, child) in fields(node) {
            let Some(value) = value.get(&key.text) else {
                continue;
            };
            if child.span.start < key.span.end {
                continue;
            }
            match (&child.value, value) {
                (Yaml::List(items), Value::Array(values)) if key.text == "filters" => {
                    if items.len() == values.len() {
                        self.collect_items(page, (child, items, values), of);
                    }
                }
                _ => self.collect(page, (child, value), of),
            }
        }
    }

    fn collect_items(
        &mut self,
        page: &Page<'_>,
        (list, nodes, values): (&'a Node, &'a [Node], &'a [Value]),
        (parent, side): (usize, &'a str),
    ) {
        let flow = page.is_flow(list);
        let mut end = list.span.start;
        for (node, value) in nodes.iter().zip(values) {
            if node.span.start < end {
                continue;
            }
            end = node.span.end;
            let dash = if flow { None } else { page.dash(node) };
            self.add(
                page,
                node,
                Item {
                    span: dash.unwrap_or(node.span.start)..node.span.end,
                    node,
                    value,
                    parent: Some(parent),
                    side,
                },
            );
        }
    }

    fn note(&self, page: &Page<'a>, span: Range<usize>) -> Note<'a> {
        let line = page.line_start(span.start);
        let before = page.slice(line..span.start);
        let content = before.trim_end();
        let place = if content.is_empty() {
            Place::Above
        } else {
            Place::Beside
        };
        let owner = self.owner(page, &span, place);
        Note {
            text: page.slice(span.clone()).trim_end(),
            owner,
            field: owner.and_then(|owner| field_of(page, self.items.get(owner)?, span.start)),
            place,
            gap: before.len() - content.len(),
            span,
        }
    }

    /// The item that a comment is above of, or the innermost that it is in.
    fn owner(&self, page: &Page<'_>, span: &Range<usize>, place: Place) -> Option<usize> {
        let own_lines = |item: &Item<'_>| page.begins_line(item.span.start);
        let is_above = |item: &Item<'_>| {
            let lead = page.lead(item.span.start)..page.line_start(item.span.start);
            own_lines(item) && lead.contains(&span.start)
        };
        let is_in = |item: &Item<'_>| {
            let lines = page.line_start(item.span.start)..page.line_end(item.span.end);
            own_lines(item) && lines.contains(&span.start)
        };
        let above = self.items.iter().position(is_above);
        above
            .filter(|_| place == Place::Above)
            .or_else(|| self.items.iter().rposition(is_in))
    }
}

/// The field of an item that a comment at `at` is beside, in or above of.
fn field_of<'a>(page: &Page<'_>, item: &Item<'a>, at: usize) -> Option<&'a str> {
    let head = page.line_start(item.span.start)..page.line_end(item.span.start);
    if at < head.end {
        return None;
    }
    let is_about = |entry: Range<usize>| {
        page.begins_line(entry.start) && (page.lead(entry.start)..page.line_end(entry.end)).contains(&at)
    };
    let mut fields = fields(item.node).iter();
    let (key, _) = fields.find(|(key, value)| is_about(entry(key, value)))?;
    Some(&key.text)
}

/// The bytes of a field; a value that an alias brought in has those of its anchor.
fn entry(key: &Key, value: &Node) -> Range<usize> {
    key.span.start..key.span.end.max(value.span.end)
}
