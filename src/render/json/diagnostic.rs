//! Everything that can be wrong, in one shape: faults of files, findings of the plan, and why a run failed.

use super::finding::FindingDocument;
use super::plan::ChangeDocument;
use crate::diagnostic::{Diagnostic, Label, Severity};
use serde::Serialize;

/// Something that is wrong, or likely not meant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiagnosticDocument {
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// `files`, `conflict`, `guard`, `plan` or `run`.
    pub source: &'static str,
    /// A stable word: `SEG012` for files, the kind of a finding, or the kind of a failure.
    pub code: String,
    /// What is the matter.
    pub message: String,
    /// Where; the first is the primary place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelDocument>,
    /// The segments that a finding is about, declared ones by their declared names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
    /// The live segments on the other side, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remote_ids: Vec<String>,
    /// What is lost from the workspace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeDocument>,
    /// What explains or caused it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelDocument {
    /// The file as the user would name it.
    pub file: String,
    /// 1-based; `null` where the whole file is meant.
    pub line: Option<u32>,
    /// 1-based, in characters; `null` where the whole file is meant.
    pub column: Option<u32>,
    /// The words beside it; may be empty.
    pub message: String,
}

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// It cannot be applied.
    Conflict,
    /// It is too much to be applied without being told.
    Guard,
    /// It is likely not meant.
    Warning,
}

impl DiagnosticDocument {
    /// Something that is wrong with the files.
    #[must_use]
    pub fn of_files(diagnostic: &Diagnostic) -> Self {
        Self {
            labels: diagnostic.labels.iter().map(LabelDocument::of).collect(),
            notes: diagnostic.notes.clone(),
            help: diagnostic.help.clone(),
            ..Self::new(
                (diagnostic.severity, "files"),
                diagnostic.code,
                &diagnostic.message,
            )
        }
    }

    /// Something that was found out while planning.
    #[must_use]
    pub fn of_finding(finding: &FindingDocument, kind: FindingKind) -> Self {
        let about = match kind {
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
            ..Self::new(about, &finding.code, &finding.message)
        }
    }

    /// Why a run failed or was stopped.
    #[must_use]
    pub fn of_run(code: &str, message: &str, (causes, help): (&[String], &[String])) -> Self {
        Self {
            notes: causes.to_vec(),
            help: help.to_vec(),
            ..Self::new((Severity::Error, "run"), code, message)
        }
    }

    fn new((severity, about): (Severity, &'static str), code: &str, message: &str) -> Self {
        Self {
            severity: severity.as_str(),
            source: about,
            code: code.to_owned(),
            message: message.to_owned(),
            labels: Vec::new(),
            segments: Vec::new(),
            remote_ids: Vec::new(),
            changes: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }
}

impl LabelDocument {
    fn of(label: &Label) -> Self {
        let counted = |number: u32| (number > 0).then_some(number);
        Self {
            file: label.location.file.to_string(),
            line: counted(label.location.line),
            column: counted(label.location.column),
            message: label.message.clone(),
        }
    }
}
