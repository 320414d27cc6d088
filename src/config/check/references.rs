//! Rules on what references lead to: nothing, themselves, archived segments.

use super::super::declaration::{Declaration, Step};
use super::super::suggest::did_you_mean;
use super::names::is_reserved;
use super::set::{Member, Set};
use super::{Check, Rule};
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Reference, SegmentName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Unknown names that get a suggestion. Each is compared with every declared name, and when more than these
/// are unknown the files are incomplete, not misspelt.
const SUGGESTIONS: usize = 20;

pub(super) const UNKNOWN: Rule = Rule {
    code: "SEG075",
    name: "reference-unknown",
    explanation: "A reference names a segment that is not declared for this workspace. The plan looks the name up \
                  among the live segments and fails if there is none, so this is a warning only.",
    check: Check::Set(unknown),
};

pub(super) const CYCLE: Rule = Rule {
    code: "SEG076",
    name: "reference-cycle",
    explanation: "Segments that refer to each other in a circle, or to themselves, have no members that could be \
                  computed; the service refuses them. Take one of the references out.",
    check: Check::Set(cycle),
};

pub(super) const ARCHIVED: Rule = Rule {
    code: "SEG080",
    name: "reference-archived",
    explanation: "An active segment refers to one that is declared archived. What the service makes of it is not \
                  documented: an archived filter segment may still be evaluated, and updates that refer to it may \
                  be refused. Keep the segment active, or take the reference out.",
    check: Check::Set(archived),
};

fn unknown(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    let previous = previous_names(set);
    let mut helps: BTreeMap<&SegmentName, Option<String>> = BTreeMap::new();
    for reference in set.members.iter().flat_map(|member| &member.parts.references) {
        let Reference::Name(name) = reference.part else {
            continue;
        };
        if set.named(name).is_some() {
            continue;
        }
        let may_suggest = helps.len() < SUGGESTIONS;
        let help = helps.entry(name).or_insert_with(|| match previous.get(name) {
            _ if is_reserved(name.as_str()) => {
                Some("to refer to everyone, use the id `moe_all_users`".to_owned())
            }
            Some(today) => Some(format!("`{name}` is a previous name of `{today}`: write that")),
            None if may_suggest => {
                did_you_mean(name.as_str(), set.names()).map(|meant| format!("did you mean `{meant}`?"))
            }
            None => None,
        });
        let message = format!("no segment `{name}` is declared for this workspace");
        let place = reference.place_of(&[Step::Field("name")]);
        let mut fault = Diagnostic::warning(UNKNOWN.code, message, place, "not declared")
            .with_note("the plan looks the name up in the workspace");
        fault.help.extend(help.clone());
        found.push(fault);
    }
}

fn previous_names<'a>(set: &Set<'a>) -> BTreeMap<&'a SegmentName, &'a SegmentName> {
    let names = |member: &Member<'a>| {
        let segment = &member.declaration.segment;
        segment
            .previous_names
            .iter()
            .map(|previous| (previous, &segment.name))
    };
    set.members.iter().flat_map(names).collect()
}

fn cycle(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for circle in &set.circles {
        let path = shortest_cycle(set, circle);
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
            .map(|(member, next)| link(member, next.name()));
        let Some((place, label)) = labels.next() else {
            continue;
        };
        let mut fault = Diagnostic::error(CYCLE.code, message, place, label);
        for (place, label) in labels {
            fault = fault.with_label(place, label);
        }
        let others = circle.len() - path.len();
        if others > 0 {
            fault = fault.with_note(format!("segments in circles with these: {others} more"));
        }
        found.push(fault.with_help("take one of these references out"));
    }
}

/// Where `member` refers to `next`, or where it is named when the reference stands in a raw filter.
fn link(member: &Member<'_>, next: &SegmentName) -> (Place, String) {
    let place = reference_place(member, &Reference::Name(next.clone()));
    let place = place.unwrap_or_else(|| member.declaration.name_place());
    (place, format!("refers to `{next}`"))
}

/// The shortest way from the first of a circle back to itself.
fn shortest_cycle<'s, 'a>(set: &'s Set<'a>, circle: &BTreeSet<usize>) -> Vec<&'s Member<'a>> {
    let Some(start) = circle.first().and_then(|index| set.members.get(*index)) else {
        return Vec::new();
    };
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(member) = waiting.pop_front() {
        for next in set.next(member).filter(|next| circle.contains(next)) {
            came_from.entry(next).or_insert_with(|| {
                waiting.extend(set.members.get(next));
                member.index
            });
        }
    }
    let mut path = vec![start];
    let mut current = came_from.get(&start.index);
    while let Some(member) = current.and_then(|index| set.members.get(*index)) {
        if member.index == start.index {
            break;
        }
        path.push(member);
        current = came_from.get(&member.index);
    }
    // Found from the end: turn all but the start around.
    if let [_, rest @ ..] = path.as_mut_slice() {
        rest.reverse();
    }
    path
}

/// Where `member` refers to that segment by name.
pub(super) fn reference_place(member: &Member<'_>, to: &Reference) -> Option<Place> {
    let mut references = member.parts.references.iter();
    let reference = references.find(|reference| reference.part == to)?;
    Some(reference.place_of(&[Step::Field("name")]))
}

fn archived(set: &Set<'_>, found: &mut Vec<Diagnostic>) {
    for member in set.members.iter().filter(|member| member.is_active()) {
        for reference in &member.parts.references {
            let Some(target) = set.referred(reference.part).filter(|target| !target.is_active()) else {
                continue;
            };
            let message = format!(
                "`{}` refers to `{}`, which is declared archived",
                member.name(),
                target.name()
            );
            let place = reference.place_of(&[Step::Field("name")]);
            found.push(
                Diagnostic::warning(ARCHIVED.code, message, place, "the reference")
                    .with_label(lifecycle_place(target.declaration), "archived here")
                    .with_help("keep the segment active, or take the reference out"),
            );
        }
    }
}

fn lifecycle_place(declaration: &Declaration) -> Place {
    declaration.place_of(&[Step::Field("lifecycle")])
}
