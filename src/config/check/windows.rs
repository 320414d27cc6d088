//! Rules on windows of time.

use super::super::declaration::Step;
use super::walk::At;
use super::{Check, Rule};
use crate::diagnostic::Diagnostic;
use crate::model::{BaseWindow, Filter, Window};

/// Where an event's aggregation has its base window.
const BASE: [Step; 4] = [
    Step::Field("aggregation_attributes"),
    Step::Field("filters"),
    Step::Item(0),
    Step::Field("base_time_range"),
];

pub(super) const EMPTY_WINDOW: Rule = Rule {
    code: "SEG029",
    name: "window-empty",
    explanation: "A window between two dates starts with the earlier one; one day is from a date to the same \
                  date. A window between two counts starts with the nearer one, which is the smaller: from 3 to 5 \
                  days ago. Any other order holds no moment.",
    check: Check::Filter(empty_window),
};

/// The window of a filter that has one.
pub(super) fn window_of(filter: &Filter) -> Option<&Window> {
    match filter {
        Filter::Event(event) => Some(&event.window),
        Filter::Affinity(affinity) => Some(&affinity.window),
        _ => None,
    }
}

fn empty_window(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let fault = window_of(filter.part).and_then(|window| match window {
        Window::BetweenAgo { nearer, farther, .. } => counts_fault(*nearer, *farther),
        Window::BetweenDates { first, last, .. } if last < first => Some(dates_fault(first, last)),
        _ => None,
    });
    report(fault, filter, &[Step::Field("primary_time_range")], found);
    let Filter::Event(event) = filter.part else {
        return;
    };
    let comparison = event
        .aggregation
        .as_ref()
        .and_then(|made| made.comparison.as_ref());
    let fault = comparison.and_then(|comparison| match &comparison.base {
        BaseWindow::Ago { nearer, farther } => counts_fault(*nearer, *farther),
        BaseWindow::Dates { first, last } if last < first => Some(dates_fault(first, last)),
        BaseWindow::PreviousPeriod | BaseWindow::Dates { .. } => None,
    });
    report(fault, filter, &BASE, found);
}

/// Message and help.
type Fault = (String, &'static str);

fn counts_fault(nearer: u32, farther: u32) -> Option<Fault> {
    let message = format!("the window between {nearer} and {farther} is out of order");
    match nearer.cmp(&farther) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some((message, "for one unit, use the window type `on`")),
        std::cmp::Ordering::Greater => Some((message, "the nearer end comes first: swap the two values")),
    }
}

fn dates_fault(first: &jiff::civil::Date, last: &jiff::civil::Date) -> Fault {
    let message = format!("the window from {first} to {last} ends before it starts");
    (message, "the earlier date comes first: swap the two values")
}

fn report(fault: Option<Fault>, filter: &At<'_, Filter>, steps: &[Step], found: &mut Vec<Diagnostic>) {
    if let Some((message, help)) = fault {
        let second = filter.place_of_any(steps, &["value1", "days1", "to"]);
        let first = filter.place_of_any(steps, &["value", "days", "from"]);
        found.push(
            Diagnostic::error(EMPTY_WINDOW.code, message, second, "the second value")
                .with_label(first, "the first value")
                .with_help(help),
        );
    }
}
