//! Renames by `previous_names` among segments that match by state or name as well.

use super::conflicts::undecided_rename;
use super::{DeclaredIndex, Matcher};
use crate::definition::Identities;
use crate::model::{DeclaredSegment, Lifecycle, ObservedSegment, RemoteKind, SegmentName};
use crate::plan::cycles::cycles;
use crate::plan::rename_cycles::{self, Decision, Evidence, PreviousNameUse};
use crate::plan::step::MatchReason;

/// A previous name of a declared segment that belongs to the match of another one.
struct Takeover<'a> {
    index: DeclaredIndex,
    own: &'a ObservedSegment,
    previous_name: &'a SegmentName,
    /// The segment with the previous name, and the index of the declared segment that it matches.
    remote: &'a ObservedSegment,
    owner: DeclaredIndex,
}

impl<'a> Matcher<'a> {
    pub(super) fn has_unclaimed_previous_name(&self, segment: &DeclaredSegment) -> bool {
        let names = segment.previous_names.iter();
        let mut remotes = names.filter_map(|name| self.remote_by_name.get(name));
        remotes.any(|remote| self.is_unclaimed(remote))
    }

    /// Whether the remote segment with this name matches the declared one by state or name, and has another definition.
    pub(super) fn is_renamed_away(&self, name: &SegmentName) -> bool {
        let remote = self.remote_by_name.get(name).copied();
        let claim = remote.and_then(|remote| Some((remote, self.claim_on(remote)?)));
        let Some((remote, (index, MatchReason::State | MatchReason::Name))) = claim else {
            return false;
        };
        self.declared(index).name == *name
            && !self.has_declared_definition(index, remote, &self.resolved_references().identities)
    }

    /// In a swap or a longer cycle, the ids move with the names.
    pub(super) fn match_rename_cycles(&mut self) {
        let takeovers = self.takeovers();
        let edges = takeovers.iter().map(|takeover| (takeover.index, takeover.owner));
        let cycles = cycles(edges);
        for cycle in &cycles {
            let inside = takeovers
                .iter()
                .filter(|takeover| cycle.contains(&takeover.index) && cycle.contains(&takeover.owner));
            self.match_cycle(cycle, &inside.collect::<Vec<_>>());
        }
        let outside = takeovers
            .iter()
            .filter(|takeover| !cycles.iter().any(|cycle| cycle.contains(&takeover.index)));
        for takeover in outside {
            self.check_new_previous_name(takeover);
        }
    }

    fn takeovers(&self) -> Vec<Takeover<'a>> {
        let mut takeovers: Vec<Takeover<'a>> = Vec::new();
        for index in self.indices() {
            let Some(own) = self.renamable_match(index) else {
                continue;
            };
            for previous_name in &self.declared(index).previous_names {
                let remote = self.remote_known_as(previous_name);
                let owner = remote.and_then(|remote| Some((remote, self.claim_on(remote)?.0)));
                let Some((remote, owner)) = owner.filter(|(_, owner)| *owner != index) else {
                    continue;
                };
                let is_listed = takeovers
                    .iter()
                    .any(|takeover| (takeover.index, takeover.owner) == (index, owner));
                if self.renamable_match(owner).is_some() && !is_listed {
                    takeovers.push(Takeover {
                        index,
                        own,
                        previous_name,
                        remote,
                        owner,
                    });
                }
            }
        }
        takeovers
    }

    /// The match of an active filter segment, unless its declaration pins the id.
    fn renamable_match(&self, index: DeclaredIndex) -> Option<&'a ObservedSegment> {
        let segment = self.declared(index);
        let (remote, reason) = self.matched(index)?;
        let is_renamable = segment.lifecycle == Lifecycle::Active
            && segment.contents.definition().is_some()
            && remote.kind == RemoteKind::Filter
            && *reason != MatchReason::Id;
        is_renamable.then_some(*remote)
    }

    /// The segment that was last applied under the name, or else the one that has it.
    fn remote_known_as(&self, name: &SegmentName) -> Option<&'a ObservedSegment> {
        let entry = self.input.state.latest_by_name(name);
        let applied = entry.and_then(|entry| self.input.observed.segments.get(&entry.id));
        applied.or_else(|| self.remote_by_name.get(name).copied())
    }

    fn match_cycle(&mut self, cycle: &[DeclaredIndex], takeovers: &[&Takeover<'a>]) {
        let mut moved = self.clone();
        for takeover in takeovers {
            moved.claim(takeover.index, takeover.remote, MatchReason::PreviousName);
        }
        // Otherwise a segment has several previous names in the cycle.
        let is_single = takeovers.len() == cycle.len();
        let identities = self.resolved_references().identities;
        let moved_identities = moved.resolved_references().identities;
        let evidence = takeovers.iter().map(|takeover| Evidence {
            keeps_definition: self.has_declared_definition(takeover.index, takeover.own, &identities),
            moves_definition: is_single
                && self.has_declared_definition(takeover.index, takeover.remote, &moved_identities),
            previous_name: self.previous_name_use(takeover),
        });
        match rename_cycles::decide(&evidence.collect::<Vec<_>>()) {
            Decision::Stay => {}
            Decision::Move if is_single => *self = moved,
            Decision::Move | Decision::Undecided => self.add_undecided_conflicts(cycle, takeovers),
        }
    }

    fn add_undecided_conflicts(&mut self, cycle: &[DeclaredIndex], takeovers: &[&Takeover<'a>]) {
        for index in cycle {
            let own: Vec<_> = takeovers
                .iter()
                .filter(|takeover| takeover.index == *index)
                .collect();
            if let [first, ..] = own.as_slice() {
                let others: Vec<_> = own.iter().map(|takeover| takeover.remote).collect();
                let segment = self.declared(*index);
                self.conflicts.push(undecided_rename(segment, first.own, &others));
            }
        }
    }

    /// The previous name was added to a segment that exists, and another declared segment has that name. If one of the two
    /// has its declared definition, no id moves.
    fn check_new_previous_name(&mut self, takeover: &Takeover<'a>) {
        let entry = self.input.state.managed_entry(&takeover.own.id);
        let had_name = entry.is_some_and(|entry| entry.has_or_had_name(takeover.previous_name));
        if self.previous_name_use(takeover) != PreviousNameUse::New || had_name {
            return;
        }
        let identities = self.resolved_references().identities;
        if self.has_declared_definition(takeover.index, takeover.own, &identities)
            || self.has_declared_definition(takeover.owner, takeover.remote, &identities)
        {
            return;
        }
        let [owner, segment] = [takeover.owner, takeover.index].map(|index| self.declared(index));
        self.add_shared_target(owner, segment, takeover.remote, &MatchReason::PreviousName);
    }

    fn previous_name_use(&self, takeover: &Takeover<'a>) -> PreviousNameUse {
        let declared = self.declared(takeover.index);
        let entry = self.input.state.managed_entry(&takeover.own.id);
        match entry.filter(|entry| entry.name == declared.name) {
            None => PreviousNameUse::Unknown,
            Some(entry) if entry.used_previous_names.contains(takeover.previous_name) => {
                PreviousNameUse::UsedUp
            }
            Some(_) => PreviousNameUse::New,
        }
    }

    fn has_declared_definition(
        &self,
        index: DeclaredIndex,
        remote: &ObservedSegment,
        identities: &Identities,
    ) -> bool {
        match (self.definition(index), &remote.definition) {
            (Some(definition), Some(remote)) => {
                definition.exact_digest(identities) == remote.exact_digest(identities)
            }
            _ => false,
        }
    }
}
