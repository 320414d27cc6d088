//! A sandbox behind a proxy that can pause one request, so that a test can kill the run or start another meanwhile.

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

/// `shop:key-1`, encoded for basic authentication.
const CREDENTIALS: &str = "Basic c2hvcDprZXktMQ==";

/// When a request is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PausePoint {
    /// Before the sandbox receives it.
    Before,
    /// After the sandbox has processed it, before the client receives the response.
    After,
}

enum ProxyEvent {
    Paused,
    /// Standard error contains the expected text.
    OutputSeen,
    Exited,
}

pub(super) struct ProxiedSandbox {
    pub(super) repository: Repository,
    runtime: Runtime,
    server: Option<Server>,
    sandbox_address: SocketAddr,
    /// The number of the paused request, from 1.
    pause_at: Arc<Mutex<Option<(usize, PausePoint)>>>,
    request_count: Arc<AtomicUsize>,
    events: Receiver<ProxyEvent>,
    event_sender: Sender<ProxyEvent>,
    /// Resumes the paused request. Once the sender is dropped, no paused request continues.
    resume_sender: Sender<()>,
}

/// A run of segctl with a paused request, or one that has exited.
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
        let (event_sender, events) = mpsc::channel();
        let (resume_sender, resume_receiver) = mpsc::channel();
        let sandbox = Self {
            repository: Repository::new(),
            sandbox_address: server.address(),
            runtime,
            server: Some(server),
            pause_at: Arc::default(),
            request_count: Arc::default(),
            events,
            event_sender,
            resume_sender,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        sandbox.repository.write(
            "segctl.yaml",
            format!(
                "segments: segments/\nworkspaces:\n  shop:\n    endpoint: \"http://{}\"\n    workspace_id: shop\n    api_key: \
                 {{command: [/bin/echo, key-1]}}\n    db_name: db\n    manages: [\"*\"]\n    adoption: refuse\n    \
                 api_behavior: {{rename_frees_names: true}}\n",
                listener.local_addr().unwrap()
            ),
        );
        let proxy = Proxy {
            sandbox_address: sandbox.sandbox_address,
            pause_at: Arc::clone(&sandbox.pause_at),
            request_count: Arc::clone(&sandbox.request_count),
            event_sender: sandbox.event_sender.clone(),
            resume_receiver: Arc::new(Mutex::new(resume_receiver)),
        };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let proxy = proxy.clone();
                thread::spawn(move || proxy.forward(stream.unwrap()));
            }
        });
        sandbox
    }

    pub(super) fn apply(&self) -> CommandResult {
        self.repository.run(&["apply", "--auto-approve"])
    }

    /// Applies, and kills the run at request `number`. False if the run ended before that request.
    pub(super) fn apply_and_kill_at(&self, number: usize, pause_point: PausePoint) -> bool {
        let mut started = self.run_until_paused(&["apply", "--auto-approve"], number, pause_point);
        let is_paused = started.is_paused;
        if is_paused {
            started.kill();
        }
        started.wait();
        is_paused
    }

    /// Starts a run, and returns when its request `number` is paused or the run has ended.
    pub(super) fn run_until_paused(
        &self,
        arguments: &[&str],
        number: usize,
        pause_point: PausePoint,
    ) -> StartedCommand {
        self.request_count.store(0, Ordering::SeqCst);
        *self.pause_at.lock().unwrap() = Some((number, pause_point));
        let started = self.spawn_and_wait(arguments, None);
        *self.pause_at.lock().unwrap() = None;
        started
    }

    /// Starts a run, and returns when its standard error contains `text`. Panics if the run ends before.
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
        let sender = self.event_sender.clone();
        let out = thread::spawn(move || {
            let text = read_all(out);
            // The test does not receive this event if the run was paused.
            drop(sender.send(ProxyEvent::Exited));
            text
        });
        let sender = self.event_sender.clone();
        let err = thread::spawn(move || {
            let mut stderr = String::new();
            for line in BufReader::new(err).lines().map(Result::unwrap) {
                if text.is_some_and(|text| line.contains(text)) {
                    drop(sender.send(ProxyEvent::OutputSeen));
                }
                stderr.push_str(&(line + "\n"));
            }
            stderr
        });
        let readers = [out, err];
        let event = self.events.recv().unwrap();
        let is_paused = matches!(event, ProxyEvent::Paused);
        assert_eq!(
            matches!(event, ProxyEvent::OutputSeen),
            text.is_some(),
            "the run ended before it printed the expected text"
        );
        StartedCommand {
            child,
            readers,
            is_paused,
        }
    }

    pub(super) fn resume(&self) {
        self.resume_sender.send(()).unwrap();
    }

    /// Reads a control endpoint of the sandbox, without the proxy.
    pub(super) fn get_control_endpoint(&self, path: &str) -> Value {
        let request = format!(
            "GET /_sandbox/{path} HTTP/1.1\r\nhost: {}\r\nauthorization: {CREDENTIALS}\r\nconnection: close\r\n\r\n",
            self.sandbox_address
        );
        let response = send_raw_request(self.sandbox_address, request.as_bytes());
        let text = String::from_utf8(response).unwrap();
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

/// Forwards requests to the sandbox, one per connection.
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
        let pause_at = self
            .pause_at
            .lock()
            .unwrap()
            .filter(|(paused, _)| *paused == number);
        let pause_point = pause_at.map(|(_, pause_point)| pause_point);
        if pause_point == Some(PausePoint::Before) && !self.pause() {
            return;
        }
        let response = send_raw_request(self.sandbox_address, &request);
        if pause_point == Some(PausePoint::After) && !self.pause() {
            return;
        }
        // This fails if the run was killed meanwhile.
        drop(stream.write_all(&response));
    }

    /// Pauses the request. False if it must not continue.
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

/// Reads a request, and adds a header that closes the connection. `None` if the client closed it without a request.
pub(super) fn read_request(stream: &TcpStream) -> Option<Vec<u8>> {
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

pub(super) fn send_raw_request(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    response
}
