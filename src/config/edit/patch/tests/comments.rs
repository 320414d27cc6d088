//! Comments move and disappear with the filters and fields that they belong to.

use super::*;

fn reference(name: &str) -> String {
    format!("- {{filter_type: custom_segments, name: {name}}}")
}

fn group(filters: &mut Value) -> &mut Vec<Value> {
    filters["filters"].as_array_mut().unwrap()
}

fn text(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    format!("name: A\nincluded_filters:\n  filter_operator: or\n  filters:\n{lines}# end\n")
}

#[test]
fn comments_above_filters_move_with_them() {
    let [a, b, c] = ["a", "b", "c"].map(reference);
    let old = text(&["# about a", &a, "# about b", "# and more", &b, "# about c", &c]);
    let last_first = remote_after(&old, |filters| group(filters).rotate_right(1));
    assert_eq!(
        patched(&old, &last_first),
        text(&["# about c", &c, "# about a", &a, "# about b", "# and more", &b])
    );
    let reordered = remote_after(&old, |filters| group(filters).reverse());
    assert_eq!(
        patched(&old, &reordered),
        text(&["# about c", &c, "# about b", "# and more", &b, "# about a", &a])
    );
    let without = remote_after(&old, |filters| drop(group(filters).remove(1)));
    assert_eq!(patched(&old, &without), text(&["# about a", &a, "# about c", &c]));
}

#[test]
fn section_headings_stay_in_place() {
    let [a, b] = ["a", "b"].map(reference);
    let old = text(&["# references", "", "# about a", &a, "# about b", &b]);
    let reordered = remote_after(&old, |filters| group(filters).reverse());
    assert_eq!(
        patched(&old, &reordered),
        text(&["# references", "", "# about b", &b, "# about a", &a])
    );
}

#[test]
fn comments_stay_when_an_anchored_value_changes() {
    let event = |name: &str, window: &str| {
        format!(
            "- {{filter_type: actions, action_name: {name}, executed: true, primary_time_range: {window}}}"
        )
    };
    let days = |count: u32| format!("{{type: inTheLast, value: {count}, period_unit: days}}");
    let (first, second) = (event("a", &format!("&r {}", days(7))), event("b", "*r"));
    let staff = reference("Staff");
    let old = text(&[
        "# why: aa",
        &first,
        "# why: ab",
        &format!("{second}   # shares"),
        "# staff",
        &staff,
    ]);
    let changed = remote_after(&old, |filters| {
        group(filters)[0]["primary_time_range"]["value"] = json!(30);
    });
    let second = format!("{}   # shares", event("b", &days(7)));
    assert_eq!(
        patched(&old, &changed),
        text(&[
            "# why: aa",
            &event("a", &days(30)),
            "# why: ab",
            &second,
            "# staff",
            &staff
        ])
    );
    // Without the filter that has the anchor.
    let gone = remote_after(&old, |filters| drop(group(filters).remove(0)));
    assert_eq!(
        patched(&old, &gone),
        text(&["# why: ab", &second, "# staff", &staff])
    );
    // A change of both filters.
    let both = remote_after(&old, |filters| {
        for filter in group(filters).iter_mut().take(2) {
            filter["primary_time_range"]["value"] = json!(30);
        }
    });
    let result = patched(&old, &both);
    assert_eq!(result.matches('#').count(), old.matches('#').count(), "{result}");
}

#[test]
fn comments_follow_filters_into_and_out_of_groups() {
    let [a, b, c] = ["a", "b", "c"].map(reference);
    let flat = text(&["# about a", &a, &format!("{b}   # beside b"), "# about c", &c]);
    let nested = remote_after(&flat, |filters| {
        let inner: Vec<Value> = group(filters).drain(..2).collect();
        let inner = json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": inner});
        group(filters).insert(0, inner);
    });
    let result = patched(&flat, &nested);
    let (a_inside, b_inside) = (format!("# about a\n        {a}\n"), format!("{b}   # beside b\n"));
    assert!(
        result.contains(&a_inside) && result.contains(&b_inside),
        "{result}"
    );
    assert!(
        result.contains(&format!("    # about c\n    {c}\n# end")),
        "{result}"
    );
    let group_line = "    - filter_type";
    let named = result.replace(group_line, &format!("    # the two\n{group_line}"));
    assert_eq!(
        patched(&named, &remote_after(&flat, |_| {})),
        text(&[
            "# the two",
            "# about a",
            &a,
            &format!("{b}   # beside b"),
            "# about c",
            &c
        ])
    );
}

#[test]
fn comments_in_flow_lists_stay_with_their_filters() {
    let old = "name: A\nincluded_filters:\n  filter_operator: or\n  filters: [\n    # about a\n    {filter_type: custom_segments, name: a},\n    {filter_type: custom_segments, name: b}, # beside b\n  ]\n";
    let reordered = remote_after(old, |filters| group(filters).reverse());
    let expected = "name: A\nincluded_filters:\n  filter_operator: or\n  filters: [\n    {filter_type: custom_segments, name: b}, # beside b\n    # about a\n    {filter_type: custom_segments, name: a},\n  ]\n";
    assert_eq!(patched(old, &reordered), expected);
}

#[test]
fn filters_that_move_and_change_keep_their_comments() {
    let filter = |name: &str, value: u32| {
        format!(
            "- {{filter_type: user_attributes, name: {name}, data_type: double, operator: greaterThan, value: {value}}}"
        )
    };
    let old = text(&[
        "# about a",
        &filter("a", 1),
        "# about b",
        &filter("b", 1),
        "# about c",
        &filter("c", 1),
    ]);
    let changed = remote_after(&old, |filters| {
        group(filters).rotate_right(1);
        group(filters)[0]["value"] = json!(2);
    });
    assert_eq!(
        patched(&old, &changed),
        text(&[
            "# about c",
            &filter("c", 2),
            "# about a",
            &filter("a", 1),
            "# about b",
            &filter("b", 1)
        ])
    );
}

#[test]
fn field_comments_are_removed_with_their_fields() {
    let old = text(&[
        "- filter_type: actions",
        "  action_name: a",
        "  executed: true",
        "  primary_time_range: {type: inTheLast, days: 7}",
        "  # in one of the shops",
        "  project_name: north   # the first",
        "  # often",
        "  execution: {type: atleast, count: 2}   # twice",
    ]);
    let without = remote_after(&old, |filters| {
        group(filters)[0].as_object_mut().unwrap().remove("project_name");
    });
    assert_eq!(
        patched(&old, &without),
        old.replace(
            "      # in one of the shops\n      project_name: north   # the first\n",
            ""
        )
    );
}

#[test]
fn references_use_the_new_names() {
    let [a, b] = ["Old", "Other"].map(reference);
    let old = text(&[
        "# about a",
        &format!("{a}   # beside"),
        &b,
        "- {filter_type: custom_segments, id: aa, name: Old}",
    ]);
    let renames = BTreeMap::from([
        (SegmentName::new("Old"), SegmentName::new("New: one")),
        (SegmentName::new("Other"), SegmentName::new("Old")),
    ]);
    let expected = DeclarationUpdate {
        renames: Some(&renames),
        ..DeclarationUpdate::default()
    };
    let [new, other] = ["\"New: one\"", "Old"].map(reference);
    let renamed = text(&[
        "# about a",
        &format!("{new}   # beside"),
        &other,
        "- {filter_type: custom_segments, id: aa, name: Old}",
    ]);
    let edits = patch(&declarations(&old)[0], &expected).unwrap();
    assert_eq!(apply_patches(&old, [&edits]).unwrap(), renamed);
    // Another field shares the old name and keeps it.
    let shared = "name: A\nowner: &o Old\nincluded_filters: {filter_operator: and, filters: [{filter_type: custom_segments, name: *o }]}\n";
    let edits = patch(&declarations(shared)[0], &expected).unwrap();
    assert_eq!(
        apply_patches(shared, [&edits]).unwrap(),
        shared.replace("*o ", "\"New: one\" ")
    );
}
