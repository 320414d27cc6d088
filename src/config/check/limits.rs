//! Rules on the service's three limits for references: levels, number, expanded length.

use super::references::reference_place;
use super::set::{Member, Set};
use super::{Check, Rule};
use crate::definition::references::{EXPANDED_LIMIT, LEVEL_LIMIT, REFERENCE_LIMIT, Referent, Weights};
use crate::diagnostic::Diagnostic;
use crate::model::Reference;

pub(super) const TOO_DEEP: Rule = Rule {
    code: "SEG077",
    name: "nesting-too-deep",
    explanation: "The service takes 6 levels of segments inside segments. A segment without references has level \
                  1; one with references has one level more than the deepest that it refers to, and one more \
                  again if it has a nested group. Move filters up, or drop the nested group of a segment in the \
                  chain. It is a warning while only segments that are not declared here make it too deep: file \
                  segments do not count.",
    check: Check::Set(too_deep),
};

pub(super) const TOO_MANY: Rule = Rule {
    code: "SEG078",
    name: "references-too-many",
    explanation: "A definition may refer to at most 10 segments; file segments do not count, so it is a \
                  warning while too few of them are declared here. Included and excluded references are counted \
                  together. Gather some of them in a segment of their own and refer to \
                  that.",
    check: Check::Set(too_many),
};

pub(super) const TOO_LONG: Rule = Rule {
    code: "SEG079",
    name: "expansion-too-long",
    explanation: "The service expands every reference in place before it runs a segment, and the expanded query \
                  may have at most 262,144 characters. A longer one may be refused only when a campaign runs. \
                  What is counted here is the definition's JSON, the nearest that can be known. Put long lists \
                  into a file segment or a user attribute.",
    check: Check::Set(too_long),
};

fn too_deep(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    // What is not declared may be a file segment, which counts toward no level.
    let surely = |reference: &Reference| set.referent(reference, Referent::Members);
    let likely = |reference: &Reference| set.referent(reference, Referent::Unknown);
    let (mut surely, mut likely) = (Weights::new(&surely), Weights::new(&likely));
    for member in set.members.iter().filter(|member| !set.is_in_circle(member)) {
        let is_sure = surely.level(&member.outline) > LEVEL_LIMIT;
        let weights = if is_sure { &mut surely } else { &mut likely };
        let exceeds = |below: &Member<'_>| weights.level(&below.outline) > LEVEL_LIMIT;
        if exceeds_below(set, member, exceeds) {
            continue;
        }
        let level = weights.level(&member.outline);
        if level > LEVEL_LIMIT {
            let chain = weights.deepest_chain(&member.outline);
            found.push(too_deep_at(member, level, &chain, is_sure));
        }
    }
}

fn too_deep_at(member: &Member<'_>, level: u32, chain: &[Reference], is_sure: bool) -> Diagnostic {
    let names = std::iter::once(member.name().as_str()).chain(chain.iter().map(reference_name));
    let shown = names.collect::<Vec<_>>().join(" -> ");
    let message = format!(
        "`{}` is nested {level} levels deep; the limit is {LEVEL_LIMIT}",
        member.name()
    );
    let first = chain.first().and_then(|first| reference_place(member, first));
    let place = first.unwrap_or_else(|| member.declaration.name_place());
    let label = "the deepest reference";
    let fault = if is_sure {
        Diagnostic::error(TOO_DEEP.code, message, place, label)
    } else {
        Diagnostic::warning(TOO_DEEP.code, message, place, label)
            .with_note("the last of the chain is not declared here; a file segment would not count")
    };
    fault
        .with_note(format!("the chain is {shown}"))
        .with_note("each reference is a level, and a nested group beside a reference is one more")
        .with_help("move filters up the chain, or drop a nested group in it")
}

/// Whether a segment only inherits an excess from one that it refers to, where it is reported.
fn exceeds_below(set: &Set<'_>, member: &Member<'_>, mut exceeds: impl FnMut(&Member<'_>) -> bool) -> bool {
    let mut below = set.next(member).filter_map(|next| set.members.get(next));
    below.any(|below| !set.is_in_circle(below) && exceeds(below))
}

fn reference_name(reference: &Reference) -> &str {
    match reference {
        Reference::Name(name) => name.as_str(),
        Reference::Id { id, .. } => id.as_str(),
    }
}

fn too_many(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for member in &set.members {
        let references = &member.outline.references;
        let all = references.len();
        if all <= REFERENCE_LIMIT {
            continue;
        }
        let declared = references
            .keys()
            .filter(|next| set.referred(next).is_some())
            .count();
        let message = format!(
            "`{}` refers to {all} segments; the limit is {REFERENCE_LIMIT}",
            member.name()
        );
        let place = member.declaration.name_place();
        let help = "gather some of them in a segment of their own and refer to that";
        let fault = if declared > REFERENCE_LIMIT {
            Diagnostic::error(TOO_MANY.code, message, place, "too many references")
        } else {
            let undeclared = match all - declared {
                1 => "1 of them is".to_owned(),
                count => format!("{count} of them are"),
            };
            Diagnostic::warning(TOO_MANY.code, message, place, "may be too many references").with_note(
                format!("{undeclared} not declared here; file segments do not count"),
            )
        };
        found.push(fault.with_help(help));
    }
}

fn too_long(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    let resolve = |reference: &Reference| set.referent(reference, Referent::Unknown);
    let mut weights = Weights::new(&resolve);
    for member in set.members.iter().filter(|member| !set.is_in_circle(member)) {
        let length = weights.expanded_length(&member.outline);
        let exceeds = |below: &Member<'_>| weights.expanded_length(&below.outline) > EXPANDED_LIMIT;
        if length <= EXPANDED_LIMIT || exceeds_below(set, member, exceeds) {
            continue;
        }
        let message = format!(
            "`{}` has {length} characters with its references expanded; the limit is {EXPANDED_LIMIT}",
            member.name()
        );
        let own = member.outline.length;
        found.push(
            Diagnostic::error(
                TOO_LONG.code,
                message,
                member.declaration.name_place(),
                "too long when expanded",
            )
            .with_note(format!("its own filters have {own} characters"))
            .with_help("put long lists into a file segment or a user attribute, or refer to fewer segments"),
        );
    }
}
