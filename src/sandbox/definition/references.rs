//! The references of a definition, and its length with every reference expanded.

use super::{filters_of, is_nested_group};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(in crate::sandbox) type DefinitionJson = (Value, Option<Value>);

/// The referenced ids, without the pseudo id for all users.
pub(in crate::sandbox) fn referenced_ids(included: &Value, excluded: Option<&Value>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for group in std::iter::once(included).chain(excluded) {
        visit_filters(group, &mut |filter| {
            if let Some(id) = referenced_id(filter).filter(|id| *id != "moe_all_users") {
                ids.insert(id.to_owned());
            }
        });
    }
    ids
}

pub(in crate::sandbox) fn has_nested_group(included: &Value, excluded: Option<&Value>) -> bool {
    let mut groups = std::iter::once(included).chain(excluded);
    groups.any(|group| filters_of(group).iter().any(is_nested_group))
}

/// The length in characters of the definition with every reference replaced by the referenced definition.
pub(in crate::sandbox) fn expanded_length(
    included: &Value,
    excluded: Option<&Value>,
    definition_of: &dyn Fn(&str) -> Option<DefinitionJson>,
) -> usize {
    let mut expansion = LengthExpansion {
        definition_of,
        known_lengths: BTreeMap::new(),
        in_progress: BTreeSet::new(),
    };
    expansion.length(included, excluded)
}

struct LengthExpansion<'a> {
    definition_of: &'a dyn Fn(&str) -> Option<DefinitionJson>,
    /// A cache, so that a diamond of references is walked once per segment and not once per path.
    known_lengths: BTreeMap<String, usize>,
    /// The segments that are being walked. A cycle adds nothing the second time.
    in_progress: BTreeSet<String>,
}

impl LengthExpansion<'_> {
    fn length(&mut self, included: &Value, excluded: Option<&Value>) -> usize {
        let mut length = 0_usize;
        for group in std::iter::once(included).chain(excluded) {
            length = length.saturating_add(group.to_string().chars().count());
            let mut references = Vec::new();
            visit_filters(group, &mut |filter| {
                if let Some(id) = referenced_id(filter) {
                    references.push((id.to_owned(), filter.to_string().chars().count()));
                }
            });
            for (id, own_length) in references {
                if let Some(expanded) = self.length_of_id(&id) {
                    length = length.saturating_sub(own_length).saturating_add(expanded);
                }
            }
        }
        length
    }

    fn length_of_id(&mut self, id: &str) -> Option<usize> {
        if let Some(length) = self.known_lengths.get(id) {
            return Some(*length);
        }
        if !self.in_progress.insert(id.to_owned()) {
            return None;
        }
        let definition = (self.definition_of)(id);
        let length = definition.map(|(included, excluded)| self.length(&included, excluded.as_ref()));
        self.in_progress.remove(id);
        if let Some(length) = length {
            self.known_lengths.insert(id.to_owned(), length);
        }
        length
    }
}

fn referenced_id(filter: &Value) -> Option<&str> {
    (filter.get("filter_type")? == "custom_segments")
        .then(|| filter.get("id")?.as_str())
        .flatten()
}

fn visit_filters(group: &Value, visit: &mut dyn FnMut(&Value)) {
    for filter in filters_of(group) {
        visit(filter);
        if is_nested_group(filter) {
            visit_filters(filter, visit);
        }
    }
}
