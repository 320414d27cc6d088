//! `--target` and `--exclude`: a part of a plan that is a plan in itself.

use super::PlanInput;
use super::step::{Dependent, Excluded, Step};
use crate::model::{DeclaredSegment, NamePattern, Reference, SegmentName};
use std::collections::{BTreeMap, BTreeSet};

/// Which segments a run is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only segments whose names fit one of these, and what they depend on; all when there is none.
    pub targets: Vec<NamePattern>,
    /// No segments whose names fit one of these, and none that depends on them.
    pub excludes: Vec<NamePattern>,
}

impl Selection {
    fn selects_all(&self) -> bool {
        self.targets.is_empty() && self.excludes.is_empty()
    }

    /// Whether a run is about a segment itself, and not for the sake of another: by any of its names.
    #[must_use]
    pub fn includes(&self, names: &[&SegmentName]) -> bool {
        let any_fits = |patterns: &[NamePattern]| names.iter().any(|name| matches_any(patterns, name));
        (self.targets.is_empty() || any_fits(&self.targets)) && !any_fits(&self.excludes)
    }
}

/// The part of a plan that was selected.
pub(super) struct SelectedSteps {
    /// Numbered anew.
    pub(super) steps: Vec<Step>,
    /// What is not among them.
    pub(super) excluded: Excluded,
    /// The segments that are selected, with or without steps, and the declared ones that they refer to, near or far;
    /// `None` when that is all of them.
    pub(super) segments_in_scope: Option<BTreeSet<SegmentName>>,
}

/// Selects steps.
///
/// A segment's steps stay together: half of them could leave it with a temporary name. What a selected segment depends
/// on is pulled in; what depends on an excluded one is left out.
pub(super) fn select(steps: Vec<Step>, situation: &PlanInput<'_>) -> SelectedSteps {
    let selection = situation.selection;
    if selection.selects_all() {
        return SelectedSteps {
            steps,
            excluded: Excluded::default(),
            segments_in_scope: None,
        };
    }
    let is_target =
        |step: &&Step| selection.targets.is_empty() || matches_any(&selection.targets, &step.segment);
    let excluded = steps
        .iter()
        .filter(|step| matches_any(&selection.excludes, &step.segment));
    let out = transitive_closure(excluded, &steps, &step_dependents(&steps));
    let is_out = |step: &&Step| out.contains(&step.number);
    let (dropped, targets): (Vec<&Step>, Vec<&Step>) = steps.iter().filter(is_target).partition(is_out);
    let without: BTreeSet<&SegmentName> = steps.iter().filter(is_out).map(|step| &step.segment).collect();
    let is_named = |name: &SegmentName| selection.includes(&[name]) && !without.contains(name);
    let declared = situation.declared.iter().map(|segment| &segment.name);
    let mut concerned: BTreeSet<SegmentName> = declared.filter(|name| is_named(name)).cloned().collect();
    let named: BTreeSet<SegmentName> = targets.iter().map(|step| step.segment.clone()).collect();
    let selected = transitive_closure(targets.into_iter(), &steps, &step_dependencies(&steps));
    let left_out = Excluded {
        steps: steps.len() - selected.len(),
        by_target: steps
            .iter()
            .any(|step| !selected.contains(&step.number) && !out.contains(&step.number)),
        by_exclude: !out.is_empty(),
        dependents: excluded_dependents(dropped, &steps, (&out, selection)),
    };
    let kept: Vec<Step> = steps
        .into_iter()
        // Whatever is pulled in by a target depends on nothing excluded: else the target would be left out.
        .filter(|step| selected.contains(&step.number))
        .collect();
    concerned.extend(kept.iter().map(|step| step.segment.clone()));
    SelectedSteps {
        excluded: left_out,
        steps: renumbered(kept, &named),
        segments_in_scope: Some(with_references(concerned, situation.declared)),
    }
}

/// Which of the steps that were dropped are so only for what they depend on, and what that is.
fn excluded_dependents(
    dropped: Vec<&Step>,
    steps: &[Step],
    (out, selection): (&BTreeSet<usize>, &Selection),
) -> Vec<Dependent> {
    let segments: BTreeMap<usize, &SegmentName> = steps
        .iter()
        .filter(|step| out.contains(&step.number))
        .map(|step| (step.number, &step.segment))
        .collect();
    let mut found: BTreeMap<&SegmentName, &SegmentName> = BTreeMap::new();
    for step in dropped {
        let needs = step.depends_on.iter().filter_map(|need| segments.get(need));
        if let Some(on) = needs.copied().find(|on| **on != step.segment)
            && !matches_any(&selection.excludes, &step.segment)
        {
            found.entry(&step.segment).or_insert(on);
        }
    }
    let dependent = |(segment, on): (&SegmentName, &SegmentName)| Dependent {
        segment: segment.clone(),
        depends_on: on.clone(),
    };
    found.into_iter().map(dependent).collect()
}

fn matches_any(patterns: &[NamePattern], name: &SegmentName) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

/// Segments and the declared ones that they refer to: what those lack, these lack as well.
fn with_references(names: BTreeSet<SegmentName>, declared: &[DeclaredSegment]) -> BTreeSet<SegmentName> {
    let by_name: BTreeMap<&SegmentName, &DeclaredSegment> =
        declared.iter().map(|segment| (&segment.name, segment)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<SegmentName> = names.into_iter().collect();
    while let Some(name) = open.pop() {
        let references = by_name
            .get(&name)
            .into_iter()
            .flat_map(|segment| segment.contents.references());
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
    let mut followers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for step in steps {
        for need in &step.depends_on {
            followers.entry(*need).or_default().push(step.number);
        }
    }
    followers
}

/// Steps with all that `next` leads to, whole segments at a time.
fn transitive_closure<'s>(
    first: impl Iterator<Item = &'s Step>,
    steps: &[Step],
    next: &BTreeMap<usize, Vec<usize>>,
) -> BTreeSet<usize> {
    let mut by_segment: BTreeMap<&SegmentName, Vec<usize>> = BTreeMap::new();
    for step in steps {
        by_segment.entry(&step.segment).or_default().push(step.number);
    }
    let segment_of: BTreeMap<usize, &SegmentName> =
        steps.iter().map(|step| (step.number, &step.segment)).collect();
    let mut found = BTreeSet::new();
    let mut open: Vec<usize> = first.map(|step| step.number).collect();
    while let Some(number) = open.pop() {
        if !found.insert(number) {
            continue;
        }
        let same = segment_of.get(&number).and_then(|name| by_segment.get(name));
        open.extend(same.into_iter().flatten());
        open.extend(next.get(&number).into_iter().flatten());
    }
    found
}

fn renumbered(steps: Vec<Step>, named: &BTreeSet<SegmentName>) -> Vec<Step> {
    let number_of: BTreeMap<usize, usize> = steps
        .iter()
        .enumerate()
        .map(|(place, step)| (step.number, place + 1))
        .collect();
    let renumber = |number: &usize| number_of.get(number).copied();
    let wanted_by = direct_dependents(&steps);
    steps
        .into_iter()
        .filter_map(|step| {
            let wanted_by = wanted_by.get(&step.segment);
            let pulled_in_for = wanted_by.filter(|_| !named.contains(&step.segment));
            Some(Step {
                number: renumber(&step.number)?,
                depends_on: step.depends_on.iter().filter_map(renumber).collect(),
                required_by: pulled_in_for.into_iter().flatten().cloned().collect(),
                ..step
            })
        })
        .collect()
}

/// For each segment, those that directly depend on it.
fn direct_dependents(steps: &[Step]) -> BTreeMap<SegmentName, BTreeSet<SegmentName>> {
    let segments: BTreeMap<usize, &SegmentName> =
        steps.iter().map(|step| (step.number, &step.segment)).collect();
    let mut wanted_by: BTreeMap<SegmentName, BTreeSet<SegmentName>> = BTreeMap::new();
    for step in steps {
        let needs = step.depends_on.iter().filter_map(|need| segments.get(need));
        for need in needs.filter(|need| ***need != step.segment) {
            let wanted_by = wanted_by.entry((*need).clone()).or_default();
            wanted_by.insert(step.segment.clone());
        }
    }
    wanted_by
}
