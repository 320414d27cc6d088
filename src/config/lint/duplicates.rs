//! Rules on what two segments must not share: names, previous names, definitions.

use super::super::declaration::PathElement;
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::Diagnostic;
use crate::model::SegmentName;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const DUPLICATE_NAME: Rule = Rule {
    code: "SEG070",
    name: "name-duplicate",
    explanation: "A name belongs to one segment of a workspace, active or archived, for ever. Rename one of the \
                  two, or keep them apart with `workspaces`.",
    check: RuleCheck::Workspace(duplicate_name),
};

pub(super) const NEAR_DUPLICATE_NAME: Rule = Rule {
    code: "SEG071",
    name: "name-near-duplicate",
    explanation: "Whether the service tells names apart that differ only in upper and lower case or in outer \
                  spaces is not documented, and people do not. Give one of the two a name of its own.",
    check: RuleCheck::Workspace(near_duplicate_name),
};

pub(super) const DUPLICATE_PREVIOUS_NAME: Rule = Rule {
    code: "SEG072",
    name: "previous-name-claimed",
    explanation: "A previous name finds the live segment that is to be renamed. If two declared segments claim one \
                  previous name, it is not clear whose the live segment is. Leave the name to one of them. A segment \
                  that has the name today is another matter: it gets the name when the rename has freed it.",
    check: RuleCheck::Workspace(duplicate_previous_name),
};

pub(super) const DUPLICATE_DEFINITION: Rule = Rule {
    code: "SEG073",
    name: "definition-duplicate",
    explanation: "The service refuses a segment whose filters equal those of another. Keep one of the two, and \
                  refer to it where the other was used, or change one of them. While one of them is archived it \
                  is a warning: whether archived definitions block others is not documented.",
    check: RuleCheck::Workspace(duplicate_definition),
};

pub(super) const EQUIVALENT_DEFINITION: Rule = Rule {
    code: "SEG074",
    name: "definition-alike",
    explanation: "Two definitions differ only in the order of filters, in repeated filters, or in groups of one \
                  filter. They match the same users, and the service may refuse the second as a duplicate: how it \
                  compares is not documented. Keep one of the two.",
    check: RuleCheck::Workspace(equivalent_definition),
};

pub(super) const DUPLICATE_ID: Rule = Rule {
    code: "SEG081",
    name: "id-duplicate",
    explanation: "An `id` pins a declared segment to one live segment, so two of one workspace cannot have the same. \
                  Leave it to the one that the live segment is, and take it out of the other, which is found by its \
                  name or made.",
    check: RuleCheck::Workspace(duplicate_id),
};

fn duplicate_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for group in view.groups_with_same(|member| Some(member.name())) {
        for_each_duplicate(&group, |first, other| {
            let message = format!("the name `{}` is declared twice", other.name());
            found.push(
                Diagnostic::error(
                    DUPLICATE_NAME.code,
                    message,
                    other.declaration.name_location(),
                    "the second one",
                )
                .with_label(first.declaration.name_location(), "the first one")
                .with_help("rename one of them, or keep them apart with `workspaces`"),
            );
        });
    }
}

/// Pairs the first of a group with each of the others: as many messages as there are things to mend.
fn for_each_duplicate<'s, 'a>(
    group: &[&'s SegmentView<'a>],
    mut report: impl FnMut(&'s SegmentView<'a>, &'s SegmentView<'a>),
) {
    if let [first, others @ ..] = group {
        others.iter().for_each(|other| report(first, other));
    }
}

fn duplicate_id(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for group in view.groups_with_same(|member| member.declaration.segment.id.as_ref()) {
        for_each_duplicate(&group, |first, other| {
            let message = format!(
                "`{}` and `{}` have one `id`, which is one live segment's",
                first.name(),
                other.name()
            );
            let place =
                |member: &SegmentView<'_>| member.declaration.location_of(&[PathElement::Field("id")]);
            found.push(
                Diagnostic::error(DUPLICATE_ID.code, message, place(other), "the second one")
                    .with_label(place(first), "the first one")
                    .with_help("take it out of the one that the live segment is not"),
            );
        });
    }
}

fn near_duplicate_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|member| Some(member.name().as_str().trim().to_lowercase())) {
        let mut seen = BTreeSet::new();
        group.retain(|member| seen.insert(member.name()));
        for_each_duplicate(&group, |first, other| {
            let message = format!(
                "the names `{}` and `{}` are hardly different",
                first.name(),
                other.name()
            );
            let place = other.declaration.name_location();
            found.push(
                Diagnostic::warning(NEAR_DUPLICATE_NAME.code, message, place, "the second one")
                    .with_label(first.declaration.name_location(), "the first one")
                    .with_note("whether the service tells them apart is not documented")
                    .with_help("give one of them a name of its own"),
            );
        });
    }
}

fn duplicate_previous_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&SegmentName, (&SegmentView<'_>, usize)> = BTreeMap::new();
    for member in &view.segments {
        for (index, previous) in member.declaration.segment.previous_names.iter().enumerate() {
            if previous == member.name() {
                continue;
            }
            let earlier = owners
                .get(previous)
                .filter(|(other, _)| other.index != member.index);
            let Some((claimer, at)) = earlier else {
                owners.entry(previous).or_insert((member, index));
                continue;
            };
            let (other, label) = (previous_name_location(claimer, *at), "claimed here first");
            let message = format!(
                "the previous name `{previous}` of `{}` belongs to another segment",
                member.name()
            );
            let place = previous_name_location(member, index);
            found.push(
                Diagnostic::error(DUPLICATE_PREVIOUS_NAME.code, message, place, "claimed here")
                    .with_label(other, label)
                    .with_help("leave the name to one of the two"),
            );
        }
    }
}

fn previous_name_location(member: &SegmentView<'_>, index: usize) -> crate::diagnostic::Location {
    member
        .declaration
        .location_of(&[PathElement::Field("previous_names"), PathElement::Item(index)])
}

fn duplicate_definition(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|member| member.digests.as_ref().map(|digests| &digests.exact)) {
        // An active one first: it is certain to clash with the other active ones.
        group.sort_by_key(|member| !member.is_active());
        for_each_duplicate(&group, |first, other| {
            let message = format!(
                "`{}` and `{}` have the same definition",
                first.name(),
                other.name()
            );
            let place = other.declaration.name_location();
            let fault = if first.is_active() && other.is_active() {
                Diagnostic::error(DUPLICATE_DEFINITION.code, message, place, "this one")
                    .with_note("the service refuses the second of two equal definitions")
            } else {
                Diagnostic::warning(DUPLICATE_DEFINITION.code, message, place, "this one")
                    .with_note(archived_note(first, other))
            };
            found.push(
                fault
                    .with_label(first.declaration.name_location(), "and this one")
                    .with_help("keep one of the two and refer to it, or change one of them"),
            );
        });
    }
}

fn archived_note(first: &SegmentView<'_>, other: &SegmentView<'_>) -> String {
    let archived = if other.is_active() { first } else { other };
    format!(
        "`{}` is declared archived; whether archived definitions block others is not documented",
        archived.name()
    )
}

fn equivalent_definition(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|member| member.digests.as_ref().map(|digests| &digests.unordered))
    {
        let mut seen = BTreeSet::new();
        group.retain(|member| seen.insert(member.digests.as_ref().map(|digests| &digests.exact)));
        for_each_duplicate(&group, |first, other| {
            let message = format!("`{}` and `{}` match the same users", first.name(), other.name());
            let mut fault = Diagnostic::warning(
                EQUIVALENT_DEFINITION.code,
                message,
                other.declaration.name_location(),
                "this one",
            )
            .with_label(first.declaration.name_location(), "and this one")
            .with_note("the definitions differ only in order, repetition or groups of one filter")
            .with_help("keep one of the two: the service may refuse the second");
            if !first.is_active() || !other.is_active() {
                fault = fault.with_note(archived_note(first, other));
            }
            found.push(fault);
        });
    }
}
