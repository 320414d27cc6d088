//! A definition as API JSON.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Answers of MoEngage are stored unchanged and unchecked, including unknown fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub included_filters: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_filters: Option<Value>,
}
