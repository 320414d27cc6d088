//! Having the service read a list of users: one call, which the service takes and does later.
//!
//! A list of this machine is published first, as a whole or as what changes. A call of which nobody heard leaves it open who
//! is in the segment, so that it is made again, and what follows such a call replaces all users: that is right whatever came
//! of the one before. Where even that is not answered, the ledger knows of nobody, and the next run replaces them.

mod files;

use super::awaiting::Awaited;
use super::receipt::{Outcome, Reading, SkipReason};
use super::{ATTEMPTS, Applier, Interruption, still_lost, unsettled};
use crate::api::{ApiError, CallError, Clock, Operation, Stored, Transport, Turn, UserFile};
use crate::ledger::{Addition, Entry, Intent, Ledger, LedgerStore, Record, Uploaded, Write};
use crate::model::{Lifecycle, ListDigest, SegmentId, SegmentKind, UploadId, UserChange, UserList};
use crate::plan::step::{Step, Uploading};
use files::Lists;
use jiff::Timestamp;
use std::io;

/// How far a step has come.
struct Course<'s> {
    step: &'s Step,
    uploading: &'s Uploading,
    /// The segment, once it is known.
    id: Option<SegmentId>,
    /// The call; `None` to make the segment.
    change: Option<UserChange>,
    is_seen: bool,
    has_begun: bool,
    /// What is known of the segment from before the call.
    known: Uploaded,
    /// The last call that was not answered.
    lost: Option<CallError>,
    unanswered_at: Option<Timestamp>,
    /// Names the call that is made; `None` where nobody hears what becomes of it.
    upload: Option<UploadId>,
    /// Calls of this step that were lost: the service may have taken them.
    lost_uploads: Vec<UploadId>,
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Has the service read the list of a file segment.
    pub(super) async fn upload(&self, step: &Step, uploading: &Uploading) -> Result<Outcome, Interruption> {
        if !self.are_users_as_planned(uploading).await {
            return Ok(Outcome::Skipped(SkipReason::Drifted));
        }
        let lists = match self.gather(uploading).await.map_err(Interruption::LedgerFirst)? {
            Ok(lists) => lists,
            Err(message) => return Ok(Outcome::Failed { message }),
        };
        let before = match &uploading.before {
            Some(before) => before.unanswered_at,
            None => self.begun_at(step).await,
        };
        let operation = Operation::Upload(step.segment.clone());
        self.wait_for_strays(operation, before).await?;
        if let Lists::Here { digest, whole, .. } = &lists {
            self.memory().has_sent = true;
            let kept = self.store.save_list(digest, whole).await;
            kept.map_err(Interruption::LedgerFirst)?;
        }
        let known = self.known_users(uploading).await;
        let mut course = Course::new(step, uploading, known);
        let sent = self.send_list(&lists, &mut course).await;
        let outcome = self.told_of_lost(sent, course.lost.as_ref())?;
        if !outcome.is_done() {
            self.leave_open(&course).await?;
        }
        Ok(outcome)
    }

    /// Whether the ledger knows of the users what it knew when the plan was made.
    async fn are_users_as_planned(&self, uploading: &Uploading) -> bool {
        let Some(target) = &uploading.target else {
            return true;
        };
        let ledger = self.ledger.lock().await;
        let known = ledger
            .kept(&target.id)
            .and_then(|entry| entry.uploaded.as_deref());
        let is_same = match (known, &uploading.before) {
            (Some(known), Some(before)) => known.knows_the_same_as(before),
            (known, before) => known.is_none() && before.is_none(),
        };
        is_same || is_taken_out(known, uploading)
    }

    /// What the ledger knows of the users by now.
    async fn known_users(&self, uploading: &Uploading) -> Option<Uploaded> {
        let target = uploading.target.as_ref()?;
        let ledger = self.ledger.lock().await;
        ledger.kept(&target.id)?.uploaded.as_deref().cloned()
    }

    /// When an earlier run was about to make the segment, as long as nobody knows whether it did.
    async fn begun_at(&self, step: &Step) -> Option<Timestamp> {
        let ledger = self.ledger.lock().await;
        let begun = ledger.intents().filter(|intent| self.is_begun(intent, step));
        begun.map(|intent| intent.at).max()
    }

    /// Whether an earlier run was about to make the segment of a step.
    fn is_begun(&self, intent: &Intent, step: &Step) -> bool {
        intent.step != self.key(step)
            && intent.segment == step.segment
            && matches!(intent.write, Write::Upload { .. })
    }

    /// Makes the call until it is answered.
    async fn send_list(&self, lists: &Lists, course: &mut Course<'_>) -> Result<Outcome, Interruption> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let operation = course.operation();
            let target = course.uploading.target.as_ref();
            let seen = (target, &mut course.is_seen);
            let Some(turn) = self.turn_to_tell(&operation, seen).await? else {
                return Ok(Outcome::Skipped(SkipReason::Drifted));
            };
            course.upload = self.upload_to_hear_of(course, attempt);
            let url = match self.begin_and_publish(lists, course).await? {
                Ok(url) => url,
                Err(error) => {
                    self.client.give_back(turn);
                    // No call was made of which anything could be heard.
                    course.upload = None;
                    return Ok(cannot_publish(&error, course.lost.as_ref()));
                }
            };
            let error = match self.tell(turn, &url, course).await {
                Ok(id) => return self.uploaded(id, course).await,
                Err(error) => error,
            };
            let is_lost = error.is_ambiguous_write();
            if error.may_still_arrive() {
                course.unanswered_at = Some(self.clock.now());
            }
            let upload = course.upload.take();
            course
                .lost_uploads
                .extend(upload.filter(|_| is_lost || error.may_still_arrive()));
            let is_taken = matches!(error.kind, ApiError::NameTaken { .. }) && course.change.is_none();
            if is_lost || is_taken {
                let may_go_on = self.may_go_on(attempt, &error).await;
                if course.change.is_none()
                    && let Some(outcome) = self.look_for_made(&error, course).await?
                {
                    return Ok(outcome);
                }
                if !may_go_on {
                    let outcome = still_lost(attempt, &error);
                    course.lost = Some(error);
                    return Ok(outcome);
                }
                // It may have been done in part or twice by then; this is right in any case.
                course.change = course.change.map(|_| UserChange::Replace);
                course.lost = Some(error);
            } else if !self.client.pause(attempt, &error).await {
                return Ok(match &course.lost {
                    Some(lost) => unsettled(lost, &error),
                    None => self.failure(&error),
                });
            }
        }
    }

    /// Takes down that a call is about to be made, and puts its list where the service reads it; the address.
    async fn begin_and_publish(
        &self,
        lists: &Lists,
        course: &mut Course<'_>,
    ) -> Result<io::Result<String>, Interruption> {
        let file = match self.file_to_publish(lists, course) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        // Taken down before it is there, so that it is never left without anybody who knows of it.
        self.begin_upload(file.name(), course).await?;
        let published = self.publish(&file).await;
        if published.is_ok() && file.name().is_some() {
            // Publishing takes its time, in which the lock may be lost; and a call may be on its way from now on.
            self.begin_upload(file.name(), course).await?;
        }
        Ok(published)
    }

    /// Takes down that a call is about to be made.
    async fn begin_upload(
        &self,
        published: Option<&ListDigest>,
        course: &mut Course<'_>,
    ) -> Result<(), Interruption> {
        course.has_begun = true;
        let Some(id) = &course.id else {
            let upload = &course.uploading.upload;
            let write = Write::Upload {
                identifier: upload.identifier.clone(),
                expires_in_days: upload.expires_in_days,
                published: published.cloned(),
            };
            return self.intend(course.step, write, false).await;
        };
        let unanswered_at = Some(self.clock.now());
        let entry = |ledger: &Ledger| self.entry_uploaded(ledger, id, (course, None, unanswered_at));
        let taken_down = self.take_down(|ledger| vec![Record::Entry(entry(ledger))]).await;
        taken_down.map_err(Interruption::LedgerFirst)
    }

    /// Makes the call; the id of the segment.
    async fn tell(&self, turn: Turn, url: &str, course: &Course<'_>) -> Result<SegmentId, CallError> {
        let upload = &course.uploading.upload;
        let callbacks = self.settings.callbacks.as_ref().zip(course.upload.as_ref());
        let heard_at = callbacks.map(|(callbacks, upload)| callbacks.address_of(upload));
        let file = UserFile {
            url,
            identifier: &upload.identifier,
            callback_url: upload.callback_url.as_deref().or(heard_at.as_deref()),
            notify: &upload.notify,
        };
        let name = &course.step.segment;
        let told = match (course.change, &course.id) {
            (Some(change), Some(id)) => {
                let changed = self.client.change_users(turn, (name, Some(id)), (change, file));
                changed.await.map(|()| id.clone())
            }
            _ => {
                self.client
                    .upload(turn, name, (file, upload.expires_in_days))
                    .await
            }
        };
        self.note_sent(course.step, told.as_ref().err());
        told
    }

    /// Looks whether a segment came of a call that was to make it; how the step ends where that is known, and that its users
    /// have to be replaced where it is there.
    async fn look_for_made(
        &self,
        error: &CallError,
        course: &mut Course<'_>,
    ) -> Result<Option<Outcome>, Interruption> {
        let is_taken = matches!(error.kind, ApiError::NameTaken { .. });
        // A call of this run, or of one before it, may have made it.
        let may_be_ours = !is_taken || course.lost.is_some() || self.begun_at(course.step).await.is_some();
        let found = match self.look_for_ours(error, (is_taken && may_be_ours, course)).await {
            Ok(found) => found,
            Err(look_up) => return Ok(Some(unsettled(error, &look_up))),
        };
        match found {
            Some(stored) if stored.payload().is_some() => Ok(Some(other_appeared(&stored))),
            Some(stored) if !may_be_ours => {
                // Unless the call was delivered twice, and the first delivery made it.
                self.memory().unanswered.insert(course.step.number);
                Ok(Some(other_appeared(&stored)))
            }
            Some(stored) => {
                course.id = Some(stored.id.clone());
                course.change = Some(UserChange::Replace);
                course.known.made_at = Some(self.clock.now());
                course.is_seen = true;
                self.learn(course.step, &stored.id);
                self.note_seen(stored, Lifecycle::Active);
                Ok(None)
            }
            // It is ours, and the list lags. What a run before made it shows by now.
            None if is_taken && course.lost.is_some() => Ok(Some(Outcome::Unknown {
                message: format!("{error}; and nobody who is listed has it: the list lags; plan again"),
            })),
            None if is_taken => {
                // Unless the first delivery made it, and the list lags.
                self.memory().unanswered.insert(course.step.number);
                Ok(Some(Outcome::Failed {
                    message: format!(
                        "{error}; the one that has it is archived and not listed: unarchive it in the dashboard, or choose \
                         another name"
                    ),
                }))
            }
            None => Ok(None),
        }
    }

    /// The segment of the step's name; looked for more than once where it has to be there.
    async fn look_for_ours(
        &self,
        error: &CallError,
        (has_to_be_there, course): (bool, &Course<'_>),
    ) -> Result<Option<Stored>, CallError> {
        let mut attempt = 1;
        loop {
            let found = self.look_up(&course.step.segment).await?;
            let is_over = attempt == ATTEMPTS || found.is_some() || !has_to_be_there;
            if is_over || !self.client.pause_before_look(attempt, error).await {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    /// Takes down that a step ends of which nobody knows what came of its call.
    async fn leave_open(&self, course: &Course<'_>) -> Result<(), Interruption> {
        let Some(id) = course.id.as_ref().filter(|_| course.has_begun) else {
            // No segment keeps them in mind that came to nothing.
            let left = course.known.published.iter().cloned();
            let left: Vec<Record> = left.map(Record::Published).collect();
            if !left.is_empty() {
                self.take_down(|_| left).await?;
            }
            return Ok(());
        };
        // What was refused, or never sent, left the users as they were: nobody, where the step before took it out too late.
        let users = course.known.users.clone().filter(|_| course.lost.is_none());
        let entry = |ledger: &Ledger| self.entry_uploaded(ledger, id, (course, users, course.unanswered_at));
        self.take_down(|ledger| vec![Record::Entry(entry(ledger))])
            .await?;
        Ok(())
    }

    /// Takes down what the service took.
    async fn uploaded(&self, id: SegmentId, course: &mut Course<'_>) -> Result<Outcome, Interruption> {
        if course.uploading.target.is_none() {
            course.known.made_at = course.known.made_at.or(Some(self.clock.now()));
            self.learn(course.step, &id);
        }
        if !matches!(course.change, Some(UserChange::Add | UserChange::Remove)) {
            // Whatever became of the calls before, all users are those of this one.
            course.known.awaited.clear();
        }
        course.known.heard = None;
        let listed = course.uploading.list.values().map(|listing| listing.count);
        if let Some(users) = course.uploading.added.or(listed) {
            course.known.add(Addition {
                at: self.clock.now(),
                users,
                upload: course.upload.clone(),
            });
        }
        let users = Some(course.uploading.list.clone());
        let key = self.key(course.step);
        self.take_down(|ledger| {
            let entry = self.entry_uploaded(ledger, &id, (course, users, course.unanswered_at));
            let begun = ledger
                .intents()
                .filter(|intent| intent.step == key || self.is_begun(intent, course.step));
            let settled = begun.flat_map(|intent| {
                let settled = Record::Settled(intent.step.clone());
                // What a run before published is another file where the list was another.
                let left = intent.published().map(Record::Published);
                std::iter::once(settled).chain(left)
            });
            std::iter::once(Record::Entry(entry)).chain(settled).collect()
        })
        .await?;
        let told_at = match &course.uploading.upload.callback_url {
            Some(_) => ", and tells it at the `callback_url` of its file",
            None => "",
        };
        let notes = vec![format!(
            "accepted, outcome not known: the service reads the list later{told_at}"
        )];
        self.will_await(&id, course);
        Ok(Outcome::Applied {
            id,
            notes,
            list: Some(Reading::NotKnown),
        })
    }

    /// Names the call that is about to be made, where the service says here what becomes of it.
    fn upload_to_hear_of(&self, course: &Course<'_>, attempt: u32) -> Option<UploadId> {
        let is_told_elsewhere = course.uploading.upload.callback_url.is_some();
        self.upload_id(course.step, attempt)
            .filter(|_| !is_told_elsewhere)
    }

    /// Takes down that the step waits for what the service says, where a run waits at all.
    fn will_await(&self, id: &SegmentId, course: &mut Course<'_>) {
        let callbacks = self.settings.callbacks.as_ref();
        let waits = callbacks.is_some_and(|callbacks| callbacks.wait.is_some());
        let Some(upload) = course.upload.take().filter(|_| waits) else {
            return;
        };
        let listed = course.uploading.list.values().map(|listing| listing.count);
        let sent = match course.change {
            Some(UserChange::Add) => course.uploading.added,
            Some(UserChange::Remove) => course.uploading.removed,
            Some(UserChange::Replace) | None => listed,
        };
        let awaited = Awaited {
            id: id.clone(),
            upload,
            sent,
            listed,
        };
        self.memory().awaited.insert(course.step.number, awaited);
    }

    fn entry_uploaded(
        &self,
        ledger: &Ledger,
        id: &SegmentId,
        (course, users, unanswered_at): (&Course<'_>, Option<UserList>, Option<Timestamp>),
    ) -> Entry {
        let upload = &course.uploading.upload;
        let is_ours = users.is_some() || course.uploading.target.is_none() || ledger.entry(id).is_some();
        let mut entry = self.entry(ledger, id, &course.step.segment);
        // What somebody else made is ours when a call took effect, not before.
        entry.only_kept = !is_ours;
        entry.kind = SegmentKind::File;
        entry.rename(course.step.segment.clone());
        entry.protect = course.step.protect;
        if users.is_some() || course.uploading.target.is_none() {
            // What was put away was taken out by the step before, or by somebody.
            entry.set_lifecycle(Lifecycle::Active);
        }
        let mut uploaded = Uploaded {
            identifier: upload.identifier.clone(),
            expires_in_days: upload.expires_in_days,
            users,
            put_away_at: None,
            unanswered_at,
            ..course.known.clone()
        };
        let uploads = course.lost_uploads.iter().chain(&course.upload);
        uploads.for_each(|upload| uploaded.wait_for(upload.clone()));
        entry.uploaded = Some(Box::new(uploaded));
        entry
    }
}

impl<'s> Course<'s> {
    fn new(step: &'s Step, uploading: &'s Uploading, known: Option<Uploaded>) -> Self {
        let upload = &uploading.upload;
        let nothing = || Uploaded::nothing(upload.identifier.clone(), upload.expires_in_days);
        Self {
            step,
            uploading,
            id: uploading.target.as_ref().map(|target| target.id.clone()),
            change: uploading.change,
            is_seen: false,
            has_begun: false,
            known: known.unwrap_or_else(nothing),
            lost: None,
            unanswered_at: None,
            upload: None,
            lost_uploads: Vec::new(),
        }
    }

    fn operation(&self) -> Operation {
        let name = self.step.segment.clone();
        match self.change {
            Some(change) => Operation::ChangeUsers(name, change),
            None => Operation::Upload(name),
        }
    }
}

/// Whether the ledger says what it said when the plan was made but for what the step before did, which took the segment out:
/// where that may have cost it its users, all of them have to be sent.
fn is_taken_out(known: Option<&Uploaded>, uploading: &Uploading) -> bool {
    let (Some(known), Some(before)) = (known, &uploading.before) else {
        return false;
    };
    let taken_out = Uploaded {
        users: known.users.clone(),
        put_away_at: None,
        ..before.clone()
    };
    let replaces = known.users.is_none() && uploading.change == Some(UserChange::Replace);
    known.knows_the_same_as(&taken_out) && (known.users == before.users || replaces)
}

/// What the service was to read cannot be put there; a call before that was lost may have done its work all the same.
fn cannot_publish(error: &io::Error, lost: Option<&CallError>) -> Outcome {
    let message = format!("its list cannot be published: {error}");
    match lost {
        Some(lost) => Outcome::Unknown {
            message: format!("{lost}; and then {message}"),
        },
        None => Outcome::Failed { message },
    }
}

/// Another segment has the name, and is not ours.
fn other_appeared(stored: &Stored) -> Outcome {
    Outcome::Failed {
        message: format!(
            "a segment named `{}` (id {}) appeared since the plan; plan again",
            stored.name, stored.id
        ),
    }
}
