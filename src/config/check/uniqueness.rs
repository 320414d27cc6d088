//! Rules on what two segments must not share: names, previous names, definitions.

use super::super::declaration::Step;
use super::set::{Member, Set};
use super::{Check, Rule};
use crate::diagnostic::Diagnostic;
use crate::model::SegmentName;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const DUPLICATE_NAME: Rule = Rule {
    code: "SEG070",
    name: "name-duplicate",
    explanation: "A name belongs to one segment of a workspace, active or archived, for ever. Rename one of the \
                  two, or keep them apart with `workspaces`.",
    check: Check::Set(duplicate_name),
};

pub(super) const NEAR_DUPLICATE_NAME: Rule = Rule {
    code: "SEG071",
    name: "name-near-duplicate",
    explanation: "Whether the service tells names apart that differ only in upper and lower case or in outer \
                  spaces is not documented, and people do not. Give one of the two a name of its own.",
    check: Check::Set(near_duplicate_name),
};

pub(super) const CLAIMED_PREVIOUS_NAME: Rule = Rule {
    code: "SEG072",
    name: "previous-name-claimed",
    explanation: "A previous name finds the live segment that is to be renamed. If two declared segments claim one \
                  previous name, it is not clear whose the live segment is. Leave the name to one of them. A segment \
                  that has the name today is another matter: it gets the name when the rename has freed it.",
    check: Check::Set(claimed_previous_name),
};

pub(super) const DUPLICATE_DEFINITION: Rule = Rule {
    code: "SEG073",
    name: "definition-duplicate",
    explanation: "The service refuses a segment whose filters equal those of another. Keep one of the two, and \
                  refer to it where the other was used, or change one of them. While one of them is archived it \
                  is a warning: whether archived definitions block others is not documented.",
    check: Check::Set(duplicate_definition),
};

pub(super) const ALIKE_DEFINITION: Rule = Rule {
    code: "SEG074",
    name: "definition-alike",
    explanation: "Two definitions differ only in the order of filters, in repeated filters, or in groups of one \
                  filter. They match the same users, and the service may refuse the second as a duplicate: how it \
                  compares is not documented. Keep one of the two.",
    check: Check::Set(alike_definition),
};

pub(super) const DUPLICATE_ID: Rule = Rule {
    code: "SEG081",
    name: "id-duplicate",
    explanation: "An `id` pins a declared segment to one live segment, so two of one workspace cannot have the same. \
                  Leave it to the one that the live segment is, and take it out of the other, which is found by its \
                  name or made.",
    check: Check::Set(duplicate_id),
};

fn duplicate_name(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for group in set.sharing(|member| Some(member.name())) {
        each_with_first(&group, |first, other| {
            let message = format!("the name `{}` is declared twice", other.name());
            found.push(
                Diagnostic::error(
                    DUPLICATE_NAME.code,
                    message,
                    other.declaration.name_place(),
                    "the second one",
                )
                .with_label(first.declaration.name_place(), "the first one")
                .with_help("rename one of them, or keep them apart with `workspaces`"),
            );
        });
    }
}

/// Pairs the first of a group with each of the others: as many messages as there are things to mend.
fn each_with_first<'s, 'a>(group: &[&'s Member<'a>], mut report: impl FnMut(&'s Member<'a>, &'s Member<'a>)) {
    if let [first, others @ ..] = group {
        others.iter().for_each(|other| report(first, other));
    }
}

fn duplicate_id(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for group in set.sharing(|member| member.declaration.segment.id.as_ref()) {
        each_with_first(&group, |first, other| {
            let message = format!(
                "`{}` and `{}` have one `id`, which is one live segment's",
                first.name(),
                other.name()
            );
            let place = |member: &Member<'_>| member.declaration.place_of(&[Step::Field("id")]);
            found.push(
                Diagnostic::error(DUPLICATE_ID.code, message, place(other), "the second one")
                    .with_label(place(first), "the first one")
                    .with_help("take it out of the one that the live segment is not"),
            );
        });
    }
}

fn near_duplicate_name(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in set.sharing(|member| Some(member.name().as_str().trim().to_lowercase())) {
        let mut seen = BTreeSet::new();
        group.retain(|member| seen.insert(member.name()));
        each_with_first(&group, |first, other| {
            let message = format!(
                "the names `{}` and `{}` are hardly different",
                first.name(),
                other.name()
            );
            let place = other.declaration.name_place();
            found.push(
                Diagnostic::warning(NEAR_DUPLICATE_NAME.code, message, place, "the second one")
                    .with_label(first.declaration.name_place(), "the first one")
                    .with_note("whether the service tells them apart is not documented")
                    .with_help("give one of them a name of its own"),
            );
        });
    }
}

fn claimed_previous_name(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    let mut claims: BTreeMap<&SegmentName, (&Member<'_>, usize)> = BTreeMap::new();
    for member in &set.members {
        for (index, previous) in member.declaration.segment.previous_names.iter().enumerate() {
            if previous == member.name() {
                continue;
            }
            let earlier = claims
                .get(previous)
                .filter(|(other, _)| other.index != member.index);
            let Some((claimer, at)) = earlier else {
                claims.entry(previous).or_insert((member, index));
                continue;
            };
            let (other, label) = (previous_place(claimer, *at), "claimed here first");
            let message = format!(
                "the previous name `{previous}` of `{}` belongs to another segment",
                member.name()
            );
            let place = previous_place(member, index);
            found.push(
                Diagnostic::error(CLAIMED_PREVIOUS_NAME.code, message, place, "claimed here")
                    .with_label(other, label)
                    .with_help("leave the name to one of the two"),
            );
        }
    }
}

fn previous_place(member: &Member<'_>, index: usize) -> crate::diagnostic::Place {
    member
        .declaration
        .place_of(&[Step::Field("previous_names"), Step::Item(index)])
}

fn duplicate_definition(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in set.sharing(|member| member.digests.as_ref().map(|digests| &digests.exact)) {
        // An active one first: it is certain to clash with the other active ones.
        group.sort_by_key(|member| !member.is_active());
        each_with_first(&group, |first, other| {
            let message = format!(
                "`{}` and `{}` have the same definition",
                first.name(),
                other.name()
            );
            let place = other.declaration.name_place();
            let fault = if first.is_active() && other.is_active() {
                Diagnostic::error(DUPLICATE_DEFINITION.code, message, place, "this one")
                    .with_note("the service refuses the second of two equal definitions")
            } else {
                Diagnostic::warning(DUPLICATE_DEFINITION.code, message, place, "this one")
                    .with_note(archived_note(first, other))
            };
            found.push(
                fault
                    .with_label(first.declaration.name_place(), "and this one")
                    .with_help("keep one of the two and refer to it, or change one of them"),
            );
        });
    }
}

fn archived_note(first: &Member<'_>, other: &Member<'_>) -> String {
    let archived = if other.is_active() { first } else { other };
    format!(
        "`{}` is declared archived; whether archived definitions block others is not documented",
        archived.name()
    )
}

fn alike_definition(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for mut group in set.sharing(|member| member.digests.as_ref().map(|digests| &digests.unordered)) {
        let mut seen = BTreeSet::new();
        group.retain(|member| seen.insert(member.digests.as_ref().map(|digests| &digests.exact)));
        each_with_first(&group, |first, other| {
            let message = format!("`{}` and `{}` match the same users", first.name(), other.name());
            let mut fault = Diagnostic::warning(
                ALIKE_DEFINITION.code,
                message,
                other.declaration.name_place(),
                "this one",
            )
            .with_label(first.declaration.name_place(), "and this one")
            .with_note("the definitions differ only in order, repetition or groups of one filter")
            .with_help("keep one of the two: the service may refuse the second");
            if !first.is_active() || !other.is_active() {
                fault = fault.with_note(archived_note(first, other));
            }
            found.push(fault);
        });
    }
}
