//! Event filters and aggregations.

use super::attribute::check_event_attributes;
use super::dates::{PERIOD_UNITS, TimeRangeFields, check_moments, check_time_range};
use super::object_reader::ObjectReader;
use serde_json::Value;

const API_FIELDS: TimeRangeFields = TimeRangeFields {
    relative: ["value", "value1"],
    absolute: ["value", "value1"],
    units: &PERIOD_UNITS,
    whole_days: true,
};
/// The form that the API returns for segments created in the dashboard.
const DASHBOARD_FIELDS: TimeRangeFields = TimeRangeFields {
    relative: ["days", "days1"],
    absolute: ["value", "value1"],
    units: &["days"],
    whole_days: true,
};

pub(super) fn check_event(object: &ObjectReader<'_>, depth: usize) -> Result<(), String> {
    object.allow_only(&[
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
        _ => return Err(object.field_error("executed", "must be a boolean")),
    };
    let kind = execution_type(object, executed)?;
    if object.get("primary_time_range").is_some() {
        check_event_time_range(&object.child("primary_time_range")?)?;
    }
    check_event_attributes(object, depth)?;
    check_aggregations(object, executed, kind)
}

/// Checks how often the event was executed, and returns the type.
pub(super) fn execution_type<'a>(object: &ObjectReader<'a>, executed: bool) -> Result<&'a str, String> {
    let execution = object.child("execution")?;
    let kind = execution.keyword("type", &["atleast", "exactly", "atmost", "firstTime", "lastTime"])?;
    if !executed {
        execution.allow_only(&["type", "count"])?;
        return match (kind, execution.get("count").and_then(Value::as_u64)) {
            ("exactly", Some(0)) => Ok(kind),
            _ => Err(object.field_error("execution", "must be exactly 0 when executed is false")),
        };
    }
    if matches!(kind, "firstTime" | "lastTime") {
        execution.allow_only(&["type"])?;
    } else {
        execution.allow_only(&["type", "count"])?;
        execution.count("count", 1)?;
    }
    Ok(kind)
}

fn check_event_time_range(object: &ObjectReader<'_>) -> Result<(), String> {
    check_time_range(
        object,
        if object.get("days").is_some() {
            &DASHBOARD_FIELDS
        } else {
            &API_FIELDS
        },
    )
}

fn check_aggregations(object: &ObjectReader<'_>, executed: bool, execution: &str) -> Result<(), String> {
    if object.get("aggregation_attributes").is_none() {
        return Ok(());
    }
    let group = object.child("aggregation_attributes")?;
    group.allow_only(&["filter_operator", "filters"])?;
    group.keyword("filter_operator", &["and", "or"])?;
    let Some(Value::Array(filters)) = group.get("filters") else {
        return Err(group.field_error("filters", "must be a list"));
    };
    let [filter] = filters.as_slice() else {
        return Err(group.field_error("filters", "must contain exactly one aggregation"));
    };
    if !executed || matches!(execution, "firstTime" | "lastTime") {
        return Err(group.field_error(
            "filters",
            "requires executed true, and no execution of type firstTime or lastTime",
        ));
    }
    let time_range = object.get("primary_time_range");
    if let Some(kind) = time_range.and_then(|range| range.get("type"))
        && (kind == "before" || kind == "after")
    {
        return Err(group.field_error("filters", "not allowed with a time range of type before or after"));
    }
    let path = format!("{}.filters[0]", group.path());
    check_aggregation(&ObjectReader::new(filter, &path)?)
}

fn check_aggregation(object: &ObjectReader<'_>) -> Result<(), String> {
    object.allow_only(&[
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
    object.keyword("data_type", &["double"])?;
    object.keyword("aggregation_type", &["sum", "avg", "min", "max", "median"])?;
    object.optional_bool("negate")?;
    if object.optional_bool("is_dynamic_value")? {
        return Err(object.field_error("is_dynamic_value", "allowed only for user attributes"));
    }
    let operator = object.keyword("operator", &["is", "between", "lessThan", "greaterThan"])?;
    object.number("value")?;
    match (operator, object.get("value1")) {
        ("between", _) => object.check_range()?,
        (_, Some(_)) => return Err(object.field_error("value1", "allowed only with between")),
        (_, None) => {}
    }
    match (object.get("comparator"), object.get("base_time_range")) {
        (None, None) => Ok(()),
        (Some(_), Some(_)) => {
            object.keyword("comparator", &["change", "percentageChange"])?;
            check_base_time_range(&object.child("base_time_range")?)
        }
        _ => Err(object.field_error("comparator", "must be set together with base_time_range")),
    }
}

fn check_base_time_range(object: &ObjectReader<'_>) -> Result<(), String> {
    if object.keyword("type", &["previousPeriod", "between"])? == "previousPeriod" {
        return object.allow_only(&["type"]);
    }
    object.allow_only(&["type", "value", "value1"])?;
    check_moments(object, "between", ["value", "value1"])
}
