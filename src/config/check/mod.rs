//! Rules on what has no fault in form: what depends on other fields, other segments or the service's domain.
//!
//! One rule, one function, one stable code, one entry in [`RULES`]. A rule looks at the declarations of one
//! workspace and at nothing else; what is live there is the planner's business.

mod aggregation;
mod contents;
mod forms;
mod groups;
mod limits;
mod names;
mod notes;
mod references;
mod set;
mod uniqueness;
mod values;
mod walk;
mod windows;

pub use forms::{FORM_CODES, FormCode};
pub(super) use forms::{LIST_HEADER, LIST_SIZE, LIST_UNREADABLE};

/// The code of a value of a list that matches nobody.
pub(super) const LIST_VALUE_UNUSABLE: &str = contents::BAD_MEMBER.code;
/// The code of a value that a list has twice.
pub(super) const LIST_VALUE_REPEATED: &str = contents::REPEATED_MEMBER.code;

use self::set::{Member, Set};
use self::walk::{At, Parts};
use super::declaration::Declaration;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{AttributeFilter, Filter, Group};

/// A rule that declared segments have to keep.
pub struct Rule {
    /// Stable for ever; the code of every diagnostic that the rule gives.
    pub code: &'static str,
    /// What the rule is called, in kebab-case.
    pub name: &'static str,
    /// Why the rule is there and what to do about a breach, in a few sentences.
    pub explanation: &'static str,
    check: Check,
}

/// What a rule looks at.
enum Check {
    Segment(fn(&Declaration, &mut Vec<Diagnostic>)),
    Parts(fn(&Parts<'_>, &mut Vec<Diagnostic>)),
    Group(fn(&At<'_, Group>, &mut Vec<Diagnostic>)),
    Filter(fn(&At<'_, Filter>, &mut Vec<Diagnostic>)),
    Condition(fn(&At<'_, AttributeFilter>, &mut Vec<Diagnostic>)),
    Set(fn(&Set<'_>, &mut Vec<Diagnostic>)),
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    names::EMPTY,
    names::TOO_LONG,
    names::FORBIDDEN_CHARACTER,
    names::LEADING_DOT,
    names::RESERVED,
    names::AMPERSAND,
    names::OUTER_SPACES,
    names::IDLE_PREVIOUS_NAME,
    values::EMPTY_RANGE,
    windows::EMPTY_WINDOW,
    values::OFF_THE_GLOBE,
    values::TEMPLATE_AS_TEXT,
    groups::EMPTY_GROUP,
    groups::EMPTY_OBJECT,
    aggregation::NEVER_EXECUTED,
    aggregation::FIRST_OR_LAST,
    aggregation::OPEN_WINDOW,
    aggregation::COMPARATOR_WINDOW,
    aggregation::LONG_WINDOW,
    names::INVISIBLE_CHARACTER,
    contents::NO_RENAME,
    contents::SHARED_COHORT,
    contents::BAD_MEMBER,
    contents::REPEATED_MEMBER,
    uniqueness::DUPLICATE_NAME,
    uniqueness::NEAR_DUPLICATE_NAME,
    uniqueness::CLAIMED_PREVIOUS_NAME,
    uniqueness::DUPLICATE_DEFINITION,
    uniqueness::ALIKE_DEFINITION,
    references::UNKNOWN,
    references::CYCLE,
    limits::TOO_DEEP,
    limits::TOO_MANY,
    limits::TOO_LONG,
    references::ARCHIVED,
    uniqueness::DUPLICATE_ID,
    notes::CATEGORY,
    notes::RAW,
    notes::AT_MOST,
    notes::RETENTION,
];

/// What the rules say of one workspace's declarations, in the order of the rules.
#[must_use]
pub fn check(declarations: &[&Declaration]) -> Vec<Diagnostic> {
    let set = Set::of(declarations);
    let mut found = Vec::new();
    for rule in RULES {
        rule.run(&set, &mut found);
    }
    found
}

impl Rule {
    fn run(&self, set: &Set<'_>, found: &mut Vec<Diagnostic>) {
        if let Check::Set(check) = self.check {
            return check(set, found);
        }
        for Member {
            declaration, parts, ..
        } in &set.members
        {
            match self.check {
                Check::Segment(check) => check(declaration, found),
                Check::Parts(check) => check(parts, found),
                Check::Group(check) => parts.groups.iter().for_each(|group| check(group, found)),
                Check::Filter(check) => parts.filters.iter().for_each(|filter| check(filter, found)),
                Check::Condition(check) => {
                    parts
                        .conditions
                        .iter()
                        .for_each(|condition| check(condition, found));
                }
                Check::Set(_) => {}
            }
        }
    }
}

/// Whether people are told unasked. Notes are for those who ask, but that something is not checked at all is not
/// what anybody expects.
#[must_use]
pub fn is_told_unasked(found: &Diagnostic) -> bool {
    found.severity != Severity::Note || found.code == notes::RAW.code
}

#[cfg(test)]
mod tests;
