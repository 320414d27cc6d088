//! The comments of a text, and the filters and groups that own them.

use super::super::super::super::yaml::{Key, Node, Yaml, comments_and_aliases};
use super::super::super::remote_definition::TOP_LEVEL_GROUPS;
use super::super::map_entries;
use super::super::source_text::SourceText;
use serde_json::Value;
use std::ops::Range;

pub(super) struct CommentMap<'a> {
    /// Each owner comes before those inside it.
    pub(super) owners: Vec<CommentOwner<'a>>,
    pub(super) comments: Vec<Comment<'a>>,
}

/// A top-level group, a nested group or a filter, including the filters on the attributes of an event.
pub(super) struct CommentOwner<'a> {
    pub(super) span: Range<usize>,
    pub(super) node: &'a Node,
    pub(super) value: &'a Value,
    /// The owner that contains it; `None` for a top-level group.
    pub(super) parent: Option<usize>,
    pub(super) top_level_key: &'a str,
}

pub(super) struct Comment<'a> {
    pub(super) span: Range<usize>,
    pub(super) text: &'a str,
    /// `None` for a comment outside the definition.
    pub(super) owner: Option<usize>,
    /// The field of the owner, if the comment belongs to one.
    pub(super) field: Option<&'a str>,
    pub(super) position: CommentPosition,
    /// Between other text on the line and the comment.
    pub(super) spaces_before: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommentPosition {
    EndOfLine,
    OwnLine,
}

impl<'a> CommentOwner<'a> {
    pub(super) fn field_span(&self, name: &str) -> Option<Range<usize>> {
        let (key, value) = map_entries(self.node).iter().find(|(key, _)| key.text == name)?;
        Some(entry_span(key, value))
    }

    /// Only filters of groups can move to other groups.
    pub(super) fn is_group(&self) -> bool {
        self.value.get("filters").is_some()
    }
}

impl<'a> CommentMap<'a> {
    pub(super) fn from_document(source: &SourceText<'a>, document: &'a Node, form: &'a Value) -> Self {
        let mut map = Self {
            owners: Vec::new(),
            comments: Vec::new(),
        };
        let entries = map_entries(document).iter();
        for (key, node) in entries.filter(|(key, _)| TOP_LEVEL_GROUPS.contains(&key.text.as_str())) {
            if let Some(value) = form.get(&key.text) {
                let owner = CommentOwner {
                    span: entry_span(key, node),
                    node,
                    value,
                    parent: None,
                    top_level_key: &key.text,
                };
                map.add_owner(source, owner);
            }
        }
        let comments = comments_and_aliases(source.text).comments;
        let comments = comments.into_iter().map(|span| map.comment(source, span));
        map.comments = comments.collect();
        map
    }

    fn add_owner(&mut self, source: &SourceText<'_>, owner: CommentOwner<'a>) {
        let (node, value) = (owner.node, owner.value);
        let (key, index) = (owner.top_level_key, self.owners.len());
        let is_alias = owner.parent.is_none() && node.span.start < owner.span.start;
        self.owners.push(owner);
        if !is_alias {
            self.collect_filters(source, (node, value), (index, key));
        }
    }

    /// Skips aliases: their values are elsewhere.
    fn collect_filters(
        &mut self,
        source: &SourceText<'_>,
        (node, value): (&'a Node, &'a Value),
        parent: (usize, &'a str),
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
                        self.collect_filter_list(source, (child, items, values), parent);
                    }
                }
                _ => self.collect_filters(source, (child, value), parent),
            }
        }
    }

    fn collect_filter_list(
        &mut self,
        source: &SourceText<'_>,
        (list, nodes, values): (&'a Node, &'a [Node], &'a [Value]),
        (parent, key): (usize, &'a str),
    ) {
        let flow = source.is_flow(list);
        let mut end = list.span.start;
        for (node, value) in nodes.iter().zip(values) {
            if node.span.start < end {
                continue;
            }
            end = node.span.end;
            let dash = if flow { None } else { source.item_dash(node) };
            let owner = CommentOwner {
                span: dash.unwrap_or(node.span.start)..node.span.end,
                node,
                value,
                parent: Some(parent),
                top_level_key: key,
            };
            self.add_owner(source, owner);
        }
    }

    fn comment(&self, source: &SourceText<'a>, span: Range<usize>) -> Comment<'a> {
        let line = source.line_start(span.start);
        let before = source.slice(line..span.start);
        let content = before.trim_end();
        let position = if content.is_empty() {
            CommentPosition::OwnLine
        } else {
            CommentPosition::EndOfLine
        };
        let owner = self.owner_index(source, span.start, position);
        Comment {
            text: source.slice(span.clone()).trim_end(),
            owner,
            field: owner.and_then(|owner| field_at(source, self.owners.get(owner)?, span.start)),
            position,
            spaces_before: before.len() - content.len(),
            span,
        }
    }

    /// The owner below the comment, or the innermost owner around it.
    fn owner_index(&self, source: &SourceText<'_>, at: usize, position: CommentPosition) -> Option<usize> {
        let begins_line = |owner: &CommentOwner<'_>| source.begins_line(owner.span.start);
        let is_above = |owner: &CommentOwner<'_>| {
            let lines = source.leading_comments_start(owner.span.start)..source.line_start(owner.span.start);
            begins_line(owner) && lines.contains(&at)
        };
        let is_in = |owner: &CommentOwner<'_>| {
            let lines = source.line_start(owner.span.start)..source.line_end(owner.span.end);
            begins_line(owner) && lines.contains(&at)
        };
        let above = self.owners.iter().position(is_above);
        let above = above.filter(|_| position == CommentPosition::OwnLine);
        above.or_else(|| self.owners.iter().rposition(is_in))
    }
}

/// The field of an owner that a comment at `at` is above, beside or in.
fn field_at<'a>(source: &SourceText<'_>, owner: &CommentOwner<'a>, at: usize) -> Option<&'a str> {
    let head = source.line_start(owner.span.start)..source.line_end(owner.span.start);
    if at < head.end {
        return None;
    }
    let is_about = |entry: Range<usize>| {
        source.begins_line(entry.start)
            && (source.leading_comments_start(entry.start)..source.line_end(entry.end)).contains(&at)
    };
    let mut fields = map_entries(owner.node).iter();
    let (key, _) = fields.find(|(key, value)| is_about(entry_span(key, value)))?;
    Some(&key.text)
}

/// From the key to the end of the value, unless the value is an alias.
fn entry_span(key: &Key, value: &Node) -> Range<usize> {
    key.span.start..key.span.end.max(value.span.end)
}
