//! Boundary cases that random mutations seldom reach, with the expected result of the schema and the decoder.

use super::SEGMENT;
use crate::round_trip::decode;
use segctl::model::{ExtractType, Keyword};
use serde_json::{Value, json};

/// Documents, and whether each is valid.
type BoundaryCases = Vec<(bool, Value)>;

/// The first and last valid number, and the document of a number.
type RangeCase = (i64, i64, Box<dyn Fn(i64) -> Value>);

/// Another attribute's value.
const DYNAMIC_VALUE: &str = "{{MoeUserAttribute['plan']}}";
/// The largest count that the decoder accepts.
const MAX_COUNT: i64 = 1_000_000_000;

#[test]
fn schema_and_decoder_agree_on_boundary_cases() {
    let cases = [
        windows(),
        events(),
        affinities(),
        dates(),
        conditions(),
        documents(),
        members(),
    ];
    for (valid, document) in cases.into_iter().flatten() {
        require_validity(&document, valid);
    }
}

/// Checks both ends of each range, and the numbers just outside.
#[test]
fn schema_and_decoder_agree_on_every_range() {
    for (least, most, of) in count_ranges().into_iter().chain(date_part_ranges()) {
        for (number, valid) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            require_validity(&of(number), valid);
        }
    }
}

fn require_validity(document: &Value, valid: bool) {
    let decoded = decode(&document.to_string());
    assert_eq!(decoded.is_ok(), valid, "decoder: {document:#}");
    assert_eq!(SEGMENT.is_valid(document), valid, "schema: {document:#}");
}

fn members() -> BoundaryCases {
    let file = |key: &str, value: Value| {
        let mut document = json!({
            "name": "A", "kind": "file", "identifier": {"attribute": "email", "type": "string"},
            "users": {"path": "a.csv"}, "expires_in_days": 90,
        });
        document[key] = value;
        document
    };
    let cohort = |key: &str, value: Value| {
        let mut document =
            json!({"name": "A", "kind": "cohort", "partner": "p", "cohort_id": "c", "members": ["u"]});
        document[key] = value;
        document
    };
    let published = |sha256: String| json!({"url": "https://a.example/b", "sha256": sha256});
    let mut cases = vec![
        (true, file("expires_in_days", json!(1))),
        (true, file("expires_in_days", json!(7.0))),
        (false, file("expires_in_days", json!(0))),
        (false, file("expires_in_days", json!("90"))),
        (true, file("users", published("0a".repeat(32)))),
        (false, file("users", published("0A".repeat(32)))),
        (false, file("users", published("0a".repeat(31)))),
        (false, file("users", json!({"path": ""}))),
        (false, file("users", json!({}))),
        (false, file("users", json!("a.csv"))),
        (
            false,
            file(
                "users",
                json!({"path": "a", "url": "https://a.example", "sha256": "0a".repeat(32)}),
            ),
        ),
        (false, file("identifier", json!({"attribute": "email"}))),
        (
            false,
            file("identifier", json!({"attribute": "", "type": "string"})),
        ),
        (
            false,
            file("identifier", json!({"attribute": "email", "type": "bool"})),
        ),
        (
            false,
            file(
                "included_filters",
                json!({"filter_operator": "and", "filters": []}),
            ),
        ),
        (false, file("kind", json!("cohort"))),
        (false, file("kind", json!("filter"))),
        (false, file("kind", json!("segment"))),
        (false, cohort("members", json!([]))),
        (true, cohort("members", json!(["u"]))),
        (true, cohort("members", json!({"path": "a.txt"}))),
        (false, cohort("members", json!([""]))),
        (false, cohort("members", json!([1]))),
        (
            false,
            cohort(
                "members",
                json!({"url": "https://a.example", "sha256": "0a".repeat(32)}),
            ),
        ),
        (false, cohort("partner", json!(""))),
        (false, cohort("cohort_id", json!(7))),
        (false, cohort("expires_in_days", json!(7))),
    ];
    for (valid, text) in [
        (true, "https://a.example/b?c=d"),
        (true, "http://a.example"),
        (false, "https://"),
        (false, "https:///a"),
        (false, "https://:80/a"),
        (false, "https://a.example/b c"),
        (false, "https://a.example/%zz"),
        (true, "https://a.example/%20?b=[c]"),
        (true, "http://[::1]:8080/a"),
        (false, "ftp://a.example"),
        (false, "a.example"),
        (false, " https://a.example"),
    ] {
        cases.push((valid, file("callback_url", json!(text))));
    }
    for (valid, text) in [
        (true, "a@b"),
        (false, "a"),
        (false, "@b"),
        (false, "a@"),
        (false, "a@b@c"),
        (false, "a b@c"),
        (false, "a..b@c"),
        (false, "a@b..c"),
        (false, "a@-b"),
        (false, "a@b."),
        (false, "A <a@b>"),
        (true, "first.last+tag@mail-1.example.com"),
        (false, ""),
    ] {
        cases.push((valid, file("notify", json!([text]))));
    }
    cases
}

fn windows() -> BoundaryCases {
    let of = |kind: &str, mut fields: Value| {
        fields["type"] = json!(kind);
        with_window(fields)
    };
    let base =
        |value: Value, value1: Value| with_base(json!({"type": "between", "value": value, "value1": value1}));
    let days = |unit: &str| json!({"days": 1, "days1": 2, "period_unit": unit});
    vec![
        (false, base(json!(7), json!(14))),
        (true, base(json!("2026-01-01"), json!("2026-01-31"))),
        (
            true,
            base(json!("2026-01-01T10:30:00Z"), json!("2026-01-01T10:45")),
        ),
        (false, base(json!("2026-01-01"), json!(14))),
        (false, base(json!(7), json!("2026-01-31"))),
        (false, with_base(json!({"type": "previousPeriod", "value": 7}))),
        (true, of("on", json!({"value": 0.0, "period_unit": "weeks"}))),
        (true, of("between", json!({"value": 3, "value1": 9}))),
        (
            true,
            of(
                "between",
                json!({"value": 3, "value1": 9, "value_type": "relative_past"}),
            ),
        ),
        (
            true,
            of(
                "before",
                json!({"value": 3, "value_type": "relative_past", "period_unit": "days"}),
            ),
        ),
        (
            true,
            of("before", json!({"value": 3, "value_type": "relative_past"})),
        ),
        (false, of("inTheLast", json!({"value": 3}))),
        (
            false,
            of("on", json!({"value": 0, "value_type": "relative_past"})),
        ),
        (
            false,
            of(
                "between",
                json!({"value": 3, "value1": 9, "period_unit": "years"}),
            ),
        ),
        (false, of("on", json!({"value": "2026-01-05T10:30:00.000Z"}))),
        (true, of("between", days("days"))),
        (false, of("between", days("weeks"))),
        (false, of("after", json!({"days": 1}))),
        (false, of("on", json!({"from": "2026-01-01"}))),
        (false, of("on", json!({"days": 1, "value": 1}))),
        (true, of("on", json!({"value": "2028-02-29"}))),
        (false, of("on", json!({"value": "2026-02-29T00:00:00.000Z"}))),
    ]
}

fn events() -> BoundaryCases {
    let attribute = |category: &str| {
        let filter =
            json!({"name": "price", "data_type": "double", "operator": "exists", "category": category});
        with_event(
            "attributes",
            json!({"filter_operator": "or", "filters": [filter]}),
        )
    };
    vec![
        (true, attribute("default")),
        (false, attribute("Tracked")),
        (false, attribute("")),
    ]
}

fn affinities() -> BoundaryCases {
    let dates = |from: &str| with_affinity("primary_time_range", json!({"type": "after", "from": from}));
    let attribute = |fields: Value| {
        let mut filter = json!({"name": "brand", "data_type": "string", "operator": "exists"});
        for (key, value) in fields.as_object().unwrap() {
            filter[key] = value.clone();
        }
        with_affinity(
            "psychographic_attributes",
            json!({"filter_operator": "and", "filters": [filter]}),
        )
    };
    let mut cases = vec![
        (true, attribute(json!({"case_sensitive": false}))),
        (true, attribute(json!({"case_sensitive": true}))),
        (false, attribute(json!({"case_sensitive": "no"}))),
        (false, attribute(json!({"value": "A"}))),
        (true, with_affinity("executed", json!(false))),
        (true, with_affinity("executed", json!(true))),
        (false, with_affinity("executed", json!("no"))),
        (false, with_affinity("project_name", json!("moe_portfolio"))),
    ];
    for (valid, from) in [
        (true, "2026-01-05"),
        (true, "2026-01-05T10:30"),
        (true, "2026-01-05T10:30:00Z"),
        (true, "2026-01-05T10:30:00.5Z"),
        (true, "2028-02-29T23:59:59.123456789"),
        (true, "2000-02-29"),
        (false, "2026-02-29T10:30:00Z"),
        (false, "2100-02-29"),
        (false, "2026-04-31"),
        (false, "2026-01-05T24:00:00Z"),
        (false, "2026-01-05T10:60:00Z"),
        (false, "2026-01-05T10:30:60Z"),
        (false, "2026-01-05T10:30:00."),
        (false, "2026-01-05T10Z"),
        (false, "2026-01-05Z"),
        (false, "2026-01-05 10:30:00"),
        (false, "2026-01-05T10:30:00+05:30"),
    ] {
        cases.push((valid, dates(from)));
    }
    cases
}

fn dates() -> BoundaryCases {
    let of_year = |value: &str| json!({"value": value, "extract_type": "date_month_of_the_year"});
    let other = json!({"value": DYNAMIC_VALUE, "is_dynamic_value": true, "value_type": "relative_past"});
    let others = json!({"value": DYNAMIC_VALUE, "value1": DYNAMIC_VALUE, "is_dynamic_value": true});
    let with_value1 = |value1: Value| {
        let mut fields = others.clone();
        fields["value1"] = value1;
        fields
    };
    vec![
        (
            true,
            with_date_condition("on", json!({"value": "2026-01-31T23:59:59.999Z"})),
        ),
        (
            false,
            with_date_condition("on", json!({"value": "2016-12-31T23:59:60.000Z"})),
        ),
        (false, with_date_condition("on", json!({"value": "2026-01-31\n"}))),
        (true, with_date_condition("on", of_year("02-29"))),
        (false, with_date_condition("on", of_year("02-30"))),
        (false, with_date_condition("is", of_year("02-29"))),
        (false, with_date_condition("inTheLast", other)),
        (true, with_date_condition("between", others.clone())),
        (
            false,
            with_date_condition("between", with_value1(json!("2026-01-31"))),
        ),
        (false, with_date_condition("between", with_value1(Value::Null))),
    ]
}

fn conditions() -> BoundaryCases {
    let of = |data_type: &str, mut fields: Value| {
        fields["data_type"] = json!(data_type);
        with_condition(&fields)
    };
    let of_other = json!({"operator": "in", "value": [DYNAMIC_VALUE], "is_dynamic_value": true});
    let typed = json!({"operator": "in", "value": ["x"], "dynamic_attribute_type": "string"});
    let exists = json!({"operator": "exists", "negate": true, "array_filter_type": "any_of"});
    let point = json!({"operator": "is", "value": 1, "value1": 1, "radius": 1});
    let object = json!({"filter_operator": "and", "filters": [], "negate": false});
    vec![
        (
            true,
            of("string", json!({"operator": "is", "value": DYNAMIC_VALUE})),
        ),
        (true, of("string", of_other)),
        (false, of("string", typed)),
        (true, of("array_string", json!({"operator": "is", "value": "x"}))),
        (
            true,
            of("array_string", json!({"operator": "contains", "value": "x"})),
        ),
        (
            true,
            of("array_string", json!({"operator": "endsWith", "value": ["x"]})),
        ),
        (false, of("array_string", json!({"operator": "in", "value": "x"}))),
        (
            false,
            of("array_string", json!({"operator": "contains", "value": 7})),
        ),
        (
            false,
            of("array_string", json!({"operator": "contains", "value": []})),
        ),
        (true, of("array_double", json!({"operator": "in", "value": [1]}))),
        (
            true,
            of(
                "datetime",
                json!({"operator": "today", "value_type": "relative_past"}),
            ),
        ),
        (false, of("datetime", json!({"operator": "today", "value": 0}))),
        (false, of("array_string", exists)),
        (false, of("geopoint", point)),
        (false, of("object", object)),
    ]
}

fn documents() -> BoundaryCases {
    let of_kind = |kind: &str| {
        let everyone = json!({"filter_operator": "and", "filters": []});
        json!({"kind": kind, "name": "A", "included_filters": everyone})
    };
    let mut pasted = of_kind("filter");
    for (key, value) in [
        ("id", json!("5e6c00000000000000000001")),
        ("created_time", json!("2026-01-05T10:30:00")),
        ("updated_time", Value::Null),
        ("type", json!("ELASTIC_SEARCH")),
        ("source", json!("API")),
        ("description", json!("Users where city is Pune")),
    ] {
        pasted[key] = value;
    }
    let raw_and_more = json!({"raw": {"filter_type": "new"}, "filter_type": "actions"});
    let no_id = json!({"filter_type": "custom_segments", "id": "", "name": "A"});
    vec![
        (true, of_kind("filter")),
        (true, pasted.clone()),
        (
            false,
            json!({"response_id": "r", "type": "custom_segment", "data": pasted}),
        ),
        (false, of_kind("file")),
        (false, of_kind("cohort")),
        (false, json!([])),
        (false, with_filter(&raw_and_more)),
        (false, with_filter(&no_id)),
    ]
}

fn count_ranges() -> Vec<RangeCase> {
    let mut ranges = vec![
        range(1, 100, |n| with_percent("minimum", "percent_of_times", n)),
        range(1, 100, |n| with_percent("top", "percent_of_users", n)),
        range(1, 100, |n| with_percent("bottom", "percent_of_users", n)),
    ];
    for kind in ["atleast", "exactly", "atmost"] {
        ranges.push(range(1, MAX_COUNT, move |n| with_execution(kind, n)));
    }
    for (kind, least) in [("inTheLast", 1), ("on", 0), ("before", 0)] {
        let hours = move |n| with_window(json!({"type": kind, "value": n, "period_unit": "hours"}));
        ranges.push(range(least, MAX_COUNT, hours));
        ranges.push(range(least, MAX_COUNT, move |n| {
            with_window(json!({"type": kind, "days": n}))
        }));
    }
    ranges
}

fn date_part_ranges() -> Vec<RangeCase> {
    let ago = |n| with_date_condition("on", json!({"value": n, "value_type": "relative_past"}));
    let ahead = |n| {
        with_date_condition(
            "between",
            json!({"value": 0, "value1": n, "value_type": "relative_future"}),
        )
    };
    let mut ranges = vec![
        range(1, MAX_COUNT, |n| {
            with_date_condition("inTheLast", json!({"value": n}))
        }),
        range(1, MAX_COUNT, |n| {
            with_date_condition("inTheNext", json!({"value": n}))
        }),
        range(0, MAX_COUNT, ago),
        range(0, MAX_COUNT, ahead),
    ];
    for extract in ExtractType::ALL.iter().copied() {
        if let Some(part) = extract.range() {
            let of =
                move |n| with_date_condition("on", json!({"value": n, "extract_type": extract.as_str()}));
            ranges.push(range((*part.start()).into(), (*part.end()).into(), of));
        }
    }
    ranges
}

fn range(least: i64, most: i64, of: impl Fn(i64) -> Value + 'static) -> RangeCase {
    (least, most, Box::new(of))
}

fn with_filter(filter: &Value) -> Value {
    json!({"name": "A", "included_filters": {"filter_operator": "and", "filters": [filter]}})
}

fn with_event(key: &str, value: Value) -> Value {
    let mut filter = json!({"filter_type": "actions", "action_name": "a", "executed": true,
                            "primary_time_range": {"type": "inTheLast", "days": 3}});
    filter[key] = value;
    with_filter(&filter)
}

fn with_window(window: Value) -> Value {
    with_event("primary_time_range", window)
}

fn with_execution(kind: &str, count: i64) -> Value {
    with_event("execution", json!({"type": kind, "count": count}))
}

/// An aggregation compared with an earlier time range.
fn with_base(base: Value) -> Value {
    let mut aggregation = json!({"attribute_name": "a", "aggregation_type": "sum", "operator": "is", "value": 1,
                                 "comparator": "change"});
    aggregation["base_time_range"] = base;
    with_event("aggregation_attributes", json!({"filters": [aggregation]}))
}

fn with_percent(kind: &str, field: &str, percent: i64) -> Value {
    let mut filter = affinity();
    filter["operator_type"] = json!(kind);
    filter[field] = json!(percent);
    with_filter(&filter)
}

fn with_affinity(key: &str, value: Value) -> Value {
    let mut filter = affinity();
    filter[key] = value;
    with_filter(&filter)
}

fn affinity() -> Value {
    let attribute = json!({"name": "a", "data_type": "string", "operator": "exists"});
    json!({
        "filter_type": "psychographic_event", "action_name": "a", "operator_type": "predominant",
        "psychographic_attributes": {"filter_operator": "and", "filters": [attribute]},
        "primary_time_range": {"type": "inTheLast", "days": 3},
    })
}

fn with_date_condition(operator: &str, mut fields: Value) -> Value {
    fields["data_type"] = json!("datetime");
    fields["operator"] = json!(operator);
    with_condition(&fields)
}

fn with_condition(fields: &Value) -> Value {
    let mut filter = fields.clone();
    filter["filter_type"] = json!("user_attributes");
    filter["name"] = json!("a");
    with_filter(&filter)
}
