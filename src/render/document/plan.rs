//! A plan as a document.

use super::{DocumentError, FORMAT_VERSION, check_version};
use crate::model::{Origin, SegmentId, SegmentName};
use crate::plan::step::{Action, Conflict, ExceededLimit, Plan, Step, Warning};
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
    pub unchanged: Vec<String>,
    /// Live segments that nobody declared.
    pub undeclared: usize,
    /// What forbids applying the plan.
    pub conflicts: Vec<FindingDocument>,
    /// What is likely not meant.
    pub warnings: Vec<FindingDocument>,
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
    /// Where the segment is declared.
    pub origin: OriginDocument,
    /// Steps that have to be applied before.
    pub depends_on: Vec<usize>,
    /// What changes, for updates.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub changes: Vec<ChangeDocument>,
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
}

/// A conflict or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingDocument {
    /// A stable word for the kind of finding.
    pub kind: String,
    /// The declared segments it is about.
    pub segments: Vec<String>,
    /// Where they are declared.
    pub origins: Vec<OriginDocument>,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    pub help: Vec<String>,
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
            },
            steps: plan.steps.iter().map(step).collect(),
            unchanged: plan.unchanged.iter().map(ToString::to_string).collect(),
            undeclared: plan.undeclared,
            conflicts: plan.conflicts.iter().map(conflict).collect(),
            warnings: plan.warnings.iter().map(warning).collect(),
        }
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

fn step(step: &Step) -> StepDocument {
    let wanted = step.action.wanted();
    let target = step.action.target();
    let changes = match &step.action {
        Action::Update { changes, .. } => changes.as_slice(),
        Action::Create(_) | Action::Archive(_) | Action::Unarchive(_) => &[],
    };
    StepDocument {
        number: step.number,
        action: step.action.as_str().to_owned(),
        segment: step.segment.to_string(),
        id: target.map(|target| target.id.to_string()),
        matched_by: target.map(|target| target.matched_by.as_str().to_owned()),
        origin: origin(&step.origin),
        depends_on: step.depends_on.clone(),
        changes: changes
            .iter()
            .map(|change| ChangeDocument {
                path: change.path.clone(),
                field: change.field.clone(),
                before: change.before.clone(),
                after: change.after.clone(),
            })
            .collect(),
        after: wanted.map(|wanted| wanted.form().clone()),
        digest: wanted.map(|wanted| wanted.digests.exact.to_string()),
    }
}

fn origin(origin: &Origin) -> OriginDocument {
    OriginDocument {
        file: origin.file.clone(),
        line: origin.line,
        column: origin.column,
    }
}

fn finding(
    kind: &str,
    segments: &[(&SegmentName, &Origin)],
    message: String,
    help: &[String],
) -> FindingDocument {
    FindingDocument {
        kind: kind.to_owned(),
        segments: segments.iter().map(|(name, _)| name.to_string()).collect(),
        origins: segments.iter().map(|(_, place)| origin(place)).collect(),
        message,
        help: help.to_vec(),
    }
}

fn conflict(conflict: &Conflict) -> FindingDocument {
    match conflict {
        Conflict::KindTaken {
            segment,
            origin,
            holder,
            kind,
        } => {
            let message =
                format!("the name `{segment}` belongs to a segment of the kind {kind} (id {holder})");
            let help = ["names are never free again: declare the segment under another name".to_owned()];
            finding("kind_taken", &[(segment, origin)], message, &help)
        }
        Conflict::DefinitionTaken {
            segment,
            origin,
            holder_name,
            holder,
        } => finding(
            "definition_taken",
            &[(segment, origin)],
            format!("`{segment}` has the very definition of the live segment `{holder_name}` (id {holder})"),
            &cures(segment, holder_name, holder),
        ),
        Conflict::UnknownReference {
            segment,
            origin,
            reference,
        } => {
            let message = format!("`{segment}` refers to `{reference}`, which is neither declared nor live");
            let help = ["declare it, correct the name, or drop the reference".to_owned()];
            finding("unknown_reference", &[(segment, origin)], message, &help)
        }
        Conflict::NameTaken {
            segment,
            origin,
            holder,
        } => {
            let message =
                format!("`{segment}` cannot be renamed: another segment (id {holder}) has the name");
            let help = ["names are unique in a workspace: choose another name".to_owned()];
            finding("name_taken", &[(segment, origin)], message, &help)
        }
        Conflict::Limit {
            segment,
            origin,
            limit,
        } => {
            let (message, help) = exceeded(segment, *limit);
            finding("limit", &[(segment, origin)], message, &[help])
        }
        Conflict::SharedTarget { segments, target } => {
            let names: Vec<_> = segments.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!(
                "{} all mean the live segment with the id {target}",
                names.join(" and ")
            );
            let help = ["take the live segment's name out of all `previous_names` but one".to_owned()];
            let segments: Vec<_> = segments.iter().map(|(name, origin)| (name, origin)).collect();
            finding("shared_target", &segments, message, &help)
        }
        Conflict::Cycle { segments } => {
            let names: Vec<_> = segments.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!(
                "{} wait for each other's definition or reference",
                names.join(", ")
            );
            let help =
                ["change one of them to a third definition first, apply, and then to its own".to_owned()];
            let segments: Vec<_> = segments.iter().map(|(name, origin)| (name, origin)).collect();
            finding("cycle", &segments, message, &help)
        }
    }
}

fn exceeded(segment: &SegmentName, limit: ExceededLimit) -> (String, String) {
    let (what, help) = match limit {
        ExceededLimit::References { count, limit } => (
            format!("refers to {count} segments, and the service takes {limit}"),
            "put some of them into a segment",
        ),
        ExceededLimit::Level { level, limit } => (
            format!("is {level} levels deep with what it refers to, and the service takes {limit}"),
            "refer to fewer levels",
        ),
        ExceededLimit::Length { length, limit } => {
            let what = format!(
                "has {length} characters with everything it refers to, and the service takes {limit}"
            );
            (what, "refer to less")
        }
        ExceededLimit::Circle => (
            "refers to itself through a live segment".to_owned(),
            "change that segment first, or declare it",
        ),
    };
    (format!("`{segment}` {what}"), help.to_owned())
}

fn cures(segment: &SegmentName, holder_name: &SegmentName, holder: &SegmentId) -> [String; 3] {
    [
        format!(
            "adopt it: add `previous_names: [{holder_name}]` to `{segment}`, and it is renamed (id {holder})"
        ),
        format!(
            "refer to it: `{{filter_type: custom_segments, name: {holder_name}}}` where `{segment}` is used"
        ),
        format!("change the definition of `{segment}`"),
    ]
}

fn warning(warning: &Warning) -> FindingDocument {
    match warning {
        Warning::LikelyDuplicate {
            segment,
            holder_name,
            holder,
        } => FindingDocument {
            kind: "likely_duplicate".to_owned(),
            segments: vec![segment.to_string()],
            origins: Vec::new(),
            message: format!("`{segment}` has the filters of `{holder_name}` (id {holder}) in another order"),
            help: vec!["the service may refuse it as a duplicate".to_owned()],
        },
        Warning::ActiveLimit { count, limit } => FindingDocument {
            kind: "active_limit".to_owned(),
            segments: Vec::new(),
            origins: Vec::new(),
            message: format!("{count} segments would be active, and {limit} are documented to fit"),
            help: vec!["archive segments that are not used, or have the limit raised".to_owned()],
        },
    }
}
