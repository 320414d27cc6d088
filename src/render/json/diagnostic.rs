//! Errors in the configuration, findings of the plan and failures of a run, all in one form.

use crate::definition::FieldChange;
use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::model::{SegmentId, SegmentName};
use crate::plan::step::Finding;
use serde::Serialize;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiagnosticDocument {
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// `configuration`, `conflict`, `guard`, `plan` or `run`.
    pub source: &'static str,
    /// A rule code such as `SEG012`, the code of a finding, or the kind of a failure.
    pub code: String,
    pub message: String,
    /// The first is the primary location.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_ids: Vec<SegmentId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelDocument {
    pub file: String,
    /// 1-based; `null` for the whole file.
    pub line: Option<u32>,
    /// 1-based, in characters; `null` for the whole file.
    pub column: Option<u32>,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    Conflict,
    Guard,
    Warning,
}

impl DiagnosticDocument {
    pub fn of_configuration(diagnostic: &Diagnostic) -> Self {
        Self {
            labels: diagnostic.labels.iter().map(LabelDocument::of).collect(),
            notes: diagnostic.notes.clone(),
            help: diagnostic.help.clone(),
            ..Self::new(
                diagnostic.severity,
                "configuration",
                diagnostic.code,
                &diagnostic.message,
            )
        }
    }

    pub fn of_finding(finding: &Finding, kind: FindingKind) -> Self {
        let (severity, source) = match kind {
            FindingKind::Conflict => (Severity::Error, "conflict"),
            FindingKind::Guard => (Severity::Error, "guard"),
            FindingKind::Warning => (Severity::Warning, "plan"),
        };
        let labels = finding.origins.iter().map(|origin| LabelDocument {
            file: origin.file.clone(),
            line: Some(origin.line),
            column: Some(origin.column),
            message: String::new(),
        });
        Self {
            labels: labels.collect(),
            segments: finding.segments.clone(),
            remote_ids: finding.remote_ids.clone(),
            changes: finding.changes.clone(),
            help: finding.help.clone(),
            ..Self::new(severity, source, &finding.code.to_string(), &finding.message)
        }
    }

    pub fn of_run(code: &str, message: &str, causes: &[String], help: &[String]) -> Self {
        Self {
            notes: causes.to_vec(),
            help: help.to_vec(),
            ..Self::new(Severity::Error, "run", code, message)
        }
    }

    fn new(severity: Severity, source: &'static str, code: &str, message: &str) -> Self {
        Self {
            severity: severity.as_str(),
            source,
            code: code.to_owned(),
            message: message.to_owned(),
            ..Self::default()
        }
    }
}

impl LabelDocument {
    pub(in crate::render) fn of(label: &Label) -> Self {
        let counted = |number: u32| (number > 0).then_some(number);
        Self {
            file: label.location.file.to_string(),
            line: counted(label.location.line),
            column: counted(label.location.column),
            message: label.message.clone(),
        }
    }
}
