//! What the service keeps: segments, names, queued work, and how often it was called.

use super::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Everything that outlives the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) format_version: u32,
    pub(super) settings: Settings,
    /// How far the service's clock is ahead of the machine's.
    pub(super) clock_ahead_seconds: i64,
    /// Ids are handed out in order, so that runs repeat.
    pub(super) last_id: u64,
    pub(super) segments: BTreeMap<String, Segment>,
    /// Names that segments had before a rename, by the name.
    pub(super) former_names: BTreeMap<String, String>,
    /// Files still to be processed, in the order they came.
    pub(super) jobs: VecDeque<Job>,
    /// When calls of each class were taken, in milliseconds.
    pub(super) calls: BTreeMap<String, VecDeque<i64>>,
    /// How many users files added, by day.
    pub(super) users_added: BTreeMap<String, usize>,
}

/// A segment of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// The last query or campaign; without one for 60 days the segment is archived.
    pub(super) last_run: Timestamp,
    pub(super) archived: Option<Timestamp>,
    pub(super) contents: Contents,
}

/// What makes a segment's members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum Contents {
    Filters {
        included: Value,
        excluded: Option<Value>,
    },
    File {
        attribute: String,
        expires: Timestamp,
        users: BTreeSet<String>,
    },
    Cohort {
        partner: String,
        cohort_id: String,
        members: BTreeSet<String>,
    },
}

/// A file to be processed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Tells jobs apart in callbacks.
    pub request_id: String,
    /// The segment it is for.
    pub segment_id: String,
    /// What is done with the users of the file.
    pub operation: FileOperation,
    /// Where the file is.
    pub file_url: String,
    /// Who wants to know what came of it.
    pub callback_url: Option<String>,
}

/// What is done with the users of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOperation {
    /// They are added.
    Add,
    /// They are taken out.
    Remove,
    /// They are the users from now on.
    Replace,
}

impl State {
    /// A new id: 24 hexadecimal characters.
    pub(super) fn new_id(&mut self) -> String {
        self.last_id += 1;
        format!("5e6c{:020x}", self.last_id)
    }

    /// The segment that holds `name`, archived ones and former names included.
    pub(super) fn holder_of(&self, name: &str) -> Option<&Segment> {
        let same = |other: &str| self.is_same_name(other, name);
        let current = self.segments.values().find(|segment| same(&segment.name));
        current.or_else(|| {
            let former = self.former_names.iter().find(|(former, _)| same(former));
            former.and_then(|(_, id)| self.segments.get(id))
        })
    }

    /// The segment whose present name is `name`.
    pub(super) fn named(&self, name: &str) -> Option<&Segment> {
        self.segments
            .values()
            .find(|segment| self.is_same_name(&segment.name, name))
    }

    fn is_same_name(&self, one: &str, other: &str) -> bool {
        if self.settings.names_case_sensitive {
            one == other
        } else {
            one.to_lowercase() == other.to_lowercase()
        }
    }

    pub(super) fn active(&self) -> usize {
        self.segments
            .values()
            .filter(|segment| segment.archived.is_none())
            .count()
    }

    /// What time does on its own: archives what nothing ran for 60 days and what expired, and drops the users of
    /// files archived for more than 30 days.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        for segment in self.segments.values_mut() {
            let idle_since = after_days(segment.last_run, 60);
            let expires = match &segment.contents {
                Contents::File { expires, .. } => Some(*expires),
                Contents::Filters { .. } | Contents::Cohort { .. } => None,
            };
            let ends = expires.map_or(idle_since, |expires| expires.min(idle_since));
            if segment.archived.is_none() && ends <= now {
                segment.archived = Some(ends);
            }
            if let (Some(archived), Contents::File { users, .. }) = (segment.archived, &mut segment.contents)
                && (after_days(archived, 30) <= now || expires.is_some_and(|expires| expires <= now))
            {
                users.clear();
            }
        }
    }
}

/// So many days later; the end of time where there is no such moment.
pub(super) fn after_days(moment: Timestamp, days: i64) -> Timestamp {
    let hours = days.saturating_mul(24);
    SignedDuration::try_from_hours(hours)
        .and_then(|later| moment.checked_add(later).ok())
        .unwrap_or(Timestamp::MAX)
}
