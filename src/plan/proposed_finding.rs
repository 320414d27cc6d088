//! Findings while the plan is made, and the segments that they name.

use super::step::{Code, Finding, SegmentRef};
use crate::model::{DeclaredSegment, Lifecycle, Origin, SegmentId, SegmentName};
use std::fmt;

/// A finding before the selection: `--target` and `--exclude` may leave it out of the plan.
#[derive(Clone, Debug)]
pub(super) struct ProposedFinding {
    pub(super) finding: Finding,
    /// The segments whose steps it is about; none for the whole workspace.
    pub(super) subjects: Vec<SegmentName>,
    /// The remote segments on whose definitions it depends.
    pub(super) remote_ids: Vec<SegmentId>,
}

/// A declared segment, at its declaration or at one of its references.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeclaredRef<'a> {
    pub(super) name: &'a SegmentName,
    pub(super) origin: &'a Origin,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RemoteRef<'a> {
    pub(super) id: &'a SegmentId,
    pub(super) name: &'a SegmentName,
    pub(super) lifecycle: Lifecycle,
    pub(super) declared: Option<DeclaredRef<'a>>,
}

/// What the stages found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ProposedFindings {
    pub(super) conflicts: Vec<ProposedFinding>,
    pub(super) warnings: Vec<ProposedFinding>,
}

impl ProposedFinding {
    pub(super) fn new(code: Code, message: String) -> Self {
        Self {
            finding: Finding::new(code, message),
            subjects: Vec::new(),
            remote_ids: Vec::new(),
        }
    }

    pub(super) fn about<'a>(mut self, segment: impl Into<DeclaredRef<'a>>) -> Self {
        let segment = segment.into();
        self.subjects.push(segment.name.clone());
        self.at(segment)
    }

    pub(super) fn about_all<'a>(self, segments: impl IntoIterator<Item = DeclaredRef<'a>>) -> Self {
        segments.into_iter().fold(self, Self::about)
    }

    /// Undeclared segments, or declared ones without a location.
    pub(super) fn about_remotes(mut self, segments: &[SegmentRef]) -> Self {
        let names = || segments.iter().map(|segment| segment.name.clone());
        self.subjects.extend(names());
        self.finding.segments.extend(names());
        let ids = segments.iter().map(|segment| segment.id.clone());
        self.finding.remote_ids.extend(ids);
        self
    }

    /// Adds the remote segment that is in the way, with its location if it is declared.
    pub(super) fn held_by(mut self, holder: &RemoteRef<'_>) -> Self {
        self.remote_ids.push(holder.id.clone());
        self.finding.remote_ids.push(holder.id.clone());
        match holder.declared {
            Some(declared) => self.at(declared),
            None => self,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.finding.help.push(help.into());
        self
    }

    pub(super) fn helps(mut self, help: impl IntoIterator<Item = String>) -> Self {
        self.finding.help.extend(help);
        self
    }

    fn at(mut self, segment: DeclaredRef<'_>) -> Self {
        // The remote segment may match the declared one itself.
        if !self.finding.segments.contains(segment.name) {
            self.finding.segments.push(segment.name.clone());
            self.finding.origins.push(segment.origin.clone());
        }
        self
    }
}

impl From<ProposedFinding> for Finding {
    fn from(proposed: ProposedFinding) -> Self {
        proposed.finding
    }
}

impl<'a> From<&'a DeclaredSegment> for DeclaredRef<'a> {
    fn from(segment: &'a DeclaredSegment) -> Self {
        Self {
            name: &segment.name,
            origin: &segment.origin,
        }
    }
}

impl DeclaredRef<'_> {
    pub(super) fn file_and_line(&self) -> String {
        format!("{}:{}", self.origin.file, self.origin.line)
    }
}

/// Distinguishes a remote segment from a declared one of the same name.
impl fmt::Display for RemoteRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, .. } = self;
        let lifecycle = match self.lifecycle {
            Lifecycle::Active => "existing",
            Lifecycle::Archived => "archived",
        };
        write!(formatter, "the {lifecycle} segment `{name}` (id {id}")?;
        match self.declared.filter(|declared| declared.name != *name) {
            Some(declared) => write!(formatter, ", declared as `{}`)", declared.name),
            None => formatter.write_str(")"),
        }
    }
}
