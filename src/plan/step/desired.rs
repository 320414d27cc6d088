//! Definitions to be stored, and what their references mean.

use crate::definition::references::ReferenceSummary;
use crate::definition::{Digest, Digests, Identities, canonical};
use crate::model::{Payload, Reference, SegmentId, SegmentName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A definition to be stored. Its normal form is as large as itself and asked for only by who shows it, so that it is
/// not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredDefinition {
    /// The definition, with references by name where the files have them so.
    #[serde(rename = "definition")]
    payload: Payload,
    /// Its digests, as the plan knew what its references mean.
    pub digests: Digests,
}

/// Ids by name, and what references mean, as far as known; grows while steps are applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedReferences {
    /// Ids of live segments, declared ones under their declared names.
    pub ids_by_name: BTreeMap<SegmentName, SegmentId>,
    /// What references mean.
    pub identities: Identities,
}

impl DesiredDefinition {
    /// A definition to be stored, compared under `identities`.
    #[must_use]
    pub fn new(payload: Payload, identities: &Identities) -> Self {
        let digests = Digests::of(&payload, identities);
        Self { payload, digests }
    }

    /// A definition to be stored, of which the exact normal form is known already.
    #[must_use]
    pub fn from_canonical(payload: Payload, form: &Value) -> Self {
        let digests = Digests::of_exact(form);
        Self { payload, digests }
    }

    /// The exact normal form.
    #[must_use]
    pub fn canonical(&self, known: &ResolvedReferences) -> Value {
        canonical::exact(&self.payload, &known.identities)
    }

    /// The definition with references as they stand in it.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The same audience in another form: `included_filters` stands in one more group.
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

    /// Whether `stored` is this definition, as far as form can tell.
    #[must_use]
    pub fn is_identical_to(&self, stored: &Payload, known: &ResolvedReferences) -> bool {
        exact_digest(stored, known) == self.digests.exact
    }

    /// Whether `stored` is this definition, or the same filters in other groups or another order.
    #[must_use]
    pub fn is_equivalent_to(&self, stored: &Payload, known: &ResolvedReferences) -> bool {
        let bare = |payload: &Payload| Digests::of(&unwrapped(payload), &known.identities).unordered;
        bare(&self.payload) == bare(stored)
    }

    /// The live segments that it refers to, as far as they have ids yet.
    #[must_use]
    pub fn referenced_ids(&self, known: &ResolvedReferences) -> BTreeSet<SegmentId> {
        let references = ReferenceSummary::from_payload(&self.payload)
            .references
            .into_keys();
        let ids = references.filter_map(|reference| match reference {
            Reference::Id { id, .. } => Some(id),
            Reference::Name(name) => known.ids_by_name.get(&name).cloned(),
        });
        ids.collect()
    }

    /// The definition with the ids of all references filled in.
    ///
    /// # Errors
    ///
    /// The name of a reference that has no id yet: the step that gives it one was not applied.
    pub fn resolved(&self, known: &ResolvedReferences) -> Result<Payload, SegmentName> {
        let mut payload = self.payload.clone();
        fill_ids(&mut payload.included_filters, known)?;
        if let Some(excluded) = &mut payload.excluded_filters {
            fill_ids(excluded, known)?;
        }
        Ok(payload)
    }
}

/// The exact digest of a stored definition.
#[must_use]
pub fn exact_digest(stored: &Payload, known: &ResolvedReferences) -> Digest {
    Digest::exact(stored, &known.identities)
}

/// A definition without the groups around it that hold nothing but a group.
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

fn fill_ids(group: &mut Value, known: &ResolvedReferences) -> Result<(), SegmentName> {
    let Some(filters) = group.get_mut("filters").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for filter in filters {
        match filter.get("filter_type").and_then(Value::as_str) {
            Some("nested_filters") => fill_ids(filter, known)?,
            Some("custom_segments") => fill_id(filter, known)?,
            _ => {}
        }
    }
    Ok(())
}

fn fill_id(reference: &mut Value, known: &ResolvedReferences) -> Result<(), SegmentName> {
    let Value::Object(fields) = reference else {
        return Ok(());
    };
    if fields.contains_key("id") {
        return Ok(());
    }
    let Some(name) = fields.get("name").and_then(Value::as_str).map(SegmentName::new) else {
        return Ok(());
    };
    match known.ids_by_name.get(&name) {
        Some(id) => {
            fields.insert("id".to_owned(), id.as_str().into());
            Ok(())
        }
        None => Err(name),
    }
}
