//! A deterministic executor: one thread, one clock, and a polling order that the seed decides.
//! When no future is ready, time jumps to the next event.

use super::injected_bugs::Bug;
use super::random::Random;
use super::recorder::Recorder;
use jiff::{SignedDuration, Timestamp};
use segctl::api::Clock;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// The start of every simulation, in milliseconds since 1970.
pub(crate) const START_TIME: i64 = 1_800_000_000_000;

/// More polls than any run needs; reaching it means that a run does not end.
const MAX_POLLS: usize = 2_000_000;

/// Longer than any run: the longest rate window is a day. In milliseconds.
const MAX_SIMULATED_TIME: i64 = 30 * 86_400_000;

/// The clock of the simulation, with its pending events.
#[derive(Clone)]
pub(crate) struct Timeline(Arc<Mutex<EventQueue>>);

struct EventQueue {
    now: i64,
    insertion_count: u64,
    /// Sorted by time, then by insertion.
    pending: BTreeMap<(i64, u64), QueuedEvent>,
    recorder: Recorder,
}

enum QueuedEvent {
    Wake(Waker),
    Run(Box<dyn FnOnce() + Send>),
}

impl Timeline {
    pub(crate) fn new(recorder: Recorder) -> Self {
        recorder.set_time(START_TIME);
        Self(Arc::new(Mutex::new(EventQueue {
            now: START_TIME,
            insertion_count: 0,
            pending: BTreeMap::new(),
            recorder,
        })))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.0.lock().unwrap().now
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now()).unwrap()
    }

    /// Runs an event at a moment, whichever processes still run.
    pub(crate) fn schedule(&self, moment: i64, event: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.lock().unwrap();
        let key = queue.next_key(moment);
        queue.pending.insert(key, QueuedEvent::Run(Box::new(event)));
    }

    pub(crate) fn wait_until(&self, moment: i64) -> WaitUntil {
        WaitUntil {
            timeline: self.clone(),
            moment,
            key: None,
        }
    }

    /// Jumps to the next event; `false` if there is none.
    fn advance_to_next_event(&self) -> bool {
        let mut queue = self.0.lock().unwrap();
        let Some(((moment, _), event)) = queue.pending.pop_first() else {
            return false;
        };
        queue.now = queue.now.max(moment);
        queue.recorder.set_time(queue.now);
        drop(queue);
        match event {
            QueuedEvent::Wake(waker) => waker.wake(),
            QueuedEvent::Run(event) => event(),
        }
        true
    }

    /// Lets time pass while no process runs.
    pub(crate) fn advance_by(&self, milliseconds: i64) {
        let end = self.now() + milliseconds;
        loop {
            let next = self
                .0
                .lock()
                .unwrap()
                .pending
                .first_key_value()
                .map(|(key, _)| key.0);
            if next.is_none_or(|next| next > end) {
                break;
            }
            self.advance_to_next_event();
        }
        let mut queue = self.0.lock().unwrap();
        queue.now = queue.now.max(end);
        queue.recorder.set_time(queue.now);
    }
}

impl EventQueue {
    fn next_key(&mut self, moment: i64) -> (i64, u64) {
        self.insertion_count += 1;
        (moment, self.insertion_count)
    }
}

pub(crate) struct WaitUntil {
    timeline: Timeline,
    moment: i64,
    key: Option<(i64, u64)>,
}

impl Future for WaitUntil {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timeline = self.timeline.clone();
        let mut queue = timeline.0.lock().unwrap();
        if let Some(key) = self.key.take() {
            queue.pending.remove(&key);
        }
        if queue.now >= self.moment {
            return Poll::Ready(());
        }
        let key = queue.next_key(self.moment);
        queue
            .pending
            .insert(key, QueuedEvent::Wake(context.waker().clone()));
        drop(queue);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for WaitUntil {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.timeline.0.lock().unwrap().pending.remove(&key);
        }
    }
}

/// Decides where a process crashes: at one of the points at which it can affect something outside.
pub(crate) struct ProcessLifetime {
    crash_points_passed: AtomicU64,
    crashes_at: u64,
    has_ended: AtomicBool,
}

impl ProcessLifetime {
    /// A process that crashes at this point unless it exits before.
    pub(crate) fn crashing_at(point: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            crash_points_passed: AtomicU64::new(0),
            crashes_at: point.unwrap_or(u64::MAX),
            has_ended: AtomicBool::new(false),
        })
    }

    /// Passes one crash point, and returns whether the process survived it.
    pub(crate) fn survives_crash_point(&self) -> bool {
        let point = self.crash_points_passed.fetch_add(1, Ordering::Relaxed) + 1;
        if point >= self.crashes_at {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        !self.has_ended()
    }

    /// Passes one crash point; never returns if the process crashes there.
    pub(crate) async fn crash_point(&self) {
        if !self.survives_crash_point() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// How far ahead a machine's clock is. It can change at any time.
#[derive(Clone, Default)]
pub(crate) struct ClockOffset(Arc<AtomicI64>);

impl ClockOffset {
    fn milliseconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::Relaxed);
    }
}

/// The end of an announced wait, and whether the wait may end earlier.
pub(crate) type AnnouncedWait = (Timestamp, bool);

/// The clock of a process. It has the offset of its machine's clock.
#[derive(Clone)]
pub(crate) struct ProcessClock {
    pub(crate) timeline: Timeline,
    pub(crate) clock_offset: ClockOffset,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    /// `None` if waits need no announcement.
    pub(crate) announced_waits: Option<Arc<Mutex<Vec<AnnouncedWait>>>>,
    pub(crate) recorder: Recorder,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.timeline.now() + self.clock_offset.milliseconds()).unwrap()
    }

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::from_millis(self.timeline.now())
    }

    async fn sleep_until(&self, moment: Timestamp) {
        if moment <= self.now() {
            return;
        }
        let announced = self.announced_waits.as_ref();
        let covers =
            |(until, may_end_early): &AnnouncedWait| *until == moment || *may_end_early && *until > moment;
        let is_announced = announced.is_none_or(|announced| announced.lock().unwrap().iter().any(covers));
        self.recorder
            .require(is_announced, "waits are announced", || format!("until {moment}"));
        self.lifetime.crash_point().await;
        if self.announced_waits.is_some() && self.recorder.has_bug(Bug::WaitNeverEnds) {
            std::future::pending::<()>().await;
        }
        // The length of a sleep does not change if the clock is set meanwhile.
        self.timeline
            .wait_until(moment.as_millisecond() - self.clock_offset.milliseconds())
            .await;
        self.lifetime.crash_point().await;
    }
}

pub(crate) struct Process<R> {
    pub(crate) future: Pin<Box<dyn Future<Output = R> + Send>>,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    /// The start and the end of a pause.
    pub(crate) paused_during: Option<(i64, i64)>,
}

impl<R> Process<R> {
    fn is_paused(&self, now: i64) -> bool {
        self.paused_during
            .is_some_and(|(from, to)| (from..to).contains(&now))
    }
}

struct ReadyFlag(AtomicBool);

impl Wake for ReadyFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs processes until they exit; the exit of a crashed process is `None`.
pub(crate) fn run<R>(
    timeline: &Timeline,
    recorder: &Recorder,
    processes: Vec<Process<R>>,
    random: &mut Random,
) -> Vec<Option<R>> {
    let mut exits: Vec<Option<R>> = processes.iter().map(|_| None).collect();
    let mut running: Vec<(usize, Process<R>, Arc<ReadyFlag>)> = processes
        .into_iter()
        .enumerate()
        .map(|(index, process)| (index, process, Arc::new(ReadyFlag(AtomicBool::new(true)))))
        .collect();
    let end = timeline.now() + MAX_SIMULATED_TIME;
    for (_, process, _) in &running {
        if let Some((_, to)) = process.paused_during {
            timeline.schedule(to, || ());
        }
    }
    for _ in 0..MAX_POLLS {
        if timeline.now() > end {
            break;
        }
        if running.is_empty() || recorder.is_violated() {
            return exits;
        }
        let ready: Vec<usize> = (0..running.len())
            .filter(|index| running[*index].2.0.load(Ordering::Relaxed))
            .filter(|index| !running[*index].1.is_paused(timeline.now()))
            .collect();
        let Some(next) = random.pick(&ready).copied() else {
            if !timeline.advance_to_next_event() {
                recorder.report_violation("nothing hangs", || {
                    "no future is ready and no event is pending".to_owned()
                });
            }
            continue;
        };
        let (index, process, ready) = &mut running[next];
        ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(ready));
        let polled = process.future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(exit) = polled
            && !process.lifetime.has_ended()
        {
            exits[*index] = Some(exit);
            running.remove(next);
        } else if process.lifetime.has_ended() {
            // Dropping the future releases its locks, as an operating system does.
            running.remove(next);
        }
    }
    recorder.report_violation("nothing hangs", || "the runs do not end".to_owned());
    exits
}
