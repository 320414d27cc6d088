//! Two lists of values: the elements that come and go.

use super::long_text::{MAX_TEXT_LENGTH, text_change};
use super::look_alikes::appearance;
use super::{MAX_LINE_LENGTH, ValueChange};
use crate::diagnostic::phrases::count_noun;
use crate::model::escape_unprintable;
use serde_json::Value;
use std::collections::BTreeMap;

/// More elements that come or go are counted.
const MAX_ELEMENTS: usize = 20;

/// The order of elements has no meaning to MoEngage, but a reordered list is another definition.
pub(super) fn list_change(before: &[Value], after: &[Value]) -> ValueChange {
    let removed = without(before, after);
    let added = without(after, before);
    if removed.is_empty() && added.is_empty() {
        return ValueChange::line(format!(": reordered{}", first_moved(before, after)));
    }
    let unchanged = before.len() - removed.len();
    let is_reordered = !is_same_order(before, &removed, after, &added);
    let note = others(unchanged, is_reordered, before.is_empty(), after.is_empty());
    let (pairs, added, removed) = alike_pairs(added, removed);
    let groups = [('~', pairs), ('+', added), ('-', removed)];
    let groups = groups.into_iter().filter(|(_, elements)| !elements.is_empty());
    let groups: Vec<_> = groups.collect();
    let line = groups.iter().map(|(mark, elements)| {
        let elements = limited(elements);
        format!(" {mark} {}", elements.join(", "))
    });
    let line = format!(":{}{note}", line.collect::<String>());
    if line.chars().count() <= MAX_LINE_LENGTH {
        return ValueChange::line(line);
    }
    let counts = groups.iter().map(|(mark, elements)| {
        let word = match mark {
            '~' => "changed",
            '+' => "added",
            _ => "removed",
        };
        format!("{} {word}", elements.len())
    });
    ValueChange {
        summary: format!(": {}{note}", counts.collect::<Vec<_>>().join(", ")),
        lines: groups
            .iter()
            .flat_map(|(mark, elements)| wrapped(&limited(elements)).into_iter().map(|line| (*mark, line)))
            .collect(),
    }
}

/// The elements that the other list lacks, as often as it lacks them.
fn without<'a>(list: &'a [Value], other: &[Value]) -> Vec<&'a Value> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for element in other {
        *counts.entry(element.to_string()).or_default() += 1;
    }
    let mut left = Vec::new();
    for element in list {
        match counts.get_mut(&element.to_string()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => left.push(element),
        }
    }
    left
}

fn is_same_order(before: &[Value], removed: &[&Value], after: &[Value], added: &[&Value]) -> bool {
    let rest = |list: &[Value], excluded: &[&Value]| {
        let excluded: Vec<Value> = excluded.iter().copied().cloned().collect();
        let rest = without(list, &excluded);
        rest.into_iter().cloned().collect::<Vec<_>>()
    };
    rest(before, removed) == rest(after, added)
}

fn others(unchanged: usize, is_reordered: bool, was_empty: bool, is_empty: bool) -> String {
    let noun = if unchanged == 1 { "other" } else { "others" };
    match (unchanged, is_reordered) {
        (0, _) if was_empty => " (was empty)".to_owned(),
        (0, _) if is_empty => " (now empty)".to_owned(),
        (0, _) => " (all others replaced)".to_owned(),
        (_, true) => format!(" ({unchanged} {noun}, reordered)"),
        (_, false) => format!(" ({unchanged} {noun} unchanged)"),
    }
}

fn first_moved(before: &[Value], after: &[Value]) -> String {
    let mut positions = (1..).zip(before.iter().zip(after));
    let moved = positions.find(|(_, (old, new))| old != new);
    moved.map_or_else(String::new, |(position, (old, new))| {
        let elements = count_noun(before.len(), "element");
        format!(", the same {elements} (position {position}: {})", pair(old, new))
    })
}

/// The changed pairs, and the other added and removed elements, as text.
type ElementTexts = (Vec<String>, Vec<String>, Vec<String>);

/// Pairs an added and a removed element if a reader could not distinguish them by their text.
fn alike_pairs(added: Vec<&Value>, removed: Vec<&Value>) -> ElementTexts {
    let mut by_appearance: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, element) in added.iter().enumerate().rev() {
        by_appearance
            .entry(appearance(&element_text(element)))
            .or_default()
            .push(index);
    }
    let mut is_paired = vec![false; added.len()];
    let (mut pairs, mut gone) = (Vec::new(), Vec::new());
    for element in removed {
        let text = element_text(element);
        let partner = by_appearance.get_mut(&appearance(&text)).and_then(Vec::pop);
        match partner.and_then(|index| Some((index, added.get(index)?))) {
            Some((index, partner)) => {
                is_paired[index] = true;
                pairs.push(pair(element, partner));
            }
            None => gone.push(text),
        }
    }
    let come = added.iter().zip(is_paired).filter(|(_, is_paired)| !is_paired);
    (
        pairs,
        come.map(|(element, _)| element_text(element)).collect(),
        gone,
    )
}

fn pair(old: &Value, new: &Value) -> String {
    match (old, new) {
        (Value::String(old), Value::String(new)) => text_change(old, new),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            text_change(&old.to_string(), &new.to_string())
        }
        _ => format!("{} -> {}", element_text(old), element_text(new)),
    }
}

fn element_text(element: &Value) -> String {
    let text = escape_unprintable(&element.to_string());
    let length = text.chars().count();
    if length <= MAX_TEXT_LENGTH {
        return text;
    }
    let start: String = text.chars().take(MAX_TEXT_LENGTH).collect();
    format!("{start}… ({length} characters)")
}

fn limited(elements: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = elements.iter().take(MAX_ELEMENTS).cloned().collect();
    if elements.len() > MAX_ELEMENTS {
        shown.push(format!("and {} more", elements.len() - MAX_ELEMENTS));
    }
    shown
}

/// Lines of about the same length.
fn wrapped(elements: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for element in elements {
        match lines.last_mut() {
            Some(line) if line.chars().count() + element.chars().count() < MAX_LINE_LENGTH => {
                line.push_str(", ");
                line.push_str(element);
            }
            _ => lines.push(element.clone()),
        }
    }
    lines
}
