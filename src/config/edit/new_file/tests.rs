use super::*;
use crate::model::SegmentId;
use serde_json::{Value, json};

fn no_names(_: &SegmentId) -> Option<SegmentName> {
    None
}

fn segment_text(name: &str, definition: &Payload, names: NameLookup<'_>) -> Result<String, String> {
    segment_file_text(&NewFile {
        comment: "imported from id 5f0c",
        name: &SegmentName::new(name),
        lifecycle: Lifecycle::Active,
        protect: false,
        definition,
        names,
    })
    .map_err(|error| error.to_string())
}

fn payload(filters: Value) -> Payload {
    Payload {
        included_filters: json!({"filter_operator": "and", "filters": filters}),
        excluded_filters: None,
    }
}

fn filter_lines(definition: &Payload) -> String {
    let text = segment_text("A", definition, &no_names).unwrap();
    text.split_once("  filters:\n")
        .map(|(_, rest)| rest.to_owned())
        .unwrap_or(text)
}

#[test]
fn a_new_file_is_readable() {
    let definition = Payload {
        included_filters: json!({"filter_operator": "or", "filters": [
            {"filter_type": "actions", "action_name": "purchase", "executed": true,
             "execution": {"type": "atleast", "count": 1}, "attributes": {"filter_operator": "and", "filters": []},
             "primary_time_range": {"type": "inTheLast", "days": 7, "value_type": "relative_past"}},
            {"filter_type": "nested_filters", "filter_operator": "and", "filters": [
                {"filter_type": "custom_segments", "id": "aa", "name": "old name"},
                {"filter_type": "custom_segments", "id": "moe_all_users", "name": "All Users"},
                {"filter_type": "user_attributes", "name": "city", "data_type": "string", "category": "Tracked",
                 "operator": "in", "value": ["no", "Pune"], "negate": false, "case_sensitive": false, "value1": null}]}]}),
        excluded_filters: Some(json!({"filter_operator": "and", "filters": [
            {"filter_type": "teleport", "speed": 9}]})),
    };
    let names = |id: &SegmentId| (id.as_str() == "aa").then(|| SegmentName::new("VIP: buyers"));
    let text = segment_file_text(&NewFile {
        comment: "imported from id 5f0c, source API\nname: x",
        name: &SegmentName::new("014"),
        lifecycle: Lifecycle::Archived,
        protect: true,
        definition: &definition,
        names: &names,
    })
    .unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn unsupported_filters_are_written_as_raw() {
    let table = [
        json!({"filter_type": "teleport", "speed": [1, null, {"no": "on"}]}),
        json!({"filter_type": "user_attributes", "name": "a", "data_type": "string", "operator": "soundsLike", "value": "b"}),
        json!({"filter_type": "user_attributes", "name": "a", "data_type": "double", "operator": "lessThan", "value": "seven"}),
        json!({"filter_type": "user_attributes", "name": "a", "data_type": "bool", "operator": "is", "value": true, "new": 1}),
        json!({"filter_type": "actions", "action_name": "a", "executed": true}),
        json!({"filter_type": "custom_segments"}),
        json!({"filter_type": "nested_filters", "filter_operator": "xor", "filters": [{"x": 1}, {"y": 2}]}),
    ];
    for filter in table {
        let text = filter_lines(&payload(json!([filter])));
        assert!(text.trim_start().starts_with("- raw:"), "{text}");
    }
}

#[test]
fn unwritable_definitions_are_rejected_with_their_path() {
    let no_group = Payload {
        included_filters: json!([1]),
        excluded_filters: None,
    };
    let table = [
        (no_group, "`included_filters` is not a group of filters"),
        (payload(json!(["text"])), "`included_filters.filters[0]`"),
        (
            payload(json!([{"filter_type": "x", "deep": (0..210).fold(json!(1), |deep, _| json!([deep]))}])),
            "filters[0]",
        ),
    ];
    for (definition, expected) in table {
        let error = segment_text("A", &definition, &no_names).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn hostile_names_and_values_round_trip() {
    for text in [
        "no",
        "on",
        "1_000",
        "014",
        "0x1F",
        "~",
        "2026-01-31",
        "@x",
        "a: b",
        "# x",
        "- x",
        "a #b",
        "'",
        "\"",
        "`",
        "%a",
        "line\nbreak",
        "tab\there",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}x",
        "\u{1F468}\u{200D}\u{1F469}",
        " spaces ",
        "---",
        "...",
        "{a}",
        "[a",
        "a, b",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "?",
        "? a",
        ":",
        "a:",
        "\\",
        "\u{1b}[31m",
        "=",
        "<<",
        "\0",
        "\u{fffe}",
        "\u{e000}",
        "\u{10ffff}",
        "\r\n",
    ] {
        let city = json!({"filter_type": "user_attributes", "name": text, "data_type": "string", "operator": "is", "value": text});
        let list = json!({"filter_type": "user_attributes", "name": "a", "data_type": "string", "operator": "in", "value": [text, text.repeat(60)]});
        let raw = json!({"filter_type": text, text: {text: [text]}});
        let file = segment_text(text, &payload(json!([city, list, raw])), &no_names);
        assert!(file.is_ok(), "{text:?}: {file:?}");
    }
}
