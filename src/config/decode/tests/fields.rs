//! Fields that are missing, misspelled, at the wrong indentation or of another shape.

use super::{RANGE, assert_one_error, attribute, errors, event, with_filter};

#[test]
fn a_missing_type_is_guessed_from_the_other_fields() {
    let table = [
        (
            "filter_operator: or\nfilters: []",
            "this looks like a group: add `filter_type: nested_filters`",
        ),
        (
            "action_name: buy\nexecuted: true",
            "this looks like an event filter: add `filter_type: actions`",
        ),
        (
            "name: city\noperator: exists",
            "add `filter_type: user_attributes`",
        ),
        (
            "name: Buyers",
            "this looks like a reference to a segment: add `filter_type: custom_segments`",
        ),
        (
            "category: c",
            "`filter_type` is one of `user_attributes`, `actions`,",
        ),
    ];
    for (fields, help) in table {
        assert_one_error(
            &with_filter(fields),
            ["SEG011 5:7", "missing field `filter_type`", help],
        );
    }
    let table = [
        (
            attribute("operator: exists"),
            "missing field `data_type`",
            "`data_type` is one of `string`, `double`,",
        ),
        (
            attribute("data_type: bool"),
            "missing field `operator`",
            "`operator` is one of `is`, `exists`",
        ),
        (
            event(""),
            "missing field `primary_time_range`",
            "{type: inTheLast, value: 30, period_unit: days}",
        ),
        (
            event(RANGE).replace("      executed: true\n", ""),
            "missing field `executed`",
            "add `executed: true` for users who performed the event",
        ),
    ];
    for (text, message, help) in table {
        assert_one_error(&text, ["SEG011 5:7", message, help]);
    }
}

#[test]
fn the_schema_of_an_editor_is_accepted() {
    let text = "{\"$schema\": \"../segment.schema.json\", \"name\": \"A\", \"included_filters\": {\"filter_operator\": \"and\", \"filters\": []}}";
    assert_eq!(errors(text), []);
    assert_one_error(
        &text.replace("\"../segment.schema.json\"", "[]"),
        ["SEG012 1:13", "expected a string", ""],
    );
    let event = event(RANGE).replace("executed: true", "executed: true\n      $schema: a");
    assert_one_error(
        &event,
        ["SEG010 8:7", "unknown field `$schema`", "valid fields are"],
    );
}

#[test]
fn a_misspelled_required_field_is_one_error() {
    let table = [
        (
            attribute("datatype: bool\noperator: exists"),
            "8:7",
            "did you mean `data_type`?",
        ),
        (
            attribute("dataType: bool\noperator: exists"),
            "8:7",
            "did you mean `data_type`?",
        ),
        (
            attribute("data-type: bool\noperator: exists"),
            "8:7",
            "did you mean `data_type`?",
        ),
        (
            attribute("type: bool\noperator: exists"),
            "8:7",
            "did you mean `data_type`?",
        ),
        (
            attribute("data_type: bool\noperater: exists"),
            "9:7",
            "did you mean `operator`?",
        ),
        (
            event(&RANGE.replace("primary", "primry")),
            "8:7",
            "did you mean `primary_time_range`?",
        ),
        (
            event(&RANGE.replace("primary_time", "time")),
            "8:7",
            "did you mean `primary_time_range`?",
        ),
        (
            event(RANGE).replace("action_name", "event_name"),
            "6:7",
            "did you mean `action_name`?",
        ),
        (
            event(RANGE).replace("action_name", "name"),
            "6:7",
            "did you mean `action_name`?",
        ),
        (
            event(RANGE).replace("filter_operator", "operator"),
            "3:3",
            "did you mean `filter_operator`?",
        ),
        (
            event(RANGE).replace("included_filters", "include_filters"),
            "2:1",
            "did you mean `included_filters`?",
        ),
        (
            event(RANGE).replace("name: A", "nmae: A"),
            "1:1",
            "did you mean `name`?",
        ),
        (
            event(RANGE).replace("filter_type", "type"),
            "5:7",
            "did you mean `filter_type`?",
        ),
    ];
    for (text, place, help) in table {
        assert_one_error(&text, [&format!("SEG010 {place}"), "unknown field", help]);
    }
    // A field of the API is not a misspelling of another.
    let found = errors("name: A\nexcluded_filters: {filter_operator: and, filters: []}\n");
    assert!(found.len() == 1 && found[0].code == "SEG011", "{found:#?}");
    // The misspelled field is still decoded.
    let text = attribute("datatype: integer\noperator: exists");
    assert_eq!(errors(&text).len(), 2);
}

#[test]
fn fields_of_another_place_are_explained() {
    let table = [
        (
            event(&format!("{RANGE}\ncount: 2")),
            "did you mean `execution: {type: atleast, count: 2}`?",
        ),
        (
            event(&format!("{RANGE}\nmin_count: 2")),
            "did you mean `execution: {type: atleast, count: 2}`?",
        ),
        (
            event(&format!("{RANGE}\nat_most: 5")),
            "did you mean `execution: {type: atmost, count: 5}`?",
        ),
        (
            event(&format!("{RANGE}\nfilters: []")),
            "did you mean `attributes`?",
        ),
        (
            attribute("data_type: bool\nnot: true\noperator: exists"),
            "did you mean `negate`?",
        ),
    ];
    for (text, help) in table {
        assert_one_error(&text, ["SEG010 9:7", "unknown field", help]);
    }
}

#[test]
fn wrong_shapes_get_an_example() {
    for (written, help) in [
        ("30d", "write `{type: inTheLast, value: 30, period_unit: days}`"),
        (
            "last 30 days",
            "write `{type: inTheLast, value: 30, period_unit: days}`",
        ),
        ("7", "write `{type: inTheLast, value: 7, period_unit: days}`"),
        (
            "2 weeks",
            "write `{type: inTheLast, value: 2, period_unit: weeks}`",
        ),
        (
            "past 3 months",
            "write `{type: inTheLast, value: 3, period_unit: months}`",
        ),
        (
            "recently",
            "such as `{type: inTheLast, value: 30, period_unit: days}`",
        ),
    ] {
        let text = event(&format!("primary_time_range: {written}"));
        assert_one_error(&text, ["SEG012 8:27", "expected a mapping (a time range)", help]);
    }
    let groups = [
        (
            "name: A\nincluded_filters:\n  - filter_type: custom_segments\n    name: B\n",
            ["SEG012 3:3", "found a list", "put the list below `filters:`"],
        ),
        (
            "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n    filter_type: custom_segments\n    name: B\n",
            [
                "SEG012 5:5",
                "expected a list, found a mapping",
                "start each item with `- `: `- filter_type: …`",
            ],
        ),
        (
            "name: A\nincluded_filters: {filter_operator: and, filters: {filter_type: custom_segments, name: B}}\n",
            [
                "SEG012 2:51",
                "expected a list, found a mapping",
                "put it in brackets: `[{…}]`",
            ],
        ),
        (
            "name: A\nincluded_filters: {filter_operator: and, filters: [Buyers]}\n",
            [
                "SEG012 2:52",
                "a filter",
                "write `{filter_type: custom_segments, name: Buyers}`",
            ],
        ),
        (
            "name: A\nincluded_filters:\n  and:\n    - {filter_type: custom_segments, name: B}\n",
            [
                "SEG010 3:3",
                "unknown field `and`",
                "write `filter_operator: and`, and put the list below `filters:`",
            ],
        ),
        (
            "name: A\nincluded_filters: {$or: [{filter_type: custom_segments, name: B}]}\n",
            [
                "SEG010 2:20",
                "unknown field `$or`",
                "write `filter_operator: or`",
            ],
        ),
        (
            "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n    - filter: {filter_type: custom_segments, name: B}\n",
            ["SEG010 5:7", "unknown field `filter`", "remove `filter:`"],
        ),
        (
            "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n    - actions: {action_name: buy}\n",
            [
                "SEG010 5:7",
                "unknown field `actions`",
                "write `- filter_type: actions`",
            ],
        ),
        (
            "name: A\nfilter_operator: and\nfilters: [{filter_type: custom_segments, name: B}]\n",
            [
                "SEG010 2:1",
                "unknown field `filter_operator`",
                "below `included_filters:`",
            ],
        ),
        (
            "name:T\n",
            [
                "SEG012 1:1",
                "a mapping (a segment)",
                "put a space after `:`, as in `name: T`",
            ],
        ),
        ("- name: A\n", ["SEG012 1:1", "found a list", "remove the `-`"]),
    ];
    for (text, expected) in groups {
        assert_one_error(text, expected);
    }
}

#[test]
fn a_wrong_indentation_is_one_error() {
    let filter = "    - filter_type: custom_segments\n      name: B\n";
    let group = format!("  filter_operator: and\n  filters:\n{filter}");
    let table = [
        (
            event("primary_time_range:\ntype: inTheLast\nvalue: 30\nperiod_unit: days"),
            [
                "SEG010 9:7",
                "`type`, `value` and `period_unit` are indented too little",
                "below `primary_time_range`",
            ],
        ),
        (
            event("primary_time_range:\n  type: inTheLast\nvalue: 30\nperiod_unit: days"),
            [
                "SEG010 10:7",
                "`value` and `period_unit` are indented too little",
                "like the fields of `primary_time_range`",
            ],
        ),
        (
            event(&format!("execution:\ntype: atleast\ncount: 2\n{RANGE}")),
            [
                "SEG010 9:7",
                "`type` and `count` are indented too little",
                "below `execution`",
            ],
        ),
        (
            event(&format!("execution:\n  type: atleast\n  count: 2\n  {RANGE}")),
            [
                "SEG010 11:9",
                "`primary_time_range` is indented too much",
                "further left",
            ],
        ),
        (
            format!("name: A\nincluded_filters:\n  filter_operator: and\nfilters:\n{filter}"),
            [
                "SEG010 4:1",
                "`filters` is indented too little",
                "like the fields of `included_filters`",
            ],
        ),
        (
            format!(
                "name: A\nincluded_filters:\n{}",
                group.replace("\n  ", "\n").trim_start()
            ),
            [
                "SEG010 3:1",
                "`filter_operator` and `filters` are indented too little",
                "below `included_filters`",
            ],
        ),
        (
            event(&format!(
                "{RANGE}\nattributes:\nfilter_operator: and\nfilters: []"
            )),
            ["SEG010 10:7", "indented too little", "below `attributes`"],
        ),
        (
            "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n  filter_type: custom_segments\n  name: B\n".to_owned(),
            [
                "SEG010 5:3",
                "`filter_type` and `name` are indented too little",
                "start the item with `- `",
            ],
        ),
    ];
    for (text, expected) in table {
        assert_one_error(&text, expected);
    }
}
