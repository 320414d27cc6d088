//! Sending members to a cohort, which the first call makes.
//!
//! Nobody can look what came of a call, and nobody needs to: adding who is in and removing who is not change nothing, so
//! that a call is made again until it is answered. How far a step has come is taken down before every call. A run that ends
//! between two of them leaves behind who surely is a member and who may be, and the next one sends what makes that sure. A
//! call that nobody heard of again may arrive late and undo what a later run did, so that this one waits until none can.

pub(super) mod assumed;
mod parcel;

use super::receipt::{Outcome, SkipReason};
use super::{ATTEMPTS, Applier, Interruption, still_lost, unsettled};
use crate::api::{ApiError, Batches, CallError, Clock, Operation, Stored, Transport};
use crate::ledger::{Entry, Intent, Ledger, LedgerStore, Record, Sent, StoreError, UnderWay, Write};
use crate::members::Values as _;
use crate::members::kept::KeptReader;
use crate::model::{Lifecycle, MemberChange, SegmentId, SegmentKind, SegmentName};
use crate::observe::members::{KeptError, KeptMembers};
use crate::plan::step::{Sending, Step};
use jiff::Timestamp;
use parcel::Parcel;
use std::io;

/// How far a step has come.
struct Course<'s> {
    step: &'s Step,
    sending: &'s Sending,
    /// The name that the cohort has at the service.
    name: &'s SegmentName,
    /// The segment, once it is known, and whether it was looked at.
    id: Option<SegmentId>,
    is_seen: bool,
    /// Who was in it before the first call.
    before: Sent,
    added: u64,
    removed: u64,
    /// Calls that were answered.
    calls: usize,
    /// Whether a call was about to be made.
    has_begun: bool,
    /// The last call that was not answered, as long as it was not made again.
    lost: Option<CallError>,
    /// When the last call was made that was not answered.
    unanswered_at: Option<Timestamp>,
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Sends what a cohort lacks, and takes back what it has too much.
    pub(super) async fn send(&self, step: &Step, sending: &Sending) -> Result<Outcome, Interruption> {
        if !self.is_known_as_planned(sending).await {
            return Ok(Outcome::Skipped(SkipReason::Drifted));
        }
        let parcel = match self.pack(sending).await.map_err(Interruption::LedgerFirst)? {
            Ok(parcel) => parcel,
            Err(message) => return Ok(Outcome::Failed { message }),
        };
        let before = sending.known.as_ref().and_then(|known| known.unanswered_at);
        let operation = Operation::SyncMembers(step.segment.clone(), MemberChange::Add);
        self.wait_for_strays(operation, before).await?;
        self.memory().has_sent = true;
        for (digest, bytes) in &parcel.to_keep {
            let kept = self.store.save_list(digest, bytes).await;
            kept.map_err(Interruption::LedgerFirst)?;
        }
        let mut course = Course::new(step, sending, parcel.before.clone());
        let sent = self.send_all(&parcel, &mut course).await;
        let outcome = self.told_of_lost(sent, course.lost.as_ref())?;
        if !outcome.is_done() {
            self.leave(&course).await?;
        }
        Ok(course.told(outcome))
    }

    /// Whether the ledger knows of the members what it knew when the plan was made.
    async fn is_known_as_planned(&self, sending: &Sending) -> bool {
        let ledger = self.ledger.lock().await;
        let known = match &sending.target {
            Some(target) => ledger
                .kept(&target.id)
                .and_then(|entry| entry.sent.as_deref().cloned()),
            None => ledger.being_made(&sending.cohort.key),
        };
        known == sending.known
    }

    /// Reads the declared list and the ones that were kept; or says why that is of no use.
    async fn pack(&self, sending: &Sending) -> Result<Result<Parcel, String>, StoreError> {
        let kept = match KeptMembers::load(self.store, sending.before.as_ref()).await {
            Ok(kept) => kept,
            Err(KeptError::Store(error)) => return Err(error),
            Err(error) => return Ok(Err(format!("{error}; plan again"))),
        };
        let packed = Parcel::pack(sending, &kept, &self.settings.directory);
        Ok(match packed {
            Ok(Some(parcel)) => Ok(parcel),
            Ok(None) => Err("its list was changed since the plan was made; plan again".to_owned()),
            Err(error) => Err(format!("its list cannot be read: {error}")),
        })
    }

    async fn send_all(&self, parcel: &Parcel, course: &mut Course<'_>) -> Result<Outcome, Interruption> {
        let unreadable = |error: io::Error| Outcome::Failed {
            message: error.to_string(),
        };
        for (change, list) in [
            (MemberChange::Add, &parcel.added),
            (MemberChange::Remove, &parcel.removed),
        ] {
            let mut batches = Batches::of(course.name, &course.sending.cohort.key);
            let mut list = KeptReader::of(list.as_slice());
            loop {
                let members = match next_batch(&mut list, &mut batches) {
                    Ok(Some(members)) => members,
                    Ok(None) => break,
                    Err(error) => return Ok(unreadable(error)),
                };
                if let Some(outcome) = self.send_batch((change, &members), course).await? {
                    return Ok(outcome);
                }
                course.count(change, members.len());
                if course.id.is_none()
                    && let Some(outcome) = self.find_made(course).await?
                {
                    return Ok(outcome);
                }
            }
        }
        self.sent(course).await
    }

    /// Makes one call until it is answered; how the step ends where it is not.
    async fn send_batch(
        &self,
        (change, members): (MemberChange, &[String]),
        course: &mut Course<'_>,
    ) -> Result<Option<Outcome>, Interruption> {
        let operation = Operation::SyncMembers(course.name.clone(), change);
        let key = &course.sending.cohort.key;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let seen = (course.sending.target.as_ref(), &mut course.is_seen);
            let Some(turn) = self.turn_to_tell(&operation, seen).await? else {
                return Ok(Some(Outcome::Skipped(SkipReason::Drifted)));
            };
            self.begin_call(course).await?;
            let sent = self
                .client
                .sync_members(turn, (course.name, key), (change, members))
                .await;
            self.note_sent(course.step, sent.as_ref().err());
            let error = match sent {
                Ok(()) => {
                    course.lost = None;
                    return Ok(None);
                }
                Err(error) => error,
            };
            if error.is_ambiguous_write() {
                if error.may_still_arrive() {
                    course.unanswered_at = Some(self.clock.now());
                }
                if !self.may_go_on(attempt, &error).await {
                    return Ok(Some(still_lost(attempt, &error)));
                }
                course.lost = Some(error);
            } else if !self.client.pause(attempt, &error).await {
                return Ok(Some(match &course.lost {
                    Some(lost) => unsettled(lost, &error),
                    None => self.failure(&error),
                }));
            }
        }
    }

    /// Takes down how far the step has come and that one more call is about to be made.
    async fn begin_call(&self, course: &mut Course<'_>) -> Result<(), Interruption> {
        course.has_begun = true;
        let Some(id) = &course.id else {
            let sent = Box::new(sent_under_way(course, Some(self.clock.now())));
            let write = Write::Send { sent };
            return self.intend(course.step, write, false).await;
        };
        let unanswered_at = Some(self.clock.now());
        let entry = |ledger: &Ledger| self.entry_under_way(ledger, id, (course, unanswered_at));
        let taken_down = self.take_down(|ledger| vec![Record::Entry(entry(ledger))]).await;
        taken_down.map_err(Interruption::LedgerFirst)
    }

    /// Takes down how far the step has come that ends here, and whether a call of it may still arrive.
    async fn leave(&self, course: &Course<'_>) -> Result<(), Interruption> {
        let Some(id) = course.id.as_ref().filter(|_| course.has_begun) else {
            return Ok(());
        };
        let entry = |ledger: &Ledger| self.entry_under_way(ledger, id, (course, course.unanswered_at));
        self.take_down(|ledger| vec![Record::Entry(entry(ledger))])
            .await?;
        Ok(())
    }

    /// Finds the segment that the first call made, of which no answer tells the id.
    async fn find_made(&self, course: &mut Course<'_>) -> Result<Option<Outcome>, Interruption> {
        let step = course.step;
        let mut attempt = 0;
        let stored = loop {
            attempt += 1;
            match self.look_up(&step.segment).await {
                Ok(Some(stored)) if stored.payload().is_some() => return Ok(Some(not_a_cohort(&stored))),
                Ok(Some(stored)) => break stored,
                Ok(None) => {}
                Err(error) => {
                    let message = format!("the service took members, and then {error}");
                    return Ok(Some(Outcome::Unknown { message }));
                }
            }
            let missing = CallError {
                operation: Operation::ListNamed(step.segment.clone()),
                kind: ApiError::NotFound {
                    message: "it is not listed yet".to_owned(),
                },
            };
            if attempt == ATTEMPTS || !self.client.pause_before_look(attempt, &missing).await {
                return Ok(Some(Outcome::Unknown {
                    message: DROPPED.to_owned(),
                }));
            }
        };
        self.learn(step, &stored.id);
        let id = stored.id.clone();
        self.note_seen(stored, Lifecycle::Active);
        let taken_down = self.take_down(|ledger| {
            let entry = self.entry_under_way(ledger, &id, (course, course.unanswered_at));
            // What an earlier run was about to make is this one.
            let begun = ledger.intents().filter(|intent| is_begun(intent, course));
            let settled = begun.map(|intent| Record::Settled(intent.step.clone()));
            std::iter::once(Record::Entry(entry)).chain(settled).collect()
        });
        taken_down.await?;
        course.id = Some(id);
        Ok(None)
    }

    fn entry_under_way(
        &self,
        ledger: &Ledger,
        id: &SegmentId,
        (course, unanswered_at): (&Course<'_>, Option<Timestamp>),
    ) -> Entry {
        let sent = sent_under_way(course, unanswered_at);
        self.entry_sent(ledger, id, (course, sent))
    }

    fn entry_sent(&self, ledger: &Ledger, id: &SegmentId, (course, sent): (&Course<'_>, Sent)) -> Entry {
        let is_ours = sent.whole().is_some() || course.sending.target.is_none() || ledger.entry(id).is_some();
        let mut entry = self.entry(ledger, id, course.name);
        // What somebody else made is ours when all of it took effect, not before.
        entry.only_kept = !is_ours;
        entry.kind = SegmentKind::Cohort;
        entry.rename(course.step.segment.clone());
        entry.protect = course.step.protect;
        if sent.whole().is_some() || course.sending.target.is_none() {
            // What was put away was taken out by the step before, or by somebody.
            entry.set_lifecycle(Lifecycle::Active);
        }
        entry.sent = Some(Box::new(sent));
        entry
    }

    /// Takes down that everything was sent.
    async fn sent(&self, course: &Course<'_>) -> Result<Outcome, Interruption> {
        let Some(id) = course.id.clone() else {
            // Nobody is declared empty, so that there was a call.
            return Ok(Outcome::NotAttempted);
        };
        let sent = Sent {
            key: course.sending.cohort.key.clone(),
            surely: course.sending.list.clone(),
            possibly: None,
            under_way: None,
            unanswered_at: course.unanswered_at,
        };
        let entry = |ledger: &Ledger| self.entry_sent(ledger, &id, (course, sent));
        self.take_down(|ledger| vec![Record::Entry(entry(ledger))])
            .await?;
        Ok(Outcome::applied(id, Vec::new()))
    }
}

impl<'s> Course<'s> {
    fn new(step: &'s Step, sending: &'s Sending, before: Sent) -> Self {
        let target = sending.target.as_ref();
        Self {
            step,
            sending,
            name: target.map_or(&step.segment, |target| &target.live_name),
            id: target.map(|target| target.id.clone()),
            is_seen: false,
            before,
            added: 0,
            removed: 0,
            calls: 0,
            has_begun: false,
            lost: None,
            unanswered_at: None,
        }
    }

    fn count(&mut self, change: MemberChange, members: usize) {
        let count = match change {
            MemberChange::Add => &mut self.added,
            MemberChange::Remove => &mut self.removed,
        };
        *count += members as u64;
        self.calls += 1;
    }

    /// An outcome, with how far it had come by then.
    fn told(&self, outcome: Outcome) -> Outcome {
        let sent = || format!("{} of {} calls were made", self.calls, self.sending.calls);
        match outcome {
            _ if self.calls == 0 => outcome,
            Outcome::NotAttempted => Outcome::Failed {
                message: format!(
                    "the run was stopped when {}; the next one goes on from there",
                    sent()
                ),
            },
            Outcome::Failed { message } => Outcome::Failed {
                message: format!("{}, and then {message}", sent()),
            },
            outcome => outcome,
        }
    }
}

/// What is known of the members while a list is sent.
fn sent_under_way(course: &Course<'_>, unanswered_at: Option<Timestamp>) -> Sent {
    let under_way = UnderWay {
        list: course.sending.list.clone(),
        added: course.added,
        removed: course.removed,
    };
    Sent {
        under_way: Some(under_way),
        unanswered_at,
        ..course.before.clone()
    }
}

/// What is said where a cohort should have been made and is not there.
const DROPPED: &str = "the service took members and lists no segment of that name: it drops without a word a name that \
                       another segment has, archived ones too; choose another name, or run again if the list lags";

/// A segment that has the name and that no members can be sent to.
fn not_a_cohort(stored: &Stored) -> Outcome {
    let (name, id) = (&stored.name, &stored.id);
    Outcome::Failed {
        message: format!(
            "a filter segment named `{name}` (id {id}) appeared since the plan, and the service drops what is sent to it; \
             plan again"
        ),
    }
}

/// Whether a run was about to make the cohort of a step.
fn is_begun(intent: &Intent, course: &Course<'_>) -> bool {
    matches!(&intent.write, Write::Send { sent } if sent.key == course.sending.cohort.key)
}

/// The members of the next call.
fn next_batch(list: &mut KeptReader<&[u8]>, batches: &mut Batches) -> io::Result<Option<Vec<String>>> {
    while let Some(value) = list.next()? {
        let full = batches.push(String::from_utf8_lossy(value).into_owned());
        if full.is_some() {
            return Ok(full);
        }
    }
    Ok(batches.finish())
}
