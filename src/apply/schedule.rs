//! Which step is run when: each as soon as what it depends on is done, several at once.

use super::awaiting::Awaited;
use super::receipt::{Entry, Outcome, SkipReason};
use super::{Applier, Event, Interruption, Stop};
use crate::api::{Clock, Transport};
use crate::ledger::LedgerStore;
use crate::plan::step::Step;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Runs all steps, unless `stop` holds a reason not to; their outcomes in the order of the plan, and what ended the
    /// run early. A step is started only while nothing speaks against it; those that are under way are waited for.
    pub(super) async fn run_all(
        &self,
        steps: &[Step],
        mut stop: Option<Stop>,
        on_event: &(dyn Fn(Event<'_>) + Sync),
    ) -> (Vec<Entry>, Option<Stop>) {
        let mut progress = Progress::new(steps);
        let mut under_way = FuturesUnordered::new();
        let mut waiting = 0;
        loop {
            while under_way.len() - waiting < self.settings.parallelism.max(1) {
                if stop.is_none() && self.settings.stop.is_raised() && !progress.ready.is_empty() {
                    stop = Some(Stop::Asked);
                }
                if stop.is_some() {
                    break;
                }
                let Some((place, step)) = progress.take_next() else {
                    break;
                };
                if let Some(outcome) = progress.unmet(step) {
                    on_event(Event::Finished(progress.finish(place, outcome)));
                    continue;
                }
                on_event(Event::Started(step));
                under_way.push(self.part(place, Part::Step(step)));
            }
            let Some((place, part, done)) = under_way.next().await else {
                break;
            };
            match part {
                Part::Callback(..) => waiting -= 1,
                Part::Step(step) => {
                    if let Some(awaited) = self.to_await(step).filter(|_| done.is_ok()) {
                        waiting += 1;
                        under_way.push(self.part(place, Part::Callback(step, awaited)));
                        continue;
                    }
                }
            }
            let (outcome, reason) = match done {
                Ok(outcome) => (outcome, None),
                Err(interruption) => self.interrupted(interruption),
            };
            // Whoever waits and is stopped leaves nothing to be started, and something unknown.
            let is_cut_off = matches!(part, Part::Callback(..)) && !outcome.is_done();
            let asked = (is_cut_off && self.settings.stop.is_raised()).then_some(Stop::Asked);
            stop = stop.or(reason).or(asked);
            self.memory().is_over = stop.is_some();
            on_event(Event::Finished(progress.finish(place, outcome)));
        }
        // What was asked to stop may have had nothing left to start, and still left steps that waited undone.
        if stop.is_none() && self.settings.stop.is_raised() && progress.has_unattempted() {
            stop = Some(Stop::Asked);
        }
        for entry in progress.left() {
            on_event(Event::Finished(entry));
        }
        (progress.entries, stop)
    }

    /// Does a part of a step; what came of it, with what it was.
    async fn part<'s>(
        &self,
        place: usize,
        part: Part<'s>,
    ) -> (usize, Part<'s>, Result<Outcome, Interruption>) {
        let done = match &part {
            Part::Step(step) => self.run(step).await,
            Part::Callback(step, awaited) => self.await_callback(step, awaited).await,
        };
        (place, part, done)
    }
}

/// What is done of a step: the step itself, or the wait for what the service says of its list.
enum Part<'s> {
    Step(&'s Step),
    Callback(&'s Step, Awaited),
}

/// What came of the steps so far.
struct Progress<'p> {
    steps: &'p [Step],
    /// One for each step; not attempted until it is finished.
    entries: Vec<Entry>,
    is_finished: Vec<bool>,
    /// For each step, how many that it depends on are unfinished.
    waits_for: Vec<usize>,
    /// For each step, the places of those that depend on it.
    followers: Vec<Vec<usize>>,
    /// Places of steps that can be started.
    ready: BTreeSet<usize>,
}

impl<'p> Progress<'p> {
    fn new(steps: &'p [Step]) -> Self {
        let mut followers = vec![Vec::new(); steps.len()];
        for (place, step) in steps.iter().enumerate() {
            // Steps are numbered from 1 in the order of the plan.
            let needs = step.depends_on.iter().filter_map(|need| need.checked_sub(1));
            for need in needs {
                if let Some(own) = followers.get_mut(need) {
                    own.push(place);
                }
            }
        }
        let entry = |step: &Step| Entry {
            number: step.number,
            segment: step.segment.clone(),
            action: step.action.as_str(),
            outcome: Outcome::NotAttempted,
        };
        Self {
            entries: steps.iter().map(entry).collect(),
            is_finished: vec![false; steps.len()],
            waits_for: steps.iter().map(|step| step.depends_on.len()).collect(),
            followers,
            ready: (0..steps.len())
                .filter(|place| steps.get(*place).is_some_and(|step| step.depends_on.is_empty()))
                .collect(),
            steps,
        }
    }

    /// The next step that can be started, with its place; it is handed out once.
    fn take_next(&mut self) -> Option<(usize, &'p Step)> {
        let place = self.ready.pop_first()?;
        self.steps.get(place).map(|step| (place, step))
    }

    /// What keeps a step from being run, of the steps that it depends on.
    fn unmet(&self, step: &Step) -> Option<Outcome> {
        let needs = step.depends_on.iter().filter_map(|need| need.checked_sub(1));
        let mut needed = needs.filter_map(|place| self.entries.get(place));
        let unmet = needed.find(|entry| !entry.outcome.is_done())?;
        Some(match unmet.outcome {
            Outcome::NotAttempted => Outcome::NotAttempted,
            _ => Outcome::Skipped(SkipReason::DependsOn(unmet.segment.clone())),
        })
    }

    /// Takes down what came of the step in a place.
    fn finish(&mut self, place: usize, outcome: Outcome) -> &Entry {
        self.is_finished[place] = true;
        for follower in &self.followers[place] {
            self.waits_for[*follower] -= 1;
            if self.waits_for[*follower] == 0 {
                self.ready.insert(*follower);
            }
        }
        let entry = &mut self.entries[place];
        entry.outcome = outcome;
        entry
    }

    fn has_unattempted(&self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.outcome == Outcome::NotAttempted)
    }

    /// Steps that were not come to.
    fn left(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.entries.iter().zip(&self.is_finished);
        entries
            .filter(|(_, finished)| !**finished)
            .map(|(entry, _)| entry)
    }
}
