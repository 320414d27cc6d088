//! A test double of S3 with one bucket: the part of the protocol that a state needs, with injected faults.
//!
//! It implements the protocol independently and shares no code with the client.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

/// The only bucket.
pub(crate) const BUCKET: &str = "segctl-tests";

pub(crate) const KEY: &str = "key-of-the-tests";
pub(crate) const SECRET: &str = "secret-of-the-tests";

/// Small, so that a listing needs several pages.
const PAGE_SIZE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum S3Fault {
    /// Not applied; the response has this status.
    Rejected(u16),
    /// Applied; the connection closes without a response.
    ResponseLost,
    /// Applied; the response has this status.
    AppliedWithStatus(u16),
    /// The connection closes without a response. [`S3Double::apply_delayed_requests`] applies the request.
    Delayed,
    /// Paused until [`S3Double::resume`], not yet applied.
    PausedBefore,
    /// Applied, and paused until [`S3Double::resume`].
    PausedAfter,
}

/// Faults of the next requests with `method` on objects whose names end with `name_suffix`.
#[derive(Clone, Debug)]
struct FaultRule {
    method: &'static str,
    name_suffix: &'static str,
    /// The number of matching requests that succeed first.
    skip_first: usize,
    times: usize,
    fault: S3Fault,
}

#[derive(Clone, Debug)]
struct StoredObject {
    bytes: Vec<u8>,
    /// The stored `x-amz-meta-` headers.
    metadata: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct BucketState {
    objects: BTreeMap<String, StoredObject>,
    fault_rule: Option<FaultRule>,
    delayed_requests: Vec<S3Request>,
    request_log: Vec<String>,
    ignores_conditions: bool,
}

#[derive(Clone, Debug)]
struct S3Request {
    method: String,
    /// The object name; empty for the bucket itself.
    name: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct S3Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) struct S3Double {
    address: SocketAddr,
    state: Arc<Mutex<BucketState>>,
    event_sender: Sender<S3Event>,
    events: Receiver<S3Event>,
    resume_sender: Sender<()>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum S3Event {
    /// A request is paused.
    Paused,
    /// A run has exited.
    Exited,
}

impl S3Double {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<BucketState>>::default();
        let (event_sender, events) = mpsc::channel();
        let (resume_sender, resume_receiver) = mpsc::channel();
        let handler = ConnectionHandler {
            state: Arc::clone(&state),
            event_sender: event_sender.clone(),
            resume_receiver: Arc::new(Mutex::new(resume_receiver)),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let handler = handler.clone();
                thread::spawn(move || handler.serve(stream.unwrap()));
            }
        });
        Self {
            address,
            state,
            event_sender,
            events,
            resume_sender,
        }
    }

    /// The environment variables of a program that uses the bucket.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Makes the next `times` requests with this method fail whose object name ends with `suffix`.
    pub(crate) fn inject_fault(
        &self,
        (method, suffix): (&'static str, &'static str),
        times: usize,
        fault: S3Fault,
    ) {
        self.inject_fault_after((method, suffix), (0, times), fault);
    }

    /// Like [`Self::inject_fault`], after `skip_first` matching requests that succeed.
    pub(crate) fn inject_fault_after(
        &self,
        (method, suffix): (&'static str, &'static str),
        (skip_first, times): (usize, usize),
        fault: S3Fault,
    ) {
        self.state.lock().unwrap().fault_rule = Some(FaultRule {
            method,
            name_suffix: suffix,
            skip_first,
            times,
            fault,
        });
    }

    pub(crate) fn clear_faults(&self) {
        self.state.lock().unwrap().fault_rule = None;
    }

    /// Applies the delayed requests, and returns their statuses.
    pub(crate) fn apply_delayed_requests(&self) -> Vec<u16> {
        let mut state = self.state.lock().unwrap();
        let delayed = std::mem::take(&mut state.delayed_requests);
        delayed
            .iter()
            .map(|request| state.respond(request).status)
            .collect()
    }

    /// Ignores the conditions of writes from now on, as some object stores do.
    pub(crate) fn ignore_conditions(&self) {
        self.state.lock().unwrap().ignores_conditions = true;
    }

    pub(crate) fn wait_for_event(&self) -> S3Event {
        self.events.recv().unwrap()
    }

    /// For threads that report that a run has exited.
    pub(crate) fn event_sender(&self) -> Sender<S3Event> {
        self.event_sender.clone()
    }

    pub(crate) fn resume(&self) {
        self.resume_sender.send(()).unwrap();
    }

    pub(crate) fn object_names(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(crate) fn object_text(&self, name: &str) -> String {
        let state = self.state.lock().unwrap();
        String::from_utf8(state.objects[name].bytes.clone()).unwrap()
    }

    /// Replaces an object's text without a request.
    pub(crate) fn set_object_text(&self, name: &str, text: &str) {
        let object = StoredObject {
            bytes: text.into(),
            metadata: Vec::new(),
        };
        self.state.lock().unwrap().objects.insert(name.to_owned(), object);
    }

    /// Removes an object without a request.
    pub(crate) fn remove_object(&self, name: &str) {
        self.state.lock().unwrap().objects.remove(name).unwrap();
    }

    /// The requests since the last call, as `METHOD name`.
    pub(crate) fn take_request_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().request_log)
    }
}

impl BucketState {
    fn next_fault(&mut self, request: &S3Request) -> Option<S3Fault> {
        let rule = self.fault_rule.as_mut()?;
        if rule.method != request.method || !request.name.ends_with(rule.name_suffix) || rule.times == 0 {
            return None;
        }
        if rule.skip_first > 0 {
            rule.skip_first -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault)
    }

    fn respond(&mut self, request: &S3Request) -> S3Response {
        let S3Request { method, name, .. } = request;
        match (method.as_str(), name.as_str()) {
            ("GET", "") => self.list(request),
            ("GET", name) => match self.objects.get(name) {
                Some(object) => S3Response {
                    status: 200,
                    headers: object.headers(),
                    body: object.bytes.clone(),
                },
                None => error_response(404, "NoSuchKey"),
            },
            ("PUT", name) => self.put(name, request),
            ("DELETE", name) => {
                self.objects.remove(name);
                S3Response {
                    status: 204,
                    headers: Vec::new(),
                    body: Vec::new(),
                }
            }
            _ => error_response(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, name: &str, request: &S3Request) -> S3Response {
        let before = self.objects.get(name).map(StoredObject::etag);
        if !self.ignores_conditions {
            if request.headers.contains_key("if-none-match") && before.is_some() {
                return error_response(412, "PreconditionFailed");
            }
            match (request.headers.get("if-match"), before) {
                (Some(_), None) => return error_response(404, "NoSuchKey"),
                (Some(required), Some(etag)) if *required != etag => {
                    return error_response(412, "PreconditionFailed");
                }
                _ => {}
            }
        }
        let metadata = request
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-meta-"));
        let object = StoredObject {
            bytes: request.body.clone(),
            metadata: metadata
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        };
        let headers = vec![("etag".to_owned(), object.etag())];
        self.objects.insert(name.to_owned(), object);
        S3Response {
            status: 200,
            headers,
            body: Vec::new(),
        }
    }

    fn list(&self, request: &S3Request) -> S3Response {
        assert_eq!(request.query.get("list-type").map(String::as_str), Some("2"));
        let prefix = request.query.get("prefix").cloned().unwrap_or_default();
        let start = request
            .query
            .get("continuation-token")
            .cloned()
            .unwrap_or_default();
        let matching = self
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix) && **name > start);
        let matching: Vec<_> = matching.collect();
        let is_truncated = matching.len() > PAGE_SIZE;
        let mut body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>\
             <IsTruncated>{is_truncated}</IsTruncated>"
        );
        for (name, object) in matching.iter().take(PAGE_SIZE) {
            let _ = write!(
                body,
                "<Contents><Key>{name}</Key><LastModified>2026-11-24T10:00:00.000Z</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                object.etag().replace('"', "&quot;"),
                object.bytes.len()
            );
        }
        if is_truncated {
            let _ = write!(
                body,
                "<NextContinuationToken>{}</NextContinuationToken>",
                matching[PAGE_SIZE - 1].0
            );
        }
        body.push_str("</ListBucketResult>");
        S3Response {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
            body: body.into_bytes(),
        }
    }
}

impl StoredObject {
    /// A hash of the bytes, as in S3: the same bytes have the same tag after another write.
    fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.metadata.clone();
        headers.push(("etag".to_owned(), self.etag()));
        // The type that S3 gives an object without one.
        headers.push(("content-type".to_owned(), "binary/octet-stream".to_owned()));
        headers.push((
            "last-modified".to_owned(),
            "Tue, 24 Nov 2026 10:00:00 GMT".to_owned(),
        ));
        headers
    }
}

fn error_response(status: u16, code: &str) -> S3Response {
    S3Response {
        status,
        headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
        body: format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>A message.</Message></Error>"
        )
        .into_bytes(),
    }
}

#[derive(Clone)]
struct ConnectionHandler {
    state: Arc<Mutex<BucketState>>,
    event_sender: Sender<S3Event>,
    resume_receiver: Arc<Mutex<Receiver<()>>>,
}

impl ConnectionHandler {
    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read_request(&stream) else {
            return;
        };
        if let Some(response) = self.respond(request) {
            let S3Response {
                status,
                headers,
                body,
            } = response;
            let mut text = format!("HTTP/1.1 {status} Of\r\nconnection: close\r\n");
            for (name, value) in headers {
                let _ = write!(text, "{name}: {value}\r\n");
            }
            // A 204 response has no `content-length`.
            if status != 204 {
                let _ = write!(text, "content-length: {}\r\n", body.len());
            }
            // This fails if the client was killed meanwhile.
            drop(stream.write_all(&[(text + "\r\n").as_bytes(), &body].concat()));
        }
    }

    fn respond(&self, request: S3Request) -> Option<S3Response> {
        let mut state = self.state.lock().unwrap();
        state
            .request_log
            .push(format!("{} {}", request.method, request.name));
        let bucket = request.headers.get("bucket").map(String::as_str);
        if bucket != Some(BUCKET) {
            return Some(error_response(404, "NoSuchBucket"));
        }
        let authorization = request.headers.get("authorization").cloned().unwrap_or_default();
        let url_credential = request.query.get("X-Amz-Credential").cloned().unwrap_or_default();
        let is_signed = authorization.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
            || url_credential.starts_with(&format!("{KEY}/"))
                && request.query.contains_key("X-Amz-Signature");
        if !is_signed {
            return Some(error_response(403, "InvalidAccessKeyId"));
        }
        match state.next_fault(&request) {
            None => Some(state.respond(&request)),
            Some(S3Fault::Rejected(status)) => Some(error_response(status, "SlowDown")),
            Some(S3Fault::ResponseLost) => {
                state.respond(&request);
                None
            }
            Some(S3Fault::AppliedWithStatus(status)) => {
                state.respond(&request);
                Some(error_response(status, "SlowDown"))
            }
            Some(S3Fault::Delayed) => {
                state.delayed_requests.push(request);
                None
            }
            Some(S3Fault::PausedBefore) => {
                drop(state);
                self.pause().then(|| self.state.lock().unwrap().respond(&request))
            }
            Some(S3Fault::PausedAfter) => {
                let response = state.respond(&request);
                drop(state);
                self.pause().then_some(response)
            }
        }
    }

    /// Pauses a request. False if it must not continue.
    fn pause(&self) -> bool {
        drop(self.event_sender.send(S3Event::Paused));
        self.resume_receiver.lock().unwrap().recv().is_ok()
    }
}

/// `None` if the client closed the connection without a request.
fn read_request(stream: &TcpStream) -> Option<S3Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let (bucket, name) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    headers.insert("bucket".to_owned(), bucket.to_owned());
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(S3Request {
        method,
        name: name.to_owned(),
        query: pairs
            .map(|(key, value)| (key.to_owned(), value.replace("%2F", "/")))
            .collect(),
        headers,
        body,
    })
}
