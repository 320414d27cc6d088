//! Rules on what has no fault in form: what depends on other fields, other segments or the service's domain.
//!
//! One rule, one function, one stable code, one entry in [`RULES`]. A rule looks at the declarations of one
//! workspace and at nothing else; what is live there is the planner's business.

mod aggregation;
mod contents;
mod decode_codes;
mod duplicates;
mod groups;
mod limits;
mod names;
mod notes;
mod parts;
mod references;
mod time_ranges;
mod values;
mod workspace_view;

pub use decode_codes::{DECODE_CODES, DecodeCode};
pub(super) use decode_codes::{LIST_HEADER, LIST_SIZE, LIST_UNREADABLE};

/// The code of a value of a list that matches nobody.
pub(super) const LIST_VALUE_INVALID: &str = contents::INVALID_MEMBER.code;
/// The code of a value that a list has twice.
pub(super) const LIST_VALUE_DUPLICATE: &str = contents::DUPLICATE_MEMBER.code;

use self::parts::{DefinitionParts, Located};
use self::workspace_view::{SegmentView, WorkspaceView};
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
    check: RuleCheck,
}

/// What a rule looks at.
enum RuleCheck {
    Segment(fn(&Declaration, &mut Vec<Diagnostic>)),
    Definition(fn(&DefinitionParts<'_>, &mut Vec<Diagnostic>)),
    Group(fn(&Located<'_, Group>, &mut Vec<Diagnostic>)),
    Filter(fn(&Located<'_, Filter>, &mut Vec<Diagnostic>)),
    Condition(fn(&Located<'_, AttributeFilter>, &mut Vec<Diagnostic>)),
    Workspace(fn(&WorkspaceView<'_>, &mut Vec<Diagnostic>)),
}

/// Every rule, by code.
pub const RULES: &[Rule] = &[
    names::EMPTY_NAME,
    names::NAME_TOO_LONG,
    names::FORBIDDEN_CHARACTER,
    names::LEADING_DOT,
    names::RESERVED_NAME_USED,
    names::AMPERSAND,
    names::OUTER_SPACES,
    names::REDUNDANT_PREVIOUS_NAME,
    values::EMPTY_VALUE_RANGE,
    time_ranges::EMPTY_TIME_RANGE,
    values::GEOPOINT_OUT_OF_RANGE,
    values::TEMPLATE_AS_TEXT,
    groups::EMPTY_GROUP,
    groups::EMPTY_OBJECT,
    aggregation::NEVER_EXECUTED,
    aggregation::SINGLE_OCCURRENCE,
    aggregation::OPEN_TIME_RANGE,
    aggregation::COMPARATOR_TIME_RANGE,
    aggregation::LONG_TIME_RANGE,
    names::INVISIBLE_CHARACTER,
    contents::RENAME_UNSUPPORTED,
    contents::DUPLICATE_COHORT,
    contents::INVALID_MEMBER,
    contents::DUPLICATE_MEMBER,
    duplicates::DUPLICATE_NAME,
    duplicates::NEAR_DUPLICATE_NAME,
    duplicates::DUPLICATE_PREVIOUS_NAME,
    duplicates::DUPLICATE_DEFINITION,
    duplicates::EQUIVALENT_DEFINITION,
    references::UNKNOWN_REFERENCE,
    references::REFERENCE_CYCLE,
    limits::NESTING_TOO_DEEP,
    limits::TOO_MANY_REFERENCES,
    limits::EXPANSION_TOO_LONG,
    references::ARCHIVED_REFERENCE,
    duplicates::DUPLICATE_ID,
    notes::MISSING_CATEGORY,
    notes::UNCHECKED_RAW_FILTER,
    notes::AMBIGUOUS_AT_MOST,
    notes::BEYOND_RETENTION,
];

/// What the rules say of one workspace's declarations, in the order of the rules.
#[must_use]
pub fn lint(declarations: &[&Declaration]) -> Vec<Diagnostic> {
    let view = WorkspaceView::of(declarations);
    let mut found = Vec::new();
    for rule in RULES {
        rule.run(&view, &mut found);
    }
    found
}

impl Rule {
    fn run(&self, view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
        if let RuleCheck::Workspace(check) = self.check {
            return check(view, found);
        }
        for SegmentView {
            declaration, parts, ..
        } in &view.segments
        {
            match self.check {
                RuleCheck::Segment(check) => check(declaration, found),
                RuleCheck::Definition(check) => check(parts, found),
                RuleCheck::Group(check) => parts.groups.iter().for_each(|group| check(group, found)),
                RuleCheck::Filter(check) => parts.filters.iter().for_each(|filter| check(filter, found)),
                RuleCheck::Condition(check) => {
                    parts
                        .conditions
                        .iter()
                        .for_each(|condition| check(condition, found));
                }
                RuleCheck::Workspace(_) => {}
            }
        }
    }
}

/// Whether people are told unasked. Notes are for those who ask, but that something is not checked at all is not
/// what anybody expects.
#[must_use]
pub fn is_shown_by_default(found: &Diagnostic) -> bool {
    found.severity != Severity::Note || found.code == notes::UNCHECKED_RAW_FILTER.code
}

#[cfg(test)]
mod tests;
