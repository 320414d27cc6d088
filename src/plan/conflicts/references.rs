//! References that cannot be resolved, and references to segments that the plan archives.

use super::Checks;
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, Reference, SegmentId, SegmentName, did_you_mean,
};
use crate::plan::cohorts::is_cohort;
use crate::plan::matching::{management_reasons, referencing_ref};
use crate::plan::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use crate::plan::segment_ref;
use crate::plan::step::{Action, Code, MatchReason, SegmentRef};
use crate::plan::words::{import_help, name_and_id, names, stop_managing_help, yaml_name};
use std::collections::{BTreeMap, BTreeSet};

impl Checks<'_, '_> {
    /// Of the active declared segments.
    pub(super) fn references(&self) -> Vec<ProposedFinding> {
        let matching = self.context.matching;
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
        let mut conflicts = Vec::new();
        for pair in matching.active() {
            let names = names_of_references(pair.declared);
            conflicts.extend(self.unknown_references(pair.declared, &names, &declared_names));
            conflicts.extend(self.unlisted_references(pair.declared, &names));
            conflicts.extend(self.referenced_orphans(pair.declared, &orphans));
        }
        conflicts
    }

    fn unknown_references(
        &self,
        segment: &DeclaredSegment,
        references: &BTreeMap<&SegmentName, &Reference>,
        declared_names: &BTreeSet<&SegmentName>,
    ) -> Vec<ProposedFinding> {
        let ids_by_name = &self.context.matching.references.ids_by_name;
        let unknown = references
            .iter()
            .filter(|(name, _)| !declared_names.contains(*name) && !ids_by_name.contains_key(name));
        let conflict = |(name, reference): (&&SegmentName, &&Reference)| {
            let segment = referencing_ref(segment, reference);
            let mut declared = self.context.input.declared.iter();
            if let Some(archived) = declared.find(|declared| declared.name == **name) {
                return reference_to_archived(segment, archived.into());
            }
            let renamed = self.renamed_from(name);
            if !renamed.is_empty() {
                return reference_to_previous_name(segment, name, &renamed);
            }
            let known_names = declared_names.iter().copied().chain(ids_by_name.keys());
            let similar = did_you_mean(name.as_str(), known_names.map(SegmentName::as_str));
            unknown_reference(segment, name, similar)
        };
        unknown.map(conflict).collect()
    }

    /// The declared segments that had a name before: in their declarations, in MoEngage or in the state.
    fn renamed_from(&self, name: &SegmentName) -> Vec<DeclaredRef<'_>> {
        let had_name = |remote: &ObservedSegment| {
            let entry = self.context.managed_entry(remote);
            remote.name == *name || entry.is_some_and(|entry| entry.has_or_had_name(name))
        };
        let pairs = self.context.matching.matches.iter();
        let renamed = pairs.filter(|pair| {
            let remote = pair.remote.as_ref().map(|(remote, _)| *remote);
            pair.declared.previous_names.contains(name) || remote.is_some_and(had_name)
        });
        renamed.map(|pair| pair.declared.into()).collect()
    }

    /// References to cohorts whose ids no list shows.
    fn unlisted_references(
        &self,
        segment: &DeclaredSegment,
        references: &BTreeMap<&SegmentName, &Reference>,
    ) -> Vec<ProposedFinding> {
        let is_unlisted_cohort = |name: &SegmentName| {
            let remotes = self.context.input.observed.segments.values();
            let mut unlisted = remotes.filter(|remote| remote.id.is_unlisted_cohort());
            unlisted.any(|remote| remote.name == *name)
        };
        references
            .iter()
            .filter(|(name, _)| is_unlisted_cohort(name))
            .map(|(name, reference)| reference_unlisted(referencing_ref(segment, reference), name))
            .collect()
    }

    /// Managed segments that are not declared but still referenced: their removal is probably a mistake.
    fn referenced_orphans(
        &self,
        segment: &DeclaredSegment,
        orphans: &BTreeMap<&SegmentId, &ObservedSegment>,
    ) -> Vec<ProposedFinding> {
        let matching = self.context.matching;
        let references = segment.contents.references().iter();
        let references_by_id: BTreeMap<&SegmentId, &Reference> = references
            .filter_map(|reference| Some((matching.references.id_of(reference)?, reference)))
            .collect();
        references_by_id
            .into_iter()
            .filter_map(|(id, reference)| Some((orphans.get(id).copied()?, reference)))
            .filter(|(remote, _)| self.context.is_possibly(Lifecycle::Active, remote))
            // The plan archives no cohorts.
            .filter(|(remote, _)| !is_cohort(self.context, remote))
            .map(|(remote, reference)| {
                let managed_by = management_reasons(remote, self.context.input);
                let segment = referencing_ref(segment, reference);
                orphan_referenced(segment, &matching.remote_ref(remote), &managed_by)
            })
            .collect()
    }

    /// Archived segments that unmanaged ones reference, as far as their definitions were read.
    pub(super) fn still_referenced(&self) -> Vec<ProposedFinding> {
        let steps = self.steps.iter();
        let archived: BTreeMap<&SegmentId, &ObservedSegment> = steps
            .filter(|step| matches!(step.action, Action::Archive(_)))
            .filter_map(|step| Some((&step.remote?.id, step.remote?)))
            .collect();
        if archived.is_empty() {
            return Vec::new();
        }
        let mut referenced_by: BTreeMap<&SegmentId, Vec<SegmentRef>> = BTreeMap::new();
        let unmanaged = self.context.matching.unmanaged.iter();
        for remote in unmanaged.filter(|remote| remote.lifecycle == Lifecycle::Active) {
            for id in self.context.remote_digests.referenced_segments(remote) {
                if archived.contains_key(id) {
                    referenced_by.entry(id).or_default().push(segment_ref(remote));
                }
            }
        }
        let warning = |(id, referenced_by): (&SegmentId, Vec<SegmentRef>)| {
            let remote = archived.get(id)?;
            let name = self.context.matching.declared_name_of(remote);
            let target = self.context.matching.remote_ref(remote);
            Some(still_referenced(
                name.unwrap_or(&remote.name),
                &target,
                &referenced_by,
            ))
        };
        referenced_by.into_iter().filter_map(warning).collect()
    }
}

fn names_of_references(segment: &DeclaredSegment) -> BTreeMap<&SegmentName, &Reference> {
    let references = segment.contents.references().iter();
    references
        .filter_map(|reference| match reference {
            Reference::Name(name) => Some((name, reference)),
            Reference::Id { .. } => None,
        })
        .collect()
}

fn reference_to_previous_name(
    segment: DeclaredRef<'_>,
    reference: &SegmentName,
    renamed: &[DeclaredRef<'_>],
) -> ProposedFinding {
    let message = format!(
        "`{}` references `{reference}`, a previous name of {}",
        segment.name,
        names(renamed.iter().copied())
    );
    let at = segment.origin;
    let help = |declared: &DeclaredRef<'_>| {
        let (name, location) = (declared.name, declared.file_and_line());
        match renamed {
            [_] => {
                format!("`{reference}` was renamed to `{name}` in {location}; update the reference at {at}")
            }
            _ => format!("if `{name}` in {location} is meant: update the reference at {at}"),
        }
    };
    ProposedFinding::new(Code::UnknownReference, message)
        .about(segment)
        .helps(renamed.iter().map(help))
}

fn reference_to_archived(segment: DeclaredRef<'_>, archived: DeclaredRef<'_>) -> ProposedFinding {
    let (name, at) = (archived.name, archived.file_and_line());
    let message = format!(
        "`{}` references `{name}`, which is declared archived at {at} and whose id is unknown: neither the state nor MoEngage's \
         list contains it",
        segment.name
    );
    ProposedFinding::new(Code::UnknownReference, message)
        .about(segment)
        .help(format!(
            "if `{name}` exists: copy its id from the dashboard, and set it as `id` at {at}"
        ))
        .help(format!(
            "if it does not exist: remove `lifecycle: archived` at {at}, or the reference at {}",
            segment.origin
        ))
}

fn unknown_reference(
    segment: DeclaredRef<'_>,
    reference: &SegmentName,
    suggestion: Option<&str>,
) -> ProposedFinding {
    let message = format!("`{}` references the unknown segment `{reference}`", segment.name);
    let reserved = "to refer to all users, use the id `moe_all_users`".to_owned();
    ProposedFinding::new(Code::UnknownReference, message)
        .about(segment)
        .helps(reference.is_reserved().then_some(reserved))
        .helps(suggestion.map(|name| format!("did you mean `{name}`?")))
        .help(format!(
            "declare it: add a segment file with `name: {}`",
            yaml_name(reference)
        ))
        .help(format!(
            "if another segment is meant: correct `name` in the `custom_segments` filter at {}",
            segment.file_and_line()
        ))
        .help("if the reference is not needed: remove that filter")
}

fn reference_unlisted(segment: DeclaredRef<'_>, reference: &SegmentName) -> ProposedFinding {
    let message = format!(
        "`{}` references the cohort `{reference}`, whose id is unknown: MoEngage lists no cohorts",
        segment.name
    );
    ProposedFinding::new(Code::ReferenceUnlisted, message)
        .about(segment)
        .help(format!(
            "copy the id of `{reference}` from the dashboard, and set it as `id` in the file of `{reference}`"
        ))
        .help(format!(
            "if the reference is not needed: remove that filter at {}",
            segment.file_and_line()
        ))
}

fn orphan_referenced(
    segment: DeclaredRef<'_>,
    target: &RemoteRef<'_>,
    managed_by: &[MatchReason],
) -> ProposedFinding {
    let name = segment.name;
    let message =
        format!("cannot archive {target}, which is not in the configuration: still referenced by `{name}`");
    ProposedFinding::new(Code::OrphanReferenced, message)
        .about(segment)
        .held_by(target)
        .help(import_help(target.name))
        .help(format!(
            "remove the reference: in `{name}` at {}",
            segment.file_and_line()
        ))
        .help(stop_managing_help(managed_by))
}

/// MoEngage does not document the members of segments that reference an archived one.
fn still_referenced(
    segment: &SegmentName,
    target: &RemoteRef<'_>,
    referenced_by: &[SegmentRef],
) -> ProposedFinding {
    let names: Vec<_> = referenced_by.iter().map(name_and_id).collect();
    let segments = match referenced_by {
        [_] => "an unmanaged segment references".to_owned(),
        _ => format!("{} unmanaged segments reference", referenced_by.len()),
    };
    let message = format!("would archive {target}, but {segments} it: {}", names.join(", "));
    let mut warning = ProposedFinding::new(Code::StillReferenced, message).help(
        "check the referencing segments in the dashboard first: the API does not document the effect on them",
    );
    warning.subjects.push(segment.clone());
    warning.finding.segments.push(segment.clone());
    let ids = referenced_by.iter().map(|remote| &remote.id);
    let ids = std::iter::once(target.id).chain(ids);
    warning.finding.remote_ids.extend(ids.cloned());
    warning
}
