//! A declared segment, and the location of each of its parts.

use super::source::SourceFile;
use super::yaml::{Node, Yaml};
use crate::diagnostic::Location;
use crate::model::DeclaredSegment;
use std::sync::Arc;

/// One document of a segment file, decoded without errors.
#[derive(Clone, Debug)]
pub struct Declaration {
    pub segment: DeclaredSegment,
    /// `None` means all workspaces.
    pub workspaces: Option<Vec<String>>,
    pub(in crate::config) source: Arc<SourceFile>,
    /// Rules need its spans to point at errors.
    pub(in crate::config) document: Node,
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
        let mut node = &self.document;
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
fn highlight_span(node: &Node) -> std::ops::Range<usize> {
    match &node.value {
        Yaml::Map(entries) => entries
            .first()
            .map_or_else(|| node.span.clone(), |(key, _)| key.span.clone()),
        Yaml::List(items) => items.first().map_or_else(|| node.span.clone(), highlight_span),
        Yaml::Scalar(_) | Yaml::Invalid => node.span.clone(),
    }
}
