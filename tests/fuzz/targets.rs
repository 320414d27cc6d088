//! What is done with hostile bytes, one function for each thing that segctl reads: the fuzzer calls them with bytes of its
//! own, and the tests with the corpus. None of them may panic, hang, or contradict itself.
//!
//! Checksums would keep a fuzzer out: where a file has one, it is put right first, as somebody hostile would.

use futures_util::FutureExt;
use jiff::Timestamp;
use segctl::api::{
    Client, Clock, Operation, RateLimitHeaders, RateLimits, Request, Response, Transport, TransportError,
};
use segctl::config::source::SourceFile;
use segctl::config::write::{NewFile, segment_file_text};
use segctl::config::{decode_segment, yaml};
use segctl::definition::{Digests, Identities, diff, encode};
use segctl::diagnostic::Diagnostic;
use segctl::ledger::{DirectoryStore, FileSystem, StateStore};
use segctl::model::{Lifecycle, Payload, SegmentId, SegmentName};
use segctl::plan::saved::SavedPlan;
use segctl::render::diagnostic::{diagnostics_json, diagnostics_text};
use segctl::render::document::PlanDocument;
use segctl::render::text;
use serde_json::Value;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done with some bytes.
pub(crate) type Target = fn(&[u8]);

/// The functions by their names, which are those of the corpora.
pub(crate) const TARGETS: [(&str, Target); 5] = [
    ("segment_file", segment_file_of),
    ("api_answer", api_answer),
    ("ledger", ledger),
    ("journal", journal),
    ("saved_plan", saved_plan),
];

/// A file of segments.
pub(crate) fn segment_file_of(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (declared, faults) = decoded(text);
    told(&faults, text);
    for payload in declared {
        consistent(&payload);
    }
}

/// What the service answers: the first byte says which call and which status, and the rest is the body.
pub(crate) fn api_answer(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let statuses = [
        200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 413, 415, 429, 500, 503, 302,
    ];
    let service = Answers {
        status: statuses[usize::from(first >> 4)],
        body: body.to_vec(),
        now: Mutex::new(Timestamp::UNIX_EPOCH),
    };
    let service = Arc::new(service);
    let client = Client::new(
        Shared(Arc::clone(&service)),
        Shared(service),
        RateLimits::default(),
        1,
    );
    let (id, name) = (SegmentId::new("5f0c0000000000000000000a"), SegmentName::new("A"));
    let payload = Payload {
        included_filters: serde_json::json!({"filter_operator": "and", "filters": []}),
        excluded_filters: None,
    };
    let turn = |operation: Operation| {
        let turn = client.try_acquire(&operation).now_or_never().flatten();
        turn.expect("no call was made yet")
    };
    let call = async {
        match first & 0b111 {
            0 => client.list().await.map(drop).map_err(|error| error.to_string()),
            1 => client
                .list_named(&name)
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            2 => kept(client.get(&id).await),
            3 => kept(
                client
                    .create(turn(Operation::Create(name.clone())), &name, &payload)
                    .await,
            ),
            4 => kept(
                client
                    .update(turn(Operation::Update(id.clone())), (&id, Some(&name)), &payload)
                    .await,
            ),
            5 => client
                .archive(turn(Operation::Archive(name.clone())), &name, Some(&id))
                .await
                .map_err(|error| error.to_string()),
            _ => client
                .unarchive(turn(Operation::Unarchive(name.clone())), &name, None)
                .await
                .map_err(|error| error.to_string()),
        }
    };
    if let Err(message) = call.now_or_never().expect("nothing here waits for anything else") {
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}

/// `ledger.json`.
pub(crate) fn ledger(bytes: &[u8]) {
    read_ledger(Files::from([(
        "ledger.json",
        repaired(bytes, ("checksum", "contents"), Value::to_string),
    )]));
    read_ledger(Files::from([("ledger.json", bytes.to_vec())]));
}

/// `journal.jsonl`, after a ledger of the first generation.
pub(crate) fn journal(bytes: &[u8]) {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let repaired: Vec<u8> = lines.flat_map(repaired_line).collect();
    for journal in [repaired, bytes.to_vec()] {
        let ledger = include_bytes!("followed.json").to_vec();
        read_ledger(Files::from([("ledger.json", ledger), ("journal.jsonl", journal)]));
    }
}

/// A plan that was saved.
pub(crate) fn saved_plan(bytes: &[u8]) {
    for bytes in [
        bytes.to_vec(),
        repaired(bytes, ("digest", "saved_plan"), canonical),
    ] {
        let Ok(text) = String::from_utf8(bytes) else {
            return;
        };
        match SavedPlan::from_text(&text) {
            Ok(saved) => {
                let again = SavedPlan::from_text(&saved.to_text()).expect("what was written is read");
                assert_eq!(again.digest(), saved.digest());
                drop(saved.target_ids());
                let document = PlanDocument::new(&saved.plan);
                drop(text::plan(&document, false, &jiff::tz::TimeZone::UTC));
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

fn decoded(text: &str) -> (Vec<Payload>, Vec<Diagnostic>) {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut faults) = yaml::parse(&source);
    let mut payloads = Vec::new();
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        faults.extend(more);
        payloads
            .extend(declaration.and_then(|declaration| declaration.segment.contents.definition().map(encode)));
    }
    (payloads, faults)
}

/// Shows what is wrong with the file of this text.
fn told(faults: &[Diagnostic], text: &str) {
    drop(diagnostics_json(faults));
    let source = |file: &str| (file == "a.yaml").then_some(text);
    drop(diagnostics_text(faults, &source, false));
}

/// A definition is itself, whoever made it, and what is written of it is read as it.
fn consistent(payload: &Payload) {
    let identities = Identities::default();
    let digests = Digests::of(payload, &identities);
    assert!(diff(&payload.included_filters, &payload.included_filters).is_empty());
    let written = segment_file_text(&NewFile {
        comment: "made for a test",
        name: &SegmentName::new("A"),
        lifecycle: Lifecycle::Active,
        protect: false,
        definition: payload,
        names: &|_| None,
    });
    if let Ok(text) = written {
        let (read, faults) = decoded(&text);
        if faults.is_empty() {
            assert_eq!(read.len(), 1, "{text}");
            assert_eq!(Digests::of(&read[0], &identities), digests, "{text}");
        }
    }
}

fn kept(answer: Result<segctl::api::RemoteSegment, segctl::api::RequestError>) -> Result<(), String> {
    let stored = answer.map_err(|error| error.to_string())?;
    if let Some(payload) = stored.payload() {
        consistent(&payload);
    }
    Ok(())
}

struct Answers {
    status: u16,
    body: Vec<u8>,
    now: Mutex<Timestamp>,
}

struct Shared(Arc<Answers>);

impl Transport for Shared {
    async fn send(&self, _: Request, _: Duration) -> Result<Response, TransportError> {
        Ok(Response {
            status: self.0.status,
            headers: RateLimitHeaders::default(),
            date: None,
            body: self.0.body.clone(),
        })
    }
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        *self.0.now.lock().expect("nobody panics here")
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let mut now = self.0.now.lock().expect("nobody panics here");
        *now = moment.max(*now);
    }
}

/// Files that are only read.
type Files = BTreeMap<&'static str, Vec<u8>>;

struct ReadOnly(Files);

impl FileSystem for ReadOnly {
    type Guard = ();

    async fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(name.and_then(|name| self.0.get(name)).cloned())
    }

    async fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    async fn append(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    async fn sync(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    async fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    async fn file_names(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.0.keys().map(|name| (*name).to_owned()).collect())
    }

    async fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn create_directories(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    async fn lock_exclusively(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

fn read_ledger(files: Files) {
    let store = DirectoryStore::with_filesystem(ReadOnly(files), "ledger");
    match store.load().now_or_never().expect("nothing here waits") {
        Ok(ledger) => {
            for entry in ledger.managed_entries() {
                ledger
                    .latest_by_name(&entry.name)
                    .expect("every name has its latest entry");
                entry.definition.iter().for_each(consistent);
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// The form that a saved plan's digest is of.
fn canonical(contents: &Value) -> String {
    serde_json_canonicalizer::to_string(contents).unwrap_or_default()
}

/// A JSON document with the checksum of its contents, in the form that it is of, put right; the bytes as they are where it
/// is none.
fn repaired(bytes: &[u8], (checksum, contents): (&str, &str), form: fn(&Value) -> String) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else {
        return bytes.to_vec();
    };
    let Some(contents) = document.get(contents) else {
        return bytes.to_vec();
    };
    let digest = sha2::Sha256::digest(form(contents).as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(document) = document.as_object_mut() {
        document.insert(checksum.to_owned(), digest.into());
    }
    document.to_string().into_bytes()
}

fn repaired_line(line: &[u8]) -> Vec<u8> {
    match line.strip_suffix(b"\n") {
        Some(line) => [
            repaired(line, ("checksum", "record"), Value::to_string),
            b"\n".to_vec(),
        ]
        .concat(),
        None => line.to_vec(),
    }
}
