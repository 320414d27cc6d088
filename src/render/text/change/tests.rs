use super::*;
use crate::definition::{Identities, canonical, diff};
use crate::model::Payload;
use serde_json::json;

const LONG: usize = 400;

fn value_text(before: &Value, after: &Value) -> String {
    let document = ChangeDocument {
        path: vec!["city".to_owned()],
        field: Some("value".to_owned()),
        before: Some(before.clone()).filter(|value| !value.is_null()),
        after: Some(after.clone()).filter(|value| !value.is_null()),
        cause: None,
    };
    let mut text = String::new();
    changes(&mut text, &[document], false);
    text
}

fn numbers(range: std::ops::Range<usize>) -> Value {
    range.collect::<Vec<_>>().into()
}

fn cities(count: usize, last: &str) -> Value {
    let names = (1..count).map(|number| format!("City {number}"));
    names.chain([last.to_owned()]).collect::<Vec<_>>().into()
}

#[test]
fn a_short_value_is_whole() {
    for (before, after, expected) in [
        (json!(30), json!(45), "30 -> 45"),
        (json!(true), json!(false), "true -> false"),
        (json!(1), json!("1"), r#"1 -> "1""#),
        (
            json!("2025-01-31T00:00:00.000Z"),
            json!("2025-02-28T00:00:00.000Z"),
            r#""2025-01-31T00:00:00.000Z" -> "2025-02-28T00:00:00.000Z""#,
        ),
        (Value::Null, json!("x"), r#"(none) -> "x""#),
        (json!("x"), Value::Null, r#""x" -> (none)"#),
        (
            json!("Pune"),
            json!(["Pune", "Goa"]),
            r#""Pune" -> ["Pune","Goa"]"#,
        ),
        (json!(["Pune"]), json!("Pune"), r#"["Pune"] -> "Pune""#),
        (json!("Delhi"), json!("delhi"), r#""Delhi" -> "delhi""#),
        (json!("a\u{1b}[31m"), json!("a\n"), r#""a\u001b[31m" -> "a\n""#),
    ] {
        assert_eq!(
            value_text(&before, &after),
            format!("    city: value {expected}\n")
        );
    }
}

#[test]
fn a_list_shows_what_comes_and_goes() {
    for (before, after, expected) in [
        (json!([]), json!(["Surat"]), r#"+ "Surat" (was empty)"#),
        (json!(["Surat"]), json!([]), r#"- "Surat" (now empty)"#),
        (
            json!(["Surat"]),
            json!(["Pune"]),
            r#"+ "Pune" - "Surat" (all others replaced)"#,
        ),
        (
            json!(["Goa", "Pune"]),
            json!(["Goa", "Surat", "Kota"]),
            r#"+ "Surat", "Kota" - "Pune" (1 other unchanged)"#,
        ),
        (
            cities(50, "Udaipur"),
            cities(50, "Surat"),
            r#"+ "Surat" - "Udaipur" (49 others unchanged)"#,
        ),
        (
            cities(1000, "Udaipur"),
            cities(1000, "Surat"),
            r#"+ "Surat" - "Udaipur" (999 others unchanged)"#,
        ),
        (json!(["a", "a"]), json!(["a"]), r#"- "a" (1 other unchanged)"#),
        (json!([1, 2]), json!([1, "2"]), r#"+ "2" - 2 (1 other unchanged)"#),
        (
            json!(["a", "b", "c"]),
            json!(["c", "b", "d", "a"]),
            r#"+ "d" (3 others, reordered)"#,
        ),
        (
            json!(["a", "b", "c"]),
            json!(["a", "c", "b"]),
            r#"reordered, the same 3 elements (position 2: "b" -> "c")"#,
        ),
        (
            json!([[1.5, 2], [3, 4]]),
            json!([[3, 4], [1.5, 9]]),
            "+ [1.5,9] - [1.5,2] (1 other unchanged)",
        ),
        (
            json!(["Café", "Goa"]),
            json!(["Cafe\u{301}", "Goa"]),
            "~ \"Café\" (U+00E9) -> \"Cafe\u{301}\" (e + U+0301) (1 other unchanged)",
        ),
    ] {
        assert_eq!(
            value_text(&before, &after),
            format!("    city: value: {expected}\n")
        );
    }
}

#[test]
fn many_changed_elements_are_counted_and_none_of_the_two_sides_is_hidden() {
    let text = value_text(&numbers(0..1000), &numbers(900..2000));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "    city: value: 1000 added, 900 removed (100 others unchanged)"
    );
    assert!(lines[1].starts_with("+     1000, 1001, 1002"), "{text}");
    assert!(text.contains("\n-     0, 1, 2"), "{text}");
    assert!(text.contains("1019, and 980 more\n"), "{text}");
    assert!(text.contains("19, and 880 more\n"), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() < 130), "{text}");
}

#[test]
fn long_elements_that_begin_alike_are_distinguished() {
    let element = |end: &str| format!("{}{end}", "x".repeat(LONG));
    let before = json!(["Goa", element("1"), "Pune"]);
    let after = json!(["Goa", element("2"), "Pune"]);
    assert_eq!(
        value_text(&before, &after),
        "    city: value: 1 changed (2 others unchanged)\n\
         ~     …\"xxxxxxxxxxxxxxxxxxxx1\" -> …\"xxxxxxxxxxxxxxxxxxxx2\" (401 -> 401 characters, first difference at 401)\n"
    );
}

#[test]
fn a_long_text_is_shown_around_its_first_difference() {
    let filler = "abcdefghij".repeat(LONG / 10);
    let text = |start: &str, middle: &str, end: &str| format!("{start}{filler}{middle}{filler}{end}");
    for (before, after, expected) in [
        (
            text("A", "", ""),
            text("B", "", ""),
            format!(
                r#""A{0}"… -> "B{0}"… (801 -> 801 characters, first difference at 1)"#,
                &filler[..59]
            ),
        ),
        (
            text("", "old", ""),
            text("", "changed", ""),
            format!(
                r#"…"{0}old{1}"… -> …"{0}changed{2}"… (803 -> 807 characters, first difference at 401)"#,
                &filler[..20],
                &filler[..57],
                &filler[..53]
            ),
        ),
        (
            text("", "", ""),
            text("", "", "!"),
            format!(
                r#"…"{0}" -> …"{0}!" (800 -> 801 characters, first difference at 801)"#,
                &filler[..20]
            ),
        ),
        (
            text("", "Café", ""),
            text("", "Cafe\u{301}", ""),
            format!(
                "…\"{0}Café{1}\"… (U+00E9) -> …\"{0}Cafe\u{301}{2}\"… (e + U+0301) \
                 (804 -> 805 characters, first difference at 404)",
                &filler[3..20],
                &filler[..59],
                &filler[..58]
            ),
        ),
        (
            "short".to_owned(),
            text("", "", ""),
            format!(
                r#""short" -> "{}"… (5 -> 800 characters, first difference at 1)"#,
                &filler[..60]
            ),
        ),
    ] {
        let found = value_text(&before.into(), &after.into());
        assert_eq!(found, format!("    city: value {expected}\n"));
    }
}

#[test]
fn letters_that_look_alike_have_their_code_points() {
    for (before, after, expected) in [
        ("Café", "Cafe\u{301}", ["U+00E9", "e + U+0301"]),
        ("Caféen", "Cafe\u{301}en", ["U+00E9", "e + U+0301"]),
        ("Agra", "\u{410}gra", ["A", "U+0410"]),
        (
            "PACE",
            "\u{420}\u{410}\u{421}\u{415}",
            ["P + A + C + E", "U+0420 + U+0410 + U+0421 + U+0415"],
        ),
        ("Delhi", "Delhi\u{200b}", ["i", "i + U+200B"]),
        ("New Delhi", "New\u{a0}Delhi", ["U+0020", "U+00A0"]),
        ("SKU-O1", "SKU-0l", ["U+004F + U+0031", "U+0030 + U+006C"]),
        ("it's", "it\u{2019}s", ["U+0027", "U+2019"]),
        ("a-b", "a\u{2013}b", ["-", "U+2013"]),
        ("\u{ff21}1", "A1", ["U+FF21", "A"]),
        ("\u{ac00}", "\u{1100}\u{1161}", ["U+AC00", "U+1100 + U+1161"]),
        // One part is visibly different, another one is not.
        ("Agra old", "\u{410}gra new", ["A", "U+0410"]),
    ] {
        let found = look_alikes::code_points(before, after).unwrap();
        assert_eq!(found, expected, "{before:?} {after:?}");
    }
    for (before, after) in [
        ("Café", "Cafe"),
        ("मुंबई", "दिल्ली"),
        ("Köln", "Kölner"),
        ("a", "b"),
        ("", "x"),
    ] {
        assert_eq!(look_alikes::code_points(before, after), None, "{before} {after}");
    }
    assert_eq!(
        value_text(&json!("Café"), &json!("Cafe\u{301}")),
        "    city: value \"Café\" (U+00E9) -> \"Cafe\u{301}\" (e + U+0301)\n"
    );
}

fn payload(filters: &[Value]) -> Payload {
    Payload {
        included_filters: json!({"filter_operator": "and", "filters": filters}),
        excluded_filters: None,
    }
}

fn city(value: &Value) -> Value {
    json!({"filter_type": "user_attributes", "name": "city", "data_type": "string", "operator": "in",
           "value": value, "category": "Tracked Custom Attribute"})
}

fn event(name: &str, executed: bool) -> Value {
    json!({"filter_type": "actions", "action_name": name, "executed": executed,
           "primary_time_range": {"type": "inTheLast", "value": 30, "period_unit": "days"},
           "attributes": {"filter_operator": "and", "filters": [
               {"name": "category", "data_type": "string", "operator": "in", "value": ["shoes"]}]}})
}

fn changed_text(before: &Payload, after: &Payload) -> String {
    let identities = Identities::default();
    let [old, new] = [before, after].map(|payload| canonical::exact(payload, &identities));
    let documents = diff(&old, &new).into_iter().map(|change| {
        let change = change
            .with_categories(after)
            .with_readable_references(&identities);
        ChangeDocument::of(&change)
    });
    let mut text = String::new();
    changes(&mut text, &documents.collect::<Vec<_>>(), false);
    text
}

#[test]
fn a_filter_that_comes_or_goes_is_whole_and_as_in_files() {
    let before = payload(&[city(&json!(["Agra"]))]);
    let after = payload(&[city(&json!(["Agra"])), event("purchase", false)]);
    let filter = "filter_type: actions
action_name: purchase
executed: false
primary_time_range: {type: inTheLast, value: 30, period_unit: days}
attributes:
  filter_operator: and
  filters:
    - {name: category, data_type: string, operator: in, value: [shoes]}
";
    let marked = |mark| -> String {
        filter
            .lines()
            .map(|line| format!("{mark}     {line}\n"))
            .collect()
    };
    assert_eq!(
        changed_text(&before, &after),
        format!(
            "    included_filters › and › [2] purchase: added\n{}",
            marked('+')
        )
    );
    assert_eq!(
        changed_text(&after, &before),
        format!(
            "    included_filters › and › [2] purchase: removed\n{}",
            marked('-')
        )
    );
}

#[test]
fn an_exclusion_that_comes_or_goes_is_whole() {
    let before = payload(&[event("visit", true)]);
    let reference = json!({"filter_type": "custom_segments", "name": "Buyers"});
    let after = Payload {
        excluded_filters: payload(&[reference, city(&json!(["Pune"]))])
            .included_filters
            .into(),
        ..before.clone()
    };
    let expected = "    excluded_filters: added
+     filter_operator: and
+     filters:
+       - {filter_type: custom_segments, name: Buyers}
+       - filter_type: user_attributes
+         name: city
+         category: Tracked Custom Attribute
+         data_type: string
+         operator: in
+         value: [Pune]
";
    assert_eq!(changed_text(&before, &after), expected);
    let removed = changed_text(&after, &before);
    assert!(
        removed.contains("excluded_filters: removed\n-     filter_operator: and\n"),
        "{removed}"
    );
}

#[test]
fn a_filter_that_moves_is_one_change() {
    let (visit, purchase, city) = (
        event("visit", true),
        event("purchase", true),
        city(&json!(["Agra"])),
    );
    let same_group = changed_text(
        &payload(&[visit.clone(), purchase.clone(), city.clone()]),
        &payload(&[city.clone(), visit.clone(), purchase.clone()]),
    );
    assert_eq!(
        same_group,
        "    included_filters › and › [1] city: position 3 -> 1 (moved, otherwise unchanged)\n"
    );
    let mut excluding = payload(std::slice::from_ref(&visit));
    excluding.excluded_filters = Some(json!({"filter_operator": "or", "filters": [purchase, city.clone()]}));
    let mut before = payload(&[visit, city]);
    before.excluded_filters =
        Some(json!({"filter_operator": "or", "filters": [event("purchase", true), event("x", true)]}));
    let text = changed_text(&before, &excluding);
    let line = "    excluded_filters › or › [2] city: moved from included_filters › and › [2] city\n      filter_type: user_attributes\n";
    assert!(text.contains(line), "{text}");
    assert!(!text.contains("[2] city: removed"), "{text}");
}

#[test]
fn another_filter_is_not_a_change_of_the_old_one() {
    let age = json!({"filter_type": "user_attributes", "name": "age", "data_type": "double", "operator": "greaterThan",
                     "value": 18});
    let text = changed_text(&payload(&[city(&json!(["Agra"]))]), &payload(&[age]));
    assert!(
        text.contains("    included_filters › and › [1] age: added\n+     filter_type"),
        "{text}"
    );
    assert!(
        text.contains("    included_filters › and › [1] city: removed\n-     filter_type"),
        "{text}"
    );
    // The same event with another name is.
    let text = changed_text(
        &payload(&[event("visit", true)]),
        &payload(&[event("open", true)]),
    );
    assert_eq!(
        text,
        "    included_filters › and › [1] open: action_name \"visit\" -> \"open\"\n"
    );
}

#[test]
fn a_replaced_definition_shows_everything_of_both() {
    let group = json!({"filter_type": "nested_filters", "filter_operator": "or",
                       "filters": [event("visit", true), city(&json!(["Agra", "Pune"]))]});
    let text = changed_text(
        &payload(&[city(&json!(cities(30, "Zirakpur")))]),
        &payload(&[group, event("purchase", false)]),
    );
    for part in [
        "[1] group: added\n+     filter_type: nested_filters\n+     filter_operator: or\n",
        "+         action_name: visit\n",
        "+         value: [Agra, Pune]\n",
        "+     executed: false\n",
        "[1] city: removed\n",
        "-       - City 1\n",
        "-       - Zirakpur\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn unknown_parts_are_whole() {
    let before = payload(&[
        json!({"filter_type": "warehouse", "query": "select 1"}),
        json!("opaque"),
    ]);
    let after = payload(&[
        json!({"filter_type": "warehouse", "query": "select 2", "new": {"deep": [1]}}),
        json!(7),
    ]);
    let expected = "    included_filters › and › [1] warehouse: new {\"deep\":[1]} -> (none)\n";
    assert_eq!(
        changed_text(&after, &before),
        format!(
            "{expected}    included_filters › and › [1] warehouse: query \"select 2\" -> \"select 1\"\n    \
             included_filters › and › [2] filter 7 -> \"opaque\"\n"
        )
    );
    let without = Payload {
        included_filters: json!("no group\u{1b}[2J"),
        excluded_filters: None,
    };
    let text = changed_text(&before, &without);
    assert!(
        text.starts_with("    included_filters: replaced\n-") || text.contains(" -> \"no group"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    let unknown = changed_text(&payload(&[event("visit", true)]), &before);
    assert!(
        unknown.contains("+     raw: {filter_type: warehouse, query: select 1}\n"),
        "{unknown}"
    );
}

#[test]
fn a_long_value_that_comes_or_changes_its_type_is_whole() {
    let text = value_text(&json!("Agra"), &cities(30, "Surat"));
    assert!(
        text.starts_with("    city: value: replaced\n-     Agra\n+     - City 1\n"),
        "{text}"
    );
    assert!(text.ends_with("+     - Surat\n"), "{text}");
    let text = value_text(&Value::Null, &cities(30, "Surat"));
    assert!(
        text.starts_with("    city: value: added\n+     - City 1\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 31);
}

#[test]
fn a_cause_ends_the_first_line() {
    let document = ChangeDocument {
        path: vec![
            "included_filters".to_owned(),
            "and".to_owned(),
            "[1] a".to_owned(),
        ],
        field: None,
        before: None,
        after: Some(city(&json!("x\u{202e}\u{1b}"))),
        cause: Some("remote".to_owned()),
    };
    let mut text = String::new();
    changes(&mut text, std::slice::from_ref(&document), true);
    assert!(
        text.starts_with("    included_filters › and › [1] a: added (drift)\n"),
        "{text}"
    );
    let plain: String = text.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
    assert!(!plain.contains(['\u{1b}', '\u{202e}']), "{plain:?}");
}
