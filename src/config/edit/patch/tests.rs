use super::super::segment_file_text;
use super::super::text_edit::TextEdit;
use super::*;
use crate::config::source::SourceFile;
use crate::config::{decode, yaml};
use crate::model::SegmentId;
use serde_json::{Value, json};
use std::sync::Arc;

mod comments;

fn declarations(text: &str) -> Vec<Declaration> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, diagnostics) = yaml::parse(&source);
    assert_eq!(diagnostics, []);
    let read = documents
        .into_iter()
        .map(|document| decode::segment(&source, document));
    read.map(|(declaration, diagnostics)| declaration.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}")))
        .collect()
}

fn names(id: &SegmentId) -> Option<SegmentName> {
    (id.as_str() == "aa").then(|| SegmentName::new("VIP buyers"))
}

fn payload(included: Value) -> Payload {
    Payload {
        included_filters: included,
        excluded_filters: None,
    }
}

fn try_patch(text: &str, remote: &Payload) -> Result<Patch, EditError> {
    let update = DeclarationUpdate {
        definition: Some((remote, &names)),
        ..DeclarationUpdate::default()
    };
    patch(&declarations(text)[0], &update)
}

fn patched(text: &str, remote: &Payload) -> String {
    let patch = try_patch(text, remote).unwrap_or_else(|error| panic!("{error}\n{text}"));
    apply_patches(text, [&patch]).unwrap()
}

fn encoded_definition(text: &str) -> Payload {
    let declarations = declarations(text);
    declarations[0]
        .segment
        .contents
        .definition()
        .unwrap()
        .payload()
        .clone()
}

/// The remote definition after `change` in the dashboard.
fn remote_after(text: &str, change: impl FnOnce(&mut Value)) -> Payload {
    let mut group = encoded_definition(text).included_filters;
    change(&mut group);
    payload(group)
}

/// The text after `change` in the dashboard.
fn edited(text: &str, change: impl FnOnce(&mut Value)) -> String {
    patched(text, &remote_after(text, change))
}

const SEGMENT: &str = "\
# Returning customers
name: Returning   # unique
owner: crm@example.com
included_filters:
  filter_operator: and   # all of them
  filters:
    # main filter
    - filter_type: actions
      action_name: purchase   # the event
      executed: true
      execution: {type: atleast, count: 2}   # twice
      primary_time_range: {type: inTheLast, days: 30}   # a month
      attributes:
        filter_operator: and
        filters:
          - {name: amount, data_type: double, operator: greaterThan, value: 100}   # only large
    - {filter_type: user_attributes, name: city, data_type: string, operator: in, value: [Pune, \"Delhi\"]}   # two
    # opted in
    - filter_type: custom_segments
      name: VIP buyers
# end
";

type DashboardEdit = fn(&mut Value);

#[test]
fn only_changed_values_are_replaced() {
    let table: [(DashboardEdit, &[(&str, &str)]); 12] = [
        (|_| {}, &[]),
        (
            |group| group["filter_operator"] = json!("or"),
            &[("operator: and   #", "operator: or   #")],
        ),
        (
            |group| group["filters"][0]["execution"]["count"] = json!(3),
            &[("count: 2", "count: 3")],
        ),
        (
            |group| group["filters"][0]["execution"]["type"] = json!("exactly"),
            &[("type: atleast", "type: exactly")],
        ),
        (
            |group| group["filters"][0]["primary_time_range"]["value"] = json!(60),
            &[("days: 30", "days: 60")],
        ),
        (
            |group| group["filters"][0]["primary_time_range"]["period_unit"] = json!("weeks"),
            &[(
                "{type: inTheLast, days: 30}",
                "{type: inTheLast, value: 30, period_unit: weeks}",
            )],
        ),
        (
            |group| group["filters"][0]["attributes"]["filters"][0]["value"] = json!(99.5),
            &[("value: 100", "value: 99.5")],
        ),
        (
            |group| group["filters"][1]["value"] = json!(["Pune", "no", "Delhi", "Goa, India"]),
            &[("[Pune, \"Delhi\"]", "[Pune, \"no\", \"Delhi\", \"Goa, India\"]")],
        ),
        (
            |group| group["filters"][1]["value"] = json!(["Delhi"]),
            &[("[Pune, \"Delhi\"]", "[\"Delhi\"]")],
        ),
        (
            |group| group["filters"][1]["negate"] = json!(true),
            &[("\"Delhi\"]}", "\"Delhi\"], negate: true}")],
        ),
        (
            |group| {
                let city = group["filters"][1].as_object_mut().unwrap();
                city.insert("operator".to_owned(), json!("exists"));
                city.remove("value");
            },
            &[("operator: in, value: [Pune, \"Delhi\"]", "operator: exists")],
        ),
        (
            |group| group["filters"][2] = json!({"filter_type": "custom_segments", "id": "aa"}),
            &[],
        ),
    ];
    for (index, (change, replaced)) in table.into_iter().enumerate() {
        let expected = replaced.iter().fold(SEGMENT.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{index}");
            text.replace(from, to)
        });
        assert_eq!(edited(SEGMENT, change), expected, "{index}");
        // Lines keep their carriage returns.
        let (text, expected) = (SEGMENT.replace('\n', "\r\n"), expected.replace('\n', "\r\n"));
        assert_eq!(edited(&text, change), expected, "{index}");
    }
}

#[test]
fn filters_are_added_and_removed_individually() {
    let added =
        json!({"filter_type": "user_attributes", "name": "vip", "data_type": "bool", "operator": "exists"});
    let line = "    - {filter_type: user_attributes, name: vip, data_type: bool, operator: exists}\n";
    let edited = |change: &dyn Fn(&mut Vec<Value>)| {
        remote_after(SEGMENT, |group| change(group["filters"].as_array_mut().unwrap()))
    };
    let inserted = |at| edited(&|filters| filters.insert(at, added.clone()));
    let removed = |at| edited(&|filters| drop(filters.remove(at)));
    let before = |anchor: &str| SEGMENT.replace(anchor, &format!("{line}{anchor}"));
    let mut lines = SEGMENT.lines();
    let city = lines.find(|line| line.contains("name: city")).unwrap();
    let cases = [
        (inserted(0), before("    # main filter\n")),
        (inserted(1), before(city)),
        (inserted(3), before("# end")),
        (removed(1), SEGMENT.replace(&format!("{city}\n"), "")),
        (
            removed(2),
            SEGMENT.replace(
                "    # opted in\n    - filter_type: custom_segments\n      name: VIP buyers\n",
                "",
            ),
        ),
        (
            edited(&Vec::clear),
            format!(
                "{}    []\n# end\n",
                SEGMENT.split_once("    - filter_type").unwrap().0
            ),
        ),
    ];
    for (remote, expected) in cases {
        assert_eq!(patched(SEGMENT, &remote), expected);
    }
}

#[test]
fn comments_stay_with_anchored_filters() {
    let event = "{filter_type: actions, action_name: purchase, executed: true, primary_time_range: {type: inTheLast, value: 7, \
                 period_unit: days}}";
    let city = "{filter_type: user_attributes, name: city, data_type: string, operator: in, value: [a, b]";
    let unknown = json!({"filter_type": "telepathy", "depth": 3});
    for anchored in [
        format!("- &f {event}  # c1"),
        format!("- &f   # c1\n      {event}"),
    ] {
        let head = "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n";
        let text = format!("{head}    {anchored}\n    - {city}}} # c2\n# end\n");
        let changed = remote_after(&text, |group| {
            let filters = group["filters"].as_array_mut().unwrap();
            filters.remove(0);
            filters[0]["negate"] = json!(true);
            filters.push(unknown.clone());
        });
        let expected = format!(
            "{head}    - {city}, negate: true}} # c2\n    - raw: {{filter_type: telepathy, depth: 3}}\n# end\n"
        );
        assert_eq!(patched(&text, &changed), expected);
    }
}

#[test]
fn line_endings_match_the_surrounding_lines() {
    let other = "---\r\nname: Other\r\nincluded_filters: {filter_operator: and, filters: []}\r\n";
    let added =
        json!({"filter_type": "user_attributes", "name": "vip", "data_type": "bool", "operator": "exists"});
    let changed = remote_after(SEGMENT, |group| {
        let filters = group["filters"].as_array_mut().unwrap();
        filters.insert(0, added.clone());
        filters.push(json!({"filter_type": "telepathy", "depth": 3}));
    });
    let alone = patched(SEGMENT, &changed);
    assert!(
        alone.lines().count() > SEGMENT.lines().count() && !alone.contains('\r'),
        "{alone}"
    );
    // The other document has other line endings.
    let text = format!("{SEGMENT}{other}");
    assert_eq!(patched(&text, &changed), format!("{alone}{other}"));
    let (kept, other) = (SEGMENT.replace('\n', "\r\n"), other.replace('\r', ""));
    let text = format!("{kept}{other}");
    assert_eq!(
        patched(&text, &changed),
        format!("{}{other}", alone.replace('\n', "\r\n"))
    );
}

#[test]
fn moved_filters_keep_their_text() {
    let text = "name: A\nincluded_filters:\n  filter_operator: or\n  filters:\n  - {name: a,   filter_type: custom_segments}   # first\n  - filter_type: custom_segments\n    name:   'b'   # second\n  - {filter_type: custom_segments, name: c}";
    let reordered = remote_after(text, |group| {
        group["filters"].as_array_mut().unwrap().rotate_left(1)
    });
    let (head, tail) = text.split_once("  - {name: a").unwrap();
    let (first, rest) = tail.split_once('\n').unwrap();
    assert_eq!(
        patched(text, &reordered),
        format!("{head}{rest}\n  - {{name: a{first}")
    );
    let flow = "{name: A, included_filters: {filter_operator: or, filters: [{name:  a, filter_type: custom_segments}, {name: b, filter_type: custom_segments}]}}";
    let reordered = remote_after(flow, |group| group["filters"].as_array_mut().unwrap().reverse());
    let expected = flow
        .replace("{name:  a", "{name: x")
        .replace("name: b", "name:  a")
        .replace("name: x", "name: b");
    assert_eq!(patched(flow, &reordered), expected);
}

#[test]
fn fields_and_exclusions_are_added_and_removed() {
    let mut excluding = remote_after(SEGMENT, |group| {
        let event = group["filters"][0].as_object_mut().unwrap();
        event.insert(
            "attributes".to_owned(),
            json!({"filter_operator": "and", "filters": []}),
        );
        event.insert("project_name".to_owned(), json!("north"));
    });
    excluding.excluded_filters = Some(json!({"filter_operator": "or", "filters": [
        {"filter_type": "custom_segments", "id": "bb", "name": "Staff"}]}));
    let patched_text = patched(SEGMENT, &excluding);
    let attributes = SEGMENT.split_once("      attributes:\n").unwrap().1;
    let attributes = attributes.split_once("    - {filter_type").unwrap().0;
    let expected = SEGMENT
        .replace(&format!("      attributes:\n{attributes}"), "")
        .replace("# the event\n", "# the event\n      project_name: north\n")
        .replace(
            "# end\n",
            "excluded_filters:\n  filter_operator: or\n  filters:\n    - {filter_type: custom_segments, id: bb, name: Staff}\n# end\n",
        );
    assert_eq!(patched_text, expected);
    excluding.excluded_filters = None;
    let without = patched(&patched_text, &excluding);
    assert!(without.ends_with("      name: VIP buyers\n# end\n"), "{without}");
}

#[test]
fn names_and_lifecycles_change_in_one_document_only() {
    let text = format!(
        "--- # first\n{SEGMENT}...\n---\n{}",
        SEGMENT.replace("Returning ", "Other ")
    );
    let read = declarations(&text);
    let name = SegmentName::new("a: \"b\"");
    let update = |name, lifecycle| DeclarationUpdate {
        name,
        lifecycle: Some(lifecycle),
        definition: None,
        renames: None,
    };
    let first = patch(&read[0], &update(None, Lifecycle::Archived)).unwrap();
    let second = patch(&read[1], &update(Some(&name), Lifecycle::Active)).unwrap();
    let result = apply_patches(&text, [&second, &first]).unwrap();
    let expected = text
        .replacen("# unique\n", "# unique\nlifecycle: archived\n", 1)
        .replace("name: Other ", r#"name: "a: \"b\"" "#);
    assert_eq!(result, expected);
    let back = patch(&declarations(&result)[0], &update(None, Lifecycle::Active)).unwrap();
    let back = apply_patches(&result, [&back]).unwrap();
    assert_eq!(back, expected.replace("lifecycle: archived", "lifecycle: active"));
}

#[test]
fn json_stays_json() {
    let text = r#"{
    "name": "A",
    "included_filters": {
        "filter_operator": "and",
        "filters": [
            {"filter_type": "custom_segments", "name": "a"},
            {"filter_type": "custom_segments", "name": "b"}
        ]
    }
}
"#;
    let definition = Payload {
        included_filters: json!({"filter_operator": "and", "filters": [
            {"filter_type": "custom_segments", "name": "a"}, {"filter_type": "custom_segments", "name": "no"},
            {"filter_type": "custom_segments", "name": "c"}]}),
        excluded_filters: Some(
            json!({"filter_operator": "or", "filters": [{"filter_type": "custom_segments", "id": "aa"}]}),
        ),
    };
    let result = patched(text, &definition);
    serde_json::from_str::<Value>(&result).unwrap();
    let expected = text
        .replace("\"name\": \"b\"}", "\"name\": \"no\"},\n            {\"filter_type\": \"custom_segments\", \"name\": \"c\"}")
        .replace(
            "        ]\n    }\n",
            "        ]\n    },\n    \"excluded_filters\": {\n      \"filter_operator\": \"or\",\n      \"filters\": [\n        {\"filter_type\": \"custom_segments\", \"name\": \"VIP buyers\"}\n      ]\n    }\n",
        );
    assert_eq!(result, expected);
}

#[test]
fn unusual_layouts_are_edited_or_refused_but_never_broken() {
    let one = |name: &str| json!({"filter_type": "user_attributes", "name": name, "data_type": "bool", "operator": "exists"});
    let two = payload(json!({"filter_operator": "or", "filters": [one("a"), one("c"), one("d")]}));
    let texts = [
        "name: A\nincluded_filters: {filter_operator: or, filters: [{filter_type: user_attributes, name: a, data_type: bool, operator: exists}, # x\n  {filter_type: user_attributes, name: b, data_type: bool, operator: exists}]}\n",
        "name: A\nincluded_filters:\n  filter_operator: or\n  filters:\n  - filter_type: user_attributes\n    name: a\n    data_type: bool\n    operator: exists\n  - # why\n    name: b\n    filter_type: user_attributes\n    data_type: bool\n    operator: exists",
        "name: A\nincluded_filters:\n  filter_operator: or\n  filters:\n    - &a {filter_type: user_attributes, name: a, data_type: bool, operator: exists}\n    - *a\n",
        "name: A\nincluded_filters: &g\n  filter_operator: or\n  filters:\n    - {filter_type: user_attributes, name: a, data_type: bool, operator: exists}\nexcluded_filters: *g\n",
        "name: A\nexcluded_filters: &g\n  filter_operator: or\n  filters:\n    - {filter_type: user_attributes, name: a, data_type: bool, operator: exists}\nincluded_filters: *g # x\n",
        "name: A\ndescription: &t a\nincluded_filters:\n  filter_operator: or\n  filters: [{filter_type: user_attributes, name: *t , data_type: bool, operator: exists}]\n",
        "\u{feff}name: A\nincluded_filters:\n  filter_operator: or\n  filters: []   # none yet\n",
        "  name: |\n    A\n  included_filters:\n    # below\n    filters: [\n    ]\n    filter_operator: and\n",
        "? name\n: A\n? included_filters\n: filter_operator: or\n  filters: []\n",
        "name: A\nincluded_filters:\n  filter_operator: or\n  filters:\n    -\n      raw:\n        filter_type: user_attributes\n        name: a\n        data_type: bool\n        operator: exists\n",
    ];
    let mut refused = 0;
    for text in texts {
        let excluded = encoded_definition(text).excluded_filters;
        for excluded_filters in [None, excluded] {
            let remote = Payload {
                excluded_filters,
                ..two.clone()
            };
            // `patch` verifies the content; the comments show that the rest of the text stays.
            match try_patch(text, &remote) {
                Ok(patch) => {
                    let result = apply_patches(text, [&patch]).unwrap();
                    assert_eq!(
                        result.matches('#').count(),
                        text.matches('#').count(),
                        "{text}\n{result}"
                    );
                }
                Err(EditError::LostText { text: lost, .. }) => {
                    assert!(
                        text.contains('*') && lost.starts_with(['*', '&']),
                        "{lost}\n{text}"
                    );
                    refused += 1;
                }
                Err(error) => panic!("{error}\n{text}"),
            }
        }
    }
    assert_eq!(refused, 5);
}

#[test]
fn a_change_shared_through_an_alias_is_rejected() {
    let text = "name: &n A\nowner: *n\nincluded_filters: {filter_operator: and, filters: []}\n";
    let name = SegmentName::new("B");
    let expected = DeclarationUpdate {
        name: Some(&name),
        ..DeclarationUpdate::default()
    };
    let error = patch(&declarations(text)[0], &expected).unwrap_err();
    assert!(error.to_string().contains("owner"), "{error}");
}

#[test]
fn overlapping_patches_are_rejected() {
    let edit = |range| Patch {
        edits: vec![TextEdit {
            range,
            text: String::new(),
        }],
    };
    assert!(apply_patches("abc", [&edit(0..2), &edit(1..3)]).is_err());
    assert!(apply_patches("abc", [&edit(2..9)]).is_err());
    assert_eq!(apply_patches("abc", [&edit(2..3), &edit(0..2)]).unwrap(), "");
}

#[test]
fn an_imported_file_needs_no_patch() {
    let definition = remote_after(SEGMENT, |_| {});
    let text = segment_file_text(&super::super::NewFile {
        comment: "imported from id 5f",
        name: &SegmentName::new("Returning"),
        lifecycle: Lifecycle::Archived,
        protect: false,
        definition: &definition,
        names: &names,
    })
    .unwrap();
    assert_eq!(patched(&text, &definition), text);
    assert_eq!(patched(SEGMENT, &definition), SEGMENT);
}
