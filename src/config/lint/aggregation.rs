//! Rules on aggregations: the executions and time ranges that they support.

use super::super::declaration::PathElement::{self, Field, Item};
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Aggregation, EventFilter, Execution, Filter, PeriodUnit, TimeRange};

pub(super) const NEVER_EXECUTED: Rule = Rule {
    code: "SEG034",
    name: "aggregation-never-executed",
    explanation: "An aggregation is computed from the occurrences of an event, so it requires `executed: true`.",
    check: RuleCheck::Filter(never_executed),
};

pub(super) const SINGLE_OCCURRENCE: Rule = Rule {
    code: "SEG035",
    name: "aggregation-first-or-last",
    explanation: "MoEngage has no aggregations for `firstTime` and `lastTime`. Use `atleast`, `atmost` or \
                  `exactly`.",
    check: RuleCheck::Filter(single_occurrence),
};

pub(super) const OPEN_TIME_RANGE: Rule = Rule {
    code: "SEG036",
    name: "aggregation-open-time-range",
    explanation: "MoEngage has no aggregations over `before` and `after`. Use `inTheLast`, `between` or `on`.",
    check: RuleCheck::Filter(open_time_range),
};

pub(super) const COMPARATOR_TIME_RANGE: Rule = Rule {
    code: "SEG037",
    name: "comparator-time-range",
    explanation: "A comparison with an earlier period (`comparator`) supports the last N days, `between`, and \
                  single days. MoEngage does not support hours, weeks or months here. Set the time range in days.",
    check: RuleCheck::Filter(comparator_time_range),
};

pub(super) const LONG_TIME_RANGE: Rule = Rule {
    code: "SEG038",
    name: "aggregation-long-time-range",
    explanation: "By default, MoEngage aggregates over at most 30 days, 4 weeks, 720 hours or 1 month. Shorten the \
                  time range, or ask MoEngage whether the workspace has a higher limit.",
    check: RuleCheck::Filter(long_time_range),
};

const AGGREGATION: PathElement = Field("aggregation_attributes");
const TIME_RANGE: PathElement = Field("primary_time_range");

fn event_with_aggregation<'a>(filter: &Located<'a, Filter>) -> Option<(&'a EventFilter, &'a Aggregation)> {
    match filter.part {
        Filter::Event(event) => Some((event, event.aggregation.as_ref()?)),
        _ => None,
    }
}

fn never_executed(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && event.execution == Execution::Never
    {
        let message = format!("nothing to aggregate: `{}` is not executed", event.action_name);
        let location = filter.location_of(&[AGGREGATION]);
        let executed = filter.location_of(&[Field("executed")]);
        found.push(
            Diagnostic::error(NEVER_EXECUTED.code, message, location, "the aggregation")
                .with_label(executed, "no occurrences")
                .with_help("set `executed: true`, or remove the aggregation"),
        );
    }
}

fn single_occurrence(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && matches!(event.execution, Execution::FirstTime | Execution::LastTime)
    {
        let location = filter.location_of(&[Field("execution"), Field("type")]);
        let message = "an aggregation does not support `firstTime` and `lastTime`";
        found.push(
            Diagnostic::error(SINGLE_OCCURRENCE.code, message, location, "a single occurrence")
                .with_label(filter.location_of(&[AGGREGATION]), "the aggregation")
                .with_help("use `atleast`, `atmost` or `exactly`"),
        );
    }
}

fn open_time_range(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if let Some((event, _)) = event_with_aggregation(filter)
        && has_open_end(&event.time_range)
    {
        let location = filter.location_of(&[TIME_RANGE, Field("type")]);
        let message = "an aggregation does not support the time ranges `before` and `after`";
        found.push(
            Diagnostic::error(OPEN_TIME_RANGE.code, message, location, "open on one side")
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
    // SEG036 rejects open time ranges for every aggregation.
    let is_unsupported = match event.time_range {
        TimeRange::InTheLast { unit, .. } => unit != PeriodUnit::Days,
        // This or last week or month. Older ones are not calendar periods.
        TimeRange::OnAgo { count, unit } => {
            count <= 1 && matches!(unit, PeriodUnit::Weeks | PeriodUnit::Months)
        }
        _ => false,
    };
    if aggregation.comparison.is_some() && is_unsupported {
        let comparator = [AGGREGATION, Field("filters"), Item(0), Field("comparator")];
        let message = "a `comparator` does not support time ranges of hours, weeks or months";
        let location = filter.location_of(&[TIME_RANGE, Field("period_unit")]);
        found.push(
            Diagnostic::error(COMPARATOR_TIME_RANGE.code, message, location, "the time range")
                .with_label(filter.location_of(&comparator), "compares with an earlier period")
                .with_help("set the time range in days"),
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
        TimeRange::BetweenDates { first, last, .. } => {
            (days_between(first.date(), last.date()), PeriodUnit::Days)
        }
        _ => return,
    };
    let (limit, unit) = match unit {
        PeriodUnit::Hours => (720, "hours"),
        PeriodUnit::Days => (30, "days"),
        PeriodUnit::Weeks => (4, "weeks"),
        PeriodUnit::Months => (1, "months"),
    };
    if length > limit {
        let message = format!("an aggregation covers {length} {unit}; the default limit is {limit}");
        let location = filter.location_of_any(&[TIME_RANGE], &["value1", "days1", "value", "days"]);
        let label = "exceeds the default limit";
        found.push(
            Diagnostic::warning(LONG_TIME_RANGE.code, message, location, label)
                .with_help("shorten the time range, or check that the workspace has a higher limit"),
        );
    }
}

/// Days from `first` to `last`, including both.
pub(super) fn days_between(first: jiff::civil::Date, last: jiff::civil::Date) -> i64 {
    // A span in days between two valid dates always fits.
    first.until(last).map_or(0, |span| i64::from(span.get_days()) + 1)
}
