//! Finds segments by what is unique, without a look at each of them.

use super::{SandboxSegment, SandboxSettings};
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Clone, Debug, Default)]
pub(super) struct SegmentIndex {
    keys: BTreeMap<String, IndexKeys>,
    /// Switches can let several segments have one name or one definition.
    ids_by_name: HashMap<String, BTreeSet<String>>,
    ids_by_definition: HashMap<String, BTreeSet<String>>,
}

#[derive(Clone, Debug)]
struct IndexKeys {
    name: String,
    /// `None` for cohorts and file segments.
    definition: Option<String>,
}

impl SegmentIndex {
    pub(super) fn of<'s>(
        segments: impl Iterator<Item = &'s SandboxSegment>,
        settings: &SandboxSettings,
    ) -> Self {
        let mut index = Self::default();
        segments.for_each(|segment| index.put(segment, settings));
        index
    }

    pub(super) fn put(&mut self, segment: &SandboxSegment, settings: &SandboxSettings) {
        let id = &segment.id;
        let keys = IndexKeys {
            name: name_key(&segment.name, settings),
            definition: segment.contents.equality_key(settings.equality_order_sensitive),
        };
        if let Some(before) = self.keys.insert(id.clone(), keys.clone()) {
            remove(&mut self.ids_by_name, &before.name, id);
            if let Some(definition) = &before.definition {
                remove(&mut self.ids_by_definition, definition, id);
            }
        }
        self.ids_by_name.entry(keys.name).or_default().insert(id.clone());
        if let Some(definition) = keys.definition {
            let ids = self.ids_by_definition.entry(definition).or_default();
            ids.insert(id.clone());
        }
    }

    pub(super) fn ids_by_name(
        &self,
        name: &str,
        settings: &SandboxSettings,
    ) -> impl Iterator<Item = &String> {
        self.ids_by_name
            .get(&name_key(name, settings))
            .into_iter()
            .flatten()
    }

    pub(super) fn ids_by_definition(&self, equality_key: &str) -> impl Iterator<Item = &String> {
        self.ids_by_definition.get(equality_key).into_iter().flatten()
    }
}

pub(super) fn name_key(name: &str, settings: &SandboxSettings) -> String {
    if settings.names_case_sensitive {
        name.to_owned()
    } else {
        name.to_lowercase()
    }
}

fn remove(ids: &mut HashMap<String, BTreeSet<String>>, key: &str, id: &str) {
    if let Some(same) = ids.get_mut(key) {
        same.remove(id);
        if same.is_empty() {
            ids.remove(key);
        }
    }
}
