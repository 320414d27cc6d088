//! What the API would reject: names and definitions in use, and unknown references.

use super::actions::ProposedStep;
use super::cohorts::is_cohort;
use super::matching::{Matching, declared_ref, management_reasons, referencing_ref};
use super::rereads::may_have_references;
use super::step::{Action, Conflict, DeclaredRef, RemoteRef, SegmentRef, Step, Warning};
use super::target::possibly_in;
use super::uniqueness::UniquenessIndex;
use super::{PlanInput, segment_ref, sorted_segments};
use crate::definition::Digest;
use crate::model::{
    DeclaredSegment, Lifecycle, LookAlikeKey, ObservedSegment, Reference, SegmentId, SegmentName,
    did_you_mean,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn find(
    steps: &[ProposedStep<'_>],
    uniqueness: &UniquenessIndex<'_>,
    matching: &Matching<'_>,
    input: &PlanInput<'_>,
) -> (Vec<Conflict>, Vec<Warning>) {
    let context = PlanContext {
        steps,
        uniqueness,
        matching,
        input,
    };
    let mut conflicts = Vec::new();
    let mut warnings = Vec::new();
    for step in steps {
        let Some(segment) = step.declared else { continue };
        conflicts.extend(context.name_taken(step, segment));
        conflicts.extend(context.name_reserved(step, segment));
        let taken = context.definition_taken(step, segment);
        if taken.is_empty() {
            warnings.extend(context.likely_duplicate(step, segment));
        }
        conflicts.extend(taken);
    }
    conflicts.extend(definitions_shared(steps));
    warnings.extend(context.look_alike_names());
    let declared_names = matching
        .matches
        .iter()
        .filter(|pair| pair.remote.is_some() || pair.declared.lifecycle == Lifecycle::Active)
        .map(|pair| &pair.declared.name)
        .collect();
    let orphans = matching
        .orphans
        .iter()
        .map(|remote| (&remote.id, *remote))
        .collect();
    for pair in matching.active() {
        conflicts.extend(context.unknown_references(pair.declared, &declared_names));
        conflicts.extend(context.unlisted_references(pair.declared));
        conflicts.extend(context.referenced_orphans(pair.declared, &orphans));
    }
    warnings.extend(context.still_referenced());
    (conflicts, warnings)
}

struct PlanContext<'a> {
    steps: &'a [ProposedStep<'a>],
    uniqueness: &'a UniquenessIndex<'a>,
    matching: &'a Matching<'a>,
    input: &'a PlanInput<'a>,
}

impl PlanContext<'_> {
    fn name_taken(&self, step: &ProposedStep<'_>, segment: &DeclaredSegment) -> Option<Conflict> {
        let remote = self.uniqueness.name_holder(step)?;
        let segment = declared_ref(segment);
        let holder = self.matching.remote_ref(remote);
        match self.uniqueness.step_releasing_name(remote, self.steps) {
            Some(_) if self.uniqueness.renames_free_names() => None,
            Some(_) => Some(Conflict::NameReserved { segment, holder }),
            None => Some(Conflict::NameTaken { segment, holder }),
        }
    }

    fn name_reserved(&self, step: &ProposedStep<'_>, segment: &DeclaredSegment) -> Option<Conflict> {
        let id = self.uniqueness.reserved_name_holder(step)?;
        let holder = match self.input.observed.segments.get(id) {
            Some(remote) => self.matching.remote_ref(remote),
            None => RemoteRef {
                id: id.clone(),
                name: step.name.clone(),
                lifecycle: Lifecycle::Archived,
                declared: None,
            },
        };
        Some(Conflict::NameReserved {
            segment: declared_ref(segment),
            holder,
        })
    }

    fn definition_taken(&self, step: &ProposedStep<'_>, segment: &DeclaredSegment) -> Vec<Conflict> {
        let holders = self.uniqueness.exact_definition_holders(step).into_iter();
        let is_kept = |remote: &&ObservedSegment| {
            let release = self.uniqueness.step_releasing_definition(remote, self.steps);
            release.is_none()
        };
        holders
            .filter(is_kept)
            .map(|remote| Conflict::DefinitionTaken {
                segment: declared_ref(segment),
                holder: self.matching.remote_ref(remote),
                target: step.remote.map(|own| own.id.clone()),
            })
            .collect()
    }

    fn likely_duplicate(&self, step: &ProposedStep<'_>, segment: &DeclaredSegment) -> Option<Warning> {
        let exact = self.uniqueness.exact_definition_holders(step);
        let mut equivalent = self.uniqueness.equivalent_definition_holders(step).into_iter();
        let remote = equivalent.find(|remote| {
            let release = self.uniqueness.step_releasing_equivalents(remote, self.steps);
            !exact.iter().any(|other| other.id == remote.id) && release.is_none()
        })?;
        Some(Warning::LikelyDuplicate {
            segment: declared_ref(segment),
            holder: self.matching.remote_ref(remote),
        })
    }

    /// Remote segments that keep a name which looks like a new name.
    fn look_alike_names(&self) -> Vec<Warning> {
        let mut by_look: BTreeMap<LookAlikeKey, Vec<&ProposedStep<'_>>> = BTreeMap::new();
        for step in self.steps.iter().filter(|step| step.acquires_name()) {
            by_look.entry(step.name.look_alike_key()).or_default().push(step);
        }
        if by_look.is_empty() {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        for remote in self.input.observed.segments.values() {
            let steps = by_look.get(&remote.name.look_alike_key());
            for step in steps.into_iter().flatten() {
                let is_own = step.remote.is_some_and(|own| own.id == remote.id);
                let is_other = !is_own && step.name != &remote.name;
                if is_other && self.uniqueness.step_releasing_name(remote, self.steps).is_none() {
                    warnings.extend(step.declared.map(|segment| Warning::NameLooksAlike {
                        segment: declared_ref(segment),
                        holder: self.matching.remote_ref(remote),
                    }));
                }
            }
        }
        warnings
    }

    fn unknown_references(
        &self,
        segment: &DeclaredSegment,
        declared_names: &BTreeSet<&SegmentName>,
    ) -> Vec<Conflict> {
        let ids_by_name = &self.matching.references.ids_by_name;
        let references = segment.contents.references().into_iter();
        let unknown: BTreeMap<&SegmentName, &Reference> = references
            .filter_map(|reference| match reference {
                Reference::Name(name) => Some((name, reference)),
                Reference::Id { .. } => None,
            })
            .filter(|(name, _)| !declared_names.contains(name) && !ids_by_name.contains_key(name))
            .collect();
        let unknown = unknown.into_iter().map(|(name, reference)| {
            let renamed = self.renamed_from(name);
            let archived = self.input.declared.iter().find(|declared| declared.name == *name);
            let similar = || {
                let known_names = declared_names.iter().copied().chain(ids_by_name.keys());
                did_you_mean(name.as_str(), known_names.map(SegmentName::as_str)).map(SegmentName::new)
            };
            let is_explained = !renamed.is_empty() || archived.is_some();
            Conflict::UnknownReference {
                segment: referencing_ref(segment, reference),
                reference: name.clone(),
                renamed,
                archived: archived.map(declared_ref),
                suggestion: if is_explained { None } else { similar() },
            }
        });
        unknown.collect()
    }

    /// The declared segments that had a name before: in their declarations, in MoEngage or in the state.
    fn renamed_from(&self, name: &SegmentName) -> Vec<DeclaredRef> {
        let had_name = |remote: &ObservedSegment| {
            let entry = self.input.state.managed_entry(&remote.id);
            remote.name == *name || entry.is_some_and(|entry| entry.has_or_had_name(name))
        };
        let pairs = self.matching.matches.iter();
        let renamed = pairs.filter(|pair| {
            let remote = pair.remote.as_ref().map(|(remote, _)| *remote);
            pair.declared.previous_names.contains(name) || remote.is_some_and(had_name)
        });
        renamed.map(|pair| declared_ref(pair.declared)).collect()
    }

    /// References to cohorts whose ids no list shows.
    fn unlisted_references(&self, segment: &DeclaredSegment) -> Vec<Conflict> {
        let references = segment.contents.references().into_iter();
        let unlisted: BTreeMap<&SegmentName, &Reference> = references
            .filter_map(|reference| match reference {
                Reference::Name(name) => Some((name, reference)),
                Reference::Id { .. } => None,
            })
            .filter(|(name, _)| self.is_unlisted_cohort(name))
            .collect();
        unlisted
            .into_iter()
            .map(|(name, reference)| Conflict::ReferenceUnlisted {
                segment: referencing_ref(segment, reference),
                reference: name.clone(),
            })
            .collect()
    }

    fn is_unlisted_cohort(&self, name: &SegmentName) -> bool {
        let remotes = self.input.observed.segments.values();
        let mut unlisted = remotes.filter(|remote| remote.id.is_unlisted_cohort());
        unlisted.any(|remote| remote.name == *name)
    }

    /// Managed segments that are not declared but still referenced: their removal is probably a mistake.
    fn referenced_orphans(
        &self,
        segment: &DeclaredSegment,
        orphans: &BTreeMap<&SegmentId, &ObservedSegment>,
    ) -> Vec<Conflict> {
        let references = segment.contents.references().into_iter();
        let references_by_id: BTreeMap<&SegmentId, &Reference> = references
            .filter_map(|reference| Some((self.matching.references.id_of(reference)?, reference)))
            .collect();
        references_by_id
            .into_iter()
            .filter_map(|(id, reference)| Some((orphans.get(id).copied()?, reference)))
            .filter(|(remote, _)| possibly_in(remote, Lifecycle::Active, self.input))
            // The plan archives no cohorts.
            .filter(|(remote, _)| !is_cohort(remote, self.input))
            .map(|(remote, reference)| Conflict::OrphanReferenced {
                segment: referencing_ref(segment, reference),
                target: self.matching.remote_ref(remote),
                managed_by: management_reasons(remote, self.input),
            })
            .collect()
    }

    /// Archived segments that unmanaged ones reference, as far as their definitions were read.
    fn still_referenced(&self) -> Vec<Warning> {
        let steps = self.steps.iter();
        let archived: BTreeMap<_, _> = steps
            .filter(|step| matches!(step.action, Action::Archive(_)))
            .filter_map(|step| Some((&step.remote?.id, step)))
            .collect();
        if archived.is_empty() {
            return Vec::new();
        }
        let mut referenced_by: BTreeMap<&SegmentId, Vec<SegmentRef>> = BTreeMap::new();
        let unmanaged = self.matching.unmanaged.iter();
        for remote in unmanaged.filter(|remote| remote.lifecycle == Lifecycle::Active) {
            for id in self.uniqueness.referenced_segments(remote) {
                if archived.contains_key(id) {
                    referenced_by.entry(id).or_default().push(segment_ref(remote));
                }
            }
        }
        let warning = |(id, referenced_by)| {
            let step = archived.get(id)?;
            Some(Warning::StillReferenced {
                segment: step.name.clone(),
                target: self.matching.remote_ref(step.remote?),
                referenced_by,
            })
        };
        referenced_by.into_iter().filter_map(warning).collect()
    }
}

/// The warning about references that the plan does not know, because definitions were not read.
pub(super) fn references_unknown(steps: &[Step], matching: &Matching<'_>) -> Option<Warning> {
    let archived = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let segments = sorted_segments(archived)?;
    let unmanaged = matching.unmanaged.iter();
    let unread = unmanaged.filter(|remote| may_have_references(remote));
    let unread: Vec<SegmentId> = unread.map(|remote| remote.id.clone()).collect();
    (!unread.is_empty()).then_some(Warning::ReferencesUnknown { segments, unread })
}

/// Definitions that several steps write. If one of the segments already has it, `definition_taken` reports the others.
fn definitions_shared(steps: &[ProposedStep<'_>]) -> Vec<Conflict> {
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
    let shared = groups.into_iter().filter(|steps| steps.len() > 1);
    shared
        .filter(|steps| !steps.iter().any(has_it))
        .map(|steps| Conflict::DefinitionShared {
            segments: steps
                .iter()
                .filter_map(|step| step.declared)
                .map(declared_ref)
                .collect(),
        })
        .collect()
}
