//! Rules on windows of time.

use super::super::declaration::PathElement;
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{BaseTimeRange, Filter, TimeRange};

/// Where an event's aggregation has its base window.
const BASE_TIME_RANGE: [PathElement; 4] = [
    PathElement::Field("aggregation_attributes"),
    PathElement::Field("filters"),
    PathElement::Item(0),
    PathElement::Field("base_time_range"),
];

pub(super) const EMPTY_TIME_RANGE: Rule = Rule {
    code: "SEG029",
    name: "window-empty",
    explanation: "A window between two dates starts with the earlier one; one day is from a date to the same \
                  date. A window between two counts starts with the nearer one, which is the smaller: from 3 to 5 \
                  days ago. Any other order holds no moment.",
    check: RuleCheck::Filter(empty_time_range),
};

/// The window of a filter that has one.
pub(super) fn time_range_of(filter: &Filter) -> Option<&TimeRange> {
    match filter {
        Filter::Event(event) => Some(&event.time_range),
        Filter::Affinity(affinity) => Some(&affinity.time_range),
        _ => None,
    }
}

fn empty_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let fault = time_range_of(filter.part).and_then(|window| match window {
        TimeRange::BetweenAgo { nearer, farther, .. } => count_order_error(*nearer, *farther),
        TimeRange::BetweenDates { first, last, .. } if last < first => Some(date_order_error(first, last)),
        _ => None,
    });
    report_order_error(fault, filter, &[PathElement::Field("primary_time_range")], found);
    let Filter::Event(event) = filter.part else {
        return;
    };
    let comparison = event
        .aggregation
        .as_ref()
        .and_then(|made| made.comparison.as_ref());
    let fault = comparison.and_then(|comparison| match &comparison.base_time_range {
        BaseTimeRange::Ago { nearer, farther } => count_order_error(*nearer, *farther),
        BaseTimeRange::Dates { first, last } if last < first => Some(date_order_error(first, last)),
        BaseTimeRange::PreviousPeriod | BaseTimeRange::Dates { .. } => None,
    });
    report_order_error(fault, filter, &BASE_TIME_RANGE, found);
}

/// Message and help.
type MessageAndHelp = (String, &'static str);

fn count_order_error(nearer: u32, farther: u32) -> Option<MessageAndHelp> {
    let message = format!("the window between {nearer} and {farther} is out of order");
    match nearer.cmp(&farther) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some((message, "for one unit, use the window type `on`")),
        std::cmp::Ordering::Greater => Some((message, "the nearer end comes first: swap the two values")),
    }
}

fn date_order_error(first: &jiff::civil::Date, last: &jiff::civil::Date) -> MessageAndHelp {
    let message = format!("the window from {first} to {last} ends before it starts");
    (message, "the earlier date comes first: swap the two values")
}

fn report_order_error(
    fault: Option<MessageAndHelp>,
    filter: &Located<'_, Filter>,
    steps: &[PathElement],
    found: &mut Vec<Diagnostic>,
) {
    if let Some((message, help)) = fault {
        let second = filter.location_of_any(steps, &["value1", "days1", "to"]);
        let first = filter.location_of_any(steps, &["value", "days", "from"]);
        found.push(
            Diagnostic::error(EMPTY_TIME_RANGE.code, message, second, "the second value")
                .with_label(first, "the first value")
                .with_help(help),
        );
    }
}
