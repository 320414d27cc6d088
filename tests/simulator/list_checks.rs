//! Compares the lists of runs and of the state with the requests that are sent and with the people in each segment.

use super::disk::{MachineDisk, SimulatedFileSystem};
use super::executor::ProcessLifetime;
use super::ground_truth::Author;
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
use segctl::state::{CohortState, IntendedWrite, Intent, State, StateEntry, StateStore};
use segctl::storage::DirectoryStorage;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// Whether a request changes members or users.
pub(crate) fn is_list_request(request: &HttpRequest) -> bool {
    is_upload_request(request) || request.path.ends_with("/cohortsync")
}

/// Whether a state records that a run is about to send this list, so that later runs treat the people as uncertain.
pub(crate) fn has_recorded_request(
    state: &State,
    run: &str,
    (request, body): (&HttpRequest, &Value),
) -> bool {
    if is_upload_request(request) {
        return has_recorded_upload(state, run, body);
    }
    let key = cohort_key_of(body);
    let is_pending = |cohort_state: &CohortState| {
        cohort_state.key == key && cohort_state.partial.is_some() && cohort_state.ambiguous_since.is_some()
    };
    let is_intended = |intent: &Intent| {
        intent.step.run == run
            && matches!(&intent.write, IntendedWrite::CreateCohort { cohort_state } if is_pending(cohort_state))
    };
    let is_recorded =
        |entry: &StateEntry| entry.run == run && entry.cohort_state.as_deref().is_some_and(is_pending);
    state.intents().any(is_intended) || state.all_entries().any(is_recorded)
}

fn has_recorded_upload(state: &State, run: &str, body: &Value) -> bool {
    let is_file = |name: &ListDigest| body["file_url"] == published_url(name);
    let Some(id) = body["cs_id"].as_str() else {
        let is_intended = |intent: &Intent| {
            intent.step.run == run
                && body["name"] == intent.segment.as_str()
                && matches!(&intent.write, IntendedWrite::CreateFileSegment { published_file: Some(name), .. } if is_file(name))
        };
        return state.intents().any(is_intended);
    };
    state.all_entries().any(|entry| {
        let upload_state = entry.upload_state.as_deref();
        entry.id.as_str() == id
            && entry.run == run
            && upload_state.is_some_and(|upload_state| {
                let is_published = upload_state
                    .published_files
                    .iter()
                    .any(|published| is_file(&published.name));
                upload_state.users.is_none() && upload_state.ambiguous_since.is_some() && is_published
            })
    })
}

/// Whether a step may send these members.
pub(crate) fn matches_cohort_step((step, sync): (&Step, &CohortSync), body: &Value) -> bool {
    let (desired, sent) = (
        people::people_in_members(&sync.cohort.members),
        people::people_in_sync(body),
    );
    let is_planned = match body["action"].as_str() {
        Some("add_members") => desired.contains_all(sent),
        _ => sent.without(desired) == sent,
    };
    is_planned
        && cohort_key_of(body) == sync.cohort.key
        && body["parameters"]["cohort_name"] == step.segment.as_str()
}

/// Whether a step may upload this list.
pub(crate) fn matches_file_segment_step(
    (step, upload): (&Step, &UserListUpload),
    request: &HttpRequest,
    (body, sent): (&Value, Option<People>),
) -> bool {
    let (desired, change) = (
        people::people_in_users(&upload.upload.users),
        user_change_of(request),
    );
    // If the users of the segment are unknown, the whole list replaces them.
    let is_planned_change =
        request.method == "POST" || change == UserChange::Replace || upload.change == Some(change);
    let is_planned_list = sent.is_some_and(|sent| match change {
        UserChange::Add => desired.contains_all(sent),
        UserChange::Remove => sent.without(desired) == sent,
        UserChange::Replace => sent == desired,
    });
    let target = upload.target.as_ref();
    let is_target = target.is_none_or(|target| body["cs_id"] == target.id.as_str());
    is_planned_change && is_planned_list && is_target && body["name"] == step.segment.as_str()
}

impl SimulatedWorkspace {
    /// The people in the list of a request; `None` if its file is not published.
    pub(crate) fn people_in_request(&self, request: &HttpRequest, body: &Value) -> Option<People> {
        if is_upload_request(request) {
            return self.published_files.people(body["file_url"].as_str()?);
        }
        Some(people::people_in_sync(body))
    }

    /// An upload that adds or removes users turns the users after all queued uploads into the desired ones.
    ///
    /// A run only knows of an unreadable list if it started after the failure callback.
    pub(crate) fn require_known_base_list(&self, run: usize, request: &HttpRequest, step: Option<&Step>) {
        let change = user_change_of(request);
        let Some(Action::UploadUserList(upload)) = step.map(|step| &step.action) else {
            return;
        };
        if !is_upload_request(request) || request.method == "POST" || change == UserChange::Replace {
            return;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = body["cs_id"].as_str().unwrap_or_default();
        // The listing may not show that the segment is archived and lost its users.
        let is_hidden = self.hides_lifecycle_of(SegmentKind::File)
            && self
                .ground_truth
                .segments
                .get(id)
                .is_some_and(|segment| segment.is_archived);
        if is_hidden
            || self
                .callbacks
                .segment_has_unreported_failure(id, self.run_started_at[&run])
        {
            return;
        }
        let before = self.people_after_queue(id);
        let (sent, desired) = (
            self.people_in_request(request, &body).unwrap_or_default(),
            people::people_in_users(&upload.upload.users),
        );
        let after = if change == UserChange::Add {
            before.union(sent)
        } else {
            before.without(sent)
        };
        self.recorder.require(
            after == desired,
            "a difference is only sent to a known list",
            || format!("{change:?} {sent:?} to {before:?} does not give {desired:?}"),
        );
    }

    /// Whether a segment has the desired people after all queued uploads.
    pub(crate) fn has_desired_people(&self, id: &str, desired: People) -> bool {
        let people = self.people_after_queue(id);
        people == desired
            || self.may_keep_external_members(id) && people.contains_all(desired) && {
                let others = self.external_people.get(id).copied().unwrap_or_default();
                desired.union(others).contains_all(people)
            }
    }

    /// A run cannot remove members that others added to a cohort: the API does not list members.
    fn may_keep_external_members(&self, id: &str) -> bool {
        let segment = self.ground_truth.segments.get(id);
        segment.is_some_and(|segment| segment.kind == SegmentKind::Cohort)
    }
}

/// The people in each segment are within the bounds that the state records.
pub(crate) fn require_lists_correct(
    workspace: &SimulatedWorkspace,
    disk: &Arc<Mutex<MachineDisk>>,
    state: &State,
) {
    let disk = SimulatedFileSystem {
        disk: Arc::clone(disk),
        lifetime: ProcessLifetime::crashing_at(None),
        recorder: workspace.recorder.clone(),
        actor: "check".to_owned(),
    };
    let store = StateStore::new(DirectoryStorage::with_filesystem(disk, "state"));
    for entry in state.all_entries() {
        let exists = workspace.ground_truth.segments.contains_key(entry.id.as_str());
        let users = entry
            .upload_state
            .as_deref()
            .and_then(|upload_state| upload_state.users.as_ref()?.summary());
        let recorded = match (&entry.cohort_state, users) {
            (Some(cohort_state), _) => RecordedMembers::load(&store, Some(cohort_state))
                .now_or_never()
                .unwrap(),
            (None, Some(users)) => RecordedMembers::load_list(&store, Some(users))
                .now_or_never()
                .unwrap(),
            (None, None) => continue,
        };
        match recorded {
            Ok(_) if state.intents().any(|intent| is_unarchive(intent, entry)) => {}
            Ok(recorded) if exists => require_list_correct(workspace, entry, &recorded),
            Ok(_) => {}
            Err(RecordedMembersError::Store(_)) => {}
            Err(error) => workspace
                .recorder
                .report_violation("the member lists of the state exist", || {
                    format!("`{}`: {error}", entry.name)
                }),
        }
    }
}

/// Until the next apply, an interrupted unarchive leaves open whether the segment still has its users.
fn is_unarchive(intent: &Intent, entry: &StateEntry) -> bool {
    matches!(intent.write, IntendedWrite::SetLifecycle { .. }) && intent.targets(&entry.id, &entry.name)
}

fn require_list_correct(workspace: &SimulatedWorkspace, entry: &StateEntry, recorded: &RecordedMembers) {
    let id = entry.id.as_str();
    let segment = &workspace.ground_truth.segments[id];
    // The service drops the users of an archived file segment some time later. segctl expects that.
    if segment.kind == SegmentKind::File && segment.is_archived {
        return;
    }
    // The API does not show that the segment was archived until a dashboard user unarchived it.
    let was_archived_unseen = workspace.ground_truth.last_lifecycle_author(id) == Some(Author::Dashboard);
    if was_archived_unseen && workspace.ground_truth.were_users_dropped(id) {
        return;
    }
    // The users are uncertain until the failure callback arrives.
    let upload_state = entry.upload_state.as_deref();
    if upload_state.is_some_and(|upload_state| {
        workspace
            .callbacks
            .has_unreported_failure(&upload_state.pending, i64::MIN)
    }) {
        return;
    }
    let (mut confirmed, mut possible) = (People::default(), People::default());
    let mut bounds = recorded.bounds().unwrap();
    while let Some((value, is_confirmed)) = bounds.next_possible_member().unwrap() {
        let one = People::from_values(std::str::from_utf8(value).ok());
        possible = possible.union(one);
        confirmed = if is_confirmed {
            confirmed.union(one)
        } else {
            confirmed
        };
    }
    let others = workspace.external_people.get(id).copied().unwrap_or_default();
    if workspace.may_keep_external_members(id) {
        possible = possible.union(others);
    }
    let people = workspace.people_after_queue(id);
    workspace.recorder.require(
        people.contains_all(confirmed) && possible.contains_all(people),
        "the state records the people of a segment",
        || {
            format!(
                "`{}` ({id}) has {people:?}: confirmed {confirmed:?}, possible {possible:?}",
                entry.name
            )
        },
    );
}
