//! Warnings about the plan as a whole: about what its steps have in common, and about what it does not know.

use super::context::PlanContext;
use super::proposed_finding::{DeclaredRef, ProposedFinding, RemoteRef};
use super::rereads::may_have_references;
use super::step::{Action, Code, MatchReason, SegmentRef, Step, Target};
use super::words::{is, it, list_segments, quoted, yaml_name};
use super::{segment_ref, sorted_segments};
use crate::diagnostic::phrases::{count_noun, join_limited};
use crate::diagnostic::shell_commands;
use crate::model::{Lifecycle, ObservedSegment, SegmentId, SegmentKind, UnreadableRow};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// MoEngage keeps the users of an archived file segment for 30 days.
const USERS_KEPT_AFTER_ARCHIVE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Time enough to create another segment and to change the references.
const EXPIRY_WARNING_PERIOD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// About selected segments.
pub(super) fn about_segments(context: PlanContext<'_, '_>, steps: &[Step]) -> Vec<ProposedFinding> {
    let mut warnings = Vec::from_iter(archived_but_listed(context));
    warnings.extend(lifecycle_unknown(context, steps));
    warnings.extend(references_unknown(context, steps));
    warnings.extend(stale_members(steps));
    warnings.extend(users_lost(context, steps));
    warnings.extend(uploads_pending(context));
    warnings.extend(expiring(context));
    warnings
}

/// Segments that the state contains as archived and a listing without archived segments shows. Either the listing shows
/// archived segments after all, or they were unarchived outside segctl; MoEngage does not report which.
fn archived_but_listed(context: PlanContext<'_, '_>) -> Option<ProposedFinding> {
    let PlanContext { input, matching, .. } = context;
    if input.policy.api_behavior.list_shows_archived {
        return None;
    }
    let entries = input.state.managed_entries();
    let listed = entries
        .filter(|entry| entry.lifecycle == Lifecycle::Archived)
        .filter_map(|entry| input.observed.segments.get(&entry.id))
        .filter(|remote| remote.listed)
        .map(|remote| {
            let declared = matching.declared_name_of(remote);
            (declared.unwrap_or(&remote.name), &remote.id)
        });
    let segments = sorted_segments(listed)?;
    let they_were = match segments.as_slice() {
        [_] => "it was",
        _ => "they were",
    };
    let message = format!(
        "{} {} archived in the state, but MoEngage lists {}: either the list contains archived segments, or \
         {they_were} unarchived outside segctl",
        list_segments(&segments),
        is(&segments),
        it(&segments)
    );
    let warning = ProposedFinding::new(Code::ArchivedButListed, message)
        .about_remotes(&segments)
        .help(
            "if the list contains archived segments: set `api_behavior: {list_shows_archived: true}` in segctl.yaml; \
             segctl then does not detect what is archived outside segctl",
        )
        .help(format!("if {they_were} unarchived: the plan is correct"));
    Some(warning)
}

/// Some of these segments may already be in the lifecycle that their step sets: an interrupted run did not record the
/// result of its request, and the listing does not show it.
fn lifecycle_unknown(context: PlanContext<'_, '_>, steps: &[Step]) -> Option<ProposedFinding> {
    let changed = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) | Action::Unarchive(target) => Some((&step.segment, &target.id)),
        Action::Create(_) | Action::Update(_) | Action::SyncCohort(_) | Action::UploadUserList(_) => None,
    });
    let segments = sorted_segments(changed.filter(|(_, id)| context.is_lifecycle_unknown(id)))?;
    let message = format!(
        "it is unknown whether {} {} archived: an earlier run did not get the result of its request, and the segment list \
         does not show it",
        list_segments(&segments),
        is(&segments)
    );
    let warning = ProposedFinding::new(Code::LifecycleUnknown, message);
    Some(warning.about_remotes(&segments).help(format!(
        "nothing to do: the plan sets {} as declared; the request has no effect if that is already the case",
        it(&segments)
    )))
}

/// The plan archives these segments, and unmanaged ones whose definitions were not read may reference them.
fn references_unknown(context: PlanContext<'_, '_>, steps: &[Step]) -> Option<ProposedFinding> {
    let archived = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let segments = sorted_segments(archived)?;
    let unmanaged = context.matching.unmanaged.iter();
    let unread = unmanaged.filter(|remote| may_have_references(remote));
    let unread: Vec<SegmentId> = unread.map(|remote| remote.id.clone()).collect();
    let message = format!(
        "would archive {}; {} {} never read and may refer to {}",
        list_segments(&segments),
        count_noun(unread.len(), "remote segment"),
        if unread.len() == 1 { "was" } else { "were" },
        it(&segments)
    );
    if unread.is_empty() {
        return None;
    }
    let mut warning = ProposedFinding::new(Code::ReferencesUnknown, message)
        .about_remotes(&segments)
        .help("to read them first: `--refresh full`, which may wait for the rate limit of gets");
    warning.finding.remote_ids.extend(unread);
    Some(warning)
}

/// Existing cohorts whose members are unknown: a sync cannot remove the members that are not in the list.
fn stale_members(steps: &[Step]) -> Option<ProposedFinding> {
    let synced = steps.iter().filter_map(|step| match &step.action {
        Action::SyncCohort(sync) if sync.base.is_none() => Some((&step.segment, &sync.target.as_ref()?.id)),
        _ => None,
    });
    let segments = sorted_segments(synced)?;
    let message = format!(
        "the members of {} are unknown: members that are not in the list stay",
        list_segments(&segments)
    );
    let warning = ProposedFinding::new(Code::StaleMembersPossible, message)
        .about_remotes(&segments)
        .help("to remove stale members: add them to the list and apply, then remove them and apply again");
    Some(warning)
}

/// MoEngage deletes the users of archived file segments.
fn users_lost(context: PlanContext<'_, '_>, steps: &[Step]) -> Option<ProposedFinding> {
    let archived = steps.iter().filter_map(|step| match &step.action {
        Action::Archive(target) => Some((&step.segment, &target.id)),
        _ => None,
    });
    let is_file = |id: &SegmentId| {
        let entry = context.input.state.managed_entry(id);
        entry.is_some_and(|entry| entry.kind == SegmentKind::File)
    };
    let segments = sorted_segments(archived.filter(|(_, id)| is_file(id)))?;
    let until = context.input.now.checked_add(USERS_KEPT_AFTER_ARCHIVE).ok()?;
    let message = format!(
        "would archive {}; MoEngage deletes {} users after {}",
        list_segments(&segments),
        if segments.len() == 1 { "its" } else { "their" },
        until.strftime("%F")
    );
    let warning = ProposedFinding::new(Code::UsersLost, message)
        .about_remotes(&segments)
        .help("after that date, an unarchive uploads the whole list again, which must still exist");
    Some(warning)
}

/// Uploads without a result callback.
fn uploads_pending(context: PlanContext<'_, '_>) -> Option<ProposedFinding> {
    let is_pending = |remote: &&ObservedSegment| {
        let entry = context.managed_entry(remote);
        let upload_state = entry.and_then(|entry| entry.upload_state.as_deref());
        upload_state.is_some_and(|state| !state.pending.is_empty() && state.users.is_some())
    };
    let pending = context.matching.matched_remotes().filter(is_pending);
    let segments = sorted_segments(pending.map(|remote| (&remote.name, &remote.id)))?;
    let message = format!(
        "MoEngage has not reported an upload result for {}; if MoEngage could not read a list, the users of its segment are \
         unknown",
        list_segments(&segments)
    );
    let warning = ProposedFinding::new(Code::UploadsPending, message)
        .about_remotes(&segments)
        .help("wait for the result: `segctl apply --wait`")
        .help("if no result ever arrives: check that `callbacks.url` reaches the callback receiver from the internet");
    Some(warning)
}

fn expiring(context: PlanContext<'_, '_>) -> Vec<ProposedFinding> {
    let now = context.input.now;
    let expiring = context.matching.active().filter_map(|pair| {
        let (remote, _) = pair.remote.as_ref()?;
        let upload_state = context.managed_entry(remote)?.upload_state.as_deref()?;
        let at = upload_state.expires_at()?;
        (now.duration_until(at) <= EXPIRY_WARNING_PERIOD).then_some((remote, at))
    });
    let warning = |(remote, at): (&&ObservedSegment, Timestamp)| {
        let message = format!(
            "`{}` {} on {}: MoEngage then archives it and deletes its users",
            remote.name,
            if at <= now { "expired" } else { "expires" },
            at.strftime("%F")
        );
        ProposedFinding::new(Code::Expires, message)
            .about_remotes(&[segment_ref(remote)])
            .help("the API cannot change the date: declare a new segment with another name, and reference that one")
    };
    expiring.map(warning).collect()
}

/// What the plan does not know about segments that it does not manage.
pub(super) fn about_unreadable(context: PlanContext<'_, '_>) -> Vec<ProposedFinding> {
    let rows = &context.input.observed.unreadable_rows;
    let rows = (!rows.is_empty()).then(|| unreadable_rows(rows));
    let segments = unreadable_segments(context);
    rows.into_iter().chain(segments).collect()
}

/// Rows of the segment list without a usable id or name, which are not of managed segments as far as known.
fn unreadable_rows(rows: &[UnreadableRow]) -> ProposedFinding {
    let message = format!(
        "cannot read {} of the segment list: {}",
        count_noun(rows.len(), "row"),
        join_limited(rows.iter().map(describe_row))
    );
    let mut warning = ProposedFinding::new(Code::UnreadableRows, message).help(
        "segctl does not change these segments, and campaigns that use them are not affected; the plan of the other segments \
         is complete",
    );
    if rows.iter().any(|row| row.id.is_none()) {
        warning = warning.help(
            "a row without an id may be a managed segment that the list seems to lack: check the steps that unarchive or create",
        );
    }
    warning.finding.remote_ids = rows.iter().filter_map(|row| row.id.clone()).collect();
    warning
}

/// Such as "row 3 (id 65f…): `name` is null".
fn describe_row(row: &UnreadableRow) -> String {
    let id = row.id.as_ref().map(|id| format!("id {id}"));
    let name = row.name.as_ref().map(quoted);
    let identity: Vec<String> = name.into_iter().chain(id).collect();
    let identity = match identity.as_slice() {
        [] => String::new(),
        known => format!(" ({})", known.join(", ")),
    };
    format!("row {}{identity}: {}", row.position, row.reason)
}

/// Unmanaged segments whose definitions cannot be read.
fn unreadable_segments(context: PlanContext<'_, '_>) -> Option<ProposedFinding> {
    let unmanaged = context.matching.unmanaged.iter();
    let unreadable = unmanaged.filter_map(|remote| {
        let reason = context.input.observed.unreadable.get(&remote.id)?;
        Some((
            segment_ref(remote),
            format!("`{}` (id {}): {reason}", remote.name, remote.id),
        ))
    });
    let (segments, described): (Vec<SegmentRef>, Vec<String>) = unreadable.unzip();
    let message = format!(
        "cannot read {}: {}",
        count_noun(segments.len(), "unmanaged segment"),
        join_limited(described.into_iter())
    );
    let warning = ProposedFinding::new(Code::UnreadableSegments, message)
        .about_remotes(&segments)
        .help(
            "the plan does not know their definitions: if a planned definition equals one of them, MoEngage rejects that step",
        );
    (!segments.is_empty()).then_some(warning)
}

/// One for each pattern in `manages` that alone matches segments which the plan archives.
pub(super) fn archives_of_unmanaged(steps: &[Step]) -> Vec<ProposedFinding> {
    let mut by_pattern: BTreeMap<&str, Vec<SegmentRef>> = BTreeMap::new();
    for target in steps.iter().filter_map(undeclared_archive_target) {
        if let Some(pattern) = target.matched_by.pattern() {
            by_pattern.entry(pattern).or_default().push(SegmentRef {
                name: target.remote_name.clone(),
                id: target.id.clone(),
            });
        }
    }
    let by_pattern = by_pattern.iter();
    by_pattern
        .map(|(pattern, segments)| archive_unmanaged(pattern, segments))
        .collect()
}

fn archive_unmanaged(pattern: &str, segments: &[SegmentRef]) -> ProposedFinding {
    let (is, it) = (is(segments), it(segments));
    let (matches, keep) = match segments {
        [remote] => (
            "it matches",
            format!(
                "keep it: write a file for it with `{}`",
                shell_commands::import(&remote.name)
            ),
        ),
        _ => (
            "they match",
            "keep them: write a file for each with `segctl import NAME`".to_owned(),
        ),
    };
    let message = format!(
        "would archive {}, which segctl did not create: {matches} `{pattern}` in `manages` and {is} not in the configuration",
        list_segments(segments)
    );
    ProposedFinding::new(Code::ArchiveUnmanaged, message)
        .about_remotes(segments)
        .help(keep)
        .help(format!(
            "leave {it} unmanaged: remove or narrow `{pattern}` in `manages` in segctl.yaml"
        ))
        .help(format!(
            "archive {it}: the plan is correct; the state keeps the definition"
        ))
}

/// A create may be a rename of the archived segment. With several of either kind, the pairs would be guesses.
pub(super) fn likely_rename(steps: &[Step]) -> Option<ProposedFinding> {
    let mut created = steps
        .iter()
        .filter(|step| matches!(step.action, Action::Create(_)));
    let mut archived = steps.iter().filter_map(undeclared_archive_target);
    let (created, None) = (created.next()?, created.next()) else {
        return None;
    };
    let (target, None) = (archived.next()?, archived.next()) else {
        return None;
    };
    // An unmanaged segment never had a file.
    let MatchReason::RemovedFromConfiguration(_) = target.matched_by else {
        return None;
    };
    let segment = DeclaredRef {
        name: &created.segment,
        origin: created.origin.as_ref()?,
    };
    let target = RemoteRef {
        id: &target.id,
        name: &target.remote_name,
        lifecycle: target.lifecycle,
        declared: None,
    };
    let message = format!(
        "would create `{}` and archive {target}, which is no longer in the configuration",
        segment.name
    );
    let warning = ProposedFinding::new(Code::LikelyRename, message)
        .about(segment)
        .held_by(&target)
        .help(format!(
            "if it is the same segment: add `previous_names: [{}]` at {}; it is updated and keeps its id",
            yaml_name(target.name),
            segment.file_and_line()
        ))
        .help("if they are two segments: the plan is correct");
    Some(warning)
}

/// Without its file, a segment that was never applied is unmanaged, so removing the file archives nothing.
pub(super) fn imported_not_applied(context: PlanContext<'_, '_>) -> Option<ProposedFinding> {
    let unmanaged = context.matching.unmanaged.iter();
    let imported = unmanaged.filter(|remote| context.input.observed.imported.contains(&remote.id));
    let segments = sorted_segments(imported.map(|remote| (&remote.name, &remote.id)))?;
    let (is, it) = (is(&segments), it(&segments));
    let (was, its_file, import) = match segments.as_slice() {
        [remote] => ("was", "its file", shell_commands::import(&remote.name)),
        _ => ("were", "their files", "segctl import NAME".to_owned()),
    };
    let message = format!(
        "{} {was} imported but never applied, and {is} not in the configuration any more: segctl does not manage {it} and \
         leaves {it} unchanged",
        list_segments(&segments)
    );
    let warning = ProposedFinding::new(Code::ImportedNotApplied, message)
        .about_remotes(&segments)
        .help(format!(
            "to archive {it}: restore {its_file}, or run `{import}`; run `segctl apply`; then remove {its_file} and apply again"
        ))
        .help(format!("to leave {it} unmanaged: the plan is correct"));
    Some(warning)
}

fn undeclared_archive_target(step: &Step) -> Option<&Target> {
    match &step.action {
        Action::Archive(target) if step.origin.is_none() => Some(target),
        _ => None,
    }
}
