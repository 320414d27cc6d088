//! A ledger's promises, held against what it reads: what was taken down is there, and what was about to be is there
//! whole, as far as its lines go, or not at all.

use super::disk::SimulatedDisk;
use super::planted::Bug;
use super::record::Record;
use jiff::Timestamp;
use segctl::ledger::{
    LockChange, DirectoryStore, StateEntry, Intent, State, StateStore, Lock, JournalEntry as Taken, Cache, StoreError,
    IntendedWrite,
};
use segctl::members::kept::ListWriter;
use segctl::model::{RequestRecord, UploadResult, ListDigest, UploadId};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What the disk may hold.
#[derive(Clone)]
pub(crate) struct Promised(Arc<Mutex<Possible>>);

struct Possible {
    ledgers: Vec<State>,
    /// Writes that have not ended.
    under_way: usize,
}

impl Promised {
    pub(crate) fn nothing() -> Self {
        Self(Arc::new(Mutex::new(Possible {
            ledgers: vec![State::default()],
            under_way: 0,
        })))
    }

    /// Whether a write is taken down, whatever the disk holds of what it may hold.
    pub(crate) fn has_intent(&self, is_of_call: impl Fn(&Intent) -> bool) -> bool {
        self.says(|ledger| ledger.intents().any(&is_of_call))
    }

    /// Whether a ledger says something, whatever the disk holds of what it may hold.
    pub(crate) fn says(&self, is_said: impl Fn(&State) -> bool) -> bool {
        self.0.lock().unwrap().ledgers.iter().all(is_said)
    }
}

/// A store whose promises are kept in mind.
pub(crate) struct Watched {
    pub(crate) inner: DirectoryStore<SimulatedDisk>,
    pub(crate) promised: Promised,
    pub(crate) record: Record,
    /// Called when calls of this run are lost to others, or theirs to this one.
    pub(crate) loses_touch: Box<dyn Fn() + Send + Sync>,
    /// Whether this run's ledger is on the disk, so that it is only added to from then on.
    pub(crate) is_begun: AtomicBool,
}

/// A write that has not been answered yet: where it never is, the disk may hold it or not.
struct UnderWay<'a> {
    promised: &'a Promised,
    ledger: &'a State,
    records: &'a [Taken],
    is_done: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut possible = self.promised.0.lock().unwrap();
        possible.under_way -= 1;
        if self.is_done {
            return;
        }
        let mut ledgers = vec![self.ledger.clone()];
        for mut known in possible.ledgers.clone() {
            for change in self.records {
                known.apply_journal_entry(change.clone());
                ledgers.push(known.clone());
            }
        }
        ledgers.retain(|ledger| !possible.ledgers.contains(ledger));
        possible.ledgers.extend(ledgers);
    }
}

impl Watched {
    fn damaged<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Corrupt { .. }) = &result {
            let text = result.as_ref().err().map(ToString::to_string);
            self.record
                .violated("files are old or new, never torn", || text.unwrap_or_default());
        }
        result
    }
}

impl Watched {
    /// What a run takes down as a bug would have it.
    fn mistaken(&self, ledger: &State, records: &[Taken]) -> (State, Vec<Taken>) {
        let (mut ledger, mut records) = (ledger.clone(), records.to_vec());
        if self.record.has(Bug::IntentsDropped) {
            records.retain(|record| !matches!(record, Taken::Intent(_)));
            let steps: Vec<_> = ledger.intents().map(|intent| intent.step.clone()).collect();
            steps
                .into_iter()
                .for_each(|step| ledger.apply_journal_entry(Taken::Resolved(step)));
        }
        if self.record.has(Bug::LedgerBeforeAnswer) {
            let early: Vec<StateEntry> = records
                .iter()
                .filter_map(|record| early(&ledger, record))
                .collect();
            for entry in early {
                ledger.record(entry.clone());
                records.push(Taken::StateEntry(entry));
            }
        }
        if self.record.has(Bug::BatchesCountedBefore) {
            records.iter_mut().for_each(count_before);
        }
        if self.record.has(Bug::KeptTakenForOurs) {
            let ours = |entry: &StateEntry| StateEntry {
                history_only: false,
                ..entry.clone()
            };
            for record in &mut records {
                if let Taken::StateEntry(entry) = record {
                    *entry = ours(entry);
                }
            }
            let kept: Vec<StateEntry> = ledger.all_entries().map(ours).collect();
            kept.into_iter().for_each(|entry| ledger.record(entry));
        }
        (ledger, records)
    }
}

/// A ledger that does not say which calls may still arrive.
fn without_strays(ledger: &State) -> State {
    let mut forgetful = ledger.clone();
    for entry in ledger.all_entries() {
        let mut entry = entry.clone();
        entry.cohort_state.iter_mut().for_each(|sent| sent.ambiguous_since = None);
        entry
            .upload_state
            .iter_mut()
            .for_each(|uploaded| uploaded.ambiguous_since = None);
        forgetful.record(entry);
    }
    for intent in ledger.intents() {
        let mut intent = intent.clone();
        if let IntendedWrite::CreateCohort { cohort_state: sent } = &mut intent.write {
            sent.ambiguous_since = None;
            forgetful.apply_journal_entry(Taken::Intent(intent));
        }
    }
    forgetful
}

/// Says of a list that is being sent that all whom it adds were.
fn count_before(record: &mut Taken) {
    if let Taken::StateEntry(entry) = record
        && let Some(sent) = &mut entry.cohort_state
        && let Some(under_way) = &mut sent.partial
    {
        under_way.added = under_way.list.count;
    }
}

/// The entry of an update that was only announced.
fn early(ledger: &State, record: &Taken) -> Option<StateEntry> {
    let Taken::Intent(intent) = record else {
        return None;
    };
    let IntendedWrite::Update {
        id, name, definition, ..
    } = &intent.write
    else {
        return None;
    };
    Some(StateEntry {
        history_only: false,
        definition: Some(definition.clone()),
        ..ledger
            .any_entry(id)
            .cloned()
            .unwrap_or_else(|| StateEntry::new(id.clone(), name.clone(), intent.at))
    })
}

impl StateStore for Watched {
    async fn load(&self) -> Result<State, StoreError> {
        let ledger = self.damaged(self.inner.load().await)?;
        let possible = self.promised.0.lock().unwrap();
        let is_possible = possible.under_way > 0 || possible.ledgers.contains(&ledger);
        self.record
            .require(is_possible, "what was taken down is remembered", || {
                format!("the ledger is {ledger:#?}\nand could be {:#?}", possible.ledgers)
            });
        drop(possible);
        if self.record.has(Bug::StraysForgotten) {
            return Ok(without_strays(&ledger));
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &State) -> Result<(), StoreError> {
        let (ledger, _) = self.mistaken(ledger, &[]);
        self.add_all(&ledger, &[], true).await
    }

    async fn append(&self, ledger: &State, records: &[Taken]) -> Result<(), StoreError> {
        let (ledger, records) = self.mistaken(ledger, records);
        match self.add_all(&ledger, &records, false).await {
            Err(StoreError::LockLost { .. }) if self.record.has(Bug::LockIgnored) => Ok(()),
            added => added,
        }
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> LockChange + Send,
    ) -> Result<Option<Lock>, StoreError> {
        self.damaged(self.inner.change_lock(change).await)
    }

    async fn save_member_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.record.has(Bug::ListUnderOtherDigest) {
            let nobody = ListWriter::to(Vec::new()).finish().unwrap_or_default();
            return self.inner.save_member_list(digest, &nobody).await;
        }
        self.inner.save_member_list(digest, bytes).await
    }

    async fn load_member_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        self.damaged(self.inner.load_member_list(digest).await)
    }

    async fn retain_member_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        self.inner.retain_member_lists(keep).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &UploadResult) -> Result<(), StoreError> {
        self.inner.save_callback(upload, callback).await
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<UploadResult>, StoreError> {
        let said = self.damaged(self.inner.load_callback(upload).await)?;
        let is_missed = self.record.has(Bug::FailuresUnheard);
        Ok(said.filter(|said| !is_missed || matches!(said, UploadResult::Processed(_))))
    }

    async fn retain_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        self.inner.retain_callbacks(keep).await
    }

    async fn load_cache(&self) -> Result<Cache, StoreError> {
        self.damaged(self.inner.load_cache().await)
    }

    async fn save_cache(&self, snapshot: &Cache) -> Result<(), StoreError> {
        self.inner.save_cache(snapshot).await
    }

    async fn load_requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        self.inner.load_requests().await
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> Result<(), StoreError> {
        let exchanged = self.inner.exchange_requests(next, respond).await;
        if exchanged.is_err() {
            (self.loses_touch)();
        }
        exchanged
    }

    async fn prune_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        self.inner.prune_requests(before).await
    }
}

impl Watched {
    fn kept(&self, records: &[Taken]) -> Vec<Taken> {
        let mut records = records.to_vec();
        if self.record.has(Bug::HistoryDropped) {
            for record in &mut records {
                if let Taken::StateEntry(entry) = record {
                    entry.revisions.clear();
                }
            }
        }
        records
    }

    async fn add_all(&self, ledger: &State, records: &[Taken], is_whole: bool) -> Result<(), StoreError> {
        let is_added = !is_whole && self.is_begun.swap(false, Ordering::Relaxed);
        self.promised.0.lock().unwrap().under_way += 1;
        let mut under_way = UnderWay {
            promised: &self.promised,
            ledger,
            records: if is_added { records } else { &[] },
            is_done: false,
        };
        if is_whole {
            self.inner.save(ledger).await?;
        } else if !(is_added && self.record.has(Bug::NothingTakenDown)) {
            self.inner.append(ledger, &self.kept(records)).await?;
        }
        under_way.is_done = true;
        self.is_begun.store(true, Ordering::Relaxed);
        let mut possible = self.promised.0.lock().unwrap();
        match possible.ledgers.as_mut_slice() {
            [known] if is_added => records.iter().for_each(|change| known.apply_journal_entry(change.clone())),
            _ => possible.ledgers = vec![ledger.clone()],
        }
        drop(possible);
        Ok(())
    }
}
