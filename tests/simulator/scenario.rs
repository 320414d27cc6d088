//! One seed: a workspace, files that change, runs that go wrong, and the recovery when nothing does any more.

use super::disk::Platter;
use super::executor::{self, Ahead, Timeline};
use super::faults;
use super::hooks::{self, Receiver};
use super::invariants::{self, as_declared, ends_truly, ledger_is_true, no_key_in_files};
use super::lock::LockFile;
use super::planted::Bug;
use super::publisher;
use super::queue;
use super::random::Random;
use super::record::{Record, Violation};
use super::rules::Rules;
use super::run::{End, Machine, Order, Task, process};
use super::store::Promised;
use super::truth::Author;
use super::workspace::Workspace;
use super::world::{Dashboard, Files, Fresh};
use jiff::SignedDuration;
use segctl::api::{CancelToken, CancelHandle};
use segctl::apply::CallbackOptions;
use segctl::model::SegmentId;
use segctl::observe::Refresh;
use segctl::plan::guard::Overrides;
use std::sync::{Arc, Mutex};

/// What came of a seed.
pub(crate) struct Report {
    pub(crate) violation: Option<Violation>,
    /// Equal for two runs of one seed.
    pub(crate) fingerprint: u64,
    pub(crate) lines: Vec<String>,
    pub(crate) tally: Tally,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) runs: usize,
    pub(crate) crashes: usize,
    pub(crate) writes: usize,
    /// Seeds that ended with a plan that must not be applied.
    pub(crate) blocked: usize,
}

/// Of so many seeds one declares cohorts and file segments, too.
const LISTS: u64 = 3;

/// A simulation under way.
pub(crate) struct Scenario {
    random: Random,
    record: Record,
    pub(crate) machine: Machine,
    pub(crate) rules: Rules,
    pub(crate) files: Files,
    dashboard: Dashboard,
    tally: Tally,
    /// Whether anybody did anything by hand after the first run.
    pub(crate) is_meddled: Arc<Mutex<bool>>,
    /// Whether the recovery sends whole lists where nothing is known of a segment that somebody else made.
    pub(crate) sends_again: bool,
}

/// Runs a seed.
pub(crate) fn simulate(seed: u64, is_traced: bool, planted: Option<Bug>) -> Report {
    let record = Record::new(is_traced, planted);
    let mut scenario = Scenario::new(seed, &record);
    scenario.begin();
    let rounds = scenario.random.below(3) + 1;
    for round in 0..rounds {
        if round > 0 {
            scenario.let_time_pass();
            scenario.edit_files();
        }
        scenario.apply_until_it_ends();
        if record.is_violated() {
            break;
        }
    }
    if !record.is_violated() {
        scenario.recover();
    }
    scenario.tally.writes = scenario.machine.workspace.lock().unwrap().truth.changes.len();
    Report {
        violation: record.violation(),
        fingerprint: record.fingerprint(),
        lines: record.lines(),
        tally: scenario.tally,
    }
}

impl Scenario {
    fn new(seed: u64, record: &Record) -> Self {
        let mut random = Random::new(seed);
        let timeline = Timeline::new(record.clone());
        let fresh = Fresh::default();
        let count = size(&mut random);
        let rules = Rules::draw(&mut random, count, seed.is_multiple_of(LISTS));
        let files = Files::new(
            (random.fork(), fresh.clone()),
            count,
            (rules.settings.rename_frees_old_name, rules.has_lists),
        );
        let mut workspace = Workspace::new(rules.settings.clone(), record.clone(), random.fork());
        workspace.ahead = rules.service_ahead;
        workspace.hooks.is_troubled = rules.hears;
        let platter = Platter::new(random.fork());
        workspace.receiver = Some(Receiver {
            platter: Arc::clone(&platter),
            record: record.clone(),
        });
        let shelf = workspace.shelf.clone();
        let machine = Machine {
            timeline,
            record: record.clone(),
            workspace: Arc::new(Mutex::new(workspace)),
            platter: Arc::clone(&platter),
            promised: Promised::nothing(),
            lock: LockFile::on(&platter),
            shelf,
            limits: rules.limits.clone(),
            ahead: Ahead::default(),
            lives: Arc::default(),
        };
        record.note("world", seed, || {
            format!("seed {seed}, {count} segments, {rules:?}")
        });
        Self {
            dashboard: Dashboard::new(random.fork(), fresh),
            random,
            record: record.clone(),
            machine,
            rules,
            files,
            tally: Tally::default(),
            is_meddled: Arc::default(),
            sends_again: seed.is_multiple_of(2),
        }
    }

    /// What was there before segctl.
    fn begin(&mut self) {
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.owns_what_is_made_by_hand = !self.rules.policy.managed_patterns.is_empty();
        for _ in 0..self.random.below(4) {
            self.dashboard.make_stranger(&mut workspace, now);
        }
        let mut told = 0;
        let names: Vec<String> = self.files.items().iter().map(|item| item.name.clone()).collect();
        for _ in 0..self.random.below(3) {
            let name = self.random.pick(&names).cloned();
            let mut items = self.files.items().iter();
            let item = items.find(|item| Some(&item.name) == name.as_ref());
            let list = item.and_then(|item| Some((item.name.as_str(), item.list.as_ref()?)));
            let Some(list) = list else {
                self.dashboard.make(&mut workspace, now, name.as_deref());
                continue;
            };
            match self.random.below(100) {
                0..20 => told += usize::from(self.dashboard.make_list(&mut workspace, now, list)),
                // What has filters can never be what is declared.
                20..25 => drop(self.dashboard.make(&mut workspace, now, name.as_deref())),
                _ => drop(self.dashboard.make(&mut workspace, now, None)),
            }
        }
        drop(workspace);
        for _ in 0..told {
            queue::wait_for_turn((&self.machine.workspace, &self.machine.timeline), false);
        }
    }

    fn let_time_pass(&mut self) {
        let minutes = match self.random.below(10) {
            0 => self.random.between(50, 70) * 24 * 60,
            1..=3 => self.random.between(60, 60 * 48),
            _ => self.random.between(0, 30),
        };
        self.record.note("world", minutes.unsigned_abs(), || {
            format!("{minutes} minutes pass")
        });
        self.machine.timeline.pass(minutes * 60_000);
        if self.random.percent(5) {
            self.clock_setter()();
        }
        self.learn_of_time();
    }

    /// What time archived is known before anybody says anything of it.
    fn learn_of_time(&self) {
        let now = self.machine.timeline.timestamp();
        self.machine.workspace.lock().unwrap().compare(now);
    }

    /// Sets the machine's clock, so that what it took down is of other times.
    fn clock_setter(&mut self) -> impl FnOnce() + Send + use<> {
        let ahead = self.random.between(-7_200_000, 7_200_000);
        let (machine, record) = (self.machine.clone(), self.record.clone());
        move || {
            record.note("world", ahead.unsigned_abs(), || {
                format!("the machine's clock is set to be {ahead} ms ahead")
            });
            machine.ahead.set(ahead);
            let now = machine.timeline.now();
            machine.workspace.lock().unwrap().calls.misdate(now);
        }
    }

    /// Has the clock be set while runs are under way, now and then.
    fn set_clock_later(&mut self) {
        if self.random.percent(5) {
            let moment = self.machine.timeline.now() + self.random.between(0, 30_000);
            let set = self.clock_setter();
            self.machine.timeline.at(moment, set);
        }
    }

    fn edit_files(&mut self) {
        let count = self.random.below(6) + 1;
        for edit in self.files.edit(count) {
            self.record.note("files", edit.len() as u64, || edit.clone());
        }
    }

    /// Applies, again after each crash.
    fn apply_until_it_ends(&mut self) {
        let mut saved = None;
        for _ in 0..4 {
            let faults = faults::network(&mut self.random, self.rules.has_lists);
            self.record.note("world", faults.len() as u64, || {
                format!("network faults {faults:?}")
            });
            self.machine.workspace.lock().unwrap().faults = faults;
            let faults = faults::disk(&mut self.random);
            self.record
                .note("world", faults.len() as u64, || format!("disk faults {faults:?}"));
            self.machine.platter.lock().unwrap().set_faults(faults);
            if self.rules.has_lists {
                let faults = publisher::faults(&mut self.random);
                self.machine.shelf.set_faults(faults);
            }
            let ends_at = self.ends_at();
            let stop = self.stop();
            self.set_clock_later();
            let task = match saved.take() {
                Some(text) => Task::ApplyFile(text),
                None if self.random.percent(20) => Task::Plan,
                None => Task::Apply,
            };
            let order = Order {
                task,
                ends_at,
                stop,
                stands_still: self.stands_still(),
                interlude: self.interlude(),
                ..self.order()
            };
            let mut orders = vec![order];
            self.take_lock_away();
            if self.random.percent(15) {
                // A second pipeline, on the same ledger at the same time.
                orders.push(self.order());
            }
            let number = orders[0].number;
            let applied = match &orders[0].task {
                Task::ApplyFile(text) => Some(text.clone()),
                Task::Apply | Task::Plan => None,
            };
            let ends = self.run(orders);
            if let Some(text) = applied {
                self.apply_once_more(text, number);
            }
            if let Some(Some(End::Planned(text))) = ends.first() {
                saved = Some(text.clone());
            } else if ends.iter().all(Option::is_some) {
                return;
            }
            if self.record.is_violated() {
                return;
            }
            let pause = self.random.between(0, 120_000);
            self.machine.timeline.pass(pause);
        }
    }

    /// A saved plan of which anything was done is never done again.
    fn apply_once_more(&mut self, text: String, number: usize) {
        if self.record.is_violated() || !self.has_written(number) {
            return;
        }
        let order = Order {
            task: Task::ApplyFile(text),
            ..self.order()
        };
        let again = order.number;
        self.run(vec![order]);
        self.record
            .require(!self.has_written(again), "a saved plan is applied once", || {
                format!("run {number} applied it, and run {again} did so again")
            });
    }

    fn has_written(&self, run: usize) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.truth.changes.iter();
        changes.any(|change| change.author == Author::Run(run))
    }

    /// Once nothing goes wrong any more, two runs are enough, the second of which writes nothing unless the first came
    /// upon segments that no list had shown: only then it is known what definitions they hold.
    fn recover(&mut self) {
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.faults.clear();
        workspace.hooks.is_troubled = false;
        drop(workspace);
        self.machine.platter.lock().unwrap().set_faults(Vec::new());
        self.machine.shelf.set_faults(Vec::new());
        // What was sent before has arrived by then, and what was to happen has.
        self.machine
            .timeline
            .pass(if self.rules.has_lists { 300_000 } else { 120_000 });
        if self.rules.hears {
            // What could not be read is heard of by then.
            self.have_lists_read();
        }
        let now = self.machine.timeline.now();
        if self.machine.workspace.lock().unwrap().calls.has_unknown(now) {
            // What no run knows of counts toward no window any more, and no lock is of the future.
            self.machine.timeline.pass(90_000_000);
        }
        self.learn_of_time();
        self.record
            .note("world", 0, || "nothing goes wrong any more".to_owned());
        let last = 1 + usize::from(self.has_hidden());
        let began_at = self.machine.workspace.lock().unwrap().truth.changes.len();
        for attempt in 0.. {
            let mut order = Order {
                refresh: Refresh::Full,
                lock_timeout: SignedDuration::from_mins(10),
                allowances: self.allowances(),
                ..self.order()
            };
            // Whoever waits for what was lost long ago waits in vain.
            if let Some(callbacks) = &mut order.callbacks {
                callbacks.timeout = None;
            }
            let number = order.number;
            let changes_before = self.machine.workspace.lock().unwrap().truth.changes.len();
            let end = self.run(vec![order]).pop().flatten();
            if self.record.is_violated() {
                return;
            }
            match end {
                Some(End::Applied { steps: 0, .. }) => {
                    let is_idle = !self.has_written(number);
                    self.record.require(is_idle, "an empty plan writes nothing", || {
                        format!("run {number}")
                    });
                    self.have_lists_read();
                    self.have_lists_withdrawn();
                    let workspace = self.machine.workspace.lock().unwrap();
                    let shows_archived = self.rules.settings.list_includes_archived;
                    let platter = &self.machine.platter;
                    as_declared(
                        &self.files,
                        (&workspace, platter),
                        (shows_archived, changes_before),
                    );
                    return;
                }
                Some(End::Applied { .. }) if attempt < last + self.put_away_by_time(began_at) => {}
                Some(End::Applied { failures, .. }) if self.is_told_why(&failures) => {
                    self.tally.blocked += 1;
                    return;
                }
                Some(End::Forbidden(why)) => {
                    let has_cause = *self.is_meddled.lock().unwrap() || self.has_cause(&why);
                    self.tally.blocked += 1;
                    return self
                        .record
                        .require(has_cause, "no conflict without a cause", || format!("{why:?}"));
                }
                end => {
                    return self.record.violated("two more runs are enough", || {
                        format!("run {attempt} ended with {end:?}")
                    });
                }
            }
        }
    }

    /// What somebody who looks after the workspace allows.
    fn allowances(&self) -> Overrides {
        Overrides {
            allow_empty: true,
            allow_missing_segments: true,
            force_upload: self.sends_again,
            assume_members_in_sync: false,
        }
    }

    /// Lets the service read all that it was told of, and say what came of it.
    fn have_lists_read(&self) {
        loop {
            let workspace = self.machine.workspace.lock().unwrap();
            let ends_at = workspace.queue.ends_at.max(workspace.hooks.ends_at);
            drop(workspace);
            let left = ends_at - self.machine.timeline.now();
            if left < 0 {
                return;
            }
            self.machine.timeline.pass(left + 1);
            self.learn_of_time();
        }
    }

    /// How a run hears what becomes of lists, where it does; every other one waits for it.
    fn callbacks(&mut self) -> Option<CallbackOptions> {
        if !self.rules.hears {
            return None;
        }
        let minutes = self.random.between(1, 90);
        Some(CallbackOptions {
            base_url: hooks::ADDRESS.to_owned().into(),
            timeout: self
                .random
                .percent(50)
                .then(|| SignedDuration::from_mins(minutes)),
            nonce: u128::from(self.random.draw()).to_be_bytes(),
        })
    }

    /// One where time put anything away since so many changes: a run that has to wait for hours is followed by one more.
    fn put_away_by_time(&self, since: usize) -> usize {
        self.learn_of_time();
        let workspace = self.machine.workspace.lock().unwrap();
        let mut changes = workspace.truth.changes[since..].iter();
        usize::from(changes.any(|change| change.author == Author::Time))
    }

    /// A list stays published for a day at most, if anything runs then; looked at in some seeds only, for a run takes time.
    fn have_lists_withdrawn(&mut self) {
        let is_looked_at = self.rules.has_lists && self.random.percent(20) && self.machine.shelf.has_ours();
        if !is_looked_at || self.record.is_violated() {
            return;
        }
        // As far as clocks that were set may be off.
        self.machine.timeline.pass(30 * 3_600_000);
        let order = Order {
            lock_timeout: SignedDuration::from_mins(10),
            allowances: self.allowances(),
            ..self.order()
        };
        let ends = self.run(vec![order]);
        // Where time put something away by then, lists are published again, or nothing may be done.
        let is_idle = matches!(ends.as_slice(), [Some(End::Applied { steps: 0, .. })]);
        self.record.require(
            !is_idle || !self.machine.shelf.has_ours(),
            "nothing is left published for ever",
            || "a day later".to_owned(),
        );
    }

    /// Whether a declared segment is one that no list shows and no run knows of.
    fn has_hidden(&self) -> bool {
        let workspace = self.machine.workspace.lock().unwrap();
        let mut items = self.files.items().iter().filter(|item| item.is_declared);
        !self.rules.settings.list_includes_archived
            && items.any(|item| {
                let live = workspace.truth.named(&item.name);
                live.is_some_and(|(id, live)| live.is_archived && !self.is_known(id))
            })
    }

    /// Whether the ledger knows of a segment.
    pub(crate) fn is_known(&self, id: &str) -> bool {
        let ledger = invariants::ledger(&self.machine.platter, &self.record);
        ledger.is_some_and(|ledger| ledger.managed_entry(&SegmentId::new(id)).is_some())
    }

    fn order(&mut self) -> Order {
        self.tally.runs += 1;
        let refresh = [Refresh::Full, Refresh::Partial, Refresh::None];
        Order {
            number: self.tally.runs,
            task: Task::Apply,
            declared: self.files.declared(),
            policy: self.rules.policy.clone(),
            refresh: refresh[self.random.below(refresh.len())],
            allowances: Overrides::default(),
            parallelism: [1, 2, 8][self.random.below(3)],
            ends_at: None,
            stands_still: None,
            interlude: Box::new(|| ()),
            stop: CancelHandle::new(),
            retry_seed: self.random.draw(),
            lock_timeout: SignedDuration::from_secs([0, 30, 600][self.random.below(3)]),
            has_process: self.random.percent(70),
            callbacks: self.callbacks(),
        }
    }

    /// The point at which a run is ended, mostly early enough that small worlds come to it.
    fn ends_at(&mut self) -> Option<u64> {
        let bits = if self.random.percent(90) { 10 } else { 15 };
        self.random.percent(40).then(|| self.random.skewed(bits) + 1)
    }

    /// Somebody who wants the run to stop, now and then.
    fn stop(&mut self) -> (CancelHandle, CancelToken) {
        if !self.random.percent(6) {
            return CancelHandle::new();
        }
        let (stopper, signal) = CancelHandle::new();
        let raising = stopper.clone();
        let after = self.random.between(0, 60_000);
        let record = self.record.clone();
        self.machine
            .timeline
            .at(self.machine.timeline.now() + after, move || {
                record.note("world", 17, || "somebody wants the run to stop".to_owned());
                raising.cancel();
            });
        (stopper, signal)
    }

    /// Now and then a process stands still, mostly for longer than a lease.
    fn stands_still(&mut self) -> Option<(i64, i64)> {
        if !self.random.percent(6) {
            return None;
        }
        let from = self.machine.timeline.now() + self.random.between(0, 20_000);
        Some((from, from + self.random.between(1_000, 400_000)))
    }

    /// Somebody takes the lock away, now and then, whoever has it by then.
    fn take_lock_away(&mut self) {
        if !self.random.percent(6) {
            return;
        }
        let after = self.random.between(0, 60_000);
        let machine = self.machine.clone();
        let timeline = machine.timeline.clone();
        timeline.at(timeline.now() + after, move || {
            machine.lock.take_away(&machine.timeline, &machine.record);
        });
    }

    /// What the dashboard's users do right after the plan was shown, and while it is applied.
    fn interlude(&mut self) -> Box<dyn FnOnce() + Send + Sync> {
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
            Arc::clone(&self.is_meddled),
        );
        Box::new(move || {
            let act = {
                let machine = machine.clone();
                move || {
                    *meddled.lock().unwrap() = true;
                    let now = machine.timeline.timestamp();
                    dashboard.act(&mut machine.workspace.lock().unwrap(), now);
                }
            };
            (0..at_once).for_each(|_| act());
            for after in later {
                machine.timeline.at(machine.timeline.now() + after, act.clone());
            }
        })
    }

    /// Runs processes to their ends; none where one was ended.
    fn run(&mut self, orders: Vec<Order>) -> Vec<Option<End>> {
        let start = |order: Order| {
            let (number, ends_at) = (order.number, order.ends_at);
            self.record.note("world", number as u64, || {
                format!("run {number} begins; to be ended at {ends_at:?}")
            });
            process(&self.machine, order)
        };
        let numbers: Vec<usize> = orders.iter().map(|order| order.number).collect();
        let processes: Vec<_> = orders.into_iter().map(start).collect();
        let mut random = self.random.fork();
        let ends = executor::run(&self.machine.timeline, &self.record, processes, &mut random);
        self.record
            .note("world", ends.len() as u64, || format!("ends: {ends:?}"));
        if self.record.is_violated() {
            return ends;
        }
        if ends.iter().any(Option::is_none) {
            self.crash(ends.len() == 1);
        }
        self.machine.platter.lock().unwrap().set_faults(Vec::new());
        let now = self.machine.timeline.timestamp();
        let mut workspace = self.machine.workspace.lock().unwrap();
        workspace.compare(now);
        no_key_in_files(&self.machine.platter.lock().unwrap(), &self.record);
        ledger_is_true(&workspace, &self.machine.platter);
        for (number, end) in numbers.into_iter().zip(&ends) {
            if let Some(end) = end {
                ends_truly(&workspace, number, end);
            }
        }
        drop(workspace);
        ends
    }

    /// A process was ended: killed, or, where it was the only one, with its machine.
    fn crash(&mut self, was_alone: bool) {
        self.tally.crashes += 1;
        let loses_power = was_alone && self.random.percent(50);
        self.record.note("world", 3 + u64::from(loses_power), || {
            if loses_power {
                "the machine loses power"
            } else {
                "the process is killed"
            }
            .to_owned()
        });
        if loses_power {
            self.machine.platter.lock().unwrap().lose_power();
        }
    }
}

/// How many segments: mostly few, since small worlds show most bugs and a large one takes as long as hundreds of them.
fn size(random: &mut Random) -> usize {
    match random.below(1000) {
        0..=749 => random.below(6) + 1,
        750..=949 => random.below(20) + 5,
        950..=994 => random.below(60) + 20,
        _ => random.below(201) + 100,
    }
}
