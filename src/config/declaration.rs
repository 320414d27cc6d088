//! A declared segment, and the location of each of its parts.

use super::source::SourceFile;
use super::yaml::{self, Node, Yaml};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{DeclaredSegment, Definition};
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

/// One document of a segment file, decoded without errors.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub segment: DeclaredSegment,
    /// `None` means all workspaces.
    pub workspaces: Option<Vec<String>>,
    pub(in crate::config) source: Arc<SourceFile>,
    /// Rules need its spans to point at errors.
    pub(in crate::config) document: Document,
    /// The typed filters, which only rules need; decoded when they are.
    pub(in crate::config) definition: OnceLock<Option<Definition>>,
    /// What the rules on one segment find.
    pub(in crate::config) findings: OnceLock<Vec<Diagnostic>>,
}

/// The tree of a document. It is several times larger than its text, so it is parsed when it is needed.
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<SourceFile>,
    /// In the file.
    bytes: Range<usize>,
    tree: OnceLock<Node>,
}

impl Document {
    pub(in crate::config) fn parsed(source: &Arc<SourceFile>, tree: Node) -> Self {
        Self {
            tree: OnceLock::from(tree),
            ..Self::unparsed(source, 0..source.text.len())
        }
    }

    pub(in crate::config) fn unparsed(source: &Arc<SourceFile>, bytes: Range<usize>) -> Self {
        Self {
            source: Arc::clone(source),
            bytes,
            tree: OnceLock::new(),
        }
    }

    pub(in crate::config) fn source(&self) -> &SourceFile {
        &self.source
    }

    pub(in crate::config) fn bytes(&self) -> &Range<usize> {
        &self.bytes
    }
}

impl Deref for Document {
    type Target = Node;

    fn deref(&self) -> &Node {
        self.tree.get_or_init(|| {
            yaml::parse_again(&self.source, &self.bytes).unwrap_or(Node {
                span: 0..0,
                value: Yaml::Invalid,
            })
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathElement {
    Field(&'static str),
    Item(usize),
}

impl Declaration {
    /// The location of the value at `path`, or of its deepest part that is present.
    #[must_use]
    pub fn location_of(&self, path: &[PathElement]) -> Location {
        let mut node: &Node = &self.document;
        for element in path {
            let next = match (element, &node.value) {
                (PathElement::Field(name), Yaml::Map(entries)) => entries
                    .iter()
                    .find_map(|(key, value)| (key.text == *name).then_some(value)),
                (PathElement::Item(index), Yaml::List(items)) => items.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        self.source.location(highlight_span(node))
    }

    /// Whether the document has the field `name` at its top.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        matches!(&self.document.value, Yaml::Map(entries) if entries.iter().any(|(key, _)| key.text == name))
    }

    #[must_use]
    pub fn file_name_and_text(&self) -> (&str, &str) {
        (&self.source.file, &self.source.text)
    }

    #[must_use]
    pub fn name_location(&self) -> Location {
        self.location_of(&[PathElement::Field("name")])
    }

    #[must_use]
    pub fn applies_to(&self, workspace: &str) -> bool {
        self.workspaces
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == workspace))
    }
}

/// The whole scalar, or only the first key or item, to keep excerpts short.
fn highlight_span(node: &Node) -> Range<usize> {
    match &node.value {
        Yaml::Map(entries) => entries
            .first()
            .map_or_else(|| node.span.clone(), |(key, _)| key.span.clone()),
        Yaml::List(items) => items.first().map_or_else(|| node.span.clone(), highlight_span),
        Yaml::Scalar(_) | Yaml::Invalid => node.span.clone(),
    }
}
