//! Sends the user list of a file segment: one request, which MoEngage accepts and processes later.
//!
//! segctl first publishes a local list, the whole list or only its changes. After a request without a response the users
//! of the segment are unknown. segctl then sends a request that replaces all users, whatever the earlier one did. If that
//! is not answered either, the state has no users for the segment, and the next run replaces them.

mod published_files;

use super::run_report::{ListOutcome, SkipReason, StepOutcome};
use super::upload_results::PendingUpload;
use super::{Applier, MAX_ATTEMPTS, StepError, attempts_exhausted, unverifiable};
use crate::api::{
    ApiError, Clock, Operation, Permit, RemoteSegment, RequestError, Transport, UploadParameters,
};
use crate::model::{
    Lifecycle, ListDigest, SegmentId, SegmentKind, UploadId, UserChange, UserListFingerprint,
};
use crate::plan::step::{Step, UserListUpload};
use crate::state::{
    Addition, IntendedWrite, Intent, JournalEntry, State, StateEntry, StateStore, UploadState,
};
use jiff::Timestamp;
use published_files::UploadSource;
use std::io;

struct FileUploadRun<'s> {
    step: &'s Step,
    list_upload: &'s UserListUpload,
    id: Option<SegmentId>,
    /// `None`: the request creates the segment.
    change: Option<UserChange>,
    is_rechecked: bool,
    has_started: bool,
    /// The state before the request.
    upload_state: UploadState,
    /// The error of the last unanswered request.
    ambiguous_error: Option<RequestError>,
    ambiguous_since: Option<Timestamp>,
    /// `None` if segctl receives no callback for the request.
    upload_id: Option<UploadId>,
    /// Unanswered requests of this step: MoEngage may have accepted them.
    ambiguous_uploads: Vec<UploadId>,
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    pub(super) async fn upload(
        &self,
        step: &Step,
        list_upload: &UserListUpload,
    ) -> Result<StepOutcome, StepError> {
        if !self.users_match_plan(list_upload).await {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        }
        let source = match self
            .load_upload_source(list_upload)
            .await
            .map_err(StepError::StateBeforeWrite)?
        {
            Ok(source) => source,
            Err(message) => return Ok(StepOutcome::failed(message)),
        };
        let ambiguous_since = match &list_upload.recorded {
            Some(recorded) => recorded.ambiguous_since,
            None => self.earlier_intent_at(step).await,
        };
        let operation = Operation::Upload(step.segment.clone());
        self.wait_out_in_flight(operation, ambiguous_since).await?;
        if let UploadSource::Local {
            digest, full_list, ..
        } = &source
        {
            self.run_state().has_saved_lists = true;
            let saved = self.store.save_member_list(digest, full_list).await;
            saved.map_err(StepError::StateBeforeWrite)?;
        }
        let recorded = self.recorded_upload_state(list_upload).await;
        let mut step_run = FileUploadRun::new(step, list_upload, recorded);
        let result = self.send_upload(&source, &mut step_run).await;
        let outcome = self.with_ambiguity_of(result, step_run.ambiguous_error.as_ref())?;
        if !outcome.is_done() {
            self.record_ambiguous_upload(&step_run).await?;
        }
        Ok(outcome)
    }

    async fn users_match_plan(&self, list_upload: &UserListUpload) -> bool {
        if list_upload.target.is_none() {
            return true;
        }
        let recorded = self.recorded_upload_state(list_upload).await;
        match (recorded, &list_upload.recorded) {
            (Some(recorded), Some(planned)) => {
                recorded.eq_ignoring_uploads(planned)
                    || differs_by_unarchive_only(&recorded, (planned, list_upload.change))
            }
            (recorded, planned) => recorded.is_none() && planned.is_none(),
        }
    }

    async fn recorded_upload_state(&self, list_upload: &UserListUpload) -> Option<UploadState> {
        let target = list_upload.target.as_ref()?;
        let state = self.state.lock().await;
        state.any_entry(&target.id)?.upload_state.as_deref().cloned()
    }

    /// When an earlier run intended to create the segment, if the result is unknown.
    async fn earlier_intent_at(&self, step: &Step) -> Option<Timestamp> {
        let state = self.state.lock().await;
        let intents = state
            .intents()
            .filter(|intent| self.is_earlier_intent(intent, step));
        intents.map(|intent| intent.at).max()
    }

    fn is_earlier_intent(&self, intent: &Intent, step: &Step) -> bool {
        intent.step != self.step_key(step)
            && intent.segment == step.segment
            && matches!(intent.write, IntendedWrite::CreateFileSegment { .. })
    }

    /// Repeats the request until it is answered.
    async fn send_upload(
        &self,
        source: &UploadSource,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<StepOutcome, StepError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let operation = step_run.operation();
            let target = (step_run.list_upload.target.as_ref(), &mut step_run.is_rechecked);
            let Some(permit) = self.permit_after_recheck(&operation, target).await? else {
                return Ok(StepOutcome::Skipped(SkipReason::Drifted));
            };
            step_run.upload_id = match step_run.list_upload.upload.callback_url {
                // The callback goes to the declared URL instead of segctl.
                Some(_) => None,
                None => self.generate_upload_id(step_run.step, attempt),
            };
            let url = match self.record_and_publish(source, step_run).await? {
                Ok(url) => url,
                Err(error) => {
                    self.client.release(permit);
                    // No request was sent, so no callback can arrive.
                    step_run.upload_id = None;
                    return Ok(publish_failed(&error, step_run.ambiguous_error.as_ref()));
                }
            };
            let error = match self.send_upload_once(permit, &url, step_run).await {
                Ok(id) => return self.finish_upload(id, step_run).await,
                Err(error) => error,
            };
            let is_ambiguous = error.is_ambiguous_write();
            if error.may_still_be_processed() {
                step_run.ambiguous_since = Some(self.clock.now());
            }
            let upload = step_run.upload_id.take();
            step_run
                .ambiguous_uploads
                .extend(upload.filter(|_| is_ambiguous || error.may_still_be_processed()));
            let is_name_taken = matches!(error.kind, ApiError::NameTaken { .. }) && step_run.change.is_none();
            if is_ambiguous || is_name_taken {
                let should_retry = self.should_retry(attempt, &error).await;
                if step_run.change.is_none()
                    && let Some(outcome) = self.verify_created_file_segment(&error, step_run).await?
                {
                    return Ok(outcome);
                }
                if !should_retry {
                    let outcome = attempts_exhausted(attempt, &error);
                    step_run.ambiguous_error = Some(error);
                    return Ok(outcome);
                }
                // The request may have been processed partially or twice: replacing all users is correct in any case.
                step_run.change = step_run.change.map(|_| UserChange::Replace);
                step_run.ambiguous_error = Some(error);
            } else if !self.client.backoff(attempt, &error).await {
                let is_other_kind = step_run.id.is_none() && matches!(error.kind, ApiError::NotFound { .. });
                return Ok(match &step_run.ambiguous_error {
                    // The replacement found no file segment of this name.
                    Some(taken) if is_other_kind && matches!(taken.kind, ApiError::NameTaken { .. }) => {
                        name_holder_not_listed(taken)
                    }
                    Some(lost) => unverifiable(lost, &error),
                    None => self.failed_request_outcome(&error),
                });
            }
        }
    }

    /// Returns the URL of the published list.
    async fn record_and_publish(
        &self,
        source: &UploadSource,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<io::Result<String>, StepError> {
        let file = match self.file_to_publish(source, step_run) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        // Journaled before the file is published, so that the state knows every published file.
        self.record_upload_start(file.name(), step_run).await?;
        let published = self.publish(&file).await;
        if published.is_ok() && file.name().is_some() {
            // segctl may have lost the lock while it published the file, and the request is in flight from now on.
            self.record_upload_start(file.name(), step_run).await?;
        }
        Ok(published)
    }

    async fn record_upload_start(
        &self,
        published: Option<&ListDigest>,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<(), StepError> {
        step_run.has_started = true;
        let Some(id) = &step_run.id else {
            let upload = &step_run.list_upload.upload;
            let write = IntendedWrite::CreateFileSegment {
                identifier: upload.identifier.clone(),
                expires_in_days: upload.expires_in_days,
                published_file: published.cloned(),
            };
            return self.record_intent(step_run.step, write, false).await;
        };
        let ambiguous_since = Some(self.clock.now());
        self.record_entry(|state| self.entry_with_upload(state, id, (step_run, None, ambiguous_since)))
            .await
            .map_err(StepError::StateBeforeWrite)
    }

    async fn send_upload_once(
        &self,
        permit: Permit,
        url: &str,
        step_run: &FileUploadRun<'_>,
    ) -> Result<SegmentId, RequestError> {
        let upload = &step_run.list_upload.upload;
        let callbacks = self.options.callbacks.as_ref().zip(step_run.upload_id.as_ref());
        let own_callback_url = callbacks.map(|(callbacks, upload)| callbacks.url_for(upload));
        let file = UploadParameters {
            url,
            identifier: &upload.identifier,
            callback_url: upload.callback_url.as_deref().or(own_callback_url.as_deref()),
            notify: &upload.notify,
        };
        let name = &step_run.step.segment;
        let result = match step_run.change {
            Some(change) => {
                let target = (name, step_run.id.as_ref());
                let changed = self.client.change_users(permit, target, (change, file)).await;
                changed.map(|answered| step_run.id.clone().unwrap_or(answered))
            }
            None => {
                self.client
                    .upload(permit, name, (file, upload.expires_in_days))
                    .await
            }
        };
        self.mark_sent(step_run.step, &result);
        result
    }

    /// Verifies whether an unanswered request created the segment. If it did, the next request replaces its users.
    async fn verify_created_file_segment(
        &self,
        error: &RequestError,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let is_name_taken = matches!(error.kind, ApiError::NameTaken { .. });
        // A request of this run, or of an earlier one, may have created the segment.
        let may_be_own_creation = !is_name_taken
            || step_run.ambiguous_error.is_some()
            || self.earlier_intent_at(step_run.step).await.is_some();
        let must_exist = is_name_taken && may_be_own_creation;
        let found = match self
            .find_created_file_segment(error, (must_exist, step_run))
            .await
        {
            Ok(found) => found,
            Err(read) => return Ok(Some(unverifiable(error, &read))),
        };
        match found {
            Some(found) if found.payload().is_some() => Ok(Some(segment_appeared_since_plan(&found))),
            Some(found) if !may_be_own_creation => {
                // The request may have been delivered twice, and the first delivery created the segment.
                self.run_state().ambiguous_steps.insert(step_run.step.number);
                Ok(Some(segment_appeared_since_plan(&found)))
            }
            Some(found) => {
                step_run.id = Some(found.id.clone());
                step_run.change = Some(UserChange::Replace);
                step_run.upload_state.created_at = Some(self.clock.now());
                step_run.is_rechecked = true;
                self.resolve_reference(step_run.step, &found.id);
                self.record_fetched(found, Lifecycle::Active);
                Ok(None)
            }
            // Only its name identifies the segment, and the answer to the replacement contains its id.
            None if must_exist && !self.lists_file_segments() => {
                step_run.change = Some(UserChange::Replace);
                step_run.upload_state.created_at = Some(self.clock.now());
                Ok(None)
            }
            // This step created the segment, and the listing lags. A segment of an earlier run would be listed by now.
            None if is_name_taken && step_run.ambiguous_error.is_some() => Ok(Some(StepOutcome::unknown(
                format!("{error}; no listed segment has the name because the listing lags; plan again"),
            ))),
            None if is_name_taken => {
                // The first delivery may have created the segment, and the listing lags.
                self.run_state().ambiguous_steps.insert(step_run.step.number);
                Ok(Some(name_holder_not_listed(error)))
            }
            None => Ok(None),
        }
    }

    fn lists_file_segments(&self) -> bool {
        let behavior = self.options.api_behavior;
        behavior.lists_file_segments(&self.run_state().shown_kinds)
    }

    /// Repeats the look-up if the segment must exist, because the listing may lag.
    async fn find_created_file_segment(
        &self,
        error: &RequestError,
        (must_exist, step_run): (bool, &FileUploadRun<'_>),
    ) -> Result<Option<RemoteSegment>, RequestError> {
        let mut attempt = 1;
        loop {
            let found = self.find_by_name(&step_run.step.segment).await?;
            let is_final = found.is_some() || !must_exist || !self.lists_file_segments();
            let is_over = attempt == MAX_ATTEMPTS || is_final;
            if is_over || !self.client.wait_before_verify(attempt, error).await {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    /// Records a step whose request has an unknown result.
    async fn record_ambiguous_upload(&self, step_run: &FileUploadRun<'_>) -> Result<(), StepError> {
        let Some(id) = step_run.id.as_ref().filter(|_| step_run.has_started) else {
            // No segment has these files: the state lists them as orphaned.
            let files = step_run.upload_state.published_files.iter().cloned();
            let files: Vec<JournalEntry> = files.map(JournalEntry::Published).collect();
            if !files.is_empty() {
                self.append_to_journal(|_| files).await?;
            }
            return Ok(());
        };
        // A refused or unsent request left the users unchanged. They are unknown if the step before unarchived the
        // segment too late.
        let users = step_run.upload_state.users.clone();
        let users = users.filter(|_| step_run.ambiguous_error.is_none());
        let upload = (step_run, users, step_run.ambiguous_since);
        self.record_entry(|state| self.entry_with_upload(state, id, upload))
            .await?;
        Ok(())
    }

    async fn finish_upload(
        &self,
        id: SegmentId,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<StepOutcome, StepError> {
        if step_run.list_upload.target.is_none() {
            step_run.upload_state.created_at = step_run.upload_state.created_at.or(Some(self.clock.now()));
            self.resolve_reference(step_run.step, &id);
        }
        if !matches!(step_run.change, Some(UserChange::Add | UserChange::Remove)) {
            // This request replaces all users, whatever earlier requests did.
            step_run.upload_state.pending.clear();
        }
        step_run.upload_state.last_result = None;
        let list_count = step_run.list_upload.list.summary().map(|list| list.count);
        if let Some(users) = step_run.list_upload.added.or(list_count) {
            step_run.upload_state.record_addition(Addition {
                at: self.clock.now(),
                users,
                upload: step_run.upload_id.clone(),
            });
        }
        let users = Some(step_run.list_upload.list.clone());
        let key = self.step_key(step_run.step);
        self.append_to_journal(|state| {
            let entry = self.entry_with_upload(state, &id, (step_run, users, step_run.ambiguous_since));
            let intents = state
                .intents()
                .filter(|intent| intent.step == key || self.is_earlier_intent(intent, step_run.step));
            let resolved = intents.flat_map(|intent| {
                let resolved = JournalEntry::Resolved(intent.step.clone());
                // An earlier run published another file if its list was another one.
                let file = intent.published_file().map(JournalEntry::Published);
                std::iter::once(resolved).chain(file)
            });
            std::iter::once(JournalEntry::StateEntry(entry))
                .chain(resolved)
                .collect()
        })
        .await?;
        let callback_note = match &step_run.list_upload.upload.callback_url {
            Some(_) => " and reports the result to the declared `callback_url`",
            None => "",
        };
        let notes = vec![format!(
            "upload accepted; result pending: MoEngage reads the list later{callback_note}"
        )];
        self.register_pending_upload(&id, step_run);
        Ok(StepOutcome::Applied {
            id,
            notes,
            list_outcome: Some(ListOutcome::Pending),
        })
    }

    /// The step waits for the callback if the run waits at all.
    fn register_pending_upload(&self, id: &SegmentId, step_run: &mut FileUploadRun<'_>) {
        let callbacks = self.options.callbacks.as_ref();
        let waits = callbacks.is_some_and(|callbacks| callbacks.timeout.is_some());
        let Some(upload_id) = step_run.upload_id.take().filter(|_| waits) else {
            return;
        };
        let list_count = step_run.list_upload.list.summary().map(|list| list.count);
        let values_sent = match step_run.change {
            Some(UserChange::Add) => step_run.list_upload.added,
            Some(UserChange::Remove) => step_run.list_upload.removed,
            Some(UserChange::Replace) | None => list_count,
        };
        let pending = PendingUpload {
            segment_id: id.clone(),
            upload_id,
            values_sent,
            change: step_run.change,
        };
        self.run_state()
            .pending_uploads
            .insert(step_run.step.number, pending);
    }

    fn entry_with_upload(
        &self,
        state: &State,
        id: &SegmentId,
        (step_run, users, ambiguous_since): (
            &FileUploadRun<'_>,
            Option<UserListFingerprint>,
            Option<Timestamp>,
        ),
    ) -> StateEntry {
        let upload = &step_run.list_upload.upload;
        let is_active = users.is_some() || step_run.list_upload.target.is_none();
        let mut entry = self.managed_entry(state, id, &step_run.step.segment);
        // segctl adopts an unmanaged segment when a request took effect, not before.
        entry.history_only = !is_active && state.managed_entry(id).is_none();
        entry.kind = SegmentKind::File;
        entry.rename(step_run.step.segment.clone());
        entry.protect = step_run.step.protect;
        if is_active {
            // The step before unarchived an archived segment, or a dashboard user did.
            entry.set_lifecycle(Lifecycle::Active);
        }
        let mut upload_state = UploadState {
            identifier: upload.identifier.clone(),
            expires_in_days: upload.expires_in_days,
            users,
            archived_at: None,
            ambiguous_since,
            ..step_run.upload_state.clone()
        };
        let uploads = step_run.ambiguous_uploads.iter().chain(&step_run.upload_id);
        uploads.for_each(|upload| upload_state.add_pending(upload.clone()));
        entry.upload_state = Some(Box::new(upload_state));
        entry
    }
}

impl<'s> FileUploadRun<'s> {
    fn new(step: &'s Step, list_upload: &'s UserListUpload, recorded: Option<UploadState>) -> Self {
        let upload = &list_upload.upload;
        let empty = || UploadState::new(upload.identifier.clone(), upload.expires_in_days);
        Self {
            step,
            list_upload,
            id: list_upload.target.as_ref().map(|target| target.id.clone()),
            change: list_upload.change,
            is_rechecked: false,
            has_started: false,
            upload_state: recorded.unwrap_or_else(empty),
            ambiguous_error: None,
            ambiguous_since: None,
            upload_id: None,
            ambiguous_uploads: Vec::new(),
        }
    }

    fn operation(&self) -> Operation {
        let name = self.step.segment.clone();
        match self.change {
            Some(change) => Operation::ChangeUsers(name, change),
            None => Operation::Upload(name),
        }
    }
}

/// Whether the state differs from the planned one only because the step before unarchived the segment. If unarchiving
/// may have removed its users, the request must replace all of them.
fn differs_by_unarchive_only(
    recorded: &UploadState,
    (planned, change): (&UploadState, Option<UserChange>),
) -> bool {
    let unarchived = UploadState {
        users: recorded.users.clone(),
        archived_at: None,
        ..planned.clone()
    };
    let replaces = recorded.users.is_none() && change == Some(UserChange::Replace);
    recorded.eq_ignoring_uploads(&unarchived) && (recorded.users == planned.users || replaces)
}

/// An earlier request without a response may have taken effect.
fn publish_failed(error: &io::Error, ambiguous_error: Option<&RequestError>) -> StepOutcome {
    let message = format!("the member list cannot be published: {error}");
    match ambiguous_error {
        Some(lost) => StepOutcome::unknown(format!("{lost}; then {message}")),
        None => StepOutcome::failed(message),
    }
}

fn name_holder_not_listed(taken: &RequestError) -> StepOutcome {
    StepOutcome::failed(format!(
        "{taken}; the segment with this name is not listed: if it is archived, unarchive it in the dashboard; if it is this \
         segment, set its `id` in the file; or choose another name"
    ))
}

fn segment_appeared_since_plan(found: &RemoteSegment) -> StepOutcome {
    StepOutcome::failed(format!(
        "a segment named `{}` (id {}) appeared since the plan; plan again",
        found.name, found.id
    ))
}
