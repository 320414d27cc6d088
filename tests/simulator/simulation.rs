//! The simulation of one seed: a workspace, changing files, runs with faults, and a recovery without faults.

use super::callbacks::{self, SimulatedReceiver};
use super::disk::MachineDisk;
use super::executor::{self, ClockOffset, Timeline};
use super::faults;
use super::ground_truth::Author;
use super::injected_bugs::Bug;
use super::invariants::{
    self, require_as_declared, require_exit_status_correct, require_no_key_in_files, require_state_correct,
};
use super::lock::LockFile;
use super::publisher;
use super::random::Random;
use super::recorder::{Recorder, Violation};
use super::run::{Machine, RunExit, RunSpec, Task, process};
use super::service_profile::ServiceProfile;
use super::store::PossibleStates;
use super::upload_queue;
use super::user_model::{DashboardUsers, DeclaredFiles, UnusedValues};
use super::workspace::SimulatedWorkspace;
use jiff::SignedDuration;
use segctl::api::{CancelHandle, CancelToken};
use segctl::apply::{CallbackOptions, RunStatus};
use segctl::model::{SegmentId, SegmentKind};
use segctl::observe::Refresh;
use segctl::plan::guards::Overrides;
use segctl::sandbox::EchoFormat;
use std::sync::{Arc, Mutex};

pub(crate) struct SeedReport {
    pub(crate) violation: Option<Violation>,
    /// Equal for two runs of one seed.
    pub(crate) fingerprint: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) counts: SeedCounts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeedCounts {
    pub(crate) runs: usize,
    pub(crate) crashes: usize,
    pub(crate) writes: usize,
    /// Seeds that ended with a blocked plan.
    pub(crate) blocked: usize,
}

/// One seed in so many also declares cohorts and file segments.
const LISTS_EVERY: u64 = 3;

pub(crate) struct Simulation {
    random: Random,
    recorder: Recorder,
    pub(crate) machine: Machine,
    pub(crate) profile: ServiceProfile,
    pub(crate) files: DeclaredFiles,
    dashboard: DashboardUsers,
    counts: SeedCounts,
    /// Whether a dashboard user edited the workspace after the first run.
    pub(crate) has_manual_edits: Arc<Mutex<bool>>,
    /// Whether the recovery uploads whole lists where the members of an unmanaged segment are unknown.
    pub(crate) forces_upload: bool,
}

pub(crate) fn simulate(seed: u64, is_traced: bool, bug: Option<Bug>) -> SeedReport {
    let recorder = Recorder::new(is_traced, bug);
    let mut simulation = Simulation::new(seed, &recorder);
    simulation.create_initial_segments();
    let rounds = simulation.random.below(3) + 1;
    for round in 0..rounds {
        if round > 0 {
            simulation.pass_time();
            simulation.edit_files();
        }
        simulation.apply_until_completed();
        if recorder.is_violated() {
            break;
        }
    }
    if !recorder.is_violated() {
        simulation.recover();
    }
    simulation.counts.writes = simulation
        .machine
        .workspace
        .lock()
        .unwrap()
        .ground_truth
        .changes
        .len();
    SeedReport {
        violation: recorder.violation(),
        fingerprint: recorder.fingerprint(),
        lines: recorder.lines(),
        counts: simulation.counts,
    }
}

impl Simulation {
    fn new(seed: u64, recorder: &Recorder) -> Self {
        let mut random = Random::new(seed);
        let timeline = Timeline::new(recorder.clone());
        let unused_values = UnusedValues::default();
        let count = draw_segment_count(&mut random);
        let profile = ServiceProfile::draw(&mut random, count, seed.is_multiple_of(LISTS_EVERY));
        let files = DeclaredFiles::new(
            (random.fork(), unused_values.clone()),
            count,
            (profile.settings.rename_frees_old_name, profile.has_member_lists),
        );
        let mut workspace =
            SimulatedWorkspace::new(profile.settings.clone(), recorder.clone(), random.fork());
        workspace.clock_offset = profile.service_clock_offset;
        workspace.hidden_kinds = profile.hidden_kinds();
        workspace.returns_undocumented_forms = profile.settings.echo == EchoFormat::Undocumented;
        workspace.callbacks.has_faults = profile.receives_callbacks;
        let disk = MachineDisk::new(random.fork());
        let possible_states = PossibleStates::new();
        workspace.receiver = Some(SimulatedReceiver {
            disk: Arc::clone(&disk),
            possible_states: possible_states.clone(),
            recorder: recorder.clone(),
        });
        let published_files = workspace.published_files.clone();
        let machine = Machine {
            timeline,
            recorder: recorder.clone(),
            workspace: Arc::new(Mutex::new(workspace)),
            disk: Arc::clone(&disk),
            lock: LockFile::new(&disk, &possible_states),
            possible_states,
            published_files,
            limits: profile.limits.clone(),
            clock_offset: ClockOffset::default(),
            lifetimes: Arc::default(),
        };
        recorder.log_event("world", seed, || {
            format!("seed {seed}, {count} segments, {profile:?}")
        });
        Self {
            dashboard: DashboardUsers::new(random.fork(), unused_values),
            random,
            recorder: recorder.clone(),
            machine,
            profile,
            files,
            counts: SeedCounts::default(),
            has_manual_edits: Arc::default(),
            forces_upload: seed.is_multiple_of(2),
        }
    }

    /// Creates segments that exist before the first run.
    fn create_initial_segments(&mut self) {
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.manages_external_segments = !self.profile.policy.managed_patterns.is_empty();
        for _ in 0..self.random.below(4) {
            self.dashboard.create_undeclared_segment(&mut workspace, now);
        }
        let mut uploads = 0;
        let names: Vec<String> = self.files.items().iter().map(|item| item.name.clone()).collect();
        for _ in 0..self.random.below(3) {
            let name = self.random.pick(&names).cloned();
            let mut items = self.files.items().iter();
            let item = items.find(|item| Some(&item.name) == name.as_ref());
            let list = item.and_then(|item| Some((item.name.as_str(), item.list.as_ref()?)));
            let Some(list) = list else {
                self.dashboard
                    .create_segment(&mut workspace, now, name.as_deref());
                continue;
            };
            match self.random.below(100) {
                // No run could find it.
                0..20 if !workspace.hidden_kinds.is_empty() => {}
                0..20 => {
                    uploads += usize::from(self.dashboard.create_list_segment(&mut workspace, now, list))
                }
                // A filter segment cannot become the declared list.
                20..25 => drop(
                    self.dashboard
                        .create_segment(&mut workspace, now, name.as_deref()),
                ),
                _ => drop(self.dashboard.create_segment(&mut workspace, now, None)),
            }
        }
        drop(workspace);
        for _ in 0..uploads {
            upload_queue::schedule_read((&self.machine.workspace, &self.machine.timeline), false);
        }
    }

    fn pass_time(&mut self) {
        let minutes = match self.random.below(10) {
            0 => self.random.between(50, 70) * 24 * 60,
            1..=3 => self.random.between(60, 60 * 48),
            _ => self.random.between(0, 30),
        };
        self.recorder.log_event("world", minutes.unsigned_abs(), || {
            format!("{minutes} minutes pass")
        });
        self.machine.timeline.advance_by(minutes * 60_000);
        if self.random.percent(5) {
            self.draw_clock_change()();
        }
        self.record_expiry();
    }

    /// Records which segments expired, before any check relies on them.
    fn record_expiry(&self) {
        let now = self.machine.timeline.timestamp();
        self.machine.workspace.lock().unwrap().check_ground_truth(now);
    }

    /// Sets the machine's clock, so that earlier times in its files are wrong.
    fn draw_clock_change(&mut self) -> impl FnOnce() + Send + use<> {
        let ahead = self.random.between(-7_200_000, 7_200_000);
        let (machine, recorder) = (self.machine.clone(), self.recorder.clone());
        move || {
            recorder.log_event("world", ahead.unsigned_abs(), || {
                format!("the machine's clock is set to be {ahead} ms ahead")
            });
            machine.clock_offset.set(ahead);
            let now = machine.timeline.now();
            machine
                .workspace
                .lock()
                .unwrap()
                .counted_requests
                .mark_clock_changed(now);
        }
    }

    fn schedule_clock_change(&mut self) {
        if self.random.percent(5) {
            let moment = self.machine.timeline.now() + self.random.between(0, 30_000);
            let set = self.draw_clock_change();
            self.machine.timeline.schedule(moment, set);
        }
    }

    fn edit_files(&mut self) {
        let count = self.random.below(6) + 1;
        for edit in self.files.edit(count) {
            self.recorder
                .log_event("files", edit.len() as u64, || edit.clone());
        }
    }

    /// Applies, and retries after each crash.
    fn apply_until_completed(&mut self) {
        let mut saved = None;
        for _ in 0..4 {
            let faults = faults::draw_network_faults(&mut self.random, self.profile.has_member_lists);
            self.recorder.log_event("world", faults.len() as u64, || {
                format!("network faults {faults:?}")
            });
            self.machine.workspace.lock().unwrap().faults = faults;
            let faults = faults::draw_disk_faults(&mut self.random);
            self.recorder
                .log_event("world", faults.len() as u64, || format!("disk faults {faults:?}"));
            self.machine.disk.lock().unwrap().set_faults(faults);
            if self.profile.has_member_lists {
                let faults = publisher::draw_publish_faults(&mut self.random);
                self.machine.published_files.set_faults(faults);
            }
            let crashes_at = self.draw_crash_point();
            let cancel = self.draw_cancellation();
            self.schedule_clock_change();
            let task = match saved.take() {
                Some(text) => Task::ApplyFile(text),
                None if self.random.percent(20) => Task::Plan,
                None => Task::Apply,
            };
            let spec = RunSpec {
                task,
                crashes_at,
                cancel,
                paused_during: self.draw_pause(),
                after_plan: self.draw_dashboard_edits(),
                ..self.draw_run()
            };
            let mut specs = vec![spec];
            self.schedule_force_unlock();
            if self.random.percent(15) {
                // A second pipeline uses the same state at the same time.
                specs.push(self.draw_run());
            }
            let number = specs[0].number;
            let applied = match &specs[0].task {
                Task::ApplyFile(text) => Some(text.clone()),
                Task::Apply | Task::Plan => None,
            };
            let exits = self.run(specs);
            let is_complete = |exit: &Option<RunExit>| {
                matches!(
                    exit,
                    Some(RunExit::Applied {
                        status: RunStatus::Complete,
                        ..
                    })
                )
            };
            if exits.iter().any(is_complete) {
                self.files.mark_applied();
            }
            if let Some(text) = applied {
                self.require_applied_once(text, number);
            }
            if let Some(Some(RunExit::Planned(text))) = exits.first() {
                saved = Some(text.clone());
            } else if exits.iter().all(Option::is_some) {
                return;
            }
            if self.recorder.is_violated() {
                return;
            }
            let pause = self.random.between(0, 120_000);
            self.machine.timeline.advance_by(pause);
        }
    }

    /// A saved plan that wrote anything is never applied again.
    fn require_applied_once(&mut self, text: String, number: usize) {
        if self.recorder.is_violated() || !self.has_written(number) {
            return;
        }
        let spec = RunSpec {
            task: Task::ApplyFile(text),
            ..self.draw_run()
        };
        let again = spec.number;
        self.run(vec![spec]);
        self.recorder
            .require(!self.has_written(again), "a saved plan is applied once", || {
                format!("run {number} applied it, and run {again} applied it again")
            });
    }

    fn has_written(&self, run: usize) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.ground_truth.changes.iter();
        changes.any(|change| change.author == Author::Run(run))
    }

    /// Without faults, two runs are enough, and the second one writes nothing.
    /// Segments that no listing shows, and definitions whose form proves nothing, need one more run: the first one only
    /// learns their definitions.
    fn recover(&mut self) {
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.faults.clear();
        workspace.callbacks.has_faults = false;
        drop(workspace);
        self.machine.disk.lock().unwrap().set_faults(Vec::new());
        self.machine.published_files.set_faults(Vec::new());
        // By then every delayed request has arrived, and every scheduled event has happened.
        self.machine
            .timeline
            .advance_by(if self.profile.has_member_lists {
                300_000
            } else {
                120_000
            });
        if self.profile.receives_callbacks {
            self.finish_uploads();
        }
        let now = self.machine.timeline.now();
        if self
            .machine
            .workspace
            .lock()
            .unwrap()
            .counted_requests
            .has_untracked_requests(now)
        {
            // By then untracked requests are outside every window, and no lock has a time in the future.
            self.machine.timeline.advance_by(90_000_000);
        }
        self.record_expiry();
        self.recorder
            .log_event("world", 0, || "recovery without faults starts".to_owned());
        let mut last = 1 + usize::from(self.has_hidden_segment() || self.has_unproven_definition());
        for attempt in 0.. {
            let mut spec = RunSpec {
                refresh: Refresh::Full,
                lock_timeout: SignedDuration::from_mins(10),
                overrides: self.overrides(),
                ..self.draw_run()
            };
            // A lost callback never arrives, so waiting for it only costs time.
            if let Some(callbacks) = &mut spec.callbacks {
                callbacks.timeout = None;
            }
            let number = spec.number;
            let changes_before = self.machine.workspace.lock().unwrap().ground_truth.changes.len();
            let exit = self.run(vec![spec]).pop().flatten();
            if self.recorder.is_violated() {
                return;
            }
            last += self.extra_runs_for_expiry(changes_before);
            match exit {
                Some(RunExit::Applied { steps: 0, .. }) => {
                    let is_idle = !self.has_written(number);
                    self.recorder
                        .require(is_idle, "an empty plan writes nothing", || {
                            format!("run {number}")
                        });
                    self.finish_uploads();
                    self.require_lists_unpublished();
                    let workspace = self.machine.workspace.lock().unwrap();
                    let shows_archived = self.profile.settings.list_includes_archived;
                    let disk = &self.machine.disk;
                    require_as_declared(&self.files, (&workspace, disk), (shows_archived, changes_before));
                    return;
                }
                Some(RunExit::Applied { .. }) if attempt < last => {}
                Some(RunExit::Applied { failures, .. }) if self.are_failures_expected(&failures) => {
                    self.counts.blocked += 1;
                    return;
                }
                Some(RunExit::Blocked(conflicts)) => {
                    let has_cause =
                        *self.has_manual_edits.lock().unwrap() || self.are_conflicts_expected(&conflicts);
                    self.counts.blocked += 1;
                    return self
                        .recorder
                        .require(has_cause, "no conflict without a cause", || {
                            format!("{conflicts:?}")
                        });
                }
                exit => {
                    return self
                        .recorder
                        .report_violation("two recovery runs are enough", || {
                            format!("run {attempt} ended with {exit:?}")
                        });
                }
            }
        }
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            allow_empty: true,
            allow_missing_segments: true,
            force_upload: self.forces_upload,
            assume_members_in_sync: false,
        }
    }

    /// Waits until the service has read every queued list and delivered every callback.
    fn finish_uploads(&self) {
        loop {
            let workspace = self.machine.workspace.lock().unwrap();
            let finished_at = workspace
                .upload_queue
                .last_read_at
                .max(workspace.callbacks.last_callback_at);
            drop(workspace);
            let left = finished_at - self.machine.timeline.now();
            if left < 0 {
                return;
            }
            self.machine.timeline.advance_by(left + 1);
            self.record_expiry();
        }
    }

    /// Every other run with callbacks waits for them.
    fn draw_callbacks(&mut self) -> Option<CallbackOptions> {
        if !self.profile.receives_callbacks {
            return None;
        }
        let minutes = self.random.between(1, 90);
        Some(CallbackOptions {
            base_url: callbacks::CALLBACK_BASE_URL.to_owned().into(),
            timeout: self
                .random
                .percent(50)
                .then(|| SignedDuration::from_mins(minutes)),
            nonce: u128::from(self.random.draw()).to_be_bytes(),
        })
    }

    /// One more run is needed if a segment expired since change `since`: a run may wait for hours.
    fn extra_runs_for_expiry(&self, since: usize) -> usize {
        self.record_expiry();
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.ground_truth.changes[since..].iter();
        usize::from(changes.any(|change| change.author == Author::Expiry))
    }

    /// A list stays published for at most a day if segctl runs after that. Only some seeds check it, as a run takes time.
    fn require_lists_unpublished(&mut self) {
        let is_checked = self.profile.has_member_lists
            && self.random.percent(20)
            && self.machine.published_files.has_segctl_files();
        if !is_checked || self.recorder.is_violated() {
            return;
        }
        // A day, and the largest error of the machine's clock.
        self.machine.timeline.advance_by(30 * 3_600_000);
        let spec = RunSpec {
            lock_timeout: SignedDuration::from_mins(10),
            overrides: self.overrides(),
            ..self.draw_run()
        };
        let exits = self.run(vec![spec]);
        // If a segment expired by then, the run publishes lists again, or is blocked.
        let is_idle = matches!(exits.as_slice(), [Some(RunExit::Applied { steps: 0, .. })]);
        self.recorder.require(
            !is_idle || !self.machine.published_files.has_segctl_files(),
            "published files are removed in the end",
            || "files are still published a day later".to_owned(),
        );
    }

    /// Whether a declared segment is archived and not listed, and segctl cannot know yet: the segment is not managed, or
    /// no list may have shown its kind. The next list that shows one of this kind reveals it.
    fn has_hidden_segment(&self) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let are_shown_kinds_known = self.profile.policy.api_behavior.list_shows.is_some();
        let mut items = self.files.items().iter().filter(|item| item.is_declared);
        !self.profile.settings.list_includes_archived
            && items.any(|item| {
                let remote = workspace.ground_truth.by_name(&item.name);
                remote.is_some_and(|(id, segment)| {
                    let is_kind_known = segment.kind == SegmentKind::Filter || are_shown_kinds_known;
                    segment.is_archived && !(is_kind_known && self.is_managed(id))
                })
            })
    }

    /// Whether segctl cannot know what definition a segment has: the answer to its create was lost, and the form of the
    /// definition is undocumented. Another segment may want that definition.
    fn has_unproven_definition(&self) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let ground_truth = &workspace.ground_truth;
        let mut ids = ground_truth.segments.keys();
        workspace.returns_undocumented_forms && ids.any(|id| ground_truth.is_unconfirmed_create(id))
    }

    pub(crate) fn is_managed(&self, id: &str) -> bool {
        let state = invariants::load_state(&self.machine.disk, &self.recorder);
        state.is_some_and(|state| state.managed_entry(&SegmentId::new(id)).is_some())
    }

    fn draw_run(&mut self) -> RunSpec {
        self.counts.runs += 1;
        let refresh = [Refresh::Auto, Refresh::Full, Refresh::Partial, Refresh::None];
        RunSpec {
            number: self.counts.runs,
            task: Task::Apply,
            declared: self.files.declared(),
            policy: self.profile.policy.clone(),
            refresh: refresh[self.random.below(refresh.len())],
            overrides: Overrides::default(),
            parallelism: [1, 2, 8][self.random.below(3)],
            crashes_at: None,
            paused_during: None,
            after_plan: Box::new(|| ()),
            cancel: CancelHandle::new(),
            retry_seed: self.random.draw(),
            lock_timeout: SignedDuration::from_secs([0, 30, 600][self.random.below(3)]),
            identifies_process: self.random.percent(70),
            callbacks: self.draw_callbacks(),
        }
    }

    /// Mostly early enough that runs over few segments reach it.
    fn draw_crash_point(&mut self) -> Option<u64> {
        let bits = if self.random.percent(90) { 11 } else { 16 };
        self.random.percent(40).then(|| self.random.skewed(bits) + 1)
    }

    fn draw_cancellation(&mut self) -> (CancelHandle, CancelToken) {
        if !self.random.percent(6) {
            return CancelHandle::new();
        }
        let (cancel_handle, signal) = CancelHandle::new();
        let scheduled_handle = cancel_handle.clone();
        let after = self.random.between(0, 60_000);
        let recorder = self.recorder.clone();
        self.machine
            .timeline
            .schedule(self.machine.timeline.now() + after, move || {
                recorder.log_event("world", 17, || "a user cancels the run".to_owned());
                scheduled_handle.cancel();
            });
        (cancel_handle, signal)
    }

    /// Pauses a process now and then, mostly for longer than its lock lasts.
    fn draw_pause(&mut self) -> Option<(i64, i64)> {
        if !self.random.percent(6) {
            return None;
        }
        let from = self.machine.timeline.now() + self.random.between(0, 20_000);
        Some((from, from + self.random.between(1_000, 400_000)))
    }

    /// Now and then a user removes the lock, whichever process holds it.
    fn schedule_force_unlock(&mut self) {
        if !self.random.percent(6) {
            return;
        }
        let after = self.random.between(0, 60_000);
        let machine = self.machine.clone();
        let timeline = machine.timeline.clone();
        timeline.schedule(timeline.now() + after, move || {
            machine.lock.force_unlock(&machine.timeline, &machine.recorder);
        });
    }

    /// Dashboard edits right after the plan, and while it is applied.
    fn draw_dashboard_edits(&mut self) -> Box<dyn FnOnce() + Send + Sync> {
        if !self.random.percent(25) {
            return Box::new(|| ());
        }
        let at_once = self.random.below(3);
        let later: Vec<i64> = (0..self.random.below(2))
            .map(|_| self.random.between(0, 20_000))
            .collect();
        let (machine, dashboard, has_manual_edits) = (
            self.machine.clone(),
            self.dashboard.clone(),
            Arc::clone(&self.has_manual_edits),
        );
        Box::new(move || {
            let act = {
                let machine = machine.clone();
                move || {
                    *has_manual_edits.lock().unwrap() = true;
                    let now = machine.timeline.timestamp();
                    dashboard.edit_random_segment(&mut machine.workspace.lock().unwrap(), now);
                }
            };
            (0..at_once).for_each(|_| act());
            for after in later {
                machine
                    .timeline
                    .schedule(machine.timeline.now() + after, act.clone());
            }
        })
    }

    /// Runs processes until they exit; `None` for each that crashed.
    fn run(&mut self, specs: Vec<RunSpec>) -> Vec<Option<RunExit>> {
        let start = |spec: RunSpec| {
            let (number, crashes_at) = (spec.number, spec.crashes_at);
            self.recorder.log_event("world", number as u64, || {
                format!("run {number} starts; it crashes at {crashes_at:?}")
            });
            process(&self.machine, spec)
        };
        let numbers: Vec<usize> = specs.iter().map(|spec| spec.number).collect();
        let processes: Vec<_> = specs.into_iter().map(start).collect();
        let mut random = self.random.fork();
        let exits = executor::run(&self.machine.timeline, &self.recorder, processes, &mut random);
        self.recorder
            .log_event("world", exits.len() as u64, || format!("exits: {exits:?}"));
        if self.recorder.is_violated() {
            return exits;
        }
        if exits.iter().any(Option::is_none) {
            self.crash(exits.len() == 1);
        }
        self.machine.disk.lock().unwrap().set_faults(Vec::new());
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.check_ground_truth(now);
        require_no_key_in_files(&self.machine.disk.lock().unwrap(), &self.recorder);
        require_state_correct(&workspace, &self.machine.disk);
        for (number, exit) in numbers.into_iter().zip(&exits) {
            if let Some(exit) = exit {
                require_exit_status_correct(&workspace, number, exit);
            }
        }
        drop(workspace);
        exits
    }

    /// A process was killed. If it was the only one, its machine may have lost power instead.
    fn crash(&mut self, was_alone: bool) {
        self.counts.crashes += 1;
        let loses_power = was_alone && self.random.percent(50);
        self.recorder.log_event("world", 3 + u64::from(loses_power), || {
            if loses_power {
                "the machine loses power"
            } else {
                "the process is killed"
            }
            .to_owned()
        });
        if loses_power {
            self.machine.disk.lock().unwrap().lose_power();
        }
    }
}

/// Mostly few segments: they show most bugs, and one large workspace takes as long as hundreds of small ones.
fn draw_segment_count(random: &mut Random) -> usize {
    match random.below(1000) {
        0..=749 => random.below(6) + 1,
        750..=949 => random.below(20) + 5,
        950..=994 => random.below(60) + 20,
        _ => random.below(201) + 100,
    }
}
