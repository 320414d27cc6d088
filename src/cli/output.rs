//! The two streams: results on standard output, everything else on standard error.
//!
//! A reader that closes the pipe early is not an error. Any other incomplete result makes the command fail.

use super::arguments::{CompactArguments, JsonFileArguments};
use super::atomic_file::AtomicFile;
use super::failure::{EXIT_CODE_CHANGES, Failure, FailureKind};
use crate::diagnostic::Diagnostic;
use crate::model::escape_unprintable;
use crate::render::diagnostic::{diagnostics_json, limited_diagnostics_text};
use crate::render::json::FORMAT_VERSION;
use crate::render::text::TextOptions;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
    /// Diagnostics that text shows in full; 0 means all. JSON has all.
    max_errors: usize,
    allow_color: bool,
    /// Set once standard output could not be written. The process has one stream, so it has one flag.
    stdout_failed: &'static OnceLock<()>,
}

impl Output {
    pub(super) fn new(json: bool, no_color: bool, max_errors: usize) -> Self {
        let is_disabled = no_color || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            json,
            max_errors,
            allow_color: !is_disabled,
            stdout_failed: Box::leak(Box::default()),
        }
    }

    pub(super) fn color(self) -> bool {
        self.allow_color && (is_color_forced() || io::stdout().is_terminal())
    }

    pub(super) fn text_options(self, arguments: &CompactArguments) -> TextOptions {
        TextOptions {
            color: self.color(),
            compact: arguments.compact,
        }
    }

    fn stderr_color(self) -> bool {
        self.allow_color && (is_color_forced() || io::stderr().is_terminal())
    }

    /// Diagnostics for standard error, where `sources` returns the text of a file by its name.
    pub(super) fn diagnostics_text<'a>(
        self,
        diagnostics: &[Diagnostic],
        sources: &dyn Fn(&str) -> Option<&'a str>,
    ) -> String {
        limited_diagnostics_text(diagnostics, sources, self.stderr_color(), self.max_errors)
    }

    /// The time zone of times in text.
    pub(super) fn zone(self) -> TimeZone {
        TimeZone::system()
    }

    /// Writes a result. After a failed write it prints nothing more, because the rest would look complete.
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

    pub(super) fn stdout_failed(self) -> bool {
        self.stdout_failed.get().is_some()
    }

    /// Turns success into an error if the result could not be written.
    pub(super) fn exit_code(self, code: ExitCode) -> ExitCode {
        let is_success = code == ExitCode::SUCCESS || code == ExitCode::from(EXIT_CODE_CHANGES);
        if self.stdout_failed() && is_success {
            FailureKind::Error.into()
        } else {
            code
        }
    }

    pub(super) fn print_json(self, document: &impl Serialize) {
        self.print_result(&json_text(document));
    }

    pub(super) fn print_status(self, text: &str) {
        // If standard error fails, there is no stream left to report it on.
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }

    /// Writes a line, which may contain names from files and from the workspace.
    pub(super) fn print_status_line(self, text: &str) {
        self.print_status(&format!("{}\n", escape_unprintable(text)));
    }

    pub(super) fn print_note(self, note: impl Display) {
        self.print_status_line(&format!("note: {note}"));
    }

    /// Writes a failure to standard error. With JSON, it is the document on standard output.
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

pub(super) fn write_file_atomically(path: &Path, text: &str) -> Result<(), Failure> {
    AtomicFile::prepare(path)?.write(text)
}

impl JsonFileArguments {
    pub(super) fn write(&self, document: &impl Serialize) -> Result<(), Failure> {
        match &self.json_file {
            Some(path) => write_file_atomically(path, &json_text(document)),
            None => Ok(()),
        }
    }
}

pub(super) fn json_text(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("structures of text and numbers serialize") + "\n"
}

fn is_color_forced() -> bool {
    std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0")
}

pub(super) fn ignore_broken_pipe(written: io::Result<()>) -> Option<io::Error> {
    written
        .err()
        .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}
