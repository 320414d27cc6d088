//! Replaces each alias by a copy of the anchored value, within a limit.

use std::ops::Range;

use super::anchor::{AnchorTarget, ExpansionCost};
use super::tree_builder::{NextPart, OpenCollection, TreeBuilder, nesting_error};
use super::{NESTING_LIMIT, Node, Yaml};
use crate::diagnostic::Diagnostic;

/// Values that aliases may add to one file.
const ALIAS_NODE_LIMIT: usize = 20_000;
/// Bytes of text that aliases may add to one file.
const ALIAS_TEXT_LIMIT: usize = 4 * 1024 * 1024;

impl TreeBuilder<'_> {
    /// Records the path of the next node; `id` 0 means no anchor.
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
        let location = self.source.location(span.clone());
        let message = format!("unknown alias `*{name}`");
        let label = "no anchor with this name above in this document";
        let help = format!("put `&{name}` before the value to refer to, or put the text in quotes");
        self.report(Diagnostic::error("SEG003", message, location, label).with_help(help));
        self.attach(Node::invalid(span));
    }

    pub(super) fn expand_alias(&mut self, id: usize, span: Range<usize>) {
        let parent = self.open_collections.last();
        if matches!(parent.and_then(OpenCollection::next_part), Some(NextPart::Key)) {
            self.report_invalid_key(&span, "an alias is used as a key");
            return self.attach(Node::invalid(span));
        }
        match self.copy_of_anchored(id, &span) {
            Ok(node) => {
                self.attach(node);
                if let Some(parent) = self.open_collections.last_mut() {
                    parent.end = span.end;
                }
            }
            Err(error) => {
                if let Some(error) = error {
                    self.report(error);
                }
                self.attach(Node::invalid(span));
            }
        }
    }

    /// A copy of the anchored value. `Err(None)` means that the error is already reported.
    fn copy_of_anchored(&mut self, id: usize, span: &Range<usize>) -> Result<Node, Option<Diagnostic>> {
        let location = || self.source.location(span.clone());
        let path = match self.anchors.get(&id) {
            Some(AnchorTarget::Path(path)) => path,
            Some(AnchorTarget::Invalid) | None => return Err(None),
            Some(AnchorTarget::Key) => {
                let message = "an alias refers to a key";
                let error = Diagnostic::error("SEG005", message, location(), "write the text out");
                return Err(Some(error));
            }
        };
        let Some(target) = self.completed_node(path) else {
            let message = "an alias refers to a value that contains the alias";
            let error = Diagnostic::error("SEG006", message, location(), "the expansion would be infinite");
            return Err(Some(error.with_help("write the value out")));
        };
        let cost = ExpansionCost::of(target);
        let total = self.expansion_cost.plus(cost);
        if total.nodes > ALIAS_NODE_LIMIT || total.text > ALIAS_TEXT_LIMIT {
            let message = format!(
                "the aliases of this file add more than {ALIAS_NODE_LIMIT} values or {ALIAS_TEXT_LIMIT} bytes"
            );
            let error = Diagnostic::error("SEG006", message, location(), "the limit is exceeded here");
            self.is_stopped = true;
            return Err(Some(error.with_help("use fewer aliases that contain aliases")));
        }
        if self.open_collections.len() + cost.depth > NESTING_LIMIT {
            return Err(Some(nesting_error(location())));
        }
        let copy = target.clone();
        self.expansion_cost = total;
        Ok(copy)
    }

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
}

impl Node {
    fn invalid(span: Range<usize>) -> Self {
        let value = Yaml::Invalid;
        Self { span, value }
    }

    fn child(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Yaml::List(items) => items.get(index),
            Yaml::Map(entries) => entries.get(index).map(|(_, node)| node),
            Yaml::Scalar(_) | Yaml::Invalid => None,
        }
    }
}
