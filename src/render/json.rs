//! Plans, receipts and events as documents: the one shape behind text and JSON.
//!
//! `format_version` is `MAJOR.MINOR`: a new minor only adds fields, a new major may change them, and a reader
//! refuses a major that it does not know.

mod diagnostic;
mod drift;
mod estimate;
mod event;
mod finding;
mod freshness;
mod history;
mod members;
mod plan;
mod run_report;
mod state;
mod yaml_scalar;

pub use diagnostic::{DiagnosticDocument, FindingKind, LabelDocument};
pub use drift::{DriftReport, PatchDocument};
pub use estimate::{BlockedClassDocument, EstimateDocument, WindowDocument};
pub use event::{EventDocument, RunEvent, StepStartDocument, VersionDocument};
pub use finding::FindingDocument;
pub use freshness::FreshnessDocument;
pub use history::{HistoryDocument, RestoredDocument, RevisionDocument};
pub use members::MembersDocument;
pub use plan::{
    ChangeDocument, DependentDocument, DriftDocument, ExcludedDocument, MatchDocument,
    MissingSegmentDocument, OriginDocument, PlanDocument, SegmentRefDocument, StepDocument, SummaryDocument,
};
pub use run_report::{OutcomeCountsDocument, OutcomeDocument, RunReportDocument, RunSummaryDocument};
pub use state::{StateDocument, StateEntryDocument};

/// The version of plans, receipts and events as JSON.
pub const FORMAT_VERSION: &str = "2.0";

/// Why a document cannot be shown.
#[derive(Debug)]
pub enum DocumentError {
    /// It is no JSON, or not of the shape that segctl writes.
    Malformed(serde_json::Error),
    /// It is of a major version that this segctl does not know.
    UnknownVersion(String),
}

impl std::fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(_) => write!(
                formatter,
                "it is no plan that `segctl plan --out` or `segctl plan --json` wrote, or it is broken"
            ),
            Self::UnknownVersion(version) => {
                write!(
                    formatter,
                    "it has format version {version}, and this segctl knows {FORMAT_VERSION}"
                )
            }
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

/// Refuses documents of another major version.
fn check_version(version: &str) -> Result<(), DocumentError> {
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    if major(version) == major(FORMAT_VERSION) {
        Ok(())
    } else {
        Err(DocumentError::UnknownVersion(version.to_owned()))
    }
}
