//! Output that is the same in every run: labels replace ids, paths and current times.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::Value;
use std::collections::BTreeMap;

/// A time up to its seconds; each letter means a digit.
const DATE_TIME: &str = "yyyy-mm-ddThh:mm:ss";
const DAY: &str = "yyyy-mm-dd";
const CLOCK: &str = "hh:mm:ss UTC";

/// Precedes the estimated finish of a plan, at the end of a line.
const FINISH: &str = "Estimated finish: ";

/// The start of a run id, before the process id.
const RUN: &str = "yyyymmddThhmmssZ-";

pub(super) struct Stable {
    /// Labels by id. A label contains the first name of the segment and never changes.
    labels: BTreeMap<String, String>,
    /// Earlier times are not current; they are values in filters.
    since: DateTime,
    /// Other texts and their labels.
    others: Vec<(String, &'static str)>,
}

impl Stable {
    pub(super) fn new(now: Timestamp, others: Vec<(String, &'static str)>) -> Self {
        let now = jiff::tz::Offset::UTC.to_datetime(now);
        Self {
            labels: BTreeMap::new(),
            since: now.date().yesterday().unwrap().at(0, 0, 0, 0),
            others,
        }
    }

    /// Adds labels for new segments.
    pub(super) fn add_labels(&mut self, state: &Value) {
        for (id, segment) in state["segments"].as_object().into_iter().flatten() {
            if self.labels.contains_key(id) {
                continue;
            }
            let name = segment["name"].as_str().unwrap_or_default();
            let mut label = format!("<id of {name}>");
            let mut number = 2;
            while self.labels.values().any(|other| *other == label) {
                label = format!("<id of {name}, number {number}>");
                number += 1;
            }
            self.labels.insert(id.clone(), label);
        }
    }

    /// Replaces labels by ids.
    pub(super) fn with_ids(&self, text: &str) -> String {
        let labels = self.labels.iter();
        labels.fold(text.to_owned(), |text, (id, label)| text.replace(label, id))
    }

    /// Replaces everything that differs between runs.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (other, label) in &self.others {
            text = text.replace(other, label);
        }
        for (id, label) in &self.labels {
            text = text.replace(id, label);
        }
        let text = replace(&text, DATE_TIME, &|time| {
            let time = time.parse::<DateTime>();
            time.is_ok_and(|time| time >= self.since)
        });
        let text = replace(&text, DAY, &|day| {
            let day = day.parse::<Date>();
            day.is_ok_and(|day| day >= self.since.date())
        });
        let text = replace(&text, RUN, &|_| true);
        let text = without_finish_times(&text);
        let text = without_use_of_one_second(&text);
        replace(&text, CLOCK, &|_| true)
    }
}

fn without_finish_times(text: &str) -> String {
    let line = |line: &str| match line.split_once(FINISH) {
        Some((before, _)) => format!("{before}{FINISH}<time>.\n"),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// How many requests fall into one second depends on the load of the machine.
fn without_use_of_one_second(text: &str) -> String {
    let mut lines = text.split_inclusive('\n');
    let mut stable = String::new();
    while let Some(line) = lines.next() {
        stable.push_str(line);
        if line.trim() != "\"span_seconds\": 1," {
            continue;
        }
        for line in lines.by_ref().take(2) {
            let (name, _) = line.split_once(": ").unwrap_or((line, ""));
            stable.push_str(&format!("{name}: <count>,\n"));
        }
    }
    stable
}

/// Replaces each text of the shape that `is_current` accepts, with a fraction of seconds and a `Z`.
fn replace(text: &str, shape: &str, is_current: &dyn Fn(&str) -> bool) -> String {
    let mut stable = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = rest
            .get(..shape.len())
            .filter(|found| has_shape(found, shape) && is_current(found));
        if let Some(found) = found {
            stable.push_str("<time>");
            rest = &rest[found.len()..];
            let is_digit = |character: char| character.is_ascii_digit();
            if let Some(fraction) = rest
                .strip_prefix('.')
                .filter(|fraction| fraction.starts_with(is_digit))
            {
                rest = fraction.trim_start_matches(is_digit);
            }
            rest = rest.strip_prefix('Z').unwrap_or(rest);
            if shape == RUN {
                rest = rest.trim_start_matches(is_digit);
            }
        } else {
            stable.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    stable
}

fn has_shape(text: &str, shape: &str) -> bool {
    let mut pairs = text.chars().zip(shape.chars());
    pairs.all(|(found, expected)| match expected {
        'a'..='z' => found.is_ascii_digit(),
        other => found == other,
    })
}

#[test]
fn current_times_are_replaced_and_filter_values_are_not() {
    let stable = Stable::new("2026-03-01T10:00:00Z".parse().unwrap(), Vec::new());
    let shown = stable.text(
        "at 2026-03-01T10:00:01.25Z, until 09:10:11 UTC or 2026-04-01. From 2024-01-01T00:00:00.000Z on",
    );
    assert_eq!(
        shown,
        "at <time>, until <time> or <time>. From 2024-01-01T00:00:00.000Z on"
    );
}
