//! The parts of a definition, each with its path in the document, so that rules can point at fields.

use super::super::declaration::{Declaration, PathElement};
use crate::diagnostic::Location;
use crate::model::{AttributeFilter, AttributeGroup, Condition, Filter, Group, Reference};

/// A part of a declared definition and where it stands.
pub(super) struct Located<'a, T> {
    pub(super) declaration: &'a Declaration,
    pub(super) part: &'a T,
    path: Vec<PathElement>,
}

/// Every part of one definition, in the order of the file, the nested and excluded ones too.
pub(super) struct DefinitionParts<'a> {
    pub(super) groups: Vec<Located<'a, Group>>,
    pub(super) filters: Vec<Located<'a, Filter>>,
    /// Conditions of filters, of events, and inside objects.
    pub(super) conditions: Vec<Located<'a, AttributeFilter>>,
    pub(super) references: Vec<Located<'a, Reference>>,
}

impl<T> Located<'_, T> {
    /// Where the part stands.
    pub(super) fn location(&self) -> Location {
        self.declaration.location_of(&self.path)
    }

    /// Where a field of the part stands, `steps` down from it; the part itself where it is left out.
    pub(super) fn location_of(&self, steps: &[PathElement]) -> Location {
        self.declaration.location_of(&[&self.path, steps].concat())
    }

    /// Where the first of `keys` stands that is written: forms of one window name the same value differently.
    pub(super) fn location_of_any(&self, steps: &[PathElement], keys: &[&'static str]) -> Location {
        let parent = self.location_of(steps);
        let mut places = keys
            .iter()
            .map(|key| self.location_of(&[steps, &[PathElement::Field(key)]].concat()));
        places.find(|place| *place != parent).unwrap_or(parent)
    }

    /// Whether the part stands inside an event filter, where user attributes cannot be compared with.
    pub(super) fn is_in_event(&self) -> bool {
        self.path.contains(&PathElement::Field("attributes"))
    }
}

impl<'a> DefinitionParts<'a> {
    pub(super) fn of(declaration: &'a Declaration) -> Self {
        let mut walk = PartCollector {
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
        walk.descend(&[PathElement::Field("included_filters")], |walk| {
            walk.group(&definition.included);
        });
        if let Some(excluded) = &definition.excluded {
            walk.descend(&[PathElement::Field("excluded_filters")], |walk| {
                walk.group(excluded)
            });
        }
        walk.parts
    }
}

struct PartCollector<'a> {
    declaration: &'a Declaration,
    path: Vec<PathElement>,
    parts: DefinitionParts<'a>,
}

impl<'a> PartCollector<'a> {
    /// Walks on `steps` further down.
    fn descend(&mut self, steps: &[PathElement], walk: impl FnOnce(&mut Self)) {
        let depth = self.path.len();
        self.path.extend_from_slice(steps);
        walk(self);
        self.path.truncate(depth);
    }

    fn located<T>(&self, part: &'a T) -> Located<'a, T> {
        Located {
            declaration: self.declaration,
            part,
            path: self.path.clone(),
        }
    }

    fn group(&mut self, group: &'a Group) {
        self.parts.groups.push(self.located(group));
        for (index, filter) in group.filters.iter().enumerate() {
            self.descend(
                &[PathElement::Field("filters"), PathElement::Item(index)],
                |walk| {
                    walk.filter(filter);
                },
            );
        }
    }

    fn filter(&mut self, filter: &'a Filter) {
        self.parts.filters.push(self.located(filter));
        match filter {
            Filter::Attribute(condition) => self.condition(condition),
            Filter::Event(event) => self.event_attributes(&event.attributes),
            Filter::Affinity(affinity) => self.event_attributes(&affinity.attributes),
            Filter::Reference(reference) => self.parts.references.push(self.located(reference)),
            Filter::Nested(group) => self.group(group),
            Filter::Raw(_) => {}
        }
    }

    fn event_attributes(&mut self, group: &'a AttributeGroup) {
        self.descend(&[PathElement::Field("attributes")], |walk| walk.conditions(group));
    }

    fn conditions(&mut self, group: &'a AttributeGroup) {
        for (index, condition) in group.filters.iter().enumerate() {
            self.descend(
                &[PathElement::Field("filters"), PathElement::Item(index)],
                |walk| {
                    walk.condition(condition);
                },
            );
        }
    }

    fn condition(&mut self, condition: &'a AttributeFilter) {
        self.parts.conditions.push(self.located(condition));
        if let Condition::Object(group) | Condition::ArrayObject(group) = &condition.condition {
            self.conditions(group);
        }
    }
}
