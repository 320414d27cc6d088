//! What keeps a plan from being applied, and what is likely not meant, in words.

mod conflict;
mod guard_violation;
mod warning;

pub(super) use conflict::conflict;
pub(super) use guard_violation::{guard_violation, max_duration_exceeded};
pub(super) use warning::warning;

use super::plan::{ChangeDocument, OriginDocument};
use super::yaml_scalar::yaml_scalar;
use crate::model::{Lifecycle, SegmentName};
use crate::plan::step::{DeclaredRef, RemoteRef};
use serde::{Deserialize, Serialize};

/// A conflict, a refusal or a warning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingDocument {
    /// A stable word for the kind of finding.
    pub code: String,
    /// The segments it is about, declared ones by their declared names.
    pub segments: Vec<String>,
    /// Where they are declared.
    pub origins: Vec<OriginDocument>,
    /// The live segments on the other side, by id.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remote_ids: Vec<String>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub help: Vec<String>,
    /// What is lost from the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
}

impl FindingDocument {
    fn new(kind: &str, message: String) -> Self {
        Self {
            code: kind.to_owned(),
            segments: Vec::new(),
            origins: Vec::new(),
            remote_ids: Vec::new(),
            message,
            help: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn with_segment(mut self, segment: &DeclaredRef) -> Self {
        // The live segment on the other side may be the declared one itself.
        if !self.segments.contains(&segment.name.to_string()) {
            self.segments.push(segment.name.to_string());
            self.origins.push(OriginDocument::of(&segment.origin));
        }
        self
    }

    fn with_segments(self, segments: &[DeclaredRef]) -> Self {
        segments.iter().fold(self, Self::with_segment)
    }

    /// The other side, with its place where it is declared.
    fn with_remote(mut self, holder: &RemoteRef) -> Self {
        self.remote_ids.push(holder.id.to_string());
        match &holder.declared {
            Some(declared) => self.with_segment(declared),
            None => self,
        }
    }

    fn with_helps(mut self, help: impl IntoIterator<Item = String>) -> Self {
        self.help.extend(help);
        self
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// A live segment, told from a declared one of the same name.
fn describe_remote(holder: &RemoteRef) -> String {
    let state = match holder.lifecycle {
        Lifecycle::Active => "live",
        Lifecycle::Archived => "archived",
    };
    match &holder.declared {
        Some(declared) if declared.name != holder.name => format!(
            "the {state} segment `{}` (id {}, declared as `{}`)",
            holder.name, holder.id, declared.name
        ),
        _ => format!("the {state} segment `{}` (id {})", holder.name, holder.id),
    }
}

/// Declared segments by name.
fn names(segments: &[DeclaredRef]) -> String {
    let names: Vec<_> = segments.iter().map(|segment| quoted(&segment.name)).collect();
    join_with_and(&names)
}

/// As in `a`, `b` and `c`.
fn join_with_and(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// Where a segment is declared.
fn location(segment: &DeclaredRef) -> String {
    format!("{}:{}", segment.origin.file, segment.origin.line)
}

/// A filter that refers to a segment, as a file has it.
fn reference_filter(name: &str) -> String {
    format!("`{{filter_type: custom_segments, name: {}}}`", yaml_scalar(name))
}

fn quoted(name: &SegmentName) -> String {
    format!("`{name}`")
}
