//! The actual segments and every change of them, recorded from the writes that the service committed.
//! The record is separate from the service's own state, and is compared with it.

use super::people::{self, People};
use super::recorder::Recorder;
use segctl::model::{CohortKey, SegmentKind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The author of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A run of segctl, by its number.
    Run(usize),
    /// A request of this run that arrived after the run had given up waiting for it.
    LateRequest(usize),
    /// A dashboard user.
    Dashboard,
    /// The service, which archives unused segments and drops expired users.
    Expiry,
    /// The service, which applies an uploaded list some time after the request.
    UploadQueue,
}

/// How long a listing may lack a write, in milliseconds.
const LIST_LAG: i64 = 30_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActualSegment {
    pub(crate) name: String,
    pub(crate) kind: SegmentKind,
    pub(crate) key: Option<CohortKey>,
    /// In the API's JSON.
    pub(crate) definition: Value,
    pub(crate) meaning: Meaning,
    /// The members of a cohort or the users of a file segment.
    pub(crate) people: People,
    pub(crate) is_archived: bool,
}

/// The meaning of a definition, without its form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meaning {
    /// Groups and filters as a short text, references by id.
    pub(crate) text: String,
    /// The numbers in it, which tell definitions apart.
    pub(crate) amounts: BTreeSet<i64>,
    pub(crate) refers_to: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct SegmentChange {
    /// In milliseconds since 1970.
    pub(crate) changed_at: i64,
    pub(crate) author: Author,
    pub(crate) id: String,
    pub(crate) effect: EffectTiming,
    /// The number of changes when the author last read the segment.
    pub(crate) changes_at_read: usize,
    /// `None` for the creation.
    pub(crate) before: Option<ActualSegment>,
    pub(crate) after: ActualSegment,
}

/// When a request takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectTiming {
    Immediate,
    /// The service has accepted the request and applies it later.
    Queued,
}

#[derive(Default)]
pub(crate) struct GroundTruth {
    pub(crate) now: i64,
    /// The number of changes and of reads by any run when a run last read a segment.
    last_reads: BTreeMap<(usize, String), (usize, usize)>,
    pub(crate) read_count: usize,
    /// Segments with an archive or unarchive request without a response.
    pub(crate) ambiguous_lifecycle_changes: BTreeSet<String>,
    /// Segments whose create request got a response, so that the run knew of them.
    pub(crate) confirmed_creates: BTreeSet<String>,
    pub(crate) segments: BTreeMap<String, ActualSegment>,
    pub(crate) changes: Vec<SegmentChange>,
}

impl GroundTruth {
    pub(crate) fn record_read(&mut self, run: usize, id: &str) {
        self.read_count += 1;
        let when = (self.changes.len(), self.read_count);
        self.last_reads.insert((run, id.to_owned()), when);
    }

    pub(crate) fn record_change(&mut self, author: Author, id: &str, after: ActualSegment) {
        self.record_change_with_effect((author, EffectTiming::Immediate), id, after);
    }

    pub(crate) fn record_change_with_effect(
        &mut self,
        (author, effect): (Author, EffectTiming),
        id: &str,
        after: ActualSegment,
    ) {
        let changes_at_read = match author {
            Author::Run(run) => self.changes_at_last_read(run, id),
            Author::LateRequest(_) | Author::Dashboard | Author::Expiry | Author::UploadQueue => None,
        };
        let before = self.segments.insert(id.to_owned(), after.clone());
        self.changes.push(SegmentChange {
            changed_at: self.now,
            author,
            id: id.to_owned(),
            effect,
            changes_at_read: changes_at_read.unwrap_or_default(),
            before,
            after,
        });
    }

    /// The number of writes that a listing may still lack.
    pub(crate) fn recent_write_count(&self) -> usize {
        let is_new = |change: &&SegmentChange| change.changed_at > self.now - LIST_LAG;
        let latest = self.changes.iter().rev().take_while(is_new);
        let is_write = |change: &&SegmentChange| {
            !matches!(change.author, Author::Expiry | Author::UploadQueue)
                && change.effect == EffectTiming::Immediate
        };
        latest.filter(is_write).count()
    }

    /// Whether the segment of this name was created or unarchived so late that a listing at `moment` may have lacked it.
    pub(crate) fn may_list_lack(&self, name: &str, moment: i64) -> bool {
        self.changes.iter().any(|change| {
            let was_hidden = change.before.as_ref().is_none_or(|before| before.is_archived);
            let is_new = was_hidden && !change.after.is_archived && change.after.name == name;
            is_new && change.changed_at > moment - LIST_LAG
        })
    }

    pub(crate) fn changes_at_last_read(&self, run: usize, id: &str) -> Option<usize> {
        self.last_reads
            .get(&(run, id.to_owned()))
            .map(|(changes, _)| *changes)
    }

    /// Whether a run read a segment after read `since`.
    pub(crate) fn has_read_since(&self, run: usize, id: &str, since: usize) -> bool {
        let last = self.last_reads.get(&(run, id.to_owned()));
        last.is_some_and(|(_, read)| *read > since)
    }

    /// Whether a late create request creates a second segment, because the first one's name had been freed by then.
    /// The run cannot know that the request was still in flight.
    pub(crate) fn is_late_duplicate(&self, id: &str) -> bool {
        let Some(creation) = self.changes.iter().find(|change| change.id == id) else {
            return false;
        };
        let Author::LateRequest(run) = creation.author else {
            return false;
        };
        let mut earlier = self.changes.iter().take_while(|change| change.id != id);
        earlier.any(|change| {
            change.before.is_none()
                && [Author::Run(run), Author::LateRequest(run)].contains(&change.author)
                && change.after.name == creation.after.name
        })
    }

    /// Whether a run created the segment without a response that showed it.
    pub(crate) fn is_unconfirmed_create(&self, id: &str) -> bool {
        let creation = self.changes.iter().find(|change| change.id == id);
        let is_by_run =
            |creation: &SegmentChange| matches!(creation.author, Author::Run(_) | Author::LateRequest(_));
        creation.is_some_and(is_by_run) && !self.confirmed_creates.contains(id)
    }

    /// Whether the last change of its users was that the service deleted them.
    pub(crate) fn were_users_dropped(&self, id: &str) -> bool {
        let mut changes = self.changes.iter().rev().filter(|change| change.id == id);
        let last = changes.find(|change| {
            let before = change.before.as_ref();
            before.is_some_and(|before| before.people != change.after.people)
        });
        last.is_some_and(|change| change.author == Author::Expiry)
    }

    /// The author of the last archive, unarchive or creation.
    pub(crate) fn last_lifecycle_author(&self, id: &str) -> Option<Author> {
        let mut changes = self.changes.iter().rev().filter(|change| change.id == id);
        let changes_lifecycle = |change: &&SegmentChange| {
            let before = change.before.as_ref();
            before.is_none_or(|before| before.is_archived != change.after.is_archived)
        };
        changes.find(changes_lifecycle).map(|change| change.author)
    }

    /// Whether a change of the run is still there. Segments that others changed since do not count.
    pub(crate) fn is_still_changed_by(&self, run: usize) -> bool {
        let mut seen = BTreeSet::new();
        self.changes.iter().enumerate().any(|(index, change)| {
            if change.author != Author::Run(run) || !seen.insert(&change.id) {
                return false;
            }
            let now = &self.segments[&change.id];
            let is_same = change.effect == EffectTiming::Immediate
                && change.before.as_ref().is_some_and(|before| {
                    before.name == now.name
                        && before.meaning == now.meaning
                        && before.people == now.people
                        && before.is_archived == now.is_archived
                });
            !is_same && !self.was_changed_by_others(&change.id, index, run)
        })
    }

    /// Whether another author changed a segment after `since` changes.
    /// Changes by the upload queue do not count: their request came earlier.
    pub(crate) fn was_changed_by_others(&self, id: &str, since: usize, run: usize) -> bool {
        let changes = self.changes.get(since..).unwrap_or_default();
        let is_other = |author| ![Author::Run(run), Author::UploadQueue].contains(&author);
        changes
            .iter()
            .any(|change| change.id == id && is_other(change.author))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<(&str, &ActualSegment)> {
        let mut segments = self.segments.iter();
        let found = segments.find(|(_, segment)| segment.name == name);
        found.map(|(id, segment)| (id.as_str(), segment))
    }

    pub(crate) fn by_cohort_key(&self, key: &CohortKey) -> Option<(&str, &ActualSegment)> {
        let mut segments = self.segments.iter();
        let found = segments.find(|(_, segment)| segment.key.as_ref() == Some(key));
        found.map(|(id, segment)| (id.as_str(), segment))
    }

    pub(crate) fn was_renamed_in_dashboard(&self, name: &str) -> bool {
        self.changes.iter().any(|change| {
            let before = change.before.as_ref().map(|segment| segment.name.as_str());
            change.author == Author::Dashboard && before == Some(name) && change.after.name != name
        })
    }

    /// Whether a segment has this name, or had it once.
    pub(crate) fn was_name_used(&self, name: &str) -> bool {
        self.changes.iter().any(|change| change.after.name == name)
    }

    /// Compares every segment with the service's own state, and records expired segments.
    pub(crate) fn check_against_service(&mut self, state: &Value, recorder: &Recorder) {
        let segments = state["segments"].as_object().unwrap();
        recorder.require(
            segments.len() == self.segments.len(),
            GROUND_TRUTH_INVARIANT,
            || {
                format!(
                    "the service has {} segments, {} are recorded",
                    segments.len(),
                    self.segments.len()
                )
            },
        );
        for (id, actual) in segments {
            let Some(recorded) = self.segments.get(id) else {
                recorder.report_violation(GROUND_TRUTH_INVARIANT, || format!("{id} is not recorded"));
                continue;
            };
            let filters = &actual["contents"]["filters"];
            let meaning = Meaning::from_filters(&filters["included"], &filters["excluded"]);
            recorder.require(
                recorded.name == actual["name"] && recorded.meaning == meaning,
                GROUND_TRUTH_INVARIANT,
                || format!("{id} is {actual}, recorded as {recorded:?}"),
            );
            let is_archived = !actual["archived"].is_null();
            let people = people::people_in_sandbox(&actual["contents"]);
            // The service drops the users of an archived file segment some time later.
            let is_dropped = recorded.kind == SegmentKind::File && is_archived && people == People::default();
            recorder.require(
                recorded.people == people || is_dropped,
                GROUND_TRUTH_INVARIANT,
                || format!("{id} has {people:?}, recorded as {recorded:?}"),
            );
            if is_archived && !recorded.is_archived || recorded.people != people {
                let after = ActualSegment {
                    is_archived,
                    people,
                    ..recorded.clone()
                };
                self.record_change(Author::Expiry, id, after);
            } else {
                recorder.require(
                    is_archived == recorded.is_archived,
                    GROUND_TRUTH_INVARIANT,
                    || format!("{id} is archived"),
                );
            }
        }
    }
}

/// A violation is an error in the simulator itself.
pub(crate) const GROUND_TRUTH_INVARIANT: &str = "the ground truth matches the service";

impl ActualSegment {
    pub(crate) fn new(name: &str, included: &Value, excluded: &Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: SegmentKind::Filter,
            key: None,
            people: People::default(),
            definition: serde_json::json!({"included_filters": included, "excluded_filters": excluded}),
            meaning: Meaning::from_filters(included, excluded),
            is_archived: false,
        }
    }

    /// A cohort if there is a key, otherwise a file segment; without people.
    pub(crate) fn without_filters(name: &str, key: Option<CohortKey>) -> Self {
        let kind = if key.is_some() {
            SegmentKind::Cohort
        } else {
            SegmentKind::File
        };
        Self {
            kind,
            key,
            ..Self::new(name, &Value::Null, &Value::Null)
        }
    }
}

impl Meaning {
    pub(crate) fn from_filters(included: &Value, excluded: &Value) -> Self {
        let mut meaning = Self {
            text: String::new(),
            amounts: BTreeSet::new(),
            refers_to: BTreeSet::new(),
        };
        meaning.add_group(included);
        let has_excluded = excluded["filters"]
            .as_array()
            .is_some_and(|filters| !filters.is_empty());
        if has_excluded {
            meaning.text.push_str(" without ");
            meaning.add_group(excluded);
        }
        meaning
    }

    fn add_group(&mut self, group: &Value) {
        let filters = group["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let operator = group["filter_operator"].as_str().unwrap_or_default();
        self.text.push('(');
        for (index, filter) in filters.iter().enumerate() {
            if index > 0 {
                self.text.push(' ');
                self.text.push_str(operator);
                self.text.push(' ');
            }
            self.add_filter(filter);
        }
        self.text.push(')');
    }

    fn add_filter(&mut self, filter: &Value) {
        match filter["filter_type"].as_str() {
            Some("nested_filters") => self.add_group(filter),
            Some("custom_segments") => {
                // A reference without an id is recorded by its name.
                let id = filter["id"]
                    .as_str()
                    .or(filter["name"].as_str())
                    .unwrap_or_default();
                self.text.push_str(id);
                self.refers_to.insert(id.to_owned());
            }
            _ => {
                let amount = filter["value"].as_f64().unwrap_or_default();
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the simulator's amounts are small integers"
                )]
                let amount = amount as i64;
                self.text.push_str(&amount.to_string());
                self.amounts.insert(amount);
            }
        }
    }

    /// Whether two definitions have the same amounts and references. Their nesting in groups may differ.
    pub(crate) fn has_same_members(&self, other: &Self) -> bool {
        self.amounts == other.amounts && self.refers_to == other.refers_to
    }
}
