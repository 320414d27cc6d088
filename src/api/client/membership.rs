//! Requests about segments whose members the API does not return: file segments and cohorts.
//!
//! MoEngage processes such a request later, so success means only that it accepted the request. It also answers with
//! success if it drops an invalid cohort name, so segctl checks names first.

use super::super::error::{self, ApiError, RequestError};
use super::super::operation::Operation;
use super::super::responses::{self, Acknowledgement};
use super::super::transport::{Request, Transport};
use super::{Client, Clock, Permit, WaitNotice, WaitReason, requests};
use crate::model::{
    CohortKey, EndpointClass, Identifier, Keyword, MemberChange, SegmentId, SegmentName, UserChange,
};
use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// The API's limit for the body of a cohort sync: 128 KB.
const MAX_SYNC_BODY_BYTES: usize = 128 * 1024;

#[derive(Clone, Copy, Debug)]
pub struct UploadParameters<'a> {
    /// MoEngage reads the list, one value a line, from this URL.
    pub url: &'a str,
    pub identifier: &'a Identifier,
    /// MoEngage sends the result to this URL.
    pub callback_url: Option<&'a str>,
    /// MoEngage also sends the result to these e-mail addresses.
    pub notify: &'a [String],
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Creates a file segment and returns its id. It has no users until MoEngage has read the list.
    pub async fn upload(
        &self,
        permit: Permit,
        name: &SegmentName,
        file: UploadParameters<'_>,
        expires_in_days: u32,
    ) -> Result<SegmentId, RequestError> {
        let mut body = upload_body(name, file);
        body.insert("expiry_time".to_owned(), expires_in_days.into());
        let request = requests::file_segment(None, self.file_content_type, Value::Object(body));
        let operation = Operation::Upload(name.clone());
        self.send_upload(permit, operation, request).await
    }

    /// If `id` is given, MoEngage finds the segment by id and not by name. Returns the id.
    pub async fn change_users(
        &self,
        permit: Permit,
        name: &SegmentName,
        id: Option<&SegmentId>,
        change: UserChange,
        file: UploadParameters<'_>,
    ) -> Result<SegmentId, RequestError> {
        let mut body = upload_body(name, file);
        if let Some(id) = id {
            body.insert("cs_id".to_owned(), id.as_str().into());
        }
        let request = requests::file_segment(Some(change), self.file_content_type, Value::Object(body));
        let operation = Operation::ChangeUsers(name.clone(), change);
        self.send_upload(permit, operation, request).await
    }

    async fn send_upload(
        &self,
        permit: Permit,
        operation: Operation,
        request: Request,
    ) -> Result<SegmentId, RequestError> {
        let (id, acknowledgement) = self
            .send_write(
                permit,
                operation.clone(),
                request,
                responses::decode_upload_response,
            )
            .await?;
        self.check_acknowledgement(operation, acknowledgement)?;
        Ok(id)
    }

    /// Waits for part of the time until `until`, for the result of an upload. Returns false if the run was cancelled.
    pub async fn wait_for_callback(
        &self,
        segment: &SegmentName,
        pause: SignedDuration,
        until: Timestamp,
    ) -> bool {
        let notice = WaitNotice {
            class: EndpointClass::File,
            until,
            reason: WaitReason::Callback(segment.clone()),
        };
        let moment = later(self.clock.now(), pause).min(until);
        self.wait_until(&notice, moment).await.is_ok()
    }

    /// Adds or removes cohort members, and creates the cohort if it does not exist. Repeating the request has no effect.
    pub async fn sync_members(
        &self,
        permit: Permit,
        name: &SegmentName,
        key: &CohortKey,
        change: MemberChange,
        members: &[String],
    ) -> Result<(), RequestError> {
        let operation = Operation::SyncMembers(name.clone(), change);
        let request = requests::cohort_sync(sync_body(name, key, change, members));
        let acknowledgement = self
            .send_write(
                permit,
                operation.clone(),
                request,
                responses::decode_sync_response,
            )
            .await?;
        self.check_acknowledgement(operation, acknowledgement)
    }

    /// An HTTP success whose body reports failure had no effect.
    pub(super) fn check_acknowledgement(
        &self,
        operation: Operation,
        acknowledgement: Acknowledgement,
    ) -> Result<(), RequestError> {
        if acknowledgement.success {
            return Ok(());
        }
        let message = error::escape_and_truncate(&self.transport.redact(&acknowledgement.message));
        let kind = ApiError::Refused { status: 200, message };
        Err(RequestError { operation, kind })
    }
}

/// Packs a stream of members into as few request bodies as possible.
#[derive(Clone, Debug)]
pub struct MemberBatcher {
    envelope_bytes: usize,
    body_bytes: usize,
    members: Vec<String>,
}

impl MemberBatcher {
    #[must_use]
    pub fn new(name: &SegmentName, key: &CohortKey) -> Self {
        // `remove_members` is longer than `add_members`.
        let envelope_bytes = sync_body(name, key, MemberChange::Remove, &[]).to_string().len();
        Self {
            envelope_bytes,
            body_bytes: envelope_bytes,
            members: Vec::new(),
        }
    }

    /// Adds a member. If it does not fit, returns the members before it, which fill a request.
    ///
    /// A member that is too long for any request is returned alone, and MoEngage rejects it.
    pub fn push(&mut self, member: String) -> Option<Vec<String>> {
        // Including a comma.
        let member_bytes = json!({"uid": member}).to_string().len() + 1;
        let is_full = self.body_bytes + member_bytes > MAX_SYNC_BODY_BYTES && !self.members.is_empty();
        let full = is_full.then(|| self.take());
        self.body_bytes += member_bytes;
        self.members.push(member);
        full
    }

    /// The members of the last request, if any.
    pub fn finish(&mut self) -> Option<Vec<String>> {
        (!self.members.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<String> {
        self.body_bytes = self.envelope_bytes;
        std::mem::take(&mut self.members)
    }
}

fn sync_body(name: &SegmentName, key: &CohortKey, change: MemberChange, members: &[String]) -> Value {
    let action = match change {
        MemberChange::Add => "add_members",
        MemberChange::Remove => "remove_members",
    };
    let members: Vec<Value> = members.iter().map(|uid| json!({"uid": uid})).collect();
    json!({
        "action": action,
        "partner": &key.partner,
        "parameters": {"cohort_name": name.as_str(), "cohort_id": &key.cohort_id, "members": members},
    })
}

fn upload_body(name: &SegmentName, file: UploadParameters<'_>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("name".to_owned(), name.as_str().into());
    body.insert(
        "attribute_name".to_owned(),
        file.identifier.attribute.as_str().into(),
    );
    body.insert("attribute_type".to_owned(), file.identifier.kind.as_str().into());
    body.insert("file_url".to_owned(), file.url.into());
    if let Some(url) = file.callback_url {
        body.insert("callback_url".to_owned(), url.into());
    }
    if !file.notify.is_empty() {
        body.insert("emails".to_owned(), json!(file.notify));
    }
    body
}

#[cfg(test)]
pub(super) mod tests;
