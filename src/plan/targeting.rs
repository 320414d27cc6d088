//! `--target` and `--exclude`: a part of a plan that can be applied on its own.

use super::context::PlanContext;
use super::proposed_finding::ProposedFinding;
use super::step::{Dependent, Excluded, StateUpdate, Step};
use crate::model::{DeclaredSegment, NamePattern, Reference, SegmentName};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Includes what the matching segments depend on; empty for all segments.
    pub targets: Vec<NamePattern>,
    /// Excludes what depends on the matching segments, too.
    pub excludes: Vec<NamePattern>,
}

impl Selection {
    /// Whether the segment itself is selected, by any of its names; dependencies do not count.
    #[must_use]
    pub fn includes(&self, names: &[&SegmentName]) -> bool {
        let any_matches = |patterns: &[NamePattern]| names.iter().any(|name| matches_any(patterns, name));
        (self.targets.is_empty() || any_matches(&self.targets)) && !any_matches(&self.excludes)
    }

    /// The selected declared segments and those that they reference, directly or indirectly; `None` for all segments.
    #[must_use]
    pub fn names_with_references(&self, declared: &[DeclaredSegment]) -> Option<BTreeSet<SegmentName>> {
        if self.targets.is_empty() && self.excludes.is_empty() {
            return None;
        }
        let names = declared.iter().map(|segment| &segment.name);
        let selected = names.filter(|name| self.includes(&[*name]));
        Some(with_references(selected.cloned().collect(), declared))
    }
}

pub(super) struct SelectedSteps {
    /// Renumbered.
    pub(super) steps: Vec<Step>,
    pub(super) state_updates: Vec<StateUpdate>,
    pub(super) excluded: Excluded,
    /// The selected segments, with or without steps, and the declared segments that they reference directly or
    /// indirectly; `None` for all.
    segments_in_scope: Option<BTreeSet<SegmentName>>,
}

impl SelectedSteps {
    pub(super) fn includes_all(&self) -> bool {
        self.segments_in_scope.is_none()
    }

    /// Excluded segments neither cause findings nor have any.
    pub(super) fn is_in_scope(&self, finding: &ProposedFinding) -> bool {
        let mut subjects = finding.subjects.iter();
        let names = self.segments_in_scope.as_ref();
        subjects.any(|name| names.is_none_or(|names| names.contains(name)))
    }
}

/// Selects steps and state updates. A state update depends on no other segment.
pub(super) fn select(
    context: PlanContext<'_, '_>,
    steps: Vec<Step>,
    state_updates: Vec<StateUpdate>,
) -> SelectedSteps {
    let mut selected = select_steps(context, steps);
    let selection = context.input.selection;
    let (kept, dropped): (Vec<_>, Vec<_>) = state_updates
        .into_iter()
        .partition(|update| selection.includes(&[&update.segment]));
    selected.state_updates = kept;
    let excluded = &mut selected.excluded;
    for update in dropped.iter().filter(|update| update.adopts) {
        excluded.adoptions += 1;
        if matches_any(&selection.excludes, &update.segment) {
            excluded.by_exclude = true;
        } else {
            excluded.by_target = true;
        }
    }
    selected
}

/// Keeps the steps of a segment together, since some of them alone could leave it with a temporary name. Includes what a
/// selected segment depends on, and excludes what depends on an excluded one.
fn select_steps(context: PlanContext<'_, '_>, steps: Vec<Step>) -> SelectedSteps {
    let PlanContext { input, matching, .. } = context;
    let selection = input.selection;
    if selection.targets.is_empty() && selection.excludes.is_empty() {
        return SelectedSteps {
            steps,
            state_updates: Vec::new(),
            excluded: Excluded::default(),
            segments_in_scope: None,
        };
    }
    let is_target =
        |step: &&Step| selection.targets.is_empty() || matches_any(&selection.targets, &step.segment);
    let matching_exclude = steps
        .iter()
        .filter(|step| matches_any(&selection.excludes, &step.segment));
    let excluded = transitive_closure(matching_exclude, &steps, &step_dependents(&steps));
    let is_excluded = |step: &&Step| excluded.contains(&step.number);
    let (dropped, targets): (Vec<&Step>, Vec<&Step>) = steps.iter().filter(is_target).partition(is_excluded);
    let excluded_names: BTreeSet<&SegmentName> = steps
        .iter()
        .filter(is_excluded)
        .map(|step| &step.segment)
        .collect();
    let is_selected = |name: &&SegmentName| selection.includes(&[*name]) && !excluded_names.contains(name);
    let declared = input.declared.iter().map(|segment| &segment.name);
    // Also without a step: a conflict can keep it out of the plan.
    let names = declared.chain(matching.orphans.iter().map(|remote| &remote.name));
    let mut segments_in_scope: BTreeSet<SegmentName> = names.filter(is_selected).cloned().collect();
    let target_names: BTreeSet<SegmentName> = targets.iter().map(|step| step.segment.clone()).collect();
    // Contains no excluded step: a target that depends on one is excluded itself.
    let selected = transitive_closure(targets.into_iter(), &steps, &step_dependencies(&steps));
    let excluded = Excluded {
        steps: steps.len() - selected.len(),
        by_target: steps
            .iter()
            .any(|step| !selected.contains(&step.number) && !excluded.contains(&step.number)),
        by_exclude: !excluded.is_empty(),
        adoptions: 0,
        dependents: excluded_dependents(dropped, &steps, &excluded, selection),
    };
    let kept: Vec<Step> = steps
        .into_iter()
        .filter(|step| selected.contains(&step.number))
        .collect();
    segments_in_scope.extend(kept.iter().map(|step| step.segment.clone()));
    SelectedSteps {
        excluded,
        steps: renumbered(kept, &target_names),
        state_updates: Vec::new(),
        segments_in_scope: Some(with_references(segments_in_scope, input.declared)),
    }
}

/// The segments that are excluded only because they depend on another one, with that one.
fn excluded_dependents(
    dropped: Vec<&Step>,
    steps: &[Step],
    excluded: &BTreeSet<usize>,
    selection: &Selection,
) -> Vec<Dependent> {
    let mut segments = segments_by_number(steps);
    segments.retain(|number, _| excluded.contains(number));
    let mut found: BTreeMap<&SegmentName, &SegmentName> = BTreeMap::new();
    for step in dropped {
        let mut dependencies = step.depends_on.iter().filter_map(|number| segments.get(number));
        if let Some(depends_on) = dependencies.find(|name| ***name != step.segment)
            && !matches_any(&selection.excludes, &step.segment)
        {
            found.entry(&step.segment).or_insert(depends_on);
        }
    }
    let dependent = |(segment, depends_on): (&SegmentName, &SegmentName)| Dependent {
        segment: segment.clone(),
        depends_on: depends_on.clone(),
    };
    found.into_iter().map(dependent).collect()
}

fn matches_any(patterns: &[NamePattern], name: &SegmentName) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// The names and the declared ones that they reference, directly or indirectly.
fn with_references(names: BTreeSet<SegmentName>, declared: &[DeclaredSegment]) -> BTreeSet<SegmentName> {
    let by_name: BTreeMap<&SegmentName, &DeclaredSegment> =
        declared.iter().map(|segment| (&segment.name, segment)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<SegmentName> = names.into_iter().collect();
    while let Some(name) = open.pop() {
        let segment = by_name.get(&name).into_iter();
        let references = segment.flat_map(|segment| segment.contents.references());
        open.extend(references.filter_map(|reference| match reference {
            Reference::Name(name) if !found.contains(name) => Some(name.clone()),
            Reference::Name(_) | Reference::Id { .. } => None,
        }));
        found.insert(name);
    }
    found
}

fn step_dependencies(steps: &[Step]) -> BTreeMap<usize, Vec<usize>> {
    steps
        .iter()
        .map(|step| (step.number, step.depends_on.clone()))
        .collect()
}

fn step_dependents(steps: &[Step]) -> BTreeMap<usize, Vec<usize>> {
    let mut dependents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for step in steps {
        for dependency in &step.depends_on {
            dependents.entry(*dependency).or_default().push(step.number);
        }
    }
    dependents
}

fn segments_by_number(steps: &[Step]) -> BTreeMap<usize, &SegmentName> {
    steps.iter().map(|step| (step.number, &step.segment)).collect()
}

/// The steps that `next` leads to, with all other steps of their segments.
fn transitive_closure<'s>(
    first: impl Iterator<Item = &'s Step>,
    steps: &[Step],
    next: &BTreeMap<usize, Vec<usize>>,
) -> BTreeSet<usize> {
    let mut by_segment: BTreeMap<&SegmentName, Vec<usize>> = BTreeMap::new();
    for step in steps {
        by_segment.entry(&step.segment).or_default().push(step.number);
    }
    let segments = segments_by_number(steps);
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = first.map(|step| step.number).collect();
    while let Some(number) = open.pop() {
        if !found.insert(number) {
            continue;
        }
        let of_segment = segments.get(&number).and_then(|name| by_segment.get(name));
        open.extend(of_segment.into_iter().flatten());
        open.extend(next.get(&number).into_iter().flatten());
    }
    found
}

fn renumbered(steps: Vec<Step>, target_names: &BTreeSet<SegmentName>) -> Vec<Step> {
    let number_of: BTreeMap<usize, usize> = steps
        .iter()
        .enumerate()
        .map(|(position, step)| (step.number, position + 1))
        .collect();
    let renumber = |number: &usize| number_of.get(number).copied();
    let required_by = direct_dependents(&steps);
    steps
        .into_iter()
        .filter_map(|step| {
            let required_by = required_by.get(&step.segment);
            let required_by = required_by.filter(|_| !target_names.contains(&step.segment));
            Some(Step {
                number: renumber(&step.number)?,
                depends_on: step.depends_on.iter().filter_map(renumber).collect(),
                required_by: required_by.into_iter().flatten().cloned().collect(),
                ..step
            })
        })
        .collect()
}

fn direct_dependents(steps: &[Step]) -> BTreeMap<SegmentName, BTreeSet<SegmentName>> {
    let segments = segments_by_number(steps);
    let mut required_by: BTreeMap<SegmentName, BTreeSet<SegmentName>> = BTreeMap::new();
    for step in steps {
        let dependencies = step.depends_on.iter().filter_map(|number| segments.get(number));
        for name in dependencies.filter(|name| ***name != step.segment) {
            let dependents = required_by.entry((*name).clone()).or_default();
            dependents.insert(step.segment.clone());
        }
    }
    required_by
}
