//! What a run said that it does, held against what it does: every write belongs to a step of the plan that was shown,
//! comes after what the step depends on, and ends as the receipt says.

use super::ground_truth::{ActualSegment, Author, EffectTiming, GroundTruth, Meaning, SegmentChange};
use super::injected_bugs::Bug;
use super::list_checks::{is_list_request, matches_cohort_step, matches_file_segment_step};
use super::people::{self, People};
use super::recorder::Recorder;
use super::workspace::{SimulatedWorkspace, cohort_key_of};
use segctl::apply::StepEvent;
use segctl::apply::run_report::{SkipReason, StepOutcome, StepReport};
use segctl::model::{Payload, SegmentId, SegmentKind};
use segctl::plan::step::{Action, Plan, Step, exact_digest};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A run's plan and what came of its steps so far.
pub(crate) struct RunChecker {
    plan: Plan,
    progress: Vec<StepProgress>,
    /// Whether file operations of the run may fail.
    has_disk_faults: bool,
    /// Whether the plan was saved: what was read to see whether it still holds stands for the look before a write.
    is_saved: bool,
    /// How many changes there were when it was made, or when the saved one was looked at.
    changes_at_plan: usize,
}

#[derive(Clone, Default)]
struct StepProgress {
    state: StepState,
    /// How many changes there were when it began; in a saved plan, when its segment was looked at before.
    changes_at_start: usize,
    /// How many looks at segments there were by then.
    reads_at_start: usize,
    /// The changes that it made, by their number.
    committed_changes: Vec<usize>,
    /// Whether something went wrong while it was under way.
    had_fault: bool,
    /// How many looks at segments there were when a write of it was refused that may have been made by an earlier delivery.
    reads_at_rejection: Option<usize>,
    /// Whether it is being taken back.
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
    /// Takes the plan that was shown.
    pub(crate) fn new(plan: &Plan, (is_saved, changes): (bool, usize), is_disk_troubled: bool) -> Self {
        Self {
            changes_at_plan: changes,
            plan: plan.clone(),
            progress: vec![StepProgress::default(); plan.steps.len()],
            has_disk_faults: is_disk_troubled,
            is_saved,
        }
    }

    /// Whether every step was said to be done.
    pub(crate) fn all_steps_done(&self) -> bool {
        self.progress.iter().all(|facts| facts.state == StepState::Done)
    }

    /// A write of the run took effect.
    pub(crate) fn record_commit(&mut self, step: Option<usize>, change: usize) {
        if let Some(facts) = step.and_then(|step| self.progress.get_mut(step)) {
            facts.committed_changes.push(change);
        }
    }

    /// A call of the run went wrong; one that is no write may have been made for any step.
    pub(crate) fn record_fault(&mut self, step: Option<usize>) {
        for (place, facts) in self.progress.iter_mut().enumerate() {
            if facts.state == StepState::Running && step.is_none_or(|step| step == place) {
                facts.had_fault = true;
            }
        }
    }

    /// The service says that a write of the run is none; what that means is known when it is looked at.
    pub(crate) fn record_rejection(&mut self, step: Option<usize>, looks_made: usize) {
        if let Some(facts) = step.and_then(|step| self.progress.get_mut(step)) {
            facts.reads_at_rejection = Some(looks_made);
        }
    }

    /// The step in a place.
    pub(crate) fn step(&self, place: usize) -> Option<&Step> {
        self.plan.steps.get(place)
    }

    /// The step under way that a write is made for; a write about a list tells of people.
    fn step_for_request(
        &self,
        call: &HttpRequest,
        (body, told): (&Value, Option<People>),
        truth: &GroundTruth,
    ) -> Option<usize> {
        let steps = self.plan.steps.iter().zip(&self.progress).enumerate();
        let mut under_way = steps.filter(|(_, (_, facts))| facts.state == StepState::Running);
        let found = under_way.find(|(_, (step, facts))| match &step.action {
            Action::SyncCohort(sending) if is_list_request(call) => {
                matches_cohort_step((step, sending), body)
            }
            Action::UploadUserList(uploading) if is_list_request(call) => {
                matches_file_segment_step((step, uploading), call, (body, told))
            }
            _ => !is_list_request(call) && matches_step((step, facts.is_rollback), (call, body), truth),
        });
        found.map(|(place, _)| place)
    }
}

/// Whether a step may make such a write; one that is taken back leaves what was there before.
fn matches_step(
    (step, is_back): (&Step, bool),
    (call, body): (&HttpRequest, &Value),
    truth: &GroundTruth,
) -> bool {
    let id = call
        .path
        .strip_prefix("/v3/custom-segments/")
        .or_else(|| body["cs_id"].as_str());
    let is_of_target = |target: &segctl::plan::step::Target| Some(target.id.as_str()) == id;
    let is_definition = |wanted: &Payload| amounts_of_payload(wanted) == meaning_of_request(body).amounts;
    let is_put_away = call.path.ends_with("/archive");
    match &step.action {
        // The one that has the name and is hidden is taken out, made what is declared, or put back.
        Action::Create(wanted) => match call.method.as_str() {
            "POST" => body["name"] == step.segment.as_str() && is_definition(wanted.payload()),
            _ if call.path.starts_with("/v2/") => body["name"] == step.segment.as_str(),
            _ => {
                let holder = id.and_then(|id| truth.segments.get(id));
                holder.is_some_and(|holder| holder.name == step.segment.as_str())
                    && is_definition(wanted.payload())
            }
        },
        Action::Update(change) => {
            let is_name = body.get("name").is_none_or(|name| *name == change.name.as_str());
            let is_change = is_back || is_name && is_definition(change.desired.payload());
            is_of_target(&change.target)
                && (call.path.starts_with("/v3/") && is_change || call.path.ends_with("/unarchive"))
        }
        Action::Archive(target) => is_of_target(target) && is_put_away,
        Action::Unarchive(target) => is_of_target(target) && call.path.ends_with("/unarchive"),
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
    /// A run is about to make a write: it must be one that was announced, and not too early.
    pub(crate) fn check_request(&mut self, run: usize, call: &HttpRequest) -> Option<usize> {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let id = call
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
            target.is_none_or(|id| creates_segment(call) || !self.unmanaged.contains(id)),
            "nothing foreign is written",
            || format!("{} {} {body}", call.method, call.path),
        );
        let witness = self.run_checkers.get(&run);
        let told = is_list_request(call)
            .then(|| self.people_in_request(call, &body))
            .flatten();
        let step =
            witness.and_then(|witness| witness.step_for_request(call, (&body, told), &self.ground_truth));
        self.recorder
            .require(step.is_some(), "every write is in the plan", || {
                format!(
                    "{} {} {body} belongs to no step under way ({told:?})",
                    call.method, call.path
                )
            });
        let (witness, step) = (witness?, step?);
        let facts = &witness.progress[step];
        let unmet = witness.plan.steps[step].depends_on.iter().find(|need| {
            let state = witness.progress.get(**need - 1).map(|facts| facts.state);
            state != Some(StepState::Done)
        });
        self.recorder.require(
            unmet.is_none() || facts.is_rollback,
            "writes keep the order of the plan",
            || format!("step {} was to wait for step {unmet:?}", step + 1),
        );
        let is_change = match &witness.plan.steps[step].action {
            Action::SyncCohort(_) | Action::UploadUserList(_) => {
                witness.plan.steps[step].action.target().is_some()
            }
            _ => call.path.starts_with("/v3/") && call.method == "PATCH",
        };
        let is_look_due = is_change && !witness.is_saved;
        let is_looked_at =
            target.is_some_and(|id| self.ground_truth.has_read_since(run, id, facts.reads_at_start));
        self.recorder.require(
            is_looked_at || !is_look_due,
            "what is overwritten is looked at right before",
            || format!("{} {} {body}", call.method, call.path),
        );
        let has_file = witness.plan.steps[step].origin.is_some();
        let target = target.map(str::to_owned);
        if call.path.ends_with("/archive") && !has_file {
            self.require_may_archive(target.as_deref().unwrap_or_default(), &body);
        }
        self.require_no_duplicate_create(&body, call);
        Some(step)
    }

    /// What no run ever wrote is archived only where a file says so.
    fn require_may_archive(&self, id: &str, body: &Value) {
        let mut changes = self.ground_truth.changes.iter().filter(|change| change.id == id);
        let is_written =
            changes.any(|change| matches!(change.author, Author::Run(_) | Author::LateRequest(_)));
        // As the run knows it: it may have been renamed since.
        let name = body["name"].as_str();
        let is_owned = self.manages_external_segments && name.is_some_and(|name| name.starts_with("by hand"));
        let is_written = is_written || self.was_reported_archived(id);
        self.recorder.require(
            is_written || is_owned,
            "nothing is archived that no run wrote",
            || format!("{id}, {name:?}"),
        );
    }

    /// Whether a run was told that a segment is away, as it wanted it to be: it is kept away from then on.
    fn was_reported_archived(&self, id: &str) -> bool {
        self.run_checkers.values().any(|witness| {
            let mut steps = witness.plan.steps.iter().zip(&witness.progress);
            steps.any(|(step, facts)| {
                let is_done = facts.state == StepState::Done;
                is_done && matches!(&step.action, Action::Archive(target) if target.id.as_str() == id)
            })
        })
    }

    /// Names are unique while they are held, so that a second segment for a declared name can only come of a run that
    /// makes one although the first is still there under another.
    fn require_no_duplicate_create(&self, body: &Value, call: &HttpRequest) {
        // Lists keep their names.
        if call.method != "POST" || is_list_request(call) {
            return;
        }
        let name = body["name"].as_str().unwrap_or_default();
        let meaning = meaning_of_request(body);
        let mut made = self.ground_truth.changes.iter().filter(|change| {
            change.before.is_none()
                && matches!(change.author, Author::Run(_) | Author::LateRequest(_))
                && change.after.name == name
        });
        let twin = made.find(|change| {
            let segment = &self.ground_truth.segments[&change.id];
            !segment.is_archived
                && segment.name != name
                && segment.meaning == meaning
                && !self.was_edited_in_dashboard(&change.id)
        });
        self.recorder
            .require(twin.is_none(), "a declared name has one segment", || {
                format!("`{name}` is made again although {twin:?} is there")
            });
    }

    fn was_edited_in_dashboard(&self, id: &str) -> bool {
        let mut changes = self.ground_truth.changes.iter();
        changes.any(|change| change.id == id && change.author == Author::Dashboard)
    }

    /// A step of a run begins or ends.
    pub(crate) fn record_step_event(&mut self, run: usize, event: StepEvent<'_>) {
        let (changes, looks) = (self.ground_truth.changes.len(), self.ground_truth.read_count);
        let truth = &self.ground_truth;
        let Some(witness) = self.run_checkers.get_mut(&run) else {
            return;
        };
        match event {
            StepEvent::Started(step) => {
                let facts = &mut witness.progress[step.number - 1];
                facts.is_rollback = facts.state != StepState::Pending;
                facts.state = StepState::Running;
                facts.had_fault = false;
                facts.reads_at_rejection = None;
                let target = step.action.target().filter(|_| witness.is_saved);
                let looked_from =
                    target.and_then(|target| truth.changes_at_last_read(run, target.id.as_str()));
                facts.changes_at_start = looked_from.unwrap_or(changes);
                facts.reads_at_start = looks;
                self.recorder.log_event("plan", step.number as u64, || {
                    format!(
                        "step {} begins: {} `{}`",
                        step.number,
                        step.action.as_str(),
                        step.segment
                    )
                });
            }
            StepEvent::Finished(entry) => {
                let entry = &inject_outcome_bug(&self.recorder, entry);
                let facts = &mut witness.progress[entry.number - 1];
                facts.state = if entry.outcome.is_done() {
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
        let witness = &self.run_checkers[&run];
        let step = &witness.plan.steps[entry.number - 1];
        let facts = &witness.progress[entry.number - 1];
        let fault = match &entry.outcome {
            // What is not as the step wanted it is said to be so.
            StepOutcome::Applied { notes, .. } if notes.iter().any(|note| note.contains("next plan")) => None,
            StepOutcome::Applied { id, .. } | StepOutcome::Unchanged { id, .. } => {
                self.reason_not_applied(run, (step, facts), id.as_str())
            }
            StepOutcome::Failed { message } => self.reason_not_failed((step, facts), message),
            StepOutcome::NotAttempted if !facts.committed_changes.is_empty() => {
                Some("something was written".to_owned())
            }
            StepOutcome::Skipped(SkipReason::DependencyNotApplied(name)) => {
                let needs = step
                    .depends_on
                    .iter()
                    .filter_map(|need| witness.progress.get(need - 1));
                let is_unmet = needs.clone().any(|facts| facts.state == StepState::NotDone);
                (!is_unmet || !facts.committed_changes.is_empty())
                    .then(|| format!("it could have gone on after `{name}`"))
            }
            StepOutcome::Skipped(SkipReason::Drifted) => self.reason_not_drifted(run, (witness, step)),
            StepOutcome::Unknown { message } => {
                let has_lost_lock = message.contains("lock was taken away");
                let target = step.action.target().map(|target| target.id.as_str());
                let is_touched = target.is_some_and(|id| {
                    self.ground_truth
                        .was_changed_by_others(id, facts.changes_at_start, run)
                });
                let is_unlooked = facts.reads_at_rejection.is_some_and(|since| {
                    target.is_some_and(|id| !self.ground_truth.has_read_since(run, id, since))
                });
                let is_unheard = message.contains("accepted, outcome not known")
                    && (message.contains("the run ended before")
                        || !self.callbacks.has_received_callback(&facts.committed_changes));
                let is_dropped = message.contains(COHORT_DROPPED_MESSAGE) && self.is_name_holder_hidden(step);
                let is_excused = facts.had_fault
                    || is_dropped
                    || is_unheard
                    // What a cohort's first call made has to be looked for, and that is not done any more.
                    || message.contains("the run was stopped before it was sent")
                    || witness.has_disk_faults
                    || has_lost_lock
                    || is_touched
                    || is_unlooked;
                (!is_excused).then(|| "every answer came".to_owned())
            }
            StepOutcome::RolledBack => self.reason_not_rolled_back(run, facts),
            StepOutcome::NotAttempted => None,
        };
        self.recorder
            .require(fault.is_none(), "the receipt is the truth", || {
                format!(
                    "step {} of `{}` is said to be {:?}: {}",
                    entry.number,
                    entry.segment,
                    entry.outcome,
                    fault.unwrap_or_default()
                )
            });
    }

    /// Whether a segment of a list is put away and the run could know. No call about it says so, and a list of segments that
    /// shows what is put away, or that was read before it was, does not either.
    fn is_known_archived(&self, (id, segment): (&str, &ActualSegment), run: usize) -> bool {
        let planned_at = self.run_checkers[&run].changes_at_plan;
        let is_unseen = self.shows_archived
            && !matches!(
                self.ground_truth.last_lifecycle_author(id),
                Some(Author::Run(_) | Author::LateRequest(_))
            );
        segment.is_archived && !is_unseen && !self.ground_truth.was_changed_by_others(id, planned_at, run)
    }

    /// Whether no list shows who has the name of a step's cohort, or keeps it for ever, or the cohort has another name.
    fn is_name_holder_hidden(&self, step: &Step) -> bool {
        let name = step.segment.as_str();
        if let Action::SyncCohort(sending) = &step.action
            && let Some((_, live)) = self.ground_truth.by_cohort_key(&sending.cohort.key)
            && live.name != name
        {
            return true;
        }
        match self.ground_truth.by_name(name) {
            Some((_, segment)) => segment.is_archived,
            None => !self.frees_names && self.ground_truth.was_name_used(name),
        }
    }

    /// Why a step that is said to be applied is not.
    fn reason_not_applied(
        &self,
        run: usize,
        (step, facts): (&Step, &StepProgress),
        id: &str,
    ) -> Option<String> {
        if facts.is_rollback
            || self
                .ground_truth
                .was_changed_by_others(id, facts.changes_at_start, run)
        {
            return None;
        }
        let Some(segment) = self.ground_truth.segments.get(id) else {
            return Some(format!("there is no segment {id}"));
        };
        let is_stored = |name: &str, wanted: &Payload| {
            let wanted = meaning_of_payload(wanted);
            segment.name == name
                && !segment.is_archived
                && segment.meaning.amounts == wanted.amounts
                && segment.meaning.refers_to.len() == wanted.refers_to.len()
        };
        let is_there = match &step.action {
            Action::Create(wanted) => is_stored(step.segment.as_str(), wanted.payload()),
            Action::Update(change) => is_stored(change.name.as_str(), change.desired.payload()),
            Action::Archive(target) => segment.is_archived && target.id.as_str() == id,
            Action::Unarchive(target) => !segment.is_archived && target.id.as_str() == id,
            Action::SyncCohort(sending) => {
                let wanted = people::people_in_members(&sending.cohort.members);
                !self.is_known_archived((id, segment), run) && self.has_desired_people(id, wanted)
            }
            Action::UploadUserList(uploading) => {
                let wanted = people::people_in_users(&uploading.upload.users);
                // Nothing tells of what is away where it is listed all the same, nor of whom it lost since.
                let is_unseen = segment.is_archived && self.shows_archived;
                let is_in_doubt = is_unseen
                    || self
                        .callbacks
                        .segment_has_unreported_failure(id, self.run_started_at[&run]);
                !self.is_known_archived((id, segment), run)
                    && (is_in_doubt || self.has_desired_people(id, wanted))
            }
        };
        (!is_there).then(|| format!("it is {segment:?}"))
    }

    /// Why a step that is said to have failed has not.
    fn reason_not_failed(&self, (step, facts): (&Step, &StepProgress), message: &str) -> Option<String> {
        let target = step.action.target().map(|target| target.id.as_str());
        let made = facts
            .committed_changes
            .iter()
            .filter_map(|change| self.ground_truth.changes.get(*change));
        let mut ids = target.into_iter().chain(made.map(|change| change.id.as_str()));
        let is_unread =
            message.contains("could not read") && ids.any(|id| self.callbacks.has_unreadable_list(id));
        let is_told = is_unread
            || message.contains("had to be taken out")
            || message.contains("was taken out to see")
            || message.contains("calls were made")
            // A call that made the segment was doubled, so that it was refused as well: nobody knows whose the segment is.
            || facts.had_fault
                && matches!(&step.action, Action::UploadUserList(uploading) if uploading.target.is_none())
                && (message.contains("appeared since the plan") || message.contains("archived and not listed"));
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
        let mut committed = facts
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
            // Somebody changed it since, so that the run could not know that it had been done.
            !later
                .into_iter()
                .any(|later| later.id == change.id && later.author == Author::Dashboard)
        });
        done.filter(|_| !is_told)
            .map(|change| format!("it was done: {change:?}"))
    }

    /// Why a step that is said to have been skipped for a change since the plan was not to be.
    fn reason_not_drifted(&self, run: usize, (witness, step): (&RunChecker, &Step)) -> Option<String> {
        let target = step.action.target()?;
        let segment = self.ground_truth.segments.get(target.id.as_str())?;
        if segment.kind != SegmentKind::Filter {
            let since = if witness.is_saved {
                0
            } else {
                witness.changes_at_plan
            };
            let is_touched = self
                .ground_truth
                .was_changed_by_others(target.id.as_str(), since, run);
            return (segment.name == target.remote_name.as_str() && !is_touched)
                .then(|| "nobody else changed it".to_owned());
        }
        let payload: Payload = Payload {
            included_filters: segment.definition["included_filters"].clone(),
            excluded_filters: Some(segment.definition["excluded_filters"].clone()),
        };
        let is_as_planned = segment.name == target.remote_name.as_str()
            && Some(exact_digest(&payload, &witness.plan.references)) == target.digest;
        is_as_planned.then(|| format!("it is as the plan saw it: {segment:?}"))
    }

    /// Why a step that is said to have been taken back was not.
    fn reason_not_rolled_back(&self, run: usize, facts: &StepProgress) -> Option<String> {
        let first = facts
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
        let is_back = before.name == now.name && before.meaning.has_same_members(&now.meaning);
        (!is_back).then(|| format!("it was {before:?} and is {now:?}"))
    }
}

/// What is said where a cohort was to be made and no list shows it.
pub(crate) const COHORT_DROPPED_MESSAGE: &str = "lists no segment of that name";

/// Whether a call is refused where there is a segment of the name already.
fn creates_segment(call: &HttpRequest) -> bool {
    call.method == "POST" && !call.path.ends_with("/cohortsync")
}

/// What would be told by mistake.
fn inject_outcome_bug(record: &Recorder, entry: &StepReport) -> StepReport {
    let mut entry = entry.clone();
    let failed = || StepOutcome::Failed {
        message: "it failed".to_owned(),
    };
    entry.outcome = match entry.outcome {
        StepOutcome::Unknown { .. } if record.has_bug(Bug::UnknownReportedAsFailed) => failed(),
        StepOutcome::Applied { .. } if record.has_bug(Bug::AppliedReportedAsFailed) => failed(),
        StepOutcome::Failed { .. } if record.has_bug(Bug::FailedReportedAsApplied) => {
            StepOutcome::applied(SegmentId::new("none"), Vec::new())
        }
        outcome => outcome,
    };
    entry
}

/// Told of steps by a run.
pub(crate) fn step_event_listener(
    workspace: &Arc<Mutex<SimulatedWorkspace>>,
    run: usize,
) -> impl Fn(StepEvent<'_>) + Sync + use<> {
    let workspace = Arc::clone(workspace);
    move |event| workspace.lock().unwrap().record_step_event(run, event)
}
