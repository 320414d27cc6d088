//! A segment as written: what it says, and where each part of it stands.

use super::source::Source;
use super::yaml::{Node, Yaml};
use crate::diagnostic::Place;
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
    pub(in crate::config) source: Arc<Source>,
    /// Its tree, for places: kept, because a rule that finds a fault later has to point at it.
    pub(in crate::config) document: Node,
}

/// One step down a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of a field.
    Field(&'static str),
    /// An item of a list, from 0.
    Item(usize),
}

impl Declaration {
    /// Where the value at `path` stands; as far down as the path leads, since what is left out stands nowhere.
    #[must_use]
    pub fn place_of(&self, path: &[Step]) -> Place {
        let mut node = &self.document;
        for step in path {
            let next = match (step, &node.value) {
                (Step::Field(name), Yaml::Map(entries)) => entries.iter().find(|(key, _)| key.text == *name),
                (Step::Item(index), Yaml::List(items)) => match items.get(*index) {
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
        self.source.place(head(node))
    }

    /// The file it stands in, as the user would name it, and the file's text as it was read.
    #[must_use]
    pub fn file(&self) -> (&str, &str) {
        (&self.source.file, &self.source.text)
    }

    /// Where the segment is named.
    #[must_use]
    pub fn name_place(&self) -> Place {
        self.place_of(&[Step::Field("name")])
    }

    /// Whether the segment is for `workspace`.
    #[must_use]
    pub fn is_for(&self, workspace: &str) -> bool {
        self.workspaces
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| name == workspace))
    }
}

/// What to underline for a node: scalars whole, of maps the first key, so that excerpts stay short.
fn head(node: &Node) -> std::ops::Range<usize> {
    match &node.value {
        Yaml::Map(entries) => entries
            .first()
            .map_or_else(|| node.span.clone(), |(key, _)| key.span.clone()),
        Yaml::List(items) => items.first().map_or_else(|| node.span.clone(), head),
        Yaml::Scalar(_) | Yaml::Refused => node.span.clone(),
    }
}
