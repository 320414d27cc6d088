//! Event filters and aggregations.

use super::attribute::event_attributes;
use super::datetime::{Form, UNITS, is_moment, window};
use super::object::Object;
use serde_json::Value;

const VALUES: Form = Form {
    relative: ["value", "value1"],
    absolute: ["value", "value1"],
    units: &UNITS,
};
/// What segments made in the dashboard come back with.
const DAYS: Form = Form {
    relative: ["days", "days1"],
    absolute: ["value", "value1"],
    units: &["days"],
};

pub(super) fn event(object: &Object<'_>, depth: usize) -> Result<(), String> {
    object.only(&[
        "filter_type",
        "action_name",
        "project_name",
        "executed",
        "execution",
        "primary_time_range",
        "attributes",
        "aggregation_attributes",
    ])?;
    object.text("action_name")?;
    object.optional_text("project_name")?;
    let executed = match object.require("executed")? {
        Value::Bool(executed) => *executed,
        _ => return Err(object.fault("executed", "must be a boolean")),
    };
    let kind = execution(object, executed)?;
    if object.get("primary_time_range").is_some() {
        event_window(&object.inner("primary_time_range")?)?;
    }
    event_attributes(object, depth)?;
    aggregation(object, executed, kind)
}

/// How often; the type that is meant comes back.
pub(super) fn execution<'a>(object: &Object<'a>, executed: bool) -> Result<&'a str, String> {
    if object.get("execution").is_none() {
        return Ok(if executed { "atleast" } else { "exactly" });
    }
    let execution = object.inner("execution")?;
    let kind = execution.word("type", &["atleast", "exactly", "atmost", "firstTime", "lastTime"])?;
    if !executed {
        execution.only(&["type", "count"])?;
        return match (kind, execution.get("count").and_then(Value::as_u64)) {
            ("exactly", Some(0)) => Ok(kind),
            _ => Err(object.fault("execution", "must be exactly 0 when executed is false")),
        };
    }
    if matches!(kind, "firstTime" | "lastTime") {
        execution.only(&["type"])?;
    } else {
        execution.only(&["type", "count"])?;
        execution.count("count", 1)?;
    }
    Ok(kind)
}

fn event_window(object: &Object<'_>) -> Result<(), String> {
    window(
        object,
        if object.get("days").is_some() {
            &DAYS
        } else {
            &VALUES
        },
    )
}

fn aggregation(object: &Object<'_>, executed: bool, execution: &str) -> Result<(), String> {
    let Some(group) = object.get("aggregation_attributes") else {
        return Ok(());
    };
    let group = Object::new(group, &format!("{}.aggregation_attributes", object.path()))?;
    group.only(&["filter_operator", "filters"])?;
    group.word("filter_operator", &["and"])?;
    let Some(Value::Array(filters)) = group.get("filters") else {
        return Err(group.fault("filters", "must be a list"));
    };
    let [filter] = filters.as_slice() else {
        return Err(group.fault("filters", "must hold one aggregation"));
    };
    if !executed || matches!(execution, "firstTime" | "lastTime") {
        return Err(group.fault(
            "filters",
            "needs an event that was executed, and not the first or last time",
        ));
    }
    if let Some(window) = object
        .get("primary_time_range")
        .and_then(|window| window.get("type"))
        && (window == "before" || window == "after")
    {
        return Err(group.fault("filters", "not with a window before or after a day"));
    }
    one_aggregation(&Object::new(filter, &format!("{}.filters[0]", group.path()))?)
}

fn one_aggregation(object: &Object<'_>) -> Result<(), String> {
    object.only(&[
        "attribute_name",
        "data_type",
        "aggregation_type",
        "operator",
        "value",
        "value1",
        "negate",
        "is_dynamic_value",
        "comparator",
        "base_time_range",
    ])?;
    object.text("attribute_name")?;
    object.word("data_type", &["double"])?;
    object.word("aggregation_type", &["sum", "avg", "min", "max", "median"])?;
    object.flag("negate")?;
    if object.flag("is_dynamic_value")? {
        return Err(object.fault("is_dynamic_value", "only for user attributes"));
    }
    let operator = object.word("operator", &["is", "between", "lessThan", "greaterThan"])?;
    object.number("value")?;
    match (operator, object.get("value1")) {
        ("between", _) => object.range()?,
        (_, Some(_)) => return Err(object.fault("value1", "only with between")),
        (_, None) => {}
    }
    match (object.get("comparator"), object.get("base_time_range")) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => {
            object.word("comparator", &["change", "percentageChange"])?;
            base_window(&object.inner("base_time_range")?)
        }
        _ => Err(object.fault("comparator", "comes with base_time_range")),
    }
}

fn base_window(object: &Object<'_>) -> Result<(), String> {
    if object.word("type", &["previousPeriod", "between"])? == "previousPeriod" {
        return object.only(&["type"]);
    }
    object.only(&["type", "value", "value1"])?;
    match (object.require("value")?, object.require("value1")?) {
        (Value::String(first), Value::String(last)) if is_moment(first) && is_moment(last) => {
            object.in_order(["value", "value1"], [first, last])
        }
        (Value::Number(_), Value::Number(_)) => object.in_order(
            ["value", "value1"],
            [object.count("value", 0)?, object.count("value1", 0)?],
        ),
        _ => Err(object.fault("value", "must be two dates or two counts of days")),
    }
}
