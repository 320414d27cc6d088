//! The queue of uploaded lists: the service reads them in order, some time after the request.

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

/// In milliseconds. Most lists are read soon; some are read after the run has ended.
const MAX_READ_DELAY: i64 = 3_600_000;

#[derive(Default)]
pub(crate) struct UploadQueue {
    pending: VecDeque<QueuedUpload>,
    /// When the service reads the last list.
    pub(crate) last_read_at: i64,
}

struct QueuedUpload {
    id: String,
    change: UserChange,
    url: String,
    /// For a request with a callback address.
    upload_id: Option<UploadId>,
    is_unreadable: bool,
}

impl UploadQueue {
    pub(crate) fn enqueue(&mut self, id: &str, (request, body): (&HttpRequest, &Value), is_unreadable: bool) {
        self.pending.push_back(QueuedUpload {
            upload_id: callbacks::upload_id_of(body),
            is_unreadable,
            id: id.to_owned(),
            change: user_change_of(request),
            url: body["file_url"].as_str().unwrap_or_default().to_owned(),
        });
    }
}

/// A request that creates a file segment adds users to an empty list.
pub(crate) fn user_change_of(request: &HttpRequest) -> UserChange {
    let changes = [UserChange::Remove, UserChange::Replace];
    let found = changes
        .into_iter()
        .find(|change| request.path.ends_with(change.as_str()));
    found.unwrap_or(UserChange::Add)
}

fn apply_user_change(before: People, change: UserChange, list: People) -> People {
    match change {
        UserChange::Add => before.union(list),
        UserChange::Remove => before.without(list),
        UserChange::Replace => list,
    }
}

/// Schedules the read of a list that was just queued.
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
        let result = workspace.lock().unwrap().read_next_upload(now.timestamp());
        if let Some((upload, result)) = result {
            callbacks::send_callback((&workspace, &now), (upload, &result));
        }
    });
}

impl SimulatedWorkspace {
    /// The people in a segment after all queued uploads.
    pub(crate) fn people_after_queue(&self, id: &str) -> People {
        let queued = self.upload_queue.pending.iter();
        let queued = queued.filter(|upload| upload.id == id);
        let now = self.ground_truth.segments.get(id).map(|segment| segment.people);
        queued.fold(now.unwrap_or_default(), |people, upload| {
            if upload.is_unreadable {
                return People::default();
            }
            let list = self.published_files.people(&upload.url).unwrap_or_default();
            apply_user_change(people, upload.change, list)
        })
    }

    /// The service reads the next list. Returns the callback of the upload, if its request asked for one.
    fn read_next_upload(&mut self, now: Timestamp) -> Option<(UploadId, Value)> {
        self.ground_truth.now = now.as_millisecond();
        let QueuedUpload {
            id,
            change,
            url,
            upload_id,
            is_unreadable,
        } = self.upload_queue.pending.pop_front()?;
        let file = self.published_files.read(&url);
        // Lists stay published for a day, and the service reads them within an hour.
        self.recorder
            .require(file.is_some(), "a list is published until it was read", || {
                format!("{url} of {id} is no longer published")
            });
        let file = file.filter(|_| !is_unreadable);
        let result = self.finish_next_job(now, file.clone().ok_or_else(|| "404".to_owned()));
        self.recorder
            .log_event("service", 43, || format!("reads {url} for {id}: {result:?}"));
        let before = self.ground_truth.segments.get(&id).cloned()?;
        let people = match file {
            Some(bytes) => apply_user_change(before.people, change, People::from_lines(&bytes)),
            // An unreadable list empties the segment.
            None => People::default(),
        };
        self.ground_truth
            .record_change(Author::UploadQueue, &id, ActualSegment { people, ..before });
        upload_id.zip(result)
    }
}
