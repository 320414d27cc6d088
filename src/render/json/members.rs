//! Members and users that a step sends, as a document.

use crate::model::{UploadResult, UserChange, UserListFingerprint};
use crate::plan::step::Action;
use crate::state::UploadState;
use serde::{Deserialize, Serialize};

/// Members that a step sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersDocument {
    /// How many the list has; missing where somebody else publishes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub total: Option<u64>,
    /// How many of them are added; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added: Option<u64>,
    /// How many others are removed; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub removed: Option<u64>,
    /// How many calls that takes.
    pub requests: usize,
    /// Which: `sync`, `create`, `add-users`, `remove-users` or `replace`.
    pub operation: String,
    /// Whether an earlier run ended in the middle, so that some are sent who may be there, or gone, already.
    #[serde(default)]
    pub resumes: bool,
    /// What the service said of the list before, where it could not read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub previous_error: Option<String>,
    /// The digest of the list: SHA-256 over its values in order of their bytes, each with a line end behind it; of a file that
    /// somebody else publishes over its bytes.
    pub digest: String,
}

impl MembersDocument {
    /// The members that an action sends, if it sends any.
    #[must_use]
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::SyncCohort(sending) => {
                let before = sending.base.as_ref();
                Some(MembersDocument {
                    total: Some(sending.list.count),
                    added: Some(sending.added),
                    removed: Some(sending.removed),
                    requests: sending.requests,
                    operation: "sync".to_owned(),
                    resumes: before.is_some_and(|before| before.exact_list().is_none()),
                    previous_error: None,
                    digest: sending.list.digest.to_string(),
                })
            }
            Action::UploadUserList(uploading) => {
                let before = uploading.recorded.as_ref();
                let failed = before.and_then(previous_error);
                let by = uploading.change.map_or("create", UserChange::as_str);
                Some(MembersDocument {
                    total: uploading.list.summary().map(|listing| listing.count),
                    added: uploading.added,
                    removed: uploading.removed,
                    requests: 1,
                    operation: by.to_owned(),
                    resumes: before.is_some_and(|before| before.users.is_none()) && failed.is_none(),
                    previous_error: failed,
                    digest: match &uploading.list {
                        UserListFingerprint::Values(listing) => listing.digest.to_string(),
                        UserListFingerprint::Published { sha256 } => sha256.clone(),
                    },
                })
            }
            Action::Create(_) | Action::Update(_) | Action::Archive(_) | Action::Unarchive(_) => None,
        }
    }
}

/// What the service said of a list that it could not read.
fn previous_error(uploaded: &UploadState) -> Option<String> {
    match uploaded.last_result.as_ref()? {
        UploadResult::Failed { message } => Some(message.clone()),
        UploadResult::Processed(_) => None,
    }
}
