//! Tests of the rules on several segments.

use super::{assert_findings_table, declarations, findings, lint_text};
use crate::config::declaration::Declaration;
use crate::config::lint::lint;
use std::fmt::Write as _;

/// A document with a unique definition; `more` is extra fields, each on its own line.
fn document(name: &str, more: &str) -> String {
    with_filters(
        name,
        more,
        &[format!(
            "{{filter_type: custom_segments, id: of-{}}}",
            name.trim()
        )],
    )
}

/// The name is on line 2 of the document. The filters follow `more` and three lines.
fn with_filters(name: &str, more: &str, filters: &[String]) -> String {
    let mut text = format!("---\nname: \"{name}\"\n{more}");
    text.push_str("included_filters:\n  filter_operator: and\n  filters:\n");
    for filter in filters {
        let _ = writeln!(text, "  - {filter}");
    }
    text
}

fn reference(name: &str) -> String {
    format!("{{filter_type: custom_segments, name: {name}}}")
}

fn document_with_references(name: &str, to: &[&str]) -> String {
    let mut filters: Vec<String> = to.iter().map(|name| reference(name)).collect();
    filters.push(format!("{{filter_type: custom_segments, id: of-{name}}}"));
    with_filters(name, "", &filters)
}

fn assert_findings(text: &str, expected: &[(&str, &str)]) {
    assert_findings_table(str::to_owned, &[(text, expected)]);
}

#[test]
fn duplicate_names_are_reported() {
    let both = [document("A", ""), document("A", "lifecycle: archived\n")].concat();
    let found = findings(&both);
    assert!(
        found[0].starts_with("error SEG070 8: the name `A` is declared twice"),
        "{found:#?}"
    );
    assert_eq!(lint_text(&both)[0].labels[1].location.line, 2);
    let near = [document("Active", ""), document("active", "")].concat();
    assert_findings(&near, &[("warning SEG071 8", "`Active` and `active`")]);
    assert_findings(&[document("A", ""), document("B", "")].concat(), &[]);
}

#[test]
fn duplicate_ids_are_rejected() {
    let pinned = |name: &str, id: &str| document(name, &format!("id: {id}\n"));
    let both = [
        pinned("A", "aa"),
        pinned("B", "aa"),
        document("C", ""),
        document("D", ""),
    ]
    .concat();
    assert_findings(&both, &[("error SEG081 10", "`A` and `B` have the same `id`")]);
    assert_eq!(lint_text(&both)[0].labels[1].location.line, 3);
    assert_findings(&[pinned("A", "aa"), pinned("B", "bb")].concat(), &[]);
}

#[test]
fn duplicate_previous_names_are_rejected() {
    let old = "previous_names: [Old]\n";
    let other = "previous_names: [Older]\n";
    assert_findings(&[document("A", old), document("B", other)].concat(), &[]);
    let twice = [document("A", old), document("B", old)].concat();
    assert_findings(&twice, &[("error SEG072 10", "`Old` of `B` belongs to another")]);
    let current = [document("A", old), document("Old", "")].concat();
    assert_findings(&current, &[]);
}

#[test]
fn duplicate_and_equivalent_definitions_are_reported() {
    let flag = |name: &str| {
        format!(
            "{{filter_type: user_attributes, category: c, name: {name}, data_type: bool, operator: exists}}"
        )
    };
    let pair = |more: &str, order: [&str; 2]| {
        let second = with_filters("B", more, &order.map(flag));
        [with_filters("A", "", &["p", "q"].map(flag)), second].concat()
    };
    assert_findings(
        &pair("", ["p", "q"]),
        &[("error SEG073 9", "`A` and `B` have the same definition")],
    );
    assert_findings(
        &pair("lifecycle: archived\n", ["p", "q"]),
        &[("warning SEG073 9", "`A` and `B`")],
    );
    assert_findings(
        &pair("", ["q", "p"]),
        &[("warning SEG074 9", "match the same users")],
    );
    assert_findings(&pair("", ["p", "r"]), &[]);
    let explicit = pair("", ["p", "q"]).replacen("operator: exists", "operator: exists, negate: false", 1);
    assert_findings(&explicit, &[("error SEG073 9", "same definition")]);
    // Two active ones certainly conflict, even if an archived one comes first.
    let archived = with_filters("0", "lifecycle: archived\n", &["p", "q"].map(flag));
    let three = [archived, pair("", ["p", "q"])].concat();
    let severities: Vec<_> = lint_text(&three)
        .iter()
        .map(|found| found.severity.as_str())
        .collect();
    assert_eq!(severities, ["error", "warning"]);
}

#[test]
fn unknown_and_archived_references_are_reported() {
    assert_findings(
        &[document("Buyers", ""), document_with_references("A", &["Buyers"])].concat(),
        &[],
    );
    let misspelled = [
        document("Buyers", "previous_names: [Customers]\n"),
        document_with_references("A", &["Byers", "Customers", "all users"]),
    ];
    let found = lint_text(&misspelled.concat());
    let helps: Vec<_> = found
        .iter()
        .map(|found| (found.code, found.labels[0].location.line, found.help[0].as_str()))
        .collect();
    assert_eq!(
        helps,
        [
            ("SEG075", 13, "did you mean `Buyers`?"),
            (
                "SEG075",
                14,
                "`Customers` was renamed to `Buyers` in a.yaml:2; update the reference"
            ),
            ("SEG075", 15, "to refer to all users, use the id `moe_all_users`"),
        ]
    );
    let archived = [
        document("B", "lifecycle: archived\n"),
        document_with_references("A", &["B"]),
    ]
    .concat();
    assert_findings(
        &archived,
        &[("warning SEG080 13", "`B`, which is declared archived")],
    );
}

#[test]
fn each_cycle_is_reported_once_with_its_path() {
    assert_findings(
        &document_with_references("A", &["A"]),
        &[("error SEG076 6", "`A` refers to itself")],
    );
    let three = [
        document_with_references("A", &["B"]),
        document_with_references("B", &["C"]),
        document_with_references("C", &["A"]),
        document_with_references("D", &["A"]),
    ];
    assert_findings(
        &three.concat(),
        &[("error SEG076 6", "in a cycle: A -> B -> C -> A")],
    );
    let lines: Vec<_> = lint_text(&three.concat())[0]
        .labels
        .iter()
        .map(|label| label.location.line)
        .collect();
    assert_eq!(lines, [6, 13, 20]);
    let two_cycles = [
        document_with_references("A", &["B", "D"]),
        document_with_references("B", &["A"]),
        document_with_references("D", &["A"]),
    ];
    let found = lint_text(&two_cycles.concat());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].notes, ["other segments in cycles with these: 1"]);
}

#[test]
fn nesting_depth_is_limited() {
    let nested = "{filter_type: nested_filters, filter_operator: or, filters: [{filter_type: custom_segments, id: x}]}";
    let flag = "{filter_type: user_attributes, category: c, name: flag, data_type: bool, operator: exists}";
    let mut text = with_filters("S1", "", &[flag.to_owned()]);
    for level in 2..=6 {
        text.push_str(&document_with_references(
            &format!("S{level}"),
            &[&format!("S{}", level - 1)],
        ));
    }
    assert_findings(&text, &[]);
    let deep = format!(
        "{text}{}{}",
        document_with_references("S7", &["S6"]),
        document_with_references("S8", &["S7"])
    );
    let found = findings(&deep);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("`S7` is nested 7 levels deep; the limit is 6"),
        "{found:#?}"
    );
    let notes = &lint_text(&deep)[0].notes;
    assert_eq!(notes[0], "the chain is S7 -> S6 -> S5 -> S4 -> S3 -> S2 -> S1");
    let uncertain = text.replacen(flag, &reference("Elsewhere"), 1);
    let found = findings(&uncertain);
    assert!(
        found
            .iter()
            .any(|found| found.starts_with("warning SEG077") && found.contains("`S6`")),
        "{found:#?}"
    );
    let grouped = text.replacen("id: of-S6}", &format!("id: of-S6}}\n  - {nested}"), 1);
    assert!(findings(&grouped)[0].contains("`S6` is nested 7 levels deep"));
}

#[test]
fn reference_count_is_limited() {
    let names: Vec<String> = (0..12).map(|index| format!("R{index}")).collect();
    let declared: String = names.iter().map(|name| document(name, "")).collect();
    let all = |count: usize| {
        let filters: Vec<String> = names.iter().take(count).map(|name| reference(name)).collect();
        // A repeated reference counts once.
        let twice = [filters.clone(), filters.into_iter().take(1).collect()].concat();
        format!("{declared}{}", with_filters("A", "", &twice))
    };
    assert_findings(&all(10), &[]);
    assert_findings(
        &all(11),
        &[("error SEG078 74", "refers to 11 segments; the limit is 10")],
    );
    let by_id: Vec<String> = names
        .iter()
        .map(|name| format!("{{filter_type: custom_segments, id: {name}}}"))
        .collect();
    assert_findings(
        &with_filters("A", "", &by_id),
        &[("warning SEG078 2", "refers to 12 segments")],
    );
}

#[test]
fn expanded_length_is_limited() {
    let long = |name: &str, size: usize| {
        let value = "x".repeat(size);
        let filter = format!(
            "{{filter_type: user_attributes, category: c, name: {name}, data_type: string, operator: in, value: [{value}]}}"
        );
        with_filters(name, "", &[filter])
    };
    let parts: String = (0..5).map(|index| long(&format!("P{index}"), 60_000)).collect();
    let two = [
        parts.as_str(),
        &document_with_references("A", &["P0", "P1", "P2", "P3"]),
    ]
    .concat();
    assert_findings(&two, &[]);
    let both = [
        parts.as_str(),
        &document_with_references("A", &["P0", "P1", "P2", "P3", "P4"]),
        &document_with_references("B", &["A"]),
    ]
    .concat();
    assert_findings(&both, &[("error SEG079 32", "`A` has 30")]);
}

#[test]
fn a_thousand_segments_are_linted_without_quadratic_work() {
    // Each refers to the next and to an undeclared name; a quadratic rule would take minutes.
    let text: String = (0..1_000)
        .map(|index| {
            document_with_references(
                &format!("S{index}"),
                &[&format!("S{}", (index + 1) % 1_000), &format!("U{index}")],
            )
        })
        .collect();
    let declarations = declarations(&text);
    let all: Vec<&Declaration> = declarations.iter().collect();
    let found = lint(&all);
    assert_eq!(found.iter().filter(|found| found.code == "SEG075").count(), 1_000);
    assert_eq!(found.iter().filter(|found| found.code == "SEG076").count(), 1);
    assert_eq!(found.len(), 1_001);
}
