//! Rules on groups: an empty group would match all users.

use super::super::declaration::PathElement::Field;
use super::parts::Located;
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{AttributeFilter, Condition, Group};

pub(super) const EMPTY_GROUP: Rule = Rule {
    code: "SEG032",
    name: "group-empty",
    explanation: "A group without filters would match all users. Add a filter or remove the group. To match all \
                  users on purpose, use a `custom_segments` filter with the id `moe_all_users`.",
    check: RuleCheck::Group(empty_group),
};

pub(super) const EMPTY_OBJECT: Rule = Rule {
    code: "SEG033",
    name: "object-empty",
    explanation: "A condition on an object needs at least one condition on an attribute of that object. Add one.",
    check: RuleCheck::Condition(empty_object),
};

fn empty_group(group: &Located<'_, Group>, found: &mut Vec<Diagnostic>) {
    if group.part.filters.is_empty() {
        let location = group.location_of(&[Field("filters")]);
        let message = "a group without filters would match all users";
        let help = "add a filter; to match all users, use {filter_type: custom_segments, id: moe_all_users}";
        found.push(Diagnostic::error(EMPTY_GROUP.code, message, location, "no filter").with_help(help));
    }
}

fn empty_object(condition: &Located<'_, AttributeFilter>, found: &mut Vec<Diagnostic>) {
    if let Condition::Object(group) | Condition::ArrayObject(group) = &condition.part.condition
        && group.filters.is_empty()
    {
        let location = condition.location_of(&[Field("filters")]);
        let message = format!("the object `{}` has no conditions", condition.part.name);
        found.push(
            Diagnostic::error(EMPTY_OBJECT.code, message, location, "no condition")
                .with_help("add a condition on one of the attributes of the object"),
        );
    }
}
