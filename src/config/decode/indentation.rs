//! Combines the errors that one wrong indentation causes: a field that is missing in one mapping and unknown in another,
//! or an empty field whose own fields follow it.

use crate::diagnostic::{Diagnostic, Location};
use std::ops::Range;

/// A diagnostic, and what it is about.
pub(super) struct Found {
    pub(super) diagnostic: Diagnostic,
    pub(super) subject: Subject,
}

pub(super) enum Subject {
    Other,
    MissingField {
        key: &'static str,
        mapping: Range<usize>,
    },
    UnknownField(UnknownField),
    /// An empty value where a list or a mapping is expected.
    EmptyCollection {
        value: Range<usize>,
        is_list: bool,
    },
}

pub(super) struct UnknownField {
    pub(super) key: String,
    pub(super) location: Location,
    pub(super) mapping: Range<usize>,
    /// The last known field above.
    pub(super) previous: Option<PreviousField>,
}

#[derive(Clone)]
pub(super) struct PreviousField {
    pub(super) key: String,
    pub(super) value: Range<usize>,
}

/// The diagnostics, with one for each field or group of fields at the wrong indentation.
pub(super) fn combine(found: Vec<Found>) -> Vec<Diagnostic> {
    let mut replaced: Vec<Option<Diagnostic>> = Vec::new();
    let mut removed = vec![false; found.len()];
    replaced.resize_with(found.len(), || None);
    for (index, item) in found.iter().enumerate() {
        let Subject::UnknownField(unknown) = &item.subject else {
            continue;
        };
        if removed.get(index) == Some(&true) {
            continue;
        }
        let Some((cause, message)) = cause_of(unknown, &found) else {
            continue;
        };
        let run = run_from(index, unknown, &found);
        let keys = keys_of(&run, &found);
        for &other in run.iter().chain([&cause]) {
            if let Some(removed) = removed.get_mut(other) {
                *removed = true;
            }
        }
        if let Some(slot) = replaced.get_mut(index) {
            *slot = Some(message.diagnostic(item.diagnostic.code, unknown, &keys));
        }
    }
    let kept = found.into_iter().zip(replaced).zip(removed);
    kept.filter_map(|((found, replaced), removed)| match replaced {
        Some(diagnostic) => Some(diagnostic),
        None => (!removed).then_some(found.diagnostic),
    })
    .collect()
}

enum Message {
    /// The fields belong to the empty field above.
    BelowEmpty {
        field: String,
        is_list: bool,
    },
    TooLittle,
    TooMuch,
}

impl Message {
    fn diagnostic(&self, code: &'static str, unknown: &UnknownField, keys: &[String]) -> Diagnostic {
        let names = joined(keys);
        let (are, them) = if keys.len() == 1 {
            ("is", "it")
        } else {
            ("are", "them")
        };
        let location = unknown.location.clone();
        let (message, label, help) = match self {
            Self::BelowEmpty { field, is_list } => {
                let help = if *is_list {
                    format!(
                        "indent {names} below `{field}`, and start the item with `- `: `- {}: …`",
                        unknown.key
                    )
                } else {
                    format!("indent {names} below `{field}`")
                };
                let message = format!("{names} {are} indented too little: `{field}` is empty");
                (message, format!("belongs to `{field}`"), help)
            }
            Self::TooLittle => {
                let parent = unknown.previous.as_ref().map(|previous| previous.key.as_str());
                let parent = parent.map_or_else(String::new, |parent| format!(" of `{parent}`"));
                (
                    format!("{names} {are} indented too little"),
                    "belongs to the lines above".to_owned(),
                    format!("indent {them} like the fields{parent} above"),
                )
            }
            Self::TooMuch => (
                format!("{names} {are} indented too much"),
                "belongs to the outer fields".to_owned(),
                format!("indent {them} like the fields further left"),
            ),
        };
        Diagnostic::error(code, message, location, label).with_help(help)
    }
}

fn joined(keys: &[String]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// The index of the other error that the unknown field explains.
fn cause_of(unknown: &UnknownField, found: &[Found]) -> Option<(usize, Message)> {
    for (index, other) in found.iter().enumerate() {
        match &other.subject {
            Subject::EmptyCollection { value, is_list } => {
                let previous = unknown.previous.as_ref()?;
                if previous.value == *value {
                    let field = previous.key.clone();
                    return Some((
                        index,
                        Message::BelowEmpty {
                            field,
                            is_list: *is_list,
                        },
                    ));
                }
            }
            Subject::MissingField { key, mapping } if *key == unknown.key => {
                let start = unknown.location.span.start;
                if contains(&unknown.mapping, mapping) && mapping.end <= start {
                    return Some((index, Message::TooLittle));
                }
                if contains(mapping, &unknown.mapping) {
                    return Some((index, Message::TooMuch));
                }
            }
            _ => {}
        }
    }
    None
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer != inner && outer.start <= inner.start && inner.end <= outer.end
}

/// The unknown field and those that follow it directly.
fn run_from(index: usize, unknown: &UnknownField, found: &[Found]) -> Vec<usize> {
    let same_place = |other: &UnknownField| {
        let value = |field: &UnknownField| field.previous.as_ref().map(|previous| previous.value.clone());
        other.mapping == unknown.mapping && value(other) == value(unknown)
    };
    let rest = found.iter().enumerate().skip(index);
    rest.filter(|(_, other)| matches!(&other.subject, Subject::UnknownField(other) if same_place(other)))
        .map(|(index, _)| index)
        .collect()
}

fn keys_of(run: &[usize], found: &[Found]) -> Vec<String> {
    let keys = run.iter().filter_map(|index| match &found.get(*index)?.subject {
        Subject::UnknownField(unknown) => Some(unknown.key.clone()),
        _ => None,
    });
    keys.collect()
}
