//! What a file segment needs: the one call that makes its users those of its list.
//!
//! Nobody can read who is in one, so that the list is held against the one that was uploaded last. Adding and removing
//! send what changes; where there is both, or where it is not known who is in it, a replacement does all at once. Each is
//! one of the 10 calls an hour, and a replacement counts only whom it adds.

use super::matching::{Match, Matching, declared_ref};
use super::remote_digests::RemoteDigests;
use super::step::{Action, AssumedMembers, Conflict, FixedField, SegmentRef, Step, UserListUpload, Warning};
use super::target::{possibly_in, require_kind, target};
use super::{PlanInput, segment_ref};
use crate::model::{
    DeclaredSegment, FileSegment, Lifecycle, ObservedSegment, SegmentId, SegmentKind,
    UserChange, UserListFingerprint, UserListSource,
};
use crate::state::{Addition, StateEntry, UploadState};
use jiff::{SignedDuration, Timestamp};

/// How long the users of an archived segment are kept.
const USERS_KEPT_AFTER_ARCHIVE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long before it expires a segment is told of: time enough to make another, and to change what refers to it.
const EXPIRY_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// For how long users that were added count toward the limit of a day.
const DAILY_LIMIT_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// The scene of all segments.
type MatchContext<'s, 'a> = (&'s Matching<'a>, &'s RemoteDigests<'s>);

/// How many users are added and how many removed, as far as that is known.
type UserCounts = (Option<u64>, Option<u64>);

/// What is needed to make a file segment what its file says; nothing when it is so already.
pub(super) fn actions(
    situation: &PlanInput<'_>,
    (matches, forms): MatchContext<'_, '_>,
    (pair, upload): (&Match<'_>, &FileSegment),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let Some((live, reason)) = &pair.remote else {
        if segment.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return create(situation, segment, upload);
    };
    // What a call was lost of that was to take it over is known, too.
    let entry = situation.state.any_entry(&live.id);
    let uploaded = entry.and_then(|entry| entry.upload_state.as_deref());
    check_supported(situation, matches, (segment, live), (upload, entry))?;
    let target = target(live, reason, forms);
    if segment.lifecycle == Lifecycle::Archived {
        let is_in_use = possibly_in(live, Lifecycle::Active, situation);
        return Ok(is_in_use.then_some(Action::Archive(target)).into_iter().collect());
    }
    let mut actions = Vec::new();
    let comes_out = possibly_in(live, Lifecycle::Archived, situation);
    if comes_out {
        actions.push(Action::Unarchive(target.clone()));
    }
    let Some(list) = desired_list(situation, segment, upload) else {
        return Ok(actions);
    };
    let nothing = UploadState::new(upload.identifier.clone(), upload.expires_in_days);
    let resent = situation.overrides.force_upload.then_some(&nothing);
    let Some(uploaded) = uploaded.or(resent) else {
        if situation.overrides.assume_members_in_sync {
            return Ok(actions);
        }
        return Err(Box::new(Conflict::MembersUnknown {
            segment: declared_ref(segment),
            kind: SegmentKind::File,
            target: matches.remote_ref(live),
        }));
    };
    // Also where somebody took it out meanwhile.
    let was_away = comes_out || entry.is_some_and(|entry| entry.lifecycle == Lifecycle::Archived);
    let is_lost = was_away && uploaded.may_have_lost_users(situation.now);
    let change = if is_lost {
        Some((UserChange::Replace, (list_count(&list), Some(0))))
    } else {
        user_change(situation, (segment, live), (uploaded, &list))
    };
    let Some((change, (added, removed))) = change else {
        return Ok(actions);
    };
    actions.push(Action::UploadUserList(UserListUpload {
        target: Some(target),
        upload: upload.clone(),
        list,
        recorded: entry.and_then(|entry| entry.upload_state.as_deref().cloned()),
        change: Some(change),
        added,
        removed,
    }));
    Ok(actions)
}

/// Whom a file segment is taken to have of which nothing is known.
pub(super) fn assumed_members(
    situation: &PlanInput<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    upload: &FileSegment,
) -> Option<AssumedMembers> {
    let entry = situation.state.any_entry(&live.id);
    let is_known = entry.is_some_and(|entry| entry.upload_state.is_some());
    let list = desired_list(situation, segment, upload)?;
    (!is_known).then(|| AssumedMembers::Users(upload.clone(), list))
}

/// What the API cannot do.
fn check_supported(
    situation: &PlanInput<'_>,
    matches: &Matching<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    (upload, entry): (&FileSegment, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matches, (segment, live), (SegmentKind::File, entry))?;
    let uploaded = entry.and_then(|entry| entry.upload_state.as_deref());
    let fixed = uploaded.and_then(|uploaded| changed_fixed_field(uploaded, upload));
    match fixed.filter(|_| segment.lifecycle == Lifecycle::Active) {
        Some(field) => Err(Box::new(Conflict::FixedAtUpload {
            segment: declared_ref(segment),
            target: matches.remote_ref(live),
            field,
        })),
        None => require_publish_location(situation, segment, upload),
    }
}

/// What was said when the segment was made, and is said otherwise now.
fn changed_fixed_field(uploaded: &UploadState, upload: &FileSegment) -> Option<FixedField> {
    if uploaded.identifier != upload.identifier {
        return Some(FixedField::Identifier {
            created_with: uploaded.identifier.clone(),
            declared: upload.identifier.clone(),
        });
    }
    (uploaded.expires_in_days != upload.expires_in_days).then_some(FixedField::Expiry {
        created_with: uploaded.expires_in_days,
        declared: upload.expires_in_days,
    })
}

/// A list of this machine has to be put where the service reads it.
fn require_publish_location(
    situation: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<(), Box<Conflict>> {
    let is_needed =
        matches!(upload.users, UserListSource::Local(_)) && segment.lifecycle == Lifecycle::Active;
    if is_needed && situation.policy.publish.is_none() {
        return Err(Box::new(Conflict::PublishNotConfigured {
            segment: declared_ref(segment),
        }));
    }
    Ok(())
}

fn create(
    situation: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<Vec<Action>, Box<Conflict>> {
    require_publish_location(situation, segment, upload)?;
    let Some(list) = desired_list(situation, segment, upload) else {
        return Ok(Vec::new());
    };
    let added = list_count(&list);
    Ok(vec![Action::UploadUserList(UserListUpload {
        target: None,
        upload: upload.clone(),
        list,
        recorded: None,
        change: None,
        added,
        removed: Some(0),
    })])
}

/// The list that a segment is to have; `None` where nobody read it, as in a plan that is about something else.
fn desired_list(
    situation: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Option<UserListFingerprint> {
    match &upload.users {
        UserListSource::Published { sha256, .. } => Some(UserListFingerprint::Published {
            sha256: sha256.clone(),
        }),
        UserListSource::Local(_) => {
            let compared = situation.compared_lists.file_segments.get(&segment.name)?;
            Some(UserListFingerprint::Values(compared.list.clone()))
        }
    }
}

fn list_count(list: &UserListFingerprint) -> Option<u64> {
    match list {
        UserListFingerprint::Values(listing) => Some(listing.count),
        UserListFingerprint::Published { .. } => None,
    }
}

/// The call that makes of the users those of the list, and how many it adds and removes; `None` where they are.
fn user_change(
    situation: &PlanInput<'_>,
    (segment, live): (&DeclaredSegment, &ObservedSegment),
    (uploaded, list): (&UploadState, &UserListFingerprint),
) -> Option<(UserChange, UserCounts)> {
    let unknown = Some((UserChange::Replace, (None, None)));
    let (Some(known), UserListFingerprint::Values(_)) = (&uploaded.users, list) else {
        return if uploaded.users.as_ref() == Some(list) {
            None
        } else {
            unknown
        };
    };
    let UserListFingerprint::Values(_) = known else {
        return unknown;
    };
    let compared = situation.compared_lists.file_segments.get(&segment.name)?;
    let since = compared.diff.as_ref().filter(|since| since.id == live.id);
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
pub(super) fn daily_user_limit_conflicts(steps: &[Step], situation: &PlanInput<'_>) -> Vec<Conflict> {
    let limit = situation.policy.api_behavior.daily_user_limit;
    let ago = |at: Timestamp| at.duration_until(situation.now);
    let entries = situation.state.all_entries();
    let uploaded = entries.filter_map(|entry| entry.upload_state.as_deref());
    let additions = uploaded.flat_map(|uploaded| &uploaded.additions);
    let mut before: Vec<Addition> = additions
        .filter(|added| ago(added.at) < DAILY_LIMIT_WINDOW)
        .cloned()
        .collect();
    before.sort_unstable_by_key(|added| added.at);
    let mut taken: u64 = before.iter().map(|added| added.users).sum();
    let mut conflicts = Vec::new();
    for (step, count) in steps.iter().filter_map(users_added_by) {
        if taken.saturating_add(count) <= limit {
            taken += count;
            continue;
        }
        let segment = situation
            .declared
            .iter()
            .find(|segment| segment.name == step.segment);
        conflicts.extend(segment.map(|segment| Conflict::DailyUserLimit {
            segment: declared_ref(segment),
            count,
            used: taken,
            limit,
            available_at: available_at(
                (&before, situation.now),
                taken.saturating_add(count).saturating_sub(limit),
            ),
        }));
    }
    conflicts
}

/// How many users a step adds, where that is known.
fn users_added_by(step: &Step) -> Option<(&Step, u64)> {
    let Action::UploadUserList(uploading) = &step.action else {
        return None;
    };
    let added = uploading.added.or_else(|| list_count(&uploading.list))?;
    Some((step, added))
}

/// When so many users of those that were added before count no more; a day from now where they are not as many.
fn available_at((before, now): (&[Addition], Timestamp), mut beyond: u64) -> Timestamp {
    for added in before {
        beyond = beyond.saturating_sub(added.users);
        if beyond == 0 {
            return added.at.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now);
        }
    }
    now.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now)
}

/// What becomes of users without a call.
pub(super) fn warnings(steps: &[Step], situation: &PlanInput<'_>, matches: &Matching<'_>) -> Vec<Warning> {
    let lost = users_lost_warning(steps, situation).into_iter();
    let unheard = uploads_pending_warning(situation, matches).into_iter();
    lost.chain(unheard)
        .chain(expiry_warnings(situation, matches))
        .collect()
}

/// Declared segments that have those of lists of which nobody has said what became of them.
fn uploads_pending_warning(situation: &PlanInput<'_>, matches: &Matching<'_>) -> Option<Warning> {
    let live = matches
        .matches
        .iter()
        .filter_map(|pair| pair.remote.as_ref().map(|(live, _)| *live));
    let is_unheard = |live: &&ObservedSegment| {
        let entry = situation.state.managed_entry(&live.id);
        let uploaded = entry.and_then(|entry| entry.upload_state.as_deref());
        uploaded.is_some_and(|uploaded| !uploaded.pending.is_empty() && uploaded.users.is_some())
    };
    let mut segments: Vec<SegmentRef> = live.filter(is_unheard).map(segment_ref).collect();
    segments.sort_unstable();
    (!segments.is_empty()).then_some(Warning::UploadsPending { segments })
}

/// Segments that are put away, whose users are gone for good some time later.
fn users_lost_warning(steps: &[Step], situation: &PlanInput<'_>) -> Option<Warning> {
    let put_away = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let is_file = |id: &SegmentId| {
        let entry = situation.state.managed_entry(id);
        entry.is_some_and(|entry| entry.kind == SegmentKind::File)
    };
    let segments = put_away
        .filter(|(_, id)| is_file(id))
        .map(|(name, id)| SegmentRef {
            name: name.clone(),
            id: id.clone(),
        });
    let mut segments: Vec<SegmentRef> = segments.collect();
    segments.sort_unstable();
    let until = situation.now.checked_add(USERS_KEPT_AFTER_ARCHIVE).ok()?;
    (!segments.is_empty()).then_some(Warning::UsersLost { segments, until })
}

/// Declared segments that the service archives soon, or has to have archived by now.
fn expiry_warnings(situation: &PlanInput<'_>, matches: &Matching<'_>) -> Vec<Warning> {
    let declared = matches.matches.iter();
    let in_use = declared.filter(|pair| pair.declared.lifecycle == Lifecycle::Active);
    let live = in_use.filter_map(|pair| pair.remote.as_ref().map(|(live, _)| *live));
    let expiring = live.filter_map(|live| {
        let uploaded = situation.state.managed_entry(&live.id)?.upload_state.as_deref()?;
        let at = uploaded.expires_at()?;
        let is_soon = situation.now.duration_until(at) <= EXPIRY_WARNING_PERIOD;
        is_soon.then(|| Warning::Expires {
            segment: segment_ref(live),
            at,
            is_expired: at <= situation.now,
        })
    });
    expiring.collect()
}
