//! Which segment a reference means, so that a digest does not depend on ids that a workspace has yet to hand out.

use super::fields::without_nulls;
use crate::model::{ALL_USERS_ID, SegmentId, SegmentName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is known of the segments that references can mean.
///
/// The identity of a declared segment is `name:` and its declared name; that of any other is `id:` and its id.
/// With nothing known (files alone), names stand for declared segments and ids for others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// Live segments that a declared one is matched to.
    pub declared_by_id: BTreeMap<SegmentId, SegmentName>,
    /// Live segments that nobody declared, for references by name.
    pub undeclared_by_name: BTreeMap<SegmentName, SegmentId>,
}

impl Identities {
    /// The normal form of a `custom_segments` filter: the id decides, the name beside it is a label.
    pub(super) fn canonical_reference(&self, fields: &Map<String, Value>) -> Value {
        let text = |key| fields.get(key).and_then(Value::as_str);
        let segment = match (text("id"), text("name")) {
            (Some(id), _) => self.identity_of_id(id),
            (None, Some(name)) => self.identity_of_name(name),
            (None, None) => return Value::Object(fields.clone()),
        };
        let mut normal = without_nulls(fields);
        normal.remove("id");
        normal.remove("name");
        normal.insert("segment".to_owned(), segment.into());
        Value::Object(normal)
    }

    fn identity_of_id(&self, id: &str) -> String {
        match self.declared_by_id.get(&SegmentId::new(id)) {
            Some(name) if id != ALL_USERS_ID => format!("name:{name}"),
            _ => format!("id:{id}"),
        }
    }

    fn identity_of_name(&self, name: &str) -> String {
        match self.undeclared_by_name.get(&SegmentName::new(name)) {
            Some(id) => format!("id:{id}"),
            None => format!("name:{name}"),
        }
    }
}
