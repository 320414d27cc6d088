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
    assert_eq!(
        edited(&old, |filters| group(filters).rotate_right(1)),
        text(&["# about c", &c, "# about a", &a, "# about b", "# and more", &b])
    );
    assert_eq!(
        edited(&old, |filters| group(filters).reverse()),
        text(&["# about c", &c, "# about b", "# and more", &b, "# about a", &a])
    );
    assert_eq!(
        edited(&old, |filters| drop(group(filters).remove(1))),
        text(&["# about a", &a, "# about c", &c])
    );
}

#[test]
fn section_headings_stay_in_place() {
    let [a, b] = ["a", "b"].map(reference);
    let old = text(&["# references", "", "# about a", &a, "# about b", &b]);
    assert_eq!(
        edited(&old, |filters| group(filters).reverse()),
        text(&["# references", "", "# about b", &b, "# about a", &a])
    );
}

/// What the edit would lose, and the diff that a person can apply.
fn refused(text: &str, remote: &Payload) -> (String, String) {
    match try_patch(text, remote) {
        Err(EditError::LostText { text, diff, .. }) => (text, diff),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_anchored_value_changes_only_together_with_its_aliases() {
    let event = |name: &str, window: &str| {
        format!(
            "- {{filter_type: actions, action_name: {name}, executed: true, primary_time_range: {window}}}"
        )
    };
    let days = |count: u32| format!("{{type: inTheLast, value: {count}, period_unit: days}}");
    let old = text(&[
        "# why: aa",
        &event("a", &format!("&r {}", days(7))),
        "# why: ab",
        &format!("{}   # shares", event("b", "*r")),
    ]);
    let with_days = |events: std::ops::Range<usize>| {
        remote_after(&old, |filters| {
            for filter in &mut group(filters)[events] {
                filter["primary_time_range"]["value"] = json!(30);
            }
        })
    };
    assert_eq!(
        patched(&old, &with_days(0..2)),
        old.replace("value: 7", "value: 30")
    );
    for events in [0..1, 1..2] {
        let (lost, diff) = refused(&old, &with_days(events));
        assert!(lost == "*r" && diff.contains("value: 30"), "{lost}\n{diff}");
    }
    // Without the filter that has the anchor.
    let gone = remote_after(&old, |filters| drop(group(filters).remove(0)));
    let (_, diff) = refused(&old, &gone);
    assert!(diff.contains("-    # why: ab"), "{diff}");
}

#[test]
fn filters_with_comments_do_not_go_into_or_out_of_groups() {
    let [a, b, c] = ["a", "b", "c"].map(reference);
    let flat = text(&["# about a", &a, &format!("{b}   # beside b"), "# about c", &c]);
    let wrap = |filters: &mut Value| {
        let inner: Vec<Value> = group(filters).drain(..2).collect();
        let inner = json!({"filter_type": "nested_filters", "filter_operator": "and", "filters": inner});
        group(filters).insert(0, inner);
    };
    let (lost, diff) = refused(&flat, &remote_after(&flat, wrap));
    assert_eq!(lost, "# about a");
    assert!(
        diff.starts_with("--- a.yaml\n+++ a.yaml\n") && diff.contains("-    # about a\n"),
        "{diff}"
    );
    assert!(!diff.contains("-    # about c"), "{diff}");
    // A comment of another filter is no obstacle.
    let plain = text(&[&a, &b, "# about c", &c]);
    let nested = edited(&plain, wrap);
    assert!(
        nested.contains(&format!("    # about c\n    {c}\n# end")),
        "{nested}"
    );
    let named = nested.replace("    - filter_type", "    # the two\n    - filter_type");
    assert_eq!(patched(&nested, &remote_after(&plain, |_| {})), plain);
    let (lost, _) = refused(
        &named.replace(&a, &format!("{a}   # beside a")),
        &remote_after(&plain, |_| {}),
    );
    assert_eq!(lost, "# the two");
}

#[test]
fn comments_in_flow_lists_stay_in_place() {
    let old = "name: A\nincluded_filters:\n  filter_operator: or\n  filters: [\n    # about a\n    {filter_type: custom_segments, name: a},\n    {filter_type: custom_segments, name: b}, # beside b\n    {filter_type: custom_segments, name: c},\n  ]\n";
    let added = remote_after(old, |filters| {
        group(filters).push(json!({"filter_type": "custom_segments", "name": "d"}));
    });
    let last = "    {filter_type: custom_segments, name: c},\n";
    assert_eq!(
        patched(old, &added),
        old.replace(last, &format!("{last}{}", last.replace("name: c", "name: d")))
    );
    let reordered = remote_after(old, |filters| group(filters).reverse());
    assert_eq!(refused(old, &reordered).0, "# beside b");
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
    assert_eq!(
        edited(&old, |filters| {
            group(filters).rotate_right(1);
            group(filters)[0]["value"] = json!(2);
        }),
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
    assert_eq!(
        edited(&old, |filters| {
            group(filters)[0].as_object_mut().unwrap().remove("project_name");
        }),
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
    // Another field shares the old name.
    let shared = "name: A\nowner: &o Old\nincluded_filters: {filter_operator: and, filters: [{filter_type: custom_segments, name: *o }]}\n";
    let error = patch(&declarations(shared)[0], &expected).unwrap_err();
    assert!(
        matches!(&error, EditError::LostText { text, line: 3, .. } if text == "*o"),
        "{error}"
    );
}
