//! Rules on cohort and file segments.

use super::super::declaration::Declaration;
use super::super::declaration::PathElement::{Field, Item};
use super::duplicates::for_each_duplicate;
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Contents, Keyword, MemberSource, SegmentKind};
use std::collections::BTreeMap;

/// Above this size, uploading one file takes far fewer requests than cohort sync.
pub(in crate::config) const COHORT_SIZE_LIMIT: usize = 10_000;

pub(super) const RENAME_UNSUPPORTED: Rule = Rule {
    code: "SEG041",
    name: "rename-unsupported",
    explanation: "The API renames only filter segments. A file or cohort segment keeps the name that it was \
                  created with, so it has no previous names. Declare it under its current name.",
    check: RuleCheck::Segment(rename_unsupported),
};

pub(super) const DUPLICATE_COHORT: Rule = Rule {
    code: "SEG042",
    name: "cohort-duplicate",
    explanation: "MoEngage identifies a cohort by `partner` and `cohort_id`, so the two segments are the same \
                  cohort. Give one of them another `cohort_id`.",
    check: RuleCheck::Workspace(duplicate_cohort),
};

pub(super) const INVALID_MEMBER: Rule = Rule {
    code: "SEG043",
    name: "member-invalid",
    explanation: "A value of a member list cannot match a user. It is empty, is not UTF-8, is not a number \
                  although the identifier has the type double, or contains spaces, quotes, a comma or a second \
                  column. MoEngage silently ignores it. `segctl validate --fix` removes what surrounds the values \
                  of a file.",
    check: RuleCheck::Segment(invalid_member),
};

pub(super) const DUPLICATE_MEMBER: Rule = Rule {
    code: "SEG044",
    name: "member-duplicate",
    explanation: "A member list contains a value twice. It counts once, so one of the two may be a typo. Remove \
                  it; `segctl validate --fix` does this in a file.",
    check: RuleCheck::Segment(duplicate_member),
};

pub(super) const LARGE_COHORT: Rule = Rule {
    code: "SEG048",
    name: "cohort-large",
    explanation: "Cohort sync is for small sets, of at most 10,000 members. Use `kind: file` for larger ones: \
                  MoEngage then downloads the whole list at once.",
    check: RuleCheck::Segment(large_cohort),
};

fn rename_unsupported(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let segment = &declaration.segment;
    let kind = segment.contents.kind();
    if kind == SegmentKind::Filter || segment.previous_names.is_empty() {
        return;
    }
    let message = format!(
        "a {} segment cannot be renamed, so it has no previous names",
        kind.as_str()
    );
    let location = declaration.location_of(&[Field("previous_names")]);
    let label = "the API renames only filter segments";
    found.push(
        Diagnostic::error(RENAME_UNSUPPORTED.code, message, location, label)
            .with_help("remove `previous_names`, and declare the segment under its current name"),
    );
}

fn duplicate_cohort(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let key = |segment: &SegmentView<'_>| match &segment.declaration.segment.contents {
        Contents::Cohort(cohort) => Some(cohort.key.clone()),
        Contents::Filter(_) | Contents::File(_) => None,
    };
    let location = |segment: &SegmentView<'_>| segment.declaration.location_of(&[Field("cohort_id")]);
    for group in view.groups_with_same(key) {
        for_each_duplicate(&group, |first, other| {
            let message = format!("`{}` and `{}` are the same cohort", first.name(), other.name());
            found.push(
                Diagnostic::error(DUPLICATE_COHORT.code, message, location(other), "duplicate")
                    .with_label(location(first), "first declared here")
                    .with_note("MoEngage identifies a cohort by `partner` and `cohort_id`")
                    .with_help("give one of the two another `cohort_id`"),
            );
        });
    }
}

fn inline_members(declaration: &Declaration) -> &[String] {
    match &declaration.segment.contents {
        Contents::Cohort(cohort) => match &cohort.members {
            MemberSource::Inline(members) => members,
            MemberSource::Local(_) => &[],
        },
        Contents::Filter(_) | Contents::File(_) => &[],
    }
}

/// Why a member cannot match a user. Inline members are not lines of a file, so commas and quotes are allowed.
fn member_error(member: &str) -> Option<&'static str> {
    let is_invisible = |letter: char| letter.is_control() || letter == '\u{feff}';
    if member.trim().is_empty() {
        Some("the value is empty")
    } else if member.trim() != member {
        Some("the value starts or ends with a space")
    } else if member.contains(is_invisible) {
        Some("the value contains an invisible character")
    } else {
        None
    }
}

fn member_location(declaration: &Declaration, index: usize) -> crate::diagnostic::Location {
    declaration.location_of(&[Field("members"), Item(index)])
}

fn invalid_member(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    for (index, member) in inline_members(declaration).iter().enumerate() {
        if let Some(error) = member_error(member) {
            let location = member_location(declaration, index);
            let message = format!("the member `{}` cannot match a user", member.escape_debug());
            found.push(
                Diagnostic::error(INVALID_MEMBER.code, message, location, error)
                    .with_note("MoEngage silently ignores it")
                    .with_help("correct the value or remove it"),
            );
        }
    }
}

fn duplicate_member(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let mut seen = BTreeMap::new();
    for (index, member) in inline_members(declaration).iter().enumerate() {
        let first = *seen.entry(member).or_insert(index);
        if first != index {
            let location = member_location(declaration, index);
            let message = format!("the member `{member}` is listed twice");
            found.push(
                Diagnostic::error(DUPLICATE_MEMBER.code, message, location, "duplicate")
                    .with_label(member_location(declaration, first), "first listed here")
                    .with_help("remove one of the two"),
            );
        }
    }
}

fn large_cohort(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    if inline_members(declaration).len() > COHORT_SIZE_LIMIT {
        found.push(large_cohort_warning(declaration));
    }
}

pub(in crate::config) fn large_cohort_warning(declaration: &Declaration) -> Diagnostic {
    let message = format!(
        "the cohort segment `{}` has more than {COHORT_SIZE_LIMIT} members",
        declaration.segment.name
    );
    let location = declaration.location_of(&[Field("kind")]);
    Diagnostic::warning(LARGE_COHORT.code, message, location, "for small sets only")
        .with_help("use `kind: file` for a large member list")
}
