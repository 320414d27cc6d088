//! Anchors and aliases: an alias becomes a copy of the anchored value, within a budget.
//!
//! An anchor is kept as a path and not as a copy, so values that nothing refers to cost nothing.

use std::ops::Range;

use super::tree::{Next, Open, Tree, too_deep};
use super::{NESTING_LIMIT, Node, Yaml};
use crate::diagnostic::Diagnostic;

/// Values that aliases may add to those written out.
const EXPANDED_NODE_LIMIT: usize = 20_000;
/// Bytes of text that aliases may add.
const EXPANDED_TEXT_LIMIT: usize = 4 * 1024 * 1024;

/// Where an anchored value stands: the index of the child to take, from the document's root downwards.
pub(super) enum Anchor {
    At(Box<[usize]>),
    /// It is, or is part of, something that was refused.
    Refused,
    /// It is a key, and keys are no nodes of the tree.
    Key,
}

/// What copying a value costs.
#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
}

impl Tree<'_> {
    /// Notes where the node that comes next stands; `id` 0 is no anchor.
    pub(super) fn anchor(&mut self, id: usize, on_scalar: bool) {
        if id == 0 {
            return;
        }
        self.anchors_seen += 1;
        let anchor = match self.open.split_last() {
            Some((inner, outer)) if outer.iter().all(Open::keeps_child) => match inner.next() {
                Some(Next::Key) if on_scalar => Anchor::Key,
                Some(Next::Key | Next::Nothing) => Anchor::Refused,
                _ => Anchor::At(self.open.iter().map(Open::len).collect()),
            },
            Some(_) => Anchor::Refused,
            None => Anchor::At(Box::default()),
        };
        self.anchors.insert(id, anchor);
    }

    pub(super) fn undefined_alias(&mut self, span: Range<usize>) {
        let name = self.source.slice(&span).trim_start_matches('*').to_owned();
        let place = self.source.place(span.clone());
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
            value: Yaml::Refused,
        });
    }

    pub(super) fn alias(&mut self, id: usize, span: Range<usize>) {
        if matches!(self.open.last().and_then(Open::next), Some(Next::Key)) {
            self.refuse_key(&span, "an alias is used as a key");
            return self.attach(Node {
                span,
                value: Yaml::Refused,
            });
        }
        let value = match self.resolve(id, &span) {
            Ok(node) => return self.attach_copy(node, span),
            Err(Some(fault)) => {
                self.report(fault);
                Yaml::Refused
            }
            Err(None) => Yaml::Refused,
        };
        self.attach(Node { span, value });
    }

    /// A copy of the anchored value, or why there is none (nothing when that is reported already).
    fn resolve(&mut self, id: usize, span: &Range<usize>) -> Result<Node, Option<Diagnostic>> {
        let fault = |message: &str, label: &str| {
            let place = self.source.place(span.clone());
            Some(Diagnostic::error("SEG006", message, place, label))
        };
        let path = match self.anchors.get(&id) {
            Some(Anchor::At(path)) => path,
            Some(Anchor::Refused) | None => return Err(None),
            Some(Anchor::Key) => {
                return Err(Some(Diagnostic::error(
                    "SEG005",
                    "an alias stands for a key",
                    self.source.place(span.clone()),
                    "write the text out",
                )));
            }
        };
        let Some(target) = self.finished(path) else {
            return Err(fault(
                "an alias stands for a value that it is itself a part of",
                "expanding it would never end",
            ));
        };
        let size = measure(target);
        let total = self.expanded.plus(size);
        if total.nodes > EXPANDED_NODE_LIMIT || total.text > EXPANDED_TEXT_LIMIT {
            let message = format!("the aliases of this file add more than {EXPANDED_NODE_LIMIT} values");
            let fault = fault(&message, "the limit is passed here");
            self.stopped = true;
            return Err(fault.map(|fault| fault.with_help("write fewer aliases of aliases")));
        }
        if self.open.len() + size.depth > NESTING_LIMIT {
            return Err(Some(too_deep(self.source.place(span.clone()))));
        }
        let copy = target.clone();
        self.expanded = total;
        Ok(copy)
    }

    /// The value at `path`, unless it is still open.
    fn finished(&self, path: &[usize]) -> Option<&Node> {
        let mut open = self.open.iter();
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
        if let Some(parent) = self.open.last_mut() {
            parent.end = span.end;
        }
    }
}

impl Node {
    fn child(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Yaml::List(items) => items.get(index),
            Yaml::Map(entries) => entries.get(index).map(|(_, node)| node),
            Yaml::Scalar(_) | Yaml::Refused => None,
        }
    }
}

impl Size {
    fn plus(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            text: self.text + other.text,
            depth: self.depth.max(other.depth),
        }
    }
}

/// Recursion ends at `NESTING_LIMIT`, which every tree keeps.
fn measure(node: &Node) -> Size {
    let inside = |size: Size, child: &Node| size.plus(measure(child));
    let mut size = match &node.value {
        Yaml::Scalar(scalar) => {
            return Size {
                nodes: 1,
                text: scalar.text.len(),
                depth: 0,
            };
        }
        Yaml::List(items) => items.iter().fold(Size::default(), inside),
        Yaml::Map(entries) => entries.iter().fold(Size::default(), |size, (key, child)| {
            let mut size = inside(size, child);
            size.text += key.text.len();
            size
        }),
        Yaml::Refused => Size::default(),
    };
    size.nodes += 1;
    size.depth += 1;
    size
}
