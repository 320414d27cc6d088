//! Windows of time, in the three forms that payloads have: values with a unit, the dashboard's days, and the
//! days and dates of affinity filters.

use super::super::yaml::{Node, Resolved, Yaml};
use super::codes;
use super::date::Edge;
use super::reader::{COUNT_LIMIT, Fields, Reader};
use crate::model::{PeriodUnit, ValueType, Window, WindowType};

/// The names that a form gives to its two values.
struct Form {
    first: &'static str,
    second: &'static str,
    /// Counts have a unit of their own; otherwise they are days.
    has_unit: bool,
}

const VALUES: Form = Form {
    first: "value",
    second: "value1",
    has_unit: true,
};
const DAYS: Form = Form {
    first: "days",
    second: "days1",
    has_unit: false,
};
const DATES: Form = Form {
    first: "from",
    second: "to",
    has_unit: false,
};

/// The window of an event filter.
pub(super) fn event_window(reader: &mut Reader<'_>, node: &Node) -> Option<Window> {
    let mut fields = reader.fields(node, "a window of time")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.word::<WindowType>(node))?;
    let form = if fields.has("days") { &DAYS } else { &VALUES };
    window(reader, fields, kind, form)
}

/// The window of an affinity filter.
pub(super) fn affinity_window(reader: &mut Reader<'_>, node: &Node) -> Option<Window> {
    let mut fields = reader.fields(node, "the window of an affinity filter")?;
    let kind = reader
        .require(&mut fields, "type")
        .and_then(|node| reader.word::<WindowType>(node))?;
    let form = if fields.has("from") { &DATES } else { &DAYS };
    window(reader, fields, kind, form)
}

fn window(reader: &mut Reader<'_>, mut fields: Fields<'_>, kind: WindowType, form: &Form) -> Option<Window> {
    let first = reader.require(&mut fields, form.first)?;
    let value_type = value_type(reader, &mut fields, kind, first)?;
    if value_type == ValueType::Absolute && form.first == DAYS.first {
        return reader.fault(
            codes::MISPLACED,
            &first.span,
            "an absolute window has dates, not days",
            "a count of days",
        );
    }
    if value_type != ValueType::Absolute && form.first == DATES.first {
        return reader.fault(
            codes::MISPLACED,
            &first.span,
            "a relative window has `days`",
            "a date",
        );
    }
    let window = match value_type {
        ValueType::Absolute => dates(reader, &mut fields, (kind, first), form),
        ValueType::RelativePast | ValueType::RelativeFuture => {
            counts(reader, &mut fields, (kind, first), form)
        }
    };
    reader.finish(&fields);
    window
}

/// What the type allows and, where nothing is said, what the first value is.
fn value_type(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    kind: WindowType,
    first: &Node,
) -> Option<ValueType> {
    let allowed: &[ValueType] = match kind {
        WindowType::InTheLast => &[ValueType::RelativePast],
        WindowType::After => &[ValueType::Absolute],
        WindowType::Between | WindowType::On | WindowType::Before => {
            &[ValueType::Absolute, ValueType::RelativePast]
        }
    };
    if let Some(node) = fields.take("value_type") {
        return reader.word_among(node, allowed);
    }
    let is_count = matches!(&first.value, Yaml::Scalar(scalar) if scalar.resolved != Resolved::Text);
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

fn counts(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (WindowType, &Node),
    form: &Form,
) -> Option<Window> {
    let least = u32::from(kind == WindowType::InTheLast);
    let count = reader.count(first, least..=COUNT_LIMIT);
    let second = match kind {
        WindowType::Between => Some(
            reader
                .require(fields, form.second)
                .and_then(|node| reader.count(node, 0..=COUNT_LIMIT)),
        ),
        _ => None,
    };
    let unit = if form.has_unit {
        reader
            .require(fields, "period_unit")
            .and_then(|node| reader.word(node))
    } else {
        days(reader, fields)
    };
    let (count, unit) = (count?, unit?);
    Some(match (kind, second) {
        (WindowType::Between, Some(second)) => Window::BetweenAgo {
            nearer: count,
            farther: second?,
            unit,
        },
        (WindowType::On, _) => Window::OnAgo { count, unit },
        (WindowType::Before, _) => Window::BeforeAgo { count, unit },
        _ => Window::InTheLast { count, unit },
    })
}

/// The unit of the forms that count in days; some payloads say so, too.
fn days(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<PeriodUnit> {
    match fields.take("period_unit") {
        Some(node) => reader.word_among(node, &[PeriodUnit::Days]),
        None => Some(PeriodUnit::Days),
    }
}

fn dates(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    (kind, first): (WindowType, &Node),
    form: &Form,
) -> Option<Window> {
    let date = reader.day(first, Edge::Start);
    let last = match kind {
        WindowType::Between => Some(
            reader
                .require(fields, form.second)
                .and_then(|node| reader.day(node, Edge::End)),
        ),
        _ => None,
    };
    // Payloads carry a unit here, too; it has no meaning and is kept.
    let unit = match fields.take("period_unit") {
        Some(node) if form.has_unit => Some(reader.word(node)?),
        Some(node) => {
            reader.word_among(node, &[PeriodUnit::Days])?;
            None
        }
        None => None,
    };
    let date = date?;
    Some(match (kind, last) {
        (WindowType::Between, Some(last)) => Window::BetweenDates {
            first: date,
            last: last?,
            unit,
        },
        (WindowType::On, _) => Window::OnDate { date, unit },
        (WindowType::Before, _) => Window::BeforeDate { date, unit },
        _ => Window::AfterDate { date, unit },
    })
}
