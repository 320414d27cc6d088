//! The steps of a file segment: the one request that sets its users to those of its list.
//!
//! The API does not return the users of a file segment, so the list is compared with the last uploaded one. Add and
//! remove requests send only the difference. A replacement covers both, and unknown users. Each request counts toward the
//! limit of 10 per hour; a replacement counts only the users that it adds toward the daily limit.

use super::PlanInput;
use super::cohorts::members_unknown;
use super::context::PlanContext;
use super::kinds::require_kind;
use super::matching::Match;
use super::proposed_finding::{DeclaredRef, ProposedFinding};
use super::step::{Action, AssumedMembers, Code, Step, Target, UserListUpload};
use crate::diagnostic::shell_commands;
use crate::model::{
    DeclaredSegment, FileSegment, Identifier, Keyword, Lifecycle, ObservedSegment, SegmentId, SegmentKind,
    UserChange, UserListFingerprint, UserListSource,
};
use crate::state::{Addition, StateEntry, UploadState};
use jiff::{SignedDuration, Timestamp};

/// How long added users count toward the daily limit.
const DAILY_LIMIT_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Added and removed, if known.
type UserCounts = (Option<u64>, Option<u64>);

/// Empty when the segment already is as declared.
pub(super) fn actions(
    context: PlanContext<'_, '_>,
    pair: &Match<'_>,
    upload: &FileSegment,
) -> Result<Vec<Action>, Box<ProposedFinding>> {
    let segment = pair.declared;
    let Some((remote, reason)) = &pair.remote else {
        if segment.lifecycle == Lifecycle::Archived {
            return Ok(Vec::new());
        }
        return create(context, segment, upload);
    };
    // Also of an unmanaged segment: the request that should have adopted it may have got no answer.
    let entry = context.input.state.any_entry(&remote.id);
    check_supported(context, segment, remote, upload, entry)?;
    let target = context.target(remote, reason);
    if segment.lifecycle == Lifecycle::Archived {
        let is_active = context.is_possibly(Lifecycle::Active, remote);
        return Ok(is_active.then_some(Action::Archive(target)).into_iter().collect());
    }
    let mut actions = Vec::new();
    let is_unarchived = context.is_possibly(Lifecycle::Archived, remote);
    if is_unarchived {
        actions.push(Action::Unarchive(target.clone()));
    }
    if let Some(list) = desired_list(context, segment, upload) {
        let upload = user_list_upload(context, pair, upload, target, list, is_unarchived)?;
        actions.extend(upload.map(Action::UploadUserList));
    }
    Ok(actions)
}

/// `None` if the users are those of the list, or are assumed to be.
fn user_list_upload(
    context: PlanContext<'_, '_>,
    pair: &Match<'_>,
    upload: &FileSegment,
    target: Target,
    list: UserListFingerprint,
    is_unarchived: bool,
) -> Result<Option<UserListUpload>, Box<ProposedFinding>> {
    let (input, segment) = (context.input, pair.declared);
    let entry = input.state.any_entry(&target.id);
    let recorded = entry.and_then(|entry| entry.upload_state.as_deref());
    let no_users = UploadState::new(upload.identifier.clone(), upload.expires_in_days);
    let forced = input.overrides.force_upload.then_some(&no_users);
    let Some(upload_state) = recorded.or(forced) else {
        if input.overrides.assume_members_in_sync {
            return Ok(None);
        }
        let remote = &context.input.observed.segments[&target.id];
        let holder = context.matching.remote_ref(remote);
        let help = "to replace its users with the list: plan with `--force-upload`";
        return Err(Box::new(members_unknown(segment.into(), &holder, help)));
    };
    // The state also shows an archive that was reverted outside segctl.
    let was_archived = is_unarchived || entry.is_some_and(|entry| entry.lifecycle == Lifecycle::Archived);
    let is_lost = was_archived && upload_state.may_have_lost_users(input.now);
    let change = if is_lost {
        Some((UserChange::Replace, (list_count(&list), Some(0))))
    } else {
        user_change(context, segment, &target.id, upload_state, &list)
    };
    Ok(change.map(|(change, (added, removed))| UserListUpload {
        target: Some(target),
        upload: upload.clone(),
        list,
        recorded: recorded.cloned(),
        change: Some(change),
        added,
        removed,
    }))
}

/// The users that `--assume-members-in-sync` records; `None` when the state already has users.
pub(super) fn assumed_members(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    upload: &FileSegment,
) -> Option<AssumedMembers> {
    let entry = context.input.state.any_entry(&remote.id);
    let is_known = entry.is_some_and(|entry| entry.upload_state.is_some());
    let list = desired_list(context, segment, upload)?;
    (!is_known).then(|| AssumedMembers::Users(upload.clone(), list))
}

/// Whether the API supports the change.
fn check_supported(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    upload: &FileSegment,
    entry: Option<&StateEntry>,
) -> Result<(), Box<ProposedFinding>> {
    require_kind(context, segment, remote, SegmentKind::File, entry)?;
    let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
    if let Some(upload_state) = upload_state.filter(|_| segment.lifecycle == Lifecycle::Active) {
        require_fixed_fields(context, segment, remote, upload, upload_state)?;
    }
    require_publish_location(context, segment, upload)
}

/// The fields that are set when the segment is created and cannot change.
fn require_fixed_fields(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    remote: &ObservedSegment,
    upload: &FileSegment,
    upload_state: &UploadState,
) -> Result<(), Box<ProposedFinding>> {
    let identifier = |identifier: &Identifier| {
        let (attribute, kind) = (&identifier.attribute, identifier.kind.as_str());
        format!("{{attribute: {attribute}, type: {kind}}}")
    };
    let (key, before, after) = if upload_state.identifier != upload.identifier {
        let (before, after) = (&upload_state.identifier, &upload.identifier);
        ("identifier", identifier(before), identifier(after))
    } else if upload_state.expires_in_days != upload.expires_in_days {
        let (before, after) = (upload_state.expires_in_days, upload.expires_in_days);
        ("expires_in_days", before.to_string(), after.to_string())
    } else {
        return Ok(());
    };
    let target = context.matching.remote_ref(remote);
    let message = format!(
        "`{}` was created with `{key}: {before}` and is declared with `{key}: {after}`; the API cannot change it",
        segment.name
    );
    let conflict = ProposedFinding::new(Code::FixedAtUpload, message)
        .about(segment)
        .held_by(&target)
        .help(format!(
            "to keep it: set `{key}: {before}` at {}",
            DeclaredRef::from(segment).file_and_line()
        ))
        .help(format!(
            "to change it: declare a segment with a new name, and set `lifecycle: archived` for {target} once nothing \
             references it"
        ));
    Err(Box::new(conflict))
}

/// MoEngage downloads a local list from the publish location.
fn require_publish_location(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<(), Box<ProposedFinding>> {
    let is_needed =
        matches!(upload.users, UserListSource::Local(_)) && segment.lifecycle == Lifecycle::Active;
    if !is_needed || context.input.policy.publish.is_some() {
        return Ok(());
    }
    let message = format!(
        "the member list of `{}` is a local file, and MoEngage reads lists from a URL",
        segment.name
    );
    let conflict = ProposedFinding::new(Code::PublishNotConfigured, message)
        .about(segment)
        .help("set where segctl publishes lists: `publish: {directory: FOLDER, url: https://…}` in the workspace in segctl.yaml")
        .help(format!(
            "if the list is published elsewhere: set `users: {{url: https://…, sha256: …}}` at {}",
            DeclaredRef::from(segment).file_and_line()
        ));
    Err(Box::new(conflict))
}

fn create(
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Result<Vec<Action>, Box<ProposedFinding>> {
    require_publish_location(context, segment, upload)?;
    let Some(list) = desired_list(context, segment, upload) else {
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
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    upload: &FileSegment,
) -> Option<UserListFingerprint> {
    match &upload.users {
        UserListSource::Published { sha256, .. } => Some(UserListFingerprint::Published {
            sha256: sha256.clone(),
        }),
        UserListSource::Local(_) => {
            let compared = context.input.compared_lists.file_segments.get(&segment.name)?;
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
    context: PlanContext<'_, '_>,
    segment: &DeclaredSegment,
    id: &SegmentId,
    upload_state: &UploadState,
    list: &UserListFingerprint,
) -> Option<(UserChange, UserCounts)> {
    let replace = (UserChange::Replace, (None, None));
    let (Some(UserListFingerprint::Values(_)), UserListFingerprint::Values(_)) = (&upload_state.users, list)
    else {
        return (upload_state.users.as_ref() != Some(list)).then_some(replace);
    };
    let compared = context.input.compared_lists.file_segments.get(&segment.name)?;
    let diff = compared.diff.as_ref().filter(|diff| diff.id == *id);
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
pub(super) fn daily_user_limit_conflicts(
    context: PlanContext<'_, '_>,
    steps: &[Step],
) -> Vec<ProposedFinding> {
    let PlanInput { state, now, .. } = *context.input;
    let limit = context.input.policy.api_behavior.daily_user_limit;
    let entries = state.all_entries();
    let upload_states = entries.filter_map(|entry| entry.upload_state.as_deref());
    let mut earlier: Vec<Addition> = upload_states
        .flat_map(|upload_state| &upload_state.additions)
        .filter(|added| added.at.duration_until(now) < DAILY_LIMIT_WINDOW)
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
        let (name, Some(origin)) = (&step.segment, &step.origin) else {
            continue;
        };
        let message = format!(
            "`{name}` would add {count} users; {used} are added in the last 24 hours and by this plan, and the daily limit is \
             {limit}"
        );
        let help = if count > limit {
            "apply a part of the list first, and the whole list a day later".to_owned()
        } else {
            // If the other steps run now.
            let excess = used.saturating_add(count).saturating_sub(limit);
            format!(
                "apply it in a later run, after {:.0}; until then: `{}`",
                available_at(&earlier, now, excess),
                shell_commands::apply_excluding(name)
            )
        };
        let conflict = ProposedFinding::new(Code::DailyUserLimit, message)
            .about(DeclaredRef { name, origin })
            .help(help)
            .help("if MoEngage raised your limit: set `api_behavior: {daily_user_limit: …}` in segctl.yaml");
        conflicts.push(conflict);
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
fn available_at(earlier: &[Addition], now: Timestamp, mut excess: u64) -> Timestamp {
    for added in earlier {
        excess = excess.saturating_sub(added.users);
        if excess == 0 {
            return added.at.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now);
        }
    }
    now.saturating_add(DAILY_LIMIT_WINDOW).unwrap_or(now)
}
