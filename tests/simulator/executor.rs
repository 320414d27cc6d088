//! One thread, one clock, and futures that are polled in an order that the seed decides. When nothing is ready, time
//! jumps to the next moment that something waits for.

use super::planted::Bug;
use super::random::Random;
use super::record::Record;
use jiff::Timestamp;
use segctl::api::Clock;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// When every simulation begins, in milliseconds since 1970.
pub(crate) const BEGINNING: i64 = 1_800_000_000_000;

/// Nothing that ends takes as many.
const MOST_POLLS: usize = 2_000_000;

/// No run takes as long: the longest window is a day.
const LONGEST: i64 = 30 * 86_400_000;

/// The clock of everything, and what waits for it.
#[derive(Clone)]
pub(crate) struct Timeline(Arc<Mutex<Queue>>);

struct Queue {
    now: i64,
    entered: u64,
    /// By time, and in the order in which they were entered.
    waiting: BTreeMap<(i64, u64), Waiting>,
    record: Record,
}

enum Waiting {
    Future(Waker),
    Event(Box<dyn FnOnce() + Send>),
}

impl Timeline {
    pub(crate) fn new(record: Record) -> Self {
        record.time(BEGINNING);
        Self(Arc::new(Mutex::new(Queue {
            now: BEGINNING,
            entered: 0,
            waiting: BTreeMap::new(),
            record,
        })))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.0.lock().unwrap().now
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now()).unwrap()
    }

    /// Has something happen at a moment, whoever is still there.
    pub(crate) fn at(&self, moment: i64, event: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.lock().unwrap();
        let key = queue.key(moment);
        queue.waiting.insert(key, Waiting::Event(Box::new(event)));
    }

    /// Is ready at a moment.
    pub(crate) fn until(&self, moment: i64) -> Until {
        Until {
            timeline: self.clone(),
            moment,
            key: None,
        }
    }

    /// Goes on to the next moment that something waits for; `false` where nothing does.
    fn advance(&self) -> bool {
        let mut queue = self.0.lock().unwrap();
        let Some(((moment, _), waiting)) = queue.waiting.pop_first() else {
            return false;
        };
        queue.now = queue.now.max(moment);
        queue.record.time(queue.now);
        drop(queue);
        match waiting {
            Waiting::Future(waker) => waker.wake(),
            Waiting::Event(event) => event(),
        }
        true
    }

    /// Lets time pass while no process runs.
    pub(crate) fn pass(&self, milliseconds: i64) {
        let end = self.now() + milliseconds;
        loop {
            let next = self
                .0
                .lock()
                .unwrap()
                .waiting
                .first_key_value()
                .map(|(key, _)| key.0);
            if next.is_none_or(|next| next > end) {
                break;
            }
            self.advance();
        }
        let mut queue = self.0.lock().unwrap();
        queue.now = queue.now.max(end);
        queue.record.time(queue.now);
    }
}

impl Queue {
    fn key(&mut self, moment: i64) -> (i64, u64) {
        self.entered += 1;
        (moment, self.entered)
    }
}

/// A future that is ready at a moment.
pub(crate) struct Until {
    timeline: Timeline,
    moment: i64,
    key: Option<(i64, u64)>,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let timeline = self.timeline.clone();
        let mut queue = timeline.0.lock().unwrap();
        if let Some(key) = self.key.take() {
            queue.waiting.remove(&key);
        }
        if queue.now >= self.moment {
            return Poll::Ready(());
        }
        let key = queue.key(self.moment);
        queue
            .waiting
            .insert(key, Waiting::Future(context.waker().clone()));
        drop(queue);
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.timeline.0.lock().unwrap().waiting.remove(&key);
        }
    }
}

/// A process's life: it may end at any of the points where something outside could see the difference.
pub(crate) struct Life {
    points: AtomicU64,
    /// The point at which it ends.
    ends_at: u64,
    is_over: AtomicBool,
}

impl Life {
    /// A life that ends at a point, or at its own end where that comes first.
    pub(crate) fn until(point: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            points: AtomicU64::new(0),
            ends_at: point.unwrap_or(u64::MAX),
            is_over: AtomicBool::new(false),
        })
    }

    /// Comes to one more point; whether the process is still there after it.
    pub(crate) fn goes_on(&self) -> bool {
        let point = self.points.fetch_add(1, Ordering::Relaxed) + 1;
        if point >= self.ends_at {
            self.is_over.store(true, Ordering::Relaxed);
        }
        !self.is_over()
    }

    /// Comes to one more point, and never back where the process ends there.
    pub(crate) async fn point(&self) {
        if !self.goes_on() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// How far ahead a machine's clock is, which somebody may set at any time.
#[derive(Clone, Default)]
pub(crate) struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn milliseconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, milliseconds: i64) {
        self.0.store(milliseconds, Ordering::Relaxed);
    }
}

/// A moment that was announced as waited for, and whether that is in parts.
pub(crate) type Announced = (Timestamp, bool);

/// The clock that a process is told the time by: off by as much as its machine's is.
#[derive(Clone)]
pub(crate) struct ProcessClock {
    pub(crate) timeline: Timeline,
    pub(crate) ahead: Ahead,
    pub(crate) life: Arc<Life>,
    /// What was announced; `None` where nothing that anybody waits for is timed.
    pub(crate) announced: Option<Arc<Mutex<Vec<Announced>>>>,
    pub(crate) record: Record,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.timeline.now() + self.ahead.milliseconds()).unwrap()
    }

    async fn sleep_until(&self, moment: Timestamp) {
        if moment <= self.now() {
            return;
        }
        let announced = self.announced.as_ref();
        let covers = |(until, is_in_parts): &Announced| *until == moment || *is_in_parts && *until > moment;
        let is_announced = announced.is_none_or(|announced| announced.lock().unwrap().iter().any(covers));
        self.record
            .require(is_announced, "waits are announced", || format!("until {moment}"));
        self.life.point().await;
        if self.announced.is_some() && self.record.has(Bug::WaitsForever) {
            std::future::pending::<()>().await;
        }
        // For so long, whatever the clock is set to meanwhile.
        self.timeline
            .until(moment.as_millisecond() - self.ahead.milliseconds())
            .await;
        self.life.point().await;
    }
}

/// A process that runs.
pub(crate) struct Process<R> {
    pub(crate) future: Pin<Box<dyn Future<Output = R> + Send>>,
    pub(crate) life: Arc<Life>,
    /// From when to when it stands still.
    pub(crate) stands_still: Option<(i64, i64)>,
}

impl<R> Process<R> {
    fn is_still(&self, now: i64) -> bool {
        self.stands_still
            .is_some_and(|(from, to)| (from..to).contains(&now))
    }
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs processes to their ends, one of which may be `None`: it was ended from outside.
pub(crate) fn run<R>(
    timeline: &Timeline,
    record: &Record,
    processes: Vec<Process<R>>,
    random: &mut Random,
) -> Vec<Option<R>> {
    let mut ends: Vec<Option<R>> = processes.iter().map(|_| None).collect();
    let mut running: Vec<(usize, Process<R>, Arc<Ready>)> = processes
        .into_iter()
        .enumerate()
        .map(|(place, process)| (place, process, Arc::new(Ready(AtomicBool::new(true)))))
        .collect();
    let end = timeline.now() + LONGEST;
    for (_, process, _) in &running {
        if let Some((_, to)) = process.stands_still {
            timeline.at(to, || ());
        }
    }
    for _ in 0..MOST_POLLS {
        if timeline.now() > end {
            break;
        }
        if running.is_empty() || record.is_violated() {
            return ends;
        }
        let ready: Vec<usize> = (0..running.len())
            .filter(|place| running[*place].2.0.load(Ordering::Relaxed))
            .filter(|place| !running[*place].1.is_still(timeline.now()))
            .collect();
        let Some(next) = random.pick(&ready).copied() else {
            if !timeline.advance() {
                record.violated("nothing hangs", || {
                    "nothing is ready and nothing is waited for".to_owned()
                });
            }
            continue;
        };
        let (place, process, ready) = &mut running[next];
        ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(ready));
        let polled = process.future.as_mut().poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(end) = polled
            && !process.life.is_over()
        {
            ends[*place] = Some(end);
            running.remove(next);
        } else if process.life.is_over() {
            // Dropped as it stands: what it holds is given back as an operating system would.
            running.remove(next);
        }
    }
    record.violated("nothing hangs", || "there is no end".to_owned());
    ends
}
