//! The members or users that a step sends, as a document.

use crate::model::{UploadResult, UserChange, UserListFingerprint};
use crate::plan::step::Action;
use crate::state::UploadState;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersDocument {
    /// The length of the list; missing when segctl does not publish the list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub removed: Option<u64>,
    pub requests: usize,
    /// `sync`, `create`, `add_users`, `remove_users` or `replace`.
    pub operation: String,
    /// Whether an earlier run was interrupted, so that the step may repeat some of its changes.
    #[serde(default)]
    pub resumes: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous_error: Option<String>,
    /// SHA-256. Of a list that segctl publishes: over its values in byte order, each with a line end. Of any other list:
    /// over the file's bytes.
    pub digest: String,
}

impl MembersDocument {
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::SyncCohort(sync) => {
                let base = sync.base.as_ref();
                Some(MembersDocument {
                    total: Some(sync.list.count),
                    added: Some(sync.added),
                    removed: Some(sync.removed),
                    requests: sync.requests,
                    operation: "sync".to_owned(),
                    resumes: base.is_some_and(|base| base.exact_list().is_none()),
                    previous_error: None,
                    digest: sync.list.digest.to_string(),
                })
            }
            Action::UploadUserList(upload) => {
                let recorded = upload.recorded.as_ref();
                let previous_error = recorded.and_then(previous_error);
                let is_unconfirmed = recorded.is_some_and(|recorded| recorded.users.is_none());
                Some(MembersDocument {
                    total: upload.list.summary().map(|list| list.count),
                    added: upload.added,
                    removed: upload.removed,
                    requests: 1,
                    operation: operation(upload.change).to_owned(),
                    resumes: is_unconfirmed && previous_error.is_none(),
                    previous_error,
                    digest: match &upload.list {
                        UserListFingerprint::Values(list) => list.digest.to_string(),
                        UserListFingerprint::Published { sha256 } => sha256.clone(),
                    },
                })
            }
            Action::Create(_) | Action::Update(_) | Action::Archive(_) | Action::Unarchive(_) => None,
        }
    }
}

fn operation(change: Option<UserChange>) -> &'static str {
    match change {
        None => "create",
        Some(UserChange::Add) => "add_users",
        Some(UserChange::Remove) => "remove_users",
        Some(UserChange::Replace) => "replace",
    }
}

fn previous_error(recorded: &UploadState) -> Option<String> {
    match recorded.last_result.as_ref()? {
        UploadResult::Failed { message } => Some(message.clone()),
        UploadResult::Processed(_) => None,
    }
}
