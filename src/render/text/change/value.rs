//! A changed value: what distinguishes old and new, whatever its length.

use super::ValueChange;
use super::list::list_change;
use super::long_text::{MAX_TEXT_LENGTH, text_change};
use crate::config::edit::readable_yaml;
use crate::model::escape_unprintable;
use serde_json::Value;

pub(super) fn value_change(before: Option<&Value>, after: Option<&Value>) -> ValueChange {
    match (before, after) {
        (Some(Value::Array(before)), Some(Value::Array(after))) => list_change(before, after),
        (Some(Value::String(before)), Some(Value::String(after))) => {
            ValueChange::line(format!(" {}", text_change(before, after)))
        }
        _ => other_change(before, after),
    }
}

fn other_change(before: Option<&Value>, after: Option<&Value>) -> ValueChange {
    let [old, new] = [before, after].map(|value| {
        value.map_or_else(
            || "(none)".to_owned(),
            |value| escape_unprintable(&value.to_string()),
        )
    });
    if old.chars().count().max(new.chars().count()) <= MAX_TEXT_LENGTH {
        return ValueChange::line(format!(" {old} -> {new}"));
    }
    whole(before, after)
}

/// Both sides whole, as YAML.
pub(super) fn whole(before: Option<&Value>, after: Option<&Value>) -> ValueChange {
    let word = match (before, after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "replaced",
    };
    let sides = [('-', before), ('+', after)];
    let lines = sides.into_iter().flat_map(|(mark, value)| {
        let text = value.map(readable_yaml).unwrap_or_default();
        let lines = text.lines().map(|line| (mark, escape_unprintable(line)));
        lines.collect::<Vec<_>>()
    });
    ValueChange {
        summary: format!(": {word}"),
        lines: lines.collect(),
    }
}
