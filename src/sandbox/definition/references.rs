//! What a definition refers to, and how long it is with all of that written out.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A definition as it is stored.
pub(in crate::sandbox) type Sides = (Value, Option<Value>);

/// The ids referred to, without the one for everyone.
pub(in crate::sandbox) fn referenced_ids(included: &Value, excluded: Option<&Value>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for group in std::iter::once(included).chain(excluded) {
        visit(group, &mut |filter| {
            if let Some(id) = reference(filter).filter(|id| *id != "moe_all_users") {
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
        visit(group, &mut |filter| {
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
    definition_of: &dyn Fn(&str) -> Option<Sides>,
) -> usize {
    let mut expansion = Expansion {
        definition_of,
        known: BTreeMap::new(),
        open: BTreeSet::new(),
    };
    expansion.length(included, excluded)
}

struct Expansion<'a> {
    definition_of: &'a dyn Fn(&str) -> Option<Sides>,
    /// Lengths found already: a diamond of references must not be walked once for each way through it.
    known: BTreeMap<String, usize>,
    /// Being walked; a circle adds nothing the second time.
    open: BTreeSet<String>,
}

impl Expansion<'_> {
    fn length(&mut self, included: &Value, excluded: Option<&Value>) -> usize {
        let mut length = 0_usize;
        for group in std::iter::once(included).chain(excluded) {
            length = length.saturating_add(group.to_string().chars().count());
            let mut references = Vec::new();
            visit(group, &mut |filter| {
                if let Some(id) = reference(filter) {
                    references.push((id.to_owned(), filter.to_string().chars().count()));
                }
            });
            for (id, own) in references {
                if let Some(expanded) = self.of_id(&id) {
                    length = length.saturating_sub(own).saturating_add(expanded);
                }
            }
        }
        length
    }

    fn of_id(&mut self, id: &str) -> Option<usize> {
        if let Some(length) = self.known.get(id) {
            return Some(*length);
        }
        if !self.open.insert(id.to_owned()) {
            return None;
        }
        let length =
            (self.definition_of)(id).map(|(included, excluded)| self.length(&included, excluded.as_ref()));
        self.open.remove(id);
        if let Some(length) = length {
            self.known.insert(id.to_owned(), length);
        }
        length
    }
}

fn reference(filter: &Value) -> Option<&str> {
    (filter.get("filter_type")? == "custom_segments")
        .then(|| filter.get("id")?.as_str())
        .flatten()
}

fn visit(group: &Value, see: &mut dyn FnMut(&Value)) {
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
            visit(filter, see);
        }
    }
}
