//! Builds the tree from the parser's events and refuses what the tree does not hold.
//!
//! Knows nothing of the parser. Lists and maps that are still open stand on an explicit stack, so text
//! cannot exhaust the thread's; whatever else grows with the text has a limit here.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::alias::{Anchor, Size};
use super::{Key, NESTING_LIMIT, Node, Resolved, Scalar, Source, Tagged, Yaml};
use crate::diagnostic::{Diagnostic, Place};

/// Bytes of one scalar. The service's longest texts are descriptions of a few kilobytes.
const SCALAR_LIMIT: usize = 64 * 1024;
/// Values in one file, so that 16 MiB of commas cannot become gigabytes of nodes.
const NODE_LIMIT: usize = 1_000_000;
/// Anchors in one file; each keeps its path.
const ANCHOR_LIMIT: usize = 10_000;
/// Faults worth reading in one file.
const FAULT_LIMIT: usize = 100;
/// Up to here comparing a new key with all others is cheaper than hashing.
const FEW_KEYS: usize = 16;

pub(super) struct Tree<'a> {
    pub(super) source: &'a Source,
    pub(super) open: Vec<Open>,
    documents: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
    pub(super) anchors: BTreeMap<usize, Anchor>,
    pub(super) anchors_seen: usize,
    nodes: usize,
    pub(super) expanded: Size,
    pub(super) stopped: bool,
}

/// A list or map whose end is yet to come.
pub(super) struct Open {
    start: usize,
    /// Where its last child ends.
    pub(super) end: usize,
    children: Children,
}

pub(super) enum Children {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Filled beyond `FEW_KEYS`.
        seen: HashSet<String>,
        next: Next,
    },
}

/// What a map takes next.
pub(super) enum Next {
    Key,
    Value(Key),
    /// The value of a key that was refused.
    Nothing,
}

/// The fault of text that is nested beyond the limit.
pub(super) fn too_deep(place: Place) -> Diagnostic {
    let message = format!("lists and maps are nested more than {NESTING_LIMIT} deep");
    Diagnostic::error("SEG006", message, place, "the limit is passed here")
        .with_help("name an inner group as a segment of its own and refer to it")
}

impl<'a> Tree<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self {
            source,
            open: Vec::new(),
            documents: Vec::new(),
            diagnostics: Vec::new(),
            anchors: BTreeMap::new(),
            anchors_seen: 0,
            nodes: 0,
            expanded: Size::default(),
            stopped: false,
        }
    }

    /// The documents that were read to their end, and the faults.
    pub(super) fn finish(self) -> (Vec<Node>, Vec<Diagnostic>) {
        (self.documents, self.diagnostics)
    }

    /// Nothing more is to be read of this file.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Reports what makes the rest of the file unreadable.
    pub(super) fn stop(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
        self.stopped = true;
    }

    pub(super) fn end_document(&mut self) {
        self.anchors.clear();
    }

    pub(super) fn scalar(&mut self, scalar: Scalar, span: Range<usize>, tag: Option<Tagged>) {
        // A block scalar ends where its last word ends, not at the next key.
        let span = span.start..span.start + self.source.slice(&span).trim_end().len();
        let value = if self.refuse_tag(tag) || self.refuse_size(&scalar, &span) {
            Yaml::Refused
        } else {
            Yaml::Scalar(scalar)
        };
        self.attach(Node { span, value });
    }

    pub(super) fn open(&mut self, map: bool, span: Range<usize>, tag: Option<Tagged>) {
        self.refuse_tag(tag);
        if self.open.len() >= NESTING_LIMIT {
            return self.stop(too_deep(self.source.place(span)));
        }
        let children = if map {
            Children::Map {
                entries: Vec::new(),
                seen: HashSet::new(),
                next: Next::Key,
            }
        } else {
            Children::List(Vec::new())
        };
        self.open.push(Open {
            start: span.start,
            end: span.end,
            children,
        });
    }

    /// Ends the innermost list or map; `span` is its bracket, or empty where indentation ends it.
    pub(super) fn close(&mut self, span: &Range<usize>) {
        let Some(Open { start, end, children }) = self.open.pop() else {
            return;
        };
        let end = if span.is_empty() { end } else { span.end };
        let value = match children {
            Children::List(items) => Yaml::List(items),
            Children::Map { entries, .. } => Yaml::Map(entries),
        };
        self.attach(Node {
            span: start..end,
            value,
        });
    }

    pub(super) fn attach(&mut self, node: Node) {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT || self.anchors_seen > ANCHOR_LIMIT {
            let place = self.source.place(node.span);
            let message = format!("this file holds more than {NODE_LIMIT} values or {ANCHOR_LIMIT} anchors");
            let fault = Diagnostic::error("SEG006", message, place, "the limit is passed here");
            return self.stop(fault.with_help("split the file"));
        }
        let Some(parent) = self.open.last_mut() else {
            return self.end_of_root(node);
        };
        parent.end = parent.end.max(node.span.end);
        match &mut parent.children {
            Children::List(items) => items.push(node),
            Children::Map { entries, next, .. } => match std::mem::replace(next, Next::Key) {
                Next::Value(key) => entries.push((key, node)),
                Next::Nothing => {}
                Next::Key => {
                    let taken = self.take_key(node);
                    if let Some(Children::Map { next, .. }) = self.open.last_mut().map(Open::children) {
                        *next = taken.map_or(Next::Nothing, Next::Value);
                    }
                }
            },
        }
    }

    fn end_of_root(&mut self, node: Node) {
        let empty = matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
        if !empty {
            self.documents.push(node);
        }
    }

    fn take_key(&mut self, node: Node) -> Option<Key> {
        let scalar = match node.value {
            Yaml::Scalar(scalar) => scalar,
            Yaml::List(_) | Yaml::Map(_) => {
                self.refuse_key(&node.span, "a key is a list or a map");
                return None;
            }
            Yaml::Refused => return None,
        };
        if scalar.plain && scalar.text == "<<" {
            let place = self.source.place(node.span);
            let fault = Diagnostic::error("SEG005", "merge keys are not supported", place, "merges a map");
            let help = "write the keys out; an alias can stand for a whole value: `filters: *name`";
            self.report(fault.with_help(help));
            return None;
        }
        if scalar.resolved == Resolved::Null && scalar.text.is_empty() {
            self.refuse_key(&node.span, "a `:` has no key before it");
            return None;
        }
        let key = Key {
            text: scalar.text,
            span: node.span,
        };
        self.refuse_duplicate(key)
    }

    fn refuse_duplicate(&mut self, key: Key) -> Option<Key> {
        let Some(Children::Map { entries, seen, .. }) = self.open.last_mut().map(Open::children) else {
            return None;
        };
        if entries.len() == FEW_KEYS {
            seen.extend(entries.iter().map(|(known, _)| known.text.clone()));
        }
        let new = if entries.len() < FEW_KEYS {
            entries.iter().all(|(known, _)| known.text != key.text)
        } else {
            seen.insert(key.text.clone())
        };
        if new {
            return Some(key);
        }
        let first = entries.iter().find(|(known, _)| known.text == key.text);
        let first = first.map(|(known, _)| known.span.clone());
        let message = format!("the key `{}` stands twice in one map", key.text);
        let place = self.source.place(key.span);
        let mut fault = Diagnostic::error("SEG004", message, place, "the second one");
        if let Some(first) = first {
            fault = fault.with_label(self.source.place(first), "the first one");
        }
        self.report(fault.with_help("keep one of the two"));
        None
    }

    pub(super) fn refuse_key(&mut self, span: &Range<usize>, message: &str) {
        let place = self.source.place(span.clone());
        let fault = Diagnostic::error("SEG005", message, place, "a key must be plain or quoted text");
        self.report(fault.with_help("write the key as text"));
    }

    fn refuse_tag(&mut self, tag: Option<Tagged>) -> bool {
        let Some(Tagged::Refused(span)) = tag else {
            return false;
        };
        let message = format!("the tag `{}` is not supported", self.source.slice(&span));
        let place = self.source.place(span);
        let fault = Diagnostic::error("SEG005", message, place, "only `!!str` is known");
        self.report(fault.with_help("leave the tag out; put a text that looks like a number in quotes"));
        true
    }

    fn refuse_size(&mut self, scalar: &Scalar, span: &Range<usize>) -> bool {
        let bytes = scalar.text.len();
        if bytes <= SCALAR_LIMIT {
            return false;
        }
        let message = format!("a text of {bytes} bytes; the limit is {SCALAR_LIMIT}");
        let place = self.source.place(span.start..span.start);
        self.report(Diagnostic::error("SEG006", message, place, "begins here"));
        true
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= FAULT_LIMIT && !self.stopped {
            self.stopped = true;
            if let Some(last) = self.diagnostics.last_mut() {
                last.notes.push(format!(
                    "this file has {FAULT_LIMIT} faults up to here; the rest was not read"
                ));
            }
        }
    }
}

impl Open {
    fn children(&mut self) -> &mut Children {
        &mut self.children
    }

    pub(super) fn next(&self) -> Option<&Next> {
        match &self.children {
            Children::List(_) => None,
            Children::Map { next, .. } => Some(next),
        }
    }

    /// The child that is being read will be in the tree.
    pub(super) fn keeps_child(&self) -> bool {
        matches!(self.next(), None | Some(Next::Value(_)))
    }

    pub(super) fn len(&self) -> usize {
        match &self.children {
            Children::List(items) => items.len(),
            Children::Map { entries, .. } => entries.len(),
        }
    }

    pub(super) fn child(&self, index: usize) -> Option<&Node> {
        match &self.children {
            Children::List(items) => items.get(index),
            Children::Map { entries, .. } => entries.get(index).map(|(_, node)| node),
        }
    }
}
