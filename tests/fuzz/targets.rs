//! The fuzz targets, one for each input of segctl. The fuzzer calls them with random bytes, and `cargo test` with the
//! corpora. No target may panic, hang or give contradictory results.
//!
//! A fuzzer cannot guess checksums, so the targets also read each file with a corrected checksum.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
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
use segctl::state::StateStore;
use segctl::storage::{ConditionalWrite, Object, Precondition, Storage, StorageError, StorageResult};
use serde_json::Value;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::io;
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
    read_state(ReadOnlyObjects::from([(
        "state.json",
        with_valid_checksum(bytes, ("checksum", "contents"), Value::to_string),
    )]));
    read_state(ReadOnlyObjects::from([("state.json", bytes.to_vec())]));
}

/// The second journal object after a state of generation 1.
pub(crate) fn fuzz_journal(bytes: &[u8]) {
    let repaired = with_valid_checksum(bytes, ("checksum", "contents"), Value::to_string);
    for journal in [repaired, bytes.to_vec()] {
        read_state(ReadOnlyObjects::from([
            ("state.json", include_bytes!("state_with_journal.json").to_vec()),
            (
                "journal/1-1.json",
                include_bytes!("first_journal_object.json").to_vec(),
            ),
            ("journal/1-2.json", journal),
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

type ReadOnlyObjects = BTreeMap<&'static str, Vec<u8>>;

#[derive(Debug)]
struct ReadOnlyStorage(ReadOnlyObjects);

fn read_only<T: Send + 'static>() -> BoxFuture<'static, StorageResult<T>> {
    let error = StorageError::File {
        operation: "write",
        path: "state".into(),
        source: io::ErrorKind::ReadOnlyFilesystem.into(),
    };
    ready(Err(error)).boxed()
}

impl Storage for ReadOnlyStorage {
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, StorageResult<Option<Object>>> {
        ready(Ok(self.0.get(name).cloned().map(Object::of_bytes))).boxed()
    }

    fn put<'a>(&'a self, _: &'a str, _: Vec<u8>) -> BoxFuture<'a, StorageResult> {
        read_only()
    }

    fn put_if<'a>(
        &'a self,
        _: &'a str,
        _: Vec<u8>,
        _: &'a Precondition,
    ) -> BoxFuture<'a, StorageResult<ConditionalWrite>> {
        read_only()
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, StorageResult<Vec<String>>> {
        let names = self.0.keys().filter(|name| name.starts_with(folder));
        ready(Ok(names.map(|name| (*name).to_owned()).collect())).boxed()
    }

    fn delete(&self, _: Vec<String>) -> BoxFuture<'_, StorageResult> {
        read_only()
    }

    fn location(&self, name: &str) -> String {
        name.to_owned()
    }
}

fn read_state(objects: ReadOnlyObjects) {
    let store = StateStore::new(ReadOnlyStorage(objects));
    match store.load().now_or_never().expect("the objects are in memory") {
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
