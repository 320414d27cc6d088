//! The digests and references of a stored definition, computed once.

use super::canonical::Identities;
use super::encode::encode;
use crate::model::{
    Contents, DeclaredDefinition, Definition, DefinitionFacts, Digest, Digests, Reference, ReferenceSummary,
    ResolvedDigests, SegmentId, StoredDefinition,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

impl DeclaredDefinition {
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        Self {
            encoded: encode(definition).into(),
            references: definition.references().into_iter().cloned().collect(),
        }
    }
}

impl From<Definition> for Contents {
    fn from(definition: Definition) -> Self {
        Self::Filter(DeclaredDefinition::of(&definition))
    }
}

impl StoredDefinition {
    #[must_use]
    pub fn facts(&self) -> &DefinitionFacts {
        self.facts_or(|payload| DefinitionFacts {
            digests: Digests::of(payload, &Identities::default()),
            references: ReferenceSummary::from_payload(payload),
        })
    }

    #[must_use]
    pub fn exact_digest(&self, identities: &Identities) -> Digest {
        self.digests(identities).exact
    }

    #[must_use]
    pub fn digests(&self, identities: &Identities) -> Digests {
        match self.resolved_digests(identities) {
            Some(resolved) => resolved.digests,
            None => self.facts().digests,
        }
    }

    /// `None` if the identities leave every reference as it is written.
    #[must_use]
    pub fn resolved_digests(&self, identities: &Identities) -> Option<Cow<'_, ResolvedDigests>> {
        let references = self.facts().references.references.keys();
        if references.clone().all(|reference| identities.keep(reference)) {
            return None;
        }
        let identity = |reference: &Reference| (reference.clone(), identities.identity_of(reference));
        let by_reference: BTreeMap<_, _> = references.map(identity).collect();
        let compute = || ResolvedDigests {
            identities: by_reference.clone(),
            digests: Digests::of(self, identities),
        };
        let known = self.resolved_digests_or(compute);
        Some(if known.identities == by_reference {
            Cow::Borrowed(known)
        } else {
            Cow::Owned(compute())
        })
    }

    /// At any depth, without the pseudo id for all users.
    pub fn referenced_ids(&self) -> impl Iterator<Item = &SegmentId> {
        self.facts().references.ids()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Payload, SegmentName};
    use serde_json::json;

    #[test]
    fn digests_follow_the_names_of_referenced_segments() {
        let filter = json!({"filter_type": "custom_segments", "id": "a1"});
        let payload = Payload {
            included_filters: json!({"filter_operator": "and", "filters": [filter]}),
            excluded_filters: None,
        };
        let names = |name: &str| Identities {
            declared_by_id: [(SegmentId::new("a1"), SegmentName::new(name))].into(),
            ..Identities::default()
        };
        let definition = StoredDefinition::from(payload.clone());
        let cached = definition.resolved_digests(&names("Gold")).map(Cow::into_owned);
        let restored = StoredDefinition::from(payload.clone()).with_resolved_digests(cached.unwrap());
        for identities in [
            names("Gold"),
            names("Silver"),
            Identities::default(),
            names("Gold"),
        ] {
            for definition in [&definition, &restored] {
                assert_eq!(
                    definition.digests(&identities),
                    Digests::of(&payload, &identities)
                );
            }
        }
    }
}
