//! Conflicts over definitions, which are unique in a workspace.

use super::Checks;
use crate::definition::Digest;
use crate::model::{DeclaredSegment, ObservedSegment, SegmentId};
use crate::plan::actions::ProposedStep;
use crate::plan::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use crate::plan::step::{Action, Code};
use crate::plan::words::{names, reference_help, yaml_name};
use std::collections::HashMap;

impl Checks<'_, '_> {
    pub(super) fn definition_taken(
        &self,
        step: &ProposedStep<'_>,
        segment: &DeclaredSegment,
    ) -> Vec<ProposedFinding> {
        let holders = self.uniqueness.exact_definition_holders(step).into_iter();
        let is_kept = |remote: &&ObservedSegment| {
            let release = self.uniqueness.step_releasing_definition(remote, self.steps);
            release.is_none()
        };
        holders
            .filter(is_kept)
            .map(|remote| {
                let holder = self.context.matching.remote_ref(remote);
                definition_taken(segment.into(), &holder, step.remote.map(|own| &own.id))
            })
            .collect()
    }

    /// The same filters in another order, which the API may regard as a duplicate.
    pub(super) fn likely_duplicate(
        &self,
        step: &ProposedStep<'_>,
        segment: &DeclaredSegment,
    ) -> Option<ProposedFinding> {
        let exact = self.uniqueness.exact_definition_holders(step);
        let mut equivalent = self.uniqueness.equivalent_definition_holders(step).into_iter();
        let remote = equivalent.find(|remote| {
            let release = self.uniqueness.step_releasing_equivalents(remote, self.steps);
            !exact.iter().any(|other| other.id == remote.id) && release.is_none()
        })?;
        let holder = self.context.matching.remote_ref(remote);
        let message = format!(
            "`{}` has the same filters as {holder}, in another form",
            segment.name
        );
        let warning = ProposedFinding::new(Code::LikelyDuplicate, message)
            .about(segment)
            .held_by(&holder)
            .help("MoEngage may reject it as a duplicate: reference the other segment, or change one of the two");
        Some(warning)
    }
}

/// `target` is the segment's own id, if it exists.
fn definition_taken(
    segment: DeclaredRef<'_>,
    holder: &RemoteRef<'_>,
    target: Option<&SegmentId>,
) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let message = format!("`{name}` has the same definition as {holder}");
    // A segment that already has a remote segment keeps its id, so it cannot match the other one.
    let help = match (holder.declared, target) {
        (Some(declared), None) => format!(
            "if `{name}` is a new name for `{}`: remove `{}` from {}, and add `previous_names: [{}]` to `{name}` at {at}",
            declared.name,
            declared.name,
            declared.file_and_line(),
            yaml_name(holder.name),
        ),
        (None, None) => format!(
            "to adopt it: add `id: {}` to `{name}` at {at}; it is renamed and keeps its id",
            holder.id
        ),
        (Some(declared), Some(_)) => format!(
            "change the definition of `{}` at {} first, and apply while it is active",
            declared.name,
            declared.file_and_line()
        ),
        (None, Some(_)) => format!(
            "if the other segment is not needed: change its definition or archive it in the dashboard; `{name}` has its \
             own id and cannot match it"
        ),
    };
    let mut conflict = ProposedFinding::new(Code::DefinitionTaken, message)
        .about(segment)
        .held_by(holder)
        .help(help)
        .helps(reference_help(segment, holder))
        .help(format!(
            "change the definition of `{name}` at {at}: any value, operator or filter in `included_filters` or \
             `excluded_filters`; a new name alone is not enough"
        ));
    conflict.remote_ids.extend(target.cloned());
    conflict
}

/// Definitions that several steps write. If one of the segments already has it, `definition_taken` reports the others.
pub(super) fn shared(steps: &[ProposedStep<'_>]) -> Vec<ProposedFinding> {
    let mut positions: HashMap<&Digest, usize> = HashMap::with_capacity(steps.len());
    let mut groups: Vec<Vec<&ProposedStep<'_>>> = Vec::new();
    for step in steps {
        let Some(desired) = step.action.desired() else {
            continue;
        };
        let position = *positions.entry(&desired.digests.exact).or_insert(groups.len());
        match groups.get_mut(position) {
            Some(group) => group.push(step),
            None => groups.push(vec![step]),
        }
    }
    let has_it = |step: &&ProposedStep<'_>| matches!(&step.action, Action::Update(update) if !update.changes_definition());
    let groups = groups.into_iter();
    let shared = groups.filter(|steps| steps.len() > 1 && !steps.iter().any(has_it));
    shared
        .map(|steps| {
            let segments = steps.iter().filter_map(|step| step.declared);
            definition_shared(&segments.map(DeclaredRef::from).collect::<Vec<_>>())
        })
        .collect()
}

/// Only resolved references show it: one segment references by name and another by id, for example.
fn definition_shared(segments: &[DeclaredRef<'_>]) -> ProposedFinding {
    let message = format!(
        "{} have the same definition in this workspace: their references mean the same segments",
        names(segments.iter().copied())
    );
    let (others, rest) = match segments {
        [_, _] => ("the other one is", "one of them"),
        _ => ("the others are", "all but one of them"),
    };
    ProposedFinding::new(Code::DefinitionShared, message)
        .about_all(segments.iter().copied())
        .help(format!("keep one of them, and reference it where {others} used"))
        .help(format!(
            "change the definition of {rest}: any value, operator or filter; a new name, or a reference by id instead of by \
             name, is not enough"
        ))
        .help(format!("archive {rest}: `lifecycle: archived`"))
}
