//! Identities of referenced segments: a digest must not depend on ids that MoEngage assigns later.

use super::fields::without_nulls;
use crate::model::{ALL_USERS_ID, Reference, SegmentId, SegmentName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The identity of a declared segment is `name:` and its declared name; that of another segment is `id:` and its id.
/// Without any entry, names mean declared segments and ids mean others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// Remote segments that are matched to a declared segment.
    pub declared_by_id: BTreeMap<SegmentId, SegmentName>,
    /// Remote segments that are not declared, for references by name.
    pub undeclared_by_name: BTreeMap<SegmentName, SegmentId>,
}

impl Identities {
    /// The id selects the segment of a `custom_segments` filter; the name beside it is a label.
    pub(super) fn canonical_reference(&self, fields: &Map<String, Value>) -> Value {
        let text = |key| fields.get(key).and_then(Value::as_str);
        let segment = match (text("id"), text("name")) {
            (Some(id), _) => self.identity_of_id(id),
            (None, Some(name)) => self.identity_of_name(name),
            (None, None) => return Value::Object(fields.clone()),
        };
        let mut fields = without_nulls(fields);
        fields.retain(|key, _| key != "id" && key != "name");
        fields.insert("segment".to_owned(), segment.into());
        Value::Object(fields)
    }

    /// Whether a reference has the same identity as without any entry.
    pub(in crate::definition) fn keep(&self, reference: &Reference) -> bool {
        self.identity_of(reference) == Self::default().identity_of(reference)
    }

    pub(in crate::definition) fn identity_of(&self, reference: &Reference) -> String {
        match reference {
            Reference::Name(name) => self.identity_of_name(name.as_str()),
            Reference::Id { id, .. } => self.identity_of_id(id.as_str()),
        }
    }

    /// Ids of 24 hexadecimal characters are one id in both cases.
    fn identity_of_id(&self, id: &str) -> String {
        let is_object_id = id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let canonical = if is_object_id {
            id.to_ascii_lowercase()
        } else {
            id.to_owned()
        };
        let declared = |id: &str| self.declared_by_id.get(&SegmentId::new(id));
        match declared(id).or_else(|| declared(&canonical)) {
            Some(name) if id != ALL_USERS_ID => format!("name:{name}"),
            _ => format!("id:{canonical}"),
        }
    }

    fn identity_of_name(&self, name: &str) -> String {
        match self.undeclared_by_name.get(&SegmentName::new(name)) {
            Some(id) => format!("id:{id}"),
            None => format!("name:{name}"),
        }
    }
}
