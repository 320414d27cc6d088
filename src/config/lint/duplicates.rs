//! Rules on what two segments cannot share: names, ids, previous names, definitions.

use super::super::declaration::PathElement::{Field, Item};
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::SegmentName;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const DUPLICATE_NAME: Rule = Rule {
    code: "SEG070",
    name: "name-duplicate",
    explanation: "A name belongs to one segment of a workspace, active or archived, and can never be reused. \
                  Rename one of the two, or assign them to different workspaces with `workspaces`.",
    check: RuleCheck::Workspace(duplicate_name),
};

pub(super) const NEAR_DUPLICATE_NAME: Rule = Rule {
    code: "SEG071",
    name: "name-near-duplicate",
    explanation: "Two names look the same: they differ only in case, in spaces, in invisible characters, in composed \
                  letters or in letters of another script. Readers confuse such names, and MoEngage does not document \
                  whether it distinguishes them. Give one of the two a different name.",
    check: RuleCheck::Workspace(near_duplicate_name),
};

pub(super) const DUPLICATE_PREVIOUS_NAME: Rule = Rule {
    code: "SEG072",
    name: "previous-name-duplicate",
    explanation: "A previous name identifies the remote segment to rename. If two declared segments have the same \
                  previous name, segctl cannot tell which one to match. Remove it from one of them. A segment \
                  whose current name it is does not conflict: segctl frees the name by the rename first.",
    check: RuleCheck::Workspace(duplicate_previous_name),
};

pub(super) const DUPLICATE_DEFINITION: Rule = Rule {
    code: "SEG073",
    name: "definition-duplicate",
    explanation: "MoEngage rejects a segment with the same filters as another. Keep one and refer to it, or change \
                  one. It is a warning if one is archived: MoEngage does not document whether archived definitions \
                  conflict.",
    check: RuleCheck::Workspace(duplicate_definition),
};

pub(super) const EQUIVALENT_DEFINITION: Rule = Rule {
    code: "SEG074",
    name: "definition-equivalent",
    explanation: "Two definitions differ only in the order of filters, in repeated filters, or in groups of one \
                  filter. They match the same users, and MoEngage may reject the second as a duplicate. Keep one \
                  of the two.",
    check: RuleCheck::Workspace(equivalent_definition),
};

pub(super) const DUPLICATE_ID: Rule = Rule {
    code: "SEG081",
    name: "id-duplicate",
    explanation: "An `id` ties a declared segment to one remote segment. Keep it on the segment that it belongs \
                  to. segctl matches the other segment by name, or creates it.",
    check: RuleCheck::Workspace(duplicate_id),
};

/// Pairs the first segment of a group with each of the others.
pub(super) fn for_each_duplicate<'s, 'a>(
    group: &[&'s SegmentView<'a>],
    mut report: impl FnMut(&'s SegmentView<'a>, &'s SegmentView<'a>),
) {
    if let [first, others @ ..] = group {
        others.iter().for_each(|other| report(first, other));
    }
}

fn duplicate_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for group in view.groups_with_same(|segment| Some(segment.name())) {
        for_each_duplicate(&group, |first, other| {
            let message = format!("the name `{}` is declared twice", other.name());
            let location = other.declaration.name_location();
            found.push(
                Diagnostic::error(DUPLICATE_NAME.code, message, location, "duplicate")
                    .with_label(first.declaration.name_location(), "first declared here")
                    .with_help("rename one of them, or separate them with `workspaces`"),
            );
        });
    }
}

fn duplicate_id(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let location = |segment: &SegmentView<'_>| segment.declaration.location_of(&[Field("id")]);
    for group in view.groups_with_same(|segment| segment.declaration.segment.id.as_ref()) {
        for_each_duplicate(&group, |first, other| {
            let message = format!("`{}` and `{}` have the same `id`", first.name(), other.name());
            found.push(
                Diagnostic::error(DUPLICATE_ID.code, message, location(other), "duplicate")
                    .with_label(location(first), "first declared here")
                    .with_note("an `id` identifies exactly one remote segment")
                    .with_help("remove `id` from the segment that it does not belong to"),
            );
        });
    }
}

fn near_duplicate_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|segment| Some(segment.name().look_alike_key())) {
        let mut seen = BTreeSet::new();
        group.retain(|segment| seen.insert(segment.name()));
        for_each_duplicate(&group, |first, other| {
            let difference = match first.name().difference_from(other.name()) {
                difference if difference.starts_with("in case") => {
                    "differ only in case or outer spaces".to_owned()
                }
                difference => format!("look the same; they differ {difference}"),
            };
            let message = format!("the names `{}` and `{}` {difference}", first.name(), other.name());
            let location = other.declaration.name_location();
            found.push(
                Diagnostic::warning(NEAR_DUPLICATE_NAME.code, message, location, "the second name")
                    .with_label(first.declaration.name_location(), "the first name")
                    .with_note("MoEngage does not document whether it distinguishes them")
                    .with_help("give one of them a different name"),
            );
        });
    }
}

fn duplicate_previous_name(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let mut owners: BTreeMap<&SegmentName, (&SegmentView<'_>, usize)> = BTreeMap::new();
    for segment in &view.segments {
        for (index, previous) in segment.declaration.segment.previous_names.iter().enumerate() {
            if previous == segment.name() {
                continue;
            }
            let (owner, first) = *owners.entry(previous).or_insert((segment, index));
            if owner.index == segment.index {
                continue;
            }
            let message = format!(
                "the previous name `{previous}` of `{}` belongs to another segment",
                segment.name()
            );
            let location = previous_name_location(segment, index);
            found.push(
                Diagnostic::error(DUPLICATE_PREVIOUS_NAME.code, message, location, "duplicate")
                    .with_label(previous_name_location(owner, first), "first declared here")
                    .with_help("remove the previous name from one of the two segments"),
            );
        }
    }
}

fn previous_name_location(segment: &SegmentView<'_>, index: usize) -> Location {
    segment
        .declaration
        .location_of(&[Field("previous_names"), Item(index)])
}

fn duplicate_definition(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|segment| Some(&segment.digests.as_ref()?.exact)) {
        // An active one first: it certainly conflicts with the other active ones.
        group.sort_by_key(|segment| !segment.is_active());
        for_each_duplicate(&group, |first, other| {
            let message = format!(
                "`{}` and `{}` have the same definition",
                first.name(),
                other.name()
            );
            let location = other.declaration.name_location();
            let label = "same definition";
            let diagnostic = if first.is_active() && other.is_active() {
                Diagnostic::error(DUPLICATE_DEFINITION.code, message, location, label)
                    .with_note("MoEngage rejects the second of two identical definitions")
            } else {
                Diagnostic::warning(DUPLICATE_DEFINITION.code, message, location, label)
                    .with_note(archived_note(first, other))
            };
            found.push(
                diagnostic
                    .with_label(first.declaration.name_location(), "first declared here")
                    .with_help("keep one of the two and refer to it, or change one of them"),
            );
        });
    }
}

fn archived_note<'a>(first: &SegmentView<'a>, other: &SegmentView<'a>) -> String {
    let archived = if other.is_active() { first } else { other };
    format!(
        "`{}` is declared archived; MoEngage does not document whether archived definitions conflict",
        archived.name()
    )
}

fn equivalent_definition(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in view.groups_with_same(|segment| Some(&segment.digests.as_ref()?.unordered)) {
        let mut seen = BTreeSet::new();
        group.retain(|segment| seen.insert(segment.digests.as_ref().map(|digests| &digests.exact)));
        for_each_duplicate(&group, |first, other| {
            let message = format!("`{}` and `{}` match the same users", first.name(), other.name());
            let location = other.declaration.name_location();
            let label = "equivalent definition";
            let mut warning = Diagnostic::warning(EQUIVALENT_DEFINITION.code, message, location, label)
                .with_label(first.declaration.name_location(), "first declared here")
                .with_note("the definitions differ only in order, repetition or groups of one filter")
                .with_help("keep one of the two: MoEngage may reject the second");
            if !first.is_active() || !other.is_active() {
                warning = warning.with_note(archived_note(first, other));
            }
            found.push(warning);
        });
    }
}
