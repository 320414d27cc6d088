use super::*;

fn file(more: &str) -> String {
    format!(
        "kind: file\nname: A\nidentifier: {{attribute: email, type: string}}\nusers: {{path: a.csv}}\nexpires_in_days: 90\n{more}"
    )
}

fn cohort(name: &str, id: &str, members: &str) -> String {
    format!("---\nkind: cohort\nname: {name}\npartner: acme\ncohort_id: '{id}'\nmembers: {members}\n")
}

#[test]
fn file_segment_names_follow_the_name_rules() {
    let text = file("").replace("name: A", "name: .a:b");
    let found = findings(&text);
    assert!(
        found[0].starts_with("error SEG022 2") && found[1].starts_with("error SEG023 2"),
        "{found:?}"
    );
}

/// MoEngage accepts an invalid cohort name and silently drops the cohort.
#[test]
fn cohort_names_follow_the_name_rules() {
    let long = "x".repeat(200);
    for name in ["A", "a.b", "Käufer", "A (1) - b/c_d", &long] {
        assert_eq!(findings(&cohort(name, "1", "[u]")), [""; 0], "{name}");
    }
    let too_long = "x".repeat(201);
    let forbidden = r#":|*?\<>=$""#.chars().map(|character| format!("a{character}b"));
    let others = [".a", " ", "All Users", &too_long].map(str::to_owned);
    for name in forbidden.chain(others) {
        let quoted = serde_json::to_string(&name).unwrap();
        let found = findings(&cohort(&quoted, "1", "[u]"));
        assert!(
            matches!(found.as_slice(), [only] if only.starts_with("error SEG02")),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn previous_names_are_rejected_where_renaming_is_unsupported() {
    assert_eq!(findings(&file("previous_names: []\n")), [""; 0]);
    assert_eq!(
        findings(&file("previous_names: [B]\n")),
        ["error SEG041 6: a file segment cannot be renamed, so it has no previous names"]
    );
}

#[test]
fn two_segments_cannot_share_a_cohort() {
    let two = |id: &str| [cohort("A", "1", "[u]"), cohort("B", id, "[u]")].concat();
    assert_eq!(findings(&two("2")), [""; 0]);
    assert_eq!(
        findings(&two("1")),
        ["error SEG042 11: `A` and `B` are the same cohort"]
    );
}

#[test]
fn invalid_and_duplicate_members_are_reported() {
    let table: [(&str, &[&str]); 9] = [
        ("[u1, u2]", &[]),
        // Inline members are not lines of a file.
        (r#"["u,1", "\"u\"", "u,"]"#, &[]),
        ("[U, u]", &[]),
        (
            r#"[" u"]"#,
            &["error SEG043 6: the member ` u` cannot match a user"],
        ),
        (
            r#"["u "]"#,
            &["error SEG043 6: the member `u ` cannot match a user"],
        ),
        (
            r#"[" "]"#,
            &["error SEG043 6: the member ` ` cannot match a user"],
        ),
        (
            r#"["u,1 "]"#,
            &["error SEG043 6: the member `u,1 ` cannot match a user"],
        ),
        (
            r#"["u\tv"]"#,
            &["error SEG043 6: the member `u\\tv` cannot match a user"],
        ),
        ("[u, v, u]", &["error SEG044 6: the member `u` is listed twice"]),
    ];
    for (members, expected) in table {
        assert_eq!(findings(&cohort("A", "1", members)), expected, "{members}");
    }
}

#[test]
fn a_large_cohort_gets_a_warning() {
    let inline = |size: usize| {
        let members: Vec<String> = (0..size).map(|number| format!("u{number}")).collect();
        findings(&cohort("A", "1", &format!("[{}]", members.join(", "))))
    };
    assert_eq!(inline(10_000), [""; 0]);
    assert_eq!(
        inline(10_001),
        ["warning SEG048 2: the cohort segment `A` has more than 10000 members"]
    );
}

#[test]
fn cohorts_are_not_duplicate_definitions_and_add_no_nesting_level() {
    let mut text = [cohort("A", "1", "[u]"), cohort("B", "2", "[u]")].concat();
    // Six levels above a filter segment would exceed the limit.
    for (name, below) in [
        ("L1", "A"),
        ("L2", "L1"),
        ("L3", "L2"),
        ("L4", "L3"),
        ("L5", "L4"),
        ("L6", "L5"),
    ] {
        text += &format!(
            "---\nname: {name}\nincluded_filters: {{filter_operator: and, filters: [{{filter_type: custom_segments, name: {below}}}]}}\n"
        );
    }
    assert_eq!(findings(&text), [""; 0]);
}

#[test]
fn fields_of_a_pasted_response_are_ignored_with_a_note() {
    assert_findings_table(
        |fields| format!("name: A\n{fields}\n{ANY_FILTERS}\n"),
        &[
            (
                "created_time: 2026-01-05T10:30:00",
                &[("note SEG097 2", "`created_time` is ignored")],
            ),
            (
                "id: 5e6c00000000000000000001\ndescription: Users\ntype: ELASTIC_SEARCH\nsource: API\nupdated_time:",
                &[("note SEG097 6", "`updated_time`, `type`, `source` are ignored")],
            ),
        ],
    );
    let found = lint_text(&format!("name: A\nsource: API\n{ANY_FILTERS}\n"));
    assert!(found.iter().all(is_shown_by_default));
}
