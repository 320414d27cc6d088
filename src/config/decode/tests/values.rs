//! Values that other tools write in another way.

use super::{assert_one_error, attribute, errors, event, with_filter};

#[test]
fn operators_of_other_tools_are_translated() {
    let table = [
        (
            "data_type: string\noperator: isNot\nvalue: a",
            "`isNot`",
            "use `operator: is` with `negate: true`",
        ),
        (
            "data_type: string\noperator: notIn\nvalue: [a]",
            "`notIn`",
            "use `operator: in` with `negate: true`",
        ),
        (
            "data_type: string\noperator: not in\nvalue: a",
            "`not in`",
            "with `value: [a]` and `negate: true`",
        ),
        (
            "data_type: string\noperator: doesNotContain\nvalue: a",
            "",
            "use `operator: contains` with `negate: true`",
        ),
        (
            "data_type: string\noperator: \"!=\"\nvalue: a",
            "`!=`",
            "use `operator: is` with `negate: true`",
        ),
        (
            "data_type: string\noperator: <>\nvalue: a",
            "`<>`",
            "use `operator: is` with `negate: true`",
        ),
        (
            "data_type: string\noperator: =\nvalue: a",
            "`=`",
            "use `operator: is`",
        ),
        (
            "data_type: string\noperator: equals\nvalue: a",
            "`equals`",
            "use `operator: is`",
        ),
        (
            "data_type: string\noperator: LIKE\nvalue: a",
            "`LIKE`",
            "use `operator: contains`",
        ),
        (
            "data_type: string\noperator: regex\nvalue: a",
            "`regex`",
            "no regular expressions",
        ),
        (
            "data_type: string\noperator: IS\nvalue: a",
            "`IS`",
            "did you mean `is`?",
        ),
        (
            "data_type: string\noperator: contians\nvalue: a",
            "`contians`",
            "did you mean `contains`?",
        ),
        (
            "data_type: double\noperator: is\nvalue: 5",
            "`is`",
            "use `operator: in` with `value: [5]`",
        ),
        (
            "data_type: double\noperator: >\nvalue: 5",
            "`>`",
            "use `operator: greaterThan`",
        ),
        (
            "data_type: double\noperator: \">=\"\nvalue: 5",
            "`>=`",
            "use `operator: lessThan` with `negate: true`; users",
        ),
        (
            "data_type: double\noperator: less_than_or_equal\nvalue: 5",
            "",
            "`operator: greaterThan` with `negate: true`",
        ),
        (
            "data_type: datetime\noperator: \">\"\nvalue: 2025-01-01",
            "`>`",
            "use `operator: after`",
        ),
        (
            "data_type: datetime\noperator: last\nvalue: 30",
            "`last`",
            "use `operator: inTheLast`",
        ),
        (
            "data_type: bool\noperator: equals\nvalue: true",
            "`equals`",
            "use `operator: is`",
        ),
        (
            "data_type: array_string\narray_filter_type: any_of\noperator: includes\nvalue: [a]",
            "",
            "use `operator: contains`",
        ),
        (
            "data_type: string\noperator: isNull",
            "`isNull`",
            "use `operator: exists` with `negate: true`",
        ),
    ];
    for (fields, message, help) in table {
        let line = 8 + fields
            .lines()
            .position(|line| line.starts_with("operator"))
            .unwrap();
        assert_one_error(&attribute(fields), [&format!("SEG013 {line}:17"), message, help]);
    }
}

#[test]
fn types_and_keywords_of_other_tools_are_translated() {
    let typed = |data_type: &str| attribute(&format!("data_type: {data_type}\noperator: exists"));
    for (written, meant) in [
        ("date", "datetime"),
        ("timestamp", "datetime"),
        ("number", "double"),
        ("integer", "double"),
        ("float", "double"),
        ("text", "string"),
        ("varchar", "string"),
        ("boolean", "bool"),
        ("list", "array_string"),
        ("location", "geopoint"),
        ("String", "string"),
        ("arrayString", "array_string"),
        ("dobule", "double"),
    ] {
        let help = format!("did you mean `{meant}`?");
        assert_one_error(&typed(written), ["SEG013 8:18", written, &help]);
    }
    for (written, meant) in [
        ("event", "actions"),
        ("attribute", "user_attributes"),
        ("segment", "custom_segments"),
    ] {
        let help = format!("did you mean `{meant}`?");
        let text = with_filter(&format!("filter_type: {written}\nname: x"));
        assert_one_error(&text, ["SEG013 5:20", written, &help]);
    }
    let signs = attribute("data_type: bool\noperator: exists").replace("operator: and", "operator: &&");
    assert_one_error(&signs, ["SEG013 3:20", "`&&`", "did you mean `and`?"]);
    let comment = attribute("data_type: bool\noperator: exists").replace("name: A", "name: #1 fans");
    assert_one_error(&comment, ["SEG015 1:5", "empty value", "write \"#1 fans\""]);
    for (written, meant) in [
        ("AND", "and"),
        ("&&", "and"),
        ("any", "or"),
        ("all", "and"),
        ("Or", "or"),
    ] {
        let text = attribute("data_type: bool\noperator: exists")
            .replace("operator: and", &format!("operator: \"{written}\""));
        assert_one_error(
            &text,
            ["SEG013 3:20", written, &format!("did you mean `{meant}`?")],
        );
    }
    let ranges = [
        (
            "{type: last, value: 3, period_unit: days}",
            "8:34",
            "did you mean `inTheLast`?",
        ),
        (
            "{type: in_the_last, value: 3, period_unit: days}",
            "8:34",
            "did you mean `inTheLast`?",
        ),
        (
            "{type: since, value: 2025-01-01}",
            "8:34",
            "did you mean `after`?",
        ),
        (
            "{type: inTheLast, value: 3, period_unit: day}",
            "8:68",
            "did you mean `days`?",
        ),
        (
            "{type: inTheLast, value: 3, period_unit: year}",
            "8:68",
            "write the time in `months`",
        ),
    ];
    for (range, place, help) in ranges {
        let place = format!("SEG013 {place}");
        assert_one_error(
            &event(&format!("primary_time_range: {range}")),
            [&place, "", help],
        );
    }
    for (written, help) in [
        ("atleast", "write `execution: {type: atleast, count: 1}`"),
        ("at least 3", "write `execution: {type: atleast, count: 3}`"),
        ("3", "write `execution: {type: atleast, count: 3}`"),
        ("exactly 2", "write `execution: {type: exactly, count: 2}`"),
        ("first_time", "write `execution: {type: firstTime}`"),
    ] {
        let text = event(&format!("{}\nexecution: {written}", super::RANGE));
        assert_one_error(&text, ["SEG012 9:18", "a mapping (an execution)", help]);
    }
}

#[test]
fn dates_get_the_date_to_write() {
    let dated = |value: &str| attribute(&format!("data_type: datetime\noperator: before\nvalue: {value}"));
    for (value, message, help) in [
        ("2025-02-30", "February 2025 has no day 30", ""),
        ("2025-13-01", "there is no month 13", ""),
        ("31/12/2025", "invalid date", "write `2025-12-31`"),
        ("12/31/2025", "invalid date", "write `2025-12-31`"),
        ("2025/12/31", "invalid date", "write `2025-12-31`"),
        ("31.12.2025", "invalid date", "write `2025-12-31`"),
        ("20251231", "invalid date", "write `2025-12-31`"),
        ("1767139200", "invalid date", "write `2025-12-31`"),
        ("31 December 2025", "invalid date", "write `2025-12-31`"),
        (
            "2025-12-31 10:00",
            "invalid date",
            "write `2025-12-31T10:00:00.000Z`",
        ),
        (
            "2025-12-31T10:00:00Z",
            "invalid date",
            "write `2025-12-31T10:00:00.000Z`",
        ),
        (
            "2025-12-31T10:00:00+05:30",
            "invalid date",
            "write `2025-12-31T10:00:00.000Z` if that zone is at +05:30, or `2025-12-31T04:30:00.000Z` if it is UTC",
        ),
        (
            "2026-01-01T02:00:00+0530",
            "invalid date",
            "or `2025-12-31T20:30:00.000Z` if it is UTC",
        ),
        (
            "\"2025-12-31 22:00:00-05\"",
            "invalid date",
            "or `2026-01-01T03:00:00.000Z` if it is UTC",
        ),
        (
            "2025-12-31T10:00:00+99:00",
            "invalid date",
            "write `2025-12-31T10:00:00.000Z`: MoEngage reads a time in the time zone of the workspace",
        ),
        (
            "yesterday",
            "invalid date",
            "`value: 1` with `value_type: relative_past`",
        ),
    ] {
        assert_one_error(&dated(value), ["SEG016 10:14", message, help]);
    }
    let range = event("primary_time_range: {type: between, value: 01/02/2025, value1: 2025-03-01}");
    assert_one_error(
        &range,
        [
            "SEG016 8:50",
            "01/02/2025",
            "write `2025-01-02` for 2 January, or `2025-02-01`",
        ],
    );
    let part = |extract: &str, value: &str| {
        attribute(&format!(
            "data_type: datetime\nextract_type: {extract}\noperator: \"on\"\nvalue: {value}"
        ))
    };
    for (extract, value, help) in [
        (
            "month_of_the_year",
            "July",
            "months are numbers from 1 to 12: write `7`",
        ),
        ("month_of_the_year", "sep", "write `9`"),
        ("day_of_the_week", "Monday", "numbers from 0 to 6"),
        ("time_of_the_day", "\"18:30\"", "write `18`"),
    ] {
        assert_one_error(&part(extract, value), ["SEG012 11:14", "expected a number", help]);
    }
    assert_one_error(
        &part("date_month_of_the_year", "25/12"),
        ["SEG016 11:14", "expected MM-DD", "write `12-25`"],
    );
}

#[test]
fn numbers_and_lists_get_the_value_to_write() {
    let number = |value: &str| attribute(&format!("data_type: double\noperator: lessThan\nvalue: {value}"));
    for (value, help) in [
        ("1,000", "write `1000`"),
        ("\"3\"", "write it without quotes: 3"),
        ("$5", "write `5`"),
        ("1,5", "write `1.5`"),
        ("10 km", "write `10`"),
    ] {
        assert_one_error(
            &number(value),
            ["SEG012 10:14", "expected a number, found a string", help],
        );
    }
    let flow = with_filter(
        "{filter_type: user_attributes, name: a, data_type: double, operator: lessThan, value: 1,000}",
    );
    assert_one_error(
        &flow,
        [
            "SEG010 5:95",
            "unknown field `000`",
            "write `1000`, without the comma",
        ],
    );
    let text = with_filter("{filter_type: custom_segments, name: Buyers, gold}");
    assert_one_error(
        &text,
        [
            "SEG010 5:52",
            "unknown field `gold`",
            "put it in quotes: \"Buyers, gold\"",
        ],
    );
    let string = |operator: &str, value: &str| {
        attribute(&format!(
            "data_type: string\noperator: {operator}\nvalue: {value}"
        ))
    };
    assert_one_error(
        &string("is", "[Mumbai]"),
        [
            "SEG012 10:14",
            "found a list",
            "use `operator: in` for a list, or write one value: `value: Mumbai`",
        ],
    );
    assert_one_error(
        &string("is", "[Mumbai, Delhi]"),
        [
            "SEG012 10:14",
            "found a list",
            "use `operator: in` for a list, or write one value",
        ],
    );
    assert_one_error(
        &string("in", "Mumbai"),
        ["SEG012 10:14", "expected a list", "write it as a list: [Mumbai]"],
    );
    let count = event(&format!(
        "{}\nexecution: {{type: atleast, count: \"3\"}}",
        super::RANGE
    ));
    assert_one_error(
        &count,
        ["SEG012 9:41", "expected a number", "write it without quotes: 3"],
    );
    let members = "name: A\nkind: cohort\npartner: p\ncohort_id: c\nmembers:\n  - a@x.com, b@x.com\n";
    assert_one_error(
        members,
        [
            "SEG014 6:5",
            "contains a comma",
            "write each member as an item of its own",
        ],
    );
    let executed = event(super::RANGE).replace("executed: true", "executed: yes");
    assert_one_error(
        &executed,
        ["SEG012 7:17", "expected true or false", "write `true`"],
    );
    let dynamic = attribute("data_type: string\noperator: is\nis_dynamic_value: true\nvalue: \"{{home}}\"");
    assert_one_error(
        &dynamic,
        [
            "SEG013 11:14",
            "not a reference",
            "write \"{{MoeUserAttribute['home']}}\"",
        ],
    );
}

#[test]
fn a_date_is_compared_with_two_other_attributes() {
    let between = |values: &str| {
        attribute(&format!(
            "data_type: datetime\noperator: between\nis_dynamic_value: true\n{values}"
        ))
    };
    let first = "value: \"{{MoeUserAttribute['start']}}\"";
    assert_eq!(
        errors(&between(&format!(
            "{first}\nvalue1: \"{{{{MoeUserAttribute['end']}}}}\""
        ))),
        []
    );
    assert_one_error(&between(first), ["SEG011 5:7", "missing field `value1`", ""]);
    assert_one_error(
        &between(&format!("{first}\nvalue1: 2026-01-31")),
        [
            "SEG013 12:15",
            "is not a reference to a user attribute",
            "write \"{{MoeUserAttribute['2026-01-31']}}\"",
        ],
    );
    let number = "data_type: double\noperator: between\nis_dynamic_value: true\nvalue: 1\nvalue1: 2";
    assert_one_error(
        &attribute(number),
        [
            "SEG017 10:25",
            "`between` cannot compare with another attribute",
            "",
        ],
    );
}
