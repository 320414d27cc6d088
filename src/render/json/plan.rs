//! A plan as a document, complete enough to be shown without the configuration or the workspace.

use super::change::ChangeDocument;
use super::estimate::EstimateDocument;
use super::members::MembersDocument;
use super::new_definition::new_definition;
use super::{DocumentError, FORMAT_VERSION, check_version};
use crate::model::{Freshness, Origin, SegmentId, SegmentName, json_from_file};
use crate::plan::estimate::{Estimate, MaxDurationExceeded};
use crate::plan::step::{
    Action, Dependent, Drift, Excluded, Finding, LifecycleDrift, MatchReason, Plan, SegmentRef, Step,
    Summary, TemporaryChange,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanDocument {
    pub format_version: String,
    pub segctl_version: String,
    pub workspace: String,
    /// For people: `MoEngage DC 01`, a URL, or the sandbox's file.
    pub endpoint: String,
    pub summary: Summary,
    pub steps: Vec<StepDocument>,
    pub unchanged: Vec<MatchDocument>,
    /// Existing segments that match the configuration and become managed without a write.
    pub adopted: Vec<MatchDocument>,
    pub unmanaged: Vec<SegmentRef>,
    pub drift: Vec<DriftDocument>,
    pub conflicts: Vec<Finding>,
    pub guard_violations: Vec<Finding>,
    pub warnings: Vec<Finding>,
    pub excluded: ExcludedDocument,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<EstimateDocument>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub freshness: Option<Freshness>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchDocument {
    pub segment: String,
    /// Missing when there is no remote segment and none is declared active.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// A code: `id`, `state`, `name`, `temporary_name`, `previous_name`, `definition`, `removed_from_configuration`
    /// or `pattern`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_by: Option<String>,
    /// `matched_by` as a phrase.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub match_reason: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedDocument {
    pub steps: usize,
    /// Adoptions without a step.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub adoptions: usize,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<String>,
    /// Segments that are excluded only because they depend on a segment that `--exclude` matches.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub dependents: Vec<Dependent>,
}

/// The changes of one segment in the workspace since the last apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDocument {
    /// The name at the last apply.
    pub segment: String,
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renamed_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle: Option<LifecycleDrift>,
    /// From the applied definition to the remote one.
    pub changes: Vec<ChangeDocument>,
}

/// A segment that the state contains and MoEngage does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingSegmentDocument {
    pub id: String,
    pub applied_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDocument {
    pub number: usize,
    /// `create`, `update`, `archive` or `unarchive`.
    pub action: String,
    /// The declared name; the remote name when the segment is not in the configuration.
    pub segment: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// A code, as in [`MatchDocument`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub matched_by: Option<String>,
    /// `matched_by` as a phrase.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub match_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub renamed_to: Option<String>,
    /// What the step frees for another segment; a later step sets the final value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub temporary_change: Option<TemporaryChange>,
    /// The lifecycle change in the workspace that an unarchive reverts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lifecycle_drift: Option<LifecycleDrift>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaces_missing: Option<MissingSegmentDocument>,
    /// Whether the step is the first one on an existing segment that segctl did not create.
    #[serde(default)]
    pub adopts: bool,
    /// The targeted segments that need the step, when `--target` does not match its own segment.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub required_by: Vec<String>,
    /// Near the limit of active segments, the segment that needs the slot.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub frees_slot_for: Option<String>,
    pub depends_on: Vec<usize>,
    /// For a create, the whole definition, field by field as in its file.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub members: Option<MembersDocument>,
    /// The canonical definition after the step, when the step writes one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<String>,
}

impl PlanDocument {
    pub fn new(plan: &Plan) -> Self {
        Self {
            format_version: FORMAT_VERSION.to_owned(),
            segctl_version: env!("CARGO_PKG_VERSION").to_owned(),
            workspace: plan.workspace.clone(),
            endpoint: plan.endpoint.clone(),
            summary: plan.summary(),
            steps: plan.steps.iter().map(|step| self::step(step, plan)).collect(),
            unchanged: plan
                .unchanged
                .iter()
                .map(|unchanged| {
                    let remote = unchanged.remote.as_ref();
                    MatchDocument::new(&unchanged.segment, remote.map(|(id, reason)| (id, reason)))
                })
                .collect(),
            adopted: plan
                .adoptions()
                .map(|update| MatchDocument::new(&update.segment, Some((&update.id, &update.matched_by))))
                .collect(),
            unmanaged: plan.unmanaged.clone(),
            drift: plan.drift.iter().map(DriftDocument::of).collect(),
            conflicts: plan.conflicts.clone(),
            guard_violations: plan.guard_violations.clone(),
            warnings: plan.warnings.clone(),
            excluded: ExcludedDocument::of(&plan.excluded),
            estimate: None,
            freshness: None,
        }
    }

    pub fn of_saved_plan(plan: &Plan, freshness: Option<Freshness>) -> Self {
        Self {
            freshness,
            ..Self::new(plan)
        }
    }

    pub fn with_estimate(mut self, estimate: &Estimate, exceeded: Option<&MaxDurationExceeded>) -> Self {
        self.guard_violations
            .extend(exceeded.map(MaxDurationExceeded::finding));
        if estimate.total > 0 {
            self.estimate = Some(EstimateDocument::new(estimate));
        }
        self
    }

    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = Some(freshness);
        self
    }

    /// Whether an apply neither changes a segment nor adopts one.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.adopted.is_empty()
    }

    pub fn is_blocked(&self) -> bool {
        !self.conflicts.is_empty() || !self.guard_violations.is_empty()
    }

    pub fn from_json(text: &str) -> Result<Self, DocumentError> {
        let value: Value = json_from_file(text).map_err(DocumentError::Malformed)?;
        if let Some(version) = value.get("format_version").and_then(Value::as_str) {
            check_version(version)?;
        }
        serde_json::from_value(value).map_err(DocumentError::Malformed)
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn step(step: &Step, plan: &Plan) -> StepDocument {
    let desired = step.action.desired();
    let target = step.action.target();
    let update = match &step.action {
        Action::Update(update) => Some(update),
        _ => None,
    };
    StepDocument {
        number: step.number,
        action: step.action.as_str().to_owned(),
        segment: step.segment.to_string(),
        id: target.map(|target| target.id.to_string()),
        matched_by: target.map(|target| match_code(&target.matched_by).to_owned()),
        match_reason: target.map(|target| target.matched_by.to_string()),
        origin: step.origin.clone(),
        renamed_to: update
            .filter(|update| update.renames())
            .map(|update| update.name.to_string()),
        temporary_change: step.action.temporary_change(),
        lifecycle_drift: lifecycle_drift(step, plan),
        replaces_missing: replaces_missing(step, plan),
        adopts: step.adopts,
        required_by: step.required_by.iter().map(ToString::to_string).collect(),
        frees_slot_for: step.frees_slot_for.as_ref().map(ToString::to_string),
        depends_on: step.depends_on.clone(),
        changes: match &step.action {
            Action::Update(update) => update.changes.iter().map(ChangeDocument::with_cause).collect(),
            action => new_definition(action, &plan.references),
        },
        members: MembersDocument::of(&step.action),
        after: desired.map(|desired| desired.canonical(&plan.references)),
        digest: desired.map(|desired| desired.digests.exact.to_string()),
    }
}

fn lifecycle_drift(step: &Step, plan: &Plan) -> Option<LifecycleDrift> {
    let Action::Unarchive(target) = &step.action else {
        return None;
    };
    plan.drift.iter().find(|drift| drift.id == target.id)?.lifecycle
}

fn replaces_missing(step: &Step, plan: &Plan) -> Option<MissingSegmentDocument> {
    if step.action.target().is_some() {
        return None;
    }
    let is_missing =
        |drift: &&Drift| drift.segment == step.segment && drift.lifecycle == Some(LifecycleDrift::Missing);
    let missing = plan.drift.iter().find(is_missing)?;
    Some(MissingSegmentDocument {
        id: missing.id.to_string(),
        applied_at: missing.applied_at,
    })
}

fn match_code(reason: &MatchReason) -> &'static str {
    match reason {
        MatchReason::Id => "id",
        MatchReason::State => "state",
        MatchReason::Name => "name",
        MatchReason::TemporaryName => "temporary_name",
        MatchReason::PreviousName => "previous_name",
        MatchReason::Definition => "definition",
        MatchReason::RemovedFromConfiguration(_) => "removed_from_configuration",
        MatchReason::Pattern(_) => "pattern",
    }
}

impl MatchDocument {
    fn new(segment: &SegmentName, remote: Option<(&SegmentId, &MatchReason)>) -> Self {
        Self {
            segment: segment.to_string(),
            id: remote.map(|(id, _)| id.to_string()),
            matched_by: remote.map(|(_, reason)| match_code(reason).to_owned()),
            match_reason: remote.map(|(_, reason)| reason.to_string()),
        }
    }
}

impl ExcludedDocument {
    fn of(excluded: &Excluded) -> Self {
        let flags = [
            (excluded.by_target, "--target"),
            (excluded.by_exclude, "--exclude"),
        ];
        let used = flags.into_iter().filter(|(is_used, _)| *is_used);
        Self {
            steps: excluded.steps,
            adoptions: excluded.adoptions,
            flags: used.map(|(_, flag)| flag.to_owned()).collect(),
            dependents: excluded.dependents.clone(),
        }
    }
}

impl DriftDocument {
    pub fn of(drift: &Drift) -> Self {
        Self {
            segment: drift.segment.to_string(),
            id: drift.id.to_string(),
            origin: drift.origin.clone(),
            renamed_to: drift.renamed_to.as_ref().map(ToString::to_string),
            lifecycle: drift.lifecycle,
            changes: drift.changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}
