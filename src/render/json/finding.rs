//! Conflicts, guard violations and warnings as messages with help.

mod conflict;
mod guard_violation;
mod unreadable;
mod warning;

pub(super) use conflict::conflict;
pub(super) use guard_violation::{guard_violation, max_duration_exceeded};
pub(super) use warning::warning;

use super::change::ChangeDocument;
use super::origin::OriginDocument;
use super::yaml_scalar::yaml_scalar;
use crate::model::{Lifecycle, SegmentName};
use crate::plan::step::{DeclaredRef, RemoteRef};
use crate::render::phrases::join_with_and;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FindingDocument {
    pub code: String,
    /// Declared segments under their declared names.
    pub segments: Vec<String>,
    pub origins: Vec<OriginDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub remote_ids: Vec<String>,
    pub message: String,
    pub help: Vec<String>,
    /// What an apply overwrites in the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
}

impl FindingDocument {
    fn new(code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
            ..Self::default()
        }
    }

    fn between(code: &str, message: String, segment: &DeclaredRef, remote: &RemoteRef) -> Self {
        Self::new(code, message).with_segment(segment).with_remote(remote)
    }

    fn with_segment(mut self, segment: &DeclaredRef) -> Self {
        // The remote segment may match the declared one itself.
        if !self.segments.contains(&segment.name.to_string()) {
            self.segments.push(segment.name.to_string());
            self.origins.push(OriginDocument::of(&segment.origin));
        }
        self
    }

    fn with_segments(self, segments: &[DeclaredRef]) -> Self {
        segments.iter().fold(self, Self::with_segment)
    }

    /// Adds a remote segment, with its location if it is declared.
    fn with_remote(mut self, remote: &RemoteRef) -> Self {
        self.remote_ids.push(remote.id.to_string());
        match &remote.declared {
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

/// Distinguishes a remote segment from a declared one of the same name.
fn describe_remote(remote: &RemoteRef) -> String {
    let lifecycle = match remote.lifecycle {
        Lifecycle::Active => "existing",
        Lifecycle::Archived => "archived",
    };
    match &remote.declared {
        Some(declared) if declared.name != remote.name => format!(
            "the {lifecycle} segment `{}` (id {}, declared as `{}`)",
            remote.name, remote.id, declared.name
        ),
        _ => format!("the {lifecycle} segment `{}` (id {})", remote.name, remote.id),
    }
}

fn names(segments: &[DeclaredRef]) -> String {
    let names: Vec<_> = segments.iter().map(|segment| quoted(&segment.name)).collect();
    join_with_and(&names)
}

fn location(segment: &DeclaredRef) -> String {
    format!("{}:{}", segment.origin.file, segment.origin.line)
}

fn reference_filter(name: &str) -> String {
    format!("`{{filter_type: custom_segments, name: {}}}`", yaml_scalar(name))
}

fn quoted(name: &SegmentName) -> String {
    format!("`{name}`")
}
