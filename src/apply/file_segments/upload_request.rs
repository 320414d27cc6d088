//! The write of a step that sends a user list.

use super::super::Applier;
use super::super::classify::{self, Effect, NextAction};
use super::super::run_report::StepOutcome;
use super::super::step_error::{StepError, StepResult};
use super::super::step_run::StepRun;
use super::super::upload_results::PendingUpload;
use super::super::write::Write;
use super::published_files::{UploadFile, UploadSource, compressed_list_digest};
use crate::api::{
    ApiError, Clock, Operation, Permit, RemoteSegment, RequestError, Transport, UploadParameters,
};
use crate::model::{SegmentId, UploadId, UserChange};
use crate::plan::step::{Step, UserListUpload};
use crate::publish::published_name;
use crate::state::{PublishedFile, UploadState};
use jiff::Timestamp;
use std::io;

/// The write of a step.
pub(super) struct UploadRequest<'u, 's, T: Transport, C: Clock> {
    pub(super) applier: &'u Applier<'u, T, C>,
    pub(super) upload: &'u mut FileUpload<'s>,
}

pub(super) struct FileUpload<'s> {
    pub(super) step: &'s Step,
    pub(super) list_upload: &'s UserListUpload,
    pub(super) source: &'s UploadSource,
    pub(super) id: Option<SegmentId>,
    /// `None`: the request creates the segment.
    pub(super) change: Option<UserChange>,
    pub(super) has_started: bool,
    /// The state before the request.
    pub(super) upload_state: UploadState,
    pub(super) attempt: u32,
    /// Of the published list.
    pub(super) url: String,
    /// `None` if segctl receives no callback for the request.
    pub(super) upload_id: Option<UploadId>,
    /// Unanswered requests of this step: MoEngage may have accepted them.
    pub(super) ambiguous_uploads: Vec<UploadId>,
}

impl<T: Transport, C: Clock> Write for UploadRequest<'_, '_, T, C> {
    type Answer = SegmentId;

    fn operation(&self) -> Operation {
        let name = self.upload.step.segment.clone();
        match self.upload.change {
            Some(change) => Operation::ChangeUsers(name, change),
            None => Operation::Upload(name),
        }
    }

    fn segment_to_recheck(&self, run: &StepRun<'_>) -> Option<&SegmentId> {
        run.segment_to_recheck(self.upload.list_upload.target.as_ref())
    }

    fn effect(&self, _run: &StepRun<'_>, current: &RemoteSegment) -> Effect {
        self.applier
            .compare_with_plan(self.upload.list_upload.target.as_ref(), current)
    }

    async fn journal(&mut self, run: &mut StepRun<'_>, current: Option<&RemoteSegment>) -> StepResult<()> {
        let Self { applier, upload } = self;
        applier.record_recheck(run, current);
        upload.attempt += 1;
        upload.upload_id = match upload.list_upload.upload.callback_url {
            // The callback goes to the declared URL instead of segctl.
            Some(_) => None,
            None => applier.generate_upload_id(upload.step, upload.attempt),
        };
        let recorded = applier.record_and_publish(run, upload).await;
        if matches!(recorded, Err(StepError::Publish(_))) {
            // No request was sent, so no callback can arrive.
            upload.upload_id = None;
        }
        recorded
    }

    async fn send(&mut self, permit: Permit) -> Result<SegmentId, RequestError> {
        let Self { applier, upload } = self;
        let declared = &upload.list_upload.upload;
        let callbacks = applier.options.callbacks.as_ref().zip(upload.upload_id.as_ref());
        let own_callback_url = callbacks.map(|(callbacks, upload)| callbacks.url_for(upload));
        let file = UploadParameters {
            url: &upload.url,
            identifier: &declared.identifier,
            callback_url: declared.callback_url.as_deref().or(own_callback_url.as_deref()),
            notify: &declared.notify,
        };
        let (client, name) = (applier.client, &upload.step.segment);
        let result = match upload.change {
            Some(change) => {
                let changed = client.change_users(permit, name, upload.id.as_ref(), change, file);
                changed
                    .await
                    .map(|answered| upload.id.clone().unwrap_or(answered))
            }
            None => client.upload(permit, name, file, declared.expires_in_days).await,
        };
        if let Err(error) = &result {
            let unanswered = upload.upload_id.take();
            if error.is_ambiguous_write() {
                upload.ambiguous_uploads.extend(unanswered);
                // It may have been processed partially, or arrive twice: replacing all users is correct in any case.
                upload.change = upload.change.map(|_| UserChange::Replace);
            }
        }
        result
    }

    fn next_action(&self, run: &StepRun<'_>, error: &RequestError) -> NextAction {
        let lost = run.ambiguous_error.as_ref();
        if lost.is_some_and(|lost| self.upload.is_other_kind(lost, error)) {
            return NextAction::Fail;
        }
        classify::next_after_list_request(error, self.upload.change.is_none(), lost.is_some())
    }

    async fn verify(
        &mut self,
        run: &mut StepRun<'_>,
        error: &RequestError,
    ) -> StepResult<Option<StepOutcome>> {
        self.applier
            .verify_created_file_segment(run, self.upload, error)
            .await
    }
}

impl<'s> FileUpload<'s> {
    pub(super) fn new(
        step: &'s Step,
        list_upload: &'s UserListUpload,
        source: &'s UploadSource,
        recorded: Option<UploadState>,
    ) -> Self {
        let upload = &list_upload.upload;
        let empty = || UploadState::new(upload.identifier.clone(), upload.expires_in_days);
        Self {
            step,
            list_upload,
            source,
            id: list_upload.target.as_ref().map(|target| target.id.clone()),
            change: list_upload.change,
            has_started: false,
            upload_state: recorded.unwrap_or_else(empty),
            attempt: 0,
            url: String::new(),
            upload_id: None,
            ambiguous_uploads: Vec::new(),
        }
    }

    pub(super) fn file_to_publish(&mut self, now: Timestamp) -> io::Result<UploadFile<'s>> {
        let (digest, full_list, delta) = match self.source {
            UploadSource::Url(url) => return Ok(UploadFile::Url(url)),
            UploadSource::Local {
                digest,
                full_list,
                delta,
            } => (digest, full_list, delta),
        };
        let is_delta = matches!(self.change, Some(UserChange::Add | UserChange::Remove));
        let delta = delta.as_ref().filter(|_| is_delta);
        let digest = match delta {
            Some(delta) => compressed_list_digest(delta)?,
            None => digest.clone(),
        };
        let name = published_name(&self.step.segment, &digest);
        let files = &mut self.upload_state.published_files;
        // An earlier request may read the same file later than this one: then no callback proves that it was read.
        let is_shared = files.iter().any(|file| file.name == name && !file.is_processed);
        files.retain(|file| file.name != name);
        files.push(PublishedFile {
            name: name.clone(),
            submitted_at: now,
            upload: self.upload_id.clone().filter(|_| !is_shared),
            is_processed: false,
        });
        Ok(UploadFile::ToPublish(name, delta.unwrap_or(full_list)))
    }

    /// A request of this step or an earlier run created the segment: the next one replaces its users.
    pub(super) fn replace_users_of_created(&mut self, now: Timestamp) {
        self.change = Some(UserChange::Replace);
        self.upload_state.created_at = Some(now);
    }

    /// Whether the name is taken, but not by a file segment.
    pub(super) fn is_other_kind(&self, taken: &RequestError, error: &RequestError) -> bool {
        self.id.is_none()
            && matches!(taken.kind, ApiError::NameTaken { .. })
            && matches!(error.kind, ApiError::NotFound { .. })
    }

    pub(super) fn pending_upload(&self, id: &SegmentId) -> Option<PendingUpload> {
        let list_count = self.list_upload.list.summary().map(|list| list.count);
        Some(PendingUpload {
            segment_id: id.clone(),
            upload_id: self.upload_id.clone()?,
            values_sent: match self.change {
                Some(UserChange::Add) => self.list_upload.added,
                Some(UserChange::Remove) => self.list_upload.removed,
                Some(UserChange::Replace) | None => list_count,
            },
            change: self.change,
        })
    }
}
