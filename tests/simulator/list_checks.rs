//! What runs and the ledger say of lists, held against the calls that are made and against who really is in a segment.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::ProcessLifetime;
use super::people::{self, People};
use super::publisher::published_url;
use super::upload_queue::user_change_of;
use super::workspace::{SimulatedWorkspace, cohort_key_of, is_upload_request};
use futures_util::FutureExt;
use segctl::member_list::PreviousMembers;
use segctl::model::{ListDigest, SegmentKind, UserChange};
use segctl::plan::step::{Action, CohortSync, Step, UserListUpload};
use segctl::sandbox::HttpRequest;
use segctl::state::member_lists::{RecordedMembers, RecordedMembersError};
use segctl::state::{CohortState, DirectoryStore, IntendedWrite, Intent, State, StateEntry};
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Whether a call is about members or users.
pub(crate) fn is_list_request(call: &HttpRequest) -> bool {
    is_upload_request(call) || call.path.ends_with("/cohortsync")
}

/// Whether a ledger says that a run is about to make a call about a list, so that nobody takes the list for known.
pub(crate) fn has_recorded_request(ledger: &State, run: &str, (call, body): (&HttpRequest, &Value)) -> bool {
    if is_upload_request(call) {
        return has_recorded_upload(ledger, run, body);
    }
    let key = cohort_key_of(body);
    let is_open =
        |sent: &CohortState| sent.key == key && sent.partial.is_some() && sent.ambiguous_since.is_some();
    let is_begun = |intent: &Intent| {
        intent.step.run == run
            && matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state: sent } if is_open(sent))
    };
    let is_known =
        |entry: &StateEntry| entry.run == run && entry.cohort_state.as_deref().is_some_and(is_open);
    ledger.intents().any(is_begun) || ledger.all_entries().any(is_known)
}

fn has_recorded_upload(ledger: &State, run: &str, body: &Value) -> bool {
    let is_file = |name: &ListDigest| body["file_url"] == published_url(name);
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
pub(crate) fn matches_cohort_step((step, sending): (&Step, &CohortSync), body: &Value) -> bool {
    let (wanted, told) = (
        people::people_in_members(&sending.cohort.members),
        people::people_in_sync(body),
    );
    let is_meant = match body["action"].as_str() {
        Some("add_members") => wanted.contains_all(told),
        _ => told.without(wanted) == told,
    };
    is_meant
        && cohort_key_of(body) == sending.cohort.key
        && body["parameters"]["cohort_name"] == step.segment.as_str()
}

/// Whether a step may have the service read this list.
pub(crate) fn matches_file_segment_step(
    (step, uploading): (&Step, &UserListUpload),
    call: &HttpRequest,
    (body, told): (&Value, Option<People>),
) -> bool {
    let (wanted, change) = (
        people::people_in_users(&uploading.upload.users),
        user_change_of(call),
    );
    // What nobody knows the users of gets all of them.
    let is_planned =
        call.method == "POST" || change == UserChange::Replace || uploading.change == Some(change);
    let is_meant = told.is_some_and(|told| match change {
        UserChange::Add => wanted.contains_all(told),
        UserChange::Remove => told.without(wanted) == told,
        UserChange::Replace => told == wanted,
    });
    let target = uploading.target.as_ref();
    let is_target = target.is_none_or(|target| body["cs_id"] == target.id.as_str());
    is_planned && is_meant && is_target && body["name"] == step.segment.as_str()
}

impl SimulatedWorkspace {
    /// The people that a call names; none where they are to be read and are not there.
    pub(crate) fn people_in_request(&self, call: &HttpRequest, body: &Value) -> Option<People> {
        if is_upload_request(call) {
            return self.published_files.people(body["file_url"].as_str()?);
        }
        Some(people::people_in_sync(body))
    }

    /// What is added or removed is the difference to who is there once everything is done that was told before: otherwise
    /// nobody knows who is there then.
    ///
    /// What a list before left that could not be read is known to a run that began after that was heard.
    pub(crate) fn require_known_base_list(&self, run: usize, call: &HttpRequest, step: Option<&Step>) {
        let change = user_change_of(call);
        let Some(Action::UploadUserList(uploading)) = step.map(|step| &step.action) else {
            return;
        };
        if !is_upload_request(call) || call.method == "POST" || change == UserChange::Replace {
            return;
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let id = body["cs_id"].as_str().unwrap_or_default();
        // Nothing tells of what is away where it is listed all the same, nor of whom it lost since.
        let is_away = self.shows_archived
            && self
                .ground_truth
                .segments
                .get(id)
                .is_some_and(|live| live.is_archived);
        if is_away
            || self
                .callbacks
                .segment_has_unreported_failure(id, self.run_started_at[&run])
        {
            return;
        }
        let before = self.people_after_queue(id);
        let (told, wanted) = (
            self.people_in_request(call, &body).unwrap_or_default(),
            people::people_in_users(&uploading.upload.users),
        );
        let after = if change == UserChange::Add {
            before.union(told)
        } else {
            before.without(told)
        };
        self.recorder.require(
            after == wanted,
            "no difference is sent to what is not known",
            || format!("{change:?} {told:?} to {before:?} does not give {wanted:?}"),
        );
    }

    /// Whether those are in a segment who should be, as soon as everything that the service was told of is done.
    pub(crate) fn has_desired_people(&self, id: &str, wanted: People) -> bool {
        let people = self.people_after_queue(id);
        people == wanted
            || self.may_keep_external_members(id) && people.contains_all(wanted) && {
                let others = self.external_people.get(id).copied().unwrap_or_default();
                wanted.union(others).contains_all(people)
            }
    }

    /// Nobody can take out of a cohort whom somebody else put into it: no call says who that is.
    fn may_keep_external_members(&self, id: &str) -> bool {
        let segment = self.ground_truth.segments.get(id);
        segment.is_some_and(|segment| segment.kind == SegmentKind::Cohort)
    }
}

/// Whom the ledger says to be in a segment are in it, and nobody else.
pub(crate) fn require_lists_correct(
    workspace: &SimulatedWorkspace,
    platter: &Arc<Mutex<MachineDisk>>,
    ledger: &State,
) {
    let disk = SimulatedFileSystem {
        disk: Arc::clone(platter),
        lifetime: ProcessLifetime::crashing_at(None),
        recorder: workspace.recorder.clone(),
        actor: "check".to_owned(),
    };
    let store = DirectoryStore::with_filesystem(disk, "ledger");
    for entry in ledger.all_entries() {
        let is_there = workspace.ground_truth.segments.contains_key(entry.id.as_str());
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
            Ok(kept) if is_there => require_list_correct(workspace, entry, &kept),
            Ok(_) => {}
            Err(RecordedMembersError::Store(_)) => {}
            Err(error) => workspace
                .recorder
                .report_violation("the lists that the ledger names are there", || {
                    format!("of `{}`: {error}", entry.name)
                }),
        }
    }
}

fn require_list_correct(workspace: &SimulatedWorkspace, entry: &StateEntry, kept: &RecordedMembers) {
    let id = entry.id.as_str();
    let segment = &workspace.ground_truth.segments[id];
    // The users of what is put away are dropped some time later, and whoever takes it out knows that.
    if segment.kind == SegmentKind::File && segment.is_archived || workspace.overtaken.contains(id) {
        return;
    }
    // Of what is still waited for nothing is sure.
    let uploaded = entry.upload_state.as_deref();
    if uploaded.is_some_and(|uploaded| {
        workspace
            .callbacks
            .has_unreported_failure(&uploaded.pending, i64::MIN)
    }) {
        return;
    }
    let (mut surely, mut possibly) = (People::default(), People::default());
    let mut known = kept.bounds().unwrap();
    while let Some((value, is_sure)) = known.next_possible_member().unwrap() {
        let one = People::from_values(std::str::from_utf8(value).ok());
        possibly = possibly.union(one);
        surely = if is_sure { surely.union(one) } else { surely };
    }
    let others = workspace.external_people.get(id).copied().unwrap_or_default();
    if workspace.may_keep_external_members(id) {
        possibly = possibly.union(others);
    }
    let people = workspace.people_after_queue(id);
    workspace.recorder.require(
        people.contains_all(surely) && possibly.contains_all(people),
        "the ledger says who is in a segment",
        || {
            format!(
                "`{}` ({id}) has {people:?}: surely {surely:?}, possibly {possibly:?}",
                entry.name
            )
        },
    );
}
