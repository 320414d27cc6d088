//! Time ranges, in the three forms that API payloads use: values with a unit, days, and dates.

use super::super::vocabulary::keyword_for;
use super::super::yaml::{Node, ScalarValue, Yaml};
use super::codes;
use super::date::DayBoundary;
use super::decoder::{COUNT_LIMIT, Decoder, Fields};
use crate::model::{Keyword, PeriodUnit, TimeRange, TimeRangeType, ValueType, did_you_mean};
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

pub(super) fn event_time_range(decoder: &Decoder<'_>, node: &Node) -> Option<TimeRange> {
    reject_words(decoder, node, "value")?;
    let fields = decoder.fields(node, "a time range")?;
    let uses_days = fields.has("days");
    time_range(fields, if uses_days { &DAY_KEYS } else { &VALUE_KEYS })
}

pub(super) fn affinity_time_range(decoder: &Decoder<'_>, node: &Node) -> Option<TimeRange> {
    reject_words(decoder, node, "days")?;
    let fields = decoder.fields(node, "the time range of an affinity filter")?;
    let uses_dates = fields.has("from");
    time_range(fields, if uses_dates { &DATE_KEYS } else { &DAY_KEYS })
}

/// Reports a time range that is written as text or as a number, such as `30d` or `last 30 days`.
fn reject_words(decoder: &Decoder<'_>, node: &Node, key: &str) -> Option<()> {
    let Yaml::Scalar(scalar) = &node.value else {
        return Some(());
    };
    let Some((count, unit)) = period_in_words(&scalar.text) else {
        return Some(());
    };
    decoder.wrong_type_with_help(
        node,
        "a mapping (a time range)",
        if key == "days" {
            format!("write `{{type: inTheLast, days: {count}}}`")
        } else {
            format!(
                "write `{{type: inTheLast, value: {count}, period_unit: {}}}`",
                unit.as_str()
            )
        },
    )
}

/// The count and the unit of `30`, `30d`, `last 30 days` or `P30D`.
fn period_in_words(text: &str) -> Option<(String, PeriodUnit)> {
    let text = text.to_lowercase();
    let digits = text.find(|next: char| next.is_ascii_digit())?;
    let (before, rest) = text.split_at_checked(digits)?;
    let end = rest
        .find(|next: char| !next.is_ascii_digit())
        .unwrap_or(rest.len());
    let (count, unit) = rest.split_at_checked(end)?;
    let is_filler = |word: &str| {
        [
            "last", "past", "in", "the", "within", "previous", "p", "-", "now-",
        ]
        .contains(&word)
    };
    if !before
        .split([' ', '_'])
        .all(|word| word.is_empty() || is_filler(word))
    {
        return None;
    }
    let unit = match unit.trim_start_matches([' ', '_', '-']).trim_end_matches(" ago") {
        "" => PeriodUnit::Days,
        word => {
            let words: Vec<&str> = PeriodUnit::ALL.iter().map(|unit| unit.as_str()).collect();
            let found = did_you_mean(word, words.iter().copied());
            PeriodUnit::from_text(found.or_else(|| keyword_for(PeriodUnit::DISPLAY_NAME, word, &words))?)?
        }
    };
    Some((count.to_owned(), unit))
}

fn time_range(mut fields: Fields<'_>, keys: &TimeRangeKeys) -> Option<TimeRange> {
    let kind = fields.required_keyword::<TimeRangeType>("type")?;
    let first = fields.require(keys.first)?;
    let value_type = value_type(&mut fields, kind, first)?;
    let is_absolute = value_type == ValueType::Absolute;
    if is_absolute && keys.first == DAY_KEYS.first {
        let message = "an absolute time range takes dates, not days";
        let span = &first.span;
        return fields
            .decoder
            .error(codes::MISPLACED_FIELD, span, message, "a number of days");
    }
    if !is_absolute && keys.first == DATE_KEYS.first {
        let message = "a relative time range takes `days`, not dates";
        let span = &first.span;
        return fields
            .decoder
            .error(codes::MISPLACED_FIELD, span, message, "a date");
    }
    let time_range = if is_absolute {
        absolute_time_range(&mut fields, kind, first, keys)
    } else {
        relative_time_range(&mut fields, kind, first, keys)
    };
    fields.finish();
    time_range
}

/// The given value type, or the one that the time range type or the first value implies.
fn value_type(fields: &mut Fields<'_>, kind: TimeRangeType, first: &Node) -> Option<ValueType> {
    let allowed: &[ValueType] = match kind {
        TimeRangeType::InTheLast => &[ValueType::RelativePast],
        TimeRangeType::After => &[ValueType::Absolute],
        TimeRangeType::Between | TimeRangeType::On | TimeRangeType::Before => {
            &[ValueType::Absolute, ValueType::RelativePast]
        }
    };
    if let Some(node) = fields.take("value_type") {
        return fields.decoder.keyword_among(node, allowed);
    }
    let is_count = matches!(&first.value, Yaml::Scalar(scalar) if scalar.resolved != ScalarValue::Text);
    Some(match allowed {
        [only] => *only,
        _ if is_count => ValueType::RelativePast,
        _ => ValueType::Absolute,
    })
}

fn relative_time_range(
    fields: &mut Fields<'_>,
    kind: TimeRangeType,
    first: &Node,
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let minimum = u32::from(kind == TimeRangeType::InTheLast);
    let count = fields.decoder.count(first, minimum..=COUNT_LIMIT);
    let second = (kind == TimeRangeType::Between)
        .then(|| fields.required(keys.second, Decoder::count_in(0..=COUNT_LIMIT)));
    let unit = match kind {
        TimeRangeType::InTheLast | TimeRangeType::On if keys.has_unit => {
            fields.required_keyword("period_unit")
        }
        // Without a unit, the API counts days.
        _ if keys.has_unit => fields.or("period_unit", PeriodUnit::Days, Decoder::keyword),
        // Some payloads set the unit here too.
        _ => fields.or(
            "period_unit",
            PeriodUnit::Days,
            Decoder::one_of(&[PeriodUnit::Days]),
        ),
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
    fields: &mut Fields<'_>,
    kind: TimeRangeType,
    first: &Node,
    keys: &TimeRangeKeys,
) -> Option<TimeRange> {
    let date = range_end(fields.decoder, first, DayBoundary::Start, keys);
    let last = (kind == TimeRangeType::Between).then(|| {
        fields.required(keys.second, |decoder, node| {
            range_end(decoder, node, DayBoundary::End, keys)
        })
    });
    // Some payloads set a unit here; it has no effect, and segctl preserves it.
    let allowed = if keys.has_unit {
        PeriodUnit::ALL
    } else {
        &[PeriodUnit::Days]
    };
    let unit = fields.optional("period_unit", Decoder::one_of(allowed))?;
    let unit = unit.filter(|_| keys.has_unit);
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
    decoder: &Decoder<'_>,
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
