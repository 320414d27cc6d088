//! A bucket on this machine: the part of S3's protocol that a ledger needs, with the faults of networks and services.
//!
//! It is written from the protocol alone and shares no code with the client.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

/// The bucket that is there.
pub(crate) const BUCKET: &str = "ledgers";

/// Who may use it.
pub(crate) const KEY: &str = "key-of-the-tests";
pub(crate) const SECRET: &str = "secret-of-the-tests";

/// So few names come with one answer that lists have to be asked for again.
const PAGE: usize = 3;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing is done, and the answer has this status.
    Refused(u16),
    /// It is done, and the connection ends without an answer.
    Lost,
    /// It is done, and the answer has this status.
    DoneBut(u16),
    /// Nothing is done and the connection ends; it is done when [`Server::arrive`] is called.
    Late,
    /// It waits, undone, until it is let go on.
    HeldBefore,
    /// It waits, done, until it is let go on.
    HeldAfter,
}

/// Faults of the next requests with this method on objects whose names end like this.
#[derive(Clone, Debug)]
struct Trouble {
    method: &'static str,
    ending: &'static str,
    /// How many go well before.
    after: usize,
    times: usize,
    fault: Fault,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Vec<u8>,
    /// Headers that are kept with it.
    metadata: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    trouble: Option<Trouble>,
    late: Vec<Request>,
    requests: Vec<String>,
    ignores_conditions: bool,
}

#[derive(Clone, Debug)]
struct Request {
    method: String,
    /// The object; empty for the bucket itself.
    name: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A service with one bucket.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    tell: Sender<Event>,
    events: Receiver<Event>,
    release: Sender<()>,
}

/// What a test waits for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request is held up.
    Held,
    /// A program ended by itself.
    Ended,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (tell, events) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let wire = Wire {
            state: Arc::clone(&state),
            tell: tell.clone(),
            released: Arc::new(Mutex::new(released)),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let wire = wire.clone();
                thread::spawn(move || wire.serve(stream.unwrap()));
            }
        });
        Self {
            address,
            state,
            tell,
            events,
            release,
        }
    }

    /// The environment of a program that uses it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Has the next `times` requests fail that have this method and an object whose name ends like this.
    pub(crate) fn fail(&self, (method, ending): (&'static str, &'static str), times: usize, fault: Fault) {
        self.fail_after((method, ending), (0, times), fault);
    }

    /// Likewise, after so many that go well.
    pub(crate) fn fail_after(
        &self,
        (method, ending): (&'static str, &'static str),
        (after, times): (usize, usize),
        fault: Fault,
    ) {
        self.state.lock().unwrap().trouble = Some(Trouble {
            method,
            ending,
            after,
            times,
            fault,
        });
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().trouble = None;
    }

    /// Requests that were late are done now.
    pub(crate) fn arrive(&self) -> Vec<u16> {
        let mut state = self.state.lock().unwrap();
        let late = std::mem::take(&mut state.late);
        late.iter().map(|request| state.answer(request).status).collect()
    }

    /// Takes every condition for met from now on, as services do that do not know them.
    pub(crate) fn ignore_conditions(&self) {
        self.state.lock().unwrap().ignores_conditions = true;
    }

    /// Is back when a request is held up, or a program says that it ended.
    pub(crate) fn event(&self) -> Event {
        self.events.recv().unwrap()
    }

    /// Where a program says that it ended.
    pub(crate) fn tell(&self) -> Sender<Event> {
        self.tell.clone()
    }

    /// Lets a request go on that is held up.
    pub(crate) fn release(&self) {
        self.release.send(()).unwrap();
    }

    /// The names of all objects.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// An object's text.
    pub(crate) fn text(&self, name: &str) -> String {
        let state = self.state.lock().unwrap();
        String::from_utf8(state.objects[name].bytes.clone()).unwrap()
    }

    /// Replaces an object's text by hand.
    pub(crate) fn set(&self, name: &str, text: &str) {
        let object = Object {
            bytes: text.into(),
            metadata: Vec::new(),
        };
        self.state.lock().unwrap().objects.insert(name.to_owned(), object);
    }

    /// Removes an object by hand.
    pub(crate) fn remove(&self, name: &str) {
        self.state.lock().unwrap().objects.remove(name).unwrap();
    }

    /// The requests so far, as `METHOD name`, and forgets them.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

impl State {
    /// What goes wrong with a request, if anything does.
    fn fault(&mut self, request: &Request) -> Option<Fault> {
        let trouble = self.trouble.as_mut()?;
        if trouble.method != request.method || !request.name.ends_with(trouble.ending) || trouble.times == 0 {
            return None;
        }
        if trouble.after > 0 {
            trouble.after -= 1;
            return None;
        }
        trouble.times -= 1;
        Some(trouble.fault)
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let Request { method, name, .. } = request;
        match (method.as_str(), name.as_str()) {
            ("GET", "") => self.list(request),
            ("GET", name) => match self.objects.get(name) {
                Some(object) => Answer {
                    status: 200,
                    headers: object.headers(),
                    body: object.bytes.clone(),
                },
                None => error(404, "NoSuchKey"),
            },
            ("PUT", name) => self.put(name, request),
            ("DELETE", name) => {
                self.objects.remove(name);
                Answer {
                    status: 204,
                    headers: Vec::new(),
                    body: Vec::new(),
                }
            }
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, name: &str, request: &Request) -> Answer {
        let before = self.objects.get(name).map(Object::etag);
        if !self.ignores_conditions {
            if request.headers.contains_key("if-none-match") && before.is_some() {
                return error(412, "PreconditionFailed");
            }
            match (request.headers.get("if-match"), before) {
                (Some(_), None) => return error(404, "NoSuchKey"),
                (Some(wanted), Some(etag)) if *wanted != etag => return error(412, "PreconditionFailed"),
                _ => {}
            }
        }
        let kept = request
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-meta-"));
        let object = Object {
            bytes: request.body.clone(),
            metadata: kept.map(|(name, value)| (name.clone(), value.clone())).collect(),
        };
        let headers = vec![("etag".to_owned(), object.etag())];
        self.objects.insert(name.to_owned(), object);
        Answer {
            status: 200,
            headers,
            body: Vec::new(),
        }
    }

    fn list(&self, request: &Request) -> Answer {
        assert_eq!(request.query.get("list-type").map(String::as_str), Some("2"));
        let prefix = request.query.get("prefix").cloned().unwrap_or_default();
        let start = request
            .query
            .get("continuation-token")
            .cloned()
            .unwrap_or_default();
        let fitting = self
            .objects
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix) && **name > start);
        let fitting: Vec<_> = fitting.collect();
        let is_truncated = fitting.len() > PAGE;
        let mut body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>\
             <IsTruncated>{is_truncated}</IsTruncated>"
        );
        for (name, object) in fitting.iter().take(PAGE) {
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
                fitting[PAGE - 1].0
            );
        }
        body.push_str("</ListBucketResult>");
        Answer {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
            body: body.into_bytes(),
        }
    }
}

impl Object {
    /// By the bytes alone, as the service does it: what is written again has the tag that it had.
    fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = self.metadata.clone();
        headers.push(("etag".to_owned(), self.etag()));
        headers.push((
            "last-modified".to_owned(),
            "Tue, 24 Nov 2026 10:00:00 GMT".to_owned(),
        ));
        headers
    }
}

fn error(status: u16, code: &str) -> Answer {
    Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
        body: format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>In words.</Message></Error>"
        )
        .into_bytes(),
    }
}

#[derive(Clone)]
struct Wire {
    state: Arc<Mutex<State>>,
    tell: Sender<Event>,
    released: Arc<Mutex<Receiver<()>>>,
}

impl Wire {
    /// Answers one request.
    fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read(&stream) else { return };
        if let Some(answer) = self.answer(request) {
            let Answer {
                status,
                headers,
                body,
            } = answer;
            let mut text = format!("HTTP/1.1 {status} Of\r\nconnection: close\r\n");
            for (name, value) in headers {
                let _ = write!(text, "{name}: {value}\r\n");
            }
            // What has no content has no length either.
            if status != 204 {
                let _ = write!(text, "content-length: {}\r\n", body.len());
            }
            // One that was killed meanwhile reads no answer.
            drop(stream.write_all(&[(text + "\r\n").as_bytes(), &body].concat()));
        }
    }

    fn answer(&self, request: Request) -> Option<Answer> {
        let mut state = self.state.lock().unwrap();
        state
            .requests
            .push(format!("{} {}", request.method, request.name));
        let bucket = request.headers.get("bucket").map(String::as_str);
        if bucket != Some(BUCKET) {
            return Some(error(404, "NoSuchBucket"));
        }
        let signed = request.headers.get("authorization").cloned().unwrap_or_default();
        let by_address = request.query.get("X-Amz-Credential").cloned().unwrap_or_default();
        let is_signed = signed.starts_with(&format!("AWS4-HMAC-SHA256 Credential={KEY}/"))
            || by_address.starts_with(&format!("{KEY}/")) && request.query.contains_key("X-Amz-Signature");
        if !is_signed {
            return Some(error(403, "InvalidAccessKeyId"));
        }
        match state.fault(&request) {
            None => Some(state.answer(&request)),
            Some(Fault::Refused(status)) => Some(error(status, "SlowDown")),
            Some(Fault::Lost) => {
                state.answer(&request);
                None
            }
            Some(Fault::DoneBut(status)) => {
                state.answer(&request);
                Some(error(status, "SlowDown"))
            }
            Some(Fault::Late) => {
                state.late.push(request);
                None
            }
            Some(Fault::HeldBefore) => {
                drop(state);
                self.hold().then(|| self.state.lock().unwrap().answer(&request))
            }
            Some(Fault::HeldAfter) => {
                let answer = state.answer(&request);
                drop(state);
                self.hold().then_some(answer)
            }
        }
    }

    /// Holds a request up; whether it may go on after all.
    fn hold(&self) -> bool {
        drop(self.tell.send(Event::Held));
        self.released.lock().unwrap().recv().is_ok()
    }
}

/// A request; `None` where there is none.
fn read(stream: &TcpStream) -> Option<Request> {
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
    Some(Request {
        method,
        name: name.to_owned(),
        query: pairs
            .map(|(key, value)| (key.to_owned(), value.replace("%2F", "/")))
            .collect(),
        headers,
        body,
    })
}
