//! One seed: a workspace, files that change, runs that go wrong, and the recovery when nothing does any more.

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
use segctl::apply::CallbackOptions;
use segctl::model::SegmentId;
use segctl::observe::Refresh;
use segctl::plan::guards::Overrides;
use std::sync::{Arc, Mutex};

/// What came of a seed.
pub(crate) struct SeedReport {
    pub(crate) violation: Option<Violation>,
    /// Equal for two runs of one seed.
    pub(crate) fingerprint: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) counts: SeedCounts,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeedCounts {
    pub(crate) runs: usize,
    pub(crate) crashes: usize,
    pub(crate) writes: usize,
    /// Seeds that ended with a plan that must not be applied.
    pub(crate) blocked: usize,
}

/// Of so many seeds one declares cohorts and file segments, too.
const LISTS_EVERY: u64 = 3;

/// A simulation under way.
pub(crate) struct Simulation {
    random: Random,
    recorder: Recorder,
    pub(crate) machine: Machine,
    pub(crate) profile: ServiceProfile,
    pub(crate) files: DeclaredFiles,
    dashboard: DashboardUsers,
    counts: SeedCounts,
    /// Whether anybody did anything by hand after the first run.
    pub(crate) has_manual_edits: Arc<Mutex<bool>>,
    /// Whether the recovery sends whole lists where nothing is known of a segment that somebody else made.
    pub(crate) forces_upload: bool,
}

/// Runs a seed.
pub(crate) fn simulate(seed: u64, is_traced: bool, planted: Option<Bug>) -> SeedReport {
    let record = Recorder::new(is_traced, planted);
    let mut scenario = Simulation::new(seed, &record);
    scenario.create_initial_segments();
    let rounds = scenario.random.below(3) + 1;
    for round in 0..rounds {
        if round > 0 {
            scenario.pass_time();
            scenario.edit_files();
        }
        scenario.apply_until_completed();
        if record.is_violated() {
            break;
        }
    }
    if !record.is_violated() {
        scenario.recover();
    }
    scenario.counts.writes = scenario
        .machine
        .workspace
        .lock()
        .unwrap()
        .ground_truth
        .changes
        .len();
    SeedReport {
        violation: record.violation(),
        fingerprint: record.fingerprint(),
        lines: record.lines(),
        counts: scenario.counts,
    }
}

impl Simulation {
    fn new(seed: u64, record: &Recorder) -> Self {
        let mut random = Random::new(seed);
        let timeline = Timeline::new(record.clone());
        let fresh = UnusedValues::default();
        let count = draw_segment_count(&mut random);
        let rules = ServiceProfile::draw(&mut random, count, seed.is_multiple_of(LISTS_EVERY));
        let files = DeclaredFiles::new(
            (random.fork(), fresh.clone()),
            count,
            (rules.settings.rename_frees_old_name, rules.has_member_lists),
        );
        let mut workspace = SimulatedWorkspace::new(rules.settings.clone(), record.clone(), random.fork());
        workspace.clock_offset = rules.service_clock_offset;
        workspace.callbacks.has_faults = rules.receives_callbacks;
        let platter = MachineDisk::new(random.fork());
        workspace.receiver = Some(SimulatedReceiver {
            disk: Arc::clone(&platter),
            recorder: record.clone(),
        });
        let shelf = workspace.published_files.clone();
        let machine = Machine {
            timeline,
            recorder: record.clone(),
            workspace: Arc::new(Mutex::new(workspace)),
            disk: Arc::clone(&platter),
            possible_states: PossibleStates::new(),
            lock: LockFile::new(&platter),
            published_files: shelf,
            limits: rules.limits.clone(),
            clock_offset: ClockOffset::default(),
            lifetimes: Arc::default(),
        };
        record.log_event("world", seed, || {
            format!("seed {seed}, {count} segments, {rules:?}")
        });
        Self {
            dashboard: DashboardUsers::new(random.fork(), fresh),
            random,
            recorder: record.clone(),
            machine,
            profile: rules,
            files,
            counts: SeedCounts::default(),
            has_manual_edits: Arc::default(),
            forces_upload: seed.is_multiple_of(2),
        }
    }

    /// What was there before segctl.
    fn create_initial_segments(&mut self) {
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.manages_external_segments = !self.profile.policy.managed_patterns.is_empty();
        for _ in 0..self.random.below(4) {
            self.dashboard.create_undeclared_segment(&mut workspace, now);
        }
        let mut told = 0;
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
                0..20 => told += usize::from(self.dashboard.create_list_segment(&mut workspace, now, list)),
                // What has filters can never be what is declared.
                20..25 => drop(
                    self.dashboard
                        .create_segment(&mut workspace, now, name.as_deref()),
                ),
                _ => drop(self.dashboard.create_segment(&mut workspace, now, None)),
            }
        }
        drop(workspace);
        for _ in 0..told {
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

    /// What time archived is known before anybody says anything of it.
    fn record_expiry(&self) {
        let now = self.machine.timeline.timestamp();
        self.machine.workspace.lock().unwrap().check_ground_truth(now);
    }

    /// Sets the machine's clock, so that what it took down is of other times.
    fn draw_clock_change(&mut self) -> impl FnOnce() + Send + use<> {
        let ahead = self.random.between(-7_200_000, 7_200_000);
        let (machine, record) = (self.machine.clone(), self.recorder.clone());
        move || {
            record.log_event("world", ahead.unsigned_abs(), || {
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

    /// Has the clock be set while runs are under way, now and then.
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

    /// Applies, again after each crash.
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
            let ends_at = self.draw_crash_point();
            let stop = self.draw_cancellation();
            self.schedule_clock_change();
            let task = match saved.take() {
                Some(text) => Task::ApplyFile(text),
                None if self.random.percent(20) => Task::Plan,
                None => Task::Apply,
            };
            let order = RunSpec {
                task,
                crashes_at: ends_at,
                cancel: stop,
                paused_during: self.draw_pause(),
                after_plan: self.draw_dashboard_edits(),
                ..self.draw_run()
            };
            let mut orders = vec![order];
            self.schedule_force_unlock();
            if self.random.percent(15) {
                // A second pipeline, on the same ledger at the same time.
                orders.push(self.draw_run());
            }
            let number = orders[0].number;
            let applied = match &orders[0].task {
                Task::ApplyFile(text) => Some(text.clone()),
                Task::Apply | Task::Plan => None,
            };
            let ends = self.run(orders);
            if let Some(text) = applied {
                self.require_applied_once(text, number);
            }
            if let Some(Some(RunExit::Planned(text))) = ends.first() {
                saved = Some(text.clone());
            } else if ends.iter().all(Option::is_some) {
                return;
            }
            if self.recorder.is_violated() {
                return;
            }
            let pause = self.random.between(0, 120_000);
            self.machine.timeline.advance_by(pause);
        }
    }

    /// A saved plan of which anything was done is never done again.
    fn require_applied_once(&mut self, text: String, number: usize) {
        if self.recorder.is_violated() || !self.has_written(number) {
            return;
        }
        let order = RunSpec {
            task: Task::ApplyFile(text),
            ..self.draw_run()
        };
        let again = order.number;
        self.run(vec![order]);
        self.recorder
            .require(!self.has_written(again), "a saved plan is applied once", || {
                format!("run {number} applied it, and run {again} did so again")
            });
    }

    fn has_written(&self, run: usize) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.ground_truth.changes.iter();
        changes.any(|change| change.author == Author::Run(run))
    }

    /// Once nothing goes wrong any more, two runs are enough, the second of which writes nothing unless the first came
    /// upon segments that no list had shown: only then it is known what definitions they hold.
    fn recover(&mut self) {
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.faults.clear();
        workspace.callbacks.has_faults = false;
        drop(workspace);
        self.machine.disk.lock().unwrap().set_faults(Vec::new());
        self.machine.published_files.set_faults(Vec::new());
        // What was sent before has arrived by then, and what was to happen has.
        self.machine
            .timeline
            .advance_by(if self.profile.has_member_lists {
                300_000
            } else {
                120_000
            });
        if self.profile.receives_callbacks {
            // What could not be read is heard of by then.
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
            // What no run knows of counts toward no window any more, and no lock is of the future.
            self.machine.timeline.advance_by(90_000_000);
        }
        self.record_expiry();
        self.recorder
            .log_event("world", 0, || "nothing goes wrong any more".to_owned());
        let last = 1 + usize::from(self.has_hidden_segment());
        let began_at = self.machine.workspace.lock().unwrap().ground_truth.changes.len();
        for attempt in 0.. {
            let mut order = RunSpec {
                refresh: Refresh::Full,
                lock_timeout: SignedDuration::from_mins(10),
                overrides: self.overrides(),
                ..self.draw_run()
            };
            // Whoever waits for what was lost long ago waits in vain.
            if let Some(callbacks) = &mut order.callbacks {
                callbacks.timeout = None;
            }
            let number = order.number;
            let changes_before = self.machine.workspace.lock().unwrap().ground_truth.changes.len();
            let end = self.run(vec![order]).pop().flatten();
            if self.recorder.is_violated() {
                return;
            }
            match end {
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
                    let platter = &self.machine.disk;
                    require_as_declared(
                        &self.files,
                        (&workspace, platter),
                        (shows_archived, changes_before),
                    );
                    return;
                }
                Some(RunExit::Applied { .. }) if attempt < last + self.extra_runs_for_expiry(began_at) => {}
                Some(RunExit::Applied { failures, .. }) if self.are_failures_expected(&failures) => {
                    self.counts.blocked += 1;
                    return;
                }
                Some(RunExit::Blocked(why)) => {
                    let has_cause =
                        *self.has_manual_edits.lock().unwrap() || self.are_conflicts_expected(&why);
                    self.counts.blocked += 1;
                    return self
                        .recorder
                        .require(has_cause, "no conflict without a cause", || format!("{why:?}"));
                }
                end => {
                    return self.recorder.report_violation("two more runs are enough", || {
                        format!("run {attempt} ended with {end:?}")
                    });
                }
            }
        }
    }

    /// What somebody who looks after the workspace allows.
    fn overrides(&self) -> Overrides {
        Overrides {
            allow_empty: true,
            allow_missing_segments: true,
            force_upload: self.forces_upload,
            assume_members_in_sync: false,
        }
    }

    /// Lets the service read all that it was told of, and say what came of it.
    fn finish_uploads(&self) {
        loop {
            let workspace = self.machine.workspace.lock().unwrap();
            let ends_at = workspace
                .upload_queue
                .last_read_at
                .max(workspace.callbacks.last_callback_at);
            drop(workspace);
            let left = ends_at - self.machine.timeline.now();
            if left < 0 {
                return;
            }
            self.machine.timeline.advance_by(left + 1);
            self.record_expiry();
        }
    }

    /// How a run hears what becomes of lists, where it does; every other one waits for it.
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

    /// One where time put anything away since so many changes: a run that has to wait for hours is followed by one more.
    fn extra_runs_for_expiry(&self, since: usize) -> usize {
        self.record_expiry();
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.ground_truth.changes[since..].iter();
        usize::from(changes.any(|change| change.author == Author::Expiry))
    }

    /// A list stays published for a day at most, if anything runs then; looked at in some seeds only, for a run takes time.
    fn require_lists_unpublished(&mut self) {
        let is_looked_at = self.profile.has_member_lists
            && self.random.percent(20)
            && self.machine.published_files.has_segctl_files();
        if !is_looked_at || self.recorder.is_violated() {
            return;
        }
        // As far as clocks that were set may be off.
        self.machine.timeline.advance_by(30 * 3_600_000);
        let order = RunSpec {
            lock_timeout: SignedDuration::from_mins(10),
            overrides: self.overrides(),
            ..self.draw_run()
        };
        let ends = self.run(vec![order]);
        // Where time put something away by then, lists are published again, or nothing may be done.
        let is_idle = matches!(ends.as_slice(), [Some(RunExit::Applied { steps: 0, .. })]);
        self.recorder.require(
            !is_idle || !self.machine.published_files.has_segctl_files(),
            "nothing is left published for ever",
            || "a day later".to_owned(),
        );
    }

    /// Whether a declared segment is one that no list shows and no run knows of.
    fn has_hidden_segment(&self) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let mut items = self.files.items().iter().filter(|item| item.is_declared);
        !self.profile.settings.list_includes_archived
            && items.any(|item| {
                let live = workspace.ground_truth.by_name(&item.name);
                live.is_some_and(|(id, live)| live.is_archived && !self.is_managed(id))
            })
    }

    /// Whether the ledger knows of a segment.
    pub(crate) fn is_managed(&self, id: &str) -> bool {
        let ledger = invariants::load_state(&self.machine.disk, &self.recorder);
        ledger.is_some_and(|ledger| ledger.managed_entry(&SegmentId::new(id)).is_some())
    }

    fn draw_run(&mut self) -> RunSpec {
        self.counts.runs += 1;
        let refresh = [Refresh::Full, Refresh::Partial, Refresh::None];
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

    /// The point at which a run is ended, mostly early enough that small worlds come to it.
    fn draw_crash_point(&mut self) -> Option<u64> {
        let bits = if self.random.percent(90) { 10 } else { 15 };
        self.random.percent(40).then(|| self.random.skewed(bits) + 1)
    }

    /// Somebody who wants the run to stop, now and then.
    fn draw_cancellation(&mut self) -> (CancelHandle, CancelToken) {
        if !self.random.percent(6) {
            return CancelHandle::new();
        }
        let (stopper, signal) = CancelHandle::new();
        let raising = stopper.clone();
        let after = self.random.between(0, 60_000);
        let record = self.recorder.clone();
        self.machine
            .timeline
            .schedule(self.machine.timeline.now() + after, move || {
                record.log_event("world", 17, || "somebody wants the run to stop".to_owned());
                raising.cancel();
            });
        (stopper, signal)
    }

    /// Now and then a process stands still, mostly for longer than a lease.
    fn draw_pause(&mut self) -> Option<(i64, i64)> {
        if !self.random.percent(6) {
            return None;
        }
        let from = self.machine.timeline.now() + self.random.between(0, 20_000);
        Some((from, from + self.random.between(1_000, 400_000)))
    }

    /// Somebody takes the lock away, now and then, whoever has it by then.
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

    /// What the dashboard's users do right after the plan was shown, and while it is applied.
    fn draw_dashboard_edits(&mut self) -> Box<dyn FnOnce() + Send + Sync> {
        if !self.random.percent(25) {
            return Box::new(|| ());
        }
        let at_once = self.random.below(3);
        let later: Vec<i64> = (0..self.random.below(2))
            .map(|_| self.random.between(0, 20_000))
            .collect();
        let (machine, dashboard, meddled) = (
            self.machine.clone(),
            self.dashboard.clone(),
            Arc::clone(&self.has_manual_edits),
        );
        Box::new(move || {
            let act = {
                let machine = machine.clone();
                move || {
                    *meddled.lock().unwrap() = true;
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

    /// Runs processes to their ends; none where one was ended.
    fn run(&mut self, orders: Vec<RunSpec>) -> Vec<Option<RunExit>> {
        let start = |order: RunSpec| {
            let (number, ends_at) = (order.number, order.crashes_at);
            self.recorder.log_event("world", number as u64, || {
                format!("run {number} begins; to be ended at {ends_at:?}")
            });
            process(&self.machine, order)
        };
        let numbers: Vec<usize> = orders.iter().map(|order| order.number).collect();
        let processes: Vec<_> = orders.into_iter().map(start).collect();
        let mut random = self.random.fork();
        let ends = executor::run(&self.machine.timeline, &self.recorder, processes, &mut random);
        self.recorder
            .log_event("world", ends.len() as u64, || format!("ends: {ends:?}"));
        if self.recorder.is_violated() {
            return ends;
        }
        if ends.iter().any(Option::is_none) {
            self.crash(ends.len() == 1);
        }
        self.machine.disk.lock().unwrap().set_faults(Vec::new());
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.check_ground_truth(now);
        require_no_key_in_files(&self.machine.disk.lock().unwrap(), &self.recorder);
        require_state_correct(&workspace, &self.machine.disk);
        for (number, end) in numbers.into_iter().zip(&ends) {
            if let Some(end) = end {
                require_exit_status_correct(&workspace, number, end);
            }
        }
        drop(workspace);
        ends
    }

    /// A process was ended: killed, or, where it was the only one, with its machine.
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

/// How many segments: mostly few, since small worlds show most bugs and a large one takes as long as hundreds of them.
fn draw_segment_count(random: &mut Random) -> usize {
    match random.below(1000) {
        0..=749 => random.below(6) + 1,
        750..=949 => random.below(20) + 5,
        950..=994 => random.below(60) + 20,
        _ => random.below(201) + 100,
    }
}
