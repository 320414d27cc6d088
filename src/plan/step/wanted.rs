//! Definitions to be stored, and what their references mean.

use crate::definition::{Digest, Digests, Identities, normal};
use crate::model::{Payload, SegmentId, SegmentName};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A definition to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The definition, with references by name where the files have them so.
    payload: Payload,
    /// Its exact normal form.
    form: Value,
    /// Its digests.
    pub digests: Digests,
}

/// Ids by name, and what references mean, as far as known; grows while steps are applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Ids of live segments, declared ones under their declared names.
    pub ids: BTreeMap<SegmentName, SegmentId>,
    /// What references mean.
    pub identities: Identities,
}

impl Wanted {
    /// A definition to be stored, compared under `identities`.
    #[must_use]
    pub fn new(payload: Payload, identities: &Identities) -> Self {
        let form = normal::exact(&payload, identities);
        Self::of_form(payload, form)
    }

    /// A definition to be stored, with its exact normal form.
    #[must_use]
    pub fn of_form(payload: Payload, form: Value) -> Self {
        let digests = Digests::of_exact_form(&form);
        Self {
            payload,
            form,
            digests,
        }
    }

    /// The exact normal form.
    #[must_use]
    pub fn form(&self) -> &Value {
        &self.form
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
    pub fn is_stored_as(&self, stored: &Payload, known: &Known) -> bool {
        digest_of(stored, known) == self.digests.exact
    }

    /// The definition with the ids of all references filled in.
    ///
    /// # Errors
    ///
    /// The name of a reference that has no id yet: the step that gives it one was not applied.
    pub fn resolved(&self, known: &Known) -> Result<Payload, SegmentName> {
        let mut payload = self.payload.clone();
        fill_ids(&mut payload.included_filters, known)?;
        if let Some(excluded) = &mut payload.excluded_filters {
            fill_ids(excluded, known)?;
        }
        Ok(payload)
    }
}

/// A saved plan holds everything that was decided upon; the digests say what a reader has to come to as well.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedWanted {
    definition: Payload,
    form: Value,
}

impl Serialize for Wanted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let saved = SavedWanted {
            definition: self.payload.clone(),
            form: self.form.clone(),
        };
        saved.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SavedWanted { definition, form } = SavedWanted::deserialize(deserializer)?;
        let digests = Digests::of_exact_form(&form);
        Ok(Self {
            payload: definition,
            form,
            digests,
        })
    }
}

/// The exact digest of a stored definition.
#[must_use]
pub fn digest_of(stored: &Payload, known: &Known) -> Digest {
    Digest::exact(stored, &known.identities)
}

fn fill_ids(group: &mut Value, known: &Known) -> Result<(), SegmentName> {
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

fn fill_id(reference: &mut Value, known: &Known) -> Result<(), SegmentName> {
    let Value::Object(fields) = reference else {
        return Ok(());
    };
    if fields.contains_key("id") {
        return Ok(());
    }
    let Some(name) = fields.get("name").and_then(Value::as_str).map(SegmentName::new) else {
        return Ok(());
    };
    match known.ids.get(&name) {
        Some(id) => {
            fields.insert("id".to_owned(), id.as_str().into());
            Ok(())
        }
        None => Err(name),
    }
}
