//! The lists that the service was told to read: it comes to them one after the other, some time after the call.

use super::executor::Timeline;
use super::hooks;
use super::members::People;
use super::truth::{Author, Segment};
use super::workspace::Workspace;
use jiff::Timestamp;
use segctl::model::{UploadId, UserChange};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// How long the service takes at most, in milliseconds: mostly it is there at once, and some lists take longer than what
/// follows them needs.
const HOUR: i64 = 3_600_000;

/// The lists to come, as calls told of them.
#[derive(Default)]
pub(crate) struct Queue {
    told: VecDeque<Told>,
    /// When the last of them is read.
    pub(crate) ends_at: i64,
}

/// A list that the service was told of.
struct Told {
    id: String,
    change: UserChange,
    address: String,
    /// Whoever wants to hear of it.
    upload: Option<UploadId>,
    /// Whether the service cannot read it.
    fails: bool,
}

impl Queue {
    /// Takes down what a call told the service of, which may not be able to read it.
    pub(crate) fn add(&mut self, id: &str, (call, body): (&HttpRequest, &Value), fails: bool) {
        self.told.push_back(Told {
            upload: hooks::upload_of(body),
            fails,
            id: id.to_owned(),
            change: change_of(call),
            address: body["file_url"].as_str().unwrap_or_default().to_owned(),
        });
    }
}

/// What a call about a file segment does; making it adds to nobody.
pub(crate) fn change_of(call: &HttpRequest) -> UserChange {
    let changes = [UserChange::Remove, UserChange::Replace];
    let found = changes
        .into_iter()
        .find(|change| call.path.ends_with(change.as_str()));
    found.unwrap_or(UserChange::Add)
}

/// Who is in a segment when a list was read.
fn changed(before: People, change: UserChange, list: People) -> People {
    match change {
        UserChange::Add => before.and(list),
        UserChange::Remove => before.without(list),
        UserChange::Replace => list,
    }
}

/// Has the service come to a list of which it was just told.
pub(crate) fn wait_for_turn((workspace, timeline): (&Arc<Mutex<Workspace>>, &Timeline), is_second: bool) {
    let mut guarded = workspace.lock().unwrap();
    let longest = [1_000, 60_000, if is_second { 60_000 } else { HOUR }][guarded.random.below(3)];
    let after = guarded.random.between(1, longest);
    let moment = guarded.queue.ends_at.max(timeline.now() + after);
    guarded.queue.ends_at = moment;
    drop(guarded);
    let (workspace, now) = (Arc::clone(workspace), timeline.clone());
    timeline.at(moment, move || {
        let said = workspace.lock().unwrap().read_next(now.timestamp());
        if let Some((upload, said)) = said {
            hooks::call_back((&workspace, &now), (upload, &said));
        }
    });
}

impl Workspace {
    /// Who is in a segment when everything that the service was told of is done.
    pub(crate) fn people_to_be(&self, id: &str) -> People {
        let told = self.queue.told.iter().filter(|told| told.id == id);
        let now = self.truth.segments.get(id).map(|segment| segment.people);
        told.fold(now.unwrap_or_default(), |people, told| {
            if told.fails {
                return People::default();
            }
            let list = self.shelf.people(&told.address).unwrap_or_default();
            changed(people, told.change, list)
        })
    }

    /// The service reads the next list; what it says of it to whom.
    fn read_next(&mut self, now: Timestamp) -> Option<(UploadId, Value)> {
        self.truth.now = now.as_millisecond();
        let Told {
            id,
            change,
            address,
            upload,
            fails,
        } = self.queue.told.pop_front()?;
        let file = self.shelf.read(&address);
        // The service is there long before the day is over that lists stay published for.
        self.record
            .require(file.is_some(), "a list is published until it was read", || {
                format!("{address} of {id} is gone")
            });
        let file = file.filter(|_| !fails);
        let said = self.finish_next_job(now, file.clone().ok_or_else(|| "404".to_owned()));
        self.record
            .note("service", 43, || format!("reads {address} for {id}: {said:?}"));
        let before = self.truth.segments.get(&id).cloned()?;
        let people = match file {
            Some(bytes) => changed(before.people, change, People::of_lines(&bytes)),
            // A list that cannot be had leaves nobody.
            None => People::default(),
        };
        self.truth.set(Author::Queue, &id, Segment { people, ..before });
        upload.zip(said)
    }
}
