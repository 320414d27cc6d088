//! What a definition refers to, and how long it is with all of that written out.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A definition as it is stored.
pub(in crate::sandbox) type DefinitionJson = (Value, Option<Value>);

/// The ids referred to, without the one for everyone.
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

/// Whether any group stands inside another.
pub(in crate::sandbox) fn has_nested_group(included: &Value, excluded: Option<&Value>) -> bool {
    let mut found = false;
    for group in std::iter::once(included).chain(excluded) {
        visit_filters(group, &mut |filter| {
            found |= filter
                .get("filter_type")
                .is_some_and(|kind| kind == "nested_filters")
        });
    }
    found
}

/// Characters of the definition with every reference replaced by what it refers to.
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
    /// Lengths found already: a diamond of references must not be walked once for each way through it.
    known_lengths: BTreeMap<String, usize>,
    /// Being walked; a circle adds nothing the second time.
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
            for (id, own) in references {
                if let Some(expanded) = self.length_of_id(&id) {
                    length = length.saturating_sub(own).saturating_add(expanded);
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
        let length =
            (self.definition_of)(id).map(|(included, excluded)| self.length(&included, excluded.as_ref()));
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

fn visit_filters(group: &Value, see: &mut dyn FnMut(&Value)) {
    for filter in group
        .get("filters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        see(filter);
        if filter
            .get("filter_type")
            .is_some_and(|kind| kind == "nested_filters")
        {
            visit_filters(filter, see);
        }
    }
}
