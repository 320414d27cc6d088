//! What runs and the ledger say of lists, held against the calls that are made and against who really is in a segment.

use super::disk::{Platter, SimulatedDisk};
use super::executor::Life;
use super::members::{self, People};
use super::publisher::address_of;
use super::queue::change_of;
use super::workspace::{Workspace, is_upload, key_of};
use futures_util::FutureExt;
use segctl::ledger::{DirectoryStore, StateEntry, Intent, State, CohortState, IntendedWrite};
use segctl::members::PreviousMembers;
use segctl::model::{ListDigest, SegmentKind, UserChange};
use segctl::observe::members::{RecordedMembersError, RecordedMembers};
use segctl::plan::step::{Action, CohortSync, Step, UserListUpload};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Whether a call is about members or users.
pub(crate) fn is_of_list(call: &HttpRequest) -> bool {
    is_upload(call) || call.path.ends_with("/cohortsync")
}

/// Whether a ledger says that a run is about to make a call about a list, so that nobody takes the list for known.
pub(crate) fn says_of_call(ledger: &State, run: &str, (call, body): (&HttpRequest, &Value)) -> bool {
    if is_upload(call) {
        return says_of_upload(ledger, run, body);
    }
    let key = key_of(body);
    let is_open = |sent: &CohortState| sent.key == key && sent.partial.is_some() && sent.ambiguous_since.is_some();
    let is_begun = |intent: &Intent| {
        intent.step.run == run && matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state: sent } if is_open(sent))
    };
    let is_known = |entry: &StateEntry| entry.run == run && entry.cohort_state.as_deref().is_some_and(is_open);
    ledger.intents().any(is_begun) || ledger.all_entries().any(is_known)
}

fn says_of_upload(ledger: &State, run: &str, body: &Value) -> bool {
    let is_file = |name: &ListDigest| body["file_url"] == address_of(name);
    let Some(id) = body["cs_id"].as_str() else {
        let is_begun = |intent: &Intent| {
            intent.step.run == run
                && body["name"] == intent.segment.as_str()
                && matches!(&intent.write, IntendedWrite::CreateFileSegment { published_file: Some(name), .. } if is_file(name))
        };
        return ledger.intents().any(is_begun);
    };
    ledger.all_entries().any(|entry| {
        let uploaded = entry.upload_state.as_deref();
        entry.id.as_str() == id
            && entry.run == run
            && uploaded.is_some_and(|uploaded| {
                let is_published = uploaded
                    .published_files
                    .iter()
                    .any(|published| is_file(&published.name));
                uploaded.users.is_none() && uploaded.ambiguous_since.is_some() && is_published
            })
    })
}

/// Whether a step may send these members.
pub(crate) fn is_sync_of((step, sending): (&Step, &CohortSync), body: &Value) -> bool {
    let (wanted, told) = (
        members::of_members(&sending.cohort.members),
        members::of_sync(body),
    );
    let is_meant = match body["action"].as_str() {
        Some("add_members") => wanted.has_all(told),
        _ => told.without(wanted) == told,
    };
    is_meant
        && key_of(body) == sending.cohort.key
        && body["parameters"]["cohort_name"] == step.segment.as_str()
}

/// Whether a step may have the service read this list.
pub(crate) fn is_upload_of(
    (step, uploading): (&Step, &UserListUpload),
    call: &HttpRequest,
    (body, told): (&Value, Option<People>),
) -> bool {
    let (wanted, change) = (members::of_users(&uploading.upload.users), change_of(call));
    // What nobody knows the users of gets all of them.
    let is_planned =
        call.method == "POST" || change == UserChange::Replace || uploading.change == Some(change);
    let is_meant = told.is_some_and(|told| match change {
        UserChange::Add => wanted.has_all(told),
        UserChange::Remove => told.without(wanted) == told,
        UserChange::Replace => told == wanted,
    });
    let target = uploading.target.as_ref();
    let is_target = target.is_none_or(|target| body["cs_id"] == target.id.as_str());
    is_planned && is_meant && is_target && body["name"] == step.segment.as_str()
}

impl Workspace {
    /// The people that a call names; none where they are to be read and are not there.
    pub(crate) fn people_told(&self, call: &HttpRequest, body: &Value) -> Option<People> {
        if is_upload(call) {
            return self.shelf.people(body["file_url"].as_str()?);
        }
        Some(members::of_sync(body))
    }

    /// What is added or removed is the difference to who is there once everything is done that was told before: otherwise
    /// nobody knows who is there then.
    ///
    /// What a list before left that could not be read is known to a run that began after that was heard.
    pub(crate) fn require_known_base(&self, run: usize, call: &HttpRequest, step: Option<&Step>) {
        let change = change_of(call);
        let Some(Action::UploadUserList(uploading)) = step.map(|step| &step.action) else {
            return;
        };
        if !is_upload(call) || call.method == "POST" || change == UserChange::Replace {
            return;
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let id = body["cs_id"].as_str().unwrap_or_default();
        // Nothing tells of what is away where it is listed all the same, nor of whom it lost since.
        let is_away = self.shows_archived && self.truth.segments.get(id).is_some_and(|live| live.is_archived);
        if is_away || self.hooks.is_in_doubt(id, self.began[&run]) {
            return;
        }
        let before = self.people_to_be(id);
        let (told, wanted) = (
            self.people_told(call, &body).unwrap_or_default(),
            members::of_users(&uploading.upload.users),
        );
        let after = if change == UserChange::Add {
            before.and(told)
        } else {
            before.without(told)
        };
        self.record.require(
            after == wanted,
            "no difference is sent to what is not known",
            || format!("{change:?} {told:?} to {before:?} does not give {wanted:?}"),
        );
    }

    /// Whether those are in a segment who should be, as soon as everything that the service was told of is done.
    pub(crate) fn has_people(&self, id: &str, wanted: People) -> bool {
        let people = self.people_to_be(id);
        people == wanted
            || self.may_have_more(id) && people.has_all(wanted) && {
                let others = self.made_by_hand.get(id).copied().unwrap_or_default();
                wanted.and(others).has_all(people)
            }
    }

    /// Nobody can take out of a cohort whom somebody else put into it: no call says who that is.
    fn may_have_more(&self, id: &str) -> bool {
        let segment = self.truth.segments.get(id);
        segment.is_some_and(|segment| segment.kind == SegmentKind::Cohort)
    }
}

/// Whom the ledger says to be in a segment are in it, and nobody else.
pub(crate) fn are_true(workspace: &Workspace, platter: &Arc<Mutex<Platter>>, ledger: &State) {
    let disk = SimulatedDisk {
        platter: Arc::clone(platter),
        life: Life::until(None),
        record: workspace.record.clone(),
        who: "check".to_owned(),
    };
    let store = DirectoryStore::with_filesystem(disk, "ledger");
    for entry in ledger.all_entries() {
        let is_there = workspace.truth.segments.contains_key(entry.id.as_str());
        let uploaded = entry
            .upload_state
            .as_deref()
            .and_then(|uploaded| uploaded.users.as_ref()?.summary());
        let kept = match (&entry.cohort_state, uploaded) {
            (Some(sent), _) => RecordedMembers::load(&store, Some(sent)).now_or_never().unwrap(),
            (None, Some(users)) => RecordedMembers::load_list(&store, Some(users))
                .now_or_never()
                .unwrap(),
            (None, None) => continue,
        };
        match kept {
            Ok(kept) if is_there => is_true(workspace, entry, &kept),
            Ok(_) => {}
            Err(RecordedMembersError::Store(_)) => {}
            Err(error) => workspace
                .record
                .violated("the lists that the ledger names are there", || {
                    format!("of `{}`: {error}", entry.name)
                }),
        }
    }
}

fn is_true(workspace: &Workspace, entry: &StateEntry, kept: &RecordedMembers) {
    let id = entry.id.as_str();
    let segment = &workspace.truth.segments[id];
    // The users of what is put away are dropped some time later, and whoever takes it out knows that.
    if segment.kind == SegmentKind::File && segment.is_archived || workspace.strayed.contains(id) {
        return;
    }
    // Of what is still waited for nothing is sure.
    let uploaded = entry.upload_state.as_deref();
    if uploaded.is_some_and(|uploaded| workspace.hooks.is_unheard(&uploaded.pending, i64::MIN)) {
        return;
    }
    let (mut surely, mut possibly) = (People::default(), People::default());
    let mut known = kept.bounds().unwrap();
    while let Some((value, is_sure)) = known.next_possible_member().unwrap() {
        let one = People::of(std::str::from_utf8(value).ok());
        possibly = possibly.and(one);
        surely = if is_sure { surely.and(one) } else { surely };
    }
    let others = workspace.made_by_hand.get(id).copied().unwrap_or_default();
    if workspace.may_have_more(id) {
        possibly = possibly.and(others);
    }
    let people = workspace.people_to_be(id);
    workspace.record.require(
        people.has_all(surely) && possibly.has_all(people),
        "the ledger says who is in a segment",
        || {
            format!(
                "`{}` ({id}) has {people:?}: surely {surely:?}, possibly {possibly:?}",
                entry.name
            )
        },
    );
}
