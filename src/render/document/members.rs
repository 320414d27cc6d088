//! Members and users that a step sends, as a document.

use crate::ledger::Uploaded;
use crate::model::{Callback, UserChange, UserList};
use crate::plan::step::Action;
use serde::{Deserialize, Serialize};

/// Members that a step sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembersDocument {
    /// How many the list has; missing where somebody else publishes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub listed: Option<u64>,
    /// How many of them are added; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub added: Option<u64>,
    /// How many others are removed; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub removed: Option<u64>,
    /// How many calls that takes.
    pub calls: usize,
    /// Which: `sync`, `create`, `add-users`, `remove-users` or `replace`.
    pub by: String,
    /// Whether an earlier run ended in the middle, so that some are sent who may be there, or gone, already.
    #[serde(default)]
    pub resumes: bool,
    /// What the service said of the list before, where it could not read it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed: Option<String>,
    /// The digest of the list: SHA-256 over its values in order of their bytes, each with a line end behind it; of a file that
    /// somebody else publishes over its bytes.
    pub digest: String,
}

impl MembersDocument {
    /// The members that an action sends, if it sends any.
    #[must_use]
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Send(sending) => {
                let before = sending.before.as_ref();
                Some(MembersDocument {
                    listed: Some(sending.list.count),
                    added: Some(sending.added),
                    removed: Some(sending.removed),
                    calls: sending.calls,
                    by: "sync".to_owned(),
                    resumes: before.is_some_and(|before| before.whole().is_none()),
                    failed: None,
                    digest: sending.list.digest.to_string(),
                })
            }
            Action::Upload(uploading) => {
                let before = uploading.before.as_ref();
                let failed = before.and_then(failed);
                let by = uploading.change.map_or("create", UserChange::as_str);
                Some(MembersDocument {
                    listed: uploading.list.values().map(|listing| listing.count),
                    added: uploading.added,
                    removed: uploading.removed,
                    calls: 1,
                    by: by.to_owned(),
                    resumes: before.is_some_and(|before| before.users.is_none()) && failed.is_none(),
                    failed,
                    digest: match &uploading.list {
                        UserList::Values(listing) => listing.digest.to_string(),
                        UserList::Published { sha256 } => sha256.clone(),
                    },
                })
            }
            Action::Create(_) | Action::Update(_) | Action::Archive(_) | Action::Unarchive(_) => None,
        }
    }
}

/// What the service said of a list that it could not read.
fn failed(uploaded: &Uploaded) -> Option<String> {
    match uploaded.heard.as_ref()? {
        Callback::Failed { message } => Some(message.clone()),
        Callback::Processed(_) => None,
    }
}
