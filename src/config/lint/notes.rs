//! Notes: nothing to mend, but worth knowing before the service decides.

use super::super::declaration::PathElement;
use super::aggregation::days_between;
use super::parts::{DefinitionParts, Located};
use super::time_ranges::time_range_of;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Execution, Filter, PeriodUnit, TimeRange};

/// Days that a workspace keeps events, unless its contract says otherwise.
const DEFAULT_RETENTION_DAYS: i64 = 60;

pub(super) const MISSING_CATEGORY: Rule = Rule {
    code: "SEG090",
    name: "category-missing",
    explanation: "The API's documentation asks for a `category` on every `user_attributes` filter, but the \
                  service's own answers lack it and clients that leave it out report success. The category of an \
                  attribute is in the payload that the dashboard shows.",
    check: RuleCheck::Definition(missing_category),
};

pub(super) const UNCHECKED_RAW_FILTER: Rule = Rule {
    code: "SEG091",
    name: "raw-unchecked",
    explanation: "A `raw` filter is sent as it stands; nothing inside it was checked. It is for what the API knows \
                  and this version does not.",
    check: RuleCheck::Filter(unchecked_raw_filter),
};

pub(super) const AMBIGUOUS_AT_MOST: Rule = Rule {
    code: "SEG092",
    name: "atmost-zero",
    explanation: "Whether `atmost` counts users who never did it is not documented. To be sure, say both sides: \
                  one filter with `atleast` 1 and one with `atmost` joined by `and` leave them out; a filter with \
                  `executed: false` joined by `or` takes them in.",
    check: RuleCheck::Filter(ambiguous_at_most),
};

pub(super) const BEYOND_RETENTION: Rule = Rule {
    code: "SEG093",
    name: "window-beyond-retention",
    explanation: "Segments see events only as far back as the workspace keeps them, 60 days by default. A longer \
                  window is taken, but older events do not count unless the workspace keeps them.",
    check: RuleCheck::Filter(beyond_retention),
};

fn missing_category(parts: &DefinitionParts<'_>, found: &mut Vec<Diagnostic>) {
    let lacks = |filter: &&Located<'_, Filter>| matches!(filter.part, Filter::Attribute(filter) if filter.category.is_none());
    let mut lacking = parts.filters.iter().filter(lacks);
    let Some(first) = lacking.next() else {
        return;
    };
    let message = match lacking.count() {
        0 => "a user attribute has no `category`".to_owned(),
        others => format!("{} user attributes have no `category`", others + 1),
    };
    let place = first.location_of(&[PathElement::Field("name")]);
    found.push(
        Diagnostic::note(MISSING_CATEGORY.code, message, place, "the first one")
            .with_note("the documentation asks for it, the service's own answers lack it"),
    );
}

fn unchecked_raw_filter(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if matches!(filter.part, Filter::Raw(_)) {
        let message = "a raw filter is sent unchecked";
        found.push(Diagnostic::note(
            UNCHECKED_RAW_FILTER.code,
            message,
            filter.location(),
            "sent as it stands",
        ));
    }
}

fn ambiguous_at_most(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let execution = match filter.part {
        Filter::Event(event) => event.execution,
        Filter::Affinity(affinity) => affinity.execution,
        _ => return,
    };
    if let Execution::AtMost(count) = execution {
        let message = format!("whether at most {count} includes users who never did it is not documented");
        let place = filter.location_of(&[PathElement::Field("execution"), PathElement::Field("type")]);
        found.push(
            Diagnostic::note(AMBIGUOUS_AT_MOST.code, message, place, "0 may or may not count")
                .with_help("to leave them out, add a filter with `atleast` 1; to take them in, one with `executed: false`"),
        );
    }
}

fn beyond_retention(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let Some(days) = time_range_of(filter.part).and_then(days_covered) else {
        return;
    };
    if days > DEFAULT_RETENTION_DAYS {
        let message = format!("the window reaches over more than {DEFAULT_RETENTION_DAYS} days");
        let place = filter.location_of(&[PathElement::Field("primary_time_range")]);
        let label = "longer than events are kept by default";
        found.push(
            Diagnostic::note(BEYOND_RETENTION.code, message, place, label)
                .with_note("events older than the workspace's retention do not count"),
        );
    }
}

/// Days that a window reaches back, or spans where it stands on dates; `None` for windows without a beginning.
fn days_covered(time_range: &TimeRange) -> Option<i64> {
    let (count, unit) = match time_range {
        TimeRange::InTheLast { count, unit } | TimeRange::OnAgo { count, unit } => (*count, *unit),
        TimeRange::BetweenAgo { farther, unit, .. } => (*farther, *unit),
        TimeRange::BetweenDates { first, last, .. } => return Some(days_between(*first, *last)),
        TimeRange::OnDate { .. }
        | TimeRange::BeforeAgo { .. }
        | TimeRange::BeforeDate { .. }
        | TimeRange::AfterDate { .. } => return None,
    };
    let count = i64::from(count);
    Some(match unit {
        PeriodUnit::Hours => count.div_euclid(24) + i64::from(count % 24 > 0),
        PeriodUnit::Days => count,
        PeriodUnit::Weeks => count * 7,
        PeriodUnit::Months => count * 30,
    })
}
