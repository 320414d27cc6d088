//! Rules on segments that are not made of filters.

use super::super::declaration::{Declaration, PathElement};
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::{Contents, Keyword, MemberSource, SegmentKind};
use std::collections::BTreeMap;

pub(super) const RENAME_UNSUPPORTED: Rule = Rule {
    code: "SEG041",
    name: "previous-names-useless",
    explanation: "The API renames filter segments only. The name of a file or cohort segment is what it was made \
                  with, so that there are no previous names to find it by. Declare it under the name that it has.",
    check: RuleCheck::Segment(rename_unsupported),
};

pub(super) const DUPLICATE_COHORT: Rule = Rule {
    code: "SEG042",
    name: "cohort-shared",
    explanation: "`partner` and `cohort_id` together are what the service knows a cohort by, so two segments with the \
                  same would be one, with one of the two names. Give one of them another `cohort_id`.",
    check: RuleCheck::Workspace(duplicate_cohort),
};

pub(super) const INVALID_MEMBER: Rule = Rule {
    code: "SEG043",
    name: "list-value-unusable",
    explanation: "A value of a list matches nobody: it is empty, has spaces, quotes or a comma around it or a second \
                  column, is no UTF-8 or, for an identifier of the type double, no number. The service drops it \
                  without a word. `segctl validate --fix` takes out of a file what stands around values.",
    check: RuleCheck::Segment(invalid_member),
};

pub(super) const DUPLICATE_MEMBER: Rule = Rule {
    code: "SEG044",
    name: "list-value-repeated",
    explanation: "A list has a value twice. It counts once, so one of the two may be a slip for another one. Take it \
                  out; `segctl validate --fix` does so in a file.",
    check: RuleCheck::Segment(duplicate_member),
};

fn rename_unsupported(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let segment = &declaration.segment;
    if segment.contents.kind() == SegmentKind::Filter || segment.previous_names.is_empty() {
        return;
    }
    let message = format!(
        "a {} segment cannot be renamed, so it has no previous names",
        segment.contents.kind().as_str()
    );
    let place = declaration.location_of(&[PathElement::Field("previous_names")]);
    found.push(
        Diagnostic::error(
            RENAME_UNSUPPORTED.code,
            message,
            place,
            "the API renames filter segments only",
        )
        .with_help("take `previous_names` out, and declare the segment under the name that it has"),
    );
}

fn duplicate_cohort(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let key = |member: &SegmentView<'_>| match &member.declaration.segment.contents {
        Contents::Cohort(cohort) => Some(cohort.key.clone()),
        Contents::Filter(_) | Contents::File(_) => None,
    };
    for group in view.groups_with_same(key) {
        let [first, others @ ..] = group.as_slice() else {
            continue;
        };
        for other in others {
            let message = format!("`{}` and `{}` are one cohort", first.name(), other.name());
            let place =
                |member: &SegmentView<'_>| member.declaration.location_of(&[PathElement::Field("cohort_id")]);
            found.push(
                Diagnostic::error(DUPLICATE_COHORT.code, message, place(other), "the second one")
                    .with_label(place(first), "the first one")
                    .with_note("the service knows a cohort by `partner` and `cohort_id`")
                    .with_help("give one of the two another `cohort_id`"),
            );
        }
    }
}

/// The members that a declaration lists itself.
fn inline_members(declaration: &Declaration) -> &[String] {
    match &declaration.segment.contents {
        Contents::Cohort(cohort) => match &cohort.members {
            MemberSource::Inline(listed) => listed,
            MemberSource::Local(_) => &[],
        },
        Contents::Filter(_) | Contents::File(_) => &[],
    }
}

/// Why a member matches nobody. No line is made of it, so that commas and quotes are part of it.
fn member_error(member: &str) -> Option<&'static str> {
    let is_unseen = |letter: char| letter.is_control() || letter == '\u{feff}';
    if member.trim().is_empty() {
        Some("there is nothing in it")
    } else if member.trim() != member {
        Some("there are spaces around it")
    } else if member.contains(is_unseen) {
        Some("there is a character in it that nobody sees")
    } else {
        None
    }
}

fn invalid_member(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    for (index, member) in inline_members(declaration).iter().enumerate() {
        if let Some(fault) = member_error(member) {
            let place = declaration.location_of(&[PathElement::Field("members"), PathElement::Item(index)]);
            let message = format!("the member `{}` matches nobody", member.escape_debug());
            found.push(
                Diagnostic::error(INVALID_MEMBER.code, message, place, fault)
                    .with_note("the service drops it without a word"),
            );
        }
    }
}

fn duplicate_member(declaration: &Declaration, found: &mut Vec<Diagnostic>) {
    let place = |index| declaration.location_of(&[PathElement::Field("members"), PathElement::Item(index)]);
    let mut seen = BTreeMap::new();
    for (index, member) in inline_members(declaration).iter().enumerate() {
        if let Some(first) = seen.insert(member, index) {
            seen.insert(member, first);
            let message = format!("the member `{member}` stands in the list twice");
            found.push(
                Diagnostic::error(DUPLICATE_MEMBER.code, message, place(index), "the second one")
                    .with_label(place(first), "the first one")
                    .with_help("take one of the two out"),
            );
        }
    }
}
