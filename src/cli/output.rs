//! The two streams: results on standard output, everything else on standard error.
//!
//! A reader that closes the pipe early has seen enough: that is success, not an error. A result that is not whole for
//! any other reason is no success, whatever the command did.

use super::arguments::JsonFileArguments;
use super::atomic_file::AtomicFile;
use super::failure::{EXIT_CODE_CHANGES, Failure, FailureKind};
use crate::model::escape_unprintable;
use crate::render::diagnostic::diagnostics_json;
use crate::render::json::FORMAT_VERSION;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// One JSON document instead of text.
    pub(super) json: bool,
    /// Whether colour is wanted at all; standard output and standard error are asked apart.
    colour: bool,
    /// Set once standard output could not be written. There is one for the process, as there is one stream.
    stdout_failed: &'static OnceLock<()>,
}

impl Output {
    /// Output as the flags and the environment want it.
    #[must_use]
    pub(super) fn new(json: bool, no_color: bool) -> Self {
        let refused = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            colour: !refused,
            stdout_failed: Box::leak(Box::default()),
        }
    }

    /// Whether text on standard output is coloured.
    #[must_use]
    pub(super) fn colour(self) -> bool {
        self.colour && (is_colour_forced() || io::stdout().is_terminal())
    }

    /// Whether text on standard error is coloured.
    #[must_use]
    pub(super) fn stderr_colour(self) -> bool {
        self.colour && (is_colour_forced() || io::stderr().is_terminal())
    }

    /// The zone of the clocks that whoever reads this looks at.
    #[must_use]
    pub(super) fn zone(self) -> TimeZone {
        TimeZone::system()
    }

    /// Writes a result; nothing after a part that could not be written, which would look whole.
    pub(super) fn print_result(self, text: &str) {
        if self.stdout_failed() {
            return;
        }
        let mut stream = io::stdout().lock();
        let written = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
        if let Some(error) = ignore_broken_pipe(written)
            && self.stdout_failed.set(()).is_ok()
        {
            self.print_status(&format!("error: cannot write to standard output: {error}\n"));
        }
    }

    /// Whether a part of the result could not be written.
    #[must_use]
    pub(super) fn stdout_failed(self) -> bool {
        self.stdout_failed.get().is_some()
    }

    /// The exit code of a command that came to `code`: no success where its result could not be written.
    #[must_use]
    pub(super) fn exit_code(self, code: ExitCode) -> ExitCode {
        let is_success = code == ExitCode::SUCCESS || code == ExitCode::from(EXIT_CODE_CHANGES);
        if self.stdout_failed() && is_success {
            FailureKind::Error.into()
        } else {
            code
        }
    }

    /// Writes a result as a JSON document.
    pub(super) fn print_json(self, document: &impl Serialize) {
        // Documents are plain structures of text and numbers, which always serialise.
        let text = serde_json::to_string_pretty(document).unwrap_or_default();
        self.print_result(&(text + "\n"));
    }

    /// Writes what is going on.
    pub(super) fn print_status(self, text: &str) {
        // Nobody is left to be told of a stream that cannot be written.
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    /// Writes a line of what is going on. What it names is other people's.
    pub(super) fn print_status_line(self, text: &str) {
        self.print_status(&format!("{}\n", escape_unprintable(text)));
    }

    /// Writes why the command failed; with JSON the document is on standard output all the same.
    pub(super) fn print_failure(self, failure: &Failure) {
        if self.json {
            self.print_json(&json!({
                "format_version": FORMAT_VERSION,
                "error": {
                    "kind": failure.kind.as_str(),
                    "exit_code": failure.kind.exit_code(),
                    "message": failure.message,
                    "differences": failure.differences,
                    "causes": failure.causes,
                    "help": failure.help,
                    "diagnostics": diagnostics_json(&failure.diagnostics),
                },
            }));
        } else {
            self.print_status(&format!("{failure}\n"));
        }
    }
}

/// Writes a file whole.
///
/// # Errors
///
/// The file system refuses.
pub(super) fn write_file_atomically(path: &Path, text: &str) -> Result<(), Failure> {
    AtomicFile::prepare(path)?.write(text)
}

impl JsonFileArguments {
    /// Writes a document where the command line says so.
    ///
    /// # Errors
    ///
    /// The file system refuses.
    pub(super) fn write(&self, document: &impl Serialize) -> Result<(), Failure> {
        match &self.json_file {
            // Documents are plain structures of text and numbers, which always serialise.
            Some(path) => write_file_atomically(
                path,
                &(serde_json::to_string_pretty(document).unwrap_or_default() + "\n"),
            ),
            None => Ok(()),
        }
    }
}

fn is_colour_forced() -> bool {
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0")
}

/// What went wrong, unless the reader has seen enough.
pub(super) fn ignore_broken_pipe(written: io::Result<()>) -> Option<io::Error> {
    written
        .err()
        .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}
