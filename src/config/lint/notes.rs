//! Notes on definitions that are valid but may not do what the author expects.

use super::super::declaration::Declaration;
use super::super::declaration::PathElement::Field;
use super::super::decode::RESPONSE_FIELDS;
use super::aggregation::days_between;
use super::parts::{DefinitionParts, Located};
use super::time_ranges::time_range_of;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Execution, Filter, Keyword, PeriodUnit, TimeRange};

/// Days that MoEngage keeps events unless the contract sets another value.
const DEFAULT_RETENTION_DAYS: i64 = 60;

pub(super) const MISSING_CATEGORY: Rule = Rule {
    code: "SEG090",
    name: "category-missing",
    explanation: "The API documentation requires a `category` on every `user_attributes` filter, but the API \
                  returns filters without one. The dashboard shows the category of an attribute in the payload.",
    check: RuleCheck::Definition(missing_category),
};

pub(super) const UNCHECKED_RAW_FILTER: Rule = Rule {
    code: "SEG091",
    name: "raw-filter-unchecked",
    explanation: "segctl does not check the fields of a `raw` filter. Use it only for API features that this \
                  version does not support.",
    check: RuleCheck::Filter(unchecked_raw_filter),
};

pub(super) const AMBIGUOUS_AT_MOST: Rule = Rule {
    code: "SEG092",
    name: "atmost-zero",
    explanation: "MoEngage does not document whether `atmost` includes users without any occurrence. To exclude \
                  them, join `atleast` 1 and `atmost` with `and`. To include them, join a filter with `executed: \
                  false` with `or`.",
    check: RuleCheck::Filter(ambiguous_at_most),
};

pub(super) const BEYOND_RETENTION: Rule = Rule {
    code: "SEG093",
    name: "time-range-beyond-retention",
    explanation: "A workspace keeps events for 60 days by default. MoEngage accepts a longer time range, but older \
                  events do not count unless the workspace keeps them.",
    check: RuleCheck::Filter(beyond_retention),
};

pub(super) const IGNORED_PERIOD_UNIT: Rule = Rule {
    code: "SEG096",
    name: "period-unit-ignored",
    explanation: "The API documents `period_unit` for `inTheLast` and `on` only. It counts a relative `between` or \
                  `before` in days, so another unit may have no effect. Write the number of days.",
    check: RuleCheck::Filter(ignored_period_unit),
};

pub(super) const RESPONSE_FIELD: Rule = Rule {
    code: "SEG097",
    name: "response-field-ignored",
    explanation: "MoEngage sets `created_time`, `updated_time`, `type` and `source`, and returns them with a \
                  segment. segctl accepts them in a file, so that a response can be pasted, and ignores them. The \
                  kind of a segment is `kind`.",
    check: RuleCheck::Segment(response_field),
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
    let location = first.location_of(&[Field("name")]);
    found.push(
        Diagnostic::note(MISSING_CATEGORY.code, message, location, "the first one")
            .with_note("the API documentation requires it, but the API itself returns filters without it"),
    );
}

fn unchecked_raw_filter(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if matches!(filter.part, Filter::Raw(_)) {
        let message = "segctl sends a raw filter unchecked";
        let location = filter.location_of(&[]);
        let note = Diagnostic::note(UNCHECKED_RAW_FILTER.code, message, location, "raw filter");
        found.push(note.with_help("use it only for what segctl does not support yet"));
    }
}

fn ignored_period_unit(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let (kind, unit) = match time_range_of(filter.part) {
        Some(TimeRange::BetweenAgo { unit, .. }) => ("between", *unit),
        Some(TimeRange::BeforeAgo { unit, .. }) => ("before", *unit),
        _ => return,
    };
    if unit != PeriodUnit::Days {
        let message = format!("MoEngage may count `{kind}` in days, not in {}", unit.as_str());
        let location = filter.location_of(&[Field("primary_time_range"), Field("period_unit")]);
        found.push(
            Diagnostic::warning(IGNORED_PERIOD_UNIT.code, message, location, "may have no effect")
                .with_note("the API documents `period_unit` for `inTheLast` and `on` only")
                .with_help("write the number of days, without `period_unit`"),
        );
    }
}

fn response_field(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let present = RESPONSE_FIELDS.iter().filter(|name| declaration.has_field(name));
    let names: Vec<String> = present.clone().map(|name| format!("`{name}`")).collect();
    if let Some(first) = present.clone().next() {
        let are = if names.len() == 1 { "is" } else { "are" };
        let message = format!("{} {are} ignored: MoEngage sets the value", names.join(", "));
        let location = declaration.location_of(&[Field(first)]);
        let note = Diagnostic::note(RESPONSE_FIELD.code, message, location, "ignored");
        found.push(note.with_help("remove these fields of the response"));
    }
}

fn ambiguous_at_most(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    let execution = match filter.part {
        Filter::Event(event) => event.execution,
        Filter::Affinity(affinity) => affinity.execution,
        _ => return,
    };
    if let Execution::AtMost(count) = execution {
        let message = format!("`atmost` {count} may or may not include users without any occurrence");
        let location = filter.location_of(&[Field("execution"), Field("type")]);
        let help = "to exclude them, add a filter with `atleast` 1; to include them, with `executed: false`";
        found.push(
            Diagnostic::note(AMBIGUOUS_AT_MOST.code, message, location, "may include 0")
                .with_note("MoEngage does not document whether 0 occurrences count")
                .with_help(help),
        );
    }
}

fn beyond_retention(filter: &Located<'_, Filter>, found: &mut Vec<Diagnostic>) {
    if time_range_of(filter.part)
        .and_then(days_covered)
        .is_some_and(|days| days > DEFAULT_RETENTION_DAYS)
    {
        let message = format!("time range exceeds {DEFAULT_RETENTION_DAYS} days (default event retention)");
        let location = filter.location_of(&[Field("primary_time_range")]);
        let label = "longer than the default event retention";
        found.push(
            Diagnostic::note(BEYOND_RETENTION.code, message, location, label)
                .with_note("events older than the event retention of the workspace do not count"),
        );
    }
}

/// Days back from today, or the days between two dates; `None` for time ranges without a start.
fn days_covered(time_range: &TimeRange) -> Option<i64> {
    let (count, unit) = match time_range {
        TimeRange::InTheLast { count, unit } | TimeRange::OnAgo { count, unit } => (*count, *unit),
        TimeRange::BetweenAgo { farther, unit, .. } => (*farther, *unit),
        TimeRange::BetweenDates { first, last, .. } => return Some(days_between(first.date(), last.date())),
        TimeRange::OnDate { .. }
        | TimeRange::BeforeAgo { .. }
        | TimeRange::BeforeDate { .. }
        | TimeRange::AfterDate { .. } => return None,
    };
    Some(match unit {
        PeriodUnit::Hours => i64::from(count.div_ceil(24)),
        PeriodUnit::Days => i64::from(count),
        PeriodUnit::Weeks => i64::from(count) * 7,
        PeriodUnit::Months => i64::from(count) * 30,
    })
}
