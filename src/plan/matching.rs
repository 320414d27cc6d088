//! Which live segment each declared one is, and which live ones are ours without a file.
//!
//! By, in order: the id in the file, the ledger's entry for the declared name, the exact name, the temporary name of
//! an unfinished rename, a previous name, and last the definition of an owned segment that no file declares. Each
//! way is tried for all declared segments before the next, and a live segment that one of them is found to be is
//! out of reach for the others. One exception: a name that another segment has as its previous name, and that is
//! not live under any way that comes before, goes to that segment: such a file says that the name was moved on.

use super::PlanInput;
use super::segment_key::SegmentKey;
use super::step::{Conflict, DeclaredRef, MatchReason, RemoteRef, ResolvedReferences};
use crate::definition::{Digest, Identities, encode};
use crate::model::{
    DeclaredSegment, Lifecycle, ObservedSegment, Origin, Payload, RemoteKind, SegmentId, SegmentName,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A declared segment with the live one that it is.
#[derive(Clone)]
pub(super) struct Match<'a> {
    pub(super) declared: &'a DeclaredSegment,
    pub(super) remote: Option<(&'a ObservedSegment, MatchReason)>,
}

/// Declared segments with the live ones they are.
pub(super) struct Matching<'a> {
    /// In the order declared.
    pub(super) matches: Vec<Match<'a>>,
    /// What references mean.
    pub(super) references: ResolvedReferences,
    /// Live segments that are ours and that no file declares.
    pub(super) orphans: Vec<&'a ObservedSegment>,
    /// Live segments by their names, which are unique.
    pub(super) remote_by_name: HashMap<&'a SegmentName, &'a ObservedSegment>,
    /// Live segments that are nobody's business.
    pub(super) unmanaged: Vec<&'a ObservedSegment>,
    /// Declared segments that cannot be told which live one they are.
    pub(super) conflicts: Vec<Conflict>,
    /// Names of declared segments that cannot be told which live one they are: nothing is done for them.
    unresolved: HashSet<&'a SegmentName>,
    declared_by_remote: HashMap<SegmentKey, &'a DeclaredSegment>,
}

impl Matching<'_> {
    /// Whether it cannot be told which live segment a declared one is.
    pub(super) fn is_unresolved(&self, segment: &DeclaredSegment) -> bool {
        self.unresolved.contains(&segment.name)
    }

    /// Where a live segment is declared.
    pub(super) fn origin_of(&self, live: &ObservedSegment) -> Option<&Origin> {
        self.declared_by_remote
            .get(&SegmentKey::of(live))
            .map(|segment| &segment.origin)
    }

    /// What a live segment is declared as.
    pub(super) fn declared_name_of(&self, live: &ObservedSegment) -> Option<&SegmentName> {
        self.declared_by_remote
            .get(&SegmentKey::of(live))
            .map(|segment| &segment.name)
    }

    /// A live segment as the other side of a conflict.
    pub(super) fn remote_ref(&self, live: &ObservedSegment) -> RemoteRef {
        RemoteRef {
            id: live.id.clone(),
            name: live.name.clone(),
            lifecycle: live.lifecycle,
            declared: self
                .declared_by_remote
                .get(&SegmentKey::of(live))
                .map(|segment| declared_ref(segment)),
        }
    }
}

/// A declared segment as one side of a conflict.
pub(super) fn declared_ref(segment: &DeclaredSegment) -> DeclaredRef {
    DeclaredRef {
        name: segment.name.clone(),
        origin: segment.origin.clone(),
    }
}

/// Matches every declared segment.
pub(super) fn match_all<'a>(situation: &PlanInput<'a>) -> Matching<'a> {
    let mut search = Matcher::new(situation);
    search.match_own_names();
    search.check_ambiguous_names();
    search.match_by_previous_name();
    search.match_by_definition();
    search.check_previous_names_in_use();
    search.finish()
}

/// The search as far as it has come.
struct Matcher<'a> {
    input: PlanInput<'a>,
    remote_by_name: HashMap<&'a SegmentName, &'a ObservedSegment>,
    declared_names: HashSet<&'a SegmentName>,
    /// For each declared segment, in order, what was found.
    matched: Vec<Option<(&'a ObservedSegment, MatchReason)>>,
    /// Live segments that are out of reach.
    claimed: HashMap<SegmentKey, usize>,
    /// Names that a declared segment without a live one had before.
    reassigned_names: BTreeSet<&'a SegmentName>,
    conflicts: Vec<Conflict>,
}

impl<'a> Matcher<'a> {
    fn new(situation: &PlanInput<'a>) -> Self {
        let by_name: HashMap<_, _> = situation
            .observed
            .segments
            .values()
            .map(|live| (&live.name, live))
            .collect();
        Self {
            input: *situation,
            remote_by_name: by_name,
            declared_names: situation.declared.iter().map(|segment| &segment.name).collect(),
            matched: vec![None; situation.declared.len()],
            claimed: HashMap::with_capacity(situation.declared.len()),
            reassigned_names: BTreeSet::new(),
            conflicts: Vec::new(),
        }
    }

    /// The ways that lead to a segment's own id or name. A declared segment to which none of them leads is not live
    /// under its name yet: then its previous names are its own, although another file may declare one of them by now.
    /// That other one has lost its live segment then, which may make it look for a previous name in turn.
    fn match_own_names(&mut self) {
        loop {
            self.matched = vec![None; self.input.declared.len()];
            self.claimed.clear();
            self.conflicts.clear();
            self.match_by_id();
            self.match_by_state();
            self.match_by_name();
            self.match_by_temporary_name();
            // One that is declared put away never comes to be live under its name, and would go on looking for ever.
            let lost = self.unmatched().into_iter().map(|(_, segment)| segment);
            let lost = lost.filter(|segment| segment.lifecycle == Lifecycle::Active);
            // Where one of its previous names leads to a segment that nobody else means, that is the one.
            let lost = lost.filter(|segment| !self.has_unclaimed_previous_name(segment));
            let lost = lost.flat_map(|segment| &segment.previous_names);
            let moved_on: BTreeSet<&SegmentName> =
                lost.filter(|name| self.is_claimed_by_name(name)).collect();
            if moved_on.is_empty() {
                return;
            }
            self.reassigned_names.extend(moved_on);
        }
    }

    fn has_unclaimed_previous_name(&self, segment: &DeclaredSegment) -> bool {
        let live = segment
            .previous_names
            .iter()
            .filter_map(|name| self.remote_by_name.get(name));
        live.into_iter().any(|live| self.is_unclaimed(live))
    }

    /// Whether a declared segment of this name was found by the ledger or by the name.
    fn is_claimed_by_name(&self, name: &SegmentName) -> bool {
        let live = self.remote_by_name.get(name);
        let index = live
            .and_then(|live| self.claimed.get(&SegmentKey::of(live)))
            .copied();
        let Some(index) = index else { return false };
        let found = self.matched.get(index).cloned().flatten();
        let is_own = self
            .input
            .declared
            .get(index)
            .is_some_and(|segment| segment.name == *name);
        let by_name =
            found.is_some_and(|(_, reason)| matches!(reason, MatchReason::State | MatchReason::Name));
        is_own && by_name
    }

    /// A stranger has the declared name, and a live segment has a previous one: the file may mean either. Taking the
    /// stranger would overwrite what somebody made and put away what was meant.
    fn check_ambiguous_names(&mut self) {
        for (index, segment) in self.input.declared.iter().enumerate() {
            let Some((live, MatchReason::Name)) = self.matched.get(index).cloned().flatten() else {
                continue;
            };
            if self.input.state.managed_entry(&live.id).is_some() {
                continue;
            }
            let previous = segment.previous_names.iter();
            let previous = previous.filter_map(|name| self.remote_by_name.get(name).copied());
            let previous: Vec<&ObservedSegment> = previous.filter(|live| self.is_unclaimed(live)).collect();
            if !previous.is_empty() {
                self.conflicts.push(Conflict::AmbiguousTarget {
                    segment: declared_ref(segment),
                    targets: std::iter::once(live)
                        .chain(previous)
                        .map(undeclared_ref)
                        .collect(),
                });
            }
        }
    }

    /// A segment was found by a stronger way than its previous names, and one of these belongs to another segment that
    /// would be put away as nobody's, although a file names it. A name that the found one itself is known to have had is
    /// told by that: somebody else took it since.
    fn check_previous_names_in_use(&mut self) {
        let contested: HashSet<&SegmentId> = self
            .conflicts
            .iter()
            .flat_map(Conflict::ambiguous_segments)
            .collect();
        let mut conflicts = Vec::new();
        for (segment, found) in self.input.declared.iter().zip(&self.matched) {
            let Some((live, _)) = found else { continue };
            let known = self.input.state.managed_entry(&live.id);
            let previous = segment.previous_names.iter();
            let others = previous
                .filter(|name| !known.is_some_and(|entry| entry.has_or_had_name(name)))
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|other| other.lifecycle == Lifecycle::Active)
                .filter(|other| self.is_unclaimed(other) && is_managed(other, &self.input))
                .filter(|other| !contested.contains(&other.id));
            conflicts.extend(others.map(|other| Conflict::PreviousNameInUse {
                segment: declared_ref(segment),
                target: undeclared_ref(live),
                other: undeclared_ref(other),
                managed_by: management_reasons(other, &self.input),
            }));
        }
        self.conflicts.extend(conflicts);
    }

    fn claim(&mut self, index: usize, live: &'a ObservedSegment, reason: MatchReason) {
        if let Some(found) = self.matched.get_mut(index) {
            *found = Some((live, reason));
            self.claimed.insert(SegmentKey::of(live), index);
        }
    }

    /// Declared segments that are not matched, with their places in the list.
    fn unmatched(&self) -> Vec<(usize, &'a DeclaredSegment)> {
        let declared = self.input.declared.iter().enumerate();
        declared
            .filter(|(index, _)| self.matched.get(*index).is_some_and(Option::is_none))
            .collect()
    }

    fn is_unclaimed(&self, live: &ObservedSegment) -> bool {
        !self.claimed.contains_key(&SegmentKey::of(live))
    }

    fn match_by_id(&mut self) {
        for (index, segment) in self.unmatched() {
            let Some(id) = &segment.id else { continue };
            match self.input.observed.segments.get(id) {
                None => self.conflicts.push(Conflict::UnknownId {
                    segment: declared_ref(segment),
                    id: id.clone(),
                }),
                Some(live) => match self.claimed.get(&SegmentKey::of(live)) {
                    Some(other) => self.add_shared_target_conflict(*other, segment, (live, MatchReason::Id)),
                    None => self.claim(index, live, MatchReason::Id),
                },
            }
        }
    }

    fn add_shared_target_conflict(
        &mut self,
        other: usize,
        segment: &DeclaredSegment,
        (live, matched_by): (&ObservedSegment, MatchReason),
    ) {
        let first = self.input.declared.get(other);
        self.conflicts.push(Conflict::SharedTarget {
            segments: first.into_iter().chain([segment]).map(declared_ref).collect(),
            target: live.id.clone(),
            matched_by,
        });
    }

    /// The live segment that the ledger has for a declared name.
    fn segment_in_state(&self, segment: &DeclaredSegment) -> Option<&'a ObservedSegment> {
        let entry = self.input.state.latest_by_name(&segment.name)?;
        self.input.observed.segments.get(&entry.id)
    }

    fn match_by_state(&mut self) {
        for (index, segment) in self.unmatched() {
            if segment.id.is_some() || self.reassigned_names.contains(&segment.name) {
                continue;
            }
            if let Some(live) = self
                .segment_in_state(segment)
                .filter(|live| self.is_unclaimed(live))
            {
                self.claim(index, live, MatchReason::State);
            }
        }
    }

    fn match_by_name(&mut self) {
        for (index, segment) in self.unmatched() {
            if segment.id.is_some() || self.reassigned_names.contains(&segment.name) {
                continue;
            }
            let live = self.remote_by_name.get(&segment.name).copied();
            if let Some(live) = live.filter(|live| self.is_unclaimed(live)) {
                self.claim(index, live, MatchReason::Name);
            }
        }
    }

    fn match_by_temporary_name(&mut self) {
        for (index, segment) in self.unmatched() {
            let live = self.remote_by_name.get(&segment.name.temporary()).copied();
            if let Some(live) = live.filter(|live| self.is_unclaimed(live)) {
                self.claim(index, live, MatchReason::TemporaryName);
            }
        }
    }

    fn match_by_previous_name(&mut self) {
        for (index, segment) in self.unmatched() {
            let names = segment.previous_names.iter();
            let live: Vec<&ObservedSegment> = names
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|live| self.is_unclaimed(live) || self.is_claimed_by_previous_name(live))
                .collect();
            match live.as_slice() {
                [] => {}
                [only] => match self.claimed.get(&SegmentKey::of(only)) {
                    Some(other) => {
                        self.add_shared_target_conflict(*other, segment, (only, MatchReason::PreviousName))
                    }
                    None => self.claim(index, only, MatchReason::PreviousName),
                },
                several => {
                    let targets = several.iter().map(|live| undeclared_ref(live)).collect();
                    self.conflicts.push(Conflict::AmbiguousTarget {
                        segment: declared_ref(segment),
                        targets,
                    });
                }
            }
        }
    }

    /// Whether another declared segment got `live` for its previous name, too.
    fn is_claimed_by_previous_name(&self, live: &ObservedSegment) -> bool {
        let index = self.claimed.get(&SegmentKey::of(live));
        let found = index
            .and_then(|index| self.matched.get(*index))
            .cloned()
            .flatten();
        found.is_some_and(|(_, reason)| reason == MatchReason::PreviousName)
    }

    /// Files that were renamed without saying so: a create would be refused for the definition, and an archive
    /// of the old one would be one more step that nobody asked for.
    fn match_by_definition(&mut self) {
        // Renames change what references mean, so that one more definition may be recognised each time.
        for _ in 0..MAX_DEFINITION_ROUNDS {
            let open = self.unmatched().into_iter();
            let open: Vec<_> = open
                .filter(|(_, segment)| segment.id.is_none() && segment.lifecycle == Lifecycle::Active)
                .filter_map(|(index, segment)| Some((index, segment.contents.definition()?)))
                .collect();
            let candidates = self.undeclared_managed();
            if open.is_empty() || candidates.is_empty() {
                return;
            }
            let identities = self.resolved_references().identities;
            let mut by_digest = BTreeMap::new();
            for (live, payload) in candidates {
                // Of an active and an archived one the active: it is the one that would be refused for.
                let entry = by_digest
                    .entry(Digest::exact(payload, &identities))
                    .or_insert(live);
                if live.lifecycle == Lifecycle::Active {
                    *entry = live;
                }
            }
            let mut is_found = false;
            for (index, definition) in open {
                let digest = Digest::exact(&encode(definition), &identities);
                if let Some(live) = by_digest.remove(&digest) {
                    self.claim(index, live, MatchReason::Definition);
                    is_found = true;
                }
            }
            if !is_found {
                return;
            }
        }
    }

    /// Live segments that are ours and that no file was found to declare, with their definitions.
    fn undeclared_managed(&self) -> Vec<(&'a ObservedSegment, &'a Payload)> {
        let live = self.input.observed.segments.values();
        live.filter(|live| self.is_unclaimed(live) && is_managed(live, &self.input))
            .filter_map(|live| Some((live, live.definition.as_ref()?)))
            .collect()
    }

    fn resolved_references(&self) -> ResolvedReferences {
        // A declared name always means the declared segment, live already or not.
        let free = self.input.observed.segments.values();
        let free = free
            .filter(|live| self.is_unclaimed(live) && !self.declared_names.contains(&live.name))
            .map(|live| (live.name.clone(), live.id.clone()));
        let found = self.input.declared.iter().zip(&self.matched);
        let found = found.filter_map(|(segment, found)| Some((&segment.name, &found.as_ref()?.0.id)));
        let undeclared_by_name: BTreeMap<_, _> = free.collect();
        let by_name = found.clone().map(|(name, id)| (name.clone(), id.clone()));
        ResolvedReferences {
            ids_by_name: undeclared_by_name.clone().into_iter().chain(by_name).collect(),
            identities: Identities {
                undeclared_by_name,
                declared_by_id: found.map(|(name, id)| (id.clone(), name.clone())).collect(),
            },
        }
    }

    /// Declared segments with a conflict.
    fn unresolved_segments(&self) -> Vec<&'a DeclaredSegment> {
        let names: HashSet<&SegmentName> = self.conflicts.iter().flat_map(Conflict::segments).collect();
        let declared = self.input.declared.iter();
        declared.filter(|segment| names.contains(&segment.name)).collect()
    }

    fn finish(self) -> Matching<'a> {
        let known = self.resolved_references();
        let unresolved = self.unresolved_segments();
        let contested: HashSet<&SegmentId> = self
            .conflicts
            .iter()
            .flat_map(Conflict::ambiguous_segments)
            .collect();
        // What an unresolved file may mean is not without a file.
        let may_be_meant = |live: &ObservedSegment| {
            contested.contains(&live.id)
                || unresolved
                    .iter()
                    .any(|segment| segment.name == live.name || segment.previous_names.contains(&live.name))
        };
        let free = self.input.observed.segments.values();
        let (orphans, unmanaged): (Vec<_>, Vec<_>) = free
            .filter(|live| self.is_unclaimed(live))
            .filter(|live| !may_be_meant(live))
            .partition(|live| is_managed(live, &self.input));
        let unresolved = unresolved.into_iter().map(|segment| &segment.name).collect();
        let declared = self.input.declared.iter();
        let pairs: Vec<Match<'a>> = declared
            .zip(self.matched)
            .map(|(segment, live)| Match {
                declared: segment,
                remote: live,
            })
            .collect();
        let declared_as = pairs
            .iter()
            .filter_map(|pair| {
                pair.remote
                    .as_ref()
                    .map(|(live, _)| (SegmentKey::of(live), pair.declared))
            })
            .collect();
        Matching {
            matches: pairs,
            references: known,
            remote_by_name: self.remote_by_name,
            orphans,
            unmanaged,
            conflicts: self.conflicts,
            unresolved,
            declared_by_remote: declared_as,
        }
    }
}

/// Rounds of looking for renamed files: a chain of references as deep as the service takes is renamed whole.
const MAX_DEFINITION_ROUNDS: usize = 8;

/// A live segment that no declared one was found to be.
fn undeclared_ref(live: &ObservedSegment) -> RemoteRef {
    RemoteRef {
        id: live.id.clone(),
        name: live.name.clone(),
        lifecycle: live.lifecycle,
        declared: None,
    }
}

/// Whether an undeclared live segment is ours.
fn is_managed(live: &ObservedSegment, situation: &PlanInput<'_>) -> bool {
    let is_owned = live.kind == RemoteKind::Filter && situation.policy.manages(&live.name);
    is_owned || situation.state.managed_entry(&live.id).is_some()
}

/// Everything that makes an undeclared live segment ours, the ledger first. No pattern makes other kinds than filters ours.
pub(super) fn management_reasons(live: &ObservedSegment, situation: &PlanInput<'_>) -> Vec<MatchReason> {
    let remembered = situation.state.managed_entry(&live.id);
    let remembered = remembered.map(|entry| MatchReason::RemovedFromConfiguration(entry.name.clone()));
    let patterns = situation.policy.managed_patterns.iter();
    let patterns = patterns.filter(|pattern| live.kind == RemoteKind::Filter && pattern.matches(&live.name));
    let patterns = patterns.map(|pattern| MatchReason::Pattern(pattern.as_str().to_owned()));
    remembered.into_iter().chain(patterns).collect()
}
