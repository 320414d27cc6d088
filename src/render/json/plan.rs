//! A plan as a document.

use super::estimate::EstimateDocument;
use super::finding::{self, FindingDocument};
use super::freshness::FreshnessDocument;
use super::members::MembersDocument;
use super::{DocumentError, FORMAT_VERSION, check_version};
use crate::definition::FieldChange;
use crate::model::Origin;
use crate::plan::estimate::{Estimate, MaxDurationExceeded};
use crate::plan::step::{
    Action, ChangeWithCause, Drift, Excluded, LifecycleDrift, Plan, SegmentRef, Step, Unchanged,
};
use crate::state::StateEntry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plan, complete enough to be shown without the files or the workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    /// See the module's documentation.
    pub format_version: String,
    /// The segctl that made the plan.
    pub segctl_version: String,
    /// The workspace's name in `segctl.yaml`.
    pub workspace: String,
    /// The steps, counted.
    pub summary: SummaryDocument,
    /// The steps in the order to run them.
    pub steps: Vec<StepDocument>,
    /// Declared segments that are as they should be.
    pub unchanged: Vec<MatchDocument>,
    /// Those of them that are met for the first time.
    pub adopted: Vec<MatchDocument>,
    /// Live segments that are neither declared nor owned.
    pub unmanaged: Vec<SegmentRefDocument>,
    /// What changed in the workspace since it was last applied.
    pub drift: Vec<DriftDocument>,
    /// What cannot be applied.
    pub conflicts: Vec<FindingDocument>,
    /// What is too much to be applied without being told.
    pub guard_violations: Vec<FindingDocument>,
    /// What is likely not meant.
    pub warnings: Vec<FindingDocument>,
    /// What `--target` and `--exclude` left out.
    pub excluded: ExcludedDocument,
    /// What applying it costs; missing where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<EstimateDocument>,
    /// How old what it saw is; missing where it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freshness: Option<FreshnessDocument>,
}

/// A declared segment with the live one that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchDocument {
    /// The declared name.
    pub segment: String,
    /// The live segment's id; missing where nothing is live and nothing should be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Why the live segment is taken for the declared one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_by: Option<String>,
}

/// What a selection left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedDocument {
    /// How many steps.
    pub steps: usize,
    /// The flags that left them out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<String>,
    /// Segments that would be in the plan if they did not depend on what `--exclude` names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dependents: Vec<DependentDocument>,
}

/// A segment and the one that it depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependentDocument {
    /// The segment.
    pub segment: String,
    /// The one that it depends on.
    pub depends_on: String,
}

/// A live segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRefDocument {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
}

/// What changed of one segment in the workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDocument {
    /// The name it was last applied under.
    pub segment: String,
    /// Its id.
    pub id: String,
    /// Where it is declared, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<OriginDocument>,
    /// The name it was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renamed_to: Option<String>,
    /// What became of its lifecycle, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle: Option<String>,
    /// Fields of its definition, from what was applied to what is there.
    pub changes: Vec<ChangeDocument>,
}

/// How many steps there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryDocument {
    /// Segments made.
    pub create: usize,
    /// Segments changed.
    pub update: usize,
    /// Segments put away.
    pub archive: usize,
    /// Segments taken out again.
    pub unarchive: usize,
    /// Declared segments met for the first time, changed or not.
    pub adopt: usize,
    /// Segments put away that segctl did not make and that only a pattern in `owns` names.
    #[serde(default)]
    pub archive_unmanaged: usize,
}

/// A segment that was live and is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSegmentDocument {
    /// Its id.
    pub id: String,
    /// When it was applied last.
    pub applied_at: Timestamp,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDocument {
    /// 1-based place in the plan.
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    /// The declared name.
    pub segment: String,
    /// The live segment's id, when there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Why the live segment is taken for the declared one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_by: Option<String>,
    /// Where the segment is declared; missing when no file declares it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<OriginDocument>,
    /// The name the segment has after the step, when the step changes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renamed_to: Option<String>,
    /// What the step gives up in passing: `name`, `definition` or `name and definition`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub temporary_change: Option<String>,
    /// What became of the segment's lifecycle since it was last applied, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle_drift: Option<String>,
    /// The segment that it was before, where that one is gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaces_missing: Option<MissingSegmentDocument>,
    /// Whether this is the first contact with a segment that somebody else made.
    #[serde(default)]
    pub adopts: bool,
    /// For the sake of which segments it is there, where `--target` did not name its own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub required_by: Vec<String>,
    /// The segment that fits into the workspace once it is done, near the limit of active ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frees_slot_for: Option<String>,
    /// Steps that have to be applied before.
    pub depends_on: Vec<usize>,
    /// What changes, for updates.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
    /// Who comes and who goes, for cohorts and file segments.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub members: Option<MembersDocument>,
    /// The definition after the step in normal form, when the step stores one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Value>,
    /// The digest of `after`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginDocument {
    /// The file as the user would name it.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
}

/// One changed field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeDocument {
    /// The way to it.
    pub path: Vec<String>,
    /// The field; `null` when a whole filter came or went.
    pub field: Option<String>,
    /// The value before; `null` when there was none.
    pub before: Option<Value>,
    /// The value after; `null` when there is none.
    pub after: Option<Value>,
    /// Who made the difference: `files`, `workspace` or `both`; missing where the ledger does not know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

impl PlanDocument {
    /// The document of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let summary = plan.summary();
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            workspace: plan.workspace.clone(),
            summary: SummaryDocument {
                create: summary.create,
                update: summary.update,
                archive: summary.archive,
                unarchive: summary.unarchive,
                adopt: summary.adopt,
                archive_unmanaged: summary.archive_unmanaged,
            },
            steps: plan.steps.iter().map(|step| self::step(step, plan)).collect(),
            unchanged: plan.unchanged.iter().map(MatchDocument::of).collect(),
            adopted: adopted(plan),
            unmanaged: plan.unmanaged.iter().map(SegmentRefDocument::of).collect(),
            drift: plan.drift.iter().map(DriftDocument::of).collect(),
            conflicts: plan.conflicts.iter().map(finding::conflict).collect(),
            guard_violations: plan
                .guard_violations
                .iter()
                .map(finding::guard_violation)
                .collect(),
            warnings: plan.warnings.iter().map(finding::warning).collect(),
            excluded: ExcludedDocument::of(&plan.excluded),
            estimate: None,
            freshness: None,
        }
    }

    /// With what applying the plan costs, and that this is more time than it may take.
    #[must_use]
    pub fn with_estimate(mut self, quota: &Estimate, over: Option<&MaxDurationExceeded>) -> Self {
        self.guard_violations
            .extend(over.map(finding::max_duration_exceeded));
        if quota.total > 0 {
            self.estimate = Some(EstimateDocument::new(quota));
        }
        self
    }

    /// With how old what the plan saw is.
    #[must_use]
    pub fn with_freshness(mut self, seen: FreshnessDocument) -> Self {
        self.freshness = Some(seen);
        self
    }

    /// Reads a document that was written as JSON.
    ///
    /// # Errors
    ///
    /// Text that is no such document, or one of another major version.
    pub fn from_json(text: &str) -> Result<Self, DocumentError> {
        let value: Value = serde_json::from_str(text).map_err(DocumentError::Malformed)?;
        if let Some(version) = value.get("format_version").and_then(Value::as_str) {
            check_version(version)?;
        }
        serde_json::from_value(value).map_err(DocumentError::Malformed)
    }
}

fn adopted(plan: &Plan) -> Vec<MatchDocument> {
    let records = plan.state_updates.iter().filter(|record| record.adopts);
    let adopted = records.map(|record| MatchDocument {
        segment: record.segment.to_string(),
        id: Some(record.id.to_string()),
        matched_by: Some(record.matched_by.to_string()),
    });
    adopted.collect()
}

fn step(step: &Step, plan: &Plan) -> StepDocument {
    let wanted = step.action.desired();
    let target = step.action.target();
    let change = match &step.action {
        Action::Update(change) => Some(change),
        Action::Create(_)
        | Action::Archive(_)
        | Action::Unarchive(_)
        | Action::SyncCohort(_)
        | Action::UploadUserList(_) => None,
    };
    StepDocument {
        number: step.number,
        action: step.action.as_str().to_owned(),
        segment: step.segment.to_string(),
        id: target.map(|target| target.id.to_string()),
        matched_by: target.map(|target| target.matched_by.to_string()),
        origin: step.origin.as_ref().map(OriginDocument::of),
        renamed_to: change
            .filter(|change| change.renames())
            .map(|change| change.name.to_string()),
        temporary_change: step
            .action
            .temporary_change()
            .map(|passing| passing.as_str().to_owned()),
        lifecycle_drift: lifecycle_drift(step, plan),
        replaces_missing: replaces_missing(step, plan),
        adopts: step.adopts,
        required_by: step.required_by.iter().map(ToString::to_string).collect(),
        frees_slot_for: step.frees_slot_for.as_ref().map(ToString::to_string),
        depends_on: step.depends_on.clone(),
        changes: change
            .into_iter()
            .flat_map(|change| change.changes.iter().map(ChangeDocument::with_cause))
            .collect(),
        members: MembersDocument::of(&step.action),
        after: wanted.map(|wanted| wanted.canonical(&plan.references)),
        digest: wanted.map(|wanted| wanted.digests.exact.to_string()),
    }
}

/// Why a segment has to be taken out that nobody put away in the files.
fn lifecycle_drift(step: &Step, plan: &Plan) -> Option<String> {
    let Action::Unarchive(target) = &step.action else {
        return None;
    };
    let drift = plan.drift.iter().find(|drift| drift.id == target.id)?;
    drift.lifecycle.map(|lifecycle| lifecycle.as_str().to_owned())
}

/// What was live under the name of a segment that has to be made, as far as the ledger knows.
fn replaces_missing(step: &Step, plan: &Plan) -> Option<MissingSegmentDocument> {
    if step.action.target().is_some() {
        return None;
    }
    let mut drift = plan.drift.iter();
    let gone = drift
        .find(|drift| drift.segment == step.segment && drift.lifecycle == Some(LifecycleDrift::Missing))?;
    Some(MissingSegmentDocument {
        id: gone.id.to_string(),
        applied_at: gone.applied_at,
    })
}

impl OriginDocument {
    /// The document of a place.
    #[must_use]
    pub fn of(origin: &Origin) -> Self {
        Self {
            file: origin.file.clone(),
            line: origin.line,
            column: origin.column,
        }
    }
}

impl ChangeDocument {
    /// The document of a change of which nobody asks who made it.
    #[must_use]
    pub fn of(change: &FieldChange) -> Self {
        Self {
            path: change.path.clone(),
            field: change.field.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            cause: None,
        }
    }

    fn with_cause(changed: &ChangeWithCause) -> Self {
        Self {
            cause: changed.cause.map(|cause| cause.as_str().to_owned()),
            ..Self::of(&changed.change)
        }
    }
}

impl MatchDocument {
    fn of(unchanged: &Unchanged) -> Self {
        let live = unchanged.remote.as_ref();
        Self {
            segment: unchanged.segment.to_string(),
            id: live.map(|(id, _)| id.to_string()),
            matched_by: live.map(|(_, reason)| reason.to_string()),
        }
    }
}

impl ExcludedDocument {
    fn of(left_out: &Excluded) -> Self {
        let flags = [
            (left_out.by_target, "--target"),
            (left_out.by_exclude, "--exclude"),
        ];
        let flags = flags.into_iter().filter(|(is_meant, _)| *is_meant);
        let dependents = left_out.dependents.iter();
        Self {
            steps: left_out.steps,
            flags: flags.map(|(_, flag)| flag.to_owned()).collect(),
            dependents: dependents
                .map(|dependent| DependentDocument {
                    segment: dependent.segment.to_string(),
                    depends_on: dependent.depends_on.to_string(),
                })
                .collect(),
        }
    }
}

impl SegmentRefDocument {
    /// The document of a segment under the name that it was last applied under.
    #[must_use]
    pub fn of_entry(entry: &StateEntry) -> Self {
        Self {
            name: entry.name.to_string(),
            id: entry.id.to_string(),
        }
    }

    fn of(live: &SegmentRef) -> Self {
        Self {
            name: live.name.to_string(),
            id: live.id.to_string(),
        }
    }
}

impl DriftDocument {
    /// The document of one segment's drift.
    #[must_use]
    pub fn of(drift: &Drift) -> Self {
        Self {
            segment: drift.segment.to_string(),
            id: drift.id.to_string(),
            origin: drift.origin.as_ref().map(OriginDocument::of),
            renamed_to: drift.renamed_to.as_ref().map(ToString::to_string),
            lifecycle: drift.lifecycle.map(|lifecycle| lifecycle.as_str().to_owned()),
            changes: drift.changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}
