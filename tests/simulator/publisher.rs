//! Where lists are published: a shelf in the simulated world that the service reads. It takes its time, and fails.

use super::executor::{Life, Timeline};
use super::members::People;
use super::planted::Bug;
use super::random::Random;
use super::record::Record;
use super::store::Promised;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segctl::ledger::State;
use segctl::members::SortedValues;
use segctl::model::ListDigest;
use segctl::publish::Publisher;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::{fmt, io};

/// What the addresses of published files begin with.
const PLACE: &str = "https://lists.example.com/";

/// The files that are published.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    by_address: BTreeMap<String, Vec<u8>>,
    faults: Vec<Fault>,
}

/// An operation that is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// How many go well before.
    after: usize,
    /// Whether it is done all the same.
    is_done: bool,
}

/// Draws what goes wrong in one run: mostly nothing.
pub(crate) fn faults(random: &mut Random) -> Vec<Fault> {
    if random.percent(70) {
        return Vec::new();
    }
    let fault = |random: &mut Random| Fault {
        after: random.below(4),
        is_done: random.percent(50),
    };
    (0..=random.below(2)).map(|_| fault(random)).collect()
}

impl Shelf {
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.0.lock().unwrap().faults = faults;
    }

    /// What the service reads at an address.
    pub(crate) fn read(&self, address: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().by_address.get(address).cloned()
    }

    /// Who is in the file at an address.
    pub(crate) fn people(&self, address: &str) -> Option<People> {
        self.read(address).map(|bytes| People::of_lines(&bytes))
    }

    /// Puts a file there that is nobody's of ours; its address.
    pub(crate) fn put_by_hand(&self, people: People) -> String {
        let address = format!("https://by-hand.example.com/{people:?}.csv");
        let lines: String = people
            .numbers()
            .map(|number| format!("{number}@example.com\n"))
            .collect();
        self.0
            .lock()
            .unwrap()
            .by_address
            .insert(address.clone(), lines.into_bytes());
        address
    }

    /// Everything that is published is known to the ledger, so that it is taken away some day.
    pub(crate) fn is_known(&self, ledger: &State, record: &Record) {
        let files = self.0.lock().unwrap();
        let mut ours = files
            .by_address
            .keys()
            .filter_map(|address| address.strip_prefix(PLACE));
        let forgotten = ours.find(|name| {
            let name = name.trim_end_matches(".csv").to_owned();
            !knows(ledger, &ListDigest::try_from(name).unwrap())
        });
        record.require(forgotten.is_none(), "nothing is left published for ever", || {
            format!("the ledger knows nothing of {forgotten:?}")
        });
    }

    /// Whether anything that runs published is there.
    pub(crate) fn has_ours(&self) -> bool {
        let files = self.0.lock().unwrap();
        files.by_address.keys().any(|address| address.starts_with(PLACE))
    }

    fn fault(&self) -> Option<Fault> {
        let faults = &mut self.0.lock().unwrap().faults;
        let due = faults.iter().position(|fault| fault.after == 0);
        faults
            .iter_mut()
            .for_each(|fault| fault.after = fault.after.saturating_sub(1));
        due.map(|place| faults.remove(place))
    }
}

/// The address of a file.
pub(crate) fn address_of(name: &ListDigest) -> String {
    format!("{PLACE}{name}.csv")
}

/// Whether a ledger says that a file was published.
fn knows(ledger: &State, name: &ListDigest) -> bool {
    let is_left = ledger.orphaned_files().any(|left| left.name == *name);
    is_left || ledger.is_file_in_use(name)
}

/// A process's way to the shelf.
#[derive(Clone)]
pub(crate) struct Shelving {
    pub(crate) shelf: Shelf,
    pub(crate) life: Arc<Life>,
    pub(crate) timeline: Timeline,
    pub(crate) random: Arc<Mutex<Random>>,
    pub(crate) promised: Promised,
    pub(crate) record: Record,
    pub(crate) who: String,
}

impl fmt::Debug for Shelving {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Shelving")
    }
}

impl Shelving {
    async fn put(&self, name: &ListDigest, bytes: Vec<u8>) -> io::Result<String> {
        let is_promised = self.promised.says(|ledger| knows(ledger, name));
        self.record
            .require(is_promised, "what is published is taken down before", || {
                name.to_string()
            });
        let address = address_of(name);
        let shelf = self.shelf.clone();
        let put = |bytes| shelf.0.lock().unwrap().by_address.insert(address.clone(), bytes);
        self.change("publishes", name, || drop(put(bytes))).await?;
        if self.record.has(Bug::WithdrawnAtOnce) {
            let (shelf, address) = (self.shelf.clone(), address.clone());
            let moment = self.timeline.now() + 5_000;
            self.timeline.at(moment, move || {
                drop(shelf.0.lock().unwrap().by_address.remove(&address))
            });
        }
        Ok(address)
    }

    async fn take_away(&self, name: &ListDigest) -> io::Result<()> {
        let take = || drop(self.shelf.0.lock().unwrap().by_address.remove(&address_of(name)));
        self.change("withdraws", name, take).await
    }

    /// Changes the shelf, which takes a moment, and fails now and then, be it after it is done.
    async fn change(&self, what: &str, name: &ListDigest, change: impl FnOnce()) -> io::Result<()> {
        self.life.point().await;
        let milliseconds = self.random.lock().unwrap().between(1, 3_000);
        let fault = self.shelf.fault();
        let is_done = fault.is_none_or(|fault| fault.is_done);
        self.record.note(&self.who, 41 + u64::from(is_done), || {
            format!(
                "{what} {name}: {}",
                if fault.is_some() { "fails" } else { "well" }
            )
        });
        if is_done {
            change();
        }
        self.timeline.until(self.timeline.now() + milliseconds).await;
        self.life.point().await;
        match fault {
            Some(_) => Err(io::Error::other("the shelf is out of order")),
            None => Ok(()),
        }
    }
}

impl Publisher for Shelving {
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
            self.put(name, bytes).await
        }
        .boxed()
    }

    fn unpublish<'a>(&'a self, name: &'a ListDigest) -> BoxFuture<'a, io::Result<()>> {
        self.take_away(name).boxed()
    }
}
