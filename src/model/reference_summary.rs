//! The references of a definition, as the limits of MoEngage count them. `definition` computes them.

use super::filter::Reference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceSummary {
    /// Without labels, and without the pseudo segment for all users.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "pairs")]
    pub references: BTreeMap<Reference, ReferenceUsage>,
    pub has_nested_group: bool,
    /// In characters of compact JSON.
    pub length: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceUsage {
    pub count: u64,
    pub length: u64,
}

/// JSON has only texts as keys, so a map with references as keys is a list of pairs.
pub(super) mod pairs {
    use super::{BTreeMap, Deserialize, Reference, Serialize};
    use serde::{Deserializer, Serializer};

    pub(in crate::model) fn serialize<T: Serialize, S: Serializer>(
        map: &BTreeMap<Reference, T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(in crate::model) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Reference, T>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}
