//! The API's limits on references, over what MoEngage has when a step runs. Exceeding them is answered with 412 or 413.
//!
//! That is the declared definition of every segment that the plan writes, because a step waits for the segments that it
//! references. It is the remote definition of every other segment: undeclared ones, and declared ones with a conflict. A
//! selection does not change this: it includes the steps that a selected step waits for.
//!
//! The rules of `config` check declared segments alone.

use super::actions::ProposedStep;
use super::context::PlanContext;
use super::matching::Matching;
use super::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use super::step::Code;
use super::words::quoted;
use crate::definition::references::{
    DEPTH_LIMIT, EXPANDED_LENGTH_LIMIT, LimitCalculator, REFERENCE_LIMIT, ReferencedSegment,
};
use crate::diagnostic::phrases::join_with_and;
use crate::diagnostic::shell_commands;
use crate::model::{
    ObservedSegment, Payload, Reference, ReferenceSummary, RemoteKind, SegmentId, SegmentName,
    StoredDefinition,
};
use std::collections::{BTreeSet, HashMap, HashSet};

enum ExceededLimit<'a> {
    References(usize),
    /// With the segments from the first reference to the deepest one.
    Depth(u32, Vec<SegmentName>),
    /// In characters, with all references expanded.
    Length(u64),
    /// The segment references itself through a remote one; it is the first and the last in `path`.
    Cycle {
        path: Vec<SegmentName>,
        /// The segments of the path that keep their remote definition.
        unwritten: Vec<RemoteRef<'a>>,
    },
}

/// Every segment that can be referenced.
pub(super) struct ReferenceLimits<'a> {
    /// The segments that the plan writes, and all cohorts and file segments, which have no definition.
    written: HashMap<&'a SegmentName, Option<&'a StoredDefinition>>,
    remote: HashMap<&'a SegmentId, &'a ObservedSegment>,
    matching: &'a Matching<'a>,
    /// Of a definition that was not read: the limits are then checked as far as possible.
    empty: ReferenceSummary,
}

impl<'a> ReferenceLimits<'a> {
    pub(super) fn of(context: PlanContext<'a, 'a>, steps: &[ProposedStep<'_>]) -> Self {
        let matching = context.matching;
        let steps = steps.iter().filter(|step| step.action.desired().is_some());
        let names: HashSet<&SegmentName> = steps.map(|step| step.name).collect();
        let declared = matching
            .active()
            .map(|pair| (&pair.declared.name, pair.definition));
        let written = declared.filter(|(name, definition)| definition.is_none() || names.contains(name));
        let remotes = context.input.observed.segments.values();
        Self {
            written: written.collect(),
            remote: remotes.map(|remote| (&remote.id, remote)).collect(),
            matching,
            empty: ReferenceSummary::default(),
        }
    }

    pub(super) fn find(&self, steps: &[ProposedStep<'_>]) -> Vec<ProposedFinding> {
        let resolve = |reference: &Reference| self.referenced(reference);
        let mut calculator = LimitCalculator::new(&resolve);
        let mut conflicts = Vec::new();
        for step in steps.iter().filter(|step| step.action.desired().is_some()) {
            let Some(segment) = step.declared else { continue };
            let Some(Some(definition)) = self.written.get(&segment.name) else {
                continue;
            };
            let summary = &definition.facts().references;
            let exceeded = self
                .exceeded(summary, &mut calculator)
                .or_else(|| self.cycle(&segment.name, summary));
            conflicts.extend(exceeded.map(|limit| reference_limit(segment.into(), &limit)));
        }
        conflicts
    }

    /// Whether the definition is within the limits after the steps of the segments that it references.
    pub(super) fn allows(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referenced(reference);
        let summary = ReferenceSummary::from_payload(payload);
        self.exceeded(&summary, &mut LimitCalculator::new(&resolve))
            .is_none()
    }

    /// Whether the definition is within the limits before these steps, too.
    pub(super) fn allows_before_and_after(&self, payload: &Payload) -> bool {
        let resolve = |reference: &Reference| self.referenced_remote(reference);
        let summary = ReferenceSummary::from_payload(payload);
        let exceeded = self.exceeded(&summary, &mut LimitCalculator::new(&resolve));
        exceeded.is_none() && self.allows(payload)
    }

    fn referenced(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let name = self.declared_name(reference);
        match name.and_then(|name| self.written.get(name)) {
            Some(Some(definition)) => ReferencedSegment::Filter(&definition.facts().references),
            Some(None) => ReferencedSegment::FileOrCohort,
            None => self.referenced_remote(reference),
        }
    }

    /// With its definition before the first step.
    fn referenced_remote(&self, reference: &Reference) -> ReferencedSegment<'_> {
        let id = self.matching.references.id_of(reference);
        match id.and_then(|id| self.remote.get(id)) {
            Some(remote) if remote.kind == RemoteKind::Filter => {
                let facts = remote.definition.as_ref().map(StoredDefinition::facts);
                ReferencedSegment::Filter(facts.map_or(&self.empty, |facts| &facts.references))
            }
            Some(_) => ReferencedSegment::FileOrCohort,
            None => ReferencedSegment::Unknown,
        }
    }

    /// Also for a reference by id.
    fn declared_name<'r>(&'r self, reference: &'r Reference) -> Option<&'r SegmentName> {
        match reference {
            Reference::Name(name) => Some(name),
            Reference::Id { id, .. } => self.matching.references.identities.declared_by_id.get(id),
        }
    }

    fn display_name(&self, reference: &Reference) -> SegmentName {
        let id = match reference {
            Reference::Id { id, .. } => id,
            Reference::Name(name) => return name.clone(),
        };
        let remote_name = || self.remote.get(id).map(|remote| &remote.name);
        let name = self.declared_name(reference).or_else(remote_name);
        name.cloned().unwrap_or_else(|| SegmentName::new(id.as_str()))
    }

    fn exceeded(
        &self,
        summary: &ReferenceSummary,
        calculator: &mut LimitCalculator<'_>,
    ) -> Option<ExceededLimit<'_>> {
        let references = summary.references.keys();
        let count = references
            .filter(|reference| !matches!(self.referenced(reference), ReferencedSegment::FileOrCohort))
            .count();
        let depth = calculator.depth(summary);
        let length = calculator.expanded_length(summary);
        if count > REFERENCE_LIMIT {
            Some(ExceededLimit::References(count))
        } else if depth > DEPTH_LIMIT {
            let path = calculator.deepest_chain(summary);
            let path = path.iter().map(|reference| self.display_name(reference));
            Some(ExceededLimit::Depth(depth, path.collect()))
        } else if length > EXPANDED_LENGTH_LIMIT {
            Some(ExceededLimit::Length(length))
        } else {
            None
        }
    }

    /// The segments on the path to a position that the plan does not write, in the order of the path.
    fn unwritten(
        &self,
        mut position: Option<usize>,
        open: &[(&Reference, Option<usize>)],
    ) -> Vec<RemoteRef<'_>> {
        let mut found = Vec::new();
        while let Some((reference, previous)) = position.and_then(|position| open.get(position)) {
            let is_written = self
                .declared_name(reference)
                .is_some_and(|name| self.written.contains_key(name));
            let id = self.matching.references.id_of(reference).filter(|_| !is_written);
            let remote = id.and_then(|id| self.remote.get(id));
            found.extend(remote.map(|remote| self.matching.remote_ref(remote)));
            position = *previous;
        }
        found.reverse();
        found
    }

    /// The shortest path from a segment through its references back to itself.
    fn cycle(&self, segment: &SegmentName, summary: &ReferenceSummary) -> Option<ExceededLimit<'_>> {
        // A breadth-first search; each reference has the position of the one that led to it.
        let references = summary.references.keys();
        let mut open: Vec<(&Reference, Option<usize>)> =
            references.map(|reference| (reference, None)).collect();
        let mut seen: BTreeSet<&Reference> = summary.references.keys().collect();
        let mut next = 0;
        while let Some((reference, _)) = open.get(next) {
            if self.declared_name(reference) == Some(segment) {
                let mut path = Vec::new();
                let mut position = Some(next);
                while let Some((reference, previous)) = position.and_then(|position| open.get(position)) {
                    path.push(self.display_name(reference));
                    position = *previous;
                }
                path.push(segment.clone());
                path.reverse();
                let unwritten = self.unwritten(open.get(next).and_then(|(_, previous)| *previous), &open);
                return Some(ExceededLimit::Cycle { path, unwritten });
            }
            if let ReferencedSegment::Filter(referenced) = self.referenced(reference) {
                let references = referenced.references.keys();
                let unseen = references.filter(|reference| seen.insert(reference));
                open.extend(unseen.map(|reference| (reference, Some(next))));
            }
            next += 1;
        }
        None
    }
}

fn reference_limit(segment: DeclaredRef<'_>, exceeded: &ExceededLimit<'_>) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let unwritten: &[RemoteRef<'_>] = match exceeded {
        ExceededLimit::Cycle { unwritten, .. } => unwritten,
        _ => &[],
    };
    let (problem, help) = match exceeded {
        ExceededLimit::References(count) => (
            format!("references {count} segments; the limit is {REFERENCE_LIMIT}"),
            [
                format!("move some of the references to a segment of their own, and reference that one at {at}"),
                format!("copy the filters of some of the segments to {at} in place of the references"),
                format!("remove references at {at}"),
            ],
        ),
        ExceededLimit::Depth(depth, path) => (
            format!(
                "is {depth} levels deep including its references; the limit is {DEPTH_LIMIT}: {}",
                format_path(std::iter::once(name).chain(path))
            ),
            [
                "each reference is a level: copy the filters of one of these segments in place of the reference to it"
                    .to_owned(),
                "a nested group beside a reference is one more level: move its filters up, or remove the group".to_owned(),
                format!("at {at}, reference a segment further down that path"),
            ],
        ),
        ExceededLimit::Length(length) => (
            format!("has {length} characters including its references; the limit is {EXPANDED_LENGTH_LIMIT}"),
            [
                format!("remove references at {at}"),
                "shorten the referenced segments: long lists of values count at every reference".to_owned(),
                format!("split `included_filters` at {at} into two segments that are not referenced together"),
            ],
        ),
        ExceededLimit::Cycle { path, .. } => (
            format!("references itself{}: {}", through(unwritten), format_path(path)),
            [
                format!("remove the reference at {at}"),
                "remove one of the other references in the dashboard first".to_owned(),
                "declare the existing segments of the cycle, without the reference that closes it".to_owned(),
            ],
        ),
    };
    let conflict = ProposedFinding::new(Code::ReferenceLimit, format!("`{name}` {problem}")).about(segment);
    let unwritten_helps = unwritten
        .iter()
        .filter_map(|remote| unwritten_help(segment, remote));
    let mut conflict = unwritten.iter().fold(conflict, ProposedFinding::held_by);
    // Their definitions are read because of the reference.
    conflict.remote_ids.clear();
    conflict.helps(unwritten_helps).helps(help)
}

/// The segments with a remote definition through which a segment references itself.
fn through(unwritten: &[RemoteRef<'_>]) -> String {
    let describe = |remote: &RemoteRef<'_>| match remote.declared {
        Some(declared) => format!(
            "the definition that `{}` (id {}) has in MoEngage and this plan does not change",
            declared.name, remote.id
        ),
        None => format!("the existing segment `{}` (id {})", remote.name, remote.id),
    };
    match unwritten {
        [] => String::new(),
        _ => format!(
            " through {}",
            join_with_and(&unwritten.iter().map(describe).collect::<Vec<_>>())
        ),
    }
}

/// A declared segment may lose the reference by its own step, which the plan does not contain.
fn unwritten_help(segment: DeclaredRef<'_>, remote: &RemoteRef<'_>) -> Option<String> {
    let declared = remote.declared?;
    Some(format!(
        "if `{}` at {} removes the reference: `{}` shows the conflict that keeps it out of this plan; resolve it, and plan \
         both with `{}`",
        declared.name,
        declared.file_and_line(),
        shell_commands::plan_targets(&[declared.name]),
        shell_commands::plan_targets(&[segment.name, declared.name])
    ))
}

fn format_path<'n>(path: impl IntoIterator<Item = &'n SegmentName>) -> String {
    let names: Vec<_> = path.into_iter().map(quoted).collect();
    names.join(" -> ")
}
