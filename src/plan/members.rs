//! What a cohort needs: the calls that make its members those of its list.
//!
//! Nobody can read who is in a cohort. Whoever plans has held the declared list against what the ledger knows, and what
//! came of it is handed in, so that the planner needs neither.

use super::change::may_be;
use super::identity::{Matches, Pair, declared};
use super::step::{Action, Assumed, Conflict, Live, Sending, Step, Warning};
use super::uploads::ComparedUsers;
use super::{Situation, by_both_names, change};
use crate::ledger::{Entry, Sent};
use crate::model::{
    Cohort, DeclaredSegment, Keyword, Lifecycle, Listing, LiveKind, LiveSegment, SegmentId, SegmentKind,
    SegmentName,
};
use std::collections::BTreeMap;

/// The declared lists, held against what the ledger knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Those of cohorts.
    pub cohorts: BTreeMap<SegmentName, Compared>,
    /// Those of file segments that are files of this machine.
    pub users: BTreeMap<SegmentName, ComparedUsers>,
}

/// A declared list, held against what was sent last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The list.
    pub list: Listing,
    /// How many calls send all of it.
    pub calls: usize,
    /// What it changes; `None` where nothing is known of the members.
    pub since: Option<Since>,
}

/// What a list changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// The segment that the ledger knows; `None` where a run was about to make it.
    pub id: Option<SegmentId>,
    /// What it knows.
    pub sent: Sent,
    /// How many members have to be added.
    pub added: u64,
    /// How many have to be removed.
    pub removed: u64,
    /// How many calls do so.
    pub calls: usize,
}

/// What is needed to make a cohort what its file says; nothing when it is so already.
pub(super) fn actions(
    situation: &Situation<'_>,
    (matches, forms): (&Matches<'_>, &super::forms::Forms<'_>),
    (pair, cohort): (&Pair<'_>, &Cohort),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.segment;
    let Some((live, reason)) = &pair.live else {
        // Nothing to put away; making it only to put it away would use up a name.
        let make = (segment.lifecycle == Lifecycle::Active).then(|| make(situation, segment, cohort));
        return Ok(make.flatten().into_iter().collect());
    };
    // What a call was lost of that was to take it over is known, too.
    let entry = situation.ledger.kept(&live.id);
    let sent = entry.and_then(|entry| entry.sent.as_deref());
    possible(matches, (segment, live), (cohort, entry))?;
    let target = change::target(live, reason, forms);
    if segment.lifecycle == Lifecycle::Archived {
        if live.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return Err(Box::new(Conflict::CannotArchive {
            segment: declared(segment),
            target: matches.holder(live),
        }));
    }
    let mut actions = Vec::new();
    if may_be(live, Lifecycle::Archived, situation) {
        actions.push(Action::Unarchive(target.clone()));
    }
    // Nobody read the lists where it is not about them.
    let Some(compared) = situation.lists.cohorts.get(&segment.name) else {
        return Ok(actions);
    };
    let since = compared
        .since
        .as_ref()
        .filter(|since| since.id.as_ref() == Some(&live.id));
    let sending = match since {
        // What was sent to its end before a run could take that down is as it should be.
        Some(since) if since.added + since.removed == 0 => return Ok(actions),
        Some(since) => after(since, compared, cohort),
        None if situation.allowances.resend => whole(compared, cohort),
        None if situation.allowances.assume_in_sync => return Ok(actions),
        None => {
            return Err(Box::new(Conflict::MembersUnknown {
                segment: declared(segment),
                kind: SegmentKind::Cohort,
                target: matches.holder(live),
            }));
        }
    };
    actions.push(Action::Send(Sending {
        target: Some(target),
        known: sent.cloned(),
        ..sending
    }));
    Ok(actions)
}

/// What the API cannot do.
fn possible(
    matches: &Matches<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    (cohort, entry): (&Cohort, Option<&Entry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matches, (segment, live), (SegmentKind::Cohort, entry))?;
    let sent = entry.and_then(|entry| entry.sent.as_deref());
    match sent.filter(|sent| sent.key != cohort.key) {
        Some(sent) => Err(Box::new(Conflict::CohortKeyChanged {
            segment: declared(segment),
            target: matches.holder(live),
            before: sent.key.clone(),
            now: cohort.key.clone(),
        })),
        None => Ok(()),
    }
}

/// What is no segment of filters is of the declared kind, as far as the ledger knows, and keeps the name that it has.
pub(super) fn require_kind(
    matches: &Matches<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    (wanted, entry): (SegmentKind, Option<&Entry>),
) -> Result<(), Box<Conflict>> {
    let kind = match (&live.kind, entry.map(|entry| entry.kind)) {
        (LiveKind::Filter, _) => SegmentKind::Filter,
        (LiveKind::Other(_), Some(known @ (SegmentKind::File | SegmentKind::Cohort))) => known,
        (LiveKind::Other(_), _) => wanted,
    };
    let target = matches.holder(live);
    if kind != wanted {
        return Err(Box::new(Conflict::KindTaken {
            segment: declared(segment),
            declared_kind: wanted,
            holder: target,
            kind: kind.as_str().to_owned(),
        }));
    }
    if live.name != segment.name {
        return Err(Box::new(Conflict::CannotRename {
            segment: declared(segment),
            target,
        }));
    }
    Ok(())
}

/// Whether a live segment is a cohort that was synchronised before.
pub(super) fn is_cohort(live: &LiveSegment, situation: &Situation<'_>) -> bool {
    let entry = situation.ledger.entry(&live.id);
    entry.is_some_and(|entry| entry.kind == SegmentKind::Cohort)
}

/// Cohorts that are ours and that no file declares.
pub(super) fn left_in_use(cohorts: &[&LiveSegment]) -> Option<Warning> {
    let mut segments: Vec<Live> = cohorts.iter().map(|live| by_both_names(live)).collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::CannotArchive { segments })
}

/// Cohorts that get all members although nobody knows who is in them.
pub(super) fn may_stay(steps: &[Step]) -> Option<Warning> {
    let sent = steps.iter().filter_map(|step| match &step.action {
        Action::Send(sending) if sending.before.is_none() => Some((&step.segment, sending.target.as_ref()?)),
        _ => None,
    });
    let mut segments: Vec<Live> = sent
        .map(|(name, target)| Live {
            name: name.clone(),
            id: target.id.clone(),
        })
        .collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::MembersMayStay { segments })
}

/// Whom a cohort is taken to have of which nothing is known.
pub(super) fn assumed(
    situation: &Situation<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    cohort: &Cohort,
) -> Option<Assumed> {
    let compared = situation.lists.cohorts.get(&segment.name)?;
    let since = compared.since.as_ref();
    let is_known = since.is_some_and(|since| since.id.as_ref() == Some(&live.id));
    (!is_known).then(|| Assumed::Members(cohort.clone(), compared.list.clone()))
}

/// Makes a cohort; nothing where nobody read its list.
fn make(situation: &Situation<'_>, segment: &DeclaredSegment, cohort: &Cohort) -> Option<Action> {
    let compared = situation.lists.cohorts.get(&segment.name)?;
    let begun = compared.since.as_ref().filter(|since| since.id.is_none());
    Some(Action::Send(match begun {
        Some(begun) => after(begun, compared, cohort),
        None => whole(compared, cohort),
    }))
}

/// What makes those who are known to be members those of the list.
fn after(since: &Since, compared: &Compared, cohort: &Cohort) -> Sending {
    Sending {
        known: Some(since.sent.clone()),
        before: Some(since.sent.clone()),
        added: since.added,
        removed: since.removed,
        calls: since.calls,
        ..whole(compared, cohort)
    }
}

/// All members, sent to a segment of which nothing is known.
fn whole(compared: &Compared, cohort: &Cohort) -> Sending {
    Sending {
        target: None,
        cohort: cohort.clone(),
        list: compared.list.clone(),
        known: None,
        before: None,
        added: compared.list.count,
        removed: 0,
        calls: compared.calls,
    }
}
