//! What the state records of one segment.

use super::{CohortState, UploadState};
use crate::definition::{Digest, Identities};
use crate::model::{Lifecycle, Payload, SegmentId, SegmentKind, SegmentName, StoredDefinition};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How many replaced definitions the state stores of one segment. MoEngage's own history holds the last 20 edits.
pub const REVISION_LIMIT: usize = 20;

/// MoEngage documents that it archives a segment that was not used for 60 days.
const AUTO_ARCHIVE_AFTER: SignedDuration = SignedDuration::from_hours(60 * 24);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateEntry {
    pub id: SegmentId,
    pub name: SegmentName,
    pub kind: SegmentKind,
    pub lifecycle: Lifecycle,
    /// Whether `lifecycle` may be wrong: a run was interrupted while it archived or unarchived the segment, and the list
    /// shows archived segments too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lifecycle_unknown: bool,
    /// Whether its configuration protected it. The file may no longer exist when this matters.
    #[serde(default)]
    pub protect: bool,
    /// Whether the entry exists only for a definition that a run was about to replace, or for a write with an unknown
    /// result. No write is known to have taken effect, so the segment is unmanaged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history_only: bool,
    /// Its definition, with ids in references; `None` if segctl only archived or unarchived it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<StoredDefinition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of `definition` as MoEngage returned it, if that form differs; references are compared by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_digest: Option<Digest>,
    /// `None` also for a cohort with unknown members; likewise for `upload_state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort_state: Option<Box<CohortState>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload_state: Option<Box<UploadState>>,
    /// Reserved forever where a rename does not free names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_names: Vec<SegmentName>,
    /// The `previous_names` of its declaration at the last apply: no later plan moves the id by them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_previous_names: Vec<SegmentName>,
    /// Replaced definitions, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
    /// How many older revisions were dropped, so that the number of a stored one never changes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_revisions: usize,
    pub applied_at: Timestamp,
    /// When a cohort or file segment became active, if that was before `applied_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_since: Option<Timestamp>,
    pub run: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    pub name: SegmentName,
    /// What MoEngage returned before it was overwritten; what segctl wrote, if MoEngage returned that.
    pub definition: StoredDefinition,
    /// As in the entry: a late request may bring the definition back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_digest: Option<Digest>,
    pub replaced_at: Timestamp,
    pub run: String,
}

impl StateEntry {
    /// An active filter segment without a known definition.
    #[must_use]
    pub fn new(id: SegmentId, name: SegmentName, applied_at: Timestamp) -> Self {
        Self {
            id,
            name,
            kind: SegmentKind::Filter,
            lifecycle: Lifecycle::Active,
            lifecycle_unknown: false,
            protect: false,
            history_only: false,
            definition: None,
            digest: None,
            returned_digest: None,
            cohort_state: None,
            upload_state: None,
            previous_names: Vec::new(),
            used_previous_names: Vec::new(),
            revisions: Vec::new(),
            dropped_revisions: 0,
            applied_at,
            active_since: None,
            run: String::new(),
        }
    }

    /// The managed entry after another write.
    #[must_use]
    pub fn written(self, applied_at: Timestamp, run: String) -> Self {
        let is_filter = self.kind == SegmentKind::Filter;
        Self {
            history_only: false,
            active_since: self.active_since.or(Some(self.applied_at)).filter(|_| !is_filter),
            applied_at,
            run,
            ..self
        }
    }

    pub fn set_lifecycle(&mut self, lifecycle: Lifecycle) {
        self.lifecycle = lifecycle;
        self.lifecycle_unknown = false;
    }

    /// Records that the last write archived or unarchived the segment.
    pub fn change_lifecycle(&mut self, lifecycle: Lifecycle) {
        self.set_lifecycle(lifecycle);
        self.active_since = None;
    }

    /// Whether MoEngage has archived the segment by now if nothing used it. A sync or an upload does not count as a use.
    #[must_use]
    pub fn may_be_auto_archived(&self, now: Timestamp) -> bool {
        let active_since = self.active_since.unwrap_or(self.applied_at);
        active_since.duration_until(now) >= AUTO_ARCHIVE_AFTER
    }

    /// The last definition that segctl wrote, or an earlier one, if `remote` is the form in which MoEngage returns it;
    /// otherwise `remote`.
    #[must_use]
    pub fn as_written<'p>(&'p self, remote: &'p Payload) -> &'p Payload {
        let written = self.written_if_returned(|| form_digest(remote));
        written.map_or(remote, StoredDefinition::payload)
    }

    pub(super) fn written_if_returned(&self, digest: impl FnOnce() -> Digest) -> Option<&StoredDefinition> {
        if !self.has_returned_forms() {
            return None;
        }
        let digest = digest();
        let last = self
            .definition
            .iter()
            .map(|definition| (definition, self.returned_digest));
        let replaced = self.revisions.iter().rev();
        let replaced = replaced.map(|revision| (&revision.definition, revision.returned_digest));
        // The form of an earlier definition may be the last one.
        let mut definitions = last.chain(replaced);
        let (written, _) = definitions.find(|(definition, returned)| {
            *returned == Some(digest) || definition.facts().digests.exact == digest
        })?;
        Some(written)
    }

    /// Whether MoEngage returns a definition that segctl wrote in another form.
    #[must_use]
    pub fn has_returned_forms(&self) -> bool {
        let mut replaced = self.revisions.iter().map(|revision| revision.returned_digest);
        self.returned_digest.is_some() || replaced.any(|returned| returned.is_some())
    }

    pub fn set_definition(&mut self, definition: impl Into<StoredDefinition>, digest: String) {
        let definition = definition.into();
        if self.definition.as_ref() != Some(&definition) {
            self.returned_digest = None;
        }
        self.definition = Some(definition);
        self.digest = Some(digest);
    }

    /// Records the form in which MoEngage returns the definition.
    pub fn set_returned_form(&mut self, returned: &Payload) {
        let written = self.definition.as_deref();
        self.returned_digest = written.and_then(|written| returned_digest(written, returned));
    }

    pub fn add_revision(&mut self, new: Revision) {
        match self.revisions.last_mut() {
            // A run after a crash replaces the same definition again.
            Some(last) if last.definition == new.definition && last.name == new.name => *last = new,
            _ => self.revisions.push(new),
        }
        let excess = self.revisions.len().saturating_sub(REVISION_LIMIT);
        self.revisions.drain(..excess);
        self.dropped_revisions = self.dropped_revisions.saturating_add(excess);
    }

    #[must_use]
    pub fn with_revisions_of(self, other: &Self) -> Self {
        Self {
            revisions: other.revisions.clone(),
            dropped_revisions: other.dropped_revisions,
            ..self
        }
    }

    /// The revisions, oldest first, each with its number: 1 is the first that was ever recorded.
    pub fn numbered_revisions(&self) -> impl Iterator<Item = (usize, &Revision)> {
        let stored = self.revisions.iter().enumerate();
        stored.map(|(index, revision)| (self.dropped_revisions.saturating_add(index + 1), revision))
    }

    #[must_use]
    pub fn revision(&self, number: usize) -> Option<&Revision> {
        let index = number.checked_sub(self.dropped_revisions.saturating_add(1))?;
        self.revisions.get(index)
    }

    #[must_use]
    pub fn has_or_had_name(&self, name: &SegmentName) -> bool {
        let replaced = self.revisions.iter().map(|revision| &revision.name);
        let mut names = self.previous_names.iter().chain(replaced).chain([&self.name]);
        names.any(|other| other == name)
    }

    pub fn rename(&mut self, name: SegmentName) {
        if name == self.name {
            return;
        }
        let former = std::mem::replace(&mut self.name, name);
        self.previous_names
            .retain(|other| *other != former && *other != self.name);
        self.previous_names.push(former);
    }
}

/// The digest of the form in which MoEngage returns a definition, if it is another form than `written`.
#[must_use]
pub fn returned_digest(written: &Payload, returned: &Payload) -> Option<Digest> {
    let digest = form_digest(returned);
    (digest != form_digest(written)).then_some(digest)
}

/// Ids are the same in all forms, whichever segments are declared.
fn form_digest(definition: &Payload) -> Digest {
    Digest::exact(definition, &Identities::default())
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn entry() -> StateEntry {
        StateEntry::new(
            SegmentId::new("a1"),
            SegmentName::new("One"),
            Timestamp::UNIX_EPOCH,
        )
    }

    fn payload(amount: usize) -> Payload {
        Payload {
            included_filters: json!({"filter_operator": "and", "filters": [{"value": amount}]}),
            excluded_filters: None,
        }
    }

    fn revision(amount: usize) -> Revision {
        Revision {
            name: SegmentName::new("One"),
            definition: StoredDefinition::from(payload(amount)),
            returned_digest: None,
            replaced_at: Timestamp::UNIX_EPOCH,
            run: "run".to_owned(),
        }
    }

    #[test]
    fn a_revision_number_is_stable_while_the_revision_is_stored() {
        let mut entry = entry();
        for amount in 1..=REVISION_LIMIT + 5 {
            entry.add_revision(revision(amount));
            // A repeated run does not use up a number.
            entry.add_revision(revision(amount));
            let numbers: Vec<usize> = entry.numbered_revisions().map(|(number, _)| number).collect();
            let oldest = amount.saturating_sub(REVISION_LIMIT) + 1;
            assert_eq!(numbers, (oldest..=amount).collect::<Vec<_>>());
            for number in numbers {
                assert_eq!(entry.revision(number), Some(&revision(number)));
            }
            for number in [0, oldest - 1, amount + 1, usize::MAX] {
                assert_eq!(entry.revision(number), None);
            }
        }
    }

    #[test]
    fn an_interrupted_replacement_is_recorded_once() {
        let mut entry = entry();
        entry.add_revision(revision(1));
        let again = Revision {
            replaced_at: Timestamp::from_second(60).unwrap(),
            run: "next".to_owned(),
            ..revision(1)
        };
        entry.add_revision(again.clone());
        assert_eq!(entry.numbered_revisions().collect::<Vec<_>>(), [(1, &again)]);
    }

    #[test]
    fn an_entry_without_revision_numbers_is_read_and_numbered() {
        let mut entry = entry();
        for amount in 1..=REVISION_LIMIT {
            entry.add_revision(revision(amount));
        }
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(written.get("dropped_revisions"), None);
        let mut read: StateEntry = serde_json::from_str(&written.to_string()).unwrap();
        read.add_revision(revision(REVISION_LIMIT + 1));
        assert_eq!(read.revision(2), Some(&revision(2)));
        let written: Value = serde_json::to_value(&read).unwrap();
        assert_eq!(written.get("dropped_revisions"), Some(&json!(1)));
        assert_eq!(
            serde_json::from_str::<StateEntry>(&written.to_string()).unwrap(),
            read
        );
    }

    #[test]
    fn the_returned_form_counts_as_the_written_definition_until_another_is_written() {
        let [written, other] = [1, 2].map(payload);
        let mut returned = written.clone();
        returned.included_filters["label"] = json!("new");
        let mut entry = entry();
        entry.set_definition(written.clone(), "digest".to_owned());
        assert_eq!(entry.as_written(&returned), &returned);
        entry.set_returned_form(&returned);
        assert_eq!(entry.as_written(&returned), &written);
        assert_eq!(entry.as_written(&written), &written);
        assert_eq!(entry.as_written(&other), &other);
        let read: StateEntry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(read, entry);
        // The same definition again keeps the form.
        entry.set_definition(written.clone(), "digest".to_owned());
        assert_eq!(entry.as_written(&returned), &written);
        entry.set_definition(other, "digest".to_owned());
        assert_eq!(entry.as_written(&returned), &returned);
        // An answer in the form that was sent needs no record.
        entry.set_definition(written.clone(), "digest".to_owned());
        entry.set_returned_form(&written);
        assert_eq!(entry.returned_digest, None);
    }

    #[test]
    fn the_returned_form_of_a_replaced_definition_counts_as_that_definition() {
        let [first, second] = [1, 2].map(payload);
        let returned = |definition: &Payload| {
            let mut returned = definition.clone();
            returned.included_filters["label"] = json!("new");
            returned
        };
        let mut entry = entry();
        entry.set_definition(first.clone(), "digest".to_owned());
        entry.set_returned_form(&returned(&first));
        entry.add_revision(Revision {
            returned_digest: returned_digest(&first, &returned(&first)),
            ..revision(1)
        });
        entry.set_definition(second.clone(), "digest".to_owned());
        let read: StateEntry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(read, entry);
        for entry in [&entry, &read] {
            assert_eq!(entry.as_written(&returned(&first)), &first);
            assert_eq!(entry.as_written(&second), &second);
            assert_eq!(entry.as_written(&returned(&second)), &returned(&second));
        }
        // The last definition is the form of the first one.
        entry.set_definition(returned(&first), "digest".to_owned());
        assert_eq!(entry.as_written(&returned(&first)), &returned(&first));
    }

    #[test]
    fn an_entry_without_used_previous_names_is_read() {
        let written = serde_json::to_value(entry()).unwrap();
        assert_eq!(written.get("used_previous_names"), None);
        let used = StateEntry {
            used_previous_names: vec![SegmentName::new("Old")],
            ..entry()
        };
        let written_used = serde_json::to_value(&used).unwrap();
        assert_eq!(written_used.get("used_previous_names"), Some(&json!(["Old"])));
        assert_eq!(serde_json::from_value::<StateEntry>(written).unwrap(), entry());
        assert_eq!(serde_json::from_value::<StateEntry>(written_used).unwrap(), used);
    }

    #[test]
    fn an_entry_matches_its_current_and_previous_names() {
        let mut entry = entry();
        entry.rename(SegmentName::new("Two"));
        entry.add_revision(Revision {
            name: SegmentName::new("Other"),
            ..revision(1)
        });
        for (name, had) in [("One", true), ("Two", true), ("Other", true), ("Three", false)] {
            assert_eq!(entry.has_or_had_name(&SegmentName::new(name)), had, "{name}");
        }
    }
}
