//! Rules on aggregations: which executions and windows they work with.

use super::super::declaration::Step;
use super::walk::At;
use super::{Check, Rule};
use crate::diagnostic::Diagnostic;
use crate::model::{Aggregation, EventFilter, Execution, Filter, PeriodUnit, Window};

pub(super) const NEVER_EXECUTED: Rule = Rule {
    code: "SEG034",
    name: "aggregation-never-executed",
    explanation: "An aggregation computes over the occurrences of an event, so it needs `executed: true`: where \
                  nothing happened there is nothing to compute.",
    check: Check::Filter(never_executed),
};

pub(super) const FIRST_OR_LAST: Rule = Rule {
    code: "SEG035",
    name: "aggregation-first-or-last",
    explanation: "The service has no aggregation for the executions `firstTime` and `lastTime`. Use `atleast`, \
                  `atmost` or `exactly`.",
    check: Check::Filter(first_or_last),
};

pub(super) const OPEN_WINDOW: Rule = Rule {
    code: "SEG036",
    name: "aggregation-open-window",
    explanation: "The service has no aggregation for windows without an end on one side, `before` and `after`. \
                  Use `inTheLast`, `between` or `on`.",
    check: Check::Filter(open_window),
};

pub(super) const COMPARATOR_WINDOW: Rule = Rule {
    code: "SEG037",
    name: "comparator-window",
    explanation: "A comparison with an earlier window (`comparator`) works with the last so many days, `between`, \
                  and single days. The service does not offer it for the last so many hours, weeks or months, \
                  nor for this or last week or month. Say the window in days.",
    check: Check::Filter(comparator_window),
};

pub(super) const LONG_WINDOW: Rule = Rule {
    code: "SEG038",
    name: "aggregation-long-window",
    explanation: "By default the service aggregates over at most 30 days, 4 weeks, 720 hours or 1 month. Longer \
                  windows work only where it raised the limit for the workspace. Shorten the window, or ask \
                  whether the limit is raised.",
    check: Check::Filter(long_window),
};

const AGGREGATION: Step = Step::Field("aggregation_attributes");
const WINDOW: Step = Step::Field("primary_time_range");

fn aggregated<'a>(filter: &At<'a, Filter>) -> Option<(&'a EventFilter, &'a Aggregation)> {
    match filter.part {
        Filter::Event(event) => event.aggregation.as_ref().map(|aggregation| (event, aggregation)),
        _ => None,
    }
}

fn never_executed(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = aggregated(filter)
        && event.execution == Execution::Never
    {
        let message = format!("nothing to aggregate: `{}` is not executed", event.action_name);
        found.push(
            Diagnostic::error(
                NEVER_EXECUTED.code,
                message,
                filter.place_of(&[AGGREGATION]),
                "the aggregation",
            )
            .with_label(filter.place_of(&[Step::Field("executed")]), "no occurrences")
            .with_help("say `executed: true`, or take the aggregation out"),
        );
    }
}

fn first_or_last(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = aggregated(filter)
        && matches!(event.execution, Execution::FirstTime | Execution::LastTime)
    {
        let place = filter.place_of(&[Step::Field("execution"), Step::Field("type")]);
        let message = "an aggregation does not work with `firstTime` and `lastTime`";
        found.push(
            Diagnostic::error(FIRST_OR_LAST.code, message, place, "one occurrence")
                .with_label(filter.place_of(&[AGGREGATION]), "the aggregation")
                .with_help("use `atleast`, `atmost` or `exactly`"),
        );
    }
}

fn open_window(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = aggregated(filter)
        && is_open(&event.window)
    {
        let place = filter.place_of(&[WINDOW, Step::Field("type")]);
        let message = "an aggregation does not work with the windows `before` and `after`";
        found.push(
            Diagnostic::error(OPEN_WINDOW.code, message, place, "open on one side")
                .with_label(filter.place_of(&[AGGREGATION]), "the aggregation")
                .with_help("use `inTheLast`, `between` or `on`"),
        );
    }
}

fn is_open(window: &Window) -> bool {
    matches!(
        window,
        Window::BeforeAgo { .. } | Window::BeforeDate { .. } | Window::AfterDate { .. }
    )
}

fn comparator_window(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let Some((event, aggregation)) = aggregated(filter) else {
        return;
    };
    // Windows open on one side are refused for every aggregation.
    let is_refused = match event.window {
        Window::InTheLast { unit, .. } => unit != PeriodUnit::Days,
        // This or last week or month; what lies further back is no window of the calendar.
        Window::OnAgo { count, unit } => count <= 1 && matches!(unit, PeriodUnit::Weeks | PeriodUnit::Months),
        _ => false,
    };
    if aggregation.comparison.is_some() && is_refused {
        let steps = [
            AGGREGATION,
            Step::Field("filters"),
            Step::Item(0),
            Step::Field("comparator"),
        ];
        let message = "a `comparator` does not work with windows of hours, weeks or months";
        let place = filter.place_of(&[WINDOW, Step::Field("period_unit")]);
        found.push(
            Diagnostic::error(COMPARATOR_WINDOW.code, message, place, "the window")
                .with_label(filter.place_of(&steps), "compares with an earlier window")
                .with_help("say the window in days"),
        );
    }
}

fn long_window(filter: &At<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let Some((event, _)) = aggregated(filter) else {
        return;
    };
    let (length, unit) = match &event.window {
        Window::InTheLast { count, unit } => (i64::from(*count), *unit),
        // Both ends are whole units.
        Window::BetweenAgo {
            nearer,
            farther,
            unit,
        } => (i64::from(*farther) - i64::from(*nearer) + 1, *unit),
        Window::BetweenDates { first, last, .. } => (days_between(*first, *last), PeriodUnit::Days),
        _ => return,
    };
    let (limit, unit) = match unit {
        PeriodUnit::Hours => (720, "hours"),
        PeriodUnit::Days => (30, "days"),
        PeriodUnit::Weeks => (4, "weeks"),
        PeriodUnit::Months => (1, "months"),
    };
    if length > limit {
        let message = format!("an aggregation over {length} {unit}; by default the limit is {limit}");
        let place = filter.place_of_any(&[WINDOW], &["value1", "days1", "value", "days"]);
        found.push(
            Diagnostic::warning(LONG_WINDOW.code, message, place, "longer than the default limit")
                .with_help("shorten the window, or make sure that the workspace has a higher limit"),
        );
    }
}

/// Days from `first` to `last`, both counted.
pub(super) fn days_between(first: jiff::civil::Date, last: jiff::civil::Date) -> i64 {
    // Whole days up to 9999 fit; on dates of the calendar this cannot fail.
    first.until(last).map_or(0, |span| i64::from(span.get_days()) + 1)
}
