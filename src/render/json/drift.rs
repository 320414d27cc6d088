//! The drift of a workspace as a document.

use super::FORMAT_VERSION;
use super::plan::DriftDocument;
use crate::model::{Freshness, SegmentId};
use crate::plan::step::{Code, Drift, Finding, Plan};
use serde::{Deserialize, Serialize};
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    pub format_version: String,
    pub workspace: String,
    pub endpoint: String,
    /// Whether the workspace has no state, so that drift cannot be detected.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub no_state: bool,
    pub drift: Vec<DriftDocument>,
    /// Drift that the configuration already contains; the next apply records it in the state.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub already_in_configuration: Vec<DriftDocument>,
    pub patches: Vec<PatchDocument>,
    /// By segment id, why drift cannot be written to the configuration completely.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unwritable: BTreeMap<String, String>,
    /// Segments whose drift is unknown, because segctl cannot read them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unreadable: Vec<Finding>,
    /// Rows of the segment list and unmanaged segments that segctl cannot read.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<Finding>,
    /// Segments that MoEngage archives soon; not drift yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub expiring: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freshness: Option<Freshness>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchDocument {
    pub file: String,
    pub diff: String,
}

impl DriftReport {
    pub fn new(
        workspace: &str,
        endpoint: &str,
        drift: &[Drift],
        already_in_files: &BTreeSet<SegmentId>,
        patches: Vec<PatchDocument>,
        unwritable: BTreeMap<SegmentId, String>,
    ) -> Self {
        let (already, open): (Vec<_>, Vec<_>) = drift
            .iter()
            .partition(|drift| already_in_files.contains(&drift.id));
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            workspace: workspace.to_owned(),
            endpoint: endpoint.to_owned(),
            no_state: false,
            drift: open.into_iter().map(DriftDocument::of).collect(),
            already_in_configuration: already.into_iter().map(DriftDocument::of).collect(),
            patches,
            unwritable: unwritable
                .into_iter()
                .map(|(id, reason)| (id.to_string(), reason))
                .collect(),
            unreadable: Vec::new(),
            warnings: Vec::new(),
            expiring: Vec::new(),
            freshness: None,
        }
    }

    /// `no_state`: whether there are segments whose drift is unknown because of that.
    pub fn without_state(workspace: &str, endpoint: &str, no_state: bool) -> Self {
        let none = BTreeSet::new();
        Self {
            no_state,
            ..Self::new(workspace, endpoint, &[], &none, Vec::new(), BTreeMap::new())
        }
    }

    pub fn with_findings(mut self, plan: &Plan) -> Self {
        let found = |findings: &[Finding], codes: &[Code]| {
            let found = findings.iter().filter(|finding| codes.contains(&finding.code));
            found.cloned().collect()
        };
        self.expiring = found(&plan.warnings, &[Code::Expires]);
        self.unreadable = found(&plan.conflicts, &[Code::UnreadableSegment]);
        let about_others = [Code::UnreadableRows, Code::UnreadableSegments];
        self.warnings = found(&plan.warnings, &about_others);
        self
    }

    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }
}

impl PatchDocument {
    pub fn new(file: &str, before: &str, after: &str) -> Self {
        let diff = TextDiff::from_lines(before, after);
        Self {
            file: file.to_owned(),
            diff: diff
                .unified_diff()
                .context_radius(1)
                .header(file, file)
                .to_string(),
        }
    }
}
