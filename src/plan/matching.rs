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

mod conflicts;
mod renames;

use super::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use super::segment_key::SegmentKey;
use super::step::{MatchReason, ResolvedReferences, SegmentRef};
use super::{PlanInput, segment_ref, written_definition};
use crate::definition::Identities;
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, Origin, Reference, RemoteKind, SegmentId, SegmentName,
    StoredDefinition,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

#[derive(Clone)]
pub(super) struct Match<'a> {
    pub(super) declared: &'a DeclaredSegment,
    /// `None` for cohorts and file segments.
    pub(super) definition: Option<&'a StoredDefinition>,
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
    pub(super) conflicts: Vec<ProposedFinding>,
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

    /// By name.
    pub(super) fn unmanaged_refs(&self) -> Vec<SegmentRef> {
        let mut unmanaged: Vec<_> = self.unmanaged.iter().map(|remote| segment_ref(remote)).collect();
        unmanaged.sort_unstable();
        unmanaged
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

    pub(super) fn remote_ref<'r>(&self, remote: &'r ObservedSegment) -> RemoteRef<'r>
    where
        'a: 'r,
    {
        RemoteRef {
            declared: self.declared(remote).map(DeclaredRef::from),
            ..undeclared_ref(remote)
        }
    }

    fn declared(&self, remote: &ObservedSegment) -> Option<&'a DeclaredSegment> {
        self.declared_by_remote.get(&SegmentKey::of(remote)).copied()
    }
}

/// The segment, located at one of its references.
pub(super) fn referencing_ref<'s>(segment: &'s DeclaredSegment, reference: &Reference) -> DeclaredRef<'s> {
    DeclaredRef {
        name: &segment.name,
        origin: segment
            .reference_origins
            .get(reference)
            .unwrap_or(&segment.origin),
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

/// The position of a declared segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct DeclaredIndex(usize);

#[derive(Clone)]
struct Matcher<'a> {
    input: PlanInput<'a>,
    remote_by_name: HashMap<&'a SegmentName, &'a ObservedSegment>,
    declared_names: HashSet<&'a SegmentName>,
    /// For each declared segment, in order.
    matched: Vec<Option<(&'a ObservedSegment, MatchReason)>>,
    /// The matched remote segments, with the index of the declared one.
    claimed: HashMap<SegmentKey, DeclaredIndex>,
    /// Previous names of renamed segments, which other declared segments have now.
    reassigned_names: BTreeSet<&'a SegmentName>,
    conflicts: Vec<ProposedFinding>,
    /// The remote segments of conflicts whose match is not decided.
    undecided: HashSet<&'a SegmentId>,
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
            undecided: HashSet::new(),
        }
    }

    /// Matches by id and by current name, until no name is reassigned. A segment without its reassigned name may be
    /// unmatched, and then its own previous names count.
    fn match_own_names(&mut self) {
        loop {
            self.matched = vec![None; self.input.declared.len()];
            self.claimed.clear();
            self.conflicts.clear();
            self.undecided.clear();
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

    fn indices(&self) -> impl Iterator<Item = DeclaredIndex> + use<> {
        (0..self.input.declared.len()).map(DeclaredIndex)
    }

    fn declared(&self, index: DeclaredIndex) -> &'a DeclaredSegment {
        &self.input.declared[index.0]
    }

    fn definition(&self, index: DeclaredIndex) -> Option<&'a StoredDefinition> {
        self.input.declared[index.0].contents.definition()
    }

    fn matched(&self, index: DeclaredIndex) -> Option<&(&'a ObservedSegment, MatchReason)> {
        self.matched[index.0].as_ref()
    }

    /// The index of the declared segment that a remote one matches, and why.
    fn claim_on(&self, remote: &ObservedSegment) -> Option<(DeclaredIndex, &MatchReason)> {
        let index = *self.claimed.get(&SegmentKey::of(remote))?;
        let (_, reason) = self.matched(index)?;
        Some((index, reason))
    }

    fn claim(&mut self, index: DeclaredIndex, remote: &'a ObservedSegment, reason: MatchReason) {
        self.matched[index.0] = Some((remote, reason));
        self.claimed.insert(SegmentKey::of(remote), index);
    }

    /// With their indices.
    fn unmatched(&self) -> Vec<(DeclaredIndex, &'a DeclaredSegment)> {
        let unmatched = self.indices().filter(|index| self.matched(*index).is_none());
        unmatched.map(|index| (index, self.declared(index))).collect()
    }

    fn is_unclaimed(&self, remote: &ObservedSegment) -> bool {
        !self.claimed.contains_key(&SegmentKey::of(remote))
    }

    fn match_by_id(&mut self) {
        for (index, segment) in self.unmatched() {
            let Some(id) = &segment.id else { continue };
            match self.input.observed.segments.get(id) {
                None => self.add_unknown_id(segment, id),
                Some(remote) => self.claim_or_share(index, segment, remote, MatchReason::Id),
            }
        }
    }

    fn claim_or_share(
        &mut self,
        index: DeclaredIndex,
        segment: &DeclaredSegment,
        remote: &'a ObservedSegment,
        matched_by: MatchReason,
    ) {
        match self.claimed.get(&SegmentKey::of(remote)) {
            Some(other) => {
                let first = self.declared(*other);
                self.add_shared_target(first, segment, remote, &matched_by);
            }
            None => self.claim(index, remote, matched_by),
        }
    }

    fn claim_unclaimed(
        &mut self,
        index: DeclaredIndex,
        remote: Option<&'a ObservedSegment>,
        reason: MatchReason,
    ) {
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
                [only] => self.claim_or_share(index, segment, only, MatchReason::PreviousName),
                several => self.add_ambiguous_target(segment, several),
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
                .filter_map(|(index, _)| Some((index, self.definition(index)?)))
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
                if let Some(remote) = by_digest.remove(&definition.exact_digest(&identities)) {
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
        let conflicts = self.conflicts.iter();
        let names: HashSet<&SegmentName> = conflicts.flat_map(|conflict| &conflict.subjects).collect();
        let declared = self.input.declared.iter();
        declared.filter(|segment| names.contains(&segment.name)).collect()
    }

    fn finish(self) -> Matching<'a> {
        let references = self.resolved_references();
        let unresolved = self.unresolved_segments();
        // The match of an unresolved segment is not undeclared.
        let may_match = |remote: &ObservedSegment| {
            let mut unresolved = unresolved.iter();
            self.undecided.contains(&remote.id)
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
        let matches = self.indices().map(|index| Match {
            declared: self.declared(index),
            definition: self.definition(index),
            remote: self.matched(index).cloned(),
        });
        let matches: Vec<Match<'a>> = matches.collect();
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

fn undeclared_ref(remote: &ObservedSegment) -> RemoteRef<'_> {
    RemoteRef {
        id: &remote.id,
        name: &remote.name,
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
