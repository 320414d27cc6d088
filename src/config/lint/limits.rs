//! Rules on the service's three limits for references: levels, number, expanded length.

use super::references::reference_location;
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::definition::references::{
    DEPTH_LIMIT, EXPANDED_LENGTH_LIMIT, LimitCalculator, REFERENCE_LIMIT, ReferencedSegment,
};
use crate::diagnostic::Diagnostic;
use crate::model::Reference;

pub(super) const NESTING_TOO_DEEP: Rule = Rule {
    code: "SEG077",
    name: "nesting-too-deep",
    explanation: "The service takes 6 levels of segments inside segments. A segment without references has level \
                  1; one with references has one level more than the deepest that it refers to, and one more \
                  again if it has a nested group. Move filters up, or drop the nested group of a segment in the \
                  chain. It is a warning while only segments that are not declared here make it too deep: file \
                  segments do not count.",
    check: RuleCheck::Workspace(nesting_too_deep),
};

pub(super) const TOO_MANY_REFERENCES: Rule = Rule {
    code: "SEG078",
    name: "references-too-many",
    explanation: "A definition may refer to at most 10 segments; file segments do not count, so it is a \
                  warning while too few of them are declared here. Included and excluded references are counted \
                  together. Gather some of them in a segment of their own and refer to \
                  that.",
    check: RuleCheck::Workspace(too_many_references),
};

pub(super) const EXPANSION_TOO_LONG: Rule = Rule {
    code: "SEG079",
    name: "expansion-too-long",
    explanation: "The service expands every reference in place before it runs a segment, and the expanded query \
                  may have at most 262,144 characters. A longer one may be refused only when a campaign runs. \
                  What is counted here is the definition's JSON, the nearest that can be known. Put long lists \
                  into a file segment or a user attribute.",
    check: RuleCheck::Workspace(expansion_too_long),
};

fn nesting_too_deep(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    // What is not declared may be a file segment, which counts toward no level.
    let surely = |reference: &Reference| view.referent(reference, ReferencedSegment::FileOrCohort);
    let likely = |reference: &Reference| view.referent(reference, ReferencedSegment::Unknown);
    let (mut surely, mut likely) = (LimitCalculator::new(&surely), LimitCalculator::new(&likely));
    for member in view.segments.iter().filter(|member| !view.is_in_cycle(member)) {
        let is_certain = surely.depth(&member.outline) > DEPTH_LIMIT;
        let weights = if is_certain { &mut surely } else { &mut likely };
        let exceeds = |below: &SegmentView<'_>| weights.depth(&below.outline) > DEPTH_LIMIT;
        if inherits_excess(view, member, exceeds) {
            continue;
        }
        let level = weights.depth(&member.outline);
        if level > DEPTH_LIMIT {
            let chain = weights.deepest_chain(&member.outline);
            found.push(nesting_diagnostic(member, level, &chain, is_certain));
        }
    }
}

fn nesting_diagnostic(
    member: &SegmentView<'_>,
    level: u32,
    chain: &[Reference],
    is_certain: bool,
) -> Diagnostic {
    let names = std::iter::once(member.name().as_str()).chain(chain.iter().map(reference_name));
    let shown = names.collect::<Vec<_>>().join(" -> ");
    let message = format!(
        "`{}` is nested {level} levels deep; the limit is {DEPTH_LIMIT}",
        member.name()
    );
    let first = chain.first().and_then(|first| reference_location(member, first));
    let place = first.unwrap_or_else(|| member.declaration.name_location());
    let label = "the deepest reference";
    let fault = if is_certain {
        Diagnostic::error(NESTING_TOO_DEEP.code, message, place, label)
    } else {
        Diagnostic::warning(NESTING_TOO_DEEP.code, message, place, label)
            .with_note("the last of the chain is not declared here; a file segment would not count")
    };
    fault
        .with_note(format!("the chain is {shown}"))
        .with_note("each reference is a level, and a nested group beside a reference is one more")
        .with_help("move filters up the chain, or drop a nested group in it")
}

/// Whether a segment only inherits an excess from one that it refers to, where it is reported.
fn inherits_excess(
    view: &WorkspaceView<'_>,
    member: &SegmentView<'_>,
    mut exceeds: impl FnMut(&SegmentView<'_>) -> bool,
) -> bool {
    let mut below = view
        .referenced_indexes(member)
        .filter_map(|next| view.segments.get(next));
    below.any(|below| !view.is_in_cycle(below) && exceeds(below))
}

fn reference_name(reference: &Reference) -> &str {
    match reference {
        Reference::Name(name) => name.as_str(),
        Reference::Id { id, .. } => id.as_str(),
    }
}

fn too_many_references(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for member in &view.segments {
        let references = &member.outline.references;
        let all = references.len();
        if all <= REFERENCE_LIMIT {
            continue;
        }
        let declared = references
            .keys()
            .filter(|next| view.referenced_segment(next).is_some())
            .count();
        let message = format!(
            "`{}` refers to {all} segments; the limit is {REFERENCE_LIMIT}",
            member.name()
        );
        let place = member.declaration.name_location();
        let help = "gather some of them in a segment of their own and refer to that";
        let fault = if declared > REFERENCE_LIMIT {
            Diagnostic::error(TOO_MANY_REFERENCES.code, message, place, "too many references")
        } else {
            let undeclared = match all - declared {
                1 => "1 of them is".to_owned(),
                count => format!("{count} of them are"),
            };
            Diagnostic::warning(
                TOO_MANY_REFERENCES.code,
                message,
                place,
                "may be too many references",
            )
            .with_note(format!(
                "{undeclared} not declared here; file segments do not count"
            ))
        };
        found.push(fault.with_help(help));
    }
}

fn expansion_too_long(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let resolve = |reference: &Reference| view.referent(reference, ReferencedSegment::Unknown);
    let mut weights = LimitCalculator::new(&resolve);
    for member in view.segments.iter().filter(|member| !view.is_in_cycle(member)) {
        let length = weights.expanded_length(&member.outline);
        let exceeds =
            |below: &SegmentView<'_>| weights.expanded_length(&below.outline) > EXPANDED_LENGTH_LIMIT;
        if length <= EXPANDED_LENGTH_LIMIT || inherits_excess(view, member, exceeds) {
            continue;
        }
        let message = format!(
            "`{}` has {length} characters with its references expanded; the limit is {EXPANDED_LENGTH_LIMIT}",
            member.name()
        );
        let own = member.outline.length;
        found.push(
            Diagnostic::error(
                EXPANSION_TOO_LONG.code,
                message,
                member.declaration.name_location(),
                "too long when expanded",
            )
            .with_note(format!("its own filters have {own} characters"))
            .with_help("put long lists into a file segment or a user attribute, or refer to fewer segments"),
        );
    }
}
