//! What each segment needs: the steps for it alone, without their order.

use super::drift;
use super::forms::Forms;
use super::identity::{Matches, Pair, declared, owners};
use super::step::{
    Action, Assumed, Change, Changed, Conflict, Known, Live, MatchReason, Record, Step, Target, Unchanged,
    Wanted, Warning,
};
use super::{Situation, members, uploads};
use crate::definition::{Digest, FieldChange, diff, normal, print};
use crate::model::{
    Adoption, Contents, DeclaredSegment, Definition, Lifecycle, LiveKind, LiveSegment, Origin, SegmentId,
    SegmentKind, SegmentName,
};
use serde_json::Value;

/// A step without number and dependencies.
#[derive(Clone, Debug)]
pub(super) struct Draft<'a> {
    /// The declared name, or the live one of a segment without a file.
    pub(super) name: &'a SegmentName,
    /// `None` when no file declares it.
    pub(super) declared: Option<&'a DeclaredSegment>,
    /// What is live of it.
    pub(super) live: Option<&'a LiveSegment>,
    pub(super) adopts: bool,
    pub(super) action: Action,
}

impl Draft<'_> {
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.declared.map(|segment| &segment.origin)
    }

    /// Whether its segment has the name after it and not before.
    pub(super) fn takes_name(&self) -> bool {
        match &self.action {
            Action::Create(_) => true,
            Action::Send(_) | Action::Upload(_) => self.action.target().is_none(),
            Action::Update(change) => change.renames(),
            Action::Archive(_) | Action::Unarchive(_) => false,
        }
    }
}

/// What is needed for all segments together.
#[derive(Default)]
pub(super) struct Changes<'a> {
    /// A segment's drafts stand together, the unarchive before the update.
    pub(super) drafts: Vec<Draft<'a>>,
    pub(super) unchanged: Vec<Unchanged>,
    pub(super) records: Vec<Record>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) warnings: Vec<Warning>,
}

/// Drafts the steps that make every declared segment what its file says, and that put away what is ours without one.
pub(super) fn all<'a>(situation: &Situation<'a>, matches: &Matches<'a>, forms: &Forms<'_>) -> Changes<'a> {
    let mut changes = Changes::default();
    let resolved = matches
        .pairs
        .iter()
        .filter(|pair| !matches.is_unresolved(pair.segment));
    for pair in resolved {
        of_declared(situation, (matches, forms), pair, &mut changes);
    }
    let orphans = matches.orphans.iter().copied();
    let orphans = orphans.filter(|live| may_be(live, Lifecycle::Active, situation));
    let (cohorts, others): (Vec<_>, Vec<_>) = orphans.partition(|live| members::is_cohort(live, situation));
    for live in others {
        of_orphan(situation, (matches, forms), live, &mut changes);
    }
    changes.warnings.extend(members::left_in_use(&cohorts));
    changes
}

/// Whether a segment is in use, or is archived, as far as is known.
pub(super) fn may_be(live: &LiveSegment, lifecycle: Lifecycle, situation: &Situation<'_>) -> bool {
    live.lifecycle == lifecycle || is_lifecycle_unknown(&live.id, situation)
}

fn is_lifecycle_unknown(id: &SegmentId, situation: &Situation<'_>) -> bool {
    // Whosever it is: what is met for the first time may have been put away by a run that never knew.
    let known = situation.ledger.kept(id);
    let is_unknown = known.is_some_and(|entry| entry.lifecycle_unknown);
    situation.policy.behaviour.list_shows_archived && is_unknown
}

/// Segments that are put away or taken out although they may be so already.
pub(super) fn lifecycle_unknown(steps: &[Step], situation: &Situation<'_>) -> Option<Warning> {
    let moved = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) | Action::Unarchive(target) => Some((&step.segment, &target.id)),
        Action::Create(_) | Action::Update(_) | Action::Send(_) | Action::Upload(_) => None,
    });
    let unknown = moved.filter(|(_, id)| is_lifecycle_unknown(id, situation));
    let mut segments: Vec<_> = unknown
        .map(|(name, id)| Live {
            name: name.clone(),
            id: id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::LifecycleUnknown { segments })
}

/// What is ours and has no file is put away. What only a pattern makes ours was made by somebody else: this is the first
/// contact with it.
fn of_orphan<'a>(
    situation: &Situation<'a>,
    (matches, forms): (&Matches<'a>, &Forms<'_>),
    live: &'a LiveSegment,
    changes: &mut Changes<'a>,
) {
    let Some(reason) = owners(live, situation).into_iter().next() else {
        return;
    };
    let pattern = reason.pattern().map(str::to_owned);
    let adopts = pattern.is_some();
    if let Some(pattern) = pattern.filter(|_| situation.policy.adoption == Adoption::Refuse) {
        changes.conflicts.push(Conflict::ArchiveRefused {
            target: matches.holder(live),
            pattern,
        });
    }
    changes.drafts.push(Draft {
        name: &live.name,
        declared: None,
        live: Some(live),
        adopts,
        action: Action::Archive(target(live, &reason, forms)),
    });
}

fn of_declared<'a>(
    situation: &Situation<'a>,
    (matches, forms): (&Matches<'a>, &Forms<'_>),
    pair: &Pair<'a>,
    changes: &mut Changes<'a>,
) {
    let actions = match actions(situation, (matches, forms), pair) {
        Ok(actions) => actions,
        Err(conflict) => return changes.conflicts.push(*conflict),
    };
    let segment = pair.segment;
    let is_met = |live: &LiveSegment| situation.ledger.entry(&live.id).is_some();
    let new = pair.live.as_ref().filter(|(live, _)| !is_met(live));
    if let Some((live, reason)) = new {
        let is_told = *reason == MatchReason::Id;
        if situation.policy.adoption == Adoption::Refuse && !is_told {
            return changes.conflicts.push(Conflict::AdoptionRefused {
                segment: declared(segment),
                target: matches.holder(live),
            });
        }
        changes
            .warnings
            .extend(overwritten(matches, segment, live, &actions));
    }
    if actions.is_empty() {
        changes.unchanged.push(Unchanged {
            segment: segment.name.clone(),
            live: pair
                .live
                .as_ref()
                .map(|(live, reason)| (live.id.clone(), reason.clone())),
        });
        let live = pair.live.as_ref();
        changes
            .records
            .extend(live.and_then(|live| record(situation, segment, live, forms)));
    } else if let Some(live) = pair.live.as_ref()
        && assumed(situation, segment, live.0).is_some()
    {
        // It has to be taken out besides.
        changes.records.extend(record(situation, segment, live, forms));
    }
    for (index, action) in actions.into_iter().enumerate() {
        changes.drafts.push(Draft {
            name: &segment.name,
            declared: Some(segment),
            live: pair.live.as_ref().map(|(live, _)| *live),
            // Counted once for a segment, however many steps it takes.
            adopts: new.is_some() && index == 0,
            action,
        });
    }
}

/// What the ledger should learn of a segment that needs no write, if it does not know it yet.
fn record(
    situation: &Situation<'_>,
    segment: &DeclaredSegment,
    (live, matched_by): &(&LiveSegment, MatchReason),
    forms: &Forms<'_>,
) -> Option<Record> {
    let entry = situation.ledger.entry(&live.id);
    let is_known = entry.is_some_and(|entry| {
        let is_same = entry.name == segment.name
            && entry.lifecycle == live.lifecycle
            && entry.protect == segment.protect;
        // What was changed the same way in the file and in the workspace is what is applied from now on.
        let digest = forms.digests(live).map(|digests| digests.exact);
        is_same && (digest.is_none() || drift::applied_digest(entry) == digest)
    });
    let assumed = assumed(situation, segment, live);
    (!is_known || assumed.is_some()).then(|| Record {
        segment: segment.name.clone(),
        id: live.id.clone(),
        lifecycle: live.lifecycle,
        protect: segment.protect,
        definition: live.definition.clone(),
        matched_by: matched_by.clone(),
        adopts: entry.is_none(),
        assumed,
    })
}

/// Whom a segment without filters is taken to have.
fn assumed(situation: &Situation<'_>, segment: &DeclaredSegment, live: &LiveSegment) -> Option<Assumed> {
    if segment.lifecycle == Lifecycle::Archived || !situation.allowances.assume_in_sync {
        return None;
    }
    match &segment.contents {
        Contents::Filter(_) => None,
        Contents::Cohort(cohort) => members::assumed(situation, (segment, live), cohort),
        Contents::File(upload) => uploads::assumed(situation, (segment, live), upload),
    }
}

/// What is lost from the workspace when a segment that somebody else made becomes what its file says.
fn overwritten(
    matches: &Matches<'_>,
    segment: &DeclaredSegment,
    live: &LiveSegment,
    actions: &[Action],
) -> Option<Warning> {
    let update = actions.iter().find_map(|action| match action {
        Action::Update(change) => Some(change),
        Action::Create(_)
        | Action::Archive(_)
        | Action::Unarchive(_)
        | Action::Send(_)
        | Action::Upload(_) => None,
    });
    update.map(|change| Warning::OverwritesByHand {
        segment: declared(segment),
        target: matches.holder(live),
        changes: change
            .changes
            .iter()
            .map(|changed| changed.change.clone())
            .collect(),
    })
}

/// What is needed to make a segment what its file says; nothing when it is so already.
fn actions(
    situation: &Situation<'_>,
    (matches, forms): (&Matches<'_>, &Forms<'_>),
    pair: &Pair<'_>,
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.segment;
    let definition = match &segment.contents {
        Contents::Filter(definition) => definition,
        Contents::Cohort(cohort) => {
            return members::actions(situation, (matches, forms), (pair, cohort));
        }
        Contents::File(upload) => {
            return uploads::actions(situation, (matches, forms), (pair, upload));
        }
    };
    if let Some((live, _)) = &pair.live
        && let LiveKind::Other(kind) = &live.kind
    {
        // Put away, an upload loses its members for good: not even that is done to it.
        return Err(Box::new(Conflict::KindTaken {
            segment: declared(segment),
            declared_kind: SegmentKind::Filter,
            holder: matches.holder(live),
            kind: kind.clone(),
        }));
    }
    match (segment.lifecycle, &pair.live) {
        // Nothing to put away; making it only to put it away would use up a name and a definition.
        (Lifecycle::Archived, None) => Ok(Vec::new()),
        (Lifecycle::Archived, Some((live, reason))) => {
            let is_done = !may_be(live, Lifecycle::Active, situation);
            let archive = (!is_done).then(|| Action::Archive(target(live, reason, forms)));
            Ok(archive.into_iter().collect())
        }
        (Lifecycle::Active, None) => {
            let wanted = Wanted::new(print(definition), &matches.known.identities);
            Ok(vec![Action::Create(wanted)])
        }
        (Lifecycle::Active, Some((live, reason))) => {
            let known = (&matches.known, forms);
            Ok(active(situation, known, (segment, definition), (live, reason)))
        }
    }
}

fn active(
    situation: &Situation<'_>,
    (known, forms): (&Known, &Forms<'_>),
    (segment, definition): (&DeclaredSegment, &Definition),
    (live, reason): (&LiveSegment, &MatchReason),
) -> Vec<Action> {
    let target = target(live, reason, forms);
    let mut actions = Vec::new();
    if may_be(live, Lifecycle::Archived, situation) {
        // An archived segment cannot be updated, so this comes first.
        actions.push(Action::Unarchive(target.clone()));
    }
    let payload = print(definition);
    let form = normal::exact(&payload, &known.identities);
    let digest = Digest::of_form(&form);
    let is_same = forms.digests(live).is_some_and(|found| found.exact == digest);
    if !is_same || live.name != segment.name {
        actions.push(Action::Update(Change {
            target,
            name: segment.name.clone(),
            wanted: Wanted::of_form(payload, &form),
            changes: changed(situation, (known, forms), (segment, live), &form),
            passing: None,
        }));
    }
    actions
}

pub(super) fn target(live: &LiveSegment, matched_by: &MatchReason, forms: &Forms<'_>) -> Target {
    Target {
        id: live.id.clone(),
        live_name: live.name.clone(),
        matched_by: matched_by.clone(),
        lifecycle: live.lifecycle,
        seen: forms.digests(live).map(|digests| digests.exact),
    }
}

/// Every field in which the live segment differs from its file, each with who made the difference.
fn changed(
    situation: &Situation<'_>,
    (known, forms): (&Known, &Forms<'_>),
    (segment, live): (&DeclaredSegment, &LiveSegment),
    wanted: &Value,
) -> Vec<Changed> {
    let base = drift::Base::of(situation.ledger.entry(&live.id));
    let found = &forms.exact(live).unwrap_or_default();
    let mut changes = Vec::new();
    if live.name != segment.name {
        changes.push(Changed {
            change: FieldChange::of_name(&live.name, &segment.name),
            cause: base.cause_of_name(&live.name, &segment.name),
        });
    }
    let fields = diff(found, wanted);
    let fields = base.with_causes(fields, (found, wanted), known).into_iter();
    changes.extend(fields.map(|changed| Changed {
        change: changed.change.spelled(&known.identities),
        ..changed
    }));
    changes
}
