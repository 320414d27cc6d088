//! Output without what is another in every run: ids by the segments they are of, and no moments of today.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde_json::Value;
use std::collections::BTreeMap;

/// The text of a moment up to its seconds, each letter for a digit.
const MOMENT: &str = "yyyy-mm-ddThh:mm:ss";
const DAY: &str = "yyyy-mm-dd";
const CLOCK: &str = "hh:mm:ss UTC";

/// What stands before the moment at which a plan that waits is done, which ends with its line.
const END: &str = "done about ";

/// The name of a run, before the number of its process.
const RUN: &str = "yyyymmddThhmmssZ-";

/// What stands for what.
pub(super) struct Stable {
    /// Labels of ids: the first name that a segment had, which it has for the whole scenario.
    labels: BTreeMap<String, String>,
    /// Moments before it are not of today: they are values in filters.
    since: DateTime,
    /// Other texts and what stands for them.
    others: Vec<(String, &'static str)>,
}

impl Stable {
    /// For a run that starts `now`.
    pub(super) fn new(now: Timestamp, others: Vec<(String, &'static str)>) -> Self {
        let now = jiff::tz::Offset::UTC.to_datetime(now);
        Self {
            labels: BTreeMap::new(),
            since: now.date().yesterday().unwrap().at(0, 0, 0, 0),
            others,
        }
    }

    /// Learns the names of segments that were made since.
    pub(super) fn learn(&mut self, state: &Value) {
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

    /// `text` with the ids that its labels stand for.
    pub(super) fn with_ids(&self, text: &str) -> String {
        let labels = self.labels.iter();
        labels.fold(text.to_owned(), |text, (id, label)| text.replace(label, id))
    }

    /// `text` as it is in every run.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (other, label) in &self.others {
            text = text.replace(other, label);
        }
        for (id, label) in &self.labels {
            text = text.replace(id, label);
        }
        let text = replace(&text, MOMENT, &|moment| {
            moment
                .parse::<DateTime>()
                .is_ok_and(|moment| moment >= self.since)
        });
        let text = replace(&text, DAY, &|day| {
            let day = day.parse::<Date>();
            day.is_ok_and(|day| day >= self.since.date())
        });
        let text = replace(&text, RUN, &|_| true);
        let text = without_ends(&text);
        replace(&text, CLOCK, &|_| true)
    }
}

/// `text` without the moments at which plans are done.
fn without_ends(text: &str) -> String {
    let line = |line: &str| match line.split_once(END) {
        Some((before, _)) => format!("{before}{END}<time>.\n"),
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// `text` with everything of one shape replaced that is `meant`, fractions of seconds and a `Z` included.
fn replace(text: &str, shape: &str, meant: &dyn Fn(&str) -> bool) -> String {
    let mut stable = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = rest
            .get(..shape.len())
            .filter(|found| has_shape(found, shape) && meant(found));
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
    pairs.all(|(found, wanted)| match wanted {
        'a'..='z' => found.is_ascii_digit(),
        other => found == other,
    })
}

#[test]
fn moments_of_today_are_hidden_and_values_of_filters_are_not() {
    let stable = Stable::new("2026-03-01T10:00:00Z".parse().unwrap(), Vec::new());
    let shown = stable.text(
        "at 2026-03-01T10:00:01.25Z, until 09:10:11 UTC or 2026-04-01. From 2024-01-01T00:00:00.000Z on",
    );
    assert_eq!(
        shown,
        "at <time>, until <time> or <time>. From 2024-01-01T00:00:00.000Z on"
    );
}
