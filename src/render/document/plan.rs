//! A plan as a document.

use super::finding::{self, FindingDocument};
use super::members::MembersDocument;
use super::quota::QuotaDocument;
use super::seen::SeenDocument;
use super::{DocumentError, FORMAT_VERSION, check_version};
use crate::definition::FieldChange;
use crate::ledger::Entry;
use crate::model::Origin;
use crate::plan::quota::{Quota, QuotaRefusal};
use crate::plan::step::{Action, Changed, Drift, LeftOut, LifecycleDrift, Live, Plan, Step, Unchanged};
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
    pub unmanaged: Vec<LiveDocument>,
    /// What changed in the workspace since it was last applied.
    pub drift: Vec<DriftDocument>,
    /// What cannot be applied.
    pub conflicts: Vec<FindingDocument>,
    /// What is too much to be applied without being told.
    pub refusals: Vec<FindingDocument>,
    /// What is likely not meant.
    pub warnings: Vec<FindingDocument>,
    /// What `--target` and `--exclude` left out.
    pub left_out: LeftOutDocument,
    /// What applying it costs; missing where nobody asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quota: Option<QuotaDocument>,
    /// How old what it saw is; missing where it is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen: Option<SeenDocument>,
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
pub struct LeftOutDocument {
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
pub struct LiveDocument {
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
    pub renamed: Option<String>,
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
    pub archive_by_hand: usize,
}

/// A segment that was live and is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBeforeDocument {
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
    pub renamed: Option<String>,
    /// What the step gives up in passing: `name`, `definition` or `name and definition`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub passing: Option<String>,
    /// What became of the segment's lifecycle since it was last applied, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub drift: Option<String>,
    /// The segment that it was before, where that one is gone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub made_before: Option<MadeBeforeDocument>,
    /// Whether this is the first contact with a segment that somebody else made.
    #[serde(default)]
    pub adopts: bool,
    /// For the sake of which segments it is there, where `--target` did not name its own.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pulled_in_for: Vec<String>,
    /// The segment that fits into the workspace once it is done, near the limit of active ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub makes_room_for: Option<String>,
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
                archive_by_hand: summary.archive_by_hand,
            },
            steps: plan.steps.iter().map(|step| self::step(step, plan)).collect(),
            unchanged: plan.unchanged.iter().map(MatchDocument::of).collect(),
            adopted: adopted(plan),
            unmanaged: plan.unmanaged.iter().map(LiveDocument::of).collect(),
            drift: plan.drift.iter().map(DriftDocument::of).collect(),
            conflicts: plan.conflicts.iter().map(finding::conflict).collect(),
            refusals: plan.refusals.iter().map(finding::refusal).collect(),
            warnings: plan.warnings.iter().map(finding::warning).collect(),
            left_out: LeftOutDocument::of(&plan.left_out),
            quota: None,
            seen: None,
        }
    }

    /// With what applying the plan costs, and that this is more time than it may take.
    #[must_use]
    pub fn with_quota(mut self, quota: &Quota, over: Option<&QuotaRefusal>) -> Self {
        self.refusals.extend(over.map(finding::too_long));
        if quota.total > 0 {
            self.quota = Some(QuotaDocument::new(quota));
        }
        self
    }

    /// With how old what the plan saw is.
    #[must_use]
    pub fn with_seen(mut self, seen: SeenDocument) -> Self {
        self.seen = Some(seen);
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
    let records = plan.records.iter().filter(|record| record.adopts);
    let adopted = records.map(|record| MatchDocument {
        segment: record.segment.to_string(),
        id: Some(record.id.to_string()),
        matched_by: Some(record.matched_by.to_string()),
    });
    adopted.collect()
}

fn step(step: &Step, plan: &Plan) -> StepDocument {
    let wanted = step.action.wanted();
    let target = step.action.target();
    let change = match &step.action {
        Action::Update(change) => Some(change),
        Action::Create(_)
        | Action::Archive(_)
        | Action::Unarchive(_)
        | Action::Send(_)
        | Action::Upload(_) => None,
    };
    StepDocument {
        number: step.number,
        action: step.action.as_str().to_owned(),
        segment: step.segment.to_string(),
        id: target.map(|target| target.id.to_string()),
        matched_by: target.map(|target| target.matched_by.to_string()),
        origin: step.origin.as_ref().map(OriginDocument::of),
        renamed: change
            .filter(|change| change.renames())
            .map(|change| change.name.to_string()),
        passing: step.action.passing().map(|passing| passing.as_str().to_owned()),
        drift: lifecycle_drift(step, plan),
        made_before: made_before(step, plan),
        adopts: step.adopts,
        pulled_in_for: step.pulled_in_for.iter().map(ToString::to_string).collect(),
        makes_room_for: step.makes_room_for.as_ref().map(ToString::to_string),
        depends_on: step.depends_on.clone(),
        changes: change
            .into_iter()
            .flat_map(|change| change.changes.iter().map(ChangeDocument::with_cause))
            .collect(),
        members: MembersDocument::of(&step.action),
        after: wanted.map(|wanted| wanted.form(&plan.known)),
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
fn made_before(step: &Step, plan: &Plan) -> Option<MadeBeforeDocument> {
    if step.action.target().is_some() {
        return None;
    }
    let mut drift = plan.drift.iter();
    let gone =
        drift.find(|drift| drift.segment == step.segment && drift.lifecycle == Some(LifecycleDrift::Gone))?;
    Some(MadeBeforeDocument {
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

    fn with_cause(changed: &Changed) -> Self {
        Self {
            cause: changed.cause.map(|cause| cause.as_str().to_owned()),
            ..Self::of(&changed.change)
        }
    }
}

impl MatchDocument {
    fn of(unchanged: &Unchanged) -> Self {
        let live = unchanged.live.as_ref();
        Self {
            segment: unchanged.segment.to_string(),
            id: live.map(|(id, _)| id.to_string()),
            matched_by: live.map(|(_, reason)| reason.to_string()),
        }
    }
}

impl LeftOutDocument {
    fn of(left_out: &LeftOut) -> Self {
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
                    depends_on: dependent.on.to_string(),
                })
                .collect(),
        }
    }
}

impl LiveDocument {
    /// The document of a segment under the name that it was last applied under.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Self {
        Self {
            name: entry.name.to_string(),
            id: entry.id.to_string(),
        }
    }

    fn of(live: &Live) -> Self {
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
            renamed: drift.renamed.as_ref().map(ToString::to_string),
            lifecycle: drift.lifecycle.map(|lifecycle| lifecycle.as_str().to_owned()),
            changes: drift.changes.iter().map(ChangeDocument::of).collect(),
        }
    }
}
