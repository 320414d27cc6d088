//! The parts of a definition, each with its path in the document, so that rules can point at fields.

use super::super::declaration::{Declaration, Step};
use crate::diagnostic::Place;
use crate::model::{AttributeFilter, AttributeGroup, Condition, Filter, Group, Reference};

/// A part of a declared definition and where it stands.
pub(super) struct At<'a, T> {
    pub(super) declaration: &'a Declaration,
    pub(super) part: &'a T,
    path: Vec<Step>,
}

/// Every part of one definition, in the order of the file, the nested and excluded ones too.
pub(super) struct Parts<'a> {
    pub(super) groups: Vec<At<'a, Group>>,
    pub(super) filters: Vec<At<'a, Filter>>,
    /// Conditions of filters, of events, and inside objects.
    pub(super) conditions: Vec<At<'a, AttributeFilter>>,
    pub(super) references: Vec<At<'a, Reference>>,
}

impl<T> At<'_, T> {
    /// Where the part stands.
    pub(super) fn place(&self) -> Place {
        self.declaration.place_of(&self.path)
    }

    /// Where a field of the part stands, `steps` down from it; the part itself where it is left out.
    pub(super) fn place_of(&self, steps: &[Step]) -> Place {
        self.declaration.place_of(&[&self.path, steps].concat())
    }

    /// Where the first of `keys` stands that is written: forms of one window name the same value differently.
    pub(super) fn place_of_any(&self, steps: &[Step], keys: &[&'static str]) -> Place {
        let parent = self.place_of(steps);
        let mut places = keys
            .iter()
            .map(|key| self.place_of(&[steps, &[Step::Field(key)]].concat()));
        places.find(|place| *place != parent).unwrap_or(parent)
    }

    /// Whether the part stands inside an event filter, where user attributes cannot be compared with.
    pub(super) fn is_of_event(&self) -> bool {
        self.path.contains(&Step::Field("attributes"))
    }
}

impl<'a> Parts<'a> {
    pub(super) fn of(declaration: &'a Declaration) -> Self {
        let mut walk = Walk {
            declaration,
            path: Vec::new(),
            parts: Self {
                groups: Vec::new(),
                filters: Vec::new(),
                conditions: Vec::new(),
                references: Vec::new(),
            },
        };
        let Some(definition) = declaration.segment.contents.definition() else {
            return walk.parts;
        };
        walk.at(&[Step::Field("included_filters")], |walk| {
            walk.group(&definition.included);
        });
        if let Some(excluded) = &definition.excluded {
            walk.at(&[Step::Field("excluded_filters")], |walk| walk.group(excluded));
        }
        walk.parts
    }
}

struct Walk<'a> {
    declaration: &'a Declaration,
    path: Vec<Step>,
    parts: Parts<'a>,
}

impl<'a> Walk<'a> {
    /// Walks on `steps` further down.
    fn at(&mut self, steps: &[Step], walk: impl FnOnce(&mut Self)) {
        let depth = self.path.len();
        self.path.extend_from_slice(steps);
        walk(self);
        self.path.truncate(depth);
    }

    fn here<T>(&self, part: &'a T) -> At<'a, T> {
        At {
            declaration: self.declaration,
            part,
            path: self.path.clone(),
        }
    }

    fn group(&mut self, group: &'a Group) {
        self.parts.groups.push(self.here(group));
        for (index, filter) in group.filters.iter().enumerate() {
            self.at(&[Step::Field("filters"), Step::Item(index)], |walk| {
                walk.filter(filter);
            });
        }
    }

    fn filter(&mut self, filter: &'a Filter) {
        self.parts.filters.push(self.here(filter));
        match filter {
            Filter::Attribute(condition) => self.condition(condition),
            Filter::Event(event) => self.event_attributes(&event.attributes),
            Filter::Affinity(affinity) => self.event_attributes(&affinity.attributes),
            Filter::Reference(reference) => self.parts.references.push(self.here(reference)),
            Filter::Nested(group) => self.group(group),
            Filter::Raw(_) => {}
        }
    }

    fn event_attributes(&mut self, group: &'a AttributeGroup) {
        self.at(&[Step::Field("attributes")], |walk| walk.conditions(group));
    }

    fn conditions(&mut self, group: &'a AttributeGroup) {
        for (index, condition) in group.filters.iter().enumerate() {
            self.at(&[Step::Field("filters"), Step::Item(index)], |walk| {
                walk.condition(condition);
            });
        }
    }

    fn condition(&mut self, condition: &'a AttributeFilter) {
        self.parts.conditions.push(self.here(condition));
        if let Condition::Object(group) | Condition::ArrayObject(group) = &condition.condition {
            self.conditions(group);
        }
    }
}
