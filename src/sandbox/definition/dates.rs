//! Conditions on dates, and the time ranges of events.

use super::condition::{allow_condition_fields, check_template};
use super::object_reader::ObjectReader;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Whether `text` is a timestamp in the only form that the API accepts.
pub(super) fn is_api_timestamp(text: &str) -> bool {
    const SHAPE: &str = "0000-00-00T00:00:00.000Z";
    // The parser accepts other forms, too.
    let is_match = |(byte, shape): (u8, u8)| byte == shape || (shape == b'0' && byte.is_ascii_digit());
    let has_shape = text.len() == SHAPE.len() && text.bytes().zip(SHAPE.bytes()).all(is_match);
    let civil = text.trim_end_matches('Z');
    has_shape && civil.parse::<jiff::civil::DateTime>().is_ok()
}

const EXTRACT_TYPES: [&str; 6] = [
    "default_option_date",
    "time_of_the_day",
    "day_of_the_week",
    "day_of_the_month",
    "month_of_the_year",
    "date_month_of_the_year",
];

pub(super) fn check_datetime(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    let extract = match object.get("extract_type") {
        None => "default_option_date",
        Some(_) => object.keyword("extract_type", &EXTRACT_TYPES)?,
    };
    let operator = object.text("operator")?;
    if extract == "date_month_of_the_year"
        && !matches!(operator, "today" | "on" | "between" | "inTheLast" | "inTheNext")
    {
        return Err(object.field_error("operator", "not allowed with date_month_of_the_year"));
    }
    match operator {
        "exists" => allow_condition_fields(object, &["extract_type"]),
        "today" => {
            allow_condition_fields(object, &["extract_type", "value_type"])?;
            value_type(object, dynamic).map(|_| ())
        }
        "on" | "before" | "after" | "is" => {
            allow_condition_fields(object, &["extract_type", "value_type", "value"])?;
            let value_type = value_type(object, dynamic)?;
            if dynamic {
                check_template(object, "value")
            } else {
                check_value(object, "value", value_type, extract)
            }
        }
        "inTheLast" | "inTheNext" => {
            allow_condition_fields(object, &["extract_type", "value_type", "value"])?;
            let required = match (dynamic, operator) {
                (true, _) => "absolute",
                (false, "inTheLast") => "relative_past",
                (false, _) => "relative_future",
            };
            if object.get("value_type").is_some() {
                object.keyword("value_type", &[required])?;
            }
            if dynamic {
                check_template(object, "value")
            } else {
                object.count("value", 1).map(|_| ())
            }
        }
        "between" => check_between(object, extract, dynamic),
        "in" => {
            allow_condition_fields(object, &["extract_type", "value_type", "value"])?;
            if value_type(object, dynamic)? != "absolute" {
                return Err(object.field_error("value_type", "must be absolute"));
            }
            if dynamic {
                return check_template(object, "value");
            }
            object.check_list("value", "dates", |value| is_date_part(value, extract))
        }
        _ => Err(object.field_error("operator", "unknown operator for a date")),
    }
}

fn check_between(object: &ObjectReader<'_>, extract: &str, dynamic: bool) -> Result<(), String> {
    allow_condition_fields(object, &["extract_type", "value_type", "value", "value1"])?;
    let value_type = value_type(object, dynamic)?;
    if dynamic {
        return check_template(object, "value").and_then(|()| check_template(object, "value1"));
    }
    check_value(object, "value", value_type, extract)?;
    check_value(object, "value1", value_type, extract)?;
    if value_type != "absolute" {
        return object.check_order(
            ["value", "value1"],
            [object.count("value", 0)?, object.count("value1", 0)?],
        );
    }
    if extract == "default_option_date" {
        return object.check_order(
            ["value", "value1"],
            [object.text("value")?, object.text("value1")?],
        );
    }
    // Parts of dates can wrap around: from hour 22 to hour 3.
    Ok(())
}

fn value_type<'a>(object: &ObjectReader<'a>, dynamic: bool) -> Result<&'a str, String> {
    match object.get("value_type") {
        None => Ok("absolute"),
        Some(_) if dynamic => object.keyword("value_type", &["absolute"]),
        Some(_) => object.keyword("value_type", &["absolute", "relative_past", "relative_future"]),
    }
}

fn check_value(object: &ObjectReader<'_>, key: &str, value_type: &str, extract: &str) -> Result<(), String> {
    if value_type != "absolute" {
        return object.count(key, 0).map(|_| ());
    }
    if is_date_part(object.require(key)?, extract) {
        Ok(())
    } else {
        Err(object.field_error(key, "not a value of the extract type"))
    }
}

fn is_date_part(value: &Value, extract: &str) -> bool {
    let within = |low, high| value.as_u64().is_some_and(|part| (low..=high).contains(&part));
    match extract {
        "time_of_the_day" => within(0, 23),
        "day_of_the_week" => within(0, 6),
        "day_of_the_month" => within(1, 31),
        "month_of_the_year" => within(1, 12),
        "date_month_of_the_year" => value.as_str().is_some_and(|text| {
            text.len() == 5 && format!("2024-{text}").parse::<jiff::civil::Date>().is_ok()
        }),
        _ => value.as_str().is_some_and(is_api_timestamp),
    }
}

pub(super) const PERIOD_UNITS: [&str; 4] = ["hours", "days", "weeks", "months"];

pub(super) struct TimeRangeFields {
    pub(super) relative: [&'static str; 2],
    pub(super) absolute: [&'static str; 2],
    /// The units of relative time ranges. A single unit is the default.
    pub(super) units: &'static [&'static str],
    /// Absolute time ranges start and end with a day.
    pub(super) whole_days: bool,
}

pub(super) fn check_time_range(object: &ObjectReader<'_>, form: &TimeRangeFields) -> Result<(), String> {
    let kind = object.keyword("type", &["inTheLast", "between", "on", "before", "after"])?;
    let is_absolute = object.keyword("value_type", &["absolute", "relative_past"])? == "absolute";
    let [first, second] = if is_absolute { form.absolute } else { form.relative };
    let mut known = vec!["type", "value_type", "period_unit", first];
    if kind == "between" {
        known.push(second);
    }
    object.allow_only(&known)?;
    if (kind == "inTheLast" && is_absolute) || (kind == "after" && !is_absolute) {
        return Err(object.field_error("value_type", "not allowed with this type"));
    }
    // Other relative time ranges count in days when they have no unit.
    let needs_unit = !is_absolute && matches!(kind, "inTheLast" | "on") && form.units.len() > 1;
    if needs_unit || object.get("period_unit").is_some() {
        object.keyword(
            "period_unit",
            if is_absolute { &PERIOD_UNITS } else { form.units },
        )?;
    }
    match (is_absolute, form.whole_days) {
        (true, true) => check_days(object, kind, [first, second]),
        (true, false) => check_moments(object, kind, [first, second]),
        (false, _) => check_counts(object, kind, [first, second]),
    }
}

fn check_counts(object: &ObjectReader<'_>, kind: &str, [first, second]: [&str; 2]) -> Result<(), String> {
    let nearer = object.count(first, u64::from(kind == "inTheLast"))?;
    if kind == "between" {
        object.check_order([first, second], [nearer, object.count(second, 0)?])
    } else {
        Ok(())
    }
}

fn check_days(object: &ObjectReader<'_>, kind: &str, [first, second]: [&str; 2]) -> Result<(), String> {
    let day = |key: &str, suffix: &str| {
        let text = object.text(key)?;
        if is_api_timestamp(text) && text.ends_with(suffix) {
            Ok(text)
        } else {
            Err(object.field_error(key, &format!("must be YYYY-MM-DD{suffix}")))
        }
    };
    let from = day(first, "T00:00:00.000Z")?;
    if kind == "between" {
        object.check_order([first, second], [from, day(second, "T23:59:59.999Z")?])
    } else {
        Ok(())
    }
}

/// One moment, or two for `between`, in any form of ISO 8601 that has a date and a time.
pub(super) fn check_moments(
    object: &ObjectReader<'_>,
    kind: &str,
    [first, second]: [&str; 2],
) -> Result<(), String> {
    let moment = |key: &str| {
        let moment = iso_moment(object.text(key)?);
        moment.ok_or_else(|| object.field_error(key, "must be an ISO 8601 date-time"))
    };
    let from = moment(first)?;
    if kind == "between" {
        object.check_order([first, second], [from, moment(second)?])
    } else {
        Ok(())
    }
}

/// Without an offset, the moment counts as UTC: only moments of one time range are compared.
fn iso_moment(text: &str) -> Option<Timestamp> {
    let is_extended_form =
        text.get(4..5) == Some("-") && text.get(10..11) == Some("T") && !text.contains('[');
    if !is_extended_form || text.get(13..14) != Some(":") {
        return None;
    }
    let in_utc = || TimeZone::UTC.to_timestamp(text.parse().ok()?).ok();
    text.parse().ok().or_else(in_utc)
}
