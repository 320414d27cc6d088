//! What a run said that it does, held against what it does: every write belongs to a step of the plan that was shown,
//! comes after what the step depends on, and ends as the receipt says.

use super::lists::{is_of_list, is_sync_of, is_upload_of};
use super::members::{self, People};
use super::planted::Bug;
use super::record::Record;
use super::truth::{Author, Change, Effect, Meaning, Segment, Truth};
use super::workspace::{Workspace, key_of};
use segctl::apply::StepEvent;
use segctl::apply::receipt::{StepReport, StepOutcome, SkipReason};
use segctl::model::{Payload, SegmentId, SegmentKind};
use segctl::plan::step::{Action, Plan, Step, exact_digest};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// A run's plan and what came of its steps so far.
pub(crate) struct Witness {
    plan: Plan,
    steps: Vec<Facts>,
    /// Whether file operations of the run may fail.
    is_disk_troubled: bool,
    /// Whether the plan was saved: what was read to see whether it still holds stands for the look before a write.
    is_saved: bool,
    /// How many changes there were when it was made, or when the saved one was looked at.
    planned_at: usize,
}

#[derive(Clone, Default)]
struct Facts {
    state: State,
    /// How many changes there were when it began; in a saved plan, when its segment was looked at before.
    began_at: usize,
    /// How many looks at segments there were by then.
    looks_before: usize,
    /// The changes that it made, by their number.
    committed: Vec<usize>,
    /// Whether something went wrong while it was under way.
    is_troubled: bool,
    /// How many looks at segments there were when a write of it was refused that may have been made by an earlier delivery.
    refused_at: Option<usize>,
    /// Whether it is being taken back.
    is_second_time: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Waiting,
    UnderWay,
    Done,
    NotDone,
}

impl Witness {
    /// Takes the plan that was shown.
    pub(crate) fn new(plan: &Plan, (is_saved, changes): (bool, usize), is_disk_troubled: bool) -> Self {
        Self {
            planned_at: changes,
            plan: plan.clone(),
            steps: vec![Facts::default(); plan.steps.len()],
            is_disk_troubled,
            is_saved,
        }
    }

    /// Whether every step was said to be done.
    pub(crate) fn is_all_done(&self) -> bool {
        self.steps.iter().all(|facts| facts.state == State::Done)
    }

    /// A write of the run took effect.
    pub(crate) fn committed(&mut self, step: Option<usize>, change: usize) {
        if let Some(facts) = step.and_then(|step| self.steps.get_mut(step)) {
            facts.committed.push(change);
        }
    }

    /// A call of the run went wrong; one that is no write may have been made for any step.
    pub(crate) fn troubled(&mut self, step: Option<usize>) {
        for (place, facts) in self.steps.iter_mut().enumerate() {
            if facts.state == State::UnderWay && step.is_none_or(|step| step == place) {
                facts.is_troubled = true;
            }
        }
    }

    /// The service says that a write of the run is none; what that means is known when it is looked at.
    pub(crate) fn refused(&mut self, step: Option<usize>, looks_made: usize) {
        if let Some(facts) = step.and_then(|step| self.steps.get_mut(step)) {
            facts.refused_at = Some(looks_made);
        }
    }

    /// The step in a place.
    pub(crate) fn step(&self, place: usize) -> Option<&Step> {
        self.plan.steps.get(place)
    }

    /// The step under way that a write is made for; a write about a list tells of people.
    fn step_of(&self, call: &HttpRequest, (body, told): (&Value, Option<People>), truth: &Truth) -> Option<usize> {
        let steps = self.plan.steps.iter().zip(&self.steps).enumerate();
        let mut under_way = steps.filter(|(_, (_, facts))| facts.state == State::UnderWay);
        let found = under_way.find(|(_, (step, facts))| match &step.action {
            Action::SyncCohort(sending) if is_of_list(call) => is_sync_of((step, sending), body),
            Action::UploadUserList(uploading) if is_of_list(call) => {
                is_upload_of((step, uploading), call, (body, told))
            }
            _ => !is_of_list(call) && is_write_of((step, facts.is_second_time), (call, body), truth),
        });
        found.map(|(place, _)| place)
    }
}

/// Whether a step may make such a write; one that is taken back leaves what was there before.
fn is_write_of((step, is_back): (&Step, bool), (call, body): (&HttpRequest, &Value), truth: &Truth) -> bool {
    let id = call
        .path
        .strip_prefix("/v3/custom-segments/")
        .or_else(|| body["cs_id"].as_str());
    let is_of_target = |target: &segctl::plan::step::Target| Some(target.id.as_str()) == id;
    let is_definition = |wanted: &Payload| amounts(wanted) == meaning_of_body(body).amounts;
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

fn meaning_of_body(body: &Value) -> Meaning {
    Meaning::of(&body["included_filters"], &body["excluded_filters"])
}

fn meaning(payload: &Payload) -> Meaning {
    let excluded = payload.excluded_filters.as_ref().unwrap_or(&Value::Null);
    Meaning::of(&payload.included_filters, excluded)
}

fn amounts(payload: &Payload) -> std::collections::BTreeSet<i64> {
    meaning(payload).amounts
}

impl Workspace {
    /// A run is about to make a write: it must be one that was announced, and not too early.
    pub(crate) fn sending(&mut self, run: usize, call: &HttpRequest) -> Option<usize> {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let id = call
            .path
            .strip_prefix("/v3/custom-segments/")
            .or_else(|| body["cs_id"].as_str());
        let named = || self.truth.named(body["name"].as_str()?).map(|(id, _)| id);
        let keyed = || self.truth.keyed(&key_of(&body)).map(|(id, _)| id);
        let target = id.or_else(named).or_else(keyed);
        self.record.require(
            target.is_none_or(|id| makes_segment(call) || !self.foreign.contains(id)),
            "nothing foreign is written",
            || format!("{} {} {body}", call.method, call.path),
        );
        let witness = self.witnesses.get(&run);
        let told = is_of_list(call).then(|| self.people_told(call, &body)).flatten();
        let step = witness.and_then(|witness| witness.step_of(call, (&body, told), &self.truth));
        self.record
            .require(step.is_some(), "every write is in the plan", || {
                format!(
                    "{} {} {body} belongs to no step under way ({told:?})",
                    call.method, call.path
                )
            });
        let (witness, step) = (witness?, step?);
        let facts = &witness.steps[step];
        let unmet = witness.plan.steps[step].depends_on.iter().find(|need| {
            let state = witness.steps.get(**need - 1).map(|facts| facts.state);
            state != Some(State::Done)
        });
        self.record.require(
            unmet.is_none() || facts.is_second_time,
            "writes keep the order of the plan",
            || format!("step {} was to wait for step {unmet:?}", step + 1),
        );
        let is_change = match &witness.plan.steps[step].action {
            Action::SyncCohort(_) | Action::UploadUserList(_) => witness.plan.steps[step].action.target().is_some(),
            _ => call.path.starts_with("/v3/") && call.method == "PATCH",
        };
        let is_look_due = is_change && !witness.is_saved;
        let is_looked_at = target.is_some_and(|id| self.truth.has_looked(run, id, facts.looks_before));
        self.record.require(
            is_looked_at || !is_look_due,
            "what is overwritten is looked at right before",
            || format!("{} {} {body}", call.method, call.path),
        );
        let has_file = witness.plan.steps[step].origin.is_some();
        let target = target.map(str::to_owned);
        if call.path.ends_with("/archive") && !has_file {
            self.require_ours(target.as_deref().unwrap_or_default(), &body);
        }
        self.require_unique(&body, call);
        Some(step)
    }

    /// What no run ever wrote is archived only where a file says so.
    fn require_ours(&self, id: &str, body: &Value) {
        let mut changes = self.truth.changes.iter().filter(|change| change.id == id);
        let is_written = changes.any(|change| matches!(change.author, Author::Run(_) | Author::Late(_)));
        // As the run knows it: it may have been renamed since.
        let name = body["name"].as_str();
        let is_owned = self.owns_what_is_made_by_hand && name.is_some_and(|name| name.starts_with("by hand"));
        let is_written = is_written || self.was_put_away(id);
        self.record.require(
            is_written || is_owned,
            "nothing is archived that no run wrote",
            || format!("{id}, {name:?}"),
        );
    }

    /// Whether a run was told that a segment is away, as it wanted it to be: it is kept away from then on.
    fn was_put_away(&self, id: &str) -> bool {
        self.witnesses.values().any(|witness| {
            let mut steps = witness.plan.steps.iter().zip(&witness.steps);
            steps.any(|(step, facts)| {
                let is_done = facts.state == State::Done;
                is_done && matches!(&step.action, Action::Archive(target) if target.id.as_str() == id)
            })
        })
    }

    /// Names are unique while they are held, so that a second segment for a declared name can only come of a run that
    /// makes one although the first is still there under another.
    fn require_unique(&self, body: &Value, call: &HttpRequest) {
        // Lists keep their names.
        if call.method != "POST" || is_of_list(call) {
            return;
        }
        let name = body["name"].as_str().unwrap_or_default();
        let meaning = meaning_of_body(body);
        let mut made = self.truth.changes.iter().filter(|change| {
            change.before.is_none()
                && matches!(change.author, Author::Run(_) | Author::Late(_))
                && change.after.name == name
        });
        let twin = made.find(|change| {
            let segment = &self.truth.segments[&change.id];
            !segment.is_archived
                && segment.name != name
                && segment.meaning == meaning
                && !self.was_renamed_by_hand(&change.id)
        });
        self.record
            .require(twin.is_none(), "a declared name has one segment", || {
                format!("`{name}` is made again although {twin:?} is there")
            });
    }

    fn was_renamed_by_hand(&self, id: &str) -> bool {
        let mut changes = self.truth.changes.iter();
        changes.any(|change| change.id == id && change.author == Author::Dashboard)
    }

    /// A step of a run begins or ends.
    pub(crate) fn told(&mut self, run: usize, event: StepEvent<'_>) {
        let (changes, looks) = (self.truth.changes.len(), self.truth.looks_made);
        let truth = &self.truth;
        let Some(witness) = self.witnesses.get_mut(&run) else {
            return;
        };
        match event {
            StepEvent::Started(step) => {
                let facts = &mut witness.steps[step.number - 1];
                facts.is_second_time = facts.state != State::Waiting;
                facts.state = State::UnderWay;
                facts.is_troubled = false;
                facts.refused_at = None;
                let target = step.action.target().filter(|_| witness.is_saved);
                let looked_from = target.and_then(|target| truth.looked_from(run, target.id.as_str()));
                facts.began_at = looked_from.unwrap_or(changes);
                facts.looks_before = looks;
                self.record.note("plan", step.number as u64, || {
                    format!(
                        "step {} begins: {} `{}`",
                        step.number,
                        step.action.as_str(),
                        step.segment
                    )
                });
            }
            StepEvent::Finished(entry) => {
                let entry = &mistold(&self.record, entry);
                let facts = &mut witness.steps[entry.number - 1];
                facts.state = if entry.outcome.is_done() {
                    State::Done
                } else {
                    State::NotDone
                };
                self.record.note("plan", entry.number as u64, || {
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
        let witness = &self.witnesses[&run];
        let step = &witness.plan.steps[entry.number - 1];
        let facts = &witness.steps[entry.number - 1];
        let fault = match &entry.outcome {
            // What is not as the step wanted it is said to be so.
            StepOutcome::Applied { notes, .. } if notes.iter().any(|note| note.contains("next plan")) => None,
            StepOutcome::Applied { id, .. } | StepOutcome::Unchanged { id, .. } => {
                self.not_there(run, (step, facts), id.as_str())
            }
            StepOutcome::Failed { message } => self.done_all_the_same((step, facts), message),
            StepOutcome::NotAttempted if !facts.committed.is_empty() => Some("something was written".to_owned()),
            StepOutcome::Skipped(SkipReason::DependencyNotApplied(name)) => {
                let needs = step
                    .depends_on
                    .iter()
                    .filter_map(|need| witness.steps.get(need - 1));
                let is_unmet = needs.clone().any(|facts| facts.state == State::NotDone);
                (!is_unmet || !facts.committed.is_empty())
                    .then(|| format!("it could have gone on after `{name}`"))
            }
            StepOutcome::Skipped(SkipReason::Drifted) => self.not_drifted(run, (witness, step)),
            StepOutcome::Unknown { message } => {
                let has_lost_lock = message.contains("lock was taken away");
                let target = step.action.target().map(|target| target.id.as_str());
                let is_touched =
                    target.is_some_and(|id| self.truth.was_touched_by_others(id, facts.began_at, run));
                let is_unlooked = facts
                    .refused_at
                    .is_some_and(|since| target.is_some_and(|id| !self.truth.has_looked(run, id, since)));
                let is_unheard = message.contains("accepted, outcome not known")
                    && (message.contains("the run ended before") || !self.hooks.was_heard(&facts.committed));
                let is_dropped = message.contains(DROPPED) && self.is_not_shown(step);
                let is_excused = facts.is_troubled
                    || is_dropped
                    || is_unheard
                    // What a cohort's first call made has to be looked for, and that is not done any more.
                    || message.contains("the run was stopped before it was sent")
                    || witness.is_disk_troubled
                    || has_lost_lock
                    || is_touched
                    || is_unlooked;
                (!is_excused).then(|| "every answer came".to_owned())
            }
            StepOutcome::RolledBack => self.not_taken_back(run, facts),
            StepOutcome::NotAttempted => None,
        };
        self.record
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
    fn is_away(&self, (id, segment): (&str, &Segment), run: usize) -> bool {
        let planned_at = self.witnesses[&run].planned_at;
        let is_unseen = self.shows_archived
            && !matches!(
                self.truth.last_moved_by(id),
                Some(Author::Run(_) | Author::Late(_))
            );
        segment.is_archived && !is_unseen && !self.truth.was_touched_by_others(id, planned_at, run)
    }

    /// Whether no list shows who has the name of a step's cohort, or keeps it for ever, or the cohort has another name.
    fn is_not_shown(&self, step: &Step) -> bool {
        let name = step.segment.as_str();
        if let Action::SyncCohort(sending) = &step.action
            && let Some((_, live)) = self.truth.keyed(&sending.cohort.key)
            && live.name != name
        {
            return true;
        }
        match self.truth.named(name) {
            Some((_, segment)) => segment.is_archived,
            None => !self.frees_names && self.truth.was_named(name),
        }
    }

    /// Why a step that is said to be applied is not.
    fn not_there(&self, run: usize, (step, facts): (&Step, &Facts), id: &str) -> Option<String> {
        if facts.is_second_time || self.truth.was_touched_by_others(id, facts.began_at, run) {
            return None;
        }
        let Some(segment) = self.truth.segments.get(id) else {
            return Some(format!("there is no segment {id}"));
        };
        let is_stored = |name: &str, wanted: &Payload| {
            let wanted = meaning(wanted);
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
                let wanted = members::of_members(&sending.cohort.members);
                !self.is_away((id, segment), run) && self.has_people(id, wanted)
            }
            Action::UploadUserList(uploading) => {
                let wanted = members::of_users(&uploading.upload.users);
                // Nothing tells of what is away where it is listed all the same, nor of whom it lost since.
                let is_unseen = segment.is_archived && self.shows_archived;
                let is_in_doubt = is_unseen || self.hooks.is_in_doubt(id, self.began[&run]);
                !self.is_away((id, segment), run) && (is_in_doubt || self.has_people(id, wanted))
            }
        };
        (!is_there).then(|| format!("it is {segment:?}"))
    }

    /// Why a step that is said to have failed has not.
    fn done_all_the_same(&self, (step, facts): (&Step, &Facts), message: &str) -> Option<String> {
        let target = step.action.target().map(|target| target.id.as_str());
        let made = facts
            .committed
            .iter()
            .filter_map(|change| self.truth.changes.get(*change));
        let mut ids = target.into_iter().chain(made.map(|change| change.id.as_str()));
        let is_unread = message.contains("could not read") && ids.any(|id| self.hooks.has_failed(id));
        let is_told = is_unread
            || message.contains("had to be taken out")
            || message.contains("was taken out to see")
            || message.contains("calls were made")
            // A call that made the segment was doubled, so that it was refused as well: nobody knows whose the segment is.
            || facts.is_troubled
                && matches!(&step.action, Action::UploadUserList(uploading) if uploading.target.is_none())
                && (message.contains("appeared since the plan") || message.contains("archived and not listed"));
        let is_main = |change: &Change| {
            let (before, after) = (change.before.as_ref(), &change.after);
            match &step.action {
                Action::Create(_) | Action::Update(_) => {
                    before.is_none_or(|before| before.name != after.name || before.meaning != after.meaning)
                }
                Action::Archive(_) => after.is_archived,
                Action::Unarchive(_) => !after.is_archived,
                Action::SyncCohort(_) => before.is_none_or(|before| before.people != after.people),
                Action::UploadUserList(_) => before.is_none() || change.effect == Effect::Queued,
            }
        };
        let mut committed = facts
            .committed
            .iter()
            .filter_map(|change| self.truth.changes.get(*change));
        let done = committed.find(|change| is_main(change));
        let done = done.filter(|change| {
            let later = self
                .truth
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
    fn not_drifted(&self, run: usize, (witness, step): (&Witness, &Step)) -> Option<String> {
        let target = step.action.target()?;
        let segment = self.truth.segments.get(target.id.as_str())?;
        if segment.kind != SegmentKind::Filter {
            let since = if witness.is_saved { 0 } else { witness.planned_at };
            let is_touched = self.truth.was_touched_by_others(target.id.as_str(), since, run);
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
    fn not_taken_back(&self, run: usize, facts: &Facts) -> Option<String> {
        let first = facts
            .committed
            .first()
            .and_then(|change| self.truth.changes.get(*change));
        let first = first?;
        if self.truth.was_touched_by_others(&first.id, first.looked_at, run) {
            return None;
        }
        let (before, now) = (first.before.as_ref()?, &self.truth.segments[&first.id]);
        let is_back = before.name == now.name && before.meaning.has_same_members(&now.meaning);
        (!is_back).then(|| format!("it was {before:?} and is {now:?}"))
    }
}

/// What is said where a cohort was to be made and no list shows it.
pub(crate) const DROPPED: &str = "lists no segment of that name";

/// Whether a call is refused where there is a segment of the name already.
fn makes_segment(call: &HttpRequest) -> bool {
    call.method == "POST" && !call.path.ends_with("/cohortsync")
}

/// What would be told by mistake.
fn mistold(record: &Record, entry: &StepReport) -> StepReport {
    let mut entry = entry.clone();
    let failed = || StepOutcome::Failed {
        message: "it failed".to_owned(),
    };
    entry.outcome = match entry.outcome {
        StepOutcome::Unknown { .. } if record.has(Bug::UnknownToldAsFailed) => failed(),
        StepOutcome::Applied { .. } if record.has(Bug::DoneToldAsFailed) => failed(),
        StepOutcome::Failed { .. } if record.has(Bug::FailedToldAsDone) => {
            StepOutcome::applied(SegmentId::new("none"), Vec::new())
        }
        outcome => outcome,
    };
    entry
}

/// Told of steps by a run.
pub(crate) fn listener(workspace: &Arc<Mutex<Workspace>>, run: usize) -> impl Fn(StepEvent<'_>) + Sync + use<> {
    let workspace = Arc::clone(workspace);
    move |event| workspace.lock().unwrap().told(run, event)
}
