//! Dates and time ranges.

use super::builders::{
    ObjectSchema, any_of, constant, count, described, integer_between, keyword_enum, schema_ref,
};
use crate::model::{ExtractType, PeriodUnit};
use serde_json::{Value, json};

const DATE: &str = r"^\d{4}-\d{2}-\d{2}$";
const TIMESTAMP: &str = r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$";
/// Days by month, including 29 February.
const MONTH_DAY: &str =
    r"^((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d))$";

/// A day that exists, also 29 February of leap years only: editors do not check `format`.
const DAY: &str = r"(?:\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))|(?:\d{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";

pub(super) fn schema_defs() -> [(&'static str, Value); 4] {
    let moment = any_of([
        date(),
        json!({"type": "string", "format": "date-time", "pattern": TIMESTAMP}),
    ]);
    [
        (
            "moment",
            described(moment, "A date, or a time such as 2026-01-31T00:00:00.000Z."),
        ),
        (
            "firstMoment",
            described(
                day_boundary(r"T00:00:00\.000Z$"),
                "A date, or its first millisecond.",
            ),
        ),
        (
            "isoMoment",
            described(
                json!({"type": "string", "pattern": format!(r"^{DAY}(?:T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{{1,9}})?)?Z?)?$")}),
                "A date, or a time such as 2026-01-31T10:30:00Z.",
            ),
        ),
        (
            "lastMoment",
            described(
                day_boundary(r"T23:59:59\.999Z$"),
                "A date, or its last millisecond.",
            ),
        ),
    ]
}

pub(super) fn first_moment() -> Value {
    schema_ref("firstMoment")
}

pub(super) fn iso_moment() -> Value {
    schema_ref("isoMoment")
}

pub(super) fn last_moment() -> Value {
    schema_ref("lastMoment")
}

fn day_boundary(suffix: &str) -> Value {
    let pattern = format!("{}{suffix}", DATE.trim_end_matches('$'));
    any_of([
        date(),
        json!({"type": "string", "format": "date-time", "pattern": pattern}),
    ])
}

fn date() -> Value {
    json!({"type": "string", "format": "date", "pattern": DATE})
}

pub(super) fn compared_value(extract: ExtractType) -> Value {
    match (extract.range(), extract) {
        (Some(range), _) => integer_between(*range.start(), *range.end()),
        (None, ExtractType::DateMonthOfTheYear) => json!({"type": "string", "pattern": MONTH_DAY}),
        (None, _) => schema_ref("moment"),
    }
}

pub(super) fn event_time_range() -> Value {
    let unit = keyword_enum::<PeriodUnit>();
    let relative = |kind, minimum| {
        ObjectSchema::default()
            .with_required("type", time_range_type(kind))
            .with_required("value", count(minimum))
            .with_optional("value_type", constant("relative_past"))
    };
    let absolute = |kind| {
        ObjectSchema::default()
            .with_required("type", time_range_type(kind))
            .with_required("value", first_moment())
            .with_optional("value_type", constant("absolute"))
            .with_optional("period_unit", unit.clone())
    };
    let mut forms = vec![
        relative("inTheLast", 1)
            .with_required("period_unit", unit.clone())
            .closed(),
        relative("on", 0)
            .with_required("period_unit", unit.clone())
            .closed(),
        relative("before", 0)
            .with_optional("period_unit", unit.clone())
            .closed(),
        relative("between", 0)
            .with_required("value1", count(0))
            .with_optional("period_unit", unit.clone())
            .closed(),
        absolute("on").closed(),
        absolute("before").closed(),
        absolute("after").closed(),
        absolute("between")
            .with_required("value1", last_moment())
            .closed(),
    ];
    forms.extend(day_count_time_ranges());
    any_of(forms)
}

pub(super) fn time_range_type(keyword: &str) -> Value {
    let text = match keyword {
        "inTheLast" => "From the start of the unit that is this many units back, until now.",
        "between" => "From the start of the farther end to the end of the nearer end, both inclusive.",
        "on" => "One whole unit or day; 0 units back is the current unit.",
        "before" => "Before that unit or day.",
        "after" => "After that day.",
        _ => "As long as the time range of the filter, directly before it.",
    };
    described(constant(keyword), text)
}

pub(super) fn affinity_time_range() -> Value {
    let absolute = |kind| {
        ObjectSchema::default()
            .with_required("type", time_range_type(kind))
            .with_required("from", iso_moment())
            .with_optional("value_type", constant("absolute"))
            .with_optional("period_unit", constant("days"))
    };
    let mut forms = day_count_time_ranges();
    forms.extend([
        absolute("on").closed(),
        absolute("before").closed(),
        absolute("after").closed(),
        absolute("between").with_required("to", iso_moment()).closed(),
    ]);
    any_of(forms)
}

/// The form of the dashboard, which counts in days.
fn day_count_time_ranges() -> Vec<Value> {
    let relative = |kind, minimum| {
        ObjectSchema::default()
            .with_required("type", time_range_type(kind))
            .with_required("days", count(minimum))
            .with_optional("value_type", constant("relative_past"))
            .with_optional("period_unit", constant("days"))
    };
    vec![
        relative("inTheLast", 1).closed(),
        relative("on", 0).closed(),
        relative("before", 0).closed(),
        relative("between", 0).with_required("days1", count(0)).closed(),
    ]
}
