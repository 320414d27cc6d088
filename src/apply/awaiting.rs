//! Hearing what becomes of lists. The service takes a call about a list at once, reads the list later, and then calls back at
//! an address that it was told with the call: whoever listens there keeps what it says beside the ledger.
//!
//! Each call has an address of its own, so that what is said of one is never taken for another's, however late or often it is
//! said. A step that waits holds nobody up but those that depend on it.

use super::receipt::{Outcome, Reading};
use super::{Applier, Interruption};
use crate::api::{Clock, Transport};
use crate::ledger::{Ledger, LedgerStore, Published, Record, StoreError};
use crate::model::{Callback, ListDigest, Processed, SegmentId, UploadId};
use crate::plan::step::Step;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The longest pause between two looks, in seconds: lists take minutes, and every look may be a request to a bucket.
const LONGEST_PAUSE: i64 = 10;

/// Where the service calls back, and whether a run waits for that.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// What the addresses begin with; the id of a call follows. It has a secret in it: whoever knows it can say what became of
    /// a list.
    pub address: SecretString,
    /// For how long a step waits at most; `None` where none does.
    pub wait: Option<SignedDuration>,
}

/// A call that the service took and of whose list it has not said what became of it.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    /// The segment.
    pub(super) id: SegmentId,
    pub(super) upload: UploadId,
    /// How many values it is to find.
    pub(super) sent: Option<u64>,
    /// How many users the segment is to have then.
    pub(super) listed: Option<u64>,
}

impl Callbacks {
    /// Where the service says what became of a call.
    pub(super) fn address_of(&self, upload: &UploadId) -> String {
        format!("{}/{upload}", self.address.expose_secret())
    }
}

impl<T: Transport, C: Clock, S: LedgerStore> Applier<'_, T, C, S> {
    /// Names a call of a step; `None` where nobody would hear what becomes of it.
    pub(super) fn upload_id(&self, step: &Step, attempt: u32) -> Option<UploadId> {
        self.settings.callbacks.as_ref()?;
        let call = format!("{} {} {attempt}", self.settings.run, step.number);
        let digest: [u8; 32] = Sha256::digest(call).into();
        let half = digest.first_chunk::<16>()?;
        Some(UploadId::of(*half))
    }

    /// What a step that was applied has to wait for.
    pub(super) fn to_await(&self, step: &Step) -> Option<Awaited> {
        self.memory().awaited.remove(&step.number)
    }

    /// Waits for what the service says of a list; how the step ends by that.
    pub(super) async fn await_callback(
        &self,
        step: &Step,
        awaited: &Awaited,
    ) -> Result<Outcome, Interruption> {
        let wait = self
            .settings
            .callbacks
            .as_ref()
            .and_then(|callbacks| callbacks.wait);
        let until = self.clock.now().saturating_add(wait.unwrap_or_default());
        let until = until.unwrap_or(self.clock.now());
        let mut pause = 1;
        loop {
            let heard = self.store.load_callback(&awaited.upload).await?;
            if let Some(callback) = heard {
                return self.heard(awaited, callback).await;
            }
            if self.clock.now() >= until {
                return Ok(unheard("nobody called back in time"));
            }
            let nap = (SignedDuration::from_secs(pause), until);
            if self.memory().is_over || !self.client.nap_for_callback(&step.segment, nap).await {
                return Ok(unheard("the run ended before"));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes down what the service said of a list, and takes away what it has read.
    async fn heard(&self, awaited: &Awaited, callback: Callback) -> Result<Outcome, Interruption> {
        let hear = |ledger: &Ledger| {
            let mut entry = ledger.kept(&awaited.id).cloned()?;
            entry.uploaded.as_mut()?.hear(&awaited.upload, callback.clone());
            Some(Record::Entry(entry))
        };
        self.take_down(|ledger| hear(ledger).into_iter().collect())
            .await?;
        self.withdraw_read(Some(&awaited.id)).await?;
        Ok(match callback {
            Callback::Processed(processed) => Outcome::Applied {
                id: awaited.id.clone(),
                notes: notes(awaited, processed),
                list: Some(Reading::Processed(processed)),
            },
            Callback::Failed { message } => Outcome::Failed {
                message: format!(
                    "the service took the list and could not read it: {message}; nobody is in the segment; the next run \
                     sends all of it again"
                ),
            },
        })
    }

    /// Takes away published lists that the service has read, of one segment or of all.
    pub(super) async fn withdraw_read(&self, of: Option<&SegmentId>) -> Result<(), StoreError> {
        let Some(publisher) = &self.settings.publisher else {
            return Ok(());
        };
        let mut withdrawn = Vec::new();
        for (id, published) in self.read_lists(of).await {
            // What cannot be taken away now can be later.
            if publisher.withdraw(&published.name).await.is_ok() {
                withdrawn.push((id, published));
            }
        }
        if withdrawn.is_empty() {
            return Ok(());
        }
        self.take_down(|ledger| {
            let mut entries = BTreeMap::new();
            for (id, published) in &withdrawn {
                let Some(known) = ledger.kept(id) else { continue };
                let entry = entries.entry(id).or_insert_with(|| known.clone());
                if let Some(uploaded) = &mut entry.uploaded {
                    uploaded.published.retain(|other| other != published);
                }
            }
            entries.into_values().map(Record::Entry).collect()
        })
        .await
    }

    /// Takes away lists that were published for segments that came to nothing, once nobody can be about to read them.
    pub(super) async fn withdraw_left(&self) -> Result<(), StoreError> {
        let Some(publisher) = &self.settings.publisher else {
            return Ok(());
        };
        let now = self.clock.now();
        let left: Vec<(ListDigest, bool)> = {
            let ledger = self.ledger.lock().await;
            let over = ledger.left_published().filter(|published| published.is_over(now));
            over.map(|published| (published.name.clone(), ledger.is_in_use(&published.name)))
                .collect()
        };
        let mut gone = Vec::new();
        for (name, is_in_use) in left {
            if is_in_use || publisher.withdraw(&name).await.is_ok() {
                gone.push(Record::Withdrawn(name));
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.take_down(|_| gone).await
    }

    /// Published lists that the service has read, with their segments.
    async fn read_lists(&self, of: Option<&SegmentId>) -> Vec<(SegmentId, Published)> {
        let now = self.clock.now();
        let ledger = self.ledger.lock().await;
        let entries = ledger
            .all_kept()
            .filter(|entry| of.is_none_or(|of| entry.id == *of));
        let read = entries.flat_map(|entry| {
            let uploaded = entry.uploaded.as_deref();
            let published = uploaded.into_iter().flat_map(move |uploaded| {
                let published = uploaded.published.iter();
                published.filter(move |published| uploaded.is_read(published, now))
            });
            published.map(|published| (entry.id.clone(), published.clone()))
        });
        read.collect()
    }
}

fn unheard(why: &str) -> Outcome {
    Outcome::Unknown {
        message: format!(
            "accepted, outcome not known: {why}; where `segctl callbacks serve` listens, the next plan knows what was said"
        ),
    }
}

/// What the service said, and that users were lost where they were.
fn notes(awaited: &Awaited, processed: Processed) -> Vec<String> {
    let mut notes = vec![processed.to_string()];
    let is_less =
        |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(one, other)| one < other);
    let is_lost = is_less(processed.values_found, awaited.sent)
        || is_less(processed.values_processed, processed.values_found)
        || is_less(processed.user_count, awaited.listed);
    if is_lost {
        let listed = awaited.listed.or(awaited.sent);
        let listed = listed.map_or_else(String::new, |listed| format!(" of the {listed} of its list"));
        notes.push(format!(
            "users were lost{listed}: values of nobody whom the workspace knows come to nothing; where values are of several \
             users each, 2,000 that are read together bring in 2,000 users at most"
        ));
    }
    notes
}
