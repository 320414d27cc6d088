//! A segment as written: what it says, and where each part of it stands.

use super::source::SourceFile;
use super::yaml::{Node, Yaml};
use crate::diagnostic::Location;
use crate::model::DeclaredSegment;
use std::sync::Arc;

/// One document of a segment file that has no fault in form.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// What it says.
    pub segment: DeclaredSegment,
    /// The workspaces it is for; `None` means all of them.
    pub workspaces: Option<Vec<String>>,
    /// The file it stands in.
    pub(in crate::config) source: Arc<SourceFile>,
    /// Its tree, for places: kept, because a rule that finds a fault later has to point at it.
    pub(in crate::config) document: Node,
}

/// One step down a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathElement {
    /// The value of a field.
    Field(&'static str),
    /// An item of a list, from 0.
    Item(usize),
}

impl Declaration {
    /// Where the value at `path` stands; as far down as the path leads, since what is left out stands nowhere.
    #[must_use]
    pub fn location_of(&self, path: &[PathElement]) -> Location {
        let mut node = &self.document;
        for step in path {
            let next = match (step, &node.value) {
                (PathElement::Field(name), Yaml::Map(entries)) => {
                    entries.iter().find(|(key, _)| key.text == *name)
                }
                (PathElement::Item(index), Yaml::List(items)) => match items.get(*index) {
                    Some(item) => {
                        node = item;
                        continue;
                    }
                    None => break,
                },
                _ => break,
            };
            match next {
                Some((_, value)) => node = value,
                None => break,
            }
        }
        self.source.location(highlight_span(node))
    }

    /// The file it stands in, as the user would name it, and the file's text as it was read.
    #[must_use]
    pub fn file_name_and_text(&self) -> (&str, &str) {
        (&self.source.file, &self.source.text)
    }

    /// Where the segment is named.
    #[must_use]
    pub fn name_location(&self) -> Location {
        self.location_of(&[PathElement::Field("name")])
    }

    /// Whether the segment is for `workspace`.
    #[must_use]
    pub fn applies_to(&self, workspace: &str) -> bool {
        self.workspaces
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == workspace))
    }
}

/// What to underline for a node: scalars whole, of maps the first key, so that excerpts stay short.
fn highlight_span(node: &Node) -> std::ops::Range<usize> {
    match &node.value {
        Yaml::Map(entries) => entries
            .first()
            .map_or_else(|| node.span.clone(), |(key, _)| key.span.clone()),
        Yaml::List(items) => items.first().map_or_else(|| node.span.clone(), highlight_span),
        Yaml::Scalar(_) | Yaml::Invalid => node.span.clone(),
    }
}
