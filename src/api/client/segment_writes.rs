//! Writes of filter segments, and the lifecycle of every segment.

use super::super::error::RequestError;
use super::super::operation::Operation;
use super::super::responses::{self, RemoteSegment};
use super::super::transport::{Request, Transport};
use super::{Client, Clock, Permit, requests};
use crate::model::{Payload, SegmentId, SegmentName};
use serde_json::{Value, json};

impl<T: Transport, C: Clock> Client<T, C> {
    /// Returns the segment as MoEngage stored it.
    pub async fn create(
        &self,
        permit: Permit,
        name: &SegmentName,
        definition: &Payload,
    ) -> Result<RemoteSegment, RequestError> {
        let mut body = json!({"name": name.as_str(), "included_filters": definition.included_filters});
        if let Some(excluded) = &definition.excluded_filters {
            body["excluded_filters"] = excluded.clone();
        }
        let operation = Operation::Create(name.clone());
        self.send_write(
            permit,
            operation,
            requests::create(body),
            responses::decode_segment,
        )
        .await
    }

    /// Replaces the definition, and also the name if `name` is given. Returns the segment as MoEngage stored it.
    ///
    /// The effect of omitting `excluded_filters` is not documented, so segctl always sends it. An empty group means "no
    /// exclusion", because the API does not document null as a group.
    pub async fn update(
        &self,
        permit: Permit,
        id: &SegmentId,
        name: Option<&SegmentName>,
        definition: &Payload,
    ) -> Result<RemoteSegment, RequestError> {
        let operation = Operation::Update(id.clone());
        let excluded = definition.excluded_filters.clone();
        let excluded = excluded.unwrap_or_else(|| json!({"filter_operator": "and", "filters": []}));
        let mut body = json!({"included_filters": definition.included_filters, "excluded_filters": excluded});
        if let Some(name) = name {
            body["name"] = Value::from(name.as_str());
        }
        let request = requests::update(&operation, id, body)?;
        let decode = |body: &[u8]| requests::decode_segment_with_id(id, body);
        self.send_write(permit, operation, request, decode).await
    }

    /// If `id` is given, MoEngage finds the segment by id and not by name.
    pub async fn archive(
        &self,
        permit: Permit,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), RequestError> {
        let operation = Operation::Archive(name.clone());
        self.change_lifecycle(permit, operation, requests::archive(name, id))
            .await
    }

    /// If `id` is given, MoEngage finds the segment by id and not by name.
    pub async fn unarchive(
        &self,
        permit: Permit,
        name: &SegmentName,
        id: Option<&SegmentId>,
    ) -> Result<(), RequestError> {
        let operation = Operation::Unarchive(name.clone());
        self.change_lifecycle(permit, operation, requests::unarchive(name, id))
            .await
    }

    async fn change_lifecycle(
        &self,
        permit: Permit,
        operation: Operation,
        request: Request,
    ) -> Result<(), RequestError> {
        let acknowledgement = self
            .send_write(
                permit,
                operation.clone(),
                request,
                responses::decode_acknowledgement,
            )
            .await?;
        self.check_acknowledgement(operation, acknowledgement)
    }
}
