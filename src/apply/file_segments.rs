//! Sends the user list of a file segment: one request, which MoEngage accepts and processes later.
//!
//! segctl first publishes a local list, the whole list or only its changes. After a request without a response the users
//! of the segment are unknown. segctl then sends a request that replaces all users, whatever the earlier one did. If that
//! is not answered either, the state has no users for the segment, and the next run replaces them.

mod published_files;
mod upload_request;

use super::Applier;
use super::run_report::{ListOutcome, SkipReason, StepOutcome};
use super::step_error::{StateError, StepError, StepResult};
use super::step_run::{MAX_ATTEMPTS, StepRun};
use super::write::Written;
use crate::api::{ApiError, Clock, Operation, RemoteSegment, RequestError, Transport};
use crate::model::{Lifecycle, ListDigest, SegmentId, SegmentKind, UserChange, UserListFingerprint};
use crate::plan::step::{Step, UserListUpload};
use crate::state::{Addition, IntendedWrite, Intent, JournalEntry, State, StateEntry, UploadState};
use jiff::Timestamp;
use published_files::UploadSource;
use upload_request::{FileUpload, UploadRequest};

impl<T: Transport, C: Clock> Applier<'_, T, C> {
    pub(super) async fn upload(
        &self,
        run: &mut StepRun<'_>,
        list_upload: &UserListUpload,
    ) -> StepResult<StepOutcome> {
        if !self.users_match_plan(list_upload).await {
            return Ok(StepOutcome::Skipped(SkipReason::Drifted));
        }
        let loaded = self.load_upload_source(list_upload).await;
        let source = match loaded.map_err(StateError::BeforeWrite)? {
            Ok(source) => source,
            Err(message) => return Ok(StepOutcome::failed(message)),
        };
        let ambiguous_since = match &list_upload.recorded {
            Some(recorded) => recorded.ambiguous_since,
            None => self.earlier_intent_at(run.step).await,
        };
        let operation = Operation::Upload(run.step.segment.clone());
        self.wait_out_in_flight(operation, ambiguous_since).await?;
        if let UploadSource::Local {
            digest, full_list, ..
        } = &source
        {
            self.run_state().has_saved_lists = true;
            let saved = self.store.save_member_list(digest, full_list).await;
            saved.map_err(StateError::BeforeWrite)?;
        }
        let recorded = self.recorded_upload_state(list_upload).await;
        let mut upload = FileUpload::new(run.step, list_upload, &source, recorded);
        let mut request = UploadRequest {
            applier: self,
            upload: &mut upload,
        };
        let result = match self.execute(run, &mut request).await {
            Ok(written) => self.upload_outcome(run, &mut upload, written).await,
            Err(error) => Err(error),
        };
        let outcome = self.resolve_error(run, result)?;
        if !outcome.is_done() {
            self.record_ambiguous_upload(run, &upload).await?;
        }
        Ok(outcome)
    }

    async fn upload_outcome(
        &self,
        run: &mut StepRun<'_>,
        upload: &mut FileUpload<'_>,
        written: Written<SegmentId>,
    ) -> StepResult<StepOutcome> {
        match written {
            Written::Confirmed(id) => self.finish_upload(run, id, upload).await,
            Written::Mismatch(current, _) => {
                self.record_fetched(current, Lifecycle::Active);
                Ok(StepOutcome::Skipped(SkipReason::Drifted))
            }
            Written::NotConfirmed(error) => Ok(match &run.ambiguous_error {
                // The replacement found no file segment of this name.
                Some(taken) if upload.is_other_kind(taken, &error) => name_holder_not_listed(taken),
                _ => self.failed_request_outcome(&error),
            }),
            Written::Ended(outcome) => Ok(outcome),
        }
    }

    async fn users_match_plan(&self, list_upload: &UserListUpload) -> bool {
        if list_upload.target.is_none() {
            return true;
        }
        let recorded = self.recorded_upload_state(list_upload).await;
        match (recorded, &list_upload.recorded) {
            (Some(recorded), Some(planned)) => {
                recorded.eq_ignoring_uploads(planned)
                    || differs_by_unarchive_only(&recorded, planned, list_upload.change)
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
        intents.map(|intent| intent.sent_at).max()
    }

    fn is_earlier_intent(&self, intent: &Intent, step: &Step) -> bool {
        intent.step != self.step_key(step)
            && intent.segment == step.segment
            && matches!(intent.write, IntendedWrite::CreateFileSegment { .. })
    }

    /// Journals the upload before the list is published, so that the state knows every published file.
    async fn record_and_publish(&self, run: &StepRun<'_>, upload: &mut FileUpload<'_>) -> StepResult<()> {
        let file = upload
            .file_to_publish(self.client.server_time())
            .map_err(StepError::Publish)?;
        self.record_upload_start(run, file.name(), upload).await?;
        upload.url = self.publish(&file).await.map_err(StepError::Publish)?;
        if file.name().is_some() {
            // segctl may have lost the lock while it published the file, and the request is in flight from now on.
            self.record_upload_start(run, file.name(), upload).await?;
        }
        Ok(())
    }

    async fn record_upload_start(
        &self,
        run: &StepRun<'_>,
        published: Option<&ListDigest>,
        upload: &mut FileUpload<'_>,
    ) -> StepResult<()> {
        upload.has_started = true;
        let Some(id) = &upload.id else {
            let declared = &upload.list_upload.upload;
            let write = IntendedWrite::CreateFileSegment {
                identifier: declared.identifier.clone(),
                expires_in_days: declared.expires_in_days,
                published_file: published.cloned(),
            };
            return self.record_intent(run.step, write, false).await;
        };
        let now = Some(self.client.server_time());
        let recorded = self.record_entry(|state| self.entry_with_upload(state, id, upload, None, now));
        Ok(recorded.await.map_err(StateError::BeforeWrite)?)
    }

    /// Verifies whether an unanswered request created the segment. If it did, the next request replaces its users.
    async fn verify_created_file_segment(
        &self,
        run: &mut StepRun<'_>,
        upload: &mut FileUpload<'_>,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        let is_name_taken = matches!(error.kind, ApiError::NameTaken { .. });
        // If the name is taken, this request may have been delivered twice and taken it.
        run.may_have_written = true;
        // A request of this run, or of an earlier one, may have created the segment.
        let may_be_own_creation = !is_name_taken
            || run.ambiguous_error.is_some()
            || self.earlier_intent_at(run.step).await.is_some();
        let must_exist = is_name_taken && may_be_own_creation;
        let found = self
            .find_created_file_segment(run.step, error, must_exist)
            .await?;
        match found {
            Some(found) if found.payload().is_some() => Ok(Some(segment_appeared_since_plan(&found))),
            Some(found) if !may_be_own_creation => Ok(Some(segment_appeared_since_plan(&found))),
            Some(found) => {
                upload.replace_users_of_created(self.client.server_time());
                upload.id = Some(found.id.clone());
                run.is_rechecked = true;
                self.resolve_reference(run.step, &found.id);
                self.record_fetched(found, Lifecycle::Active);
                Ok(None)
            }
            // Only its name identifies the segment, and the answer to the replacement contains its id.
            None if must_exist && !self.lists_file_segments() => {
                upload.replace_users_of_created(self.client.server_time());
                Ok(None)
            }
            // This step created the segment, and the listing lags. A segment of an earlier run would be listed by now.
            None if is_name_taken && run.ambiguous_error.is_some() => Ok(Some(StepOutcome::unknown(
                format!("{error}; no listed segment has the name because the listing lags; plan again"),
            ))),
            // The first delivery may have created the segment, and the listing lags.
            None if is_name_taken => Ok(Some(name_holder_not_listed(error))),
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
        step: &Step,
        error: &RequestError,
        must_exist: bool,
    ) -> Result<Option<RemoteSegment>, RequestError> {
        let mut attempt = 1;
        loop {
            let found = self.find_by_name(&step.segment).await?;
            let is_final = found.is_some() || !must_exist || !self.lists_file_segments();
            let is_over = attempt == MAX_ATTEMPTS || is_final;
            if is_over || !self.client.wait_before_verify(attempt, error).await {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    /// Records a step whose request has an unknown result.
    async fn record_ambiguous_upload(&self, run: &StepRun<'_>, upload: &FileUpload<'_>) -> StepResult<()> {
        let Some(id) = upload.id.as_ref().filter(|_| upload.has_started) else {
            // No segment has these files: the state lists them as orphaned.
            let files = upload.upload_state.published_files.iter().cloned();
            let files: Vec<JournalEntry> = files.map(JournalEntry::Published).collect();
            if !files.is_empty() {
                self.append_to_journal(|_| files).await?;
            }
            return Ok(());
        };
        // A refused or unsent request left the users unchanged. They are unknown if the step before unarchived the
        // segment too late.
        let users = upload.upload_state.users.clone();
        let users = users.filter(|_| run.ambiguous_error.is_none());
        self.record_entry(|state| self.entry_with_upload(state, id, upload, users, run.ambiguous_since))
            .await?;
        Ok(())
    }

    async fn finish_upload(
        &self,
        run: &mut StepRun<'_>,
        id: SegmentId,
        upload: &mut FileUpload<'_>,
    ) -> StepResult<StepOutcome> {
        let now = self.client.server_time();
        if upload.list_upload.target.is_none() {
            upload.upload_state.created_at = upload.upload_state.created_at.or(Some(now));
            self.resolve_reference(run.step, &id);
        }
        if !matches!(upload.change, Some(UserChange::Add | UserChange::Remove)) {
            // This request replaces all users, whatever earlier requests did.
            upload.upload_state.pending.clear();
        }
        upload.upload_state.last_result = None;
        let list_count = upload.list_upload.list.summary().map(|list| list.count);
        if let Some(users) = upload.list_upload.added.or(list_count) {
            upload.upload_state.record_addition(Addition {
                at: now,
                users,
                upload: upload.upload_id.clone(),
            });
        }
        let users = Some(upload.list_upload.list.clone());
        let key = self.step_key(run.step);
        self.append_to_journal(|state| {
            let entry = self.entry_with_upload(state, &id, upload, users, run.ambiguous_since);
            let intents = state
                .intents()
                .filter(|intent| intent.step == key || self.is_earlier_intent(intent, run.step));
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
        let callback_note = match &upload.list_upload.upload.callback_url {
            Some(_) => " and reports the result to the declared `callback_url`",
            None => "",
        };
        let notes = vec![format!(
            "upload accepted; result pending: MoEngage reads the list later{callback_note}"
        )];
        // The step waits for the callback if the run waits at all.
        let callbacks = self.options.callbacks.as_ref();
        if callbacks.is_some_and(|callbacks| callbacks.timeout.is_some()) {
            run.pending_upload = upload.pending_upload(&id);
        }
        Ok(StepOutcome::Applied {
            id,
            notes,
            list_outcome: Some(ListOutcome::Pending),
        })
    }

    fn entry_with_upload(
        &self,
        state: &State,
        id: &SegmentId,
        upload: &FileUpload<'_>,
        users: Option<UserListFingerprint>,
        ambiguous_since: Option<Timestamp>,
    ) -> StateEntry {
        let declared = &upload.list_upload.upload;
        let is_active = users.is_some() || upload.list_upload.target.is_none();
        let mut entry = self.managed_entry(state, id, &upload.step.segment);
        // segctl adopts an unmanaged segment when a request took effect, not before.
        entry.history_only = !is_active && state.managed_entry(id).is_none();
        entry.kind = SegmentKind::File;
        entry.rename(upload.step.segment.clone());
        entry.protect = upload.step.protect;
        if is_active {
            // The step before unarchived an archived segment, or a dashboard user did.
            entry.set_lifecycle(Lifecycle::Active);
        }
        let mut upload_state = UploadState {
            identifier: declared.identifier.clone(),
            expires_in_days: declared.expires_in_days,
            users,
            archived_at: None,
            ambiguous_since,
            ..upload.upload_state.clone()
        };
        let uploads = upload.ambiguous_uploads.iter().chain(&upload.upload_id);
        uploads.for_each(|upload| upload_state.add_pending(upload.clone()));
        entry.upload_state = Some(Box::new(upload_state));
        entry
    }
}

/// Whether the state differs from the planned one only because the step before unarchived the segment. If unarchiving
/// may have removed its users, the request must replace all of them.
fn differs_by_unarchive_only(
    recorded: &UploadState,
    planned: &UploadState,
    change: Option<UserChange>,
) -> bool {
    let unarchived = UploadState {
        users: recorded.users.clone(),
        archived_at: None,
        ..planned.clone()
    };
    let replaces = recorded.users.is_none() && change == Some(UserChange::Replace);
    recorded.eq_ignoring_uploads(&unarchived) && (recorded.users == planned.users || replaces)
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
