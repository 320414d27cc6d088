//! Tests of the rules on one segment; rules on several segments are tested in their own file.

use self::events::event;
use super::super::decode::segment;
use super::super::source::SourceFile;
use super::super::yaml;
use super::*;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

mod contents;
mod events;
mod several_segments;

/// The declarations of `text`, which must decode without errors.
fn declarations(text: &str) -> Vec<Declaration> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, errors) = yaml::parse(&source);
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    let read = documents.into_iter().map(|document| segment(&source, document));
    read.map(|(declaration, errors)| {
        assert!(errors.is_empty(), "{errors:#?}\n{text}");
        declaration.unwrap()
    })
    .collect()
}

fn lint_text(text: &str) -> Vec<Diagnostic> {
    let declarations = declarations(text);
    lint(&declarations.iter().collect::<Vec<_>>())
}

fn findings(text: &str) -> Vec<String> {
    let line = |found: &Diagnostic| found.labels.first().map_or(0, |label| label.location.line);
    let describe = |found: &Diagnostic| {
        let (severity, message) = (found.severity.as_str(), &found.message);
        format!("{severity} {} {}: {message}", found.code, line(found))
    };
    lint_text(text).iter().map(describe).collect()
}

/// Each text must give exactly the expected findings: how each starts, and words that it contains.
fn assert_findings_table(segment: impl Fn(&str) -> String, table: &[(&str, &[(&str, &str)])]) {
    for (part, expected) in table {
        let text = segment(part);
        let found = findings(&text);
        assert_eq!(found.len(), expected.len(), "{found:#?}\n{text}");
        for (finding, (start, words)) in found.iter().zip(*expected) {
            assert!(finding.starts_with(start), "{finding} is not {start}\n{text}");
            assert!(finding.contains(words), "{finding} lacks {words}\n{text}");
        }
    }
}

const ANY_FILTERS: &str = "included_filters: {filter_operator: and, filters: [{filter_type: user_attributes, \
                        category: c, name: attr, data_type: bool, operator: exists}]}";

#[test]
fn codes_and_names_are_unique_sorted_and_explained() {
    let rules = RULES.iter().map(|rule| (rule.code, rule.name, rule.explanation));
    let errors = ERROR_CODES.iter();
    let errors = errors.map(|error| (error.code, error.name, error.explanation));
    for table in [rules.clone().collect::<Vec<_>>(), errors.clone().collect()] {
        assert!(table.is_sorted_by_key(|(code, ..)| *code));
    }
    let (mut codes, mut names) = (BTreeSet::new(), BTreeSet::new());
    for (code, name, explanation) in rules.chain(errors) {
        assert!(codes.insert(code), "{code} twice");
        assert!(names.insert(name), "{name} twice");
        assert!(
            name.chars().all(|next| next.is_ascii_lowercase() || next == '-'),
            "{name}"
        );
        assert!(explanation.ends_with('.') && explanation.len() > 30, "{code}");
    }
}

#[test]
fn every_code_of_config_has_an_explanation() {
    let explained: BTreeSet<&str> = RULES
        .iter()
        .map(|rule| rule.code)
        .chain(ERROR_CODES.iter().map(|error| error.code))
        .collect();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("\"SEG") {
                let code = text.get(at + 1..at + 7).unwrap_or("");
                if !code.bytes().skip(3).all(|next| next.is_ascii_digit()) {
                    continue;
                }
                assert!(
                    explained.contains(code),
                    "{code} of {} has no explanation: add it to RULES or ERROR_CODES",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn name_rules_are_enforced() {
    let long = "x".repeat(201);
    let allowed = "ü".repeat(200);
    let named = |name: &str| format!("lifecycle: active\nname: {name}\n{ANY_FILTERS}\n");
    assert_findings_table(
        named,
        &[
            ("Lapsed purchasers (7d) - v1.2", &[]),
            (&allowed, &[]),
            ("\"\"", &[("error SEG020 2", "no name")]),
            ("\" \\u00a0\"", &[("error SEG020 2", "no name")]),
            (&long, &[("error SEG021 2", "201 characters; the limit is 200")]),
            ("a|b > c", &[("error SEG022 2", "`a|b > c`")]),
            ("\"a\\tb\"", &[("error SEG022 2", "`a\\tb`")]),
            (".hidden", &[("error SEG023 2", "starts with a dot")]),
            ("all users", &[("error SEG024 2", "reserved")]),
            ("R&D", &[("warning SEG025 2", "`&`")]),
            ("\"a \"", &[("warning SEG026 2", "starts or ends")]),
        ],
    );
    let found = lint_text(&named("a|b > c"));
    assert_eq!(
        found[0].labels[0].message,
        "`|` at character 2, `>` at character 5"
    );
    let block = format!("name: >\n  Gold buyers\nlifecycle: active\n{ANY_FILTERS}\n");
    let found = lint_text(&block);
    assert!(
        found.len() == 1 && found[0].help[0].contains("write `>-` instead of `>`"),
        "{found:#?}"
    );
    let found = lint_text(&named("\"a\\u0007\""));
    assert_eq!(
        found[0].labels[0].message,
        "the control character U+0007 at character 2"
    );
}

#[test]
fn redundant_previous_names_are_reported() {
    let previous = |names: &str| format!("name: A\nprevious_names:\n{names}\n{ANY_FILTERS}\n");
    assert_findings_table(
        previous,
        &[
            ("- B\n- \"C: odd, but used once\"", &[]),
            ("- A", &[("warning SEG027 3", "`A` has no effect")]),
            ("- B\n- C\n- B", &[("warning SEG027 5", "`B` has no effect")]),
        ],
    );
}

/// A segment with one filter, whose fields start on line 5.
fn with_filter(fields: &str) -> String {
    format!(
        "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {}\n",
        fields.replace('\n', "\n      ")
    )
}

fn attribute(fields: &str) -> String {
    with_filter(&format!(
        "filter_type: user_attributes\ncategory: c\nname: attr\n{fields}"
    ))
}

#[test]
fn empty_value_ranges_are_rejected() {
    assert_findings_table(
        attribute,
        &[
            ("data_type: double\noperator: between\nvalue: 5\nvalue1: 5.5", &[]),
            (
                "data_type: double\noperator: between\nvalue: 5\nvalue1: 5",
                &[("error SEG028 11", "at least 5 and less than 5")],
            ),
            (
                "data_type: array_double\noperator: between\narray_filter_type: any_of\nvalue: 7\nvalue1: 5",
                &[("error SEG028 12", "at least 7 and less than 5")],
            ),
            (
                "data_type: datetime\noperator: between\nvalue: 2026-01-05\nvalue1: 2026-01-05",
                &[],
            ),
            (
                "data_type: datetime\noperator: between\nvalue: 2026-01-05\nvalue1: 2026-01-04",
                &[("error SEG028 11", "2026-01-05")],
            ),
            (
                "data_type: datetime\noperator: between\nvalue_type: relative_past\nvalue: 5\nvalue1: 3",
                &[("error SEG028 12", "from 5 to 3 is in the wrong order")],
            ),
            (
                "data_type: datetime\noperator: between\nvalue_type: relative_future\nvalue: 3\nvalue1: 5",
                &[],
            ),
            (
                "data_type: datetime\nextract_type: time_of_the_day\noperator: between\nvalue: 22\nvalue1: 3",
                &[],
            ),
            (
                "data_type: datetime\nextract_type: date_month_of_the_year\noperator: between\nvalue: 12-20\nvalue1: 01-06",
                &[],
            ),
            (
                "data_type: object\nfilter_operator: and\nfilters:\n- {name: x, data_type: double, operator: between, value: 2, value1: 1}",
                &[("error SEG028 11", "at least 2 and less than 1")],
            ),
        ],
    );
}

#[test]
fn geopoint_template_and_object_rules_are_enforced() {
    assert_findings_table(
        attribute,
        &[
            (
                "data_type: geopoint\nvalue: -33.9\nvalue1: 151.2\nradius: 500",
                &[],
            ),
            (
                "data_type: geopoint\nvalue: 151.2\nvalue1: -33.9\nradius: 500",
                &[("error SEG030 9", "151.2 is not a latitude")],
            ),
            (
                "data_type: geopoint\nvalue: 90\nvalue1: 181\nradius: 0",
                &[
                    ("error SEG030 10", "not a longitude"),
                    ("error SEG030 11", "not a radius"),
                ],
            ),
            (
                "data_type: string\noperator: in\nis_dynamic_value: true\nvalue: [\"{{MoeUserAttribute['x']}}\"]",
                &[],
            ),
            (
                "data_type: string\noperator: in\nvalue: [a, \"{{MoeUserAttribute['x']}}\"]",
                &[("warning SEG031 10", "as plain text")],
            ),
            (
                "data_type: object\nfilter_operator: and\nfilters: []",
                &[("error SEG033 10", "`attr` has no conditions")],
            ),
        ],
    );
    let swapped = lint_text(&attribute(
        "data_type: geopoint\nvalue: 151.2\nvalue1: -33.9\nradius: 500",
    ));
    assert!(swapped[0].help[0].contains("swap"), "{swapped:#?}");
}

#[test]
fn empty_groups_are_rejected() {
    assert_findings_table(
        |groups| format!("name: A\n{groups}\n"),
        &[
            (ANY_FILTERS, &[]),
            (
                &format!("{ANY_FILTERS}\nexcluded_filters: {{filter_operator: and, filters: []}}"),
                &[],
            ),
            (
                "included_filters:\n  filter_operator: and\n  filters: []",
                &[("error SEG032 4", "would match all users")],
            ),
            (
                &format!(
                    "{ANY_FILTERS}\nexcluded_filters:\n  filter_operator: or\n  filters:\n  - {{filter_type: nested_filters, filter_operator: and, filters: []}}"
                ),
                &[("error SEG032 6", "would match all users")],
            ),
        ],
    );
}

#[test]
fn notes_are_reported_once() {
    const BARE: &str = "{filter_type: user_attributes, name: attr, data_type: bool, operator: exists}";
    let two = format!(
        "name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n  - {BARE}\n  - {}\n",
        "{filter_type: user_attributes, name: m, data_type: bool, operator: exists}"
    );
    let at_most = event(
        "execution:\n  type: atmost\n  count: 3\nprimary_time_range: {type: inTheLast, value: 7, period_unit: days}",
    );
    let at_least = at_most.replace("atmost", "atleast");
    let table: [(&str, &[(&str, &str)]); 4] = [
        (&two, &[("note SEG090 5", "2 user attributes have no `category`")]),
        (
            &with_filter("raw: {filter_type: new}"),
            &[("note SEG091 5", "unchecked")],
        ),
        (&at_most, &[("note SEG092 9", "`atmost` 3")]),
        (&at_least, &[]),
    ];
    assert_findings_table(str::to_owned, &table);
}

#[test]
fn the_raw_filter_note_is_shown_by_default() {
    let found = lint_text(&with_filter("raw: {filter_type: new}"));
    assert!(found.iter().all(is_shown_by_default));
    let found = lint_text(&with_filter(
        "filter_type: user_attributes\nname: attr\ndata_type: bool\noperator: exists",
    ));
    assert!(
        !found.is_empty() && !found.iter().any(is_shown_by_default),
        "{found:?}"
    );
}

#[test]
fn invisible_characters_are_reported_with_code_point_and_position() {
    let named = |name: &str| {
        format!(
            "name: \"{name}\"\nincluded_filters: {{filter_operator: and, filters: [{{filter_type: custom_segments, id: a}}]}}\n"
        )
    };
    let warning: &[(&str, &str)] = &[("warning SEG039 1", "the name `Buyers` contains")];
    let table: [(&str, &[(&str, &str)]); 9] = [
        ("Buy\\u200Bers", warning),
        ("Buyers\\u2060", warning),
        ("\\uFEFFBuyers", warning),
        ("Buy\\u00ADers", warning),
        ("B\\u202Euy\\u200Ders", warning),
        (
            "Buyers of a\\u00A0year",
            &[("warning SEG039 1", "`Buyers of ayear`")],
        ),
        // Letters and emoji that consist of several characters.
        ("ക്\\u200D", &[]),
        ("❤\\uFE0F 👩\\u200D👩", &[]),
        ("Ünïcode 漢字", &[]),
    ];
    assert_findings_table(named, &table);
    let found = lint_text(&named("Buy\\u200Bers\\u200B"));
    assert_eq!(
        found[0].labels[0].message,
        "U+200B at character 4, U+200B at character 8"
    );
}

#[test]
fn invisible_characters_and_outer_spaces_in_filters_and_cohorts_are_reported() {
    let city = |fields: &str| {
        with_filter(&format!(
            "filter_type: user_attributes\ndata_type: string\ncategory: c\n{fields}"
        ))
    };
    let invisible = |message| vec![("warning SEG039", message)];
    let spaces = |message| vec![("warning SEG026", message)];
    let cohort = |fields: &str| format!("kind: cohort\nname: A\n{fields}");
    let table: [(String, Vec<(&str, &str)>); 12] = [
        (
            city("name: \"ci\\u200Bty\"\noperator: exists"),
            invisible("the attribute name `city` contains an invisible character"),
        ),
        (
            city("name: city\noperator: in\nvalue: [Delhi, \"Pune\\u200B\"]"),
            invisible("the value `Pune`"),
        ),
        (
            city("name: city\noperator: in\nvalue: [\"Delhi\\u00A0\"]"),
            invisible("the value `Delhi`"),
        ),
        (
            city("name: \"tier \"\noperator: exists"),
            spaces("the attribute name `tier ` starts or ends"),
        ),
        (
            city("name: city\noperator: is\nvalue: \" Pune\""),
            spaces("the value ` Pune`"),
        ),
        // Such a space may be meant.
        (city("name: city\noperator: contains\nvalue: \" \""), vec![]),
        (city("name: city\noperator: contains\nvalue: \"Mr \""), vec![]),
        (
            city("name: city\noperator: is\nvalue: \"می\\u200Cخواهم 👩\\u200D💻 1\\uFE0F\\u20E3\""),
            vec![],
        ),
        (
            with_filter(
                "filter_type: actions\naction_name: \"purchase\\u2060\"\nexecuted: true\nexecution: {type: atleast, count: 1}\nprimary_time_range: {type: inTheLast, value: 30, period_unit: days}",
            ),
            invisible("the event name `purchase`"),
        ),
        (
            cohort("partner: acme\ncohort_id: \"l-1\\u200B\"\nmembers: [u1]\n"),
            invisible("the cohort id `l-1`"),
        ),
        (
            cohort("partner: \"acme \"\ncohort_id: l-1\nmembers: [u1]\n"),
            spaces("the partner `acme `"),
        ),
        (
            cohort(
                "partner: acme\ncohort_id: l-1\nmembers: [\"u1\\u200B\", \"NULL\", \"9.2E+11\", \"+491701234567\"]\n",
            ),
            vec![
                ("error SEG043", "cannot match a user"),
                ("error SEG043", "the member `9.2E+11`"),
                ("warning SEG050", "the member `NULL` is probably not a value"),
            ],
        ),
    ];
    for (text, expected) in table {
        let found = lint_text(&text);
        let found: Vec<_> = found.iter().filter(|found| is_shown_by_default(found)).collect();
        assert_eq!(found.len(), expected.len(), "{text}\n{found:?}");
        for (found, (start, message)) in found.iter().zip(expected) {
            let shown = format!("{} {}", found.severity.as_str(), found.code);
            assert!(shown == start && found.message.contains(message), "{found:?}");
        }
    }
}
