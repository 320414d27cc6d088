//! Dates, and windows of time.

use super::object::{Fields, any_of, count, described, only, part, whole, words};
use crate::model::{ExtractType, PeriodUnit};
use serde_json::{Value, json};

const DATE: &str = r"^\d{4}-\d{2}-\d{2}$";
const MOMENT: &str = r"^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$";
/// Days by month, 29 February among them.
const MONTH_DAY: &str =
    r"^((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d))$";

/// The parts that other schemas refer to, by name.
pub(super) fn parts() -> [(&'static str, Value); 3] {
    let moment = any_of([
        date(),
        json!({"type": "string", "format": "date-time", "pattern": MOMENT}),
    ]);
    [
        (
            "moment",
            described(moment, "A date, or a moment as 2026-01-31T00:00:00.000Z."),
        ),
        (
            "firstMoment",
            described(day(r"T00:00:00\.000Z$"), "A date, or its first moment."),
        ),
        (
            "lastMoment",
            described(day(r"T23:59:59\.999Z$"), "A date, or its last moment."),
        ),
    ]
}

/// A plain date, or its first moment in the API's long form.
pub(super) fn first_moment() -> Value {
    part("firstMoment")
}

/// A plain date, or its last moment in the API's long form.
pub(super) fn last_moment() -> Value {
    part("lastMoment")
}

fn day(suffix: &str) -> Value {
    let pattern = format!("{}{suffix}", DATE.trim_end_matches('$'));
    any_of([
        date(),
        json!({"type": "string", "format": "date-time", "pattern": pattern}),
    ])
}

fn date() -> Value {
    json!({"type": "string", "format": "date", "pattern": DATE})
}

/// What a date is compared with, by the part of it that is compared.
pub(super) fn value_of(extract: ExtractType) -> Value {
    match (extract.range(), extract) {
        (Some(range), _) => whole(*range.start(), *range.end()),
        (None, ExtractType::DateMonthOfTheYear) => json!({"type": "string", "pattern": MONTH_DAY}),
        (None, _) => part("moment"),
    }
}

/// The window of an event filter.
pub(super) fn event_window() -> Value {
    let unit = words::<PeriodUnit>();
    let relative = |kind, least| {
        Fields::default()
            .need("type", window_type(kind))
            .need("value", count(least))
            .may("value_type", only("relative_past"))
            .need("period_unit", unit.clone())
    };
    let absolute = |kind| {
        Fields::default()
            .need("type", window_type(kind))
            .need("value", first_moment())
            .may("value_type", only("absolute"))
            .may("period_unit", unit.clone())
    };
    let mut forms = vec![
        relative("inTheLast", 1).done(),
        relative("on", 0).done(),
        relative("before", 0).done(),
        relative("between", 0).need("value1", count(0)).done(),
        absolute("on").done(),
        absolute("before").done(),
        absolute("after").done(),
        absolute("between").need("value1", last_moment()).done(),
    ];
    forms.extend(days());
    any_of(forms)
}

/// The form of a window, with what it spans.
pub(super) fn window_type(word: &str) -> Value {
    let words = match word {
        "inTheLast" => "From the start of the unit that lies so many units back, until now.",
        "between" => "From the start of the farther end to the end of the nearer one, both included.",
        "on" => "One whole unit or day; 0 units back is the current one.",
        "before" => "Everything before that unit or day.",
        "after" => "Everything after that day.",
        _ => "As long as the filter's own window, right before it.",
    };
    described(only(word), words)
}

/// The window of an affinity filter.
pub(super) fn affinity_window() -> Value {
    let absolute = |kind| {
        Fields::default()
            .need("type", window_type(kind))
            .need("from", first_moment())
            .may("value_type", only("absolute"))
            .may("period_unit", only("days"))
    };
    let mut forms = days();
    forms.extend([
        absolute("on").done(),
        absolute("before").done(),
        absolute("after").done(),
        absolute("between").need("to", last_moment()).done(),
    ]);
    any_of(forms)
}

/// Windows that count in days, as the dashboard has them.
fn days() -> Vec<Value> {
    let relative = |kind, least| {
        Fields::default()
            .need("type", window_type(kind))
            .need("days", count(least))
            .may("value_type", only("relative_past"))
            .may("period_unit", only("days"))
    };
    vec![
        relative("inTheLast", 1).done(),
        relative("on", 0).done(),
        relative("before", 0).done(),
        relative("between", 0).need("days1", count(0)).done(),
    ]
}
