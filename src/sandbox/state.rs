//! What the service keeps: segments, names, queued work, and how often it was called.

use super::definition::equality_key;
use super::rate_limits::RateLimitClass;
use super::settings::SandboxSettings;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The format of the state that this version writes and reads.
pub(super) const FORMAT_VERSION: u32 = 1;

/// Writes that a list can lag behind.
const STALE_LIST_LIMIT: usize = 64;

/// Everything that outlives the process, and what follows from it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SandboxState {
    pub(super) format_version: u32,
    pub(super) settings: SandboxSettings,
    /// How far the service's clock is ahead of the machine's.
    pub(super) clock_ahead_seconds: i64,
    /// Ids are handed out in order, so that runs repeat.
    pub(super) last_id: u64,
    /// Changed through `write` and `pass_time` alone.
    pub(super) segments: BTreeMap<String, SandboxSegment>,
    /// Names that segments had before a rename, by the name.
    pub(super) former_names: BTreeMap<String, String>,
    /// Files still to be processed, in the order they came.
    pub(super) jobs: VecDeque<FileJob>,
    /// When calls of each class were taken, in milliseconds, in order.
    pub(super) calls: BTreeMap<RateLimitClass, VecDeque<i64>>,
    /// How many users files added, and when.
    pub(super) users_added: VecDeque<(Timestamp, usize)>,
    /// Calls that were counted since the state was last saved.
    #[serde(skip)]
    unsaved_request_times: Vec<(RateLimitClass, i64)>,
    /// What makes the definition of each filter segment equal to another: computed once, for it is compared with
    /// every new one.
    #[serde(skip)]
    equality_keys: BTreeMap<String, String>,
    /// What each of the last writes replaced, newest last.
    #[serde(skip)]
    replaced_segments: VecDeque<(String, Option<SandboxSegment>)>,
}

/// A segment of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SandboxSegment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// The last query or campaign; without one for 60 days the segment is archived.
    pub(super) last_run: Timestamp,
    pub(super) archived: Option<Timestamp>,
    pub(super) contents: SandboxContents,
}

impl SandboxSegment {
    /// An active segment that starts to be now.
    pub(super) fn new(
        id: String,
        name: String,
        source: &str,
        now: Timestamp,
        contents: SandboxContents,
    ) -> Self {
        Self {
            id,
            name,
            source: source.to_owned(),
            created: now,
            updated: now,
            last_run: now,
            archived: None,
            contents,
        }
    }
}

/// What makes a segment's members.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(super) enum SandboxContents {
    Filters {
        included: Value,
        excluded: Option<Value>,
    },
    File {
        attribute: String,
        expires: Timestamp,
        /// How many users each value stands for.
        users: BTreeMap<String, usize>,
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
pub struct FileJob {
    /// Tells jobs apart, in callbacks too.
    pub request_id: String,
    /// The segment it is for.
    pub segment_id: String,
    /// What is done with the users of the file.
    pub operation: FileOperation,
    /// Whether the values are numbers.
    pub is_number: bool,
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

impl SandboxState {
    /// A workspace with nothing in it.
    pub(super) fn new(settings: SandboxSettings) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            settings,
            ..Self::default()
        }
    }

    /// Puts the settings in force, also for what is there already.
    pub(super) fn apply_settings(&mut self, settings: SandboxSettings) {
        self.settings = settings;
        self.equality_keys.clear();
        for (id, segment) in &self.segments {
            if let SandboxContents::Filters { included, excluded } = &segment.contents {
                let key = equality_key(
                    included,
                    excluded.as_ref(),
                    self.settings.equality_order_sensitive,
                );
                self.equality_keys.insert(id.clone(), key);
            }
        }
    }

    /// A new id: 24 hexadecimal characters.
    pub(super) fn new_id(&mut self) -> String {
        self.last_id += 1;
        format!("5e6c{:020x}", self.last_id)
    }

    /// Keeps a new or changed segment.
    pub(super) fn put_segment(&mut self, segment: SandboxSegment) {
        let id = segment.id.clone();
        if let SandboxContents::Filters { included, excluded } = &segment.contents {
            let ordered = self.settings.equality_order_sensitive;
            let key = equality_key(included, excluded.as_ref(), ordered);
            self.equality_keys.insert(id.clone(), key);
        }
        let replaced = self.segments.insert(id.clone(), segment);
        self.replaced_segments.push_back((id, replaced));
        if self.replaced_segments.len() > STALE_LIST_LIMIT {
            self.replaced_segments.pop_front();
        }
    }

    /// The segments as they were before the last `writes` writes.
    pub(super) fn segments_before(&self, writes: usize) -> BTreeMap<String, SandboxSegment> {
        let mut segments = self.segments.clone();
        for (id, replaced) in self.replaced_segments.iter().rev().take(writes) {
            match replaced {
                Some(segment) => segments.insert(id.clone(), segment.clone()),
                None => segments.remove(id),
            };
        }
        segments
    }

    /// The segments whose definition equals one with this key.
    pub(super) fn segments_with_equality_key(&self, key: &str) -> impl Iterator<Item = &SandboxSegment> {
        let same = self.equality_keys.iter().filter(move |(_, other)| *other == key);
        same.filter_map(|(id, _)| self.segments.get(id))
    }

    /// The segment that holds `name`, archived ones and former names included.
    pub(super) fn find_name_holder(&self, name: &str) -> Option<&SandboxSegment> {
        self.find_by_current_name(name).or_else(|| {
            let mut former = self.former_names.iter();
            let (_, id) = former.find(|(former, _)| self.is_same_name(former, name))?;
            self.segments.get(id)
        })
    }

    /// The segment whose present name is `name`.
    pub(super) fn find_by_current_name(&self, name: &str) -> Option<&SandboxSegment> {
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

    pub(super) fn active_count(&self) -> usize {
        self.segments
            .values()
            .filter(|segment| segment.archived.is_none())
            .count()
    }

    pub(super) fn is_at_active_limit(&self) -> bool {
        self.active_count() >= self.settings.active_limit
    }

    /// Whether all that is saved is the same, but for the settings.
    pub(super) fn has_same_data_as(&self, other: &Self) -> bool {
        let kept = |state: &Self| {
            let mut state = state.clone();
            state.settings = SandboxSettings::default();
            serde_json::to_value(state).ok()
        };
        kept(self) == kept(other)
    }

    /// Counts a call toward the windows of its class.
    pub(super) fn record_request_time(&mut self, class: RateLimitClass, milliseconds: i64) {
        self.calls.entry(class).or_default().push_back(milliseconds);
        self.unsaved_request_times.push((class, milliseconds));
    }

    /// Says that everything up to here is saved.
    pub(super) fn mark_saved(&mut self) {
        self.unsaved_request_times.clear();
    }

    /// Takes over what another process saved, and adds the calls that only this one knows of.
    pub(super) fn reload(&mut self, saved: Self) {
        let unsaved = std::mem::take(&mut self.unsaved_request_times);
        let settings = self.settings.clone();
        *self = saved;
        self.apply_settings(settings);
        for (class, milliseconds) in unsaved {
            let history = self.calls.entry(class).or_default();
            let place = history.partition_point(|moment| *moment <= milliseconds);
            history.insert(place, milliseconds);
            self.unsaved_request_times.push((class, milliseconds));
        }
    }
}

/// So many days later; the end of time where there is no such moment.
pub(super) fn plus_days(moment: Timestamp, days: i64) -> Timestamp {
    let hours = days.saturating_mul(24);
    SignedDuration::try_from_hours(hours)
        .and_then(|later| moment.checked_add(later).ok())
        .unwrap_or(Timestamp::MAX)
}
