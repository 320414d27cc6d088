//! One changed field of a segment.

use crate::definition::FieldChange;
use crate::plan::step::{Cause, ChangeWithCause};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeDocument {
    /// The filters around the field, outermost first.
    pub path: Vec<String>,
    /// `null` when a whole filter is added or removed.
    pub field: Option<String>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    /// Which side changed since the last apply: `configuration`, `remote` or `both`; missing when the state does not
    /// show it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

impl ChangeDocument {
    pub fn of(change: &FieldChange) -> Self {
        Self {
            path: change.path.clone(),
            field: change.field.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            cause: None,
        }
    }

    pub(super) fn with_cause(changed: &ChangeWithCause) -> Self {
        Self {
            cause: changed.cause.map(|cause| code(cause).to_owned()),
            ..Self::of(&changed.change)
        }
    }
}

fn code(cause: Cause) -> &'static str {
    match cause {
        Cause::Configuration => "configuration",
        Cause::Workspace => "remote",
        Cause::Both => "both",
    }
}
