//! Compares a run's requests with its plan and its report: every write belongs to a planned step, comes after the steps
//! that it depends on, and has the reported outcome.

use super::ground_truth::{ActualSegment, Author, EffectTiming, GroundTruth, Meaning, SegmentChange};
use super::injected_bugs::Bug;
use super::list_checks::{is_list_request, matches_cohort_step, matches_file_segment_step};
use super::people::{self, People};
use super::recorder::Recorder;
use super::run::Machine;
use super::workspace::{SimulatedWorkspace, cohort_key_of};
use segctl::apply::StepEvent;
use segctl::apply::run_report::{SkipReason, StepOutcome, StepReport};
use segctl::model::{Payload, SegmentId, SegmentKind};
use segctl::plan::step::{Action, Plan, Step, exact_digest};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A run's plan and the progress of its steps.
pub(crate) struct RunChecker {
    plan: Plan,
    progress: Vec<StepProgress>,
    /// Whether file operations of the run may fail.
    has_disk_faults: bool,
    /// The segments that were read for the plan, or to recheck a saved one. That counts as the read before a write.
    rechecked: BTreeSet<SegmentId>,
    /// The number of changes when the plan was made, or when the saved plan was rechecked.
    changes_at_plan: usize,
}

#[derive(Clone, Default)]
struct StepProgress {
    state: StepState,
    /// The number of changes when the step started; for a rechecked segment, when it was last read.
    changes_at_start: usize,
    /// The number of reads when the step started.
    reads_at_start: usize,
    /// The indexes of the changes that the step made.
    committed_changes: Vec<usize>,
    /// Whether a request failed while the step was in progress.
    had_fault: bool,
    /// The number of reads when a write was rejected that an earlier delivery may have done.
    reads_at_rejection: Option<usize>,
    is_rollback: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum StepState {
    #[default]
    Pending,
    Running,
    Done,
    NotDone,
}

impl RunChecker {
    pub(crate) fn new(
        plan: &Plan,
        (rechecked, changes): (BTreeSet<SegmentId>, usize),
        has_disk_faults: bool,
    ) -> Self {
        Self {
            changes_at_plan: changes,
            plan: plan.clone(),
            progress: vec![StepProgress::default(); plan.steps.len()],
            has_disk_faults,
            rechecked,
        }
    }

    fn is_rechecked(&self, step: &Step) -> bool {
        let target = step.action.target();
        target.is_some_and(|target| self.rechecked.contains(&target.id))
    }

    /// Whether every step was reported as done.
    pub(crate) fn all_steps_done(&self) -> bool {
        self.progress
            .iter()
            .all(|progress| progress.state == StepState::Done)
    }

    /// A write of the run took effect.
    pub(crate) fn record_commit(&mut self, step: Option<usize>, change: usize) {
        if let Some(progress) = step.and_then(|step| self.progress.get_mut(step)) {
            progress.committed_changes.push(change);
        }
    }

    /// Records a failed request. A read may belong to any running step.
    pub(crate) fn record_fault(&mut self, step: Option<usize>) {
        for (index, progress) in self.progress.iter_mut().enumerate() {
            if progress.state == StepState::Running && step.is_none_or(|step| step == index) {
                progress.had_fault = true;
            }
        }
    }

    /// Records that the service rejected a write as unchanged. The run has to read the segment to interpret that.
    pub(crate) fn record_rejection(&mut self, step: Option<usize>, read_count: usize) {
        if let Some(progress) = step.and_then(|step| self.progress.get_mut(step)) {
            progress.reads_at_rejection = Some(read_count);
        }
    }

    pub(crate) fn step(&self, index: usize) -> Option<&Step> {
        self.plan.steps.get(index)
    }

    /// The running step that a write belongs to. `sent`: the people in the request's list.
    fn step_for_request(
        &self,
        request: &HttpRequest,
        (body, sent): (&Value, Option<People>),
        ground_truth: &GroundTruth,
    ) -> Option<usize> {
        let steps = self.plan.steps.iter().zip(&self.progress).enumerate();
        let mut running = steps.filter(|(_, (_, progress))| progress.state == StepState::Running);
        let found = running.find(|(_, (step, progress))| match &step.action {
            Action::SyncCohort(sync) if is_list_request(request) => matches_cohort_step((step, sync), body),
            Action::UploadUserList(upload) if is_list_request(request) => {
                matches_file_segment_step((step, upload), request, (body, sent))
            }
            _ => {
                !is_list_request(request)
                    && matches_step((step, progress.is_rollback), (request, body), ground_truth)
            }
        });
        found.map(|(index, _)| index)
    }
}

/// Whether a step may send this write. A rollback may send any definition.
fn matches_step(
    (step, is_rollback): (&Step, bool),
    (request, body): (&HttpRequest, &Value),
    ground_truth: &GroundTruth,
) -> bool {
    let id = request
        .path
        .strip_prefix("/v3/custom-segments/")
        .or_else(|| body["cs_id"].as_str());
    let is_target = |target: &segctl::plan::step::Target| {
        // Only its name identifies a cohort that no list shows.
        let is_named = target.id.is_unlisted_cohort() && body["name"] == target.remote_name.as_str();
        Some(target.id.as_str()) == id || id.is_none() && is_named
    };
    let is_definition = |desired: &Payload| amounts_of_payload(desired) == meaning_of_request(body).amounts;
    let is_archive = request.path.ends_with("/archive");
    match &step.action {
        // A hidden segment with the name may be unarchived, updated, or archived again.
        Action::Create(desired) => match request.method.as_str() {
            "POST" => body["name"] == step.segment.as_str() && is_definition(desired.payload()),
            _ if request.path.starts_with("/v2/") => body["name"] == step.segment.as_str(),
            _ => {
                let holder = id.and_then(|id| ground_truth.segments.get(id));
                holder.is_some_and(|holder| holder.name == step.segment.as_str())
                    && is_definition(desired.payload())
            }
        },
        Action::Update(change) => {
            let is_name = body.get("name").is_none_or(|name| *name == change.name.as_str());
            let is_change = is_rollback || is_name && is_definition(change.desired.payload());
            is_target(&change.target)
                && (request.path.starts_with("/v3/") && is_change || request.path.ends_with("/unarchive"))
        }
        Action::Archive(target) => is_target(target) && is_archive,
        Action::Unarchive(target) => is_target(target) && request.path.ends_with("/unarchive"),
        Action::SyncCohort(_) | Action::UploadUserList(_) => false,
    }
}

fn meaning_of_request(body: &Value) -> Meaning {
    Meaning::from_filters(&body["included_filters"], &body["excluded_filters"])
}

fn meaning_of_payload(payload: &Payload) -> Meaning {
    let excluded = payload.excluded_filters.as_ref().unwrap_or(&Value::Null);
    Meaning::from_filters(&payload.included_filters, excluded)
}

fn amounts_of_payload(payload: &Payload) -> std::collections::BTreeSet<i64> {
    meaning_of_payload(payload).amounts
}

impl SimulatedWorkspace {
    /// Checks that a write belongs to a planned step whose dependencies are done, and returns the step.
    pub(crate) fn check_request(&mut self, run: usize, request: &HttpRequest) -> Option<usize> {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = request
            .path
            .strip_prefix("/v3/custom-segments/")
            .or_else(|| body["cs_id"].as_str());
        let named = || {
            self.ground_truth
                .by_name(body["name"].as_str()?)
                .map(|(id, _)| id)
        };
        let keyed = || {
            self.ground_truth
                .by_cohort_key(&cohort_key_of(&body))
                .map(|(id, _)| id)
        };
        let target = id.or_else(named).or_else(keyed);
        self.recorder.require(
            target.is_none_or(|id| creates_segment(request) || !self.unmanaged.contains(id)),
            "no unmanaged segment is written",
            || format!("{} {} {body}", request.method, request.path),
        );
        let checker = self.run_checkers.get(&run);
        let sent = is_list_request(request)
            .then(|| self.people_in_request(request, &body))
            .flatten();
        let step =
            checker.and_then(|checker| checker.step_for_request(request, (&body, sent), &self.ground_truth));
        self.recorder
            .require(step.is_some(), "every write is in the plan", || {
                format!(
                    "{} {} {body} belongs to no running step ({sent:?})",
                    request.method, request.path
                )
            });
        let (checker, step) = (checker?, step?);
        let progress = &checker.progress[step];
        let unmet = checker.plan.steps[step].depends_on.iter().find(|dependency| {
            let state = checker
                .progress
                .get(**dependency - 1)
                .map(|progress| progress.state);
            state != Some(StepState::Done)
        });
        self.recorder.require(
            unmet.is_none() || progress.is_rollback,
            "writes keep the order of the plan",
            || format!("step {} did not wait for step {unmet:?}", step + 1),
        );
        let is_change = match &checker.plan.steps[step].action {
            Action::SyncCohort(_) | Action::UploadUserList(_) => {
                // No answer shows a cohort that is not listed.
                let target = checker.plan.steps[step].action.target();
                target.is_some_and(|target| !target.id.is_unlisted_cohort())
            }
            _ => request.path.starts_with("/v3/") && request.method == "PATCH",
        };
        let needs_read = is_change && !checker.is_rechecked(&checker.plan.steps[step]);
        let was_read =
            target.is_some_and(|id| self.ground_truth.has_read_since(run, id, progress.reads_at_start));
        self.recorder.require(
            was_read || !needs_read,
            "a segment is read right before it is overwritten",
            || format!("{} {} {body}", request.method, request.path),
        );
        let has_file = checker.plan.steps[step].origin.is_some();
        let target = target.map(str::to_owned);
        if request.path.ends_with("/archive") && !has_file {
            self.require_may_archive(target.as_deref().unwrap_or_default(), &body);
        }
        self.require_no_duplicate_create(&body, request);
        Some(step)
    }

    /// A segment that no run wrote is archived only if it is declared as archived, or managed by a pattern.
    fn require_may_archive(&self, id: &str, body: &Value) {
        let mut changes = self.ground_truth.changes.iter().filter(|change| change.id == id);
        let is_written =
            changes.any(|change| matches!(change.author, Author::Run(_) | Author::LateRequest(_)));
        // The name in the request: the segment may have been renamed since.
        let name = body["name"].as_str();
        let matches_pattern =
            self.manages_external_segments && name.is_some_and(|name| name.starts_with("manual "));
        let is_written = is_written || self.was_reported_archived(id);
        self.recorder.require(
            is_written || matches_pattern,
            "no segment is archived that no run wrote",
            || format!("{id}, {name:?}"),
        );
    }

    /// Whether a run reported an archive step as done. segctl manages the segment from then on.
    fn was_reported_archived(&self, id: &str) -> bool {
        self.run_checkers.values().any(|checker| {
            let mut steps = checker.plan.steps.iter().zip(&checker.progress);
            steps.any(|(step, progress)| {
                let is_done = progress.state == StepState::Done;
                is_done && matches!(&step.action, Action::Archive(target) if target.id.as_str() == id)
            })
        })
    }

    /// Names are unique. A run can only create a second segment for a declaration if the first one was renamed.
    fn require_no_duplicate_create(&self, body: &Value, request: &HttpRequest) {
        // segctl does not rename cohorts and file segments.
        if request.method != "POST" || is_list_request(request) {
            return;
        }
        let name = body["name"].as_str().unwrap_or_default();
        let meaning = meaning_of_request(body);
        let mut creations = self.ground_truth.changes.iter().filter(|change| {
            change.before.is_none()
                && matches!(change.author, Author::Run(_) | Author::LateRequest(_))
                && change.after.name == name
        });
        let duplicate = creations.find(|change| {
            let segment = &self.ground_truth.segments[&change.id];
            !segment.is_archived
                && segment.name != name
                && segment.meaning == meaning
                && !self.was_edited_in_dashboard(&change.id)
        });
        self.recorder
            .require(duplicate.is_none(), "a declared name has one segment", || {
                format!("`{name}` is created again although {duplicate:?} exists")
            });
    }

    fn was_edited_in_dashboard(&self, id: &str) -> bool {
        let mut changes = self.ground_truth.changes.iter();
        changes.any(|change| change.id == id && change.author == Author::Dashboard)
    }

    pub(crate) fn record_step_event(&mut self, run: usize, event: StepEvent<'_>) {
        let (changes, reads) = (self.ground_truth.changes.len(), self.ground_truth.read_count);
        let ground_truth = &self.ground_truth;
        let Some(checker) = self.run_checkers.get_mut(&run) else {
            return;
        };
        match event {
            StepEvent::Started(step) => {
                let progress = &mut checker.progress[step.number - 1];
                progress.is_rollback = progress.state != StepState::Pending;
                progress.state = StepState::Running;
                progress.had_fault = false;
                progress.reads_at_rejection = None;
                let target = step.action.target();
                let target = target.filter(|target| checker.rechecked.contains(&target.id));
                let changes_at_read =
                    target.and_then(|target| ground_truth.changes_at_last_read(run, target.id.as_str()));
                progress.changes_at_start = changes_at_read.unwrap_or(changes);
                progress.reads_at_start = reads;
                self.recorder.log_event("plan", step.number as u64, || {
                    format!(
                        "step {} starts: {} `{}`",
                        step.number,
                        step.action.as_str(),
                        step.segment
                    )
                });
            }
            StepEvent::Finished(entry) => {
                let entry = &inject_outcome_bug(&self.recorder, entry);
                let progress = &mut checker.progress[entry.number - 1];
                progress.state = if entry.outcome.is_done() {
                    StepState::Done
                } else {
                    StepState::NotDone
                };
                self.recorder.log_event("plan", entry.number as u64, || {
                    format!(
                        "step {} of `{}` ends: {:?}",
                        entry.number, entry.segment, entry.outcome
                    )
                });
                self.check_outcome(run, entry);
            }
        }
    }

    fn check_outcome(&self, run: usize, entry: &StepReport) {
        let checker = &self.run_checkers[&run];
        let step = &checker.plan.steps[entry.number - 1];
        let progress = &checker.progress[entry.number - 1];
        let error = match &entry.outcome {
            // The note reports that the segment differs from the plan.
            StepOutcome::Applied { notes, .. } if notes.iter().any(|note| note.contains("next plan")) => None,
            StepOutcome::Applied { id, .. } | StepOutcome::Unchanged { id, .. } => {
                self.reason_not_applied(run, (step, progress), id.as_str())
            }
            StepOutcome::Failed { message } => self.reason_not_failed((step, progress), message),
            StepOutcome::NotAttempted if !progress.committed_changes.is_empty() => {
                Some("something was written".to_owned())
            }
            StepOutcome::Skipped(SkipReason::DependencyNotApplied(name)) => {
                let dependencies = step
                    .depends_on
                    .iter()
                    .filter_map(|dependency| checker.progress.get(dependency - 1));
                let is_unmet = dependencies
                    .clone()
                    .any(|progress| progress.state == StepState::NotDone);
                (!is_unmet || !progress.committed_changes.is_empty())
                    .then(|| format!("`{name}` did not block it"))
            }
            StepOutcome::Skipped(SkipReason::Drifted) => self.reason_not_drifted(run, (checker, step)),
            StepOutcome::Unknown { message } => {
                let has_lost_lock = message.contains("lost the state lock");
                let target = step.action.target().map(|target| target.id.as_str());
                let has_other_changes = target.is_some_and(|id| {
                    self.ground_truth
                        .was_changed_by_others(id, progress.changes_at_start, run)
                });
                let lacks_read = progress.reads_at_rejection.is_some_and(|since| {
                    target.is_some_and(|id| !self.ground_truth.has_read_since(run, id, since))
                });
                let is_result_pending = message.contains("upload accepted; result pending")
                    && (message.contains("the run ended before")
                        || !self.callbacks.has_received_callback(&progress.committed_changes));
                let is_dropped = message.contains(COHORT_DROPPED_MESSAGE) && self.is_name_holder_hidden(step);
                let is_excused = progress.had_fault
                    || is_dropped
                    || is_result_pending
                    // The run was cancelled before it could read the result of a cohort's first request.
                    || message.contains("the run was interrupted before the request was sent")
                    // Or while a rate limit delayed the read.
                    || message.contains("the cohort could not be read") && message.contains("rate limit exceeded")
                    || checker.has_disk_faults
                    || has_lost_lock
                    || has_other_changes
                    || lacks_read;
                (!is_excused).then(|| "every request got a response".to_owned())
            }
            StepOutcome::RolledBack => self.reason_not_rolled_back(run, progress),
            StepOutcome::NotAttempted => None,
        };
        self.recorder
            .require(error.is_none(), "the run report is correct", || {
                format!(
                    "step {} of `{}` is reported as {:?}: {}",
                    entry.number,
                    entry.segment,
                    entry.outcome,
                    error.unwrap_or_default()
                )
            });
    }

    /// Whether a cohort or file segment is archived and the run could know it.
    /// It could not if listings do not show that, or if the segment was archived after the listing.
    fn is_known_archived(&self, (id, segment): (&str, &ActualSegment), run: usize) -> bool {
        let planned_at = self.run_checkers[&run].changes_at_plan;
        let is_hidden = self.hides_lifecycle_of(segment.kind)
            && !matches!(
                self.ground_truth.last_lifecycle_author(id),
                Some(Author::Run(_) | Author::LateRequest(_))
            );
        segment.is_archived && !is_hidden && !self.ground_truth.was_changed_by_others(id, planned_at, run)
    }

    /// Whether the cohort was renamed, or its name is in use by an archived segment or reserved.
    fn is_name_holder_hidden(&self, step: &Step) -> bool {
        let name = step.segment.as_str();
        if let Action::SyncCohort(sync) = &step.action
            && let Some((_, segment)) = self.ground_truth.by_cohort_key(&sync.cohort.key)
            && segment.name != name
        {
            return true;
        }
        match self.ground_truth.by_name(name) {
            Some((_, segment)) => segment.is_archived,
            None => !self.frees_names && self.ground_truth.was_name_used(name),
        }
    }

    /// Why a step that is reported as applied is not.
    fn reason_not_applied(
        &self,
        run: usize,
        (step, progress): (&Step, &StepProgress),
        id: &str,
    ) -> Option<String> {
        if progress.is_rollback
            || self
                .ground_truth
                .was_changed_by_others(id, progress.changes_at_start, run)
        {
            return None;
        }
        // A run does not know the id of a cohort that no list shows.
        let unlisted = match &step.action {
            Action::SyncCohort(sync) if SegmentId::new(id).is_unlisted_cohort() => {
                self.ground_truth.by_cohort_key(&sync.cohort.key)
            }
            Action::Unarchive(target) if target.id.is_unlisted_cohort() => {
                self.ground_truth.by_name(target.remote_name.as_str())
            }
            _ => None,
        };
        let id = unlisted.map_or(id, |(id, _)| id);
        let Some(segment) = self.ground_truth.segments.get(id) else {
            // MoEngage drops the members for a name that is in use.
            let is_holder_hidden = self.is_name_holder_hidden(step)
                || self
                    .ground_truth
                    .may_list_lack(step.segment.as_str(), self.run_started_at[&run]);
            let is_dropped = SegmentId::new(id).is_unlisted_cohort() && is_holder_hidden;
            return (!is_dropped).then(|| format!("there is no segment {id}"));
        };
        let has_definition = |name: &str, desired: &Payload| {
            let desired = meaning_of_payload(desired);
            segment.name == name
                && !segment.is_archived
                && segment.meaning.amounts == desired.amounts
                && segment.meaning.refers_to.len() == desired.refers_to.len()
        };
        let is_applied = match &step.action {
            Action::Create(desired) => has_definition(step.segment.as_str(), desired.payload()),
            Action::Update(change) => has_definition(change.name.as_str(), change.desired.payload()),
            Action::Archive(target) => segment.is_archived && target.id.as_str() == id,
            Action::Unarchive(target) => {
                let is_target = target.id.as_str() == id || target.id.is_unlisted_cohort();
                !segment.is_archived && is_target
            }
            Action::SyncCohort(sync) => {
                let desired = people::people_in_members(&sync.cohort.members);
                !self.is_known_archived((id, segment), run) && self.has_desired_people(id, desired)
            }
            Action::UploadUserList(upload) => {
                let desired = people::people_in_users(&upload.upload.users);
                // The listing may not show that the segment is archived and lost its users.
                let is_hidden = segment.is_archived && self.hides_lifecycle_of(segment.kind);
                let is_uncertain = is_hidden
                    || self
                        .callbacks
                        .segment_has_unreported_failure(id, self.run_started_at[&run]);
                !self.is_known_archived((id, segment), run)
                    && (is_uncertain || self.has_desired_people(id, desired))
            }
        };
        (!is_applied).then(|| format!("it is {segment:?}"))
    }

    /// Why a step that is reported as failed has not failed.
    fn reason_not_failed(&self, (step, progress): (&Step, &StepProgress), message: &str) -> Option<String> {
        let target = step.action.target().map(|target| target.id.as_str());
        let committed = progress
            .committed_changes
            .iter()
            .filter_map(|change| self.ground_truth.changes.get(*change));
        let mut ids = target
            .into_iter()
            .chain(committed.map(|change| change.id.as_str()));
        let is_unread =
            message.contains("could not read") && ids.any(|id| self.callbacks.has_unreadable_list(id));
        let is_explained = is_unread
            || message.contains("had to be unarchived")
            || message.contains("was unarchived to identify")
            || message.contains("requests were sent")
            // The create request arrived twice and was refused the second time, so the run cannot know its segment.
            || progress.had_fault
                && matches!(&step.action, Action::UploadUserList(upload) if upload.target.is_none())
                && (message.contains("appeared since the plan") || message.contains("the segment with this name is not listed"));
        let is_main = |change: &SegmentChange| {
            let (before, after) = (change.before.as_ref(), &change.after);
            match &step.action {
                Action::Create(_) | Action::Update(_) => {
                    before.is_none_or(|before| before.name != after.name || before.meaning != after.meaning)
                }
                Action::Archive(_) => after.is_archived,
                Action::Unarchive(_) => !after.is_archived,
                Action::SyncCohort(_) => before.is_none_or(|before| before.people != after.people),
                Action::UploadUserList(_) => before.is_none() || change.effect == EffectTiming::Queued,
            }
        };
        let mut committed = progress
            .committed_changes
            .iter()
            .filter_map(|change| self.ground_truth.changes.get(*change));
        let done = committed.find(|change| is_main(change));
        let done = done.filter(|change| {
            let later = self
                .ground_truth
                .changes
                .iter()
                .rev()
                .take_while(|later| !std::ptr::eq(*later, *change));
            // A dashboard user changed the segment since, so the run could not see that the step was done.
            !later
                .into_iter()
                .any(|later| later.id == change.id && later.author == Author::Dashboard)
        });
        done.filter(|_| !is_explained)
            .map(|change| format!("it was done: {change:?}"))
    }

    /// Why a step that was skipped as drifted had not drifted.
    fn reason_not_drifted(&self, run: usize, (checker, step): (&RunChecker, &Step)) -> Option<String> {
        let target = step.action.target()?;
        let segment = self.ground_truth.segments.get(target.id.as_str())?;
        if segment.kind != SegmentKind::Filter {
            let since = if checker.is_rechecked(step) {
                0
            } else {
                checker.changes_at_plan
            };
            let has_other_changes = self
                .ground_truth
                .was_changed_by_others(target.id.as_str(), since, run);
            return (segment.name == target.remote_name.as_str() && !has_other_changes)
                .then(|| "no other author changed it".to_owned());
        }
        let payload: Payload = Payload {
            included_filters: segment.definition["included_filters"].clone(),
            excluded_filters: Some(segment.definition["excluded_filters"].clone()),
        };
        let is_as_planned = segment.name == target.remote_name.as_str()
            && Some(exact_digest(&payload, &checker.plan.references)) == target.digest;
        is_as_planned.then(|| format!("it matches the plan: {segment:?}"))
    }

    /// Why a step that is reported as rolled back is not.
    fn reason_not_rolled_back(&self, run: usize, progress: &StepProgress) -> Option<String> {
        let first = progress
            .committed_changes
            .first()
            .and_then(|change| self.ground_truth.changes.get(*change));
        let first = first?;
        if self
            .ground_truth
            .was_changed_by_others(&first.id, first.changes_at_read, run)
        {
            return None;
        }
        let (before, now) = (first.before.as_ref()?, &self.ground_truth.segments[&first.id]);
        let is_rolled_back = before.name == now.name && before.meaning.has_same_members(&now.meaning);
        (!is_rolled_back).then(|| format!("it was {before:?} and is {now:?}"))
    }
}

/// Part of the message for a cohort that MoEngage dropped.
pub(crate) const COHORT_DROPPED_MESSAGE: &str = "lists no segment of that name";

/// Whether MoEngage refuses a request if its name is in use.
fn creates_segment(request: &HttpRequest) -> bool {
    request.method == "POST" && !request.path.ends_with("/cohortsync")
}

fn inject_outcome_bug(recorder: &Recorder, entry: &StepReport) -> StepReport {
    let mut entry = entry.clone();
    let failed = || StepOutcome::Failed {
        message: "it failed".to_owned(),
    };
    entry.outcome = match entry.outcome {
        StepOutcome::Unknown { .. } if recorder.has_bug(Bug::UnknownReportedAsFailed) => failed(),
        StepOutcome::Applied { .. } if recorder.has_bug(Bug::AppliedReportedAsFailed) => failed(),
        StepOutcome::Failed { .. } if recorder.has_bug(Bug::FailedReportedAsApplied) => {
            StepOutcome::applied(SegmentId::new("none"), Vec::new())
        }
        outcome => outcome,
    };
    entry
}

pub(crate) fn step_event_listener(machine: &Machine, run: usize) -> impl Fn(StepEvent<'_>) + Sync + use<> {
    let (workspace, timeline) = (Arc::clone(&machine.workspace), machine.timeline.clone());
    move |event| {
        let mut workspace = workspace.lock().unwrap();
        if matches!(event, StepEvent::Finished(_)) {
            // A segment may expire during the step.
            workspace.check_ground_truth(timeline.timestamp());
        }
        workspace.record_step_event(run, event);
    }
}
