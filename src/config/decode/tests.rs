//! One mistake gives one error, at its place, with what to write instead.

use super::super::source::SourceFile;
use super::super::yaml;
use super::segment;
use crate::diagnostic::Diagnostic;
use std::sync::Arc;

mod fields;
mod values;

/// `code line:column` of a diagnostic.
fn place(found: &Diagnostic) -> String {
    let location = &found.labels.first().unwrap().location;
    format!("{} {}:{}", found.code, location.line, location.column)
}

fn errors(text: &str) -> Vec<Diagnostic> {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut found) = yaml::parse(&source);
    for document in documents {
        found.extend(segment(&source, document).1);
    }
    found
}

/// Each text has one error: its place, a part of its message or label, and a part of its help.
fn assert_one_error(text: &str, [place_text, message, help]: [&str; 3]) {
    let found = errors(text);
    let [error] = found.as_slice() else {
        panic!("{} errors: {found:#?}\n{text}", found.len());
    };
    assert_eq!(place(error), place_text, "{error:#?}\n{text}");
    let labels = error.labels.iter().map(|label| label.message.as_str());
    let shown = labels.fold(error.message.clone(), |shown, label| shown + "\n" + label);
    assert!(shown.contains(message), "{error:#?}\n{text}");
    let given = error.help.join("\n");
    assert!(given.contains(help), "{error:#?}\n{text}");
    assert!(!help.is_empty() || given.is_empty(), "{error:#?}\n{text}");
}

/// A segment with one filter; its fields begin at line 5, column 7.
fn with_filter(fields: &str) -> String {
    let fields = fields.replace('\n', "\n      ");
    format!("name: A\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {fields}\n")
}

/// A user attribute; the fields begin at line 8.
fn attribute(fields: &str) -> String {
    with_filter(&format!(
        "filter_type: user_attributes\nname: attr\ncategory: c\n{fields}"
    ))
}

/// An event filter; the fields begin at line 8.
fn event(fields: &str) -> String {
    with_filter(&format!(
        "filter_type: actions\naction_name: buy\nexecuted: true\n{fields}"
    ))
}

const RANGE: &str = "primary_time_range: {type: inTheLast, value: 7, period_unit: days}";
