//! Rules that depend on several fields, on other segments, or on MoEngage's limits.
//!
//! Each rule has one code, one function and one entry in [`RULES`]. A rule sees the declarations of one
//! workspace and nothing else. The planner checks the remote segments.

mod aggregation;
mod contents;
mod duplicates;
mod error_codes;
mod groups;
mod limits;
mod names;
mod notes;
mod parts;
mod references;
mod texts;
mod time_ranges;
mod values;
mod workspace_view;

pub(super) use contents::{COHORT_SIZE_LIMIT, large_cohort_warning};
pub use error_codes::{ERROR_CODES, ErrorCode};
pub const UNKNOWN_REFERENCE_CODE: &str = references::UNKNOWN_REFERENCE.code;
pub(super) use error_codes::{LIST_FORMAT, LIST_HEADER, LIST_SIZE, LIST_UNREADABLE};

pub(super) const LIST_VALUE_INVALID: &str = contents::INVALID_MEMBER.code;
pub(super) const LIST_VALUE_SUSPICIOUS: &str = contents::SUSPICIOUS_MEMBER.code;
pub(super) const LIST_VALUE_DUPLICATE: &str = contents::DUPLICATE_MEMBER.code;

use self::parts::{DefinitionParts, Located};
use self::workspace_view::WorkspaceView;
use super::declaration::Declaration;
use crate::diagnostic::{Diagnostic, Severity};
use crate::model::{AttributeFilter, Filter, Group};

pub struct Rule {
    /// Never changes.
    pub code: &'static str,
    pub name: &'static str,
    pub explanation: &'static str,
    check: RuleCheck,
}

enum RuleCheck {
    Segment(fn(&Declaration, &mut Vec<Diagnostic>)),
    Definition(fn(&DefinitionParts<'_>, &mut Vec<Diagnostic>)),
    Group(fn(&Located<'_, Group>, &mut Vec<Diagnostic>)),
    Filter(fn(&Located<'_, Filter>, &mut Vec<Diagnostic>)),
    Condition(fn(&Located<'_, AttributeFilter>, &mut Vec<Diagnostic>)),
    Workspace(fn(&WorkspaceView<'_>, &mut Vec<Diagnostic>)),
}

/// Sorted by code.
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
    contents::LARGE_COHORT,
    contents::SUSPICIOUS_MEMBER,
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
    notes::IGNORED_PERIOD_UNIT,
    notes::RESPONSE_FIELD,
];

#[must_use]
pub fn lint(declarations: &[&Declaration]) -> Vec<Diagnostic> {
    let view = WorkspaceView::of(declarations);
    let mut found = Vec::new();
    for rule in RULES {
        match rule.check {
            RuleCheck::Workspace(check) => check(&view, &mut found),
            _ => {
                let of_segments = declarations.iter().flat_map(|declaration| findings(declaration));
                found.extend(of_segments.filter(|found| found.code == rule.code).cloned());
            }
        }
    }
    found
}

/// What the rules on one segment find.
pub(super) fn findings(declaration: &Declaration) -> &[Diagnostic] {
    declaration.findings.get_or_init(|| {
        let parts = DefinitionParts::of(declaration);
        let mut found = Vec::new();
        for rule in RULES {
            rule.check_segment(declaration, &parts, &mut found);
        }
        found
    })
}

impl Rule {
    fn check_segment(
        &self,
        declaration: &Declaration,
        parts: &DefinitionParts<'_>,
        found: &mut Vec<Diagnostic>,
    ) {
        match self.check {
            RuleCheck::Segment(check) => check(declaration, found),
            RuleCheck::Definition(check) => check(parts, found),
            RuleCheck::Group(check) => parts.groups.iter().for_each(|part| check(part, found)),
            RuleCheck::Filter(check) => parts.filters.iter().for_each(|part| check(part, found)),
            RuleCheck::Condition(check) => parts.conditions.iter().for_each(|part| check(part, found)),
            RuleCheck::Workspace(_) => {}
        }
    }
}

/// Notes are hidden by default, except those on parts of a file that segctl does not check or does not use.
#[must_use]
pub fn is_shown_by_default(found: &Diagnostic) -> bool {
    let shown_notes = [notes::UNCHECKED_RAW_FILTER.code, notes::RESPONSE_FIELD.code];
    found.severity != Severity::Note || shown_notes.contains(&found.code)
}

#[cfg(test)]
mod tests;
