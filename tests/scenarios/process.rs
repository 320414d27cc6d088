//! A process that may hang: it is ended when its time is up, with what it said so far.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// What a run of a process came to.
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// Where something was said, and what.
type Said = (Stream, Vec<u8>);

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Runs a process to its end, or until its time is up; then what it said so far is in the error.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Ran, String> {
    let end = Instant::now() + limit;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let said = listen(&mut child);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match said.recv_timeout(left) {
            Ok((Stream::Out, bytes)) => out.extend(bytes),
            Ok((Stream::Err, bytes)) => err.extend(bytes),
            // Both streams are closed: it has ended.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(format!(
                    "was ended after {} seconds, and had said so far:\n{}{}",
                    limit.as_secs(),
                    String::from_utf8_lossy(&out),
                    String::from_utf8_lossy(&err)
                ));
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(Ran {
        code: status.code(),
        out: String::from_utf8(out).map_err(|error| error.to_string())?,
        err: String::from_utf8(err).map_err(|error| error.to_string())?,
    })
}

/// What a process says, as it says it, until it has closed both streams.
fn listen(child: &mut Child) -> mpsc::Receiver<Said> {
    let (sender, said) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        pass_on(out, Stream::Out, sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        pass_on(err, Stream::Err, sender);
    }
    said
}

fn pass_on(mut from: impl Read + Send + 'static, stream: Stream, to: Sender<Said>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            // Nobody listens any more once the time is up.
            if to.send((stream, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
}

#[test]
fn what_does_not_end_is_ended_and_had_its_say() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_segctl"));
    sandbox.args(["sandbox", "--listen", "127.0.0.1:0"]);
    let error = run(&mut sandbox, Duration::from_secs(3)).err().unwrap();
    assert!(
        error.starts_with("was ended after 3 seconds") && error.contains("http://127.0.0.1:"),
        "{error}"
    );
}
