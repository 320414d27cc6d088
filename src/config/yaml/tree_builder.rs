//! Builds the tree from the parser's events and rejects what the tree does not support.
//!
//! Does not depend on the parser. Open lists and mappings are on an explicit stack, so no text can overflow
//! the thread's stack. Everything else that grows with the text has a limit here.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::anchor::{AnchorTarget, ExpansionCost};
use super::likely_mistakes;
use super::{Key, NESTING_LIMIT, Node, Scalar, ScalarValue, SourceFile, TagKind, Yaml, YamlDocument};
use crate::diagnostic::{Diagnostic, Location};

/// Bytes of one scalar. The longest text that MoEngage accepts is a description of a few kilobytes.
const SCALAR_LIMIT: usize = 64 * 1024;
/// Values in one file: without it, 16 MiB of commas would become gigabytes of nodes.
const NODE_LIMIT: usize = 1_000_000;
/// Anchors in one file; each stores its path.
const ANCHOR_LIMIT: usize = 10_000;
/// Errors reported for one file.
const ERROR_LIMIT: usize = 100;
/// Up to this many keys, a linear search is faster than hashing.
const LINEAR_KEY_SEARCH_LIMIT: usize = 16;

pub(super) struct TreeBuilder<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) open_collections: Vec<OpenCollection>,
    documents: Vec<YamlDocument>,
    document_start: usize,
    diagnostics: Vec<Diagnostic>,
    pub(super) anchors: BTreeMap<usize, AnchorTarget>,
    pub(super) anchor_count: usize,
    node_count: usize,
    pub(super) expansion_cost: ExpansionCost,
    pub(super) is_stopped: bool,
}

pub(super) struct OpenCollection {
    start: usize,
    pub(super) end: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// Filled beyond `LINEAR_KEY_SEARCH_LIMIT`.
        seen: HashSet<String>,
        next: NextPart,
    },
}

pub(super) enum NextPart {
    Key,
    Value(Key),
    IgnoredValue,
}

pub(super) fn nesting_error(location: Location) -> Diagnostic {
    let message = format!("lists and mappings are nested more than {NESTING_LIMIT} levels deep");
    Diagnostic::error("SEG006", message, location, "the limit is exceeded here")
        .with_help("move an inner group to a separate segment and refer to it")
}

impl<'a> TreeBuilder<'a> {
    pub(super) fn new(source: &'a SourceFile) -> Self {
        Self {
            source,
            open_collections: Vec::new(),
            documents: Vec::new(),
            document_start: 0,
            diagnostics: Vec::new(),
            anchors: BTreeMap::new(),
            anchor_count: 0,
            node_count: 0,
            expansion_cost: ExpansionCost::default(),
            is_stopped: false,
        }
    }

    /// `end` is the end of the last document.
    pub(super) fn finish(mut self, end: usize) -> (Vec<YamlDocument>, Vec<Diagnostic>) {
        let mut end = end;
        for document in self.documents.iter_mut().rev() {
            document.bytes.end = end;
            end = document.bytes.start;
        }
        (self.documents, self.diagnostics)
    }

    /// `at` is its marker, or its first token, in front of which the line has only indentation.
    pub(super) fn start_document(&mut self, at: usize) {
        let before = self.source.slice(&(0..at));
        self.document_start = before.rfind('\n').map_or(0, |line_break| line_break + 1);
    }

    /// Reports an error that makes the rest of the file unreadable.
    pub(super) fn stop(&mut self, diagnostic: Diagnostic) {
        // A text that is a whole document is the start of what could not be read.
        let last_is_text = |last: &YamlDocument| matches!(last.root.value, Yaml::Scalar(_));
        if self.open_collections.is_empty() && self.documents.last().is_some_and(last_is_text) {
            self.documents.pop();
        }
        self.diagnostics.push(diagnostic);
        self.is_stopped = true;
    }

    pub(super) fn scalar(&mut self, scalar: Scalar, span: Range<usize>, tag: Option<TagKind>) {
        // The parser ends a block scalar at the next key; here it ends after its last word.
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

    /// Ends the innermost list or mapping; `span` is its bracket, or empty if indentation ends it.
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
            let location = self.source.location(node.span);
            let message =
                format!("this file contains more than {NODE_LIMIT} values or {ANCHOR_LIMIT} anchors");
            let error = Diagnostic::error("SEG006", message, location, "the limit is exceeded here");
            return self.stop(error.with_help("split the file"));
        }
        let Some(parent) = self.open_collections.last_mut() else {
            if !matches!(&node.value, Yaml::Scalar(scalar) if scalar.plain && scalar.text.is_empty()) {
                let start = self.document_start;
                self.documents.push(YamlDocument {
                    bytes: start..start,
                    root: node,
                });
            }
            return;
        };
        parent.end = parent.end.max(node.span.end);
        match &mut parent.children {
            Children::List(items) => items.push(node),
            Children::Map { entries, next, .. } => match std::mem::replace(next, NextPart::Key) {
                NextPart::Value(key) => entries.push((key, node)),
                NextPart::IgnoredValue => {}
                NextPart::Key => {
                    let accepted = self.accept_key(node);
                    if let Some(OpenCollection {
                        children: Children::Map { next, .. },
                        ..
                    }) = self.open_collections.last_mut()
                    {
                        *next = accepted.map_or(NextPart::IgnoredValue, NextPart::Value);
                    }
                }
            },
        }
    }

    fn accept_key(&mut self, node: Node) -> Option<Key> {
        let scalar = match node.value {
            Yaml::Scalar(scalar) => scalar,
            Yaml::List(_) | Yaml::Map(_) => {
                if let Some(template) = likely_mistakes::template_around(self.source, node.span.start) {
                    self.stop(template);
                    return None;
                }
                self.report_invalid_key(&node.span, "a list or a mapping is used as a key");
                return None;
            }
            Yaml::Invalid => return None,
        };
        if scalar.plain && scalar.text == "<<" {
            let location = self.source.location(node.span);
            let message = "merge keys are not supported";
            let help = "write the keys out; an alias can replace a whole value: `filters: *name`";
            self.report(Diagnostic::error("SEG005", message, location, "merges a mapping").with_help(help));
            return None;
        }
        if scalar.resolved == ScalarValue::Null && scalar.text.is_empty() {
            self.report_invalid_key(&node.span, "missing key before `:`");
            return None;
        }
        self.reject_duplicate_key(Key {
            text: scalar.text,
            span: node.span,
        })
    }

    fn reject_duplicate_key(&mut self, key: Key) -> Option<Key> {
        let Some(OpenCollection {
            children: Children::Map { entries, seen, .. },
            ..
        }) = self.open_collections.last_mut()
        else {
            return None;
        };
        if entries.len() == LINEAR_KEY_SEARCH_LIMIT {
            seen.extend(entries.iter().map(|(known, _)| known.text.clone()));
        }
        let is_new = if entries.len() < LINEAR_KEY_SEARCH_LIMIT {
            entries.iter().all(|(known, _)| known.text != key.text)
        } else {
            seen.insert(key.text.clone())
        };
        if is_new {
            return Some(key);
        }
        let first = entries.iter().find(|(known, _)| known.text == key.text);
        let first = first.map(|(known, _)| self.source.location(known.span.clone()));
        let message = format!("duplicate key `{}`", key.text);
        let location = self.source.location(key.span);
        let mut error = Diagnostic::error("SEG004", message, location, "duplicate");
        if let Some(first) = first {
            error = error.with_label(first, "first defined here");
        }
        self.report(error.with_help("remove one of the two"));
        None
    }

    pub(super) fn report_invalid_key(&mut self, span: &Range<usize>, message: &str) {
        let location = self.source.location(span.clone());
        let error = Diagnostic::error("SEG005", message, location, "expected plain or quoted text");
        self.report(error.with_help("write the key as text"));
    }

    fn reject_tag(&mut self, tag: Option<TagKind>) -> bool {
        let Some(TagKind::Unsupported(span)) = tag else {
            return false;
        };
        let tag = self.source.slice(&span);
        let message = format!("the tag `{tag}` is not supported");
        let key = match self.open_collections.last().and_then(OpenCollection::next_part) {
            Some(NextPart::Value(key)) => key.text.as_str(),
            _ => "",
        };
        let help = likely_mistakes::operator_help(key, tag);
        let help = help.unwrap_or_else(|| {
            "remove the tag; put a string that looks like a number or starts with `!` in quotes".to_owned()
        });
        let location = self.source.location(span);
        let error = Diagnostic::error("SEG005", message, location, "only `!!str` is supported");
        self.report(error.with_help(help));
        true
    }

    fn reject_large_scalar(&mut self, scalar: &Scalar, span: &Range<usize>) -> bool {
        let bytes = scalar.text.len();
        if bytes <= SCALAR_LIMIT {
            return false;
        }
        let message = format!("the string has {bytes} bytes; the limit is {SCALAR_LIMIT}");
        let location = self.source.location(span.start..span.start);
        let error = Diagnostic::error("SEG006", message, location, "starts here");
        self.report(error.with_help("shorten the string"));
        true
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
        if self.diagnostics.len() >= ERROR_LIMIT && !self.is_stopped {
            self.is_stopped = true;
            if let Some(last) = self.diagnostics.last_mut() {
                last.notes.push(format!(
                    "stopped after {ERROR_LIMIT} errors; segctl did not read the rest of this file"
                ));
            }
        }
    }
}

impl OpenCollection {
    pub(super) fn next_part(&self) -> Option<&NextPart> {
        match &self.children {
            Children::List(_) => None,
            Children::Map { next, .. } => Some(next),
        }
    }

    /// Whether the child that is being read becomes part of the tree.
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
