//! What the service stores: segments, former names, queued files and the times of requests.

mod segment_index;

use super::definition::equality_key;
use super::rate_limit_class::RateLimitClass;
use super::settings::SandboxSettings;
use jiff::{SignedDuration, Timestamp};
use segment_index::{SegmentIndex, name_key};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The version of the data file that this segctl reads and writes.
pub(super) const FORMAT_VERSION: u32 = 1;

/// The service archives a segment that was not run for so many days.
const IDLE_ARCHIVE_DAYS: i64 = 60;

/// The service deletes the users of a file segment so many days after it was archived.
const USER_RETENTION_DAYS: i64 = 30;

/// The maximum number of writes that a stale list can miss.
const STALE_LIST_LIMIT: usize = 64;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SandboxState {
    pub(super) format_version: u32,
    pub(super) settings: SandboxSettings,
    /// How far the service's clock is ahead of the machine's.
    pub(super) clock_ahead_seconds: i64,
    /// Ids are assigned in order, so that runs are repeatable.
    pub(super) last_id: u64,
    /// Names and definitions change through `put_segment` alone, which updates the index.
    pub(super) segments: BTreeMap<String, SandboxSegment>,
    /// The ids of renamed segments by the names they had before.
    pub(super) former_names: BTreeMap<String, String>,
    /// Files to be processed, in the order of their requests.
    pub(super) jobs: VecDeque<FileJob>,
    /// The times of the requests of each class in milliseconds, in order.
    #[serde(rename = "calls")]
    pub(super) request_times: BTreeMap<RateLimitClass, VecDeque<i64>>,
    pub(super) users_added: VecDeque<(Timestamp, usize)>,
    /// Requests that were counted since the state was last saved.
    #[serde(skip)]
    unsaved_request_times: Vec<(RateLimitClass, i64)>,
    #[serde(skip)]
    index: SegmentIndex,
    /// The first time at which a segment changes without a request; `None` if unknown.
    #[serde(skip)]
    pub(super) next_change: Option<Timestamp>,
    /// What each of the last writes replaced, newest last.
    #[serde(skip)]
    replaced_segments: VecDeque<(String, Option<SandboxSegment>)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SandboxSegment {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    /// The last query or campaign. The service archives a segment 60 days later.
    pub(super) last_run: Timestamp,
    pub(super) archived: Option<Timestamp>,
    pub(super) contents: SandboxContents,
}

impl SandboxSegment {
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

    /// When the segment changes next without a request.
    pub(super) fn changes_at(&self) -> Timestamp {
        match (self.archived, &self.contents) {
            (None, _) => self.archived_at(),
            (Some(archived), SandboxContents::File { expires, users, .. }) if !users.is_empty() => {
                plus_days(archived, USER_RETENTION_DAYS).min(*expires)
            }
            (Some(_), _) => Timestamp::MAX,
        }
    }

    /// When the service archives an active segment.
    pub(super) fn archived_at(&self) -> Timestamp {
        let idle = plus_days(self.last_run, IDLE_ARCHIVE_DAYS);
        match &self.contents {
            SandboxContents::File { expires, .. } => idle.min(*expires),
            SandboxContents::Filters { .. } | SandboxContents::Cohort { .. } => idle,
        }
    }
}

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
        /// The number of users by the value that they share.
        users: BTreeMap<String, usize>,
    },
    Cohort {
        partner: String,
        cohort_id: String,
        members: BTreeSet<String>,
    },
}

impl SandboxContents {
    fn equality_key(&self, order_sensitive: bool) -> Option<String> {
        match self {
            Self::Filters { included, excluded } => {
                Some(equality_key(included, excluded.as_ref(), order_sensitive))
            }
            Self::File { .. } | Self::Cohort { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileJob {
    pub request_id: String,
    pub segment_id: String,
    pub operation: FileOperation,
    pub is_number: bool,
    pub file_url: String,
    pub callback_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOperation {
    Add,
    Remove,
    Replace,
}

impl SandboxState {
    pub(super) fn new(settings: SandboxSettings) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            settings,
            ..Self::default()
        }
    }

    /// Applies the settings to existing segments, too.
    pub(super) fn apply_settings(&mut self, settings: SandboxSettings) {
        self.settings = settings;
        self.index = SegmentIndex::of(self.segments.values(), &self.settings);
    }

    /// A new id: 24 hexadecimal characters.
    pub(super) fn new_id(&mut self) -> String {
        self.last_id += 1;
        format!("5e6c{:020x}", self.last_id)
    }

    pub(super) fn put_segment(&mut self, segment: SandboxSegment) {
        let id = segment.id.clone();
        self.index.put(&segment, &self.settings);
        self.expect_change(segment.changes_at());
        let replaced = self.segments.insert(id.clone(), segment);
        self.replaced_segments.push_back((id, replaced));
        if self.replaced_segments.len() > STALE_LIST_LIMIT {
            self.replaced_segments.pop_front();
        }
    }

    pub(super) fn expect_change(&mut self, at: Timestamp) {
        self.next_change = self.next_change.map(|next| next.min(at));
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

    pub(super) fn segments_with_equality_key(&self, key: &str) -> impl Iterator<Item = &SandboxSegment> {
        let ids = self.index.ids_by_definition(key);
        ids.filter_map(|id| self.segments.get(id))
    }

    /// The segment that reserves `name`: active, archived, or renamed.
    pub(super) fn find_name_holder(&self, name: &str) -> Option<&SandboxSegment> {
        self.find_by_current_name(name).or_else(|| {
            let id = if self.settings.names_case_sensitive {
                self.former_names.get(name)
            } else {
                let key = |name: &str| name_key(name, &self.settings);
                let mut former = self.former_names.iter();
                former
                    .find(|(former, _)| key(former) == key(name))
                    .map(|(_, id)| id)
            };
            self.segments.get(id?)
        })
    }

    pub(super) fn find_by_current_name(&self, name: &str) -> Option<&SandboxSegment> {
        let id = self.index.ids_by_name(name, &self.settings).next()?;
        self.segments.get(id)
    }

    pub(super) fn active_count(&self) -> usize {
        let segments = self.segments.values();
        segments.filter(|segment| segment.archived.is_none()).count()
    }

    pub(super) fn is_at_active_limit(&self) -> bool {
        self.active_count() >= self.settings.active_limit
    }

    /// Whether everything that is saved, except the settings, is the same.
    pub(super) fn has_same_data_as(&self, other: &Self) -> bool {
        let data = |state: &Self| {
            let mut state = state.clone();
            state.settings = SandboxSettings::default();
            serde_json::to_value(state).ok()
        };
        data(self) == data(other)
    }

    pub(super) fn record_request_time(&mut self, class: RateLimitClass, milliseconds: i64) {
        let history = self.request_times.entry(class).or_default();
        history.push_back(milliseconds);
        self.unsaved_request_times.push((class, milliseconds));
    }

    pub(super) fn mark_saved(&mut self) {
        self.unsaved_request_times.clear();
    }

    /// Replaces the state with one that another process saved, and adds the requests that only this process counted.
    pub(super) fn reload(&mut self, saved: Self) {
        let unsaved = std::mem::take(&mut self.unsaved_request_times);
        let settings = self.settings.clone();
        *self = saved;
        self.apply_settings(settings);
        for (class, milliseconds) in unsaved {
            let history = self.request_times.entry(class).or_default();
            let index = history.partition_point(|time| *time <= milliseconds);
            history.insert(index, milliseconds);
            self.unsaved_request_times.push((class, milliseconds));
        }
    }
}

/// The time `days` later, or the last representable time.
pub(super) fn plus_days(time: Timestamp, days: i64) -> Timestamp {
    SignedDuration::try_from_hours(days.saturating_mul(24))
        .and_then(|later| time.checked_add(later).ok())
        .unwrap_or(Timestamp::MAX)
}
