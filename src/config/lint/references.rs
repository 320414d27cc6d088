//! Rules on the segments that references name: undeclared, cyclic or archived ones.

use super::super::declaration::PathElement::Field;
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{DeclaredSegment, Reference, SegmentName, did_you_mean};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Unknown names that get a suggestion. Each is compared with every declared name. With more unknown names,
/// the files are probably incomplete, not misspelled.
const SUGGESTION_LIMIT: usize = 20;

pub(super) const UNKNOWN_REFERENCE: Rule = Rule {
    code: "SEG075",
    name: "reference-unknown",
    explanation: "A reference names a segment that is not declared for this workspace. This is only a warning: the \
                  plan searches for the name in the remote segments, and fails if there is none.",
    check: RuleCheck::Workspace(unknown_reference),
};

pub(super) const REFERENCE_CYCLE: Rule = Rule {
    code: "SEG076",
    name: "reference-cycle",
    explanation: "Segments refer to each other in a cycle, or a segment refers to itself. MoEngage cannot compute \
                  their members and rejects them. Remove one of the references.",
    check: RuleCheck::Workspace(reference_cycle),
};

pub(super) const ARCHIVED_REFERENCE: Rule = Rule {
    code: "SEG080",
    name: "reference-archived",
    explanation: "An active segment refers to an archived one. MoEngage does not document the effect, and may \
                  reject updates that refer to it. Keep the segment active, or remove the reference.",
    check: RuleCheck::Workspace(archived_reference),
};

fn unknown_reference(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let renamed = declared_by_previous_name(view);
    let mut helps: BTreeMap<&SegmentName, Option<String>> = BTreeMap::new();
    let is_unknown = |reference: &Reference| matches!(reference, Reference::Name(name) if view.segment_named(name).is_none());
    let concerned = view
        .segments
        .iter()
        .filter(|segment| segment.refers_to(is_unknown));
    for reference in concerned.flat_map(|segment| &segment.parts().references) {
        let Reference::Name(name) = reference.part else {
            continue;
        };
        if view.segment_named(name).is_some() {
            continue;
        }
        let may_suggest = helps.len() < SUGGESTION_LIMIT;
        let help = || match renamed.get(name) {
            _ if name.is_reserved() => Some("to refer to all users, use the id `moe_all_users`".to_owned()),
            Some(current) => Some(renamed_help(name, current)),
            None if may_suggest => did_you_mean(name.as_str(), view.names())
                .map(|suggestion| format!("did you mean `{suggestion}`?")),
            None => None,
        };
        let help = helps.entry(name).or_insert_with(help);
        let message = format!("no segment `{name}` is declared for this workspace");
        let location = reference.location_of(&[Field("name")]);
        let mut warning = Diagnostic::warning(UNKNOWN_REFERENCE.code, message, location, "not declared")
            .with_note("the plan searches for the name in the workspace");
        warning.help.extend(help.clone());
        found.push(warning);
    }
}

fn renamed_help(name: &SegmentName, current: &[&DeclaredSegment]) -> String {
    let current = current.iter().map(|segment| {
        let origin = &segment.origin;
        format!("`{}` in {}:{}", segment.name, origin.file, origin.line)
    });
    let current = current.collect::<Vec<_>>().join(" or ");
    format!("`{name}` was renamed to {current}; update the reference")
}

fn declared_by_previous_name<'a>(
    view: &WorkspaceView<'a>,
) -> BTreeMap<&'a SegmentName, Vec<&'a DeclaredSegment>> {
    let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for segment in &view.segments {
        let declared = &segment.declaration.segment;
        for previous in &declared.previous_names {
            by_name.entry(previous).or_default().push(declared);
        }
    }
    by_name
}

fn reference_cycle(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for cycle in &view.cycles {
        let path = shortest_cycle(view, cycle);
        let Some(first) = path.first() else {
            continue;
        };
        let names = path.iter().chain([first]).map(|segment| segment.name().as_str());
        let message = match path.as_slice() {
            [only] => format!("the segment `{}` refers to itself", only.name()),
            _ => format!(
                "segments refer to each other in a cycle: {}",
                names.collect::<Vec<_>>().join(" -> ")
            ),
        };
        let next = path.iter().skip(1).chain([first]);
        let mut labels = path
            .iter()
            .zip(next)
            .map(|(segment, next)| reference_label(segment, next.name()));
        let Some((location, label)) = labels.next() else {
            continue;
        };
        let mut error = Diagnostic::error(REFERENCE_CYCLE.code, message, location, label);
        for (location, label) in labels {
            error = error.with_label(location, label);
        }
        let others = cycle.len() - path.len();
        if others > 0 {
            error = error.with_note(format!("other segments in cycles with these: {others}"));
        }
        found.push(error.with_help("remove one of these references"));
    }
}

/// Points at the reference, or at the segment's name if the reference is in a raw filter.
fn reference_label(segment: &SegmentView<'_>, next: &SegmentName) -> (Location, String) {
    let location = reference_location(segment, &Reference::Name(next.clone()));
    let location = location.unwrap_or_else(|| segment.declaration.name_location());
    (location, format!("refers to `{next}`"))
}

/// The shortest path from the first segment of a cycle back to itself.
fn shortest_cycle<'s, 'a>(view: &'s WorkspaceView<'a>, cycle: &BTreeSet<usize>) -> Vec<&'s SegmentView<'a>> {
    let Some(start) = cycle.first().and_then(|index| view.segments.get(*index)) else {
        return Vec::new();
    };
    let mut predecessors: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(segment) = waiting.pop_front() {
        for next in view
            .referenced_indexes(segment)
            .filter(|next| cycle.contains(next))
        {
            predecessors.entry(next).or_insert_with(|| {
                waiting.extend(view.segments.get(next));
                segment.index
            });
        }
    }
    let mut path = vec![start];
    let mut current = predecessors.get(&start.index);
    while let Some(segment) = current.and_then(|index| view.segments.get(*index)) {
        if segment.index == start.index {
            break;
        }
        path.push(segment);
        current = predecessors.get(&segment.index);
    }
    // The predecessors gave the path backwards.
    if let [_, rest @ ..] = path.as_mut_slice() {
        rest.reverse();
    }
    path
}

pub(super) fn reference_location(segment: &SegmentView<'_>, to: &Reference) -> Option<Location> {
    let mut references = segment.parts().references.iter();
    let reference = references.find(|reference| reference.part == to)?;
    Some(reference.location_of(&[Field("name")]))
}

fn archived_reference(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let is_archived = |reference: &Reference| {
        let target = view.referenced_segment(reference);
        target.is_some_and(|target| !target.is_active())
    };
    let active = view.segments.iter().filter(|segment| segment.is_active());
    for segment in active.filter(|segment| segment.refers_to(is_archived)) {
        for reference in &segment.parts().references {
            let target = view.referenced_segment(reference.part);
            let Some(target) = target.filter(|target| !target.is_active()) else {
                continue;
            };
            let message = format!(
                "`{}` refers to `{}`, which is declared archived",
                segment.name(),
                target.name()
            );
            let location = reference.location_of(&[Field("name")]);
            let lifecycle = target.declaration.location_of(&[Field("lifecycle")]);
            found.push(
                Diagnostic::warning(ARCHIVED_REFERENCE.code, message, location, "the reference")
                    .with_label(lifecycle, "archived here")
                    .with_help("keep the segment active, or remove the reference"),
            );
        }
    }
}
