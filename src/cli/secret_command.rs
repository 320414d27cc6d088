//! Commands that print a secret.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::{error, fmt, io};

/// Long enough for a request to a vault. It ends a command that waits for input.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) enum SecretCommandError {
    Io(io::Error),
    Timeout(Duration),
    /// The command failed, or its first line is empty.
    NoValue,
}

impl fmt::Display for SecretCommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(formatter, "cannot be run: {error}"),
            Self::Timeout(limit) => write!(formatter, "did not finish within {} seconds", limit.as_secs()),
            Self::NoValue => formatter.write_str("printed no value"),
        }
    }
}

impl error::Error for SecretCommandError {}

/// The first line that a program prints, if it exits with success within `limit`.
pub(super) fn first_line(
    program: &str,
    arguments: &[String],
    limit: Duration,
) -> Result<String, SecretCommandError> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(SecretCommandError::Io)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stdout.read_to_end(&mut bytes).map(|_| bytes);
            // After the timeout, the receiver no longer exists.
            drop(sender.send(read));
        });
    }
    let Ok(read) = receiver.recv_timeout(limit) else {
        drop(child.kill());
        drop(child.wait());
        return Err(SecretCommandError::Timeout(limit));
    };
    let bytes = read.map_err(SecretCommandError::Io)?;
    let status = child.wait().map_err(SecretCommandError::Io)?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    if status.success() && !line.is_empty() {
        Ok(line.to_owned())
    } else {
        Err(SecretCommandError::NoValue)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn output_of(script: &str, limit: Duration) -> Result<String, String> {
        let arguments = ["-c".to_owned(), script.to_owned()];
        first_line("sh", &arguments, limit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_command_must_print_a_value_before_the_timeout() {
        let table = [
            ("echo key; echo more", Ok("key".to_owned())),
            ("echo", Err("printed no value".to_owned())),
            ("echo key; exit 1", Err("printed no value".to_owned())),
        ];
        for (script, expected) in table {
            assert_eq!(output_of(script, TIMEOUT), expected, "{script}");
        }
        let endless = output_of("exec tail -f /dev/null", Duration::from_millis(10));
        assert_eq!(endless, Err("did not finish within 0 seconds".to_owned()));
    }
}
