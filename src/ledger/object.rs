//! The ledger in an object store.
//!
//! The objects are those of the directory, under one prefix. Each is replaced whole, on the condition that it is what was
//! read: who comes second finds out. Nothing can be added to an object, so that what a run takes down as it goes is one
//! small object for each time, `journal/<generation>/<number>.jsonl`, and the end of the run takes them in.
//!
//! Two runs never both go on:
//!
//! - `ledger.json` counts its generations and is replaced only by the one that read the last. The first thing that a run
//!   takes down replaces it, so that nothing an earlier run still sends changes what the ledger is.
//! - A journal's object is written, and then the lock is looked at. Where it still stands, the next holder reads after this
//!   and meets the object; where it does not, nothing rests on the object, and at worst the next run asks about a write
//!   that was not made.
//! - `lock.json` is never deleted, since that knows no condition: a free lock is one that names nobody.

mod bucket;
mod pieces;

use super::contents::{CALLBACK_VERSION, Contents, LEDGER_VERSION, LOCK_VERSION, SNAPSHOT_VERSION};
use super::requests::Requests;
use super::store::{
    CALLBACKS, LEDGER, LISTS, LOCK_FILE, REQUESTS, SNAPSHOT, callback_name, list_digest, list_name, stays,
    upload_id,
};
use super::{Change, Ledger, LedgerStore, Lock, Record, Snapshot, StoreError};
use super::{document, journal};
use crate::model::{CallRecord, Callback, ListDigest, ObjectPlace, UploadId};
use crate::objects::connect;
use bucket::{Bucket, Expected, Found, Written};
use jiff::Timestamp;
use pieces::{FOLDER, Piece};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// How often a change is decided anew because somebody else came first. Each time somebody got on.
const ROUNDS: usize = 50;

/// After so many pieces the journal is taken in: a run that follows one that was cut off reads every one.
const MOST_PIECES: u64 = 200;

/// A ledger in an object store.
#[derive(Debug)]
pub struct ObjectLedger {
    bucket: Bucket,
    state: Mutex<State>,
    /// The lock that was put: the ledger is changed only while it stands.
    held: Mutex<Option<Lock>>,
}

#[derive(Debug, Default)]
struct State {
    /// The ledger's object as this run knows it.
    base: Option<Base>,
    /// The next piece of the journal, where the journal follows the ledger as this run left it.
    next: Option<Piece>,
}

#[derive(Clone, Debug, Default)]
struct Base {
    generation: u64,
    object: Expected,
}

impl ObjectLedger {
    /// A ledger at `place`, which is reached as these variables say; no request is made yet.
    ///
    /// # Errors
    ///
    /// The variables do not say enough, or contradict each other.
    pub fn connect(
        place: &ObjectPlace,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, StoreError> {
        let store = connect(place, variables).map_err(|reason| StoreError::Object {
            operation: "open",
            object: place.to_string(),
            reason,
        })?;
        Ok(Self {
            bucket: Bucket::new(store, place.clone()),
            state: Mutex::default(),
            held: Mutex::new(None),
        })
    }

    fn corrupt(&self, name: &str) -> impl Fn(String) -> StoreError {
        let path = PathBuf::from(self.bucket.address(name));
        move |reason| StoreError::Corrupt {
            path: path.clone(),
            reason,
        }
    }

    fn decode<T: DeserializeOwned>(
        &self,
        (name, version): (&str, u32),
        found: &Found,
    ) -> Result<T, StoreError> {
        document::decode(&found.bytes, version).map_err(self.corrupt(name))
    }

    /// Deletes the objects of a folder that are of no use.
    async fn drop_beside(&self, folder: &str, is_useless: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        self.require_lock().await?;
        let names = self.bucket.list(folder).await?;
        let useless = names.into_iter().filter(|name| is_useless(name));
        self.bucket.delete_all(useless.collect()).await;
        Ok(())
    }

    /// Somebody else changes an object all the time.
    fn crowded(&self, name: &str) -> StoreError {
        StoreError::Object {
            operation: "write",
            object: self.bucket.address(name),
            reason: "other runs change it all the time; try again when fewer run at once".to_owned(),
        }
    }

    /// The ledger's object, and the records that follow it.
    async fn contents(&self) -> Result<(Base, Contents, Vec<Record>), StoreError> {
        for _ in 0..ROUNDS {
            let found = self.bucket.get(LEDGER).await?;
            let Some(found) = found else {
                // It is never written after its journal, so what a journal without it follows was lost.
                return Ok((Base::default(), Contents::default(), Vec::new()));
            };
            let contents: Contents = self.decode((LEDGER, LEDGER_VERSION), &found)?;
            let pieces = pieces::read(self.bucket.list(FOLDER).await?);
            let followed = pieces
                .iter()
                .filter(|piece| piece.generation == contents.generation);
            let names: Vec<String> = followed.map(Piece::name).collect();
            let read = self.bucket.get_all(&names).await?;
            let again = self.bucket.get(LEDGER).await?;
            if again.is_none_or(|again| again.version != found.version) {
                // Somebody replaced the ledger in between, and took in the journal that followed.
                continue;
            }
            if let Some(later) = pieces.iter().find(|piece| piece.generation > contents.generation) {
                return Err(self.corrupt(LEDGER)(format!(
                    "it is of generation {}, and `{}` follows a later one",
                    contents.generation,
                    later.name()
                )));
            }
            let records = self.records(contents.generation, &names, read)?;
            let (generation, object) = (contents.generation, Expected::of(Some(&found)));
            return Ok((Base { generation, object }, contents, records));
        }
        Err(self.crowded(LEDGER))
    }

    /// The records of a journal, whose pieces are to be there from the first on.
    fn records(
        &self,
        generation: u64,
        names: &[String],
        read: Vec<Option<Found>>,
    ) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for (number, (name, found)) in (1..).zip(names.iter().zip(read)) {
            let expected = Piece { generation, number }.name();
            let Some(found) = found.filter(|_| *name == expected) else {
                let reason = format!("it is gone, and `{LEDGER}` is not whole without it");
                return Err(self.corrupt(&expected)(reason));
            };
            let read = journal::decode(&found.bytes).map_err(self.corrupt(name))?;
            if read.follows != generation || !found.bytes.ends_with(b"\n") {
                let reason = "it is not what was written under this name".to_owned();
                return Err(self.corrupt(name)(reason));
            }
            records.extend(read.records);
        }
        Ok(records)
    }

    /// Replaces the ledger by its next generation, and hands out the pieces of the journal that it leaves behind.
    async fn next_generation(&self, state: &mut State, ledger: &Ledger) -> Result<Vec<Piece>, StoreError> {
        self.require_lock().await?;
        if state.base.is_none() {
            state.base = Some(self.contents().await?.0);
        }
        // Kept where this fails: what somebody else wrote since is not overwritten by the next attempt either.
        let mut base = state.base.clone().unwrap_or_default();
        let behind = pieces::read(self.bucket.list(FOLDER).await?);
        let latest = behind.iter().map(|piece| piece.generation).max();
        for _ in 0..ROUNDS {
            let generation = base.generation.max(latest.unwrap_or_default()) + 1;
            let contents = Contents::of(ledger, (generation, false));
            let text = document::encode(LEDGER_VERSION, &contents);
            match self.bucket.put_if(LEDGER, &text, &base.object).await? {
                Written::Done(version) => {
                    let object = Expected::Version(version);
                    state.base = Some(Base { generation, object });
                    return Ok(behind);
                }
                // A write that was given up arrived after all.
                Written::Refused(Some(found)) if self.bucket.is_own(&found) => {
                    let contents: Contents = self.decode((LEDGER, LEDGER_VERSION), &found)?;
                    let (generation, object) = (contents.generation, Expected::of(Some(&found)));
                    base = Base { generation, object };
                }
                Written::Refused(_) => return Err(self.lost().await),
            }
        }
        Err(self.crowded(LEDGER))
    }

    /// Somebody else changed the ledger.
    async fn lost(&self) -> StoreError {
        match self.require_lock().await {
            Err(error) => error,
            Ok(()) => StoreError::LockLost { by: None },
        }
    }

    /// Refuses where the lock that was put stands no more.
    async fn require_lock(&self) -> Result<(), StoreError> {
        let held = self.held.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(());
        };
        let found = self.bucket.get(LOCK_FILE).await?;
        match self.lock_in(found.as_ref())? {
            Some(lock) if lock.is_claim_of(held) => Ok(()),
            other => Err(StoreError::LockLost {
                by: other.map(Box::new),
            }),
        }
    }

    /// Who holds the lock, if anybody does.
    fn lock_in(&self, found: Option<&Found>) -> Result<Option<Lock>, StoreError> {
        let lock = found.map(|found| self.decode::<Option<Lock>>((LOCK_FILE, LOCK_VERSION), found));
        Ok(lock.transpose()?.flatten())
    }

    /// Makes the lock's object for the first time, free, and makes sure that nobody can overwrite it unseen.
    async fn make_lock(&self) -> Result<(), StoreError> {
        let free = document::encode(LOCK_VERSION, &None::<Lock>);
        match self.bucket.put_if(LOCK_FILE, &free, &Expected::Absent).await? {
            Written::Done(_) => self.bucket.require_conditions(LOCK_FILE, &free).await,
            Written::Refused(_) => Ok(()),
        }
    }
}

impl LedgerStore for ObjectLedger {
    async fn load(&self) -> Result<Ledger, StoreError> {
        let mut state = self.state.lock().await;
        let (base, contents, records) = self.contents().await?;
        *state = State {
            base: Some(base),
            next: None,
        };
        drop(state);
        let mut ledger = contents.ledger();
        for record in records {
            ledger.apply(record);
        }
        Ok(ledger)
    }

    async fn save(&self, ledger: &Ledger) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        state.next = None;
        let behind = self.next_generation(&mut state, ledger).await?;
        drop(state);
        let names = behind.iter().map(Piece::name).collect();
        self.bucket.delete_all(names).await;
        Ok(())
    }

    async fn add(&self, ledger: &Ledger, records: &[Record]) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        // Whatever ends this early leaves nothing that can be added to: nobody knows what arrived.
        let Some(piece) = state.next.take() else {
            self.next_generation(&mut state, ledger).await?;
            state.next = state.base.as_ref().map(|base| Piece::first(base.generation));
            return Ok(());
        };
        let text = journal::header(piece.generation) + &journal::lines(records);
        let written = self
            .bucket
            .put_if(&piece.name(), &text, &Expected::Absent)
            .await?;
        if let Written::Refused(_) = written {
            return Err(self.lost().await);
        }
        self.require_lock().await?;
        state.next = Some(piece.next()).filter(|next| next.number <= MOST_PIECES);
        Ok(())
    }

    async fn change_lock(
        &self,
        change: impl Fn(Option<&Lock>) -> Change + Send,
    ) -> Result<Option<Lock>, StoreError> {
        for _ in 0..ROUNDS {
            let found = self.bucket.get(LOCK_FILE).await?;
            let before = self.lock_in(found.as_ref())?;
            let wanted = match change(before.as_ref()) {
                Change::Keep => return Ok(before),
                Change::Remove => None,
                Change::Put(lock) => Some(lock),
            };
            if found.is_none() {
                self.make_lock().await?;
                continue;
            }
            let text = document::encode(LOCK_VERSION, &wanted);
            let expected = Expected::of(found.as_ref());
            if let Written::Done(_) = self.bucket.put_if(LOCK_FILE, &text, &expected).await? {
                *self.held.lock().await = wanted;
                return Ok(before);
            }
        }
        Err(self.crowded(LOCK_FILE))
    }

    async fn save_list(&self, digest: &ListDigest, bytes: &[u8]) -> Result<(), StoreError> {
        // Whoever writes it writes the same.
        self.bucket.put(&list_name(digest), bytes.to_vec()).await
    }

    async fn load_list(&self, digest: &ListDigest) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.bucket.get(&list_name(digest)).await?;
        Ok(found.map(|found| found.bytes))
    }

    async fn drop_lists(&self, keep: &BTreeSet<&ListDigest>) -> Result<(), StoreError> {
        let is_useless = |name: &str| list_digest(name).is_some_and(|digest| !keep.contains(&digest));
        self.drop_beside(LISTS, is_useless).await
    }

    async fn save_callback(&self, upload: &UploadId, callback: &Callback) -> Result<(), StoreError> {
        let name = callback_name(upload);
        let text = document::encode(CALLBACK_VERSION, callback);
        for _ in 0..ROUNDS {
            let found = self.bucket.get(&name).await?;
            let kept = found
                .as_ref()
                .map(|found| self.decode((&name, CALLBACK_VERSION), found));
            if stays(kept.transpose()?.as_ref(), callback) {
                return Ok(());
            }
            let expected = Expected::of(found.as_ref());
            if let Written::Done(_) = self.bucket.put_if(&name, &text, &expected).await? {
                return Ok(());
            }
        }
        Err(self.crowded(&name))
    }

    async fn load_callback(&self, upload: &UploadId) -> Result<Option<Callback>, StoreError> {
        let name = callback_name(upload);
        let found = self.bucket.get(&name).await?;
        found
            .map(|found| self.decode((&name, CALLBACK_VERSION), &found))
            .transpose()
    }

    async fn drop_callbacks(&self, keep: &BTreeSet<&UploadId>) -> Result<(), StoreError> {
        let is_useless = |name: &str| upload_id(name).is_some_and(|upload| !keep.contains(&upload));
        self.drop_beside(CALLBACKS, is_useless).await
    }

    async fn load_snapshot(&self) -> Result<Snapshot, StoreError> {
        let found = self.bucket.get(SNAPSHOT).await?;
        let snapshot = found.map(|found| self.decode((SNAPSHOT, SNAPSHOT_VERSION), &found));
        Ok(snapshot.transpose()?.unwrap_or_default())
    }

    async fn save_snapshot(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let text = document::encode(SNAPSHOT_VERSION, snapshot);
        self.bucket.put(SNAPSHOT, text).await
    }

    async fn requests(&self) -> Result<Vec<CallRecord>, StoreError> {
        let found = self.bucket.get(REQUESTS).await?;
        Ok(Requests::decode(found.as_ref().map(|found| found.bytes.as_slice())).since(0))
    }

    async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<CallRecord>) -> Vec<CallRecord> + Send,
    ) -> Result<(), StoreError> {
        for _ in 0..ROUNDS {
            let found = self.bucket.get(REQUESTS).await?;
            let requests = Requests::decode(found.as_ref().map(|found| found.bytes.as_slice()));
            let others = requests.since(std::mem::replace(next, requests.end()));
            let records = respond(others);
            if records.is_empty() {
                return Ok(());
            }
            let begun = found.as_ref().filter(|_| requests.is_begun());
            let begun = begun.map(|found| String::from_utf8_lossy(&found.bytes));
            let text = begun.unwrap_or_default().into_owned() + &requests.addition(&records);
            let expected = Expected::of(found.as_ref());
            if let Written::Done(_) = self.bucket.put_if(REQUESTS, &text, &expected).await? {
                *next += records.len() as u64;
                return Ok(());
            }
        }
        Err(self.crowded(REQUESTS))
    }

    async fn forget_requests(&self, before: Timestamp) -> Result<(), StoreError> {
        let Some(found) = self.bucket.get(REQUESTS).await? else {
            return Ok(());
        };
        let kept = Requests::decode(Some(&found.bytes)).without_before(before);
        if let Some(text) = kept {
            // Where others came first, the next run has it to do.
            let expected = Expected::of(Some(&found));
            self.bucket.put_if(REQUESTS, &text, &expected).await?;
        }
        Ok(())
    }
}
