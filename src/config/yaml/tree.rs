//! Builds the tree from the parser's events and refuses what the tree does not hold.
//!
//! Knows nothing of the parser. Lists and maps that are still open stand on an explicit stack, so text
//! cannot exhaust the thread's; whatever else grows with the text has a limit here.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::{Key, NESTING_LIMIT, Node, Resolved, Scalar, Source, Tagged, Yaml};
use crate::diagnostic::{Diagnostic, Place};

/// Bytes of one scalar. The service's longest texts are descriptions of a few kilobytes.
const SCALAR_LIMIT: usize = 64 * 1024;
/// Values in one file, so that 16 MiB of commas cannot become gigabytes of nodes.
const NODE_LIMIT: usize = 1_000_000;
/// Values that aliases may add to those written out.
const EXPANDED_NODE_LIMIT: usize = 20_000;
/// Bytes of text that aliases may add.
const EXPANDED_TEXT_LIMIT: usize = 4 * 1024 * 1024;
/// Anchors in one file; each keeps its path.
const ANCHOR_LIMIT: usize = 10_000;
/// Faults worth reading in one file.
const FAULT_LIMIT: usize = 100;
/// Up to here comparing a new key with all others is cheaper than hashing.
const FEW_KEYS: usize = 16;

pub(super) struct Tree<'a> {
    source: &'a Source,
    open: Vec<Open>,
    documents: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
    anchors: BTreeMap<usize, Anchor>,
    anchors_seen: usize,
    nodes: usize,
    expanded: Size,
    stopped: bool,
}

/// A list or map whose end is yet to come.
struct Open {
    start: usize,
    /// Where its last child ends.
    end: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Filled beyond `FEW_KEYS`.
        seen: HashSet<String>,
        next: Next,
    },
}

/// What a map takes next.
enum Next {
    Key,
    Value(Key),
    /// The value of a key that was refused.
    Nothing,
}

/// Where an anchored value stands: the index of the child to take, from the document's root downwards.
enum Anchor {
    At(Box<[usize]>),
    /// It is, or is part of, something that was refused.
    Refused,
    /// It is a key, and keys are no nodes of the tree.
    Key,
}

/// What copying a value costs.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
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

    fn attach(&mut self, node: Node) {
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

    fn refuse_key(&mut self, span: &Range<usize>, message: &str) {
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

    fn report(&mut self, diagnostic: Diagnostic) {
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

    fn next(&self) -> Option<&Next> {
        match &self.children {
            Children::List(_) => None,
            Children::Map { next, .. } => Some(next),
        }
    }

    /// The child that is being read will be in the tree.
    fn keeps_child(&self) -> bool {
        matches!(self.next(), None | Some(Next::Value(_)))
    }

    fn len(&self) -> usize {
        match &self.children {
            Children::List(items) => items.len(),
            Children::Map { entries, .. } => entries.len(),
        }
    }

    fn child(&self, index: usize) -> Option<&Node> {
        match &self.children {
            Children::List(items) => items.get(index),
            Children::Map { entries, .. } => entries.get(index).map(|(_, node)| node),
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
