//! Hearing what becomes of lists. The service takes a call about a list at once, reads the list later, and then calls back at
//! an address that it was told with the call: whoever listens there keeps what it says beside the ledger.
//!
//! Each call has an address of its own, so that what is said of one is never taken for another's, however late or often it is
//! said. A step that waits holds nobody up but those that depend on it.

use super::receipt::{Outcome, Reading};
use super::{Applier, Interruption, with_causes};
use crate::api::{Clock, Transport};
use crate::ledger::{LedgerStore, Record};
use crate::model::{Callback, Processed, SegmentId, UploadId};
use crate::plan::step::Step;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

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
    /// Drawn for this run: two that began in the same second on machines of one name tell their calls apart by it.
    pub nonce: [u8; 16],
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
        let Callbacks { nonce, .. } = self.settings.callbacks.as_ref()?;
        let call = format!("{nonce:?} {} {} {attempt}", self.settings.run, step.number);
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
        let callbacks = self.settings.callbacks.as_ref();
        let wait = callbacks.and_then(|callbacks| callbacks.wait).unwrap_or_default();
        let now = self.clock.now();
        let until = now.saturating_add(wait).unwrap_or(now);
        let mut pause = 1;
        loop {
            // A store that does not answer now may when it is asked again: the call was taken, whatever comes of this.
            let failure = match self.store.load_callback(&awaited.upload).await {
                Ok(Some(callback)) => return self.heard(awaited, callback).await,
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if self.clock.now() >= until {
                let why = failure.map(|error| with_causes(&error));
                return Ok(unheard(why.as_deref().unwrap_or("nobody called back in time")));
            }
            let nap = (SignedDuration::from_secs(pause), until);
            if self.memory().is_over || !self.client.nap_for_callback(&step.segment, nap).await {
                return Ok(unheard("the run ended before"));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes down what the service said of a list.
    async fn heard(&self, awaited: &Awaited, callback: Callback) -> Result<Outcome, Interruption> {
        let said = self.also_said(awaited, &callback).await;
        let mut is_known = false;
        self.take_down(|ledger| {
            let hear = || {
                let mut entry = ledger.kept(&awaited.id).cloned()?;
                let uploaded = entry.uploaded.as_mut()?;
                for (upload, callback) in said {
                    uploaded.hear(&upload, callback);
                }
                is_known = uploaded.users.is_some();
                Some(Record::Entry(entry))
            };
            hear().into_iter().collect()
        })
        .await?;
        Ok(match callback {
            Callback::Processed(processed) if is_known => Outcome::Applied {
                id: awaited.id.clone(),
                notes: notes(awaited, processed),
                list: Some(Reading::Processed(processed)),
            },
            Callback::Processed(_) => Outcome::Failed {
                message: "the service read the list, and could not read one that was sent before, which left nobody in the \
                          segment; the next run sends all of them again"
                    .to_owned(),
            },
            Callback::Failed { message } => Outcome::Failed {
                message: format!(
                    "the service took the list and could not read it: {message}; nobody is in the segment; the next run sends \
                     all of it again"
                ),
            },
        })
    }

    /// What was said of a call, behind what was said of those before it: they were done first.
    async fn also_said(&self, awaited: &Awaited, callback: &Callback) -> Vec<(UploadId, Callback)> {
        let earlier = {
            let ledger = self.ledger.lock().await;
            let entry = ledger.kept(&awaited.id);
            let uploaded = entry.and_then(|entry| entry.uploaded.as_deref());
            uploaded
                .map(|uploaded| uploaded.awaited.clone())
                .unwrap_or_default()
        };
        let mut said = Vec::new();
        for upload in earlier.into_iter().filter(|upload| *upload != awaited.upload) {
            // What cannot be read now is by the next run.
            if let Ok(Some(callback)) = self.store.load_callback(&upload).await {
                said.push((upload, callback));
            }
        }
        said.push((awaited.upload.clone(), callback.clone()));
        said
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
