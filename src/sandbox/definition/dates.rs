//! Conditions on dates, and the time ranges of events.

use super::condition::{allow_condition_fields, check_template};
use super::object_reader::ObjectReader;
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

pub(super) fn check_datetime(object: &ObjectReader<'_>, dynamic: bool) -> Result<(), String> {
    let extract = match object.get("extract_type") {
        None => "default_option_date",
        Some(_) => object.keyword(
            "extract_type",
            &[
                "default_option_date",
                "time_of_the_day",
                "day_of_the_week",
                "day_of_the_month",
                "month_of_the_year",
                "date_month_of_the_year",
            ],
        )?,
    };
    let operator = object.text("operator")?;
    if extract == "date_month_of_the_year"
        && !matches!(operator, "today" | "on" | "between" | "inTheLast" | "inTheNext")
    {
        return Err(object.field_error("operator", "not allowed with date_month_of_the_year"));
    }
    match operator {
        "exists" | "today" => allow_condition_fields(object, &["extract_type"]),
        "on" | "before" | "after" | "is" => {
            allow_condition_fields(object, &["extract_type", "value_type", "value"])?;
            let value_type = value_type(object, dynamic)?;
            if dynamic {
                check_template(object)
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
                check_template(object)
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
                return check_template(object);
            }
            object.check_list("value", "dates", |value| is_date_part(value, extract))
        }
        _ => Err(object.field_error("operator", "unknown operator for a date")),
    }
}

fn check_between(object: &ObjectReader<'_>, extract: &str, dynamic: bool) -> Result<(), String> {
    allow_condition_fields(object, &["extract_type", "value_type", "value", "value1"])?;
    if dynamic {
        return Err(object.field_error("is_dynamic_value", "not allowed with between"));
    }
    let value_type = value_type(object, false)?;
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
}

pub(super) fn check_time_range(object: &ObjectReader<'_>, form: &TimeRangeFields) -> Result<(), String> {
    let kind = object.keyword("type", &["inTheLast", "between", "on", "before", "after"])?;
    let is_absolute = kind != "inTheLast" && object.get(form.absolute[0]).is_some_and(Value::is_string);
    let implied = if is_absolute { "absolute" } else { "relative_past" };
    let value_type = match object.get("value_type") {
        None => implied,
        Some(_) => object.keyword("value_type", &["absolute", "relative_past"])?,
    };
    let [first, second] = if value_type == "absolute" {
        form.absolute
    } else {
        form.relative
    };
    let mut known = vec!["type", "value_type", "period_unit", first];
    if kind == "between" {
        known.push(second);
    }
    object.allow_only(&known)?;
    match (kind, value_type) {
        ("inTheLast", "absolute") | ("after", "relative_past") => {
            return Err(object.field_error("value_type", "not allowed with this type"));
        }
        _ => {}
    }
    let units = if value_type == "absolute" {
        &PERIOD_UNITS
    } else {
        form.units
    };
    if object.get("period_unit").is_some() || (value_type != "absolute" && units.len() > 1) {
        object.keyword("period_unit", units)?;
    }
    if value_type == "absolute" {
        return check_absolute_range(object, kind, [first, second]);
    }
    let nearer = object.count(first, u64::from(kind == "inTheLast"))?;
    if kind == "between" {
        return object.check_order([first, second], [nearer, object.count(second, 0)?]);
    }
    Ok(())
}

fn check_absolute_range(
    object: &ObjectReader<'_>,
    kind: &str,
    [first, second]: [&str; 2],
) -> Result<(), String> {
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
