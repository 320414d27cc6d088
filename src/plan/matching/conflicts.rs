//! Declared segments that match no remote segment, several of them, or one that another declaration matches, too.

use super::{Matcher, is_managed, management_reasons, undeclared_ref};
use crate::diagnostic::phrases::join_with_and;
use crate::model::{DeclaredSegment, Lifecycle, ObservedSegment, SegmentId};
use crate::plan::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use crate::plan::step::{Code, MatchReason};
use crate::plan::words::{import_help, names, stop_managing_help, yaml_name};

impl<'a> Matcher<'a> {
    /// An unmanaged segment has the declared name, and another segment has a previous one. A wrong guess would overwrite
    /// the first and archive the second.
    pub(super) fn check_ambiguous_names(&mut self) {
        for index in self.indices() {
            let Some((remote, MatchReason::Name)) = self.matched(index).cloned() else {
                continue;
            };
            let segment = self.declared(index);
            if self.input.state.managed_entry(&remote.id).is_some() {
                continue;
            }
            let names = segment.previous_names.iter();
            let previous: Vec<&ObservedSegment> = names
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|remote| self.is_unclaimed(remote))
                .collect();
            if !previous.is_empty() {
                let targets: Vec<_> = std::iter::once(remote).chain(previous).collect();
                self.add_ambiguous_target(segment, &targets);
            }
        }
    }

    /// A declared segment matches by a stronger rule than a previous name, and another managed segment has that name. The
    /// plan would archive the other one, although the configuration names it. A previous name that the state has for the
    /// matched segment is no conflict: the other one got it later.
    pub(super) fn check_previous_names_in_use(&mut self) {
        let mut found: Vec<(&'a ObservedSegment, ProposedFinding)> = Vec::new();
        for (segment, matched) in self.input.declared.iter().zip(&self.matched) {
            let Some((remote, _)) = matched else { continue };
            let entry = self.input.state.managed_entry(&remote.id);
            let previous = segment.previous_names.iter();
            let others = previous
                .filter(|name| !entry.is_some_and(|entry| entry.has_or_had_name(name)))
                .filter_map(|name| self.remote_by_name.get(name).copied())
                .filter(|other| other.lifecycle == Lifecycle::Active)
                .filter(|other| self.is_unclaimed(other) && is_managed(other, &self.input))
                .filter(|other| !self.undecided.contains(&other.id));
            found.extend(others.map(|other| {
                let managed_by = management_reasons(other, &self.input);
                (other, previous_name_in_use(segment, remote, other, &managed_by))
            }));
        }
        for (other, conflict) in found {
            self.undecided.insert(&other.id);
            self.conflicts.push(conflict);
        }
    }

    pub(super) fn add_unknown_id(&mut self, segment: &DeclaredSegment, id: &SegmentId) {
        let (name, at) = (&segment.name, DeclaredRef::from(segment).file_and_line());
        let conflict = ProposedFinding::new(Code::UnknownId, format!("`{name}`: no segment with id {id}"))
            .about(segment)
            .help(format!(
                "correct `id` at {at}: `segctl state list` shows the ids of managed segments, `segctl import` those of \
                 unmanaged ones"
            ))
            .help("remove `id`: the segment is then matched by state or by name, or created")
            .help("if the id belongs to another workspace: limit the segment to it with `workspaces: […]`");
        self.conflicts.push(conflict);
    }

    /// Both declared segments match `remote`.
    pub(super) fn add_shared_target(
        &mut self,
        first: &DeclaredSegment,
        second: &DeclaredSegment,
        remote: &'a ObservedSegment,
        matched_by: &MatchReason,
    ) {
        let id = &remote.id;
        let segments = [first, second].map(DeclaredRef::from);
        let message = format!("{} both match the segment with id {id}", names(segments));
        let mut conflict = ProposedFinding::new(Code::SharedTarget, message)
            .about_all(segments)
            .help(match matched_by {
                MatchReason::Id => "remove `id` from one of them",
                _ => "remove its name from `previous_names` of one of them",
            })
            .help("if another existing segment is meant: set its `id` in one of them")
            .help("if they are not needed: remove one of them from the configuration");
        conflict.remote_ids.push(id.clone());
        self.undecided.insert(id);
        self.conflicts.push(conflict);
    }

    pub(super) fn add_ambiguous_target(
        &mut self,
        segment: &DeclaredSegment,
        targets: &[&'a ObservedSegment],
    ) {
        self.undecided.extend(targets.iter().map(|remote| &remote.id));
        let targets: Vec<_> = targets.iter().map(|remote| undeclared_ref(remote)).collect();
        let mut conflict = ambiguous_target(segment.into(), &targets);
        // The segments with these names now: which ones they match depends on the answer.
        let names = targets.iter().map(|remote| remote.name);
        let reassigned = names.filter(|name| self.reassigned_names.contains(name));
        conflict.subjects.extend(reassigned.cloned());
        self.conflicts.push(conflict);
    }
}

fn ambiguous_target(segment: DeclaredRef<'_>, targets: &[RemoteRef<'_>]) -> ProposedFinding {
    let (name, at) = (segment.name, segment.file_and_line());
    let message = format!(
        "`{name}` matches more than one segment: {}",
        join_with_and(&targets.iter().map(ToString::to_string).collect::<Vec<_>>())
    );
    let conflict = ProposedFinding::new(Code::AmbiguousTarget, message).about(segment);
    let conflict = targets.iter().fold(conflict, ProposedFinding::held_by);
    let (named, others): (Vec<_>, Vec<_>) = targets.iter().partition(|remote| remote.name == name);
    let previous = quoted_for_yaml(others.iter().copied());
    let [own] = named.as_slice() else {
        let add_id = targets
            .iter()
            .map(|remote| format!("if `{}` is meant: add `id: {}` at {at}", remote.name, remote.id));
        return conflict.helps(add_id).help(format!(
            "if none is meant: remove {previous} from `previous_names` at {at}; `{name}` is then created"
        ));
    };
    // `own` keeps its name, so the declared segment needs a third one to match any of the others.
    let rename = others.into_iter().map(|other| {
        format!(
            "if `{}` is meant: set another `name` at {at}, since the existing segment `{name}` keeps its name, and add `id: {}`",
            other.name, other.id
        )
    });
    conflict
        .help(format!(
            "if `{name}` is meant: add `id: {}` at {at}, and remove {previous} from `previous_names`",
            own.id
        ))
        .helps(rename)
        .help(format!(
            "if none is meant: set another `name` at {at}, and remove {previous} from `previous_names`"
        ))
}

fn previous_name_in_use(
    segment: &DeclaredSegment,
    target: &ObservedSegment,
    other: &ObservedSegment,
    managed_by: &[MatchReason],
) -> ProposedFinding {
    let (name, at) = (&segment.name, DeclaredRef::from(segment).file_and_line());
    let (target, other) = (undeclared_ref(target), undeclared_ref(other));
    let message = format!(
        "`{name}` matches the segment with id {}, but {other}, which is managed and not in the configuration, has one of its \
         previous names",
        target.id
    );
    ProposedFinding::new(Code::PreviousNameInUse, message)
        .about(segment)
        .held_by(&target)
        .held_by(&other)
        .help(import_help(other.name))
        .help(format!(
            "archive it: remove `{}` from `previous_names` of `{name}` at {at}",
            other.name
        ))
        .help(stop_managing_help(managed_by))
}

/// A cycle of renames by `previous_names`: the segment matches `target` by name, and by its previous names `others`.
/// Nothing shows whether the renames were applied.
pub(super) fn undecided_rename(
    segment: &DeclaredSegment,
    target: &ObservedSegment,
    others: &[&ObservedSegment],
) -> ProposedFinding {
    let (name, at) = (&segment.name, DeclaredRef::from(segment).file_and_line());
    let target = undeclared_ref(target);
    let others: Vec<_> = others.iter().map(|other| undeclared_ref(other)).collect();
    let message = format!(
        "`{name}` matches {target}, and by `previous_names` {}; the state does not show whether the rename was applied",
        join_with_and(&others.iter().map(ToString::to_string).collect::<Vec<_>>())
    );
    let conflict = ProposedFinding::new(Code::UndecidedRename, message)
        .about(segment)
        .held_by(&target);
    let conflict = others.iter().fold(conflict, ProposedFinding::held_by);
    let ids = others.iter().map(|other| {
        format!(
            "if `{}` (id {}) is to become `{name}`: add `id: {}` at {at}",
            other.name, other.id, other.id
        )
    });
    conflict
        .help(format!(
            "if the rename was applied already: remove {} from `previous_names` at {at}",
            quoted_for_yaml(&others)
        ))
        .helps(ids)
}

fn quoted_for_yaml<'r>(segments: impl IntoIterator<Item = &'r RemoteRef<'r>>) -> String {
    let names = segments
        .into_iter()
        .map(|remote| format!("`{}`", yaml_name(remote.name)));
    join_with_and(&names.collect::<Vec<_>>())
}
