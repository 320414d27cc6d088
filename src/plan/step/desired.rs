//! Desired definitions and the meaning of their references.

use crate::definition::references::ReferenceSummary;
use crate::definition::{Digest, Digests, Identities, canonical, is_respelling};
use crate::model::{Payload, Reference, SegmentId, SegmentName, StoredDefinition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Without the canonical form, which is as large as the definition and seldom needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredDefinition {
    /// References are by name where the configuration has names.
    #[serde(rename = "definition")]
    payload: Payload,
    /// With the references as resolved at the time of the plan.
    pub digests: Digests,
}

/// Grows while steps are applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedReferences {
    /// Of remote segments; a declared one has its declared name.
    pub ids_by_name: BTreeMap<SegmentName, SegmentId>,
    pub identities: Identities,
}

impl ResolvedReferences {
    /// `None` if the segment does not exist yet.
    pub(in crate::plan) fn id_of<'r>(&'r self, reference: &'r Reference) -> Option<&'r SegmentId> {
        match reference {
            Reference::Id { id, .. } => Some(id),
            Reference::Name(name) => self.ids_by_name.get(name),
        }
    }
}

impl DesiredDefinition {
    #[must_use]
    pub fn new(payload: Payload, identities: &Identities) -> Self {
        let digests = Digests::of(&payload, identities);
        Self { payload, digests }
    }

    #[must_use]
    pub fn of(definition: &StoredDefinition, identities: &Identities) -> Self {
        Self {
            payload: definition.payload().clone(),
            digests: definition.digests(identities),
        }
    }

    #[must_use]
    pub fn canonical(&self, references: &ResolvedReferences) -> Value {
        canonical::exact(&self.payload, &references.identities)
    }

    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The same members in another form: `included_filters` in one more group.
    #[must_use]
    pub fn wrapped(&self, identities: &Identities) -> Self {
        let mut inner = self.payload.included_filters.clone();
        if let Value::Object(fields) = &mut inner {
            fields.insert("filter_type".to_owned(), "nested_filters".into());
        }
        let payload = Payload {
            included_filters: json!({"filter_operator": "and", "filters": [inner]}),
            excluded_filters: self.payload.excluded_filters.clone(),
        };
        Self::new(payload, identities)
    }

    #[must_use]
    pub fn is_identical_to(&self, remote: &Payload, references: &ResolvedReferences) -> bool {
        exact_digest(remote, references) == self.digests.exact
    }

    /// Whether `remote` can be this definition in a form that segctl does not know. Only for answers to its own writes.
    #[must_use]
    pub fn is_respelled_as(&self, remote: &Payload, references: &ResolvedReferences) -> bool {
        let remote = canonical::exact(remote, &references.identities);
        is_respelling(&self.canonical(references), &remote)
    }

    /// Whether `remote` has the same filters, in any order and in any additional groups.
    #[must_use]
    pub fn is_equivalent_to(&self, remote: &Payload, references: &ResolvedReferences) -> bool {
        let bare = |payload: &Payload| Digests::of(&unwrapped(payload), &references.identities).unordered;
        bare(&self.payload) == bare(remote)
    }

    /// Without segments that do not exist yet.
    #[must_use]
    pub fn referenced_ids(&self, references: &ResolvedReferences) -> BTreeSet<SegmentId> {
        let summary = ReferenceSummary::from_payload(&self.payload);
        let ids = summary
            .references
            .keys()
            .filter_map(|reference| references.id_of(reference));
        ids.cloned().collect()
    }

    /// Sets the ids of all references. The error is a name without id: the step that creates the segment was not applied.
    pub fn resolved(&self, references: &ResolvedReferences) -> Result<Payload, SegmentName> {
        let mut payload = self.payload.clone();
        fill_ids(&mut payload.included_filters, references)?;
        if let Some(excluded) = &mut payload.excluded_filters {
            fill_ids(excluded, references)?;
        }
        Ok(payload)
    }
}

#[must_use]
pub fn exact_digest(remote: &Payload, references: &ResolvedReferences) -> Digest {
    Digest::exact(remote, &references.identities)
}

/// Without groups that contain only one group.
fn unwrapped(payload: &Payload) -> Payload {
    Payload {
        included_filters: innermost(&payload.included_filters),
        excluded_filters: payload.excluded_filters.as_ref().map(innermost),
    }
}

fn innermost(group: &Value) -> Value {
    let filters = group.get("filters").and_then(Value::as_array);
    match filters.map(Vec::as_slice) {
        Some([only]) if only.get("filter_type") == Some(&json!("nested_filters")) => innermost(only),
        _ => json!({"filter_operator": group.get("filter_operator"), "filters": filters}),
    }
}

fn fill_ids(group: &mut Value, references: &ResolvedReferences) -> Result<(), SegmentName> {
    let Some(filters) = group.get_mut("filters").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for filter in filters {
        match filter.get("filter_type").and_then(Value::as_str) {
            Some("nested_filters") => fill_ids(filter, references)?,
            Some("custom_segments") => fill_id(filter, references)?,
            _ => {}
        }
    }
    Ok(())
}

fn fill_id(reference: &mut Value, references: &ResolvedReferences) -> Result<(), SegmentName> {
    let Value::Object(fields) = reference else {
        return Ok(());
    };
    if fields.contains_key("id") {
        return Ok(());
    }
    let Some(name) = fields.get("name").and_then(Value::as_str).map(SegmentName::new) else {
        return Ok(());
    };
    match references.ids_by_name.get(&name) {
        Some(id) => {
            fields.insert("id".to_owned(), id.as_str().into());
            Ok(())
        }
        None => Err(name),
    }
}
