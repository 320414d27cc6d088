//! Rules on groups: an empty one would match everybody.

use super::super::declaration::PathElement;
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{AttributeFilter, Condition, Group};

pub(super) const EMPTY_GROUP: Rule = Rule {
    code: "SEG032",
    name: "group-empty",
    explanation: "A group without filters asks for nothing, so it would match everybody, and it is more often an \
                  accident than a wish. Add a filter or take the group out. If everybody is meant, say so with a \
                  `custom_segments` filter that has the id `moe_all_users`.",
    check: RuleCheck::Group(empty_group),
};

pub(super) const EMPTY_OBJECT: Rule = Rule {
    code: "SEG033",
    name: "object-empty",
    explanation: "A condition on an object consists of the conditions inside it; without one it asks for nothing. \
                  Add the conditions that the object's own attributes have to meet.",
    check: RuleCheck::Condition(empty_object),
};

fn empty_group(group: &Located<'_, Group>, found: &mut Vec<Diagnostic>) {
    if group.part.filters.is_empty() {
        let place = group.location_of(&[PathElement::Field("filters")]);
        let message = "a group without filters would match everybody";
        found.push(
            Diagnostic::error(EMPTY_GROUP.code, message, place, "no filter").with_help(
                "add a filter; to match everybody, use {filter_type: custom_segments, id: moe_all_users}",
            ),
        );
    }
}

fn empty_object(condition: &Located<'_, AttributeFilter>, found: &mut Vec<Diagnostic>) {
    if let Condition::Object(group) | Condition::ArrayObject(group) = &condition.part.condition
        && group.filters.is_empty()
    {
        let place = condition.location_of(&[PathElement::Field("filters")]);
        let message = format!("the object `{}` has no conditions inside", condition.part.name);
        found.push(
            Diagnostic::error(EMPTY_OBJECT.code, message, place, "no condition")
                .with_help("add a condition on one of the object's own attributes"),
        );
    }
}
