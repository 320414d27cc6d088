//! Names and values in a document that MoEngage compares letter by letter: a character that is not visible makes them match
//! no user.

use super::super::declaration::Declaration;
use super::super::yaml::{Node, Yaml};
use crate::diagnostic::Diagnostic;
use crate::model::{invisible_characters, is_blank};

/// A text of a document.
struct ComparedText<'a> {
    text: &'a str,
    /// What it is, as in "the value".
    noun: &'static str,
    node: &'a Node,
    /// Whether a space at an end can only be a mistake. `contains " x"` may be meant.
    is_exact: bool,
}

/// The positions of invisible characters, and of blanks that look like a space, in characters from 1.
pub(super) fn hidden_characters(text: &str) -> Vec<(usize, char)> {
    if text.is_ascii() {
        return Vec::new();
    }
    let mut invisible = invisible_characters(text).peekable();
    let mut hidden = Vec::new();
    for (position, (index, next)) in text.char_indices().enumerate() {
        let is_invisible = invisible.next_if(|(found, _)| *found == index).is_some();
        if is_invisible || is_blank(next) {
            hidden.push((position + 1, next));
        }
    }
    hidden
}

pub(super) fn describe_hidden(hidden: &[(usize, char)]) -> String {
    let described = hidden
        .iter()
        .map(|(position, next)| format!("U+{:04X} at character {position}", u32::from(*next)));
    described.collect::<Vec<_>>().join(", ")
}

pub(super) fn report_invisible(code: &'static str, declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    for_each_text(declaration, &mut |compared| {
        let hidden = hidden_characters(compared.text);
        if hidden.is_empty() {
            return;
        }
        let is_visible = |(position, _): &(usize, char)| !hidden.iter().any(|(found, _)| found == position);
        let visible: String = (1..)
            .zip(compared.text.chars())
            .filter(is_visible)
            .map(|(_, next)| next)
            .collect();
        let message = format!(
            "the {} `{visible}` contains an invisible character",
            compared.noun
        );
        let location = declaration.source.location(compared.node.span.clone());
        found.push(
            Diagnostic::warning(code, message, location, describe_hidden(&hidden))
                .with_help("type it again: such characters come from copied text"),
        );
    });
}

pub(super) fn report_outer_spaces(
    code: &'static str,
    declaration: &Declaration,
    found: &mut Vec<Diagnostic>,
) {
    for_each_text(declaration, &mut |compared| {
        let is_space = |letter: char| letter.is_whitespace() && !is_blank(letter);
        let trimmed = compared.text.trim_matches(is_space);
        if !compared.is_exact || trimmed.is_empty() || trimmed.len() == compared.text.len() {
            return;
        }
        let message = format!(
            "the {} `{}` starts or ends with a space",
            compared.noun, compared.text
        );
        let location = declaration.source.location(compared.node.span.clone());
        found.push(
            Diagnostic::warning(code, message, location, "outer spaces")
                .with_note("MoEngage does not document whether it ignores them when it compares texts")
                .with_help(format!("write `{trimmed}`")),
        );
    });
}

fn for_each_text<'a>(declaration: &'a Declaration, each: &mut impl FnMut(&ComparedText<'a>)) {
    let Yaml::Map(fields) = &declaration.document.value else {
        return;
    };
    for (key, node) in fields {
        match key.text.as_str() {
            "partner" => text(node, "partner", true, each),
            "cohort_id" => text(node, "cohort id", true, each),
            "identifier" => {
                let attribute = field(node, "attribute");
                attribute
                    .into_iter()
                    .for_each(|node| text(node, "attribute name", true, each));
            }
            "included_filters" | "excluded_filters" => filters(node, each),
            _ => {}
        }
    }
}

fn filters<'a>(node: &'a Node, each: &mut impl FnMut(&ComparedText<'a>)) {
    match &node.value {
        Yaml::List(items) => items.iter().for_each(|item| filters(item, each)),
        Yaml::Map(fields) => {
            let operator = field(node, "operator").and_then(scalar_text);
            let is_exact = matches!(operator, None | Some("in" | "is"));
            for (key, value) in fields {
                match (key.text.as_str(), &value.value) {
                    ("name", _) if has_segment_reference(node) => {}
                    ("name" | "attribute_name", _) => text(value, "attribute name", true, each),
                    ("action_name", _) => text(value, "event name", true, each),
                    ("value", Yaml::List(items)) => {
                        items.iter().for_each(|item| text(item, "value", is_exact, each));
                    }
                    ("value", _) => text(value, "value", is_exact, each),
                    // Times, and what segctl does not know.
                    ("primary_time_range" | "base_time_range" | "raw", _) => {}
                    _ => filters(value, each),
                }
            }
        }
        Yaml::Scalar(_) | Yaml::Invalid => {}
    }
}

/// The name of a segment has its own rules.
fn has_segment_reference(filter: &Node) -> bool {
    field(filter, "filter_type").and_then(scalar_text) == Some("custom_segments")
}

fn text<'a>(node: &'a Node, noun: &'static str, is_exact: bool, each: &mut impl FnMut(&ComparedText<'a>)) {
    if let Some(text) = scalar_text(node) {
        each(&ComparedText {
            text,
            noun,
            node,
            is_exact,
        });
    }
}

fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Yaml::Map(fields) = &node.value else {
        return None;
    };
    fields
        .iter()
        .find_map(|(key, value)| (key.text == name).then_some(value))
}

fn scalar_text(node: &Node) -> Option<&str> {
    match &node.value {
        Yaml::Scalar(scalar) => Some(&scalar.text),
        Yaml::List(_) | Yaml::Map(_) | Yaml::Invalid => None,
    }
}
