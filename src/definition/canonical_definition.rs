//! A declared definition in the forms that a plan needs. It is encoded once, and digested once where possible.

use super::references::ReferenceSummary;
use super::{Digest, Digests, Identities, canonical, encode};
use crate::model::{Definition, Payload};
use serde_json::Value;
use std::sync::OnceLock;

#[derive(Clone, Debug)]
pub struct CanonicalDefinition {
    payload: Payload,
    /// `None` if it depends on what the references mean.
    digest: Option<Digest>,
    references: OnceLock<ReferenceSummary>,
}

impl CanonicalDefinition {
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        let payload = encode(definition);
        let is_independent = definition.references().is_empty();
        Self {
            digest: is_independent.then(|| Digest::exact(&payload, &Identities::default())),
            references: OnceLock::new(),
            payload,
        }
    }

    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    #[must_use]
    pub fn references(&self) -> &ReferenceSummary {
        self.references
            .get_or_init(|| ReferenceSummary::from_payload(&self.payload))
    }

    #[must_use]
    pub fn exact_form(&self, identities: &Identities) -> Value {
        canonical::exact(&self.payload, identities)
    }

    #[must_use]
    pub fn exact_digest(&self, identities: &Identities) -> Digest {
        self.digest
            .unwrap_or_else(|| Digest::exact(&self.payload, identities))
    }

    #[must_use]
    pub fn digests(&self, identities: &Identities) -> Digests {
        Digests::of(&self.payload, identities)
    }
}
