//! Windows of time, in the three forms that payloads have: values with a unit, the dashboard's days, and the
//! days and dates of affinity filters.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::codes;
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use crate::model::{PeriodUnit, TimeRange, TimeRangeType, ValueType};

/// The names that a form gives to its two values.
struct TimeRangeKeys {
    first: &'static str,
    second: &'static str,
    /// Counts have a unit of their own; otherwise they are days.
    has_unit: bool,
}

const VALUE_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "value",
    second: "value1",
    has_unit: true,
};
const DAY_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "days",
    second: "days1",
    has_unit: false,
};
const DATE_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "from",
    second: "to",
    has_unit: false,
};

/// The window of an event filter.
pub(super) fn event_time_range(reader: &mut Decoder<'_>, node: &Node) -> Option<TimeRange> {
    let mut fields = reader.fields(node, "a window of time")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.keyword::<TimeRangeType>(node))?;
    let form = if fields.has("days") {
        &DAY_KEYS
    } else {
        &VALUE_KEYS
    };
    time_range(reader, fields, kind, form)
}

/// The window of an affinity filter.
pub(super) fn affinity_time_range(reader: &mut Decoder<'_>, node: &Node) -> Option<TimeRange> {
    let mut fields = reader.fields(node, "the window of an affinity filter")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.keyword::<TimeRangeType>(node))?;
    let form = if fields.has("from") { &DATE_KEYS } else { &DAY_KEYS };
    time_range(reader, fields, kind, form)
}

fn time_range(
    reader: &mut Decoder<'_>,
    mut fields: Fields<'_>,
    kind: TimeRangeType,
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let first = reader.require(&mut fields, keys.first)?;
    let value_type = value_type(reader, &mut fields, kind, first)?;
    if value_type == ValueType::Absolute && keys.first == DAY_KEYS.first {
        return reader.error(
            codes::MISPLACED_FIELD,
            &first.span,
            "an absolute window has dates, not days",
            "a count of days",
        );
    }
    if value_type != ValueType::Absolute && keys.first == DATE_KEYS.first {
        return reader.error(
            codes::MISPLACED_FIELD,
            &first.span,
            "a relative window has `days`",
            "a date",
        );
    }
    let window = match value_type {
        ValueType::Absolute => absolute_time_range(reader, &mut fields, (kind, first), keys),
        ValueType::RelativePast | ValueType::RelativeFuture => {
            relative_time_range(reader, &mut fields, (kind, first), keys)
        }
    };
    reader.finish(&fields);
    window
}

/// What the type allows and, where nothing is said, what the first value is.
fn value_type(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    kind: TimeRangeType,
    first: &Node,
) -> Option<ValueType> {
    let allowed: &[ValueType] = match kind {
        TimeRangeType::InTheLast => &[ValueType::RelativePast],
        TimeRangeType::After => &[ValueType::Absolute],
        TimeRangeType::Between | TimeRangeType::On | TimeRangeType::Before => {
            &[ValueType::Absolute, ValueType::RelativePast]
        }
    };
    if let Some(node) = fields.take("value_type") {
        return reader.keyword_among(node, allowed);
    }
    let is_count = matches!(&first.value, Yaml::Scalar(scalar) if scalar.resolved != ScalarValue::Text);
    let implied = if is_count {
        ValueType::RelativePast
    } else {
        ValueType::Absolute
    };
    Some(match allowed {
        [only] => *only,
        _ => implied,
    })
}

fn relative_time_range(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (TimeRangeType, &Node),
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let least = u32::from(kind == TimeRangeType::InTheLast);
    let count = reader.count(first, least..=COUNT_LIMIT);
    let second = match kind {
        TimeRangeType::Between => Some(
            reader
                .require(fields, keys.second)
                .and_then(|node| reader.count(node, 0..=COUNT_LIMIT)),
        ),
        _ => None,
    };
    let unit = if keys.has_unit {
        reader
            .require(fields, "period_unit")
            .and_then(|node| reader.keyword(node))
    } else {
        day_unit(reader, fields)
    };
    let (count, unit) = (count?, unit?);
    Some(match (kind, second) {
        (TimeRangeType::Between, Some(second)) => TimeRange::BetweenAgo {
            nearer: count,
            farther: second?,
            unit,
        },
        (TimeRangeType::On, _) => TimeRange::OnAgo { count, unit },
        (TimeRangeType::Before, _) => TimeRange::BeforeAgo { count, unit },
        _ => TimeRange::InTheLast { count, unit },
    })
}

/// The unit of the forms that count in days; some payloads say so, too.
fn day_unit(reader: &mut Decoder<'_>, fields: &mut Fields<'_>) -> Option<PeriodUnit> {
    match fields.take("period_unit") {
        Some(node) => reader.keyword_among(node, &[PeriodUnit::Days]),
        None => Some(PeriodUnit::Days),
    }
}

fn absolute_time_range(
    reader: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (TimeRangeType, &Node),
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let date = reader.day(first, DayBoundary::Start);
    let last = match kind {
        TimeRangeType::Between => Some(
            reader
                .require(fields, keys.second)
                .and_then(|node| reader.day(node, DayBoundary::End)),
        ),
        _ => None,
    };
    // Payloads carry a unit here, too; it has no meaning and is kept.
    let unit = match fields.take("period_unit") {
        Some(node) if keys.has_unit => Some(reader.keyword(node)?),
        Some(node) => {
            reader.keyword_among(node, &[PeriodUnit::Days])?;
            None
        }
        None => None,
    };
    let date = date?;
    Some(match (kind, last) {
        (TimeRangeType::Between, Some(last)) => TimeRange::BetweenDates {
            first: date,
            last: last?,
            unit,
        },
        (TimeRangeType::On, _) => TimeRange::OnDate { date, unit },
        (TimeRangeType::Before, _) => TimeRange::BeforeDate { date, unit },
        _ => TimeRange::AfterDate { date, unit },
    })
}
