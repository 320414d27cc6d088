//! The fuzz targets, one for each input of segctl. The fuzzer calls them with random bytes, and `cargo test` with the
//! corpora. No target may panic, hang or give contradictory results.
//!
//! A fuzzer cannot guess checksums, so the targets also read each file with a corrected checksum.

use futures_util::FutureExt;
use jiff::Timestamp;
use segctl::api::{Client, Clock, Operation, Request, Response, Transport, TransportError};
use segctl::config::edit::{NewFile, segment_file_text};
use segctl::config::source::SourceFile;
use segctl::config::{decode_segment, yaml};
use segctl::definition::{Digests, Identities, diff};
use segctl::diagnostic::Diagnostic;
use segctl::model::{Lifecycle, Payload, SegmentId, SegmentName};
use segctl::plan::saved::SavedPlan;
use segctl::rate_limit::{RateLimitHeaders, RateLimits};
use segctl::render::diagnostic::{diagnostics_json, diagnostics_text};
use segctl::render::json::PlanDocument;
use segctl::render::text;
use segctl::state::{DirectoryStore, FileSystem, StateStore};
use serde_json::Value;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type Target = fn(&[u8]);

/// The targets, by the names of their corpora.
pub(crate) const TARGETS: [(&str, Target); 5] = [
    ("segment_file", fuzz_segment_file),
    ("api_response", fuzz_api_response),
    ("state", fuzz_state_file),
    ("journal", fuzz_journal),
    ("saved_plan", fuzz_saved_plan),
];

pub(crate) fn fuzz_segment_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (declared, diagnostics) = decode_payloads(text);
    render_diagnostics(&diagnostics, text);
    for payload in declared {
        require_consistent(&payload);
    }
}

/// A response of the API: the first byte selects the request and the status, and the rest is the body.
pub(crate) fn fuzz_api_response(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let statuses = [
        200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 413, 415, 429, 500, 503, 302,
    ];
    let service = FixedResponse {
        status: statuses[usize::from(first >> 4)],
        body: body.to_vec(),
        now: Mutex::new(Timestamp::UNIX_EPOCH),
    };
    let service = Arc::new(service);
    let client = Client::new(
        SharedFixedResponse(Arc::clone(&service)),
        SharedFixedResponse(service),
        RateLimits::default(),
        1,
    );
    let (id, name) = (SegmentId::new("5f0c0000000000000000000a"), SegmentName::new("A"));
    let payload = Payload {
        included_filters: serde_json::json!({"filter_operator": "and", "filters": []}),
        excluded_filters: None,
    };
    let permit = |operation: Operation| {
        let permit = client.try_acquire(&operation).now_or_never().flatten();
        permit.expect("no request was sent before")
    };
    let request = async {
        match first & 0b111 {
            0 => client.list().await.map(drop).map_err(|error| error.to_string()),
            1 => client
                .list_named(&name)
                .await
                .map(drop)
                .map_err(|error| error.to_string()),
            2 => require_consistent_response(client.get(&id).await),
            3 => require_consistent_response(
                client
                    .create(permit(Operation::Create(name.clone())), &name, &payload)
                    .await,
            ),
            4 => require_consistent_response(
                client
                    .update(permit(Operation::Update(id.clone())), &id, Some(&name), &payload)
                    .await,
            ),
            5 => client
                .archive(permit(Operation::Archive(name.clone())), &name, Some(&id))
                .await
                .map_err(|error| error.to_string()),
            _ => client
                .unarchive(permit(Operation::Unarchive(name.clone())), &name, None)
                .await
                .map_err(|error| error.to_string()),
        }
    };
    if let Err(message) = request.now_or_never().expect("the transport answers at once") {
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}

/// `state.json`.
pub(crate) fn fuzz_state_file(bytes: &[u8]) {
    read_state(ReadOnlyFiles::from([(
        "state.json",
        with_valid_checksum(bytes, ("checksum", "contents"), Value::to_string),
    )]));
    read_state(ReadOnlyFiles::from([("state.json", bytes.to_vec())]));
}

/// `journal.jsonl`, with a state of generation 1.
pub(crate) fn fuzz_journal(bytes: &[u8]) {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let repaired: Vec<u8> = lines.flat_map(with_valid_line_checksum).collect();
    for journal in [repaired, bytes.to_vec()] {
        let state = include_bytes!("state_with_journal.json").to_vec();
        read_state(ReadOnlyFiles::from([
            ("state.json", state),
            ("journal.jsonl", journal),
        ]));
    }
}

pub(crate) fn fuzz_saved_plan(bytes: &[u8]) {
    for bytes in [
        bytes.to_vec(),
        with_valid_checksum(bytes, ("digest", "saved_plan"), canonical),
    ] {
        let Ok(text) = String::from_utf8(bytes) else {
            return;
        };
        match SavedPlan::from_text(&text) {
            Ok(saved) => {
                let again = SavedPlan::from_text(&saved.to_text()).expect("a written plan can be read");
                assert_eq!(again.digest(), saved.digest());
                drop(saved.target_ids());
                let document = PlanDocument::new(&saved.plan);
                drop(text::plan(
                    &document,
                    text::TextOptions::default(),
                    &jiff::tz::TimeZone::UTC,
                ));
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

fn decode_payloads(text: &str) -> (Vec<Payload>, Vec<Diagnostic>) {
    let source = Arc::new(SourceFile::new("a.yaml", text));
    let (documents, mut diagnostics) = yaml::parse(&source);
    let mut payloads = Vec::new();
    for document in documents {
        let (declaration, more) = decode_segment(&source, document);
        diagnostics.extend(more);
        payloads.extend(
            declaration
                .and_then(|declaration| Some(declaration.segment.contents.definition()?.payload().clone())),
        );
    }
    (payloads, diagnostics)
}

fn render_diagnostics(diagnostics: &[Diagnostic], text: &str) {
    drop(diagnostics_json(diagnostics));
    let source = |file: &str| (file == "a.yaml").then_some(text);
    drop(diagnostics_text(diagnostics, &source, false));
}

/// A definition equals itself, and the file that segctl writes for it declares it.
fn require_consistent(payload: &Payload) {
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
        let (read, diagnostics) = decode_payloads(&text);
        if diagnostics.is_empty() {
            assert_eq!(read.len(), 1, "{text}");
            assert_eq!(Digests::of(&read[0], &identities), digests, "{text}");
        }
    }
}

fn require_consistent_response(
    response: Result<segctl::api::RemoteSegment, segctl::api::RequestError>,
) -> Result<(), String> {
    let remote = response.map_err(|error| error.to_string())?;
    if let Some(payload) = remote.payload() {
        require_consistent(&payload);
    }
    Ok(())
}

struct FixedResponse {
    status: u16,
    body: Vec<u8>,
    now: Mutex<Timestamp>,
}

struct SharedFixedResponse(Arc<FixedResponse>);

impl Transport for SharedFixedResponse {
    async fn send(&self, _: Request, _: Duration) -> Result<Response, TransportError> {
        Ok(Response {
            status: self.0.status,
            headers: RateLimitHeaders::default(),
            date: None,
            location: None,
            body: self.0.body.clone(),
        })
    }
}

impl Clock for SharedFixedResponse {
    fn now(&self) -> Timestamp {
        *self.0.now.lock().expect("no thread panics")
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let mut now = self.0.now.lock().expect("no thread panics");
        *now = moment.max(*now);
    }
}

type ReadOnlyFiles = BTreeMap<&'static str, Vec<u8>>;

struct ReadOnlyFileSystem(ReadOnlyFiles);

impl FileSystem for ReadOnlyFileSystem {
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

fn read_state(files: ReadOnlyFiles) {
    let store = DirectoryStore::with_filesystem(ReadOnlyFileSystem(files), "state");
    match store.load().now_or_never().expect("the files are in memory") {
        Ok(state) => {
            for entry in state.managed_entries() {
                state
                    .latest_by_name(&entry.name)
                    .expect("every name has a latest entry");
                entry
                    .definition
                    .as_deref()
                    .into_iter()
                    .for_each(require_consistent);
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// The form of a saved plan that its digest covers.
fn canonical(contents: &Value) -> String {
    serde_json_canonicalizer::to_string(contents).unwrap_or_default()
}

/// The JSON document with a correct checksum of its contents, in the given form; the unchanged bytes if they are not JSON.
fn with_valid_checksum(
    bytes: &[u8],
    (checksum, contents): (&str, &str),
    form: fn(&Value) -> String,
) -> Vec<u8> {
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

fn with_valid_line_checksum(line: &[u8]) -> Vec<u8> {
    match line.strip_suffix(b"\n") {
        Some(line) => [
            with_valid_checksum(line, ("checksum", "record"), Value::to_string),
            b"\n".to_vec(),
        ]
        .concat(),
        None => line.to_vec(),
    }
}
