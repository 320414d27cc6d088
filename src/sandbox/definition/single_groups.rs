//! Groups that contain only another group.

use super::{filters_of, is_nested_group};
use serde_json::{Value, json};

/// `group` without outer groups that contain only one nested group. Its members stay the same.
pub(in crate::sandbox) fn unwrap_single_groups(group: Value) -> Value {
    let only = match filters_of(&group) {
        [only] if is_nested_group(only) => only,
        _ => return group,
    };
    unwrap_single_groups(
        json!({"filter_operator": only.get("filter_operator"), "filters": only.get("filters")}),
    )
}
