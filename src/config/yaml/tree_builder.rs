//! Builds the tree from the parser's events and refuses what the tree does not hold.
//!
//! Knows nothing of the parser. Lists and maps that are still open stand on an explicit stack, so text
//! cannot exhaust the thread's; whatever else grows with the text has a limit here.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::alias::{AnchorTarget, ExpansionCost};
use super::{Key, NESTING_LIMIT, Node, Scalar, ScalarValue, SourceFile, TagKind, Yaml};
use crate::diagnostic::{Diagnostic, Location};

/// Bytes of one scalar. The service's longest texts are descriptions of a few kilobytes.
const SCALAR_LIMIT: usize = 64 * 1024;
/// Values in one file, so that 16 MiB of commas cannot become gigabytes of nodes.
const NODE_LIMIT: usize = 1_000_000;
/// Anchors in one file; each keeps its path.
const ANCHOR_LIMIT: usize = 10_000;
/// Faults worth reading in one file.
const ERROR_LIMIT: usize = 100;
/// Up to here comparing a new key with all others is cheaper than hashing.
const LINEAR_KEY_SEARCH_LIMIT: usize = 16;

pub(super) struct TreeBuilder<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) open_collections: Vec<OpenCollection>,
    documents: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
    pub(super) anchors: BTreeMap<usize, AnchorTarget>,
    pub(super) anchor_count: usize,
    node_count: usize,
    pub(super) expansion_cost: ExpansionCost,
    pub(super) is_stopped: bool,
}

/// A list or map whose end is yet to come.
pub(super) struct OpenCollection {
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
        next: NextPart,
    },
}

/// What a map takes next.
pub(super) enum NextPart {
    Key,
    Value(Key),
    /// The value of a key that was refused.
    IgnoredValue,
}

/// The fault of text that is nested beyond the limit.
pub(super) fn nesting_error(place: Location) -> Diagnostic {
    let message = format!("lists and maps are nested more than {NESTING_LIMIT} deep");
    Diagnostic::error("SEG006", message, place, "the limit is passed here")
        .with_help("name an inner group as a segment of its own and refer to it")
}

impl<'a> TreeBuilder<'a> {
    pub(super) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            open_collections: Vec::new(),
            documents: Vec::new(),
            diagnostics: Vec::new(),
            anchors: BTreeMap::new(),
            anchor_count: 0,
            node_count: 0,
            expansion_cost: ExpansionCost::default(),
            is_stopped: false,
        }
    }

    /// The documents that were read to their end, and the faults.
    pub(super) fn finish(self) -> (Vec<Node>, Vec<Diagnostic>) {
        (self.documents, self.diagnostics)
    }

    /// Nothing more is to be read of this file.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Reports what makes the rest of the file unreadable.
    pub(super) fn stop(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
        self.is_stopped = true;
    }

    pub(super) fn end_document(&mut self) {
        self.anchors.clear();
    }

    pub(super) fn scalar(&mut self, scalar: Scalar, span: Range<usize>, tag: Option<TagKind>) {
        // A block scalar ends where its last word ends, not at the next key.
        let span = span.start..span.start + self.source.slice(&span).trim_end().len();
        let value = if self.reject_tag(tag) || self.reject_large_scalar(&scalar, &span) {
            Yaml::Invalid
        } else {
            Yaml::Scalar(scalar)
        };
        self.attach(Node { span, value });
    }

    pub(super) fn open_collection(&mut self, map: bool, span: Range<usize>, tag: Option<TagKind>) {
        self.reject_tag(tag);
        if self.open_collections.len() >= NESTING_LIMIT {
            return self.stop(nesting_error(self.source.location(span)));
        }
        let children = if map {
            Children::Map {
                entries: Vec::new(),
                seen: HashSet::new(),
                next: NextPart::Key,
            }
        } else {
            Children::List(Vec::new())
        };
        self.open_collections.push(OpenCollection {
            start: span.start,
            end: span.end,
            children,
        });
    }

    /// Ends the innermost list or map; `span` is its bracket, or empty where indentation ends it.
    pub(super) fn close_collection(&mut self, span: &Range<usize>) {
        let Some(OpenCollection { start, end, children }) = self.open_collections.pop() else {
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
        self.node_count += 1;
        if self.node_count > NODE_LIMIT || self.anchor_count > ANCHOR_LIMIT {
            let place = self.source.location(node.span);
            let message = format!("this file holds more than {NODE_LIMIT} values or {ANCHOR_LIMIT} anchors");
            let fault = Diagnostic::error("SEG006", message, place, "the limit is passed here");
            return self.stop(fault.with_help("split the file"));
        }
        let Some(parent) = self.open_collections.last_mut() else {
            return self.add_document(node);
        };
        parent.end = parent.end.max(node.span.end);
        match &mut parent.children {
            Children::List(items) => items.push(node),
            Children::Map { entries, next, .. } => match std::mem::replace(next, NextPart::Key) {
                NextPart::Value(key) => entries.push((key, node)),
                NextPart::IgnoredValue => {}
                NextPart::Key => {
                    let taken = self.accept_key(node);
                    if let Some(Children::Map { next, .. }) =
                        self.open_collections.last_mut().map(OpenCollection::children)
                    {
                        *next = taken.map_or(NextPart::IgnoredValue, NextPart::Value);
                    }
                }
            },
        }
    }

    fn add_document(&mut self, node: Node) {
        let empty = matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
        if !empty {
            self.documents.push(node);
        }
    }

    fn accept_key(&mut self, node: Node) -> Option<Key> {
        let scalar = match node.value {
            Yaml::Scalar(scalar) => scalar,
            Yaml::List(_) | Yaml::Map(_) => {
                self.report_invalid_key(&node.span, "a key is a list or a map");
                return None;
            }
            Yaml::Invalid => return None,
        };
        if scalar.plain && scalar.text == "<<" {
            let place = self.source.location(node.span);
            let fault = Diagnostic::error("SEG005", "merge keys are not supported", place, "merges a map");
            let help = "write the keys out; an alias can stand for a whole value: `filters: *name`";
            self.report(fault.with_help(help));
            return None;
        }
        if scalar.resolved == ScalarValue::Null && scalar.text.is_empty() {
            self.report_invalid_key(&node.span, "a `:` has no key before it");
            return None;
        }
        let key = Key {
            text: scalar.text,
            span: node.span,
        };
        self.reject_duplicate_key(key)
    }

    fn reject_duplicate_key(&mut self, key: Key) -> Option<Key> {
        let Some(Children::Map { entries, seen, .. }) =
            self.open_collections.last_mut().map(OpenCollection::children)
        else {
            return None;
        };
        if entries.len() == LINEAR_KEY_SEARCH_LIMIT {
            seen.extend(entries.iter().map(|(known, _)| known.text.clone()));
        }
        let new = if entries.len() < LINEAR_KEY_SEARCH_LIMIT {
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
        let place = self.source.location(key.span);
        let mut fault = Diagnostic::error("SEG004", message, place, "the second one");
        if let Some(first) = first {
            fault = fault.with_label(self.source.location(first), "the first one");
        }
        self.report(fault.with_help("keep one of the two"));
        None
    }

    pub(super) fn report_invalid_key(&mut self, span: &Range<usize>, message: &str) {
        let place = self.source.location(span.clone());
        let fault = Diagnostic::error("SEG005", message, place, "a key must be plain or quoted text");
        self.report(fault.with_help("write the key as text"));
    }

    fn reject_tag(&mut self, tag: Option<TagKind>) -> bool {
        let Some(TagKind::Unsupported(span)) = tag else {
            return false;
        };
        let message = format!("the tag `{}` is not supported", self.source.slice(&span));
        let place = self.source.location(span);
        let fault = Diagnostic::error("SEG005", message, place, "only `!!str` is known");
        self.report(fault.with_help("leave the tag out; put a text that looks like a number in quotes"));
        true
    }

    fn reject_large_scalar(&mut self, scalar: &Scalar, span: &Range<usize>) -> bool {
        let bytes = scalar.text.len();
        if bytes <= SCALAR_LIMIT {
            return false;
        }
        let message = format!("a text of {bytes} bytes; the limit is {SCALAR_LIMIT}");
        let place = self.source.location(span.start..span.start);
        self.report(Diagnostic::error("SEG006", message, place, "begins here"));
        true
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= ERROR_LIMIT && !self.is_stopped {
            self.is_stopped = true;
            if let Some(last) = self.diagnostics.last_mut() {
                last.notes.push(format!(
                    "this file has {ERROR_LIMIT} faults up to here; the rest was not read"
                ));
            }
        }
    }
}

impl OpenCollection {
    fn children(&mut self) -> &mut Children {
        &mut self.children
    }

    pub(super) fn next_part(&self) -> Option<&NextPart> {
        match &self.children {
            Children::List(_) => None,
            Children::Map { next, .. } => Some(next),
        }
    }

    /// The child that is being read will be in the tree.
    pub(super) fn keeps_child(&self) -> bool {
        matches!(self.next_part(), None | Some(NextPart::Value(_)))
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
