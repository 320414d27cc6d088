//! The comments of a text and what each of them is about.

use super::super::super::super::yaml::{Key, Node, Yaml, comments_and_aliases};
use super::super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::map_entries;
use super::super::source_text::SourceText;
use serde_json::Value;
use std::ops::Range;

/// The comments of a text, and the sides, groups and filters that they are about.
pub(super) struct CommentMap<'a> {
    /// Each before those inside of it.
    pub(super) owners: Vec<CommentOwner<'a>>,
    pub(super) comments: Vec<Comment<'a>>,
}

/// A side, a group or a filter; filters on the attributes of an event are some, too.
pub(super) struct CommentOwner<'a> {
    /// From its dash or key on.
    pub(super) span: Range<usize>,
    pub(super) node: &'a Node,
    /// In normal form.
    pub(super) value: &'a Value,
    /// The item that it is in; none of a side.
    pub(super) parent: Option<usize>,
    /// The side that it is or is in.
    pub(super) top_level_key: &'a str,
}

/// A comment.
pub(super) struct Comment<'a> {
    pub(super) span: Range<usize>,
    pub(super) text: &'a str,
    /// The item that it is about; none where it is about something else than filters.
    pub(super) owner: Option<usize>,
    /// The field of its owner that it is about, if it is about one.
    pub(super) field: Option<&'a str>,
    pub(super) position: CommentPosition,
    /// Spaces before it, on a line with something else.
    pub(super) spaces_before: usize,
}

/// Where a comment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommentPosition {
    /// Behind something else.
    EndOfLine,
    /// On a line of its own.
    OwnLine,
}

impl<'a> CommentOwner<'a> {
    /// The bytes of a field, from its key on.
    pub(super) fn field_span(&self, name: &str) -> Option<Range<usize>> {
        let (key, value) = map_entries(self.node).iter().find(|(key, _)| key.text == name)?;
        Some(entry_span(key, value))
    }

    /// Whether it is a group: only these hold filters that can stand in other groups just as well.
    pub(super) fn is_group(&self) -> bool {
        self.value.get("filters").is_some()
    }
}

impl<'a> CommentMap<'a> {
    /// Those of a document that says `form`.
    pub(super) fn from_document(page: &SourceText<'a>, document: &'a Node, form: &'a Value) -> Self {
        let mut notes = Self {
            owners: Vec::new(),
            comments: Vec::new(),
        };
        notes.collect_top_level_groups(page, document, form);
        let comments = comments_and_aliases(page.text).comments;
        notes.comments = comments
            .into_iter()
            .map(|span| notes.comment(page, span))
            .collect();
        notes
    }

    fn collect_top_level_groups(&mut self, page: &SourceText<'_>, document: &'a Node, form: &'a Value) {
        for (key, node) in map_entries(document) {
            let value = form.get(&key.text);
            if let (true, Some(value)) = (TOP_LEVEL_GROUPS.contains(&key.text.as_str()), value) {
                self.add_owner(
                    page,
                    node,
                    CommentOwner {
                        span: entry_span(key, node),
                        node,
                        value,
                        parent: None,
                        top_level_key: &key.text,
                    },
                );
            }
        }
    }

    fn add_owner(&mut self, page: &SourceText<'_>, node: &'a Node, item: CommentOwner<'a>) {
        let (value, side, index) = (item.value, item.top_level_key, self.owners.len());
        let is_alias = item.parent.is_none() && node.span.start < item.span.start;
        self.owners.push(item);
        if !is_alias {
            self.collect_filters(page, (node, value), (index, side));
        }
    }

    /// Takes down the filters inside of an item; what an alias brought in stands elsewhere.
    fn collect_filters(
        &mut self,
        page: &SourceText<'_>,
        (node, value): (&'a Node, &'a Value),
        of: (usize, &'a str),
    ) {
        for (key, child) in map_entries(node) {
            let Some(value) = value.get(&key.text) else {
                continue;
            };
            if child.span.start < key.span.end {
                continue;
            }
            match (&child.value, value) {
                (Yaml::List(items), Value::Array(values)) if key.text == "filters" => {
                    if items.len() == values.len() {
                        self.collect_filter_list(page, (child, items, values), of);
                    }
                }
                _ => self.collect_filters(page, (child, value), of),
            }
        }
    }

    fn collect_filter_list(
        &mut self,
        page: &SourceText<'_>,
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
            let dash = if flow { None } else { page.item_dash(node) };
            self.add_owner(
                page,
                node,
                CommentOwner {
                    span: dash.unwrap_or(node.span.start)..node.span.end,
                    node,
                    value,
                    parent: Some(parent),
                    top_level_key: side,
                },
            );
        }
    }

    fn comment(&self, page: &SourceText<'a>, span: Range<usize>) -> Comment<'a> {
        let line = page.line_start(span.start);
        let before = page.slice(line..span.start);
        let content = before.trim_end();
        let place = if content.is_empty() {
            CommentPosition::OwnLine
        } else {
            CommentPosition::EndOfLine
        };
        let owner = self.owner_index(page, &span, place);
        Comment {
            text: page.slice(span.clone()).trim_end(),
            owner,
            field: owner.and_then(|owner| field_at(page, self.owners.get(owner)?, span.start)),
            position: place,
            spaces_before: before.len() - content.len(),
            span,
        }
    }

    /// The item that a comment is above of, or the innermost that it is in.
    fn owner_index(
        &self,
        page: &SourceText<'_>,
        span: &Range<usize>,
        place: CommentPosition,
    ) -> Option<usize> {
        let own_lines = |item: &CommentOwner<'_>| page.begins_line(item.span.start);
        let is_above = |item: &CommentOwner<'_>| {
            let lead = page.leading_comments_start(item.span.start)..page.line_start(item.span.start);
            own_lines(item) && lead.contains(&span.start)
        };
        let is_in = |item: &CommentOwner<'_>| {
            let lines = page.line_start(item.span.start)..page.line_end(item.span.end);
            own_lines(item) && lines.contains(&span.start)
        };
        let above = self.owners.iter().position(is_above);
        above
            .filter(|_| place == CommentPosition::OwnLine)
            .or_else(|| self.owners.iter().rposition(is_in))
    }
}

/// The field of an item that a comment at `at` is beside, in or above of.
fn field_at<'a>(page: &SourceText<'_>, item: &CommentOwner<'a>, at: usize) -> Option<&'a str> {
    let head = page.line_start(item.span.start)..page.line_end(item.span.start);
    if at < head.end {
        return None;
    }
    let is_about = |entry: Range<usize>| {
        page.begins_line(entry.start)
            && (page.leading_comments_start(entry.start)..page.line_end(entry.end)).contains(&at)
    };
    let mut fields = map_entries(item.node).iter();
    let (key, _) = fields.find(|(key, value)| is_about(entry_span(key, value)))?;
    Some(&key.text)
}

/// The bytes of a field; a value that an alias brought in has those of its anchor.
fn entry_span(key: &Key, value: &Node) -> Range<usize> {
    key.span.start..key.span.end.max(value.span.end)
}
