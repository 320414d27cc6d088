use super::super::ordered_value::OrderedValue;
use serde_json::Value;

/// One node: its current and its new canonical form, and the new value as it is written.
#[derive(Clone, Copy)]
pub(super) struct NodeChange<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    pub(super) output: &'a OrderedValue,
}
