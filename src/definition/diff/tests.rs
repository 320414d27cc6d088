use super::*;
use serde_json::json;

fn event(name: &str, count: u32) -> Value {
    json!({"filter_type": "actions", "action_name": name, "executed": true,
           "execution": {"type": "atleast", "count": count},
           "primary_time_range": {"type": "inTheLast", "value": 7, "period_unit": "days"}})
}

fn group(filters: &[Value]) -> Value {
    json!({"included_filters": {"filter_operator": "and", "filters": filters}})
}

fn changes(before: &Value, after: &Value) -> Vec<String> {
    diff(before, after).iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_is_named_by_its_path() {
    let before = group(&[event("visit", 1), event("purchase", 1)]);
    let after = group(&[event("visit", 1), event("purchase", 3)]);
    assert_eq!(
        changes(&before, &after),
        ["included_filters › and › [2] purchase: count 1 -> 3"]
    );
    assert_eq!(changes(&before, &before), [""; 0]);
}

#[test]
fn a_time_range_change_is_reported_inside_its_filter() {
    let mut after = event("visit", 1);
    after["primary_time_range"]["value"] = json!(14);
    assert_eq!(
        changes(&group(&[event("visit", 1)]), &group(&[after])),
        ["included_filters › and › [1] visit › primary_time_range: value 7 -> 14"]
    );
}

#[test]
fn a_filter_inserted_at_the_front_is_one_change() {
    let before = group(&[event("a", 1), event("b", 1)]);
    let after = group(&[event("c", 1), event("a", 1), event("b", 1)]);
    let found = diff(&before, &after);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path.join("/"), "included_filters/and/[1] c");
    assert_eq!(found[0].before, None);
}

#[test]
fn a_moved_filter_is_reported_as_moved() {
    let before = group(&[event("a", 1), event("b", 1)]);
    let after = group(&[event("b", 1), event("a", 1)]);
    let found = changes(&before, &after);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("position"), "{found:?}");
}

#[test]
fn a_changed_and_moved_filter_is_paired_by_its_subject() {
    let before = group(&[event("a", 1), event("b", 1)]);
    let after = group(&[event("c", 1), event("b", 5)]);
    assert_eq!(
        changes(&before, &after),
        [
            "included_filters › and › [1] c: action_name \"a\" -> \"c\"",
            "included_filters › and › [2] b: count 1 -> 5"
        ]
    );
}

#[test]
fn an_added_exclusion_is_one_change() {
    let before = group(&[event("a", 1)]);
    let mut after = before.clone();
    after["excluded_filters"] = json!({"filter_operator": "and", "filters": [event("b", 1)]});
    let found = diff(&before, &after);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, ["excluded_filters"]);
}

#[test]
fn a_group_operator_and_a_nested_change_are_two_changes() {
    let before = group(&[event("a", 1), event("b", 1)]);
    let mut after = group(&[event("a", 1), event("b", 2)]);
    after["included_filters"]["filter_operator"] = json!("or");
    assert_eq!(
        changes(&before, &after),
        [
            "included_filters: filter_operator \"and\" -> \"or\"",
            "included_filters › or › [2] b: count 1 -> 2"
        ]
    );
}
