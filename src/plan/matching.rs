//! The remote segment of each declared one, and the managed remote segments that are not declared.
//!
//! Segments are matched, in this order:
//!
//! 1. by the declared id
//! 2. by a previous name, if it belongs to another declared segment, and the rename was not applied yet
//! 3. by the state's entry of the declared name
//! 4. by the exact name
//! 5. by the temporary name of an interrupted rename
//! 6. by any other previous name
//! 7. by the definition of a managed segment that is not declared.
//!
//! A matched remote segment is not available to others. Rule 2 has two cases:
//!
//! - An active declared segment that rules 3 to 5 do not match has a previous name that another declared segment has now.
//!   Then the remote segment of that name was renamed, and the other segment is new or was renamed, too. If the other
//!   segment already has its declared definition, then it is the one that was created first.
//! - In a swap or a longer cycle of renames, every segment matches by rules 3 to 5. `renames` decides.

mod renames;

use super::segment_key::SegmentKey;
use super::step::{Conflict, DeclaredRef, MatchReason, RemoteRef, ResolvedReferences};
use super::{PlanInput, written_definition};
use crate::definition::Identities;
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, Origin, Reference, RemoteKind, SegmentId, SegmentName,
    StoredDefinition,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

#[derive(Clone)]
pub(super) struct Match<'a> {
    pub(super) declared: &'a DeclaredSegment,
    pub(super) remote: Option<(&'a ObservedSegment, MatchReason)>,
}

pub(super) struct Matching<'a> {
    /// In the order of the configuration.
    pub(super) matches: Vec<Match<'a>>,
    pub(super) references: ResolvedReferences,
    /// Managed and not declared.
    pub(super) orphans: Vec<&'a ObservedSegment>,
    pub(super) remote_by_name: HashMap<&'a SegmentName, &'a ObservedSegment>,
    /// Neither declared nor managed.
    pub(super) unmanaged: Vec<&'a ObservedSegment>,
    pub(super) conflicts: Vec<Conflict>,
    /// Declared segments with a conflict; the plan has no steps for them.
    unresolved: HashSet<&'a SegmentName>,
    declared_by_remote: HashMap<SegmentKey, &'a DeclaredSegment>,
}

impl<'a> Matching<'a> {
    /// The active declared segments.
    pub(super) fn active(&self) -> impl Iterator<Item = &Match<'a>> {
        let pairs = self.matches.iter();
        pairs.filter(|pair| pair.declared.lifecycle == Lifecycle::Active)
    }

    pub(super) fn matched_remotes(&self) -> impl Iterator<Item = &'a ObservedSegment> {
        let pairs = self.matches.iter();
        pairs.filter_map(|pair| pair.remote.as_ref().map(|(remote, _)| *remote))
    }

    pub(super) fn is_unresolved(&self, segment: &DeclaredSegment) -> bool {
        self.unresolved.contains(&segment.name)
    }

    pub(super) fn origin_of(&self, remote: &ObservedSegment) -> Option<&Origin> {
        self.declared(remote).map(|segment| &segment.origin)
    }

    pub(super) fn declared_name_of(&self, remote: &ObservedSegment) -> Option<&SegmentName> {
        self.declared(remote).map(|segment| &segment.name)
    }

    pub(super) fn remote_ref(&self, remote: &ObservedSegment) -> RemoteRef {
        RemoteRef {
            id: remote.id.clone(),
            name: remote.name.clone(),
            lifecycle: remote.lifecycle,
            declared: self.declared(remote).map(declared_ref),
        }
    }

    fn declared(&self, remote: &ObservedSegment) -> Option<&'a DeclaredSegment> {
        self.declared_by_remote.get(&SegmentKey::of(remote)).copied()
    }
}

pub(super) fn declared_ref(segment: &DeclaredSegment) -> DeclaredRef {
    DeclaredRef {
        name: segment.name.clone(),
        origin: segment.origin.clone(),
    }
}

/// The segment, located at one of its references.
pub(super) fn referencing_ref(segment: &DeclaredSegment, reference: &Reference) -> DeclaredRef {
    let origin = segment.reference_origins.get(reference);
    DeclaredRef {
        name: segment.name.clone(),
        origin: origin.unwrap_or(&segment.origin).clone(),
    }
}

pub(super) fn match_all<'a>(input: &PlanInput<'a>) -> Matching<'a> {
    let mut matcher = Matcher::new(input);
    matcher.match_own_names();
    matcher.match_rename_cycles();
    matcher.check_ambiguous_names();
    matcher.match_by_previous_name();
    matcher.match_by_definition();
    matcher.check_previous_names_in_use();
    matcher.finish()
}

#[derive(Clone)]
struct Matcher<'a> {
    input: PlanInput<'a>,
    remote_by_name: HashMap<&'a SegmentName, &'a ObservedSegment>,
    declared_names: HashSet<&'a SegmentName>,
    /// For each declared segment, in order.
    matched: Vec<Option<(&'a ObservedSegment, MatchReason)>>,
    /// The matched remote segments, with the index of the declared one.
    claimed: HashMap<SegmentKey, usize>,
    /// Previous names of renamed segments, which other declared segments have now.
    reassigned_names: BTreeSet<&'a SegmentName>,
    conflicts: Vec<Conflict>,
}

impl<'a> Matcher<'a> {
    fn new(input: &PlanInput<'a>) -> Self {
        let remotes = input.observed.segments.values();
        Self {
            input: *input,
            remote_by_name: remotes.map(|remote| (&remote.name, remote)).collect(),
            declared_names: input.declared.iter().map(|segment| &segment.name).collect(),
            matched: vec![None; input.declared.len()],
            claimed: HashMap::with_capacity(input.declared.len()),
            reassigned_names: BTreeSet::new(),
            conflicts: Vec::new(),
        }
    }

    /// Matches by id and by current name, until no name is reassigned. A segment without its reassigned name may be
    /// unmatched, and then its own previous names count.
    fn match_own_names(&mut self) {
        loop {
            self.matched = vec![None; self.input.declared.len()];
            self.claimed.clear();
            self.conflicts.clear();
            self.match_by_id();
            self.match_by_state();
            self.match_by_name();
            self.match_by_temporary_name();
            let unmatched = self.unmatched().into_iter().map(|(_, segment)| segment);
            let reassigned: BTreeSet<&SegmentName> = unmatched
                // An archived one never gets its name, and the loop would not end.
                .filter(|segment| segment.lifecycle == Lifecycle::Active)
                // An available segment with a previous name is the match.
                .filter(|segment| !self.has_unclaimed_previous_name(segment))
                .flat_map(|segment| &segment.previous_names)
                .filter(|name| self.is_renamed_away(name))
                .collect();
            if reassigned.is_empty() {
                return;
            }
            self.reassigned_names.extend(reassigned);
        }
    }

    /// The index of the declared segment that a remote one matches, and why.
    fn claim_on(&self, remote: &ObservedSegment) -> Option<(usize, &MatchReason)> {
        let index = *self.claimed.get(&SegmentKey::of(remote))?;
        let (_, reason) = self.matched.get(index)?.as_ref()?;
        Some((index, reason))
    }

    /// An unmanaged segment has the declared name, and another segment has a previous one. A wrong guess would overwrite
    /// the first and archive the second.
    fn check_ambiguous_names(&mut self) {
        for (index, segment) in self.input.declared.iter().enumerate() {
            let Some((remote, MatchReason::Name)) = self.matched.get(index).cloned().flatten() else {
                continue;
            };
            if self.input.state.managed_entry(&remote.id).is_some() {
                continue;
            }
            let names = segment.previous_names.iter();
            let previous: Vec<&ObservedSegment> = names
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|remote| self.is_unclaimed(remote))
                .collect();
            if !previous.is_empty() {
                let targets = std::iter::once(remote).chain(previous);
                self.conflicts.push(Conflict::AmbiguousTarget {
                    segment: declared_ref(segment),
                    targets: targets.map(undeclared_ref).collect(),
                });
            }
        }
    }

    /// A declared segment matches by a stronger rule than a previous name, and another managed segment has that name. The
    /// plan would archive the other one, although the configuration names it. A previous name that the state has for the
    /// matched segment is no conflict: the other one got it later.
    fn check_previous_names_in_use(&mut self) {
        let ambiguous = self.ambiguous_segments();
        let mut conflicts = Vec::new();
        for (segment, matched) in self.input.declared.iter().zip(&self.matched) {
            let Some((remote, _)) = matched else { continue };
            let entry = self.input.state.managed_entry(&remote.id);
            let previous = segment.previous_names.iter();
            let others = previous
                .filter(|name| !entry.is_some_and(|entry| entry.has_or_had_name(name)))
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|other| other.lifecycle == Lifecycle::Active)
                .filter(|other| self.is_unclaimed(other) && is_managed(other, &self.input))
                .filter(|other| !ambiguous.contains(&other.id));
            conflicts.extend(others.map(|other| Conflict::PreviousNameInUse {
                segment: declared_ref(segment),
                target: undeclared_ref(remote),
                other: undeclared_ref(other),
                managed_by: management_reasons(other, &self.input),
            }));
        }
        self.conflicts.extend(conflicts);
    }

    fn ambiguous_segments(&self) -> HashSet<&SegmentId> {
        let conflicts = self.conflicts.iter();
        conflicts.flat_map(Conflict::ambiguous_segments).collect()
    }

    fn claim(&mut self, index: usize, remote: &'a ObservedSegment, reason: MatchReason) {
        if let Some(matched) = self.matched.get_mut(index) {
            *matched = Some((remote, reason));
            self.claimed.insert(SegmentKey::of(remote), index);
        }
    }

    /// With their indices.
    fn unmatched(&self) -> Vec<(usize, &'a DeclaredSegment)> {
        let declared = self.input.declared.iter().enumerate();
        declared
            .filter(|(index, _)| self.matched.get(*index).is_some_and(Option::is_none))
            .collect()
    }

    fn is_unclaimed(&self, remote: &ObservedSegment) -> bool {
        !self.claimed.contains_key(&SegmentKey::of(remote))
    }

    fn match_by_id(&mut self) {
        for (index, segment) in self.unmatched() {
            let Some(id) = &segment.id else { continue };
            match self.input.observed.segments.get(id) {
                None => self.conflicts.push(Conflict::UnknownId {
                    segment: declared_ref(segment),
                    id: id.clone(),
                }),
                Some(remote) => match self.claimed.get(&SegmentKey::of(remote)) {
                    Some(other) => {
                        self.add_shared_target_conflict(*other, segment, (remote, MatchReason::Id))
                    }
                    None => self.claim(index, remote, MatchReason::Id),
                },
            }
        }
    }

    fn add_shared_target_conflict(
        &mut self,
        other: usize,
        segment: &DeclaredSegment,
        (remote, matched_by): (&ObservedSegment, MatchReason),
    ) {
        let first = self.input.declared.get(other);
        self.conflicts.push(Conflict::SharedTarget {
            segments: first.into_iter().chain([segment]).map(declared_ref).collect(),
            target: remote.id.clone(),
            matched_by,
        });
    }

    fn claim_unclaimed(&mut self, index: usize, remote: Option<&'a ObservedSegment>, reason: MatchReason) {
        if let Some(remote) = remote.filter(|remote| self.is_unclaimed(remote)) {
            self.claim(index, remote, reason);
        }
    }

    fn match_by_state(&mut self) {
        for (index, segment) in self.unmatched() {
            if segment.id.is_none() && !self.reassigned_names.contains(&segment.name) {
                let entry = self.input.state.latest_by_name(&segment.name);
                let remote = entry.and_then(|entry| self.input.observed.segments.get(&entry.id));
                self.claim_unclaimed(index, remote, MatchReason::State);
            }
        }
    }

    fn match_by_name(&mut self) {
        for (index, segment) in self.unmatched() {
            if segment.id.is_none() && !self.reassigned_names.contains(&segment.name) {
                let remote = self.remote_by_name.get(&segment.name).copied();
                self.claim_unclaimed(index, remote, MatchReason::Name);
            }
        }
    }

    fn match_by_temporary_name(&mut self) {
        for (index, segment) in self.unmatched() {
            let remote = self.remote_by_name.get(&segment.name.temporary()).copied();
            self.claim_unclaimed(index, remote, MatchReason::TemporaryName);
        }
    }

    fn match_by_previous_name(&mut self) {
        for (index, segment) in self.unmatched() {
            let names = segment.previous_names.iter();
            let is_candidate = |remote: &&ObservedSegment| {
                let claim = self.claim_on(remote);
                claim.is_none_or(|(_, reason)| *reason == MatchReason::PreviousName)
            };
            let named = names.filter_map(|name| self.remote_by_name.get(name).copied());
            let mut candidates: Vec<&ObservedSegment> = named.filter(is_candidate).collect();
            if candidates.is_empty() {
                // Renamed outside segctl since the last apply.
                let entries = segment.previous_names.iter();
                let entries = entries.filter_map(|name| self.input.state.latest_by_name(name));
                let applied = entries.filter_map(|entry| self.input.observed.segments.get(&entry.id));
                candidates.extend(applied.filter(is_candidate));
            }
            match candidates.as_slice() {
                [] => {}
                [only] => match self.claimed.get(&SegmentKey::of(only)) {
                    Some(other) => {
                        self.add_shared_target_conflict(*other, segment, (only, MatchReason::PreviousName))
                    }
                    None => self.claim(index, only, MatchReason::PreviousName),
                },
                several => {
                    let targets = several.iter().map(|remote| undeclared_ref(remote)).collect();
                    self.conflicts.push(Conflict::AmbiguousTarget {
                        segment: declared_ref(segment),
                        targets,
                    });
                }
            }
        }
    }

    /// Renames without `previous_names`. As a create and an archive, they would fail: the definition is still in use.
    fn match_by_definition(&mut self) {
        // Each match resolves references, so the next round may find another definition.
        for _ in 0..MAX_DEFINITION_ROUNDS {
            let unmatched = self.unmatched().into_iter();
            let open: Vec<_> = unmatched
                .filter(|(_, segment)| segment.id.is_none() && segment.lifecycle == Lifecycle::Active)
                .filter_map(|(index, segment)| Some((index, segment.contents.definition()?)))
                .collect();
            let candidates = self.undeclared_managed();
            if open.is_empty() || candidates.is_empty() {
                return;
            }
            let identities = self.resolved_references().identities;
            let mut by_digest = BTreeMap::new();
            for (remote, definition) in candidates {
                let digest = definition.exact_digest(&identities);
                let candidate = by_digest.entry(digest).or_insert(remote);
                // The active one is preferred: its definition is in use.
                if remote.lifecycle == Lifecycle::Active {
                    *candidate = remote;
                }
            }
            let mut is_found = false;
            for (index, definition) in open {
                let digest = definition.exact_digest(&identities);
                if let Some(remote) = by_digest.remove(&digest) {
                    self.claim(index, remote, MatchReason::Definition);
                    is_found = true;
                }
            }
            if !is_found {
                return;
            }
        }
    }

    fn undeclared_managed(&self) -> Vec<(&'a ObservedSegment, &'a StoredDefinition)> {
        let remotes = self.input.observed.segments.values();
        remotes
            .filter(|remote| self.is_unclaimed(remote) && is_managed(remote, &self.input))
            .filter_map(|remote| Some((remote, written_definition(self.input.state, remote)?)))
            .collect()
    }

    fn resolved_references(&self) -> ResolvedReferences {
        // A declared name means the declared segment, even before it exists.
        let remotes = self.input.observed.segments.values();
        let undeclared_by_name: BTreeMap<_, _> = remotes
            .filter(|remote| self.is_unclaimed(remote) && !self.declared_names.contains(&remote.name))
            .filter(|remote| !remote.id.is_unlisted_cohort())
            .map(|remote| (remote.name.clone(), remote.id.clone()))
            .collect();
        let declared = self.input.declared.iter().zip(&self.matched);
        let declared = declared
            .filter_map(|(segment, matched)| Some((&segment.name, &matched.as_ref()?.0.id)))
            // Such an id is never sent, so nothing can refer to it.
            .filter(|(_, id)| !id.is_unlisted_cohort());
        let mut ids_by_name = undeclared_by_name.clone();
        ids_by_name.extend(declared.clone().map(|(name, id)| (name.clone(), id.clone())));
        ResolvedReferences {
            ids_by_name,
            identities: Identities {
                undeclared_by_name,
                declared_by_id: declared.map(|(name, id)| (id.clone(), name.clone())).collect(),
            },
        }
    }

    fn unresolved_segments(&self) -> Vec<&'a DeclaredSegment> {
        let names: HashSet<&SegmentName> = self.conflicts.iter().flat_map(Conflict::segments).collect();
        let declared = self.input.declared.iter();
        declared.filter(|segment| names.contains(&segment.name)).collect()
    }

    fn finish(self) -> Matching<'a> {
        let references = self.resolved_references();
        let unresolved = self.unresolved_segments();
        let ambiguous = self.ambiguous_segments();
        // The match of an unresolved segment is not undeclared.
        let may_match = |remote: &ObservedSegment| {
            let mut unresolved = unresolved.iter();
            ambiguous.contains(&remote.id)
                || unresolved.any(|segment| {
                    segment.name == remote.name || segment.previous_names.contains(&remote.name)
                })
        };
        let remotes = self.input.observed.segments.values();
        let (orphans, unmanaged): (Vec<_>, Vec<_>) = remotes
            .filter(|remote| self.is_unclaimed(remote))
            .filter(|remote| !may_match(remote))
            .partition(|remote| is_managed(remote, &self.input));
        let unresolved = unresolved.into_iter().map(|segment| &segment.name).collect();
        let declared = self.input.declared.iter();
        let matches: Vec<Match<'a>> = declared
            .zip(self.matched)
            .map(|(declared, remote)| Match { declared, remote })
            .collect();
        let by_remote = matches.iter().filter_map(|pair| {
            let (remote, _) = pair.remote.as_ref()?;
            Some((SegmentKey::of(remote), pair.declared))
        });
        Matching {
            declared_by_remote: by_remote.collect(),
            matches,
            references,
            remote_by_name: self.remote_by_name,
            orphans,
            unmanaged,
            conflicts: self.conflicts,
            unresolved,
        }
    }
}

/// As deep as the API allows references, so that a whole renamed chain matches.
const MAX_DEFINITION_ROUNDS: usize = 8;

fn undeclared_ref(remote: &ObservedSegment) -> RemoteRef {
    RemoteRef {
        id: remote.id.clone(),
        name: remote.name.clone(),
        lifecycle: remote.lifecycle,
        declared: None,
    }
}

fn is_managed(remote: &ObservedSegment, input: &PlanInput<'_>) -> bool {
    let matches_pattern = remote.kind == RemoteKind::Filter && input.policy.manages(&remote.name);
    matches_pattern || input.state.managed_entry(&remote.id).is_some()
}

/// Why an undeclared segment is managed, the state first. Patterns match only filter segments.
pub(super) fn management_reasons(remote: &ObservedSegment, input: &PlanInput<'_>) -> Vec<MatchReason> {
    let entry = input.state.managed_entry(&remote.id);
    let mut reasons =
        Vec::from_iter(entry.map(|entry| MatchReason::RemovedFromConfiguration(entry.name.clone())));
    if remote.kind == RemoteKind::Filter {
        let patterns = input.policy.managed_patterns.iter();
        let matched = patterns.filter(|pattern| pattern.matches(&remote.name));
        reasons.extend(matched.map(|pattern| MatchReason::Pattern(pattern.as_str().to_owned())));
    }
    reasons
}
