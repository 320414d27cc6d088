//! Runs a process with a time limit.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

pub(super) struct ProcessOutput {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

type Chunk = (Stream, Vec<u8>);

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Kills the process at the limit; the error then contains the output so far.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<ProcessOutput, String> {
    let end = Instant::now() + limit;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let chunks = read_streams(&mut child);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match chunks.recv_timeout(left) {
            Ok((Stream::Out, bytes)) => out.extend(bytes),
            Ok((Stream::Err, bytes)) => err.extend(bytes),
            // Both streams are closed.
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().map_err(|error| error.to_string())?;
                child.wait().map_err(|error| error.to_string())?;
                return Err(format!(
                    "did not exit within {} seconds; output so far:\n{}{}",
                    limit.as_secs(),
                    String::from_utf8_lossy(&out),
                    String::from_utf8_lossy(&err)
                ));
            }
        }
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    Ok(ProcessOutput {
        code: status.code(),
        out: String::from_utf8(out).map_err(|error| error.to_string())?,
        err: String::from_utf8(err).map_err(|error| error.to_string())?,
    })
}

/// The channel closes when the process has closed both streams.
fn read_streams(child: &mut Child) -> mpsc::Receiver<Chunk> {
    let (sender, chunks) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        forward(out, Stream::Out, sender.clone());
    }
    if let Some(err) = child.stderr.take() {
        forward(err, Stream::Err, sender);
    }
    chunks
}

fn forward(mut from: impl Read + Send + 'static, stream: Stream, to: Sender<Chunk>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            // The receiver is gone after the limit.
            if to.send((stream, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
}

#[test]
fn a_process_is_killed_at_the_limit_and_its_output_is_kept() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_segctl"));
    sandbox.args(["sandbox", "--listen", "127.0.0.1:0"]);
    let error = run(&mut sandbox, Duration::from_secs(3)).err().unwrap();
    assert!(
        error.starts_with("did not exit within 3 seconds") && error.contains("http://127.0.0.1:"),
        "{error}"
    );
}
