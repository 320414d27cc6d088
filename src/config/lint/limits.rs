//! Rules on the three limits that MoEngage sets for references: depth, number, expanded length.

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
    explanation: "MoEngage accepts 6 levels of segments inside segments. A segment without references has level 1. \
                  Each reference adds a level, and so does a nested group beside it. Move filters up, or remove a \
                  nested group in the chain. It is a warning if only undeclared segments make it too deep: file \
                  segments do not count.",
    check: RuleCheck::Workspace(nesting_too_deep),
};

pub(super) const TOO_MANY_REFERENCES: Rule = Rule {
    code: "SEG078",
    name: "references-too-many",
    explanation: "A definition can refer to at most 10 segments. File segments do not count, so it is a warning \
                  while too few of the segments are declared. Move some references to a separate segment.",
    check: RuleCheck::Workspace(too_many_references),
};

pub(super) const EXPANSION_TOO_LONG: Rule = Rule {
    code: "SEG079",
    name: "expansion-too-long",
    explanation: "MoEngage replaces every reference by its definition. The expanded query can have at most 262,144 \
                  characters; segctl estimates it from the JSON of the definition. Put long lists into a file \
                  segment or a user attribute.",
    check: RuleCheck::Workspace(expansion_too_long),
};

fn nesting_too_deep(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    // An undeclared segment may be a file segment, which adds no level.
    let certain = |reference: &Reference| view.referent(reference, ReferencedSegment::FileOrCohort);
    let possible = |reference: &Reference| view.referent(reference, ReferencedSegment::Unknown);
    let (mut certain, mut possible) = (LimitCalculator::new(&certain), LimitCalculator::new(&possible));
    for segment in view.segments.iter().filter(|segment| !view.is_in_cycle(segment)) {
        let is_certain = certain.depth(segment.outline) > DEPTH_LIMIT;
        let limits = if is_certain { &mut certain } else { &mut possible };
        let exceeds = |below: &SegmentView<'_>| limits.depth(below.outline) > DEPTH_LIMIT;
        if inherits_excess(view, segment, exceeds) {
            continue;
        }
        let level = limits.depth(segment.outline);
        if level > DEPTH_LIMIT {
            let chain = limits.deepest_chain(segment.outline);
            found.push(nesting_diagnostic(segment, level, &chain, is_certain));
        }
    }
}

fn nesting_diagnostic(
    segment: &SegmentView<'_>,
    level: u32,
    chain: &[Reference],
    is_certain: bool,
) -> Diagnostic {
    let names = std::iter::once(segment.name().as_str()).chain(chain.iter().map(reference_name));
    let names = names.collect::<Vec<_>>().join(" -> ");
    let message = format!(
        "`{}` is nested {level} levels deep; the limit is {DEPTH_LIMIT}",
        segment.name()
    );
    let first = chain.first().and_then(|first| reference_location(segment, first));
    let location = first.unwrap_or_else(|| segment.declaration.name_location());
    let label = "the deepest reference";
    let diagnostic = if is_certain {
        Diagnostic::error(NESTING_TOO_DEEP.code, message, location, label)
    } else {
        Diagnostic::warning(NESTING_TOO_DEEP.code, message, location, label)
            .with_note("the last segment of the chain is not declared; a file segment would not count")
    };
    diagnostic
        .with_note(format!("the chain is {names}"))
        .with_note("each reference adds a level, and so does a nested group beside a reference")
        .with_help("move filters up the chain, or remove a nested group in it")
}

/// Whether a segment refers to one that already exceeds the limit, where the excess is reported.
fn inherits_excess(
    view: &WorkspaceView<'_>,
    segment: &SegmentView<'_>,
    mut exceeds: impl FnMut(&SegmentView<'_>) -> bool,
) -> bool {
    let mut below = view
        .referenced_indexes(segment)
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
    for segment in &view.segments {
        let references = &segment.outline.references;
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
            segment.name()
        );
        let location = segment.declaration.name_location();
        let diagnostic = if declared > REFERENCE_LIMIT {
            Diagnostic::error(TOO_MANY_REFERENCES.code, message, location, "too many references")
        } else {
            let undeclared = match all - declared {
                1 => "1 of them is".to_owned(),
                count => format!("{count} of them are"),
            };
            let note = format!("{undeclared} not declared; file segments do not count");
            let label = "may be too many references";
            Diagnostic::warning(TOO_MANY_REFERENCES.code, message, location, label).with_note(note)
        };
        found.push(diagnostic.with_help("move some references to a separate segment and refer to that"));
    }
}

fn expansion_too_long(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let resolve = |reference: &Reference| view.referent(reference, ReferencedSegment::Unknown);
    let mut limits = LimitCalculator::new(&resolve);
    for segment in view.segments.iter().filter(|segment| !view.is_in_cycle(segment)) {
        let length = limits.expanded_length(segment.outline);
        let exceeds = |below: &SegmentView<'_>| limits.expanded_length(below.outline) > EXPANDED_LENGTH_LIMIT;
        if length <= EXPANDED_LENGTH_LIMIT || inherits_excess(view, segment, exceeds) {
            continue;
        }
        let message = format!(
            "`{}` has {length} characters with its references expanded; the limit is {EXPANDED_LENGTH_LIMIT}",
            segment.name()
        );
        let location = segment.declaration.name_location();
        let own = segment.outline.length;
        found.push(
            Diagnostic::error(EXPANSION_TOO_LONG.code, message, location, "too long")
                .with_note(format!("its own filters have {own} characters"))
                .with_help(
                    "put long lists into a file segment or a user attribute, or refer to fewer segments",
                ),
        );
    }
}
