//! The steps of a file segment: the one request that sets its users to those of its list.
//!
//! The API does not return the users of a file segment, so the list is compared with the last uploaded one. Add and
//! remove requests send only the difference. A replacement covers both, and unknown users. Each request counts toward the
//! limit of 10 per hour; a replacement counts only the users that it adds toward the daily limit.

use super::matching::{Match, Matching, declared_ref};
use super::remote_digests::RemoteDigests;
use super::step::{Action, AssumedMembers, Conflict, FixedField, Step, UserListUpload, Warning};
use super::target::{possibly_in, require_kind, target};
use super::{PlanInput, segment_ref, sorted_segments};
use crate::model::{
    DeclaredSegment, FileSegment, Lifecycle, ObservedSegment, SegmentId, SegmentKind, UserChange,
    UserListFingerprint, UserListSource,
};
use crate::state::{Addition, StateEntry, UploadState};
use jiff::{SignedDuration, Timestamp};

/// MoEngage keeps the users of an archived file segment for 30 days.
const USERS_KEPT_AFTER_ARCHIVE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Time enough to create another segment and to change the references.
const EXPIRY_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long added users count toward the daily limit.
const DAILY_LIMIT_WINDOW: SignedDuration = SignedDuration::from_hours(24);

type MatchContext<'s, 'a> = (&'s Matching<'a>, &'s RemoteDigests<'s>);

/// Added and removed, if known.
type UserCounts = (Option<u64>, Option<u64>);

/// Empty when the segment already is as declared.
pub(super) fn actions(
    input: &PlanInput<'_>,
    (matching, remote_digests): MatchContext<'_, '_>,
    (pair, upload): (&Match<'_>, &FileSegment),
) -> Result<Vec<Action>, Box<Conflict>> {
    let segment = pair.declared;
    let Some((remote, reason)) = &pair.remote else {
        if segment.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return create(input, segment, upload);
    };
    // Also of an unmanaged segment: the request that should have adopted it may have got no answer.
    let entry = input.state.any_entry(&remote.id);
    let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
    check_supported(input, matching, (segment, remote), (upload, entry))?;
    let target = target(remote, reason, remote_digests);
    if segment.lifecycle == Lifecycle::Archived {
        let is_active = possibly_in(remote, Lifecycle::Active, input);
        return Ok(is_active.then_some(Action::Archive(target)).into_iter().collect());
    }
    let mut actions = Vec::new();
    let is_unarchived = possibly_in(remote, Lifecycle::Archived, input);
    if is_unarchived {
        actions.push(Action::Unarchive(target.clone()));
    }
    let Some(list) = desired_list(input, segment, upload) else {
        return Ok(actions);
    };
    let no_users = UploadState::new(upload.identifier.clone(), upload.expires_in_days);
    let forced = input.overrides.force_upload.then_some(&no_users);
    let Some(upload_state) = upload_state.or(forced) else {
        if input.overrides.assume_members_in_sync {
            return Ok(actions);
        }
        return Err(Box::new(Conflict::MembersUnknown {
            segment: declared_ref(segment),
            kind: SegmentKind::File,
            target: matching.remote_ref(remote),
        }));
    };
    // The state also shows an archive that was reverted outside segctl.
    let was_archived = is_unarchived || entry.is_some_and(|entry| entry.lifecycle == Lifecycle::Archived);
    let is_lost = was_archived && upload_state.may_have_lost_users(input.now);
    let change = if is_lost {
        Some((UserChange::Replace, (list_count(&list), Some(0))))
    } else {
        user_change(input, (segment, remote), (upload_state, &list))
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

/// The users that `--assume-members-in-sync` records; `None` when the state already has users.
pub(super) fn assumed_members(
    input: &PlanInput<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    upload: &FileSegment,
) -> Option<AssumedMembers> {
    let entry = input.state.any_entry(&remote.id);
    let is_known = entry.is_some_and(|entry| entry.upload_state.is_some());
    let list = desired_list(input, segment, upload)?;
    (!is_known).then(|| AssumedMembers::Users(upload.clone(), list))
}

/// Whether the API supports the change.
fn check_supported(
    input: &PlanInput<'_>,
    matching: &Matching<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    (upload, entry): (&FileSegment, Option<&StateEntry>),
) -> Result<(), Box<Conflict>> {
    require_kind(matching, (segment, remote), (SegmentKind::File, entry))?;
    let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
    let fixed = upload_state.and_then(|upload_state| changed_fixed_field(upload_state, upload));
    match fixed.filter(|_| segment.lifecycle == Lifecycle::Active) {
        Some(field) => Err(Box::new(Conflict::FixedAtUpload {
            segment: declared_ref(segment),
            target: matching.remote_ref(remote),
            field,
        })),
        None => require_publish_location(input, segment, upload),
    }
}

/// A field that is set when the segment is created and cannot change.
fn changed_fixed_field(upload_state: &UploadState, upload: &FileSegment) -> Option<FixedField> {
    if upload_state.identifier != upload.identifier {
        return Some(FixedField::Identifier {
            created_with: upload_state.identifier.clone(),
            declared: upload.identifier.clone(),
        });
    }
    (upload_state.expires_in_days != upload.expires_in_days).then_some(FixedField::Expiry {
        created_with: upload_state.expires_in_days,
        declared: upload.expires_in_days,
    })
}

/// MoEngage downloads a local list from the publish location.
fn require_publish_location(
    input: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<(), Box<Conflict>> {
    let is_needed =
        matches!(upload.users, UserListSource::Local(_)) && segment.lifecycle == Lifecycle::Active;
    if is_needed && input.policy.publish.is_none() {
        return Err(Box::new(Conflict::PublishNotConfigured {
            segment: declared_ref(segment),
        }));
    }
    Ok(())
}

fn create(
    input: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<Vec<Action>, Box<Conflict>> {
    require_publish_location(input, segment, upload)?;
    let Some(list) = desired_list(input, segment, upload) else {
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

/// `None` when the caller compared no lists, as for commands that do not need them.
fn desired_list(
    input: &PlanInput<'_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Option<UserListFingerprint> {
    match &upload.users {
        UserListSource::Published { sha256, .. } => Some(UserListFingerprint::Published {
            sha256: sha256.clone(),
        }),
        UserListSource::Local(_) => {
            let compared = input.compared_lists.file_segments.get(&segment.name)?;
            Some(UserListFingerprint::Values(compared.list.clone()))
        }
    }
}

fn list_count(list: &UserListFingerprint) -> Option<u64> {
    match list {
        UserListFingerprint::Values(summary) => Some(summary.count),
        UserListFingerprint::Published { .. } => None,
    }
}

/// `None` when the users are those of the list.
fn user_change(
    input: &PlanInput<'_>,
    (segment, remote): (&DeclaredSegment, &ObservedSegment),
    (upload_state, list): (&UploadState, &UserListFingerprint),
) -> Option<(UserChange, UserCounts)> {
    let replace = (UserChange::Replace, (None, None));
    let (Some(UserListFingerprint::Values(_)), UserListFingerprint::Values(_)) = (&upload_state.users, list)
    else {
        return (upload_state.users.as_ref() != Some(list)).then_some(replace);
    };
    let compared = input.compared_lists.file_segments.get(&segment.name)?;
    let diff = compared.diff.as_ref().filter(|diff| diff.id == remote.id);
    let Some(diff) = diff else {
        return Some(replace);
    };
    let change = match (diff.added, diff.removed) {
        (0, 0) => return None,
        (_, 0) => UserChange::Add,
        (0, _) => UserChange::Remove,
        _ => UserChange::Replace,
    };
    Some((change, (Some(diff.added), Some(diff.removed))))
}

/// Steps that exceed the daily user limit, together with the steps before them and with earlier runs.
pub(super) fn daily_user_limit_conflicts(steps: &[Step], input: &PlanInput<'_>) -> Vec<Conflict> {
    let limit = input.policy.api_behavior.daily_user_limit;
    let entries = input.state.all_entries();
    let upload_states = entries.filter_map(|entry| entry.upload_state.as_deref());
    let mut earlier: Vec<Addition> = upload_states
        .flat_map(|upload_state| &upload_state.additions)
        .filter(|added| added.at.duration_until(input.now) < DAILY_LIMIT_WINDOW)
        .cloned()
        .collect();
    earlier.sort_unstable_by_key(|added| added.at);
    let mut used: u64 = earlier.iter().map(|added| added.users).sum();
    let mut conflicts = Vec::new();
    for (step, count) in steps.iter().filter_map(users_added_by) {
        if used.saturating_add(count) <= limit {
            used += count;
            continue;
        }
        let mut declared = input.declared.iter();
        let segment = declared.find(|segment| segment.name == step.segment);
        let excess = used.saturating_add(count).saturating_sub(limit);
        conflicts.extend(segment.map(|segment| Conflict::DailyUserLimit {
            segment: declared_ref(segment),
            count,
            used,
            limit,
            available_at: available_at((&earlier, input.now), excess),
        }));
    }
    conflicts
}

fn users_added_by(step: &Step) -> Option<(&Step, u64)> {
    let Action::UploadUserList(upload) = &step.action else {
        return None;
    };
    let added = upload.added.or_else(|| list_count(&upload.list))?;
    Some((step, added))
}

/// When `excess` of the earlier additions no longer count; in a day if there are fewer.
fn available_at((earlier, now): (&[Addition], Timestamp), mut excess: u64) -> Timestamp {
    for added in earlier {
        excess = excess.saturating_sub(added.users);
        if excess == 0 {
            return added.at.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now);
        }
    }
    now.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now)
}

pub(super) fn warnings(steps: &[Step], input: &PlanInput<'_>, matching: &Matching<'_>) -> Vec<Warning> {
    let mut warnings = Vec::from_iter(users_lost_warning(steps, input));
    warnings.extend(uploads_pending_warning(input, matching));
    warnings.extend(expiry_warnings(input, matching));
    warnings
}

fn uploads_pending_warning(input: &PlanInput<'_>, matching: &Matching<'_>) -> Option<Warning> {
    let is_pending = |remote: &&ObservedSegment| {
        let entry = input.state.managed_entry(&remote.id);
        let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
        upload_state.is_some_and(|state| !state.pending.is_empty() && state.users.is_some())
    };
    let pending = matching.matched_remotes().filter(is_pending);
    let segments = sorted_segments(pending.map(|remote| (&remote.name, &remote.id)));
    segments.map(|segments| Warning::UploadsPending { segments })
}

fn users_lost_warning(steps: &[Step], input: &PlanInput<'_>) -> Option<Warning> {
    let archived = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let is_file = |id: &SegmentId| {
        let entry = input.state.managed_entry(id);
        entry.is_some_and(|entry| entry.kind == SegmentKind::File)
    };
    let segments = sorted_segments(archived.filter(|(_, id)| is_file(id)))?;
    let until = input.now.checked_add(USERS_KEPT_AFTER_ARCHIVE).ok()?;
    Some(Warning::UsersLost { segments, until })
}

fn expiry_warnings(input: &PlanInput<'_>, matching: &Matching<'_>) -> Vec<Warning> {
    let expiring = matching.active().filter_map(|pair| {
        let (remote, _) = pair.remote.as_ref()?;
        let upload_state = input.state.managed_entry(&remote.id)?.upload_state.as_deref()?;
        let at = upload_state.expires_at()?;
        let is_soon = input.now.duration_until(at) <= EXPIRY_WARNING_PERIOD;
        is_soon.then(|| Warning::Expires {
            segment: segment_ref(remote),
            at,
            is_expired: at <= input.now,
        })
    });
    expiring.collect()
}
