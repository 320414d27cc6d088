//! The lists that the service was told to read: it comes to them one after the other, some time after the call.

use super::callbacks;
use super::executor::Timeline;
use super::ground_truth::{ActualSegment, Author};
use super::people::People;
use super::workspace::SimulatedWorkspace;
use jiff::Timestamp;
use segctl::model::{UploadId, UserChange};
use segctl::sandbox::HttpRequest;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// How long the service takes at most, in milliseconds: mostly it is there at once, and some lists take longer than what
/// follows them needs.
const MAX_READ_DELAY: i64 = 3_600_000;

/// The lists to come, as calls told of them.
#[derive(Default)]
pub(crate) struct UploadQueue {
    pending: VecDeque<QueuedUpload>,
    /// When the last of them is read.
    pub(crate) last_read_at: i64,
}

/// A list that the service was told of.
struct QueuedUpload {
    id: String,
    change: UserChange,
    url: String,
    /// Whoever wants to hear of it.
    upload_id: Option<UploadId>,
    /// Whether the service cannot read it.
    is_unreadable: bool,
}

impl UploadQueue {
    /// Takes down what a call told the service of, which may not be able to read it.
    pub(crate) fn enqueue(&mut self, id: &str, (call, body): (&HttpRequest, &Value), fails: bool) {
        self.pending.push_back(QueuedUpload {
            upload_id: callbacks::upload_id_of(body),
            is_unreadable: fails,
            id: id.to_owned(),
            change: user_change_of(call),
            url: body["file_url"].as_str().unwrap_or_default().to_owned(),
        });
    }
}

/// What a call about a file segment does; making it adds to nobody.
pub(crate) fn user_change_of(call: &HttpRequest) -> UserChange {
    let changes = [UserChange::Remove, UserChange::Replace];
    let found = changes
        .into_iter()
        .find(|change| call.path.ends_with(change.as_str()));
    found.unwrap_or(UserChange::Add)
}

/// Who is in a segment when a list was read.
fn apply_user_change(before: People, change: UserChange, list: People) -> People {
    match change {
        UserChange::Add => before.union(list),
        UserChange::Remove => before.without(list),
        UserChange::Replace => list,
    }
}

/// Has the service come to a list of which it was just told.
pub(crate) fn schedule_read(
    (workspace, timeline): (&Arc<Mutex<SimulatedWorkspace>>, &Timeline),
    is_second: bool,
) {
    let mut guarded = workspace.lock().unwrap();
    let longest = [1_000, 60_000, if is_second { 60_000 } else { MAX_READ_DELAY }][guarded.random.below(3)];
    let after = guarded.random.between(1, longest);
    let moment = guarded.upload_queue.last_read_at.max(timeline.now() + after);
    guarded.upload_queue.last_read_at = moment;
    drop(guarded);
    let (workspace, now) = (Arc::clone(workspace), timeline.clone());
    timeline.schedule(moment, move || {
        let said = workspace.lock().unwrap().read_next_upload(now.timestamp());
        if let Some((upload, said)) = said {
            callbacks::send_callback((&workspace, &now), (upload, &said));
        }
    });
}

impl SimulatedWorkspace {
    /// Who is in a segment when everything that the service was told of is done.
    pub(crate) fn people_after_queue(&self, id: &str) -> People {
        let told = self.upload_queue.pending.iter().filter(|told| told.id == id);
        let now = self.ground_truth.segments.get(id).map(|segment| segment.people);
        told.fold(now.unwrap_or_default(), |people, told| {
            if told.is_unreadable {
                return People::default();
            }
            let list = self.published_files.people(&told.url).unwrap_or_default();
            apply_user_change(people, told.change, list)
        })
    }

    /// The service reads the next list; what it says of it to whom.
    fn read_next_upload(&mut self, now: Timestamp) -> Option<(UploadId, Value)> {
        self.ground_truth.now = now.as_millisecond();
        let QueuedUpload {
            id,
            change,
            url: address,
            upload_id: upload,
            is_unreadable: fails,
        } = self.upload_queue.pending.pop_front()?;
        let file = self.published_files.read(&address);
        // The service is there long before the day is over that lists stay published for.
        self.recorder
            .require(file.is_some(), "a list is published until it was read", || {
                format!("{address} of {id} is gone")
            });
        let file = file.filter(|_| !fails);
        let said = self.finish_next_job(now, file.clone().ok_or_else(|| "404".to_owned()));
        self.recorder
            .log_event("service", 43, || format!("reads {address} for {id}: {said:?}"));
        let before = self.ground_truth.segments.get(&id).cloned()?;
        let people = match file {
            Some(bytes) => apply_user_change(before.people, change, People::from_lines(&bytes)),
            // A list that cannot be had leaves nobody.
            None => People::default(),
        };
        self.ground_truth
            .record_change(Author::UploadQueue, &id, ActualSegment { people, ..before });
        upload.zip(said)
    }
}
