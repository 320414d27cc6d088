//! The parts of a definition, each with its path in the document, so that rules can point at fields.

use super::super::declaration::Declaration;
use super::super::declaration::PathElement::{self, Field, Item};
use super::super::decode::definition_of;
use crate::diagnostic::Location;
use crate::model::{AttributeFilter, AttributeGroup, Condition, Filter, Group, Reference};

pub(super) struct Located<'a, T> {
    pub(super) declaration: &'a Declaration,
    pub(super) part: &'a T,
    path: Vec<PathElement>,
}

/// Every part of one definition in file order, including nested and excluded ones.
#[derive(Default)]
pub(super) struct DefinitionParts<'a> {
    pub(super) groups: Vec<Located<'a, Group>>,
    pub(super) filters: Vec<Located<'a, Filter>>,
    pub(super) conditions: Vec<Located<'a, AttributeFilter>>,
    pub(super) references: Vec<Located<'a, Reference>>,
}

impl<T> Located<'_, T> {
    /// The location of the field at `steps`, or of the part if that field is absent.
    pub(super) fn location_of(&self, steps: &[PathElement]) -> Location {
        self.declaration.location_of(&[&self.path, steps].concat())
    }

    /// The first of `keys` that is present. The forms of a time range have different keys for the same value.
    pub(super) fn location_of_any(&self, steps: &[PathElement], keys: &[&'static str]) -> Location {
        let parent = self.location_of(steps);
        let mut locations = keys
            .iter()
            .map(|key| self.location_of(&[steps, &[Field(key)]].concat()));
        locations.find(|location| *location != parent).unwrap_or(parent)
    }

    /// Inside an event filter, values cannot be compared with user attributes.
    pub(super) fn is_in_event(&self) -> bool {
        self.path.contains(&Field("attributes"))
    }
}

impl<'a> DefinitionParts<'a> {
    pub(super) fn of(declaration: &'a Declaration) -> Self {
        let mut collector = PartCollector {
            declaration,
            path: Vec::new(),
            parts: Self::default(),
        };
        if let Some(definition) = definition_of(declaration) {
            let included = Field("included_filters");
            collector.descend(&[included], |collector| collector.group(&definition.included));
            if let Some(group) = &definition.excluded {
                let excluded = Field("excluded_filters");
                collector.descend(&[excluded], |collector| collector.group(group));
            }
        }
        collector.parts
    }
}

struct PartCollector<'a> {
    declaration: &'a Declaration,
    path: Vec<PathElement>,
    parts: DefinitionParts<'a>,
}

impl<'a> PartCollector<'a> {
    fn descend(&mut self, steps: &[PathElement], collect: impl FnOnce(&mut Self)) {
        let depth = self.path.len();
        self.path.extend_from_slice(steps);
        collect(self);
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
            let steps = [Field("filters"), Item(index)];
            self.descend(&steps, |collector| collector.filter(filter));
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
        let steps = [Field("attributes")];
        self.descend(&steps, |collector| collector.conditions(group));
    }

    fn conditions(&mut self, group: &'a AttributeGroup) {
        for (index, condition) in group.filters.iter().enumerate() {
            let steps = [Field("filters"), Item(index)];
            self.descend(&steps, |collector| collector.condition(condition));
        }
    }

    fn condition(&mut self, condition: &'a AttributeFilter) {
        self.parts.conditions.push(self.located(condition));
        if let Condition::Object(group) | Condition::ArrayObject(group) = &condition.condition {
            self.conditions(group);
        }
    }
}
