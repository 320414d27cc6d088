//! Where lists are published: a shelf in the simulated world that the service reads. It takes its time, and fails.

use super::executor::{ProcessLifetime, Timeline};
use super::injected_bugs::Bug;
use super::people::People;
use super::random::Random;
use super::recorder::Recorder;
use super::store::PossibleStates;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segctl::member_list::SortedValues;
use segctl::model::ListDigest;
use segctl::publish::Publisher;
use segctl::state::State;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::{fmt, io};

/// What the addresses of published files begin with.
const PUBLISH_BASE_URL: &str = "https://lists.example.com/";

/// The files that are published.
#[derive(Clone, Default)]
pub(crate) struct PublishedFiles(Arc<Mutex<PublishedFilesInner>>);

#[derive(Default)]
struct PublishedFilesInner {
    by_url: BTreeMap<String, Vec<u8>>,
    faults: Vec<PublishFault>,
}

/// An operation that is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishFault {
    /// How many go well before.
    skipped: usize,
    /// Whether it is done all the same.
    takes_effect: bool,
}

/// Draws what goes wrong in one run: mostly nothing.
pub(crate) fn draw_publish_faults(random: &mut Random) -> Vec<PublishFault> {
    if random.percent(70) {
        return Vec::new();
    }
    let fault = |random: &mut Random| PublishFault {
        skipped: random.below(4),
        takes_effect: random.percent(50),
    };
    (0..=random.below(2)).map(|_| fault(random)).collect()
}

impl PublishedFiles {
    pub(crate) fn set_faults(&self, faults: Vec<PublishFault>) {
        self.0.lock().unwrap().faults = faults;
    }

    /// What the service reads at an address.
    pub(crate) fn read(&self, address: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().by_url.get(address).cloned()
    }

    /// Who is in the file at an address.
    pub(crate) fn people(&self, address: &str) -> Option<People> {
        self.read(address).map(|bytes| People::from_lines(&bytes))
    }

    /// Puts a file there that is nobody's of ours; its address.
    pub(crate) fn put_external_file(&self, people: People) -> String {
        let address = format!("https://by-hand.example.com/{people:?}.csv");
        let lines: String = people
            .numbers()
            .map(|number| format!("{number}@example.com\n"))
            .collect();
        self.0
            .lock()
            .unwrap()
            .by_url
            .insert(address.clone(), lines.into_bytes());
        address
    }

    /// Everything that is published is known to the ledger, so that it is taken away some day.
    pub(crate) fn require_recorded(&self, ledger: &State, record: &Recorder) {
        let files = self.0.lock().unwrap();
        let mut ours = files
            .by_url
            .keys()
            .filter_map(|address| address.strip_prefix(PUBLISH_BASE_URL));
        let forgotten = ours.find(|name| {
            let name = name.trim_end_matches(".csv").to_owned();
            !is_recorded_as_published(ledger, &ListDigest::try_from(name).unwrap())
        });
        record.require(forgotten.is_none(), "nothing is left published for ever", || {
            format!("the ledger knows nothing of {forgotten:?}")
        });
    }

    /// Whether anything that runs published is there.
    pub(crate) fn has_segctl_files(&self) -> bool {
        let files = self.0.lock().unwrap();
        files
            .by_url
            .keys()
            .any(|address| address.starts_with(PUBLISH_BASE_URL))
    }

    fn next_fault(&self) -> Option<PublishFault> {
        let faults = &mut self.0.lock().unwrap().faults;
        let due = faults.iter().position(|fault| fault.skipped == 0);
        faults
            .iter_mut()
            .for_each(|fault| fault.skipped = fault.skipped.saturating_sub(1));
        due.map(|place| faults.remove(place))
    }
}

/// The address of a file.
pub(crate) fn published_url(name: &ListDigest) -> String {
    format!("{PUBLISH_BASE_URL}{name}.csv")
}

/// Whether a ledger says that a file was published.
fn is_recorded_as_published(ledger: &State, name: &ListDigest) -> bool {
    let is_left = ledger.orphaned_files().any(|left| left.name == *name);
    is_left || ledger.is_file_in_use(name)
}

/// A process's way to the shelf.
#[derive(Clone)]
pub(crate) struct SimulatedPublisher {
    pub(crate) published_files: PublishedFiles,
    pub(crate) lifetime: Arc<ProcessLifetime>,
    pub(crate) timeline: Timeline,
    pub(crate) random: Arc<Mutex<Random>>,
    pub(crate) possible_states: PossibleStates,
    pub(crate) recorder: Recorder,
    pub(crate) actor: String,
}

impl fmt::Debug for SimulatedPublisher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shelving")
    }
}

impl SimulatedPublisher {
    async fn publish_bytes(&self, name: &ListDigest, bytes: Vec<u8>) -> io::Result<String> {
        let is_promised = self
            .possible_states
            .all_satisfy(|ledger| is_recorded_as_published(ledger, name));
        self.recorder
            .require(is_promised, "what is published is taken down before", || {
                name.to_string()
            });
        let address = published_url(name);
        let shelf = self.published_files.clone();
        let put = |bytes| shelf.0.lock().unwrap().by_url.insert(address.clone(), bytes);
        self.change_files("publishes", name, || drop(put(bytes))).await?;
        if self.recorder.has_bug(Bug::UnpublishedTooEarly) {
            let (shelf, address) = (self.published_files.clone(), address.clone());
            let moment = self.timeline.now() + 5_000;
            self.timeline.schedule(moment, move || {
                drop(shelf.0.lock().unwrap().by_url.remove(&address))
            });
        }
        Ok(address)
    }

    async fn remove_file(&self, name: &ListDigest) -> io::Result<()> {
        let take = || {
            drop(
                self.published_files
                    .0
                    .lock()
                    .unwrap()
                    .by_url
                    .remove(&published_url(name)),
            )
        };
        self.change_files("withdraws", name, take).await
    }

    /// Changes the shelf, which takes a moment, and fails now and then, be it after it is done.
    async fn change_files(&self, what: &str, name: &ListDigest, change: impl FnOnce()) -> io::Result<()> {
        self.lifetime.crash_point().await;
        let milliseconds = self.random.lock().unwrap().between(1, 3_000);
        let fault = self.published_files.next_fault();
        let is_done = fault.is_none_or(|fault| fault.takes_effect);
        self.recorder.log_event(&self.actor, 41 + u64::from(is_done), || {
            format!(
                "{what} {name}: {}",
                if fault.is_some() { "fails" } else { "well" }
            )
        });
        if is_done {
            change();
        }
        self.timeline.wait_until(self.timeline.now() + milliseconds).await;
        self.lifetime.crash_point().await;
        match fault {
            Some(_) => Err(io::Error::other("the shelf is out of order")),
            None => Ok(()),
        }
    }
}

impl Publisher for SimulatedPublisher {
    fn publish<'a>(
        &'a self,
        name: &'a ListDigest,
        list: &'a mut (dyn SortedValues + Send),
    ) -> BoxFuture<'a, io::Result<String>> {
        async move {
            let mut bytes = Vec::new();
            while let Some(value) = list.next()? {
                bytes.extend_from_slice(value);
                bytes.push(b'\n');
            }
            self.publish_bytes(name, bytes).await
        }
        .boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        self.remove_file(name).boxed()
    }
}
