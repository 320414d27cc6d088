//! Anchors and aliases: an alias becomes a copy of the anchored value, within a budget.
//!
//! An anchor is kept as a path and not as a copy, so values that nothing refers to cost nothing.

use std::ops::Range;

use super::tree_builder::{NextPart, OpenCollection, TreeBuilder, nesting_error};
use super::{NESTING_LIMIT, Node, Yaml};
use crate::diagnostic::Diagnostic;

/// Values that aliases may add to those written out.
const ALIAS_NODE_LIMIT: usize = 20_000;
/// Bytes of text that aliases may add.
const ALIAS_TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// Where an anchored value stands: the index of the child to take, from the document's root downwards.
pub(super) enum AnchorTarget {
    Path(Box<[usize]>),
    /// It is, or is part of, something that was refused.
    Invalid,
    /// It is a key, and keys are no nodes of the tree.
    Key,
}

/// What copying a value costs.
#[derive(Clone, Copy, Default)]
pub(super) struct ExpansionCost {
    nodes: usize,
    text: usize,
    depth: usize,
}

impl TreeBuilder<'_> {
    /// Notes where the node that comes next stands; `id` 0 is no anchor.
    pub(super) fn record_anchor(&mut self, id: usize, on_scalar: bool) {
        if id == 0 {
            return;
        }
        self.anchor_count += 1;
        let anchor = match self.open_collections.split_last() {
            Some((inner, outer)) if outer.iter().all(OpenCollection::keeps_child) => {
                match inner.next_part() {
                    Some(NextPart::Key) if on_scalar => AnchorTarget::Key,
                    Some(NextPart::Key | NextPart::IgnoredValue) => AnchorTarget::Invalid,
                    _ => AnchorTarget::Path(self.open_collections.iter().map(OpenCollection::len).collect()),
                }
            }
            Some(_) => AnchorTarget::Invalid,
            None => AnchorTarget::Path(Box::default()),
        };
        self.anchors.insert(id, anchor);
    }

    pub(super) fn report_undefined_alias(&mut self, span: Range<usize>) {
        let name = self.source.slice(&span).trim_start_matches('*').to_owned();
        let place = self.source.location(span.clone());
        let fault = Diagnostic::error(
            "SEG003",
            format!("the alias `*{name}` stands for nothing"),
            place,
            "no anchor of this name stands above in this document",
        );
        let help = format!("put `&{name}` before the value that is meant, or the text in quotes");
        self.report(fault.with_help(help));
        self.attach(Node {
            span,
            value: Yaml::Invalid,
        });
    }

    pub(super) fn expand_alias(&mut self, id: usize, span: Range<usize>) {
        if matches!(
            self.open_collections.last().and_then(OpenCollection::next_part),
            Some(NextPart::Key)
        ) {
            self.report_invalid_key(&span, "an alias is used as a key");
            return self.attach(Node {
                span,
                value: Yaml::Invalid,
            });
        }
        let value = match self.copy_of_anchored(id, &span) {
            Ok(node) => return self.attach_copy(node, span),
            Err(Some(fault)) => {
                self.report(fault);
                Yaml::Invalid
            }
            Err(None) => Yaml::Invalid,
        };
        self.attach(Node { span, value });
    }

    /// A copy of the anchored value, or why there is none (nothing when that is reported already).
    fn copy_of_anchored(&mut self, id: usize, span: &Range<usize>) -> Result<Node, Option<Diagnostic>> {
        let fault = |message: &str, label: &str| {
            let place = self.source.location(span.clone());
            Some(Diagnostic::error("SEG006", message, place, label))
        };
        let path = match self.anchors.get(&id) {
            Some(AnchorTarget::Path(path)) => path,
            Some(AnchorTarget::Invalid) | None => return Err(None),
            Some(AnchorTarget::Key) => {
                return Err(Some(Diagnostic::error(
                    "SEG005",
                    "an alias stands for a key",
                    self.source.location(span.clone()),
                    "write the text out",
                )));
            }
        };
        let Some(target) = self.completed_node(path) else {
            return Err(fault(
                "an alias stands for a value that it is itself a part of",
                "expanding it would never end",
            ));
        };
        let size = expansion_cost(target);
        let total = self.expansion_cost.plus(size);
        if total.nodes > ALIAS_NODE_LIMIT || total.text > ALIAS_TEXT_LIMIT {
            let message = format!("the aliases of this file add more than {ALIAS_NODE_LIMIT} values");
            let fault = fault(&message, "the limit is passed here");
            self.is_stopped = true;
            return Err(fault.map(|fault| fault.with_help("write fewer aliases of aliases")));
        }
        if self.open_collections.len() + size.depth > NESTING_LIMIT {
            return Err(Some(nesting_error(self.source.location(span.clone()))));
        }
        let copy = target.clone();
        self.expansion_cost = total;
        Ok(copy)
    }

    /// The value at `path`, unless it is still open.
    fn completed_node(&self, path: &[usize]) -> Option<&Node> {
        let mut open = self.open_collections.iter();
        let mut found: Option<&Node> = None;
        for &index in path {
            found = match found {
                Some(node) => Some(node.child(index)?),
                None => open.next()?.child(index),
            };
        }
        found
    }

    fn attach_copy(&mut self, node: Node, span: Range<usize>) {
        self.attach(node);
        if let Some(parent) = self.open_collections.last_mut() {
            parent.end = span.end;
        }
    }
}

impl Node {
    fn child(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Yaml::List(items) => items.get(index),
            Yaml::Map(entries) => entries.get(index).map(|(_, node)| node),
            Yaml::Scalar(_) | Yaml::Invalid => None,
        }
    }
}

impl ExpansionCost {
    fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            text: self.text + other.text,
            depth: self.depth.max(other.depth),
        }
    }
}

/// Recursion ends at `NESTING_LIMIT`, which every tree keeps.
fn expansion_cost(node: &Node) -> ExpansionCost {
    let inside = |size: ExpansionCost, child: &Node| size.plus(expansion_cost(child));
    let mut size = match &node.value {
        Yaml::Scalar(scalar) => {
            return ExpansionCost {
                nodes: 1,
                text: scalar.text.len(),
                depth: 0,
            };
        }
        Yaml::List(items) => items.iter().fold(ExpansionCost::default(), inside),
        Yaml::Map(entries) => entries
            .iter()
            .fold(ExpansionCost::default(), |size, (key, child)| {
                let mut size = inside(size, child);
                size.text += key.text.len();
                size
            }),
        Yaml::Invalid => ExpansionCost::default(),
    };
    size.nodes += 1;
    size.depth += 1;
    size
}
