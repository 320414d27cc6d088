//! Calls about segments whose members nobody can read back: users in files, and cohorts.
//!
//! The service takes such a call and does what it says later, so that success means no more than that it was taken. Of a
//! cohort it answers with success also where it drops a name that it does not like, so that names are checked before.

use super::super::error::{self, ApiError, RequestError};
use super::super::operation::Operation;
use super::super::responses::{self, Acknowledgement};
use super::super::transport::Transport;
use super::{Client, Clock, Permit, WaitNotice, WaitReason, requests};
use crate::model::{
    CohortKey, EndpointClass, Identifier, Keyword, MemberChange, SegmentId, SegmentName, UserChange,
};
use crate::rate_limit::later;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// The most bytes that the body of one sync of members may have: 128 KB.
const MAX_SYNC_BODY_BYTES: usize = 128 * 1024;

/// A list of users, as the service is told of it.
#[derive(Clone, Copy, Debug)]
pub struct UploadParameters<'a> {
    /// Where the service reads it: one value a line.
    pub url: &'a str,
    /// What the values are.
    pub identifier: &'a Identifier,
    /// Where the service tells what came of it.
    pub callback_url: Option<&'a str>,
    /// E-mail addresses that it tells it, too.
    pub notify: &'a [String],
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes a file segment, which has no users until the service has read the list; its id comes back.
    ///
    /// # Errors
    ///
    /// It was not made, or its effect is unknown.
    pub async fn upload(
        &self,
        turn: Permit,
        name: &SegmentName,
        (file, expires_in_days): (UploadParameters<'_>, u32),
    ) -> Result<SegmentId, RequestError> {
        let mut body = upload_body(name, file);
        body.insert("expiry_time".to_owned(), expires_in_days.into());
        let call = requests::file_segment(None, Value::Object(body));
        let operation = Operation::Upload(name.clone());
        let (id, done) = self
            .send_write(turn, (operation.clone(), call), responses::decode_upload_response)
            .await?;
        self.check_acknowledgement(operation, done).map(|()| id)
    }

    /// Changes the users of a file segment, which its id decides where it is given.
    ///
    /// # Errors
    ///
    /// The service did not take it, or may have.
    pub async fn change_users(
        &self,
        turn: Permit,
        (name, id): (&SegmentName, Option<&SegmentId>),
        (change, file): (UserChange, UploadParameters<'_>),
    ) -> Result<(), RequestError> {
        let mut body = upload_body(name, file);
        if let Some(id) = id {
            body.insert("cs_id".to_owned(), id.as_str().into());
        }
        let call = requests::file_segment(Some(change), Value::Object(body));
        let operation = Operation::ChangeUsers(name.clone(), change);
        let (_, done) = self
            .send_write(turn, (operation.clone(), call), responses::decode_upload_response)
            .await?;
        self.check_acknowledgement(operation, done)
    }

    /// Waits a while for what the service says of a list, until a moment at most; whether it may be waited on.
    pub async fn wait_for_callback(
        &self,
        segment: &SegmentName,
        (nap, until): (SignedDuration, Timestamp),
    ) -> bool {
        let waiting = WaitNotice {
            class: EndpointClass::File,
            until,
            reason: WaitReason::Callback(segment.clone()),
        };
        let moment = later(self.clock.now(), nap).min(until);
        self.wait_until(&waiting, moment).await.is_ok()
    }

    /// Changes the members of a cohort, and makes it where there is none. What is done twice is done once.
    ///
    /// # Errors
    ///
    /// The service did not take it, or may have.
    pub async fn sync_members(
        &self,
        turn: Permit,
        (name, key): (&SegmentName, &CohortKey),
        (change, members): (MemberChange, &[String]),
    ) -> Result<(), RequestError> {
        let call = requests::cohort_sync(sync_body((name, key), change, members));
        let operation = Operation::SyncMembers(name.clone(), change);
        let done = self
            .send_write(turn, (operation.clone(), call), responses::decode_sync_response)
            .await?;
        self.check_acknowledgement(operation, done)
    }

    /// A service that answers with success and means failure did nothing.
    pub(super) fn check_acknowledgement(
        &self,
        operation: Operation,
        done: Acknowledgement,
    ) -> Result<(), RequestError> {
        if done.success {
            return Ok(());
        }
        let message = error::escape_and_truncate(&self.transport.redact(&done.message));
        let kind = ApiError::Refused { status: 200, message };
        Err(RequestError { operation, kind })
    }
}

/// Members that come one after the other, put together so that they fill the bodies of as few calls as will do.
#[derive(Clone, Debug)]
pub struct MemberBatcher {
    /// The bytes of a body without members.
    envelope_bytes: usize,
    body_bytes: usize,
    members: Vec<String>,
}

impl MemberBatcher {
    /// For the cohort of this name.
    #[must_use]
    pub fn new(name: &SegmentName, key: &CohortKey) -> Self {
        // The longer of the two words for what is done.
        let around = sync_body((name, key), MemberChange::Remove, &[])
            .to_string()
            .len();
        Self {
            envelope_bytes: around,
            body_bytes: around,
            members: Vec::new(),
        }
    }

    /// Takes the next member. Where it does not fit, those before it come back: they fill a call.
    ///
    /// A member that fits into no call is alone in one, which the service refuses.
    pub fn push(&mut self, member: String) -> Option<Vec<String>> {
        // With a comma.
        let own = json!({"uid": member}).to_string().len() + 1;
        let is_full = self.body_bytes + own > MAX_SYNC_BODY_BYTES && !self.members.is_empty();
        let full = is_full.then(|| self.take());
        self.body_bytes += own;
        self.members.push(member);
        full
    }

    /// The members of the last call, if there are any left.
    pub fn finish(&mut self) -> Option<Vec<String>> {
        (!self.members.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Vec<String> {
        self.body_bytes = self.envelope_bytes;
        std::mem::take(&mut self.members)
    }
}

fn sync_body((name, key): (&SegmentName, &CohortKey), change: MemberChange, members: &[String]) -> Value {
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

/// The fields that all calls about users have.
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
