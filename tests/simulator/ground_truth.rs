//! What is really there: every segment and every write, as whoever sees everything would know it. Kept from what the
//! service committed, apart from the service's own state, and compared with that.

use super::people::{self, People};
use super::recorder::Recorder;
use segctl::model::{CohortKey, SegmentKind};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Who changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A run of segctl, by its number.
    Run(usize),
    /// A run's request that arrived after it had given up waiting for it.
    LateRequest(usize),
    /// A dashboard user.
    Dashboard,
    /// Time: what nobody runs is archived.
    Expiry,
    /// The service, which does later what it was told to do with a list.
    UploadQueue,
}

/// How long lists may lag behind, in milliseconds.
const LIST_LAG: i64 = 30_000;

/// A segment as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActualSegment {
    pub(crate) name: String,
    pub(crate) kind: SegmentKind,
    /// What a cohort is known by.
    pub(crate) key: Option<CohortKey>,
    /// Its definition in the API's own JSON.
    pub(crate) definition: Value,
    pub(crate) meaning: Meaning,
    /// Who is in it, where lists say so.
    pub(crate) people: People,
    pub(crate) is_archived: bool,
}

/// What a definition says, without what only its form says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Meaning {
    /// Groups and filters as a short text, references by id.
    pub(crate) text: String,
    /// The numbers in it, which tell definitions apart.
    pub(crate) amounts: BTreeSet<i64>,
    /// The ids that it refers to.
    pub(crate) refers_to: BTreeSet<String>,
}

/// A change of a segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentChange {
    /// When, in milliseconds since 1970.
    pub(crate) changed_at: i64,
    pub(crate) author: Author,
    pub(crate) id: String,
    pub(crate) effect: EffectTiming,
    /// How many changes there were when the run that made it looked at the segment last.
    pub(crate) changes_at_read: usize,
    /// `None` where it was made.
    pub(crate) before: Option<ActualSegment>,
    pub(crate) after: ActualSegment,
}

/// When a call does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EffectTiming {
    Immediate,
    /// The service has taken it, and does it when it comes to it.
    Queued,
}

/// Everything that happened to segments.
#[derive(Default)]
pub(crate) struct GroundTruth {
    pub(crate) now: i64,
    /// How many changes, and how many looks of anybody, there were when a run looked at a segment last.
    last_reads: BTreeMap<(usize, String), (usize, usize)>,
    pub(crate) read_count: usize,
    /// Segments that a call was to put away or take out that was not answered.
    pub(crate) ambiguous_lifecycle_changes: BTreeSet<String>,
    /// Segments whose creation was answered, so that the run that made them knew of it.
    pub(crate) confirmed_creates: BTreeSet<String>,
    pub(crate) segments: BTreeMap<String, ActualSegment>,
    pub(crate) changes: Vec<SegmentChange>,
}

impl GroundTruth {
    /// Takes down that a run looks at a segment.
    pub(crate) fn record_read(&mut self, run: usize, id: &str) {
        self.read_count += 1;
        let when = (self.changes.len(), self.read_count);
        self.last_reads.insert((run, id.to_owned()), when);
    }

    /// Takes down what a segment is from now on.
    pub(crate) fn record_change(&mut self, author: Author, id: &str, after: ActualSegment) {
        self.record_change_with_effect((author, EffectTiming::Immediate), id, after);
    }

    /// Takes down what a segment is from now on, or is to be.
    pub(crate) fn record_change_with_effect(
        &mut self,
        (author, effect): (Author, EffectTiming),
        id: &str,
        after: ActualSegment,
    ) {
        let looked_at = match author {
            Author::Run(run) => self.changes_at_last_read(run, id),
            Author::LateRequest(_) | Author::Dashboard | Author::Expiry | Author::UploadQueue => None,
        };
        let before = self.segments.insert(id.to_owned(), after.clone());
        self.changes.push(SegmentChange {
            changed_at: self.now,
            author,
            id: id.to_owned(),
            effect,
            changes_at_read: looked_at.unwrap_or_default(),
            before,
            after,
        });
    }

    /// How many writes a list may still lack: those of the last half minute.
    pub(crate) fn recent_write_count(&self) -> usize {
        let is_new = |change: &&SegmentChange| change.changed_at > self.now - LIST_LAG;
        let latest = self.changes.iter().rev().take_while(is_new);
        let is_write = |change: &&SegmentChange| {
            !matches!(change.author, Author::Expiry | Author::UploadQueue)
                && change.effect == EffectTiming::Immediate
        };
        latest.filter(is_write).count()
    }

    /// How many changes there were when a run looked at a segment last.
    pub(crate) fn changes_at_last_read(&self, run: usize, id: &str) -> Option<usize> {
        self.last_reads
            .get(&(run, id.to_owned()))
            .map(|(changes, _)| *changes)
    }

    /// Whether a run looked at a segment after so many looks.
    pub(crate) fn has_read_since(&self, run: usize, id: &str, since: usize) -> bool {
        let last = self.last_reads.get(&(run, id.to_owned()));
        last.is_some_and(|(_, look)| *look > since)
    }

    /// Whether a create that was given up made a segment although another one of the same run had made it, and somebody had
    /// freed its name by then: nobody can know that it was still on its way.
    pub(crate) fn is_late_duplicate(&self, id: &str) -> bool {
        let Some(made) = self.changes.iter().find(|change| change.id == id) else {
            return false;
        };
        let Author::LateRequest(run) = made.author else {
            return false;
        };
        let mut earlier = self.changes.iter().take_while(|change| change.id != id);
        earlier.any(|change| {
            change.before.is_none()
                && [Author::Run(run), Author::LateRequest(run)].contains(&change.author)
                && change.after.name == made.after.name
        })
    }

    /// Who put a segment away or took it out last, be it by making it.
    pub(crate) fn last_lifecycle_author(&self, id: &str) -> Option<Author> {
        let mut changes = self.changes.iter().rev().filter(|change| change.id == id);
        let is_move = |change: &&SegmentChange| {
            let before = change.before.as_ref();
            before.is_none_or(|before| before.is_archived != change.after.is_archived)
        };
        changes.find(is_move).map(|change| change.author)
    }

    /// Whether anything is not as it was before a run, as far as nobody else changed it.
    pub(crate) fn is_still_changed_by(&self, run: usize) -> bool {
        let mut seen = BTreeSet::new();
        self.changes.iter().enumerate().any(|(place, change)| {
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
            !is_same && !self.was_changed_by_others(&change.id, place, run)
        })
    }

    /// Whether anybody but run `run` changed a segment after `since` changes; what the service does with a list was told
    /// to it before.
    pub(crate) fn was_changed_by_others(&self, id: &str, since: usize, run: usize) -> bool {
        let changes = self.changes.get(since..).unwrap_or_default();
        let is_other = |author| ![Author::Run(run), Author::UploadQueue].contains(&author);
        changes
            .iter()
            .any(|change| change.id == id && is_other(change.author))
    }

    /// The segment of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<(&str, &ActualSegment)> {
        let mut segments = self.segments.iter();
        let found = segments.find(|(_, segment)| segment.name == name);
        found.map(|(id, segment)| (id.as_str(), segment))
    }

    /// The cohort of this key.
    pub(crate) fn by_cohort_key(&self, key: &CohortKey) -> Option<(&str, &ActualSegment)> {
        let mut segments = self.segments.iter();
        let found = segments.find(|(_, segment)| segment.key.as_ref() == Some(key));
        found.map(|(id, segment)| (id.as_str(), segment))
    }

    /// Whether a segment has a name, or had it.
    pub(crate) fn was_name_used(&self, name: &str) -> bool {
        self.changes.iter().any(|change| change.after.name == name)
    }

    /// Compares everything with the service's own state, and learns what time archived.
    pub(crate) fn check_against_service(&mut self, state: &Value, record: &Recorder) {
        let segments = state["segments"].as_object().unwrap();
        record.require(
            segments.len() == self.segments.len(),
            GROUND_TRUTH_INVARIANT,
            || {
                format!(
                    "{} segments at the service, {} known",
                    segments.len(),
                    self.segments.len()
                )
            },
        );
        for (id, stored) in segments {
            let Some(known) = self.segments.get(id) else {
                record.report_violation(GROUND_TRUTH_INVARIANT, || format!("{id} is not known"));
                continue;
            };
            let filters = &stored["contents"]["filters"];
            let meaning = Meaning::from_filters(&filters["included"], &filters["excluded"]);
            record.require(
                known.name == stored["name"] && known.meaning == meaning,
                GROUND_TRUTH_INVARIANT,
                || format!("{id} is {stored}, known as {known:?}"),
            );
            let is_archived = !stored["archived"].is_null();
            let people = people::people_in_sandbox(&stored["contents"]);
            // The users of a file segment that is put away are dropped some time later.
            let is_dropped = known.kind == SegmentKind::File && is_archived && people == People::default();
            record.require(
                known.people == people || is_dropped,
                GROUND_TRUTH_INVARIANT,
                || format!("{id} has {people:?}, known as {known:?}"),
            );
            if is_archived && !known.is_archived || known.people != people {
                let after = ActualSegment {
                    is_archived,
                    people,
                    ..known.clone()
                };
                self.record_change(Author::Expiry, id, after);
            } else {
                record.require(is_archived == known.is_archived, GROUND_TRUTH_INVARIANT, || {
                    format!("{id} is archived")
                });
            }
        }
    }
}

/// A fault of the simulator itself, should it ever be broken.
const GROUND_TRUTH_INVARIANT: &str = "the simulator knows what is there";

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

    /// One that has no filters, and nobody in it yet.
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
    /// What a definition in the API's JSON says.
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
        for (place, filter) in filters.iter().enumerate() {
            if place > 0 {
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
                // A reference by name that has no id yet stands for itself.
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
                    reason = "the world's amounts are small and whole"
                )]
                let amount = amount as i64;
                self.text.push_str(&amount.to_string());
                self.amounts.insert(amount);
            }
        }
    }

    /// Whether two definitions have the same members as far as numbers and references tell: one may stand in one more
    /// group than the other.
    pub(crate) fn has_same_members(&self, other: &Self) -> bool {
        self.amounts == other.amounts && self.refers_to == other.refers_to
    }
}
