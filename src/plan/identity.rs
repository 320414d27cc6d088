//! Which live segment each declared one is, and which live ones are ours without a file.
//!
//! By, in order: the id in the file, the ledger's entry for the declared name, the exact name, the temporary name of
//! an unfinished rename, a previous name, and last the definition of an owned segment that no file declares. Each
//! way is tried for all declared segments before the next, and a live segment that one of them is found to be is
//! out of reach for the others. One exception: a name that another segment has as its previous name, and that is
//! not live under any way that comes before, goes to that segment: such a file says that the name was moved on.

use super::Situation;
use super::same::Same;
use super::step::{Conflict, Declared, Holder, Known, MatchReason};
use crate::definition::{Digest, Identities, print};
use crate::model::{
    DeclaredSegment, Lifecycle, LiveKind, LiveSegment, Origin, Payload, SegmentId, SegmentName,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A declared segment with the live one that it is.
#[derive(Clone)]
pub(super) struct Pair<'a> {
    pub(super) segment: &'a DeclaredSegment,
    pub(super) live: Option<(&'a LiveSegment, MatchReason)>,
}

/// Declared segments with the live ones they are.
pub(super) struct Matches<'a> {
    /// In the order declared.
    pub(super) pairs: Vec<Pair<'a>>,
    /// What references mean.
    pub(super) known: Known,
    /// Live segments that are ours and that no file declares.
    pub(super) orphans: Vec<&'a LiveSegment>,
    /// Live segments by their names, which are unique.
    pub(super) live_by_name: HashMap<&'a SegmentName, &'a LiveSegment>,
    /// Live segments that are nobody's business.
    pub(super) unmanaged: Vec<&'a LiveSegment>,
    /// Declared segments that cannot be told which live one they are.
    pub(super) conflicts: Vec<Conflict>,
    /// Names of declared segments that cannot be told which live one they are: nothing is done for them.
    unresolved: HashSet<&'a SegmentName>,
    declared_as: HashMap<Same, &'a DeclaredSegment>,
}

impl Matches<'_> {
    /// Whether it cannot be told which live segment a declared one is.
    pub(super) fn is_unresolved(&self, segment: &DeclaredSegment) -> bool {
        self.unresolved.contains(&segment.name)
    }

    /// Where a live segment is declared.
    pub(super) fn origin_of(&self, live: &LiveSegment) -> Option<&Origin> {
        self.declared_as
            .get(&Same::of(live))
            .map(|segment| &segment.origin)
    }

    /// What a live segment is declared as.
    pub(super) fn declared_name_of(&self, live: &LiveSegment) -> Option<&SegmentName> {
        self.declared_as.get(&Same::of(live)).map(|segment| &segment.name)
    }

    /// A live segment as the other side of a conflict.
    pub(super) fn holder(&self, live: &LiveSegment) -> Holder {
        Holder {
            id: live.id.clone(),
            name: live.name.clone(),
            lifecycle: live.lifecycle,
            declared: self
                .declared_as
                .get(&Same::of(live))
                .map(|segment| declared(segment)),
        }
    }
}

/// A declared segment as one side of a conflict.
pub(super) fn declared(segment: &DeclaredSegment) -> Declared {
    Declared {
        name: segment.name.clone(),
        origin: segment.origin.clone(),
    }
}

/// Matches every declared segment.
pub(super) fn match_all<'a>(situation: &Situation<'a>) -> Matches<'a> {
    let mut search = Search::new(situation);
    search.by_own_names();
    search.strangers_under_our_names();
    search.by_previous_name();
    search.by_definition();
    search.previous_names_left_live();
    search.done()
}

/// The search as far as it has come.
struct Search<'a> {
    situation: Situation<'a>,
    by_name: HashMap<&'a SegmentName, &'a LiveSegment>,
    declared_names: HashSet<&'a SegmentName>,
    /// For each declared segment, in order, what was found.
    found: Vec<Option<(&'a LiveSegment, MatchReason)>>,
    /// Live segments that are out of reach.
    claimed: HashMap<Same, usize>,
    /// Names that a declared segment without a live one had before.
    moved_on: BTreeSet<&'a SegmentName>,
    conflicts: Vec<Conflict>,
}

impl<'a> Search<'a> {
    fn new(situation: &Situation<'a>) -> Self {
        let by_name: HashMap<_, _> = situation
            .observed
            .segments
            .values()
            .map(|live| (&live.name, live))
            .collect();
        Self {
            situation: *situation,
            by_name,
            declared_names: situation.declared.iter().map(|segment| &segment.name).collect(),
            found: vec![None; situation.declared.len()],
            claimed: HashMap::with_capacity(situation.declared.len()),
            moved_on: BTreeSet::new(),
            conflicts: Vec::new(),
        }
    }

    /// The ways that lead to a segment's own id or name. A declared segment to which none of them leads is not live
    /// under its name yet: then its previous names are its own, although another file may declare one of them by now.
    /// That other one has lost its live segment then, which may make it look for a previous name in turn.
    fn by_own_names(&mut self) {
        loop {
            self.found = vec![None; self.situation.declared.len()];
            self.claimed.clear();
            self.conflicts.clear();
            self.by_id();
            self.by_ledger();
            self.by_name();
            self.by_temporary_name();
            // One that is declared put away never comes to be live under its name, and would go on looking for ever.
            let lost = self.open().into_iter().map(|(_, segment)| segment);
            let lost = lost.filter(|segment| segment.lifecycle == Lifecycle::Active);
            // Where one of its previous names leads to a segment that nobody else means, that is the one.
            let lost = lost.filter(|segment| !self.has_free_previous_name(segment));
            let lost = lost.flat_map(|segment| &segment.previous_names);
            let moved_on: BTreeSet<&SegmentName> =
                lost.filter(|name| self.is_claimed_by_name(name)).collect();
            if moved_on.is_empty() {
                return;
            }
            self.moved_on.extend(moved_on);
        }
    }

    fn has_free_previous_name(&self, segment: &DeclaredSegment) -> bool {
        let live = segment
            .previous_names
            .iter()
            .filter_map(|name| self.by_name.get(name));
        live.into_iter().any(|live| self.is_free(live))
    }

    /// Whether a declared segment of this name was found by the ledger or by the name.
    fn is_claimed_by_name(&self, name: &SegmentName) -> bool {
        let live = self.by_name.get(name);
        let index = live.and_then(|live| self.claimed.get(&Same::of(live))).copied();
        let Some(index) = index else { return false };
        let found = self.found.get(index).cloned().flatten();
        let is_own = self
            .situation
            .declared
            .get(index)
            .is_some_and(|segment| segment.name == *name);
        let by_name =
            found.is_some_and(|(_, reason)| matches!(reason, MatchReason::Ledger | MatchReason::Name));
        is_own && by_name
    }

    /// A stranger has the declared name, and a live segment has a previous one: the file may mean either. Taking the
    /// stranger would overwrite what somebody made and put away what was meant.
    fn strangers_under_our_names(&mut self) {
        for (index, segment) in self.situation.declared.iter().enumerate() {
            let Some((live, MatchReason::Name)) = self.found.get(index).cloned().flatten() else {
                continue;
            };
            if self.situation.ledger.entry(&live.id).is_some() {
                continue;
            }
            let previous = segment.previous_names.iter();
            let previous = previous.filter_map(|name| self.by_name.get(name).copied());
            let previous: Vec<&LiveSegment> = previous.filter(|live| self.is_free(live)).collect();
            if !previous.is_empty() {
                self.conflicts.push(Conflict::AmbiguousTarget {
                    segment: declared(segment),
                    targets: std::iter::once(live).chain(previous).map(holder).collect(),
                });
            }
        }
    }

    /// A segment was found by a stronger way than its previous names, and one of these belongs to another segment that
    /// would be put away as nobody's, although a file names it. A name that the found one itself is known to have had is
    /// told by that: somebody else took it since.
    fn previous_names_left_live(&mut self) {
        let contested: HashSet<&SegmentId> = self.conflicts.iter().flat_map(Conflict::contested).collect();
        let mut conflicts = Vec::new();
        for (segment, found) in self.situation.declared.iter().zip(&self.found) {
            let Some((live, _)) = found else { continue };
            let known = self.situation.ledger.entry(&live.id);
            let previous = segment.previous_names.iter();
            let others = previous
                .filter(|name| !known.is_some_and(|entry| entry.had(name)))
                .filter_map(|name| self.by_name.get(name).copied())
                .filter(|other| other.lifecycle == Lifecycle::Active)
                .filter(|other| self.is_free(other) && is_ours(other, &self.situation))
                .filter(|other| !contested.contains(&other.id));
            conflicts.extend(others.map(|other| Conflict::PreviousNameLive {
                segment: declared(segment),
                target: holder(live),
                other: holder(other),
                owned_by: owners(other, &self.situation),
            }));
        }
        self.conflicts.extend(conflicts);
    }

    fn claim(&mut self, index: usize, live: &'a LiveSegment, reason: MatchReason) {
        if let Some(found) = self.found.get_mut(index) {
            *found = Some((live, reason));
            self.claimed.insert(Same::of(live), index);
        }
    }

    /// Declared segments that are not matched, with their places in the list.
    fn open(&self) -> Vec<(usize, &'a DeclaredSegment)> {
        let declared = self.situation.declared.iter().enumerate();
        declared
            .filter(|(index, _)| self.found.get(*index).is_some_and(Option::is_none))
            .collect()
    }

    fn is_free(&self, live: &LiveSegment) -> bool {
        !self.claimed.contains_key(&Same::of(live))
    }

    fn by_id(&mut self) {
        for (index, segment) in self.open() {
            let Some(id) = &segment.id else { continue };
            match self.situation.observed.segments.get(id) {
                None => self.conflicts.push(Conflict::UnknownId {
                    segment: declared(segment),
                    id: id.clone(),
                }),
                Some(live) => match self.claimed.get(&Same::of(live)) {
                    Some(other) => self.shared(*other, segment, (live, MatchReason::Id)),
                    None => self.claim(index, live, MatchReason::Id),
                },
            }
        }
    }

    fn shared(
        &mut self,
        other: usize,
        segment: &DeclaredSegment,
        (live, matched_by): (&LiveSegment, MatchReason),
    ) {
        let first = self.situation.declared.get(other);
        self.conflicts.push(Conflict::SharedTarget {
            segments: first.into_iter().chain([segment]).map(declared).collect(),
            target: live.id.clone(),
            matched_by,
        });
    }

    /// The live segment that the ledger has for a declared name.
    fn ledgers(&self, segment: &DeclaredSegment) -> Option<&'a LiveSegment> {
        let entry = self.situation.ledger.named(&segment.name)?;
        self.situation.observed.segments.get(&entry.id)
    }

    fn by_ledger(&mut self) {
        for (index, segment) in self.open() {
            if segment.id.is_some() || self.moved_on.contains(&segment.name) {
                continue;
            }
            if let Some(live) = self.ledgers(segment).filter(|live| self.is_free(live)) {
                self.claim(index, live, MatchReason::Ledger);
            }
        }
    }

    fn by_name(&mut self) {
        for (index, segment) in self.open() {
            if segment.id.is_some() || self.moved_on.contains(&segment.name) {
                continue;
            }
            let live = self.by_name.get(&segment.name).copied();
            if let Some(live) = live.filter(|live| self.is_free(live)) {
                self.claim(index, live, MatchReason::Name);
            }
        }
    }

    fn by_temporary_name(&mut self) {
        for (index, segment) in self.open() {
            let live = self.by_name.get(&segment.name.temporary()).copied();
            if let Some(live) = live.filter(|live| self.is_free(live)) {
                self.claim(index, live, MatchReason::Passing);
            }
        }
    }

    fn by_previous_name(&mut self) {
        for (index, segment) in self.open() {
            let names = segment.previous_names.iter();
            let live: Vec<&LiveSegment> = names
                .filter_map(|name| self.by_name.get(name).copied())
                .filter(|live| self.is_free(live) || self.is_previous_of_other(live))
                .collect();
            match live.as_slice() {
                [] => {}
                [only] => match self.claimed.get(&Same::of(only)) {
                    Some(other) => self.shared(*other, segment, (only, MatchReason::PreviousName)),
                    None => self.claim(index, only, MatchReason::PreviousName),
                },
                several => {
                    let targets = several.iter().map(|live| holder(live)).collect();
                    self.conflicts.push(Conflict::AmbiguousTarget {
                        segment: declared(segment),
                        targets,
                    });
                }
            }
        }
    }

    /// Whether another declared segment got `live` for its previous name, too.
    fn is_previous_of_other(&self, live: &LiveSegment) -> bool {
        let index = self.claimed.get(&Same::of(live));
        let found = index.and_then(|index| self.found.get(*index)).cloned().flatten();
        found.is_some_and(|(_, reason)| reason == MatchReason::PreviousName)
    }

    /// Files that were renamed without saying so: a create would be refused for the definition, and an archive
    /// of the old one would be one more step that nobody asked for.
    fn by_definition(&mut self) {
        // Renames change what references mean, so that one more definition may be recognised each time.
        for _ in 0..ROUNDS {
            let open = self.open().into_iter();
            let open: Vec<_> = open
                .filter(|(_, segment)| segment.id.is_none() && segment.lifecycle == Lifecycle::Active)
                .filter_map(|(index, segment)| Some((index, segment.contents.definition()?)))
                .collect();
            let candidates = self.without_files();
            if open.is_empty() || candidates.is_empty() {
                return;
            }
            let identities = self.known().identities;
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
                let digest = Digest::exact(&print(definition), &identities);
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
    fn without_files(&self) -> Vec<(&'a LiveSegment, &'a Payload)> {
        let live = self.situation.observed.segments.values();
        live.filter(|live| self.is_free(live) && is_ours(live, &self.situation))
            .filter_map(|live| Some((live, live.definition.as_ref()?)))
            .collect()
    }

    fn known(&self) -> Known {
        // A declared name always means the declared segment, live already or not.
        let free = self.situation.observed.segments.values();
        let free = free
            .filter(|live| self.is_free(live) && !self.declared_names.contains(&live.name))
            .map(|live| (live.name.clone(), live.id.clone()));
        let found = self.situation.declared.iter().zip(&self.found);
        let found = found.filter_map(|(segment, found)| Some((&segment.name, &found.as_ref()?.0.id)));
        let undeclared_by_name: BTreeMap<_, _> = free.collect();
        let by_name = found.clone().map(|(name, id)| (name.clone(), id.clone()));
        Known {
            ids: undeclared_by_name.clone().into_iter().chain(by_name).collect(),
            identities: Identities {
                undeclared_by_name,
                declared_by_id: found.map(|(name, id)| (id.clone(), name.clone())).collect(),
            },
        }
    }

    /// Declared segments with a conflict.
    fn unresolved(&self) -> Vec<&'a DeclaredSegment> {
        let names: HashSet<&SegmentName> = self.conflicts.iter().flat_map(Conflict::segments).collect();
        let declared = self.situation.declared.iter();
        declared.filter(|segment| names.contains(&segment.name)).collect()
    }

    fn done(self) -> Matches<'a> {
        let known = self.known();
        let unresolved = self.unresolved();
        let contested: HashSet<&SegmentId> = self.conflicts.iter().flat_map(Conflict::contested).collect();
        // What an unresolved file may mean is not without a file.
        let may_be_meant = |live: &LiveSegment| {
            contested.contains(&live.id)
                || unresolved
                    .iter()
                    .any(|segment| segment.name == live.name || segment.previous_names.contains(&live.name))
        };
        let free = self.situation.observed.segments.values();
        let (orphans, unmanaged): (Vec<_>, Vec<_>) = free
            .filter(|live| self.is_free(live))
            .filter(|live| !may_be_meant(live))
            .partition(|live| is_ours(live, &self.situation));
        let unresolved = unresolved.into_iter().map(|segment| &segment.name).collect();
        let declared = self.situation.declared.iter();
        let pairs: Vec<Pair<'a>> = declared
            .zip(self.found)
            .map(|(segment, live)| Pair { segment, live })
            .collect();
        let declared_as = pairs
            .iter()
            .filter_map(|pair| pair.live.as_ref().map(|(live, _)| (Same::of(live), pair.segment)))
            .collect();
        Matches {
            pairs,
            known,
            live_by_name: self.by_name,
            orphans,
            unmanaged,
            conflicts: self.conflicts,
            unresolved,
            declared_as,
        }
    }
}

/// Rounds of looking for renamed files: a chain of references as deep as the service takes is renamed whole.
const ROUNDS: usize = 8;

/// A live segment that no declared one was found to be.
fn holder(live: &LiveSegment) -> Holder {
    Holder {
        id: live.id.clone(),
        name: live.name.clone(),
        lifecycle: live.lifecycle,
        declared: None,
    }
}

/// Whether an undeclared live segment is ours.
fn is_ours(live: &LiveSegment, situation: &Situation<'_>) -> bool {
    let is_owned = live.kind == LiveKind::Filter && situation.policy.owns(&live.name);
    is_owned || situation.ledger.entry(&live.id).is_some()
}

/// Everything that makes an undeclared live segment ours, the ledger first. No pattern makes other kinds than filters ours.
pub(super) fn owners(live: &LiveSegment, situation: &Situation<'_>) -> Vec<MatchReason> {
    let remembered = situation.ledger.entry(&live.id);
    let remembered = remembered.map(|entry| MatchReason::Remembered(entry.name.clone()));
    let patterns = situation.policy.owns.iter();
    let patterns = patterns.filter(|pattern| live.kind == LiveKind::Filter && pattern.matches(&live.name));
    let patterns = patterns.map(|pattern| MatchReason::Pattern(pattern.as_str().to_owned()));
    remembered.into_iter().chain(patterns).collect()
}
