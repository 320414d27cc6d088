//! Runs that are killed: at every call, before it is sent on and after it was answered, the process ends without a word.
//! The next run has to converge, and to know what the killed one did for its own.

use super::{Repository, Run, member, segment};
use segctl::sandbox::{Credentials, Options, Server};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::runtime::Runtime;

/// `shop:key-1`, as basic authentication has it.
const CREDENTIALS: &str = "Basic c2hvcDprZXktMQ==";

/// When a call is held up for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The service never hears of it.
    Before,
    /// The service did it, and nobody hears of that.
    After,
}

/// What the test waits for.
enum Event {
    /// The call is held up.
    Held,
    /// The process ended by itself.
    Ended,
}

/// A service behind a wire that can be cut.
struct Wired {
    repository: Repository,
    runtime: Runtime,
    server: Option<Server>,
    service: SocketAddr,
    /// Which call is held up, the first being 1, and how many there were.
    cut: Arc<Mutex<Option<(usize, Moment)>>>,
    calls: Arc<AtomicUsize>,
    events: Receiver<Event>,
    tell: Sender<Event>,
}

impl Wired {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = Options::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(Credentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        for (switch, value) in [("rate_limits", "off"), ("rename_frees_old_name", "true")] {
            options.set(switch, value).unwrap();
        }
        let server = runtime.block_on(Server::start(options)).unwrap();
        let (tell, events) = mpsc::channel();
        let wired = Self {
            repository: Repository::new(),
            service: server.address(),
            runtime,
            server: Some(server),
            cut: Arc::default(),
            calls: Arc::default(),
            events,
            tell,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        wired.repository.write(
            "segctl.yaml",
            format!(
                "segments: segments/\nworkspaces:\n  shop:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    api_key: \
                 {{command: [/bin/echo, key-1]}}\n    db_name: db\n    owns: [\"*\"]\n    adoption: refuse\n    service: \
                 {{rename_frees_names: true}}\n",
                listener.local_addr().unwrap()
            ),
        );
        let wire = Wire {
            service: wired.service,
            cut: Arc::clone(&wired.cut),
            calls: Arc::clone(&wired.calls),
            tell: wired.tell.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let wire = wire.clone();
                thread::spawn(move || wire.pass(stream.unwrap()));
            }
        });
        wired
    }

    fn apply(&self) -> Run {
        self.repository.run(&["apply", "--auto-approve"])
    }

    /// Applies, and kills the run at its call number `call`; whether it came to that.
    fn killed_at(&self, call: usize, moment: Moment) -> bool {
        self.calls.store(0, Ordering::SeqCst);
        *self.cut.lock().unwrap() = Some((call, moment));
        let mut command = self.repository.command(&["apply", "--auto-approve"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let tell = self.tell.clone();
        let reader = thread::spawn(move || {
            out.read_to_end(&mut Vec::new()).unwrap();
            // Nobody listens any more where it was killed.
            drop(tell.send(Event::Ended));
        });
        let is_held = matches!(self.events.recv().unwrap(), Event::Held);
        if is_held {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        reader.join().unwrap();
        while self.events.try_recv().is_ok() {}
        *self.cut.lock().unwrap() = None;
        is_held
    }

    /// Asks the service itself.
    fn control(&self, path: &str) -> Value {
        let request = format!(
            "GET /_sandbox/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: {CREDENTIALS}\r\nconnection: close\r\n\r\n",
            self.service
        );
        let answer = exchange(self.service, request.as_bytes());
        let text = String::from_utf8(answer).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// Passes calls on to the service, one a connection.
#[derive(Clone)]
struct Wire {
    service: SocketAddr,
    cut: Arc<Mutex<Option<(usize, Moment)>>>,
    calls: Arc<AtomicUsize>,
    tell: Sender<Event>,
}

impl Wire {
    fn pass(&self, mut stream: TcpStream) {
        let Some(request) = read_request(&stream) else {
            return;
        };
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.cut.lock().unwrap().filter(|(call, _)| *call == number);
        let moment = cut.map(|(_, moment)| moment);
        if moment == Some(Moment::Before) {
            return self.hold(stream);
        }
        let answer = exchange(self.service, &request);
        if moment == Some(Moment::After) {
            return self.hold(stream);
        }
        // A run that was killed meanwhile reads no answer.
        drop(stream.write_all(&answer));
    }

    /// Says nothing more until the other side is gone.
    fn hold(&self, mut stream: TcpStream) {
        drop(self.tell.send(Event::Held));
        drop(stream.read_to_end(&mut Vec::new()));
    }
}

/// A request with its body, asking for a connection of its own; `None` where there is none.
fn read_request(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    Some([head.into_bytes(), body].concat())
}

fn exchange(service: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A plan with every kind of step: three that exchange their definitions, one that is put away, one that is taken out and
/// changed, one that is renamed, and two that are new.
fn change(wired: &Wired) {
    let repository = &wired.repository;
    for (name, event) in [
        ("A", "a"),
        ("B", "b"),
        ("C", "c"),
        ("Gone", "gone"),
        ("Back", "back"),
        ("Old", "old"),
    ] {
        repository.write(&format!("segments/{name}.yaml"), segment(name, event));
    }
    assert_eq!(wired.apply().code, Some(0));
    repository.write(
        "segments/Back.yaml",
        format!("lifecycle: archived\n{}", segment("Back", "back")),
    );
    assert_eq!(wired.apply().code, Some(0));
    repository.write("segments/A.yaml", segment("A", "b"));
    repository.write("segments/B.yaml", segment("B", "c"));
    repository.write("segments/C.yaml", segment("C", "a"));
    std::fs::remove_file(repository.path().join("segments/Gone.yaml")).unwrap();
    repository.write("segments/Back.yaml", segment("Back", "back again"));
    repository.write(
        "segments/Old.yaml",
        format!("previous_names: [Old]\n{}", segment("New", "old")),
    );
    repository.write("segments/Fresh.yaml", segment("Fresh", "fresh"));
    repository.write("segments/Member.yaml", member("Member", "Fresh"));
}

/// The next run converges, and everything is known for what it is.
fn assert_converges(wired: &Wired, what: &str) {
    let run = wired.apply();
    assert_eq!(run.code, Some(0), "{what}: {}{}", run.out, run.err);
    for command in [["plan", "--detailed-exitcode"], ["drift", "--detailed-exitcode"]] {
        let run = wired.repository.run(&command);
        assert_eq!(run.code, Some(0), "{what}: {}{}", run.out, run.err);
    }
    let state = wired.control("state");
    let segments = state["segments"].as_object().unwrap();
    let names: BTreeSet<&str> = segments
        .values()
        .filter_map(|made| made["name"].as_str())
        .collect();
    assert_eq!(segments.len(), 8, "{what}: {state:#}");
    assert_eq!(
        names,
        BTreeSet::from(["A", "B", "C", "Back", "Fresh", "Gone", "Member", "New"]),
        "{what}"
    );
}

#[test]
fn whenever_a_run_is_killed_the_next_one_converges() {
    for moment in [Moment::Before, Moment::After] {
        for call in 1.. {
            let wired = Wired::new();
            change(&wired);
            let what = format!("killed at call {call}, {moment:?}");
            let is_killed = wired.killed_at(call, moment);
            assert_converges(&wired, &what);
            if !is_killed {
                assert!(call > 18, "only {} calls", call - 1);
                break;
            }
        }
    }
}
