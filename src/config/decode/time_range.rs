//! Time ranges, in the three forms that API payloads use: values with a unit, days, and dates.

use super::super::yaml::{Node, ScalarValue, Yaml};
use super::codes;
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use crate::model::{PeriodUnit, TimeRange, TimeRangeType, ValueType};
use jiff::civil::DateTime;

struct TimeRangeKeys {
    first: &'static str,
    second: &'static str,
    /// Without a unit, counts are days.
    has_unit: bool,
    /// Dates are whole days.
    has_days: bool,
}

const VALUE_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "value",
    second: "value1",
    has_unit: true,
    has_days: true,
};
const DAY_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "days",
    second: "days1",
    has_unit: false,
    has_days: true,
};
const DATE_KEYS: TimeRangeKeys = TimeRangeKeys {
    first: "from",
    second: "to",
    has_unit: false,
    has_days: false,
};

pub(super) fn event_time_range(decoder: &mut Decoder<'_>, node: &Node) -> Option<TimeRange> {
    let fields = decoder.fields(node, "a time range")?;
    let uses_days = fields.has("days");
    time_range(decoder, fields, if uses_days { &DAY_KEYS } else { &VALUE_KEYS })
}

pub(super) fn affinity_time_range(decoder: &mut Decoder<'_>, node: &Node) -> Option<TimeRange> {
    let fields = decoder.fields(node, "the time range of an affinity filter")?;
    let uses_dates = fields.has("from");
    time_range(decoder, fields, if uses_dates { &DATE_KEYS } else { &DAY_KEYS })
}

fn time_range(decoder: &mut Decoder<'_>, mut fields: Fields<'_>, keys: &TimeRangeKeys) -> Option<TimeRange> {
    let kind = decoder.required(&mut fields, "type", Decoder::keyword::<TimeRangeType>)?;
    let first = decoder.require(&mut fields, keys.first)?;
    let value_type = value_type(decoder, &mut fields, kind, first)?;
    let is_absolute = value_type == ValueType::Absolute;
    if is_absolute && keys.first == DAY_KEYS.first {
        let message = "an absolute time range takes dates, not days";
        return decoder.error(codes::MISPLACED_FIELD, &first.span, message, "a number of days");
    }
    if !is_absolute && keys.first == DATE_KEYS.first {
        let message = "a relative time range takes `days`, not dates";
        return decoder.error(codes::MISPLACED_FIELD, &first.span, message, "a date");
    }
    let time_range = if is_absolute {
        absolute_time_range(decoder, &mut fields, (kind, first), keys)
    } else {
        relative_time_range(decoder, &mut fields, (kind, first), keys)
    };
    decoder.finish(&fields);
    time_range
}

/// The given value type, or the one that the time range type or the first value implies.
fn value_type(
    decoder: &mut Decoder<'_>,
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
        return decoder.keyword_among(node, allowed);
    }
    let is_count = matches!(&first.value, Yaml::Scalar(scalar) if scalar.resolved != ScalarValue::Text);
    Some(match allowed {
        [only] => *only,
        _ if is_count => ValueType::RelativePast,
        _ => ValueType::Absolute,
    })
}

fn relative_time_range(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (TimeRangeType, &Node),
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let minimum = u32::from(kind == TimeRangeType::InTheLast);
    let count = decoder.count(first, minimum..=COUNT_LIMIT);
    let second = (kind == TimeRangeType::Between).then(|| {
        decoder.required(fields, keys.second, |decoder, node| {
            decoder.count(node, 0..=COUNT_LIMIT)
        })
    });
    let unit = match kind {
        TimeRangeType::InTheLast | TimeRangeType::On if keys.has_unit => {
            decoder.required(fields, "period_unit", Decoder::keyword)
        }
        // Without a unit, the API counts days.
        _ if keys.has_unit => decoder.or(fields, "period_unit", PeriodUnit::Days, Decoder::keyword),
        // Some payloads set the unit here too.
        _ => decoder.or(fields, "period_unit", PeriodUnit::Days, |decoder, node| {
            decoder.keyword_among(node, &[PeriodUnit::Days])
        }),
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

fn absolute_time_range(
    decoder: &mut Decoder<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (TimeRangeType, &Node),
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let date = range_end(decoder, first, DayBoundary::Start, keys);
    let last = (kind == TimeRangeType::Between).then(|| {
        decoder.required(fields, keys.second, |decoder, node| {
            range_end(decoder, node, DayBoundary::End, keys)
        })
    });
    // Some payloads set a unit here; it has no effect, and segctl preserves it.
    let unit = match fields.take("period_unit") {
        Some(node) if keys.has_unit => Some(decoder.keyword(node)?),
        Some(node) => {
            decoder.keyword_among(node, &[PeriodUnit::Days])?;
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

fn range_end(
    decoder: &mut Decoder<'_>,
    node: &Node,
    boundary: DayBoundary,
    keys: &TimeRangeKeys,
) -> Option<DateTime> {
    if keys.has_days {
        let day = decoder.day(node, boundary);
        day.map(|day| day.to_datetime(boundary.time()))
    } else {
        decoder.moment(node, boundary)
    }
}
