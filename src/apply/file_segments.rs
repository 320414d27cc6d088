//! Having the service read a list of users: one call, which the service takes and does later.
//!
//! A list of this machine is published first, as a whole or as what changes. A call of which nobody heard leaves it open who
//! is in the segment, so that it is made again, and what follows such a call replaces all users: that is right whatever came
//! of the one before. Where even that is not answered, the ledger knows of nobody, and the next run replaces them.

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

/// How far a step has come.
struct FileUploadRun<'s> {
    step: &'s Step,
    list_upload: &'s UserListUpload,
    /// The segment, once it is known.
    id: Option<SegmentId>,
    /// The call; `None` to make the segment.
    change: Option<UserChange>,
    is_rechecked: bool,
    has_started: bool,
    /// What is known of the segment from before the call.
    upload_state: UploadState,
    /// The last call that was not answered.
    ambiguous_error: Option<RequestError>,
    ambiguous_since: Option<Timestamp>,
    /// Names the call that is made; `None` where nobody hears what becomes of it.
    upload_id: Option<UploadId>,
    /// Calls of this step that were lost: the service may have taken them.
    ambiguous_uploads: Vec<UploadId>,
}

impl<T: Transport, C: Clock, S: StateStore> Applier<'_, T, C, S> {
    /// Has the service read the list of a file segment.
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
            Ok(lists) => lists,
            Err(message) => return Ok(StepOutcome::Failed { message }),
        };
        let before = match &list_upload.recorded {
            Some(before) => before.ambiguous_since,
            None => self.earlier_intent_at(step).await,
        };
        let operation = Operation::Upload(step.segment.clone());
        self.wait_out_in_flight(operation, before).await?;
        if let UploadSource::Local {
            digest,
            full_list: whole,
            ..
        } = &source
        {
            self.run_state().has_saved_lists = true;
            let kept = self.store.save_member_list(digest, whole).await;
            kept.map_err(StepError::StateBeforeWrite)?;
        }
        let known = self.recorded_upload_state(list_upload).await;
        let mut step_run = FileUploadRun::new(step, list_upload, known);
        let sent = self.send_upload(&source, &mut step_run).await;
        let outcome = self.with_ambiguity_of(sent, step_run.ambiguous_error.as_ref())?;
        if !outcome.is_done() {
            self.record_ambiguous_upload(&step_run).await?;
        }
        Ok(outcome)
    }

    /// Whether the ledger knows of the users what it knew when the plan was made.
    async fn users_match_plan(&self, list_upload: &UserListUpload) -> bool {
        let Some(target) = &list_upload.target else {
            return true;
        };
        let state = self.state.lock().await;
        let known = state
            .any_entry(&target.id)
            .and_then(|entry| entry.upload_state.as_deref());
        let is_same = match (known, &list_upload.recorded) {
            (Some(known), Some(before)) => known.eq_ignoring_uploads(before),
            (known, before) => known.is_none() && before.is_none(),
        };
        is_same || differs_by_unarchive_only(known, list_upload)
    }

    /// What the ledger knows of the users by now.
    async fn recorded_upload_state(&self, list_upload: &UserListUpload) -> Option<UploadState> {
        let target = list_upload.target.as_ref()?;
        let state = self.state.lock().await;
        state.any_entry(&target.id)?.upload_state.as_deref().cloned()
    }

    /// When an earlier run was about to make the segment, as long as nobody knows whether it did.
    async fn earlier_intent_at(&self, step: &Step) -> Option<Timestamp> {
        let state = self.state.lock().await;
        let begun = state
            .intents()
            .filter(|intent| self.is_earlier_intent(intent, step));
        begun.map(|intent| intent.at).max()
    }

    /// Whether an earlier run was about to make the segment of a step.
    fn is_earlier_intent(&self, intent: &Intent, step: &Step) -> bool {
        intent.step != self.step_key(step)
            && intent.segment == step.segment
            && matches!(intent.write, IntendedWrite::CreateFileSegment { .. })
    }

    /// Makes the call until it is answered.
    async fn send_upload(
        &self,
        source: &UploadSource,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<StepOutcome, StepError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let operation = step_run.operation();
            let target = step_run.list_upload.target.as_ref();
            let seen = (target, &mut step_run.is_rechecked);
            let Some(permit) = self.permit_after_recheck(&operation, seen).await? else {
                return Ok(StepOutcome::Skipped(SkipReason::Drifted));
            };
            step_run.upload_id = self.tracked_upload_id(step_run, attempt);
            let url = match self.record_and_publish(source, step_run).await? {
                Ok(url) => url,
                Err(error) => {
                    self.client.release(permit);
                    // No call was made of which anything could be heard.
                    step_run.upload_id = None;
                    return Ok(publish_failed(&error, step_run.ambiguous_error.as_ref()));
                }
            };
            let error = match self.send_upload_once(permit, &url, step_run).await {
                Ok(id) => return self.finish_upload(id, step_run).await,
                Err(error) => error,
            };
            let is_lost = error.is_ambiguous_write();
            if error.may_still_be_processed() {
                step_run.ambiguous_since = Some(self.clock.now());
            }
            let upload = step_run.upload_id.take();
            step_run
                .ambiguous_uploads
                .extend(upload.filter(|_| is_lost || error.may_still_be_processed()));
            let is_taken = matches!(error.kind, ApiError::NameTaken { .. }) && step_run.change.is_none();
            if is_lost || is_taken {
                let may_go_on = self.should_retry(attempt, &error).await;
                if step_run.change.is_none()
                    && let Some(outcome) = self.verify_created_file_segment(&error, step_run).await?
                {
                    return Ok(outcome);
                }
                if !may_go_on {
                    let outcome = attempts_exhausted(attempt, &error);
                    step_run.ambiguous_error = Some(error);
                    return Ok(outcome);
                }
                // It may have been done in part or twice by then; this is right in any case.
                step_run.change = step_run.change.map(|_| UserChange::Replace);
                step_run.ambiguous_error = Some(error);
            } else if !self.client.backoff(attempt, &error).await {
                return Ok(match &step_run.ambiguous_error {
                    Some(lost) => unverifiable(lost, &error),
                    None => self.failed_request_outcome(&error),
                });
            }
        }
    }

    /// Takes down that a call is about to be made, and puts its list where the service reads it; the address.
    async fn record_and_publish(
        &self,
        source: &UploadSource,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<io::Result<String>, StepError> {
        let file = match self.file_to_publish(source, step_run) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        // Taken down before it is there, so that it is never left without anybody who knows of it.
        self.record_upload_start(file.name(), step_run).await?;
        let published = self.publish(&file).await;
        if published.is_ok() && file.name().is_some() {
            // Publishing takes its time, in which the lock may be lost; and a call may be on its way from now on.
            self.record_upload_start(file.name(), step_run).await?;
        }
        Ok(published)
    }

    /// Takes down that a call is about to be made.
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
        let entry = |state: &State| self.entry_with_upload(state, id, (step_run, None, ambiguous_since));
        let recorded = self
            .append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await;
        recorded.map_err(StepError::StateBeforeWrite)
    }

    /// Makes the call; the id of the segment.
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
        let sent = match (step_run.change, &step_run.id) {
            (Some(change), Some(id)) => {
                let changed = self.client.change_users(permit, (name, Some(id)), (change, file));
                changed.await.map(|()| id.clone())
            }
            _ => {
                self.client
                    .upload(permit, name, (file, upload.expires_in_days))
                    .await
            }
        };
        self.mark_sent(step_run.step, sent.as_ref().err());
        sent
    }

    /// Looks whether a segment came of a call that was to make it; how the step ends where that is known, and that its users
    /// have to be replaced where it is there.
    async fn verify_created_file_segment(
        &self,
        error: &RequestError,
        step_run: &mut FileUploadRun<'_>,
    ) -> Result<Option<StepOutcome>, StepError> {
        let is_taken = matches!(error.kind, ApiError::NameTaken { .. });
        // A call of this run, or of one before it, may have made it.
        let may_be_own_creation = !is_taken
            || step_run.ambiguous_error.is_some()
            || self.earlier_intent_at(step_run.step).await.is_some();
        let found = match self
            .find_created_file_segment(error, (is_taken && may_be_own_creation, step_run))
            .await
        {
            Ok(found) => found,
            Err(look_up) => return Ok(Some(unverifiable(error, &look_up))),
        };
        match found {
            Some(stored) if stored.payload().is_some() => Ok(Some(segment_appeared_since_plan(&stored))),
            Some(stored) if !may_be_own_creation => {
                // Unless the call was delivered twice, and the first delivery made it.
                self.run_state().ambiguous_steps.insert(step_run.step.number);
                Ok(Some(segment_appeared_since_plan(&stored)))
            }
            Some(stored) => {
                step_run.id = Some(stored.id.clone());
                step_run.change = Some(UserChange::Replace);
                step_run.upload_state.created_at = Some(self.clock.now());
                step_run.is_rechecked = true;
                self.resolve_reference(step_run.step, &stored.id);
                self.record_fetched(stored, Lifecycle::Active);
                Ok(None)
            }
            // It is ours, and the list lags. What a run before made it shows by now.
            None if is_taken && step_run.ambiguous_error.is_some() => Ok(Some(StepOutcome::Unknown {
                message: format!("{error}; and nobody who is listed has it: the list lags; plan again"),
            })),
            None if is_taken => {
                // Unless the first delivery made it, and the list lags.
                self.run_state().ambiguous_steps.insert(step_run.step.number);
                Ok(Some(StepOutcome::Failed {
                    message: format!(
                        "{error}; the one that has it is archived and not listed: unarchive it in the dashboard, or choose \
                         another name"
                    ),
                }))
            }
            None => Ok(None),
        }
    }

    /// The segment of the step's name; looked for more than once where it has to be there.
    async fn find_created_file_segment(
        &self,
        error: &RequestError,
        (must_exist, step_run): (bool, &FileUploadRun<'_>),
    ) -> Result<Option<RemoteSegment>, RequestError> {
        let mut attempt = 1;
        loop {
            let found = self.find_by_name(&step_run.step.segment).await?;
            let is_over = attempt == MAX_ATTEMPTS || found.is_some() || !must_exist;
            if is_over || !self.client.wait_before_verify(attempt, error).await {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    /// Takes down that a step ends of which nobody knows what came of its call.
    async fn record_ambiguous_upload(&self, step_run: &FileUploadRun<'_>) -> Result<(), StepError> {
        let Some(id) = step_run.id.as_ref().filter(|_| step_run.has_started) else {
            // No segment keeps them in mind that came to nothing.
            let left = step_run.upload_state.published_files.iter().cloned();
            let left: Vec<JournalEntry> = left.map(JournalEntry::Published).collect();
            if !left.is_empty() {
                self.append_to_journal(|_| left).await?;
            }
            return Ok(());
        };
        // What was refused, or never sent, left the users as they were: nobody, where the step before took it out too late.
        let users = step_run
            .upload_state
            .users
            .clone()
            .filter(|_| step_run.ambiguous_error.is_none());
        let entry =
            |state: &State| self.entry_with_upload(state, id, (step_run, users, step_run.ambiguous_since));
        self.append_to_journal(|state| vec![JournalEntry::StateEntry(entry(state))])
            .await?;
        Ok(())
    }

    /// Takes down what the service took.
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
            // Whatever became of the calls before, all users are those of this one.
            step_run.upload_state.pending.clear();
        }
        step_run.upload_state.last_result = None;
        let listed = step_run.list_upload.list.summary().map(|listing| listing.count);
        if let Some(users) = step_run.list_upload.added.or(listed) {
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
            let begun = state
                .intents()
                .filter(|intent| intent.step == key || self.is_earlier_intent(intent, step_run.step));
            let settled = begun.flat_map(|intent| {
                let settled = JournalEntry::Resolved(intent.step.clone());
                // What a run before published is another file where the list was another.
                let left = intent.published_file().map(JournalEntry::Published);
                std::iter::once(settled).chain(left)
            });
            std::iter::once(JournalEntry::StateEntry(entry))
                .chain(settled)
                .collect()
        })
        .await?;
        let callback_note = match &step_run.list_upload.upload.callback_url {
            Some(_) => ", and tells it at the `callback_url` of its file",
            None => "",
        };
        let notes = vec![format!(
            "accepted, outcome not known: the service reads the list later{callback_note}"
        )];
        self.register_pending_upload(&id, step_run);
        Ok(StepOutcome::Applied {
            id,
            notes,
            list_outcome: Some(ListOutcome::Pending),
        })
    }

    /// Names the call that is about to be made, where the service says here what becomes of it.
    fn tracked_upload_id(&self, step_run: &FileUploadRun<'_>, attempt: u32) -> Option<UploadId> {
        let has_declared_callback_url = step_run.list_upload.upload.callback_url.is_some();
        self.generate_upload_id(step_run.step, attempt)
            .filter(|_| !has_declared_callback_url)
    }

    /// Takes down that the step waits for what the service says, where a run waits at all.
    fn register_pending_upload(&self, id: &SegmentId, step_run: &mut FileUploadRun<'_>) {
        let callbacks = self.options.callbacks.as_ref();
        let waits = callbacks.is_some_and(|callbacks| callbacks.timeout.is_some());
        let Some(upload) = step_run.upload_id.take().filter(|_| waits) else {
            return;
        };
        let expected_users = step_run.list_upload.list.summary().map(|listing| listing.count);
        let values_sent = match step_run.change {
            Some(UserChange::Add) => step_run.list_upload.added,
            Some(UserChange::Remove) => step_run.list_upload.removed,
            Some(UserChange::Replace) | None => expected_users,
        };
        let pending = PendingUpload {
            segment_id: id.clone(),
            upload_id: upload,
            values_sent,
            expected_users,
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
        let is_managed =
            users.is_some() || step_run.list_upload.target.is_none() || state.managed_entry(id).is_some();
        let mut entry = self.managed_entry(state, id, &step_run.step.segment);
        // What somebody else made is ours when a call took effect, not before.
        entry.history_only = !is_managed;
        entry.kind = SegmentKind::File;
        entry.rename(step_run.step.segment.clone());
        entry.protect = step_run.step.protect;
        if users.is_some() || step_run.list_upload.target.is_none() {
            // What was put away was taken out by the step before, or by somebody.
            entry.set_lifecycle(Lifecycle::Active);
        }
        let mut uploaded = UploadState {
            identifier: upload.identifier.clone(),
            expires_in_days: upload.expires_in_days,
            users,
            archived_at: None,
            ambiguous_since,
            ..step_run.upload_state.clone()
        };
        let uploads = step_run.ambiguous_uploads.iter().chain(&step_run.upload_id);
        uploads.for_each(|upload| uploaded.add_pending(upload.clone()));
        entry.upload_state = Some(Box::new(uploaded));
        entry
    }
}

impl<'s> FileUploadRun<'s> {
    fn new(step: &'s Step, list_upload: &'s UserListUpload, known: Option<UploadState>) -> Self {
        let upload = &list_upload.upload;
        let nothing = || UploadState::new(upload.identifier.clone(), upload.expires_in_days);
        Self {
            step,
            list_upload,
            id: list_upload.target.as_ref().map(|target| target.id.clone()),
            change: list_upload.change,
            is_rechecked: false,
            has_started: false,
            upload_state: known.unwrap_or_else(nothing),
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

/// Whether the ledger says what it said when the plan was made but for what the step before did, which took the segment out:
/// where that may have cost it its users, all of them have to be sent.
fn differs_by_unarchive_only(known: Option<&UploadState>, list_upload: &UserListUpload) -> bool {
    let (Some(known), Some(before)) = (known, &list_upload.recorded) else {
        return false;
    };
    let unarchived = UploadState {
        users: known.users.clone(),
        archived_at: None,
        ..before.clone()
    };
    let replaces = known.users.is_none() && list_upload.change == Some(UserChange::Replace);
    known.eq_ignoring_uploads(&unarchived) && (known.users == before.users || replaces)
}

/// What the service was to read cannot be put there; a call before that was lost may have done its work all the same.
fn publish_failed(error: &io::Error, ambiguous_error: Option<&RequestError>) -> StepOutcome {
    let message = format!("its list cannot be published: {error}");
    match ambiguous_error {
        Some(lost) => StepOutcome::Unknown {
            message: format!("{lost}; and then {message}"),
        },
        None => StepOutcome::Failed { message },
    }
}

/// Another segment has the name, and is not ours.
fn segment_appeared_since_plan(stored: &RemoteSegment) -> StepOutcome {
    StepOutcome::Failed {
        message: format!(
            "a segment named `{}` (id {}) appeared since the plan; plan again",
            stored.name, stored.id
        ),
    }
}
