//! The digests and references of a stored definition, computed once.

use super::canonical::Identities;
use super::encode::encode;
use crate::model::{
    Contents, DeclaredDefinition, Definition, DefinitionFacts, Digest, Digests, ReferenceSummary, SegmentId,
    StoredDefinition,
};

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
        match self.has_same_form(identities) {
            true => self.facts().digests.exact,
            false => Digest::exact(self, identities),
        }
    }

    #[must_use]
    pub fn digests(&self, identities: &Identities) -> Digests {
        match self.has_same_form(identities) {
            true => self.facts().digests,
            false => Digests::of(self, identities),
        }
    }

    /// At any depth, without the pseudo id for all users.
    pub fn referenced_ids(&self) -> impl Iterator<Item = &SegmentId> {
        self.facts().references.ids()
    }

    /// Whether the identities leave every reference as it is written.
    fn has_same_form(&self, identities: &Identities) -> bool {
        let mut references = self.facts().references.references.keys();
        references.all(|reference| identities.keep(reference))
    }
}
