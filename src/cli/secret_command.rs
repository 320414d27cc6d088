//! Commands that print a secret.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{error, fmt, io};

/// Long enough for a request to a vault. It ends a command that waits for input.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// How often to check whether the command has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long output may arrive after the command has ended. A process that it left in the background, such as a password
/// agent, can keep the pipe open for ever.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// The rest is read and dropped. A secret is one line, and a message has a few.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) enum SecretCommandError {
    Io(io::Error),
    Timeout(Duration),
    Failed {
        status: ExitStatus,
        /// The last line of the error output, without the secret.
        reason: Option<String>,
    },
    /// The first line is empty.
    NoValue,
}

impl fmt::Display for SecretCommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(formatter, "cannot be run: {error}"),
            Self::Timeout(limit) => write!(formatter, "did not finish within {} seconds", limit.as_secs()),
            Self::Failed { status, reason } => {
                match status.code() {
                    Some(code) => write!(formatter, "failed with exit code {code}")?,
                    None => formatter.write_str("was ended by a signal")?,
                }
                match reason {
                    Some(reason) => write!(formatter, ": {reason}"),
                    None => Ok(()),
                }
            }
            Self::NoValue => formatter.write_str("printed no value"),
        }
    }
}

impl error::Error for SecretCommandError {}

/// The first line that a program prints, if it exits with success within `limit`. A program with a `/` in its name is
/// found from `directory`, like every path of segctl.yaml.
pub(super) fn first_line(
    program: &str,
    arguments: &[String],
    directory: &Path,
    limit: Duration,
) -> Result<String, SecretCommandError> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program_path(program, directory))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(SecretCommandError::Io)?;
    let stdout = child.stdout.take().map(CapturedOutput::read);
    let stderr = child.stderr.take().map(CapturedOutput::read);
    let Some(status) = wait_until(&mut child, deadline).map_err(SecretCommandError::Io)? else {
        drop(child.kill());
        drop(child.wait());
        return Err(SecretCommandError::Timeout(limit));
    };
    let text = stdout.map(|output| output.after_exit(|bytes| bytes.contains(&b'\n')));
    let text = text.unwrap_or_default();
    let value = text.lines().next().unwrap_or_default().trim().to_owned();
    if !status.success() {
        let text = stderr.map(|output| output.after_exit(|_| false));
        let text = text.unwrap_or_default();
        let reason = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        return Err(SecretCommandError::Failed {
            status,
            reason: reason.map(|reason| redact(reason, &value)),
        });
    }
    if value.is_empty() {
        return Err(SecretCommandError::NoValue);
    }
    Ok(value)
}

fn program_path(program: &str, directory: &Path) -> PathBuf {
    if program.contains('/') {
        directory.join(program)
    } else {
        program.into()
    }
}

/// `None` at the deadline.
#[expect(
    clippy::disallowed_methods,
    reason = "it waits for a process, whose time no clock can move"
)]
fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Output that a thread reads while the program runs. It reads on to the end, so that the program can write everything.
struct CapturedOutput {
    content: Mutex<Content>,
    grown: Condvar,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    is_complete: bool,
}

impl CapturedOutput {
    fn read(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let output = Arc::new(Self {
            content: Mutex::default(),
            grown: Condvar::new(),
        });
        let reader = Arc::clone(&output);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let mut content = reader.lock();
                let free = MAX_OUTPUT_BYTES.saturating_sub(content.bytes.len());
                content.bytes.extend(chunk.iter().take(length.min(free)));
                reader.grown.notify_all();
            }
            reader.lock().is_complete = true;
            reader.grown.notify_all();
        });
        output
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The output of a program that has ended, as soon as it `is_enough`.
    fn after_exit(&self, is_enough: impl Fn(&[u8]) -> bool) -> String {
        let waited = self
            .grown
            .wait_timeout_while(self.lock(), OUTPUT_GRACE, |content| {
                !content.is_complete && !is_enough(&content.bytes)
            });
        let (content, _) = waited.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&content.bytes).into_owned()
    }
}

fn redact(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        text.to_owned()
    } else {
        text.replace(secret, "[redacted]")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn output_of(script: &str, limit: Duration) -> Result<String, String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        first_line("sh", &arguments, Path::new("/"), limit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_command_must_print_a_value_before_the_timeout() {
        let failed = |text: &str| Err(format!("failed with exit code {text}"));
        let table = [
            ("echo key; echo more", Ok("key".to_owned())),
            ("printf key", Ok("key".to_owned())),
            // A process in the background keeps the pipes open.
            ("(exec sleep 5) & echo key", Ok("key".to_owned())),
            ("(exec sleep 5) & printf key", Ok("key".to_owned())),
            ("yes | head -c 1000000", Ok("y".to_owned())),
            ("echo", Err("printed no value".to_owned())),
            ("echo key; exit 1", failed("1")),
            ("echo no pinentry >&2; exit 2", failed("2: no pinentry")),
            (
                "echo key; echo bad key key >&2; echo >&2; exit 3",
                failed("3: bad [redacted] [redacted]"),
            ),
            ("kill -9 $$", Err("was ended by a signal".to_owned())),
        ];
        for (script, expected) in table {
            assert_eq!(output_of(script, TIMEOUT), expected, "{script}");
        }
        let endless = output_of("exec tail -f /dev/null", Duration::from_millis(10));
        assert_eq!(endless, Err("did not finish within 0 seconds".to_owned()));
    }

    #[test]
    fn a_program_with_a_slash_is_found_from_the_directory_of_the_settings() {
        for (program, path) in [
            ("./key.sh", "/shop/./key.sh"),
            ("bin/key", "/shop/bin/key"),
            ("/bin/key", "/bin/key"),
        ] {
            assert_eq!(program_path(program, Path::new("/shop")), Path::new(path));
        }
        assert_eq!(program_path("pass", Path::new("/shop")), Path::new("pass"));
    }
}
