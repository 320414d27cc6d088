//! Rules on time ranges.

use super::super::declaration::PathElement::{self, Field, Item};
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{BaseTimeRange, Filter, TimeRange};
use jiff::civil::DateTime;
use std::cmp::Ordering;

const BASE_TIME_RANGE: [PathElement; 4] = [
    Field("aggregation_attributes"),
    Field("filters"),
    Item(0),
    Field("base_time_range"),
];

pub(super) const EMPTY_TIME_RANGE: Rule = Rule {
    code: "SEG029",
    name: "time-range-empty",
    explanation: "A time range starts with the earlier date, or with the nearer, smaller count: from 3 to 5 days \
                  ago. For one day, use the same date twice. Any other order is empty.",
    check: RuleCheck::Filter(empty_time_range),
};

pub(super) fn time_range_of(filter: &Filter) -> Option<&TimeRange> {
    match filter {
        Filter::Event(event) => Some(&event.time_range),
        Filter::Affinity(affinity) => Some(&affinity.time_range),
        _ => None,
    }
}

fn empty_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let error = time_range_of(filter.part).and_then(|time_range| match time_range {
        TimeRange::BetweenAgo { nearer, farther, .. } => count_order_error(*nearer, *farther),
        TimeRange::BetweenDates { first, last, .. } => date_order_error(first, last),
        _ => None,
    });
    report_order_error(error, filter, &[Field("primary_time_range")], found);
    let Filter::Event(event) = filter.part else {
        return;
    };
    let aggregation = event.aggregation.as_ref();
    let comparison = aggregation.and_then(|aggregation| aggregation.comparison.as_ref());
    let error = comparison.and_then(|comparison| match &comparison.base_time_range {
        BaseTimeRange::Dates { first, last } => date_order_error(first, last),
        BaseTimeRange::PreviousPeriod => None,
    });
    report_order_error(error, filter, &BASE_TIME_RANGE, found);
}

type MessageAndHelp = (String, &'static str);

fn count_order_error(nearer: u32, farther: u32) -> Option<MessageAndHelp> {
    let message = format!("the time range between {nearer} and {farther} is in the wrong order");
    match nearer.cmp(&farther) {
        Ordering::Less => None,
        Ordering::Equal => Some((message, "for one unit, use the time range type `on`")),
        Ordering::Greater => Some((message, "swap the two values: the nearer end comes first")),
    }
}

fn date_order_error(first: &DateTime, last: &DateTime) -> Option<MessageAndHelp> {
    let (first_day, last_day) = (first.date(), last.date());
    let (message, help) = match last.cmp(first) {
        Ordering::Greater => return None,
        Ordering::Equal => (
            format!("the time range from {first} to {last} is empty"),
            "write a later end",
        ),
        Ordering::Less if last_day < first_day => (
            format!("the time range from {first_day} to {last_day} ends before it starts"),
            "swap the two values: the earlier date comes first",
        ),
        Ordering::Less => (
            format!("the time range from {first} to {last} ends before it starts"),
            "swap the two values: the earlier time comes first",
        ),
    };
    Some((message, help))
}

fn report_order_error(
    error: Option<MessageAndHelp>,
    filter: &Located<'_, Filter>,
    steps: &[PathElement],
    found: &mut Vec<Diagnostic>,
) {
    if let Some((message, help)) = error {
        let second = filter.location_of_any(steps, &["value1", "days1", "to"]);
        let first = filter.location_of_any(steps, &["value", "days", "from"]);
        found.push(
            Diagnostic::error(EMPTY_TIME_RANGE.code, message, second, "the second value")
                .with_label(first, "the first value")
                .with_help(help),
        );
    }
}
