//! Rules on aggregations: which executions and windows they work with.

use super::super::declaration::PathElement;
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Aggregation, EventFilter, Execution, Filter, PeriodUnit, TimeRange};

pub(super) const NEVER_EXECUTED: Rule = Rule {
    code: "SEG034",
    name: "aggregation-never-executed",
    explanation: "An aggregation computes over the occurrences of an event, so it needs `executed: true`: where \
                  nothing happened there is nothing to compute.",
    check: RuleCheck::Filter(never_executed),
};

pub(super) const SINGLE_OCCURRENCE: Rule = Rule {
    code: "SEG035",
    name: "aggregation-first-or-last",
    explanation: "The service has no aggregation for the executions `firstTime` and `lastTime`. Use `atleast`, \
                  `atmost` or `exactly`.",
    check: RuleCheck::Filter(single_occurrence),
};

pub(super) const OPEN_TIME_RANGE: Rule = Rule {
    code: "SEG036",
    name: "aggregation-open-window",
    explanation: "The service has no aggregation for windows without an end on one side, `before` and `after`. \
                  Use `inTheLast`, `between` or `on`.",
    check: RuleCheck::Filter(open_time_range),
};

pub(super) const COMPARATOR_TIME_RANGE: Rule = Rule {
    code: "SEG037",
    name: "comparator-window",
    explanation: "A comparison with an earlier window (`comparator`) works with the last so many days, `between`, \
                  and single days. The service does not offer it for the last so many hours, weeks or months, \
                  nor for this or last week or month. Say the window in days.",
    check: RuleCheck::Filter(comparator_time_range),
};

pub(super) const LONG_TIME_RANGE: Rule = Rule {
    code: "SEG038",
    name: "aggregation-long-window",
    explanation: "By default the service aggregates over at most 30 days, 4 weeks, 720 hours or 1 month. Longer \
                  windows work only where it raised the limit for the workspace. Shorten the window, or ask \
                  whether the limit is raised.",
    check: RuleCheck::Filter(long_time_range),
};

const AGGREGATION: PathElement = PathElement::Field("aggregation_attributes");
const TIME_RANGE: PathElement = PathElement::Field("primary_time_range");

fn event_with_aggregation<'a>(filter: &Located<'a, Filter>) -> Option<(&'a EventFilter, &'a Aggregation)> {
    match filter.part {
        Filter::Event(event) => event.aggregation.as_ref().map(|aggregation| (event, aggregation)),
        _ => None,
    }
}

fn never_executed(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && event.execution == Execution::Never
    {
        let message = format!("nothing to aggregate: `{}` is not executed", event.action_name);
        found.push(
            Diagnostic::error(
                NEVER_EXECUTED.code,
                message,
                filter.location_of(&[AGGREGATION]),
                "the aggregation",
            )
            .with_label(
                filter.location_of(&[PathElement::Field("executed")]),
                "no occurrences",
            )
            .with_help("say `executed: true`, or take the aggregation out"),
        );
    }
}

fn single_occurrence(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && matches!(event.execution, Execution::FirstTime | Execution::LastTime)
    {
        let place = filter.location_of(&[PathElement::Field("execution"), PathElement::Field("type")]);
        let message = "an aggregation does not work with `firstTime` and `lastTime`";
        found.push(
            Diagnostic::error(SINGLE_OCCURRENCE.code, message, place, "one occurrence")
                .with_label(filter.location_of(&[AGGREGATION]), "the aggregation")
                .with_help("use `atleast`, `atmost` or `exactly`"),
        );
    }
}

fn open_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && has_open_end(&event.time_range)
    {
        let place = filter.location_of(&[TIME_RANGE, PathElement::Field("type")]);
        let message = "an aggregation does not work with the windows `before` and `after`";
        found.push(
            Diagnostic::error(OPEN_TIME_RANGE.code, message, place, "open on one side")
                .with_label(filter.location_of(&[AGGREGATION]), "the aggregation")
                .with_help("use `inTheLast`, `between` or `on`"),
        );
    }
}

fn has_open_end(time_range: &TimeRange) -> bool {
    matches!(
        time_range,
        TimeRange::BeforeAgo { .. } | TimeRange::BeforeDate { .. } | TimeRange::AfterDate { .. }
    )
}

fn comparator_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let Some((event, aggregation)) = event_with_aggregation(filter) else {
        return;
    };
    // Windows open on one side are refused for every aggregation.
    let is_refused = match event.time_range {
        TimeRange::InTheLast { unit, .. } => unit != PeriodUnit::Days,
        // This or last week or month; what lies further back is no window of the calendar.
        TimeRange::OnAgo { count, unit } => {
            count <= 1 && matches!(unit, PeriodUnit::Weeks | PeriodUnit::Months)
        }
        _ => false,
    };
    if aggregation.comparison.is_some() && is_refused {
        let steps = [
            AGGREGATION,
            PathElement::Field("filters"),
            PathElement::Item(0),
            PathElement::Field("comparator"),
        ];
        let message = "a `comparator` does not work with windows of hours, weeks or months";
        let place = filter.location_of(&[TIME_RANGE, PathElement::Field("period_unit")]);
        found.push(
            Diagnostic::error(COMPARATOR_TIME_RANGE.code, message, place, "the window")
                .with_label(filter.location_of(&steps), "compares with an earlier window")
                .with_help("say the window in days"),
        );
    }
}

fn long_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let Some((event, _)) = event_with_aggregation(filter) else {
        return;
    };
    let (length, unit) = match &event.time_range {
        TimeRange::InTheLast { count, unit } => (i64::from(*count), *unit),
        // Both ends are whole units.
        TimeRange::BetweenAgo {
            nearer,
            farther,
            unit,
        } => (i64::from(*farther) - i64::from(*nearer) + 1, *unit),
        TimeRange::BetweenDates { first, last, .. } => (days_between(*first, *last), PeriodUnit::Days),
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
        let place = filter.location_of_any(&[TIME_RANGE], &["value1", "days1", "value", "days"]);
        found.push(
            Diagnostic::warning(
                LONG_TIME_RANGE.code,
                message,
                place,
                "longer than the default limit",
            )
            .with_help("shorten the window, or make sure that the workspace has a higher limit"),
        );
    }
}

/// Days from `first` to `last`, both counted.
pub(super) fn days_between(first: jiff::civil::Date, last: jiff::civil::Date) -> i64 {
    // Whole days up to 9999 fit; on dates of the calendar this cannot fail.
    first.until(last).map_or(0, |span| i64::from(span.get_days()) + 1)
}
