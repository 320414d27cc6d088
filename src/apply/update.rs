//! Updating a segment: its definition, its name, or both in one call.

use super::create::no_id;
use super::receipt::{Outcome, SkipReason};
use super::sending::{Move, Overwrite, Sent, Whom};
use super::settle::{Came, Next, Verdict};
use super::{Applier, Interruption, settle, still_lost, unsettled};
use crate::api::{ApiError, CallError, Clock, Seen, Stored, Transport};
use crate::ledger::LedgerStore;
use crate::model::{Lifecycle, Payload};
use crate::plan::step::{Change, Passing, Step, Target};

/// What happened to a step so far.
#[derive(Default)]
struct Course {
    /// An answer was lost, and nothing had come of that call when it was looked at.
    lost: Option<CallError>,
    /// The segment was archived and was taken out for this step.
    is_taken_out: bool,
    /// What was read since the last call.
    seen: Option<Seen>,
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Updates, unless the segment is not as the plan saw it.
    pub(super) async fn update(&self, step: &Step, change: &Change) -> Result<Outcome, Interruption> {
        let payload = match change.wanted.resolved(&self.known()) {
            Ok(payload) => payload,
            Err(name) => {
                return Ok(Outcome::Failed {
                    message: no_id(&name),
                });
            }
        };
        let mut course = Course::default();
        let outcome = self.pursue(step, (change, &payload), &mut course).await;
        let outcome = match (outcome, course.lost.take()) {
            (Err(Interruption::Call(error)), Some(lost)) => Ok(unsettled(&lost, &error)),
            (Err(Interruption::Call(error)), None) if course.is_taken_out => {
                Ok(after(taken_out(&course), self.failure(&error)))
            }
            (outcome, _) => outcome,
        };
        let is_untouched = match &outcome {
            Ok(outcome) => matches!(
                outcome,
                Outcome::Failed { .. } | Outcome::NotAttempted | Outcome::Skipped(_)
            ),
            Err(Interruption::Call(error)) => !error.is_ambiguous_write(),
            Err(_) => false,
        };
        let before = self.memory().before.get(&step.number).cloned();
        if let Some((_, known)) = before.filter(|_| is_untouched) {
            let restored = self.restore(step, (&change.target.id, known)).await;
            restored.map_err(Interruption::LedgerFirst)?;
        }
        outcome
    }

    /// Sends the change until it is known what became of it.
    async fn pursue(
        &self,
        step: &Step,
        (change, payload): (&Change, &Payload),
        course: &mut Course,
    ) -> Result<Outcome, Interruption> {
        let target = &change.target;
        let compare = |current: &Stored| self.compare(change, current);
        let is_ours = self.ledger.lock().await.entry(&target.id).is_some();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let update = Overwrite {
                id: &target.id,
                name: &change.name,
                definition: payload,
                digest: change.wanted.digests.exact.to_string(),
                takes_out: course.is_taken_out && !is_ours,
                compare: &compare,
            };
            let error = match self.send_update(step, &update, course.seen.take()).await? {
                Sent::Stored(stored) if self.is_unwrapped(change, &stored) => {
                    return self.unwrapped(step).await;
                }
                Sent::Stored(stored) => {
                    let notes = taken_out(course).into_iter().collect();
                    return self.stored(step, &change.wanted, stored, notes).await;
                }
                Sent::Found(current, verdict) => {
                    return self.found((step, change), (current, verdict), course).await;
                }
                Sent::Unanswered(error) => error,
            };
            match settle::after_update(&error, &target.id, (!course.is_taken_out, course.lost.is_some())) {
                Next::Look => {
                    let may_go_on = self.may_go_on(attempt, &error).await;
                    if let Some(outcome) = self.look_back((step, change), &error, course).await? {
                        return Ok(outcome);
                    }
                    if !may_go_on {
                        return Ok(still_lost(attempt, &error));
                    }
                }
                Next::TakeOut => {
                    course.is_taken_out = self.take_out(step, target, !is_ours).await?;
                    if !course.is_taken_out {
                        return Ok(self.refused(change, &error));
                    }
                }
                Next::Again | Next::Failed | Next::Unknown => {
                    return Ok(match &course.lost {
                        Some(lost) if !error.tells_of_segment() => unsettled(lost, &error),
                        _ => after(taken_out(course), self.refused(change, &error)),
                    });
                }
            }
        }
    }

    /// Takes out a segment that cannot be changed while it is archived; false where the service says that it is none.
    async fn take_out(&self, step: &Step, target: &Target, takes_out: bool) -> Result<bool, Interruption> {
        let to = Move {
            name: &target.live_name,
            whom: Whom::Known(&target.id),
            lifecycle: Lifecycle::Active,
        };
        match self.send_move(step, &to, takes_out).await? {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind, ApiError::Refused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the service took a definition in passing and did not keep the group around it: it is not given up then, and
    /// two segments have the same one.
    fn is_unwrapped(&self, change: &Change, stored: &Stored) -> bool {
        let known = self.known();
        let is_other = |found: &Payload| {
            change.wanted.is_alike(found, &known) && !change.wanted.is_stored_as(found, &known)
        };
        wraps(change) && stored.name == change.name && stored.payload().as_ref().is_some_and(is_other)
    }

    /// Gives a segment back what it had before a passing step that the service did not keep as it was sent.
    async fn unwrapped(&self, step: &Step) -> Result<Outcome, Interruption> {
        let before = self.memory().before.remove(&step.number);
        let Some(before) = before else {
            return Ok(Outcome::Failed {
                message: format!("{UNWRAPS}, {WAY_ROUND}"),
            });
        };
        Ok(match self.take_back((step, None), before).await? {
            Outcome::TakenBack => Outcome::Failed {
                message: format!("{UNWRAPS}, {WAY_ROUND}; it is as it was before"),
            },
            outcome => outcome,
        })
    }

    /// Looks what became of a call that may have done what it was to do; `None` where it may be made again.
    async fn look_back(
        &self,
        (step, change): (&Step, &Change),
        error: &CallError,
        course: &mut Course,
    ) -> Result<Option<Outcome>, Interruption> {
        let at = self.clock.now();
        let found = match self.client.get(&change.target.id).await {
            Ok(found) => found,
            Err(read) => return Ok(Some(unsettled(error, &read))),
        };
        let verdict = self.compare(change, &found);
        // What is as it was before shows nothing of a call that was lost.
        let is_untouched = error.is_ambiguous_write() && verdict == Verdict::NotDone;
        if !is_untouched && self.is_unwrapped(change, &found) {
            return self.unwrapped(step).await.map(Some);
        }
        let note = match settle::update(error, verdict) {
            Came::Done => "the answer was lost; the definition was found as sent",
            Came::DoneAlready => "the service had nothing to change: the definition was found as sent",
            Came::Again => {
                course.lost = Some(error.clone());
                course.seen = Some(Seen { stored: found, at });
                return Ok(None);
            }
            Came::Failed => return Ok(Some(after(taken_out(course), self.refused(change, error)))),
            Came::Hidden | Came::Other | Came::Unknown => {
                return Ok(Some(Outcome::Unknown {
                    message: format!("{error}; plan again"),
                }));
            }
        };
        let notes = taken_out(course).into_iter().chain([note.to_owned()]).collect();
        self.stored(step, &change.wanted, found, notes).await.map(Some)
    }

    /// The outcome where what is there is not what was to be overwritten.
    async fn found(
        &self,
        (step, change): (&Step, &Change),
        (current, verdict): (Stored, Verdict),
        course: &Course,
    ) -> Result<Outcome, Interruption> {
        match (verdict, &course.lost) {
            _ if self.is_unwrapped(change, &current) => self.unwrapped(step).await,
            (Verdict::Done, Some(_)) => {
                let notes = vec!["the answer was lost; the definition was found as sent".to_owned()];
                self.stored(step, &change.wanted, current, notes).await
            }
            (Verdict::Done, None) => {
                let (id, notes) = (current.id.clone(), taken_out(course).into_iter().collect());
                self.remember_stored(step, &current).await?;
                Ok(Outcome::Unchanged { id, notes })
            }
            (_, Some(lost)) => Ok(Outcome::Unknown {
                message: format!("{lost}; plan again"),
            }),
            (_, None) if course.is_taken_out => Ok(after(
                taken_out(course),
                Outcome::Failed {
                    message: "it was changed meanwhile; plan again".to_owned(),
                },
            )),
            (_, None) => {
                // The next plan has to start from what is there.
                self.note_seen(current, Lifecycle::Active);
                Ok(Outcome::Skipped(SkipReason::Drifted))
            }
        }
    }

    /// What a refusal means for a change; of a definition in passing the way round is known.
    fn refused(&self, change: &Change, error: &CallError) -> Outcome {
        if !(wraps(change) && matches!(error.kind, ApiError::DefinitionTaken { .. })) {
            return self.failure(error);
        }
        Outcome::Failed {
            message: format!(
                "{error}; the service takes a definition in one more group for the same definition, {WAY_ROUND}"
            ),
        }
    }

    /// What is there, between what the plan saw and what it wants.
    pub(super) fn compare(&self, change: &Change, current: &Stored) -> Verdict {
        let is_wanted = current
            .payload()
            .is_some_and(|found| change.wanted.is_stored_as(&found, &self.known()));
        settle::definition(
            is_wanted && current.name == change.name,
            self.is_as_planned(&change.target, current),
        )
    }
}

/// Whether a change stands for the definition that the segment gets in the end.
fn wraps(change: &Change) -> bool {
    matches!(change.passing, Some(Passing::Definition | Passing::Both))
}

/// What is said where the form that a definition passes through does not last.
const UNWRAPS: &str = "the service keeps a definition in one more group without that group";

/// What to do where definitions cannot pass each other.
const WAY_ROUND: &str = "so that definitions cannot be swapped in passing: change one of the segments to a third definition, \
                         apply, and then to its own";

/// What is said where a segment was archived without the plan knowing.
fn taken_out(course: &Course) -> Option<String> {
    let note = "it was archived and had to be taken out first";
    course.is_taken_out.then(|| note.to_owned())
}

/// A failure, after what was done before it.
fn after(note: Option<String>, outcome: Outcome) -> Outcome {
    match (note, outcome) {
        (Some(note), Outcome::Failed { message }) => Outcome::Failed {
            message: format!("{note}; then {message}"),
        },
        (Some(note), Outcome::NotAttempted) => Outcome::Failed {
            message: format!("{note}; then the run was stopped"),
        },
        (_, outcome) => outcome,
    }
}
