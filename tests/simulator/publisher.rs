//! The published list files, which the service reads. Publishing takes time and can fail.

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

const PUBLISH_BASE_URL: &str = "https://lists.example.com/";

#[derive(Clone, Default)]
pub(crate) struct PublishedFiles(Arc<Mutex<PublishedFilesInner>>);

#[derive(Default)]
struct PublishedFilesInner {
    by_url: BTreeMap<String, Vec<u8>>,
    faults: Vec<PublishFault>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishFault {
    /// How many operations succeed before it.
    skipped: usize,
    /// Whether the operation is done before it fails.
    takes_effect: bool,
}

/// Most runs have no faults.
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

    pub(crate) fn read(&self, address: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().by_url.get(address).cloned()
    }

    pub(crate) fn people(&self, address: &str) -> Option<People> {
        self.read(address).map(|bytes| People::from_lines(&bytes))
    }

    /// Publishes a file outside segctl, and returns its address.
    pub(crate) fn put_external_file(&self, people: People) -> String {
        let address = format!("https://external.example.com/{people:?}.csv");
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

    /// The state records every published file, so that segctl removes it in the end.
    pub(crate) fn require_recorded(&self, state: &State, recorder: &Recorder) {
        let files = self.0.lock().unwrap();
        let mut names = files
            .by_url
            .keys()
            .filter_map(|address| address.strip_prefix(PUBLISH_BASE_URL));
        let forgotten = names.find(|name| {
            let name = name.trim_end_matches(".csv").to_owned();
            !is_recorded_as_published(state, &ListDigest::try_from(name).unwrap())
        });
        recorder.require(
            forgotten.is_none(),
            "published files are removed in the end",
            || format!("the state does not record {forgotten:?}"),
        );
    }

    /// Whether a file that segctl published still exists.
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
        due.map(|index| faults.remove(index))
    }
}

pub(crate) fn published_url(name: &ListDigest) -> String {
    format!("{PUBLISH_BASE_URL}{name}.csv")
}

fn is_recorded_as_published(state: &State, name: &ListDigest) -> bool {
    let is_orphaned = state.orphaned_files().any(|file| file.name == *name);
    is_orphaned || state.is_file_in_use(name)
}

/// The publisher of one process.
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
        formatter.write_str("SimulatedPublisher")
    }
}

impl SimulatedPublisher {
    async fn publish_bytes(&self, name: &ListDigest, bytes: Vec<u8>) -> io::Result<String> {
        let is_recorded = self
            .possible_states
            .all_satisfy(|state| is_recorded_as_published(state, name));
        self.recorder.require(
            is_recorded,
            "every file is in the journal before it is published",
            || name.to_string(),
        );
        let address = published_url(name);
        let files = self.published_files.clone();
        let put = |bytes| files.0.lock().unwrap().by_url.insert(address.clone(), bytes);
        self.change_files("publishes", name, || drop(put(bytes))).await?;
        if self.recorder.has_bug(Bug::UnpublishedTooEarly) {
            let (files, address) = (self.published_files.clone(), address.clone());
            let moment = self.timeline.now() + 5_000;
            self.timeline.schedule(moment, move || {
                drop(files.0.lock().unwrap().by_url.remove(&address))
            });
        }
        Ok(address)
    }

    async fn remove_file(&self, name: &ListDigest) -> io::Result<()> {
        let remove = || {
            drop(
                self.published_files
                    .0
                    .lock()
                    .unwrap()
                    .by_url
                    .remove(&published_url(name)),
            )
        };
        self.change_files("unpublishes", name, remove).await
    }

    /// A change takes some time. It can fail before or after it is done.
    async fn change_files(
        &self,
        operation: &str,
        name: &ListDigest,
        change: impl FnOnce(),
    ) -> io::Result<()> {
        self.lifetime.crash_point().await;
        let milliseconds = self.random.lock().unwrap().between(1, 3_000);
        let fault = self.published_files.next_fault();
        let is_done = fault.is_none_or(|fault| fault.takes_effect);
        self.recorder.log_event(&self.actor, 41 + u64::from(is_done), || {
            format!(
                "{operation} {name}: {}",
                if fault.is_some() { "fails" } else { "succeeds" }
            )
        });
        if is_done {
            change();
        }
        self.timeline.wait_until(self.timeline.now() + milliseconds).await;
        self.lifetime.crash_point().await;
        match fault {
            Some(_) => Err(io::Error::other("the file server reported an error")),
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
