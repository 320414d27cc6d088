//! A service behind a wire on which one call can be held up.

use super::{CommandResult, Repository};
use segctl::sandbox::{SandboxCredentials, SandboxOptions, Server};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::runtime::Runtime;

/// `shop:key-1`, as basic authentication has it.
const CREDENTIALS: &str = "Basic c2hvcDprZXktMQ==";

/// When a call is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PausePoint {
    /// The service has not heard of it.
    Before,
    /// The service did it, and nobody hears of that.
    After,
}

/// What the test waits for.
enum ProxyEvent {
    /// The call is held up.
    Paused,
    /// The process said what was waited for.
    OutputSeen,
    /// The process ended by itself.
    Exited,
}

/// A service behind a wire that can be cut.
pub(super) struct ProxiedSandbox {
    pub(super) repository: Repository,
    runtime: Runtime,
    server: Option<Server>,
    sandbox_address: SocketAddr,
    /// Which call is held up, the first being 1, and how many there were.
    pause_at: Arc<Mutex<Option<(usize, PausePoint)>>>,
    request_count: Arc<AtomicUsize>,
    events: Receiver<ProxyEvent>,
    event_sender: Sender<ProxyEvent>,
    /// Lets a call go on that is held up; dropped, no call ever does.
    resume_sender: Sender<()>,
}

/// A run of segctl that is held up in a call, or has ended by itself.
pub(super) struct StartedCommand {
    child: Child,
    readers: [thread::JoinHandle<String>; 2],
    pub(super) is_paused: bool,
}

impl StartedCommand {
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    pub(super) fn wait(mut self) -> CommandResult {
        let code = self.child.wait().unwrap().code();
        let [out, err] = self.readers.map(|reader| reader.join().unwrap());
        CommandResult {
            code,
            stdout: out,
            stderr: err,
        }
    }
}

impl ProxiedSandbox {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut options = SandboxOptions::standalone("127.0.0.1:0".parse().unwrap());
        options.credentials = Some(SandboxCredentials {
            workspace_id: "shop".to_owned(),
            api_key: "key-1".to_owned(),
            db_name: "db".to_owned(),
        });
        for (switch, value) in [("rate_limits", "off"), ("rename_frees_old_name", "true")] {
            options.set_switch(switch, value).unwrap();
        }
        let server = runtime.block_on(Server::start(options)).unwrap();
        let (tell, events) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let wired = Self {
            repository: Repository::new(),
            sandbox_address: server.address(),
            runtime,
            server: Some(server),
            pause_at: Arc::default(),
            request_count: Arc::default(),
            events,
            event_sender: tell,
            resume_sender: release,
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
        let wire = Proxy {
            sandbox_address: wired.sandbox_address,
            pause_at: Arc::clone(&wired.pause_at),
            request_count: Arc::clone(&wired.request_count),
            event_sender: wired.event_sender.clone(),
            resume_receiver: Arc::new(Mutex::new(released)),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let wire = wire.clone();
                thread::spawn(move || wire.forward(stream.unwrap()));
            }
        });
        wired
    }

    pub(super) fn apply(&self) -> CommandResult {
        self.repository.run(&["apply", "--auto-approve"])
    }

    /// Applies, and kills the run at its call number `call`; whether it came to that.
    pub(super) fn apply_and_kill_at(&self, call: usize, moment: PausePoint) -> bool {
        let mut started = self.run_until_paused(&["apply", "--auto-approve"], call, moment);
        let is_held = started.is_paused;
        if is_held {
            started.kill();
        }
        started.wait();
        is_held
    }

    /// Starts a run, and is back once its call number `call` is held up, or it has ended.
    pub(super) fn run_until_paused(
        &self,
        arguments: &[&str],
        call: usize,
        moment: PausePoint,
    ) -> StartedCommand {
        self.request_count.store(0, Ordering::SeqCst);
        *self.pause_at.lock().unwrap() = Some((call, moment));
        let started = self.spawn_and_wait(arguments, None);
        *self.pause_at.lock().unwrap() = None;
        started
    }

    /// Starts a run, and is back once it said something on standard error, or has ended.
    pub(super) fn run_until_stderr_contains(&self, arguments: &[&str], text: &'static str) -> StartedCommand {
        self.spawn_and_wait(arguments, Some(text))
    }

    fn spawn_and_wait(&self, arguments: &[&str], text: Option<&'static str>) -> StartedCommand {
        let mut command = self.repository.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let tell = self.event_sender.clone();
        let out = thread::spawn(move || {
            let text = read_all(out);
            // Nobody listens any more where it was held.
            drop(tell.send(ProxyEvent::Exited));
            text
        });
        let tell = self.event_sender.clone();
        let err = thread::spawn(move || {
            let mut said = String::new();
            for line in BufReader::new(err).lines().map(Result::unwrap) {
                if text.is_some_and(|text| line.contains(text)) {
                    drop(tell.send(ProxyEvent::OutputSeen));
                }
                said.push_str(&(line + "\n"));
            }
            said
        });
        let readers = [out, err];
        let event = self.events.recv().unwrap();
        let is_held = matches!(event, ProxyEvent::Paused);
        assert_eq!(
            matches!(event, ProxyEvent::OutputSeen),
            text.is_some(),
            "it ended"
        );
        StartedCommand {
            child,
            readers,
            is_paused: is_held,
        }
    }

    /// Lets the call go on that is held up.
    pub(super) fn resume(&self) {
        self.resume_sender.send(()).unwrap();
    }

    /// Asks the service itself.
    pub(super) fn get_control_endpoint(&self, path: &str) -> Value {
        let request = format!(
            "GET /_sandbox/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: {CREDENTIALS}\r\nconnection: close\r\n\r\n",
            self.sandbox_address
        );
        let answer = send_raw_request(self.sandbox_address, request.as_bytes());
        let text = String::from_utf8(answer).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for ProxiedSandbox {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// Passes calls on to the service, one a connection.
#[derive(Clone)]
struct Proxy {
    sandbox_address: SocketAddr,
    pause_at: Arc<Mutex<Option<(usize, PausePoint)>>>,
    request_count: Arc<AtomicUsize>,
    event_sender: Sender<ProxyEvent>,
    resume_receiver: Arc<Mutex<Receiver<()>>>,
}

impl Proxy {
    fn forward(&self, mut stream: TcpStream) {
        let Some(request) = read_request(&stream) else {
            return;
        };
        let number = self.request_count.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.pause_at.lock().unwrap().filter(|(call, _)| *call == number);
        let moment = cut.map(|(_, moment)| moment);
        if moment == Some(PausePoint::Before) && !self.pause() {
            return;
        }
        let answer = send_raw_request(self.sandbox_address, &request);
        if moment == Some(PausePoint::After) && !self.pause() {
            return;
        }
        // A run that was killed meanwhile reads no answer.
        drop(stream.write_all(&answer));
    }

    /// Holds the call up; whether it may go on after all.
    fn pause(&self) -> bool {
        drop(self.event_sender.send(ProxyEvent::Paused));
        self.resume_receiver.lock().unwrap().recv().is_ok()
    }
}

fn read_all(mut stream: impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
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

fn send_raw_request(service: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}
