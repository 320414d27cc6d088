//! Plans, run reports and events as documents: the one form behind text and JSON.
//!
//! `format_version` is `MAJOR.MINOR`. A new minor version only adds fields; a new major version may change them, and
//! a reader rejects a major version that it does not know.

mod change;
mod diagnostic;
mod drift;
mod estimate;
mod event;
mod history;
mod members;
mod new_definition;
mod plan;
mod run_report;
mod state;

pub use change::ChangeDocument;
pub use diagnostic::{DiagnosticDocument, FindingKind, LabelDocument};
pub use drift::{DriftReport, PatchDocument};
pub use estimate::{BlockedClassDocument, EstimateDocument, WindowDocument};
pub use event::{EventDocument, RunEvent, StepStartDocument, VersionDocument};
pub use history::{HistoryDocument, RestoredDocument, RevisionDocument};
pub use members::MembersDocument;
pub use plan::{
    DriftDocument, ExcludedDocument, MatchDocument, MissingSegmentDocument, PlanDocument, StepDocument,
};
pub use run_report::{OutcomeCountsDocument, OutcomeDocument, RunReportDocument, RunSummaryDocument};
pub use state::{StateDocument, StateEntryDocument};

/// The version of all documents and events as JSON.
pub const FORMAT_VERSION: &str = "1.0";

#[derive(Debug)]
pub enum DocumentError {
    Malformed(serde_json::Error),
    UnknownVersion(String),
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(_) => formatter.write_str(
                "not a valid plan file; expected the output of `segctl plan --out` or `segctl plan --json`",
            ),
            Self::UnknownVersion(version) => write!(
                formatter,
                "format version {version} is not supported; this segctl reads {FORMAT_VERSION}: create a new plan"
            ),
        }
    }
}

impl std::error::Error for DocumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::UnknownVersion(_) => None,
        }
    }
}

fn check_version(version: &str) -> Result<(), DocumentError> {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(version) == major(FORMAT_VERSION) {
        Ok(())
    } else {
        Err(DocumentError::UnknownVersion(version.to_owned()))
    }
}
