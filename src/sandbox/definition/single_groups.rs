//! Groups that are nothing but another group.

use serde_json::{Value, json};

/// `group` without the groups around it that hold nothing else; who is in it stays the same.
pub(in crate::sandbox) fn unwrap_single_groups(group: Value) -> Value {
    let only = match group.get("filters").and_then(Value::as_array).map(Vec::as_slice) {
        Some([only]) if only.get("filter_type") == Some(&json!("nested_filters")) => only,
        _ => return group,
    };
    unwrap_single_groups(
        json!({"filter_operator": only.get("filter_operator"), "filters": only.get("filters")}),
    )
}
