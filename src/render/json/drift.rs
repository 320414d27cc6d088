//! Drift as a document.

use super::plan::DriftDocument;
use super::{FORMAT_VERSION, FindingDocument, FreshnessDocument, finding};
use crate::model::SegmentId;
use crate::plan::step::{Drift, Warning};
use serde::{Deserialize, Serialize};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};

/// What changed in a workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// See the module's documentation.
    pub format_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// Whether nothing was applied from here yet, so that nothing can be told.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub no_state: bool,
    /// Segment by segment, without those of which the files say it already.
    pub drift: Vec<DriftDocument>,
    /// Those of which the files say it already: there is nothing to do, and the next apply takes them down.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub already_in_files: Vec<DriftDocument>,
    /// What the files would have to say to keep it, file by file.
    pub patches: Vec<PatchDocument>,
    /// Segments of which no file can say it, or not all of it, by id, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unwritable: BTreeMap<String, String>,
    /// Segments that the service archives soon, which is not drift yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub expiring: Vec<FindingDocument>,
    /// How old what was seen is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freshness: Option<FreshnessDocument>,
}

/// What a file would have to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchDocument {
    /// The file as the user would name it.
    pub file: String,
    /// A unified diff.
    pub diff: String,
}

impl DriftReport {
    /// The report of `drift`, of which the files say a part already, with what was found for the files.
    #[must_use]
    pub fn new(
        workspace: &str,
        (drift, in_files): (&[Drift], &BTreeSet<SegmentId>),
        patches: Vec<PatchDocument>,
        unwritten: BTreeMap<SegmentId, String>,
    ) -> Self {
        let (in_files, open): (Vec<_>, Vec<_>) = drift.iter().partition(|drift| in_files.contains(&drift.id));
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            no_state: false,
            drift: open.into_iter().map(DriftDocument::of).collect(),
            already_in_files: in_files.into_iter().map(DriftDocument::of).collect(),
            patches,
            unwritable: unwritten
                .into_iter()
                .map(|(id, why)| (id.to_string(), why))
                .collect(),
            expiring: Vec::new(),
            freshness: None,
        }
    }

    /// With those of the warnings of a plan that tell of segments which expire.
    #[must_use]
    pub fn with_expiring(mut self, warnings: &[Warning]) -> Self {
        let expiring = warnings
            .iter()
            .filter(|warning| matches!(warning, Warning::Expires { .. }));
        self.expiring = expiring.map(finding::warning).collect();
        self
    }

    /// With how old what was seen is.
    #[must_use]
    pub fn with_freshness(mut self, seen: FreshnessDocument) -> Self {
        self.freshness = Some(seen);
        self
    }
}

impl PatchDocument {
    /// The difference between a file and what it would have to say.
    #[must_use]
    pub fn new(file: &str, before: &str, after: &str) -> Self {
        let diff = TextDiff::from_lines(before, after);
        let diff = diff
            .unified_diff()
            .context_radius(1)
            .header(file, file)
            .to_string();
        Self {
            file: file.to_owned(),
            diff,
        }
    }
}
