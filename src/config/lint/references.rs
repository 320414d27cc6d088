//! Rules on what references lead to: nothing, themselves, archived segments.

use super::super::declaration::{Declaration, PathElement};
use super::super::suggest::did_you_mean;
use super::names::is_reserved;
use super::workspace_view::{SegmentView, WorkspaceView};
use super::{Rule, RuleCheck};
use crate::diagnostic::{Diagnostic, Location};
use crate::model::{Reference, SegmentName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Unknown names that get a suggestion. Each is compared with every declared name, and when more than these
/// are unknown the files are incomplete, not misspelt.
const SUGGESTION_LIMIT: usize = 20;

pub(super) const UNKNOWN_REFERENCE: Rule = Rule {
    code: "SEG075",
    name: "reference-unknown",
    explanation: "A reference names a segment that is not declared for this workspace. The plan looks the name up \
                  among the live segments and fails if there is none, so this is a warning only.",
    check: RuleCheck::Workspace(unknown_reference),
};

pub(super) const REFERENCE_CYCLE: Rule = Rule {
    code: "SEG076",
    name: "reference-cycle",
    explanation: "Segments that refer to each other in a circle, or to themselves, have no members that could be \
                  computed; the service refuses them. Take one of the references out.",
    check: RuleCheck::Workspace(reference_cycle),
};

pub(super) const ARCHIVED_REFERENCE: Rule = Rule {
    code: "SEG080",
    name: "reference-archived",
    explanation: "An active segment refers to one that is declared archived. What the service makes of it is not \
                  documented: an archived filter segment may still be evaluated, and updates that refer to it may \
                  be refused. Keep the segment active, or take the reference out.",
    check: RuleCheck::Workspace(archived_reference),
};

fn unknown_reference(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    let previous = current_names_by_previous_name(view);
    let mut helps: BTreeMap<&SegmentName, Option<String>> = BTreeMap::new();
    for reference in view.segments.iter().flat_map(|member| &member.parts.references) {
        let Reference::Name(name) = reference.part else {
            continue;
        };
        if view.segment_named(name).is_some() {
            continue;
        }
        let may_suggest = helps.len() < SUGGESTION_LIMIT;
        let help = helps.entry(name).or_insert_with(|| match previous.get(name) {
            _ if is_reserved(name.as_str()) => {
                Some("to refer to everyone, use the id `moe_all_users`".to_owned())
            }
            Some(today) => Some(format!("`{name}` is a previous name of `{today}`: write that")),
            None if may_suggest => {
                did_you_mean(name.as_str(), view.names()).map(|meant| format!("did you mean `{meant}`?"))
            }
            None => None,
        });
        let message = format!("no segment `{name}` is declared for this workspace");
        let place = reference.location_of(&[PathElement::Field("name")]);
        let mut fault = Diagnostic::warning(UNKNOWN_REFERENCE.code, message, place, "not declared")
            .with_note("the plan looks the name up in the workspace");
        fault.help.extend(help.clone());
        found.push(fault);
    }
}

fn current_names_by_previous_name<'a>(
    view: &WorkspaceView<'a>,
) -> BTreeMap<&'a SegmentName, &'a SegmentName> {
    let names = |member: &SegmentView<'a>| {
        let segment = &member.declaration.segment;
        segment
            .previous_names
            .iter()
            .map(|previous| (previous, &segment.name))
    };
    view.segments.iter().flat_map(names).collect()
}

fn reference_cycle(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for cycle in &view.cycles {
        let path = shortest_cycle(view, cycle);
        let Some(first) = path.first() else {
            continue;
        };
        let names = path.iter().chain([first]).map(|member| member.name().as_str());
        let message = match path.as_slice() {
            [only] => format!("the segment `{}` refers to itself", only.name()),
            _ => format!(
                "segments refer to each other in a circle: {}",
                names.collect::<Vec<_>>().join(" -> ")
            ),
        };
        let next = path.iter().skip(1).chain([first]);
        let mut labels = path
            .iter()
            .zip(next)
            .map(|(member, next)| reference_label(member, next.name()));
        let Some((place, label)) = labels.next() else {
            continue;
        };
        let mut fault = Diagnostic::error(REFERENCE_CYCLE.code, message, place, label);
        for (place, label) in labels {
            fault = fault.with_label(place, label);
        }
        let others = cycle.len() - path.len();
        if others > 0 {
            fault = fault.with_note(format!("segments in circles with these: {others} more"));
        }
        found.push(fault.with_help("take one of these references out"));
    }
}

/// Where `member` refers to `next`, or where it is named when the reference stands in a raw filter.
fn reference_label(member: &SegmentView<'_>, next: &SegmentName) -> (Location, String) {
    let place = reference_location(member, &Reference::Name(next.clone()));
    let place = place.unwrap_or_else(|| member.declaration.name_location());
    (place, format!("refers to `{next}`"))
}

/// The shortest way from the first of a circle back to itself.
fn shortest_cycle<'s, 'a>(view: &'s WorkspaceView<'a>, cycle: &BTreeSet<usize>) -> Vec<&'s SegmentView<'a>> {
    let Some(start) = cycle.first().and_then(|index| view.segments.get(*index)) else {
        return Vec::new();
    };
    let mut predecessors: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(member) = waiting.pop_front() {
        for next in view
            .referenced_indexes(member)
            .filter(|next| cycle.contains(next))
        {
            predecessors.entry(next).or_insert_with(|| {
                waiting.extend(view.segments.get(next));
                member.index
            });
        }
    }
    let mut path = vec![start];
    let mut current = predecessors.get(&start.index);
    while let Some(member) = current.and_then(|index| view.segments.get(*index)) {
        if member.index == start.index {
            break;
        }
        path.push(member);
        current = predecessors.get(&member.index);
    }
    // Found from the end: turn all but the start around.
    if let [_, rest @ ..] = path.as_mut_slice() {
        rest.reverse();
    }
    path
}

/// Where `member` refers to that segment by name.
pub(super) fn reference_location(member: &SegmentView<'_>, to: &Reference) -> Option<Location> {
    let mut references = member.parts.references.iter();
    let reference = references.find(|reference| reference.part == to)?;
    Some(reference.location_of(&[PathElement::Field("name")]))
}

fn archived_reference(view: &WorkspaceView<'_>, found: &mut Vec<Diagnostic>) {
    for member in view.segments.iter().filter(|member| member.is_active()) {
        for reference in &member.parts.references {
            let Some(target) = view
                .referenced_segment(reference.part)
                .filter(|target| !target.is_active())
            else {
                continue;
            };
            let message = format!(
                "`{}` refers to `{}`, which is declared archived",
                member.name(),
                target.name()
            );
            let place = reference.location_of(&[PathElement::Field("name")]);
            found.push(
                Diagnostic::warning(ARCHIVED_REFERENCE.code, message, place, "the reference")
                    .with_label(lifecycle_location(target.declaration), "archived here")
                    .with_help("keep the segment active, or take the reference out"),
            );
        }
    }
}

fn lifecycle_location(declaration: &Declaration) -> Location {
    declaration.location_of(&[PathElement::Field("lifecycle")])
}
