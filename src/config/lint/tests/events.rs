//! Tests of the rules on event and affinity filters.

use super::{assert_findings_table, with_filter};

/// A segment with an event filter; `fields` start on line 8.
pub(super) fn event(fields: &str) -> String {
    with_filter(&format!(
        "filter_type: actions\naction_name: e\nexecuted: true\n{fields}"
    ))
}

#[test]
fn time_range_rules_are_enforced() {
    assert_findings_table(
        event,
        &[
            (
                "primary_time_range: {type: between, value: 2026-01-05, value1: 2026-01-05}",
                &[],
            ),
            (
                "primary_time_range:\n  type: between\n  value: 2026-01-05\n  value1: 2026-01-04",
                &[("error SEG029 11", "from 2026-01-05 to 2026-01-04 ends before")],
            ),
            (
                "primary_time_range: {type: between, value: 3, value1: 5, period_unit: days}",
                &[],
            ),
            (
                "primary_time_range:\n  type: between\n  days: 5\n  days1: 3",
                &[("error SEG029 11", "between 5 and 3")],
            ),
            (
                "primary_time_range: {type: inTheLast, value: 61, period_unit: days}",
                &[("note SEG093 8", "exceeds 60 days")],
            ),
            (
                "primary_time_range: {type: inTheLast, value: 60, period_unit: days}",
                &[],
            ),
            (
                "primary_time_range: {type: inTheLast, value: 8, period_unit: weeks}",
                &[],
            ),
            (
                "primary_time_range: {type: inTheLast, value: 1441, period_unit: hours}",
                &[("note SEG093 8", "exceeds 60 days")],
            ),
            ("primary_time_range: {type: before, value: 2026-01-05}", &[]),
            ("primary_time_range: {type: before, value: 5}", &[]),
            (
                "primary_time_range: {type: before, value: 5, period_unit: weeks}",
                &[("warning SEG096 8", "`before` in days, not in weeks")],
            ),
            (
                "primary_time_range: {type: between, value: 5, value1: 9, period_unit: hours}",
                &[("warning SEG096 8", "`between` in days, not in hours")],
            ),
        ],
    );
}

#[test]
fn aggregation_rules_are_enforced() {
    const SUM: &str = "attribute_name: price, aggregation_type: sum, operator: greaterThan, value: 100";
    let compared = format!("{SUM}, comparator: change, base_time_range: {{type: previousPeriod}}");
    let late_base = format!(
        "{SUM}, comparator: change, base_time_range: {{type: between, value: 2026-01-09, value1: 2026-01-05}}"
    );
    let days = |count: u32, unit: &str| {
        format!("primary_time_range: {{type: inTheLast, value: {count}, period_unit: {unit}}}")
    };
    let with = |time_range: &str, aggregation: &str| {
        event(&format!(
            "{time_range}\naggregation_attributes: {{filters: [{{{aggregation}}}]}}"
        ))
    };
    let between = SUM.replace("greaterThan, value: 100", "between, value: 9, value1: 2");
    let this_week = "primary_time_range: {type: on, value: 0, period_unit: weeks}";
    let yesterday = "primary_time_range: {type: on, value: 1, period_unit: days}";
    let before = "primary_time_range: {type: before, value: 3, period_unit: days}";
    let month = "primary_time_range: {type: between, value: 2026-01-01, value1: 2026-01-31}";
    let first = format!("execution: {{type: firstTime}}\n{}", days(3, "days"));
    let never = with(&days(3, "days"), SUM).replace("executed: true", "executed: false");
    let table: [(String, &[(&str, &str)]); 13] = [
        (with(&days(30, "days"), &compared), &[]),
        (with(yesterday, &compared), &[]),
        (with(&days(720, "hours"), SUM), &[]),
        (never, &[("error SEG034 9", "not executed")]),
        (with(&first, SUM), &[("error SEG035 8", "`firstTime`")]),
        (with(before, &compared), &[("error SEG036 8", "`before`")]),
        (
            with(&days(3, "weeks"), &compared),
            &[("error SEG037 8", "hours, weeks or months")],
        ),
        (
            with(this_week, &compared),
            &[("error SEG037 8", "hours, weeks or months")],
        ),
        (with(this_week, SUM), &[]),
        (with(&days(2, "months"), SUM), &[("warning SEG038 8", "2 months")]),
        (with(month, SUM), &[("warning SEG038 8", "31 days")]),
        (
            with(&days(3, "days"), &between),
            &[("error SEG028 9", "at least 9 and less than 2")],
        ),
        (
            with(&days(3, "days"), &late_base),
            &[("error SEG029 9", "from 2026-01-09 to 2026-01-05 ends before")],
        ),
    ];
    for (text, expected) in table {
        assert_findings_table(str::to_owned, &[(&text, expected)]);
    }
}

#[test]
fn affinity_rules_are_enforced() {
    let affinity = |attribute: &str| {
        with_filter(&format!(
            "filter_type: psychographic_event\naction_name: e\noperator_type: predominant\npsychographic_attributes:\n  \
             filter_operator: and\n  filters:\n  - {attribute}\nprimary_time_range: {{type: between, days: 1, days1: 7}}"
        ))
    };
    assert_findings_table(
        affinity,
        &[
            (
                "{name: attr, data_type: double, operator: between, value: 1, value1: 2}",
                &[],
            ),
            (
                "{name: attr, data_type: double, operator: between, value: 2, value1: 1}",
                &[("error SEG028 11", "at least 2")],
            ),
            (
                "{name: attr, data_type: string, operator: is, value: \"{{MoeUserAttribute['x']}}\"}",
                &[("warning SEG031 11", "as plain text")],
            ),
        ],
    );
    let from_to = affinity("{name: attr, data_type: string, operator: exists}").replace(
        "{type: between, days: 1, days1: 7}",
        "{type: between, from: 2026-01-05, to: 2026-01-04}",
    );
    let empty = from_to.replace(
        "from: 2026-01-05, to: 2026-01-04",
        "from: 2026-01-05T10:30Z, to: 2026-01-05T10:30Z",
    );
    let early = from_to.replace(
        "from: 2026-01-05, to: 2026-01-04",
        "from: 2026-01-05T10:30Z, to: 2026-01-05T09:30Z",
    );
    assert_findings_table(
        str::to_owned,
        &[
            (&from_to, &[("error SEG029 12", "ends before")]),
            (&empty, &[("error SEG029 12", "is empty")]),
            (
                &early,
                &[("error SEG029 12", "to 2026-01-05T09:30:00 ends before")],
            ),
        ],
    );
}
