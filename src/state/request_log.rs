//! The API requests of all runs that share a state, which count toward the same rate limits.
//!
//! A run adds a record before it sends a request. The records are numbered, and `requests/<number>.json` has those from a
//! number on. Only the last of these objects grows, up to a few records, so an exchange reads and writes one small object.
//! A run remembers which one that is, and lists the folder only at its start and where the object is gone.
//!
//! A lost or damaged object costs only waiting time: segctl ignores its records, and replaces it when it grows.

use super::file_format::REQUESTS_VERSION;
use super::store::CONFLICT_RETRIES;
use super::{StateStore, StoreResult, checksummed_json};
use crate::model::{EndpointClass, RequestRecord};
use crate::storage::{ConditionalWrite, Object, Precondition};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FOLDER: &str = "requests";

/// An object with so many records stops growing: every exchange writes the last one again, and a run reads all of them.
const RECORDS_LIMIT: usize = 100;

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "RequestRecord",
    tag = "type",
    rename_all = "snake_case",
    deny_unknown_fields
)]
enum RequestRecordFormat {
    Sent {
        class: EndpointClass,
        at: Timestamp,
    },
    Answered {
        class: EndpointClass,
        sent: Timestamp,
        at: Timestamp,
    },
    ListAndCreateSeparate,
    ListAndCreateShared,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct StoredRecord(#[serde(with = "RequestRecordFormat")] RequestRecord);

/// An object with some records; one without a record may not exist yet.
struct Part {
    /// The number of the first record.
    first: u64,
    records: Vec<RequestRecord>,
    object: Precondition,
}

impl Part {
    fn new(first: u64, object: Option<Object>) -> Self {
        let stored = Precondition::of(object.as_ref());
        let records =
            object.and_then(|object| checksummed_json::decode(&object.bytes, REQUESTS_VERSION).ok());
        let records: Vec<StoredRecord> = records.unwrap_or_default();
        Self {
            first,
            records: records.into_iter().map(|StoredRecord(record)| record).collect(),
            object: stored,
        }
    }

    fn next_number(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    fn encode(&self) -> Vec<u8> {
        let records: Vec<StoredRecord> = self.records.iter().copied().map(StoredRecord).collect();
        checksummed_json::encode(REQUESTS_VERSION, &records).into_bytes()
    }
}

impl StateStore {
    /// Reads the requests of all runs. A lost log costs only waiting time.
    pub async fn load_requests(&self) -> StoreResult<Vec<RequestRecord>> {
        let parts = self.read_parts(&self.list_parts().await?).await?;
        Ok(parts.into_iter().flat_map(|part| part.records).collect())
    }

    /// Passes the requests from number `next` on to `respond`, and appends its answer, in one atomic step. `next` moves
    /// past the requests that were passed on, even on an error, and past the appended ones.
    ///
    /// After a conflict with another run, the store calls `respond` again with the new requests and drops its earlier answer.
    pub async fn exchange_requests(
        &self,
        next: &mut u64,
        mut respond: impl FnMut(Vec<RequestRecord>) -> Vec<RequestRecord> + Send,
    ) -> StoreResult {
        let mut last_part = self.last_request_part.lock().await;
        for _ in 0..CONFLICT_RETRIES {
            let known = last_part.filter(|first| first <= next);
            let (earlier, mut last) = self.parts_from(known, *next).await?;
            *last_part = Some(last.first);
            let unread = |part: &Part| {
                let read = usize::try_from(next.saturating_sub(part.first)).unwrap_or(usize::MAX);
                part.records.iter().copied().skip(read).collect::<Vec<_>>()
            };
            let others = earlier.iter().chain([&last]).flat_map(unread).collect();
            *next = last.next_number();
            let records = respond(others);
            if records.is_empty() {
                return Ok(());
            }
            last.records.extend(records);
            let name = part_name(last.first);
            if let ConditionalWrite::Done(_) = self.storage.put_if(&name, last.encode(), &last.object).await?
            {
                *next = last.next_number();
                return Ok(());
            }
        }
        Err(self.too_many_conflicts(FOLDER))
    }

    /// Deletes the requests before a moment, which count toward no window any more. The last object stays, since its name
    /// has the number of the next request.
    pub async fn prune_requests(&self, before: Timestamp) -> StoreResult {
        let (mut old_names, mut old_records) = (Vec::new(), 0);
        let firsts = self.list_parts().await?;
        for first in firsts.split_last().map_or(&[][..], |(_, closed)| closed) {
            let name = part_name(*first);
            let part = Part::new(*first, self.storage.get(&name).await?);
            if !part.records.iter().all(|record| is_old(record, before)) {
                break;
            }
            old_records += part.records.len();
            old_names.push(name);
        }
        if old_names.is_empty() {
            return Ok(());
        }
        // The last record of this kind stays, at the end of the log.
        let (mut number, mut kept) = (0, None);
        let keep = |records: Vec<RequestRecord>| {
            for record in records {
                if is_lasting(&record) {
                    kept = (number < old_records).then_some(record);
                }
                number += 1;
            }
            kept.into_iter().collect()
        };
        self.exchange_requests(&mut 0, keep).await?;
        Ok(self.storage.delete(old_names).await?)
    }

    /// The numbers of the first records of all objects.
    async fn list_parts(&self) -> StoreResult<Vec<u64>> {
        let names = self.storage.list(FOLDER).await?;
        let mut firsts: Vec<u64> = names.iter().filter_map(|name| parse_part_name(name)).collect();
        firsts.sort_unstable();
        Ok(firsts)
    }

    async fn read_parts(&self, firsts: &[u64]) -> StoreResult<Vec<Part>> {
        let objects = self
            .read_all(firsts.iter().map(|first| part_name(*first)))
            .await?;
        let parts = firsts.iter().zip(objects);
        Ok(parts.map(|(first, object)| Part::new(*first, object)).collect())
    }

    /// The objects from the one that was the last, or all of them, and the one to which records are added now.
    async fn parts_from(&self, known: Option<u64>, next: u64) -> StoreResult<(Vec<Part>, Part)> {
        let mut parts = match known {
            Some(first) => self.read_parts(&[first]).await?,
            None => Vec::new(),
        };
        parts.retain(|part| matches!(part.object, Precondition::Version(_)));
        if parts.is_empty() {
            parts = self.read_parts(&self.list_parts().await?).await?;
        }
        let mut last = parts.pop().unwrap_or_else(|| Part::new(next, None));
        while last.records.len() >= RECORDS_LIMIT {
            let first = last.next_number();
            let object = self.storage.get(&part_name(first)).await?;
            parts.push(std::mem::replace(&mut last, Part::new(first, object)));
        }
        Ok((parts, last))
    }
}

fn is_old(record: &RequestRecord, moment: Timestamp) -> bool {
    match record {
        RequestRecord::Sent { at, .. } | RequestRecord::Answered { at, .. } => *at < moment,
        RequestRecord::ListAndCreateSeparate | RequestRecord::ListAndCreateShared => true,
    }
}

/// Whether a record counts until a later one of its kind replaces it.
fn is_lasting(record: &RequestRecord) -> bool {
    matches!(
        record,
        RequestRecord::ListAndCreateSeparate | RequestRecord::ListAndCreateShared
    )
}

fn part_name(first: u64) -> String {
    format!("{FOLDER}/{first}.json")
}

fn parse_part_name(name: &str) -> Option<u64> {
    let first = name
        .strip_prefix(FOLDER)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    let first = first.parse().ok()?;
    (part_name(first) == name).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn sent(second: i64) -> RequestRecord {
        RequestRecord::Sent {
            class: EndpointClass::Get,
            at: at(second),
        }
    }

    /// Adds records, and returns those of other runs.
    async fn exchange(store: &StateStore, next: &mut u64, records: Vec<RequestRecord>) -> Vec<RequestRecord> {
        let mut others = Vec::new();
        let exchanged = store.exchange_requests(next, |new| {
            others.extend(new);
            records.clone()
        });
        exchanged.await.unwrap();
        others
    }

    #[tokio::test]
    async fn every_run_reads_each_request_once() {
        let directory = tempfile::tempdir().unwrap();
        let open = || StateStore::in_directory(directory.path().join("deep/down"));
        let (store, other) = (open(), open());
        assert_eq!(store.load_requests().await.unwrap(), []);
        let (mut next, mut others_next) = (0, 1);
        assert_eq!(exchange(&store, &mut next, vec![sent(1), sent(2)]).await, []);
        let answered = RequestRecord::Answered {
            class: EndpointClass::Create,
            sent: at(0),
            at: at(2),
        };
        assert_eq!(
            exchange(&other, &mut others_next, vec![answered]).await,
            [sent(2)]
        );
        assert_eq!((next, others_next), (2, 3));
        assert_eq!(exchange(&store, &mut next, Vec::new()).await, [answered]);
        for second in 3..500 {
            assert_eq!(exchange(&store, &mut next, vec![sent(second)]).await, []);
        }
        assert_eq!(
            exchange(&other, &mut others_next, vec![sent(500)]).await.len(),
            497
        );
        assert_eq!(exchange(&store, &mut next, Vec::new()).await, [sent(500)]);
        assert_eq!((next, others_next), (501, 501));
        assert_eq!(open().load_requests().await.unwrap().len(), 501);
        assert_eq!(exchange(&open(), &mut 0, Vec::new()).await.len(), 501);
        let files = fs::read_dir(directory.path().join("deep/down/requests")).unwrap();
        assert_eq!(files.count(), 6);
    }

    #[tokio::test]
    async fn pruning_keeps_the_numbers_of_the_rest_and_the_last_lasting_record() {
        let directory = tempfile::tempdir().unwrap();
        let open = || StateStore::in_directory(directory.path());
        let (store, other) = (open(), open());
        let (mut next, mut others_next) = (0, 0);
        store.prune_requests(at(0)).await.unwrap();
        let separate = RequestRecord::ListAndCreateSeparate;
        for second in 0..250 {
            let record = if second == 50 { separate } else { sent(second) };
            exchange(&store, &mut next, vec![record]).await;
            exchange(&other, &mut others_next, Vec::new()).await;
        }
        store.prune_requests(at(100)).await.unwrap();
        let records = open().load_requests().await.unwrap();
        let expected: Vec<RequestRecord> = (100..250).map(sent).chain([separate]).collect();
        assert_eq!(records, expected);
        // The object with the numbers that this run expects is gone.
        other.prune_requests(at(1000)).await.unwrap();
        assert_eq!(exchange(&other, &mut 60, Vec::new()).await.len(), 51);
        assert_eq!(
            exchange(&other, &mut others_next, vec![sent(251)]).await,
            [separate]
        );
        assert_eq!(
            exchange(&store, &mut next, Vec::new()).await,
            [separate, sent(251)]
        );
        assert_eq!((next, others_next), (252, 252));
    }

    #[tokio::test]
    async fn a_damaged_or_lost_log_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let store = StateStore::in_directory(directory.path());
        let mut next = 0;
        exchange(&store, &mut next, vec![sent(1)]).await;
        fs::write(directory.path().join("requests/0.json"), "{").unwrap();
        assert_eq!(exchange(&store, &mut next, vec![sent(2)]).await, []);
        assert_eq!(store.load_requests().await.unwrap(), [sent(2)]);
        fs::remove_dir_all(directory.path().join("requests")).unwrap();
        let other = StateStore::in_directory(directory.path());
        assert_eq!(exchange(&other, &mut 0, vec![sent(3)]).await, []);
        assert_eq!(exchange(&other, &mut 1, vec![sent(4)]).await, []);
        assert_eq!(store.load_requests().await.unwrap(), [sent(3), sent(4)]);
    }
}
