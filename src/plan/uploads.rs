//! What a file segment needs: the one call that makes its users those of its list.
//!
//! Nobody can read who is in one, so that the list is held against the one that was uploaded last. Adding and removing
//! send what changes; where there is both, or where it is not known who is in it, a replacement does all at once. Each is
//! one of the 10 calls an hour, and a replacement counts only whom it adds.

use super::change::{self, may_be};
use super::forms::Forms;
use super::identity::{Matches, Pair, declared};
use super::members::require_kind;
use super::step::{Action, Assumed, Conflict, FixedField, Live, Step, Uploading, Warning};
use super::{Situation, by_both_names};
use crate::ledger::{Addition, Entry, Uploaded};
use crate::model::{
    DeclaredSegment, Lifecycle, Listing, LiveSegment, SegmentId, SegmentKind, Upload, UserChange, UserList,
    Users,
};
use jiff::{SignedDuration, Timestamp};

/// How long the users of an archived segment are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long before it expires a segment is told of: time enough to make another, and to change what refers to it.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// For how long users that were added count toward the limit of a day.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A declared list, held against what was uploaded last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedUsers {
    /// The list.
    pub list: Listing,
    /// What it changes; `None` where nothing is known of the users.
    pub since: Option<SinceUpload>,
}

/// What a list changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinceUpload {
    /// The segment that the ledger knows.
    pub id: SegmentId,
    /// How many users have to be added.
    pub added: u64,
    /// How many have to be removed.
    pub removed: u64,
}

/// The scene of all segments.
type Scene<'s, 'a> = (&'s Matches<'a>, &'s Forms<'s>);

/// How many users are added and how many removed, as far as that is known.
type Counts = (Option<u64>, Option<u64>);

/// What is needed to make a file segment what its file says; nothing when it is so already.
pub(super) fn actions(
    situation: &Situation<'_>,
    (matches, forms): Scene<'_, '_>,
    (pair, upload): (&Pair<'_>, &Upload),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.segment;
    let Some((live, reason)) = &pair.live else {
        if segment.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return make(situation, segment, upload);
    };
    // What a call was lost of that was to take it over is known, too.
    let entry = situation.ledger.kept(&live.id);
    let uploaded = entry.and_then(|entry| entry.uploaded.as_deref());
    possible(situation, matches, (segment, live), (upload, entry))?;
    let target = change::target(live, reason, forms);
    if segment.lifecycle == Lifecycle::Archived {
        let is_in_use = may_be(live, Lifecycle::Active, situation);
        return Ok(is_in_use.then_some(Action::Archive(target)).into_iter().collect());
    }
    let mut actions = Vec::new();
    let comes_out = may_be(live, Lifecycle::Archived, situation);
    if comes_out {
        actions.push(Action::Unarchive(target.clone()));
    }
    let Some(list) = wanted(situation, segment, upload) else {
        return Ok(actions);
    };
    let nothing = Uploaded::nothing(upload.identifier.clone(), upload.expires_in_days);
    let resent = situation.allowances.resend.then_some(&nothing);
    let Some(uploaded) = uploaded.or(resent) else {
        if situation.allowances.assume_in_sync {
            return Ok(actions);
        }
        return Err(Box::new(Conflict::MembersUnknown {
            segment: declared(segment),
            kind: SegmentKind::File,
            target: matches.holder(live),
        }));
    };
    // Also where somebody took it out meanwhile.
    let was_away = comes_out || entry.is_some_and(|entry| entry.lifecycle == Lifecycle::Archived);
    let is_lost = was_away && uploaded.may_be_dropped(situation.now);
    let change = if is_lost {
        Some((UserChange::Replace, (list_count(&list), Some(0))))
    } else {
        change_of(situation, (segment, live), (uploaded, &list))
    };
    let Some((change, (added, removed))) = change else {
        return Ok(actions);
    };
    actions.push(Action::Upload(Uploading {
        target: Some(target),
        upload: upload.clone(),
        list,
        before: entry.and_then(|entry| entry.uploaded.as_deref().cloned()),
        change: Some(change),
        added,
        removed,
    }));
    Ok(actions)
}

/// Whom a file segment is taken to have of which nothing is known.
pub(super) fn assumed(
    situation: &Situation<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    upload: &Upload,
) -> Option<Assumed> {
    let entry = situation.ledger.kept(&live.id);
    let is_known = entry.is_some_and(|entry| entry.uploaded.is_some());
    let list = wanted(situation, segment, upload)?;
    (!is_known).then(|| Assumed::Users(upload.clone(), list))
}

/// What the API cannot do.
fn possible(
    situation: &Situation<'_>,
    matches: &Matches<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    (upload, entry): (&Upload, Option<&Entry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matches, (segment, live), (SegmentKind::File, entry))?;
    let uploaded = entry.and_then(|entry| entry.uploaded.as_deref());
    let fixed = uploaded.and_then(|uploaded| fixed(uploaded, upload));
    match fixed.filter(|_| segment.lifecycle == Lifecycle::Active) {
        Some(field) => Err(Box::new(Conflict::FixedAtUpload {
            segment: declared(segment),
            target: matches.holder(live),
            field,
        })),
        None => published(situation, segment, upload),
    }
}

/// What was said when the segment was made, and is said otherwise now.
fn fixed(uploaded: &Uploaded, upload: &Upload) -> Option<FixedField> {
    if uploaded.identifier != upload.identifier {
        return Some(FixedField::Identifier {
            before: uploaded.identifier.clone(),
            now: upload.identifier.clone(),
        });
    }
    (uploaded.expires_in_days != upload.expires_in_days).then_some(FixedField::Expiry {
        before: uploaded.expires_in_days,
        now: upload.expires_in_days,
    })
}

/// A list of this machine has to be put where the service reads it.
fn published(
    situation: &Situation<'_>,
    segment: &DeclaredSegment,
    upload: &Upload,
) -> Result<(), Box<Conflict>> {
    let is_needed = matches!(upload.users, Users::Local(_)) && segment.lifecycle == Lifecycle::Active;
    if is_needed && situation.policy.publish.is_none() {
        return Err(Box::new(Conflict::NotPublished {
            segment: declared(segment),
        }));
    }
    Ok(())
}

fn make(
    situation: &Situation<'_>,
    segment: &DeclaredSegment,
    upload: &Upload,
) -> Result<Vec<Action>, Box<Conflict>> {
    published(situation, segment, upload)?;
    let Some(list) = wanted(situation, segment, upload) else {
        return Ok(Vec::new());
    };
    let added = list_count(&list);
    Ok(vec![Action::Upload(Uploading {
        target: None,
        upload: upload.clone(),
        list,
        before: None,
        change: None,
        added,
        removed: Some(0),
    })])
}

/// The list that a segment is to have; `None` where nobody read it, as in a plan that is about something else.
fn wanted(situation: &Situation<'_>, segment: &DeclaredSegment, upload: &Upload) -> Option<UserList> {
    match &upload.users {
        Users::Published { sha256, .. } => Some(UserList::Published {
            sha256: sha256.clone(),
        }),
        Users::Local(_) => {
            let compared = situation.lists.users.get(&segment.name)?;
            Some(UserList::Values(compared.list.clone()))
        }
    }
}

fn list_count(list: &UserList) -> Option<u64> {
    match list {
        UserList::Values(listing) => Some(listing.count),
        UserList::Published { .. } => None,
    }
}

/// The call that makes of the users those of the list, and how many it adds and removes; `None` where they are.
fn change_of(
    situation: &Situation<'_>,
    (segment, live): (&DeclaredSegment, &LiveSegment),
    (uploaded, list): (&Uploaded, &UserList),
) -> Option<(UserChange, Counts)> {
    let unknown = Some((UserChange::Replace, (None, None)));
    let (Some(known), UserList::Values(_)) = (&uploaded.users, list) else {
        return if uploaded.users.as_ref() == Some(list) {
            None
        } else {
            unknown
        };
    };
    let UserList::Values(_) = known else {
        return unknown;
    };
    let compared = situation.lists.users.get(&segment.name)?;
    let since = compared.since.as_ref().filter(|since| since.id == live.id);
    let Some(since) = since else {
        return unknown;
    };
    let change = match (since.added, since.removed) {
        (0, 0) => return None,
        (_, 0) => UserChange::Add,
        (0, _) => UserChange::Remove,
        _ => UserChange::Replace,
    };
    Some((change, (Some(since.added), Some(since.removed))))
}

/// Steps that would add more users than the service adds in a day, with those that runs before added in the last one.
pub(super) fn beyond_a_day(steps: &[Step], situation: &Situation<'_>) -> Vec<Conflict> {
    let limit = situation.policy.behaviour.users_a_day;
    let ago = |at: Timestamp| at.duration_until(situation.now);
    let entries = situation.ledger.all_kept();
    let uploaded = entries.filter_map(|entry| entry.uploaded.as_deref());
    let additions = uploaded.flat_map(|uploaded| &uploaded.added);
    let mut before: Vec<Addition> = additions.filter(|added| ago(added.at) < DAY).cloned().collect();
    before.sort_unstable_by_key(|added| added.at);
    let mut taken: u64 = before.iter().map(|added| added.users).sum();
    let mut conflicts = Vec::new();
    for (step, count) in steps.iter().filter_map(added_by) {
        if taken.saturating_add(count) <= limit {
            taken += count;
            continue;
        }
        let segment = situation
            .declared
            .iter()
            .find(|segment| segment.name == step.segment);
        conflicts.extend(segment.map(|segment| Conflict::UsersADay {
            segment: declared(segment),
            count,
            taken,
            limit,
            fits_from: fits_from(
                (&before, situation.now),
                taken.saturating_add(count).saturating_sub(limit),
            ),
        }));
    }
    conflicts
}

/// How many users a step adds, where that is known.
fn added_by(step: &Step) -> Option<(&Step, u64)> {
    let Action::Upload(uploading) = &step.action else {
        return None;
    };
    let added = uploading.added.or_else(|| list_count(&uploading.list))?;
    Some((step, added))
}

/// When so many users of those that were added before count no more; a day from now where they are not as many.
fn fits_from((before, now): (&[Addition], Timestamp), mut beyond: u64) -> Timestamp {
    for added in before {
        beyond = beyond.saturating_sub(added.users);
        if beyond == 0 {
            return added.at.saturating_add(DAY).unwrap_or(now);
        }
    }
    now.saturating_add(DAY).unwrap_or(now)
}

/// What becomes of users without a call.
pub(super) fn warnings(steps: &[Step], situation: &Situation<'_>, matches: &Matches<'_>) -> Vec<Warning> {
    let lost = users_lost(steps, situation).into_iter();
    let unheard = unheard(situation, matches).into_iter();
    lost.chain(unheard).chain(expiring(situation, matches)).collect()
}

/// Declared segments that have those of lists of which nobody has said what became of them.
fn unheard(situation: &Situation<'_>, matches: &Matches<'_>) -> Option<Warning> {
    let live = matches
        .pairs
        .iter()
        .filter_map(|pair| pair.live.as_ref().map(|(live, _)| *live));
    let is_unheard = |live: &&LiveSegment| {
        let entry = situation.ledger.entry(&live.id);
        let uploaded = entry.and_then(|entry| entry.uploaded.as_deref());
        uploaded.is_some_and(|uploaded| !uploaded.awaited.is_empty() && uploaded.users.is_some())
    };
    let mut segments: Vec<Live> = live.filter(is_unheard).map(by_both_names).collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::ListsUnheard { segments })
}

/// Segments that are put away, whose users are gone for good some time later.
fn users_lost(steps: &[Step], situation: &Situation<'_>) -> Option<Warning> {
    let put_away = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let is_file = |id: &SegmentId| {
        let entry = situation.ledger.entry(id);
        entry.is_some_and(|entry| entry.kind == SegmentKind::File)
    };
    let segments = put_away.filter(|(_, id)| is_file(id)).map(|(name, id)| Live {
        name: name.clone(),
        id: id.clone(),
    });
    let mut segments: Vec<Live> = segments.collect();
    segments.sort_unstable();
    let until = situation.now.checked_add(KEPT).ok()?;
    (!segments.is_empty()).then_some(Warning::UsersLost { segments, until })
}

/// Declared segments that the service archives soon, or has to have archived by now.
fn expiring(situation: &Situation<'_>, matches: &Matches<'_>) -> Vec<Warning> {
    let declared = matches.pairs.iter();
    let in_use = declared.filter(|pair| pair.segment.lifecycle == Lifecycle::Active);
    let live = in_use.filter_map(|pair| pair.live.as_ref().map(|(live, _)| *live));
    let expiring = live.filter_map(|live| {
        let uploaded = situation.ledger.entry(&live.id)?.uploaded.as_deref()?;
        let at = uploaded.expires_at()?;
        let is_soon = situation.now.duration_until(at) <= SOON;
        is_soon.then(|| Warning::Expires {
            segment: by_both_names(live),
            at,
            is_over: at <= situation.now,
        })
    });
    expiring.collect()
}
