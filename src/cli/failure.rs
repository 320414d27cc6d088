//! Failures of commands, and their exit codes. Scripts depend on the codes.

use crate::diagnostic::Diagnostic;
use crate::model::escape_unprintable;
use std::path::Path;
use std::process::ExitCode;
use std::{fmt, io};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Any failure without its own code.
    Error,
    /// The configuration is invalid.
    InvalidFiles,
    /// The configuration conflicts with existing segments.
    Conflict,
    /// The workspace changed since a saved plan was made.
    Stale,
    /// The plan violates a guard.
    Guard,
    /// Another process holds the state lock.
    Lock,
    /// Some steps were not applied, or their result is unknown.
    Partial,
    /// The credentials are missing, or MoEngage rejects them.
    Credentials,
    /// Wrong usage, or no terminal for approval.
    Usage,
    /// SIGINT ended the run.
    Interrupted,
    /// SIGTERM ended the run.
    Terminated,
    /// SIGHUP ended the run: the terminal or the connection to it is gone.
    HungUp,
}

/// The exit code of a plan with changes, with `--detailed-exitcode`.
pub const EXIT_CODE_CHANGES: u8 = 2;

impl FailureKind {
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Error => 1,
            Self::InvalidFiles => 3,
            Self::Conflict => 4,
            Self::Stale => 5,
            Self::Guard => 6,
            Self::Lock => 7,
            Self::Partial => 8,
            Self::Credentials => 9,
            // Not 2, which means changes: a mistyped flag must not look like a plan.
            Self::Usage => 64,
            // The code that a shell reports for a program that a signal killed: 128 plus the signal number.
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::HungUp => 129,
        }
    }

    /// The `kind` in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::InvalidFiles => "invalid_files",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Guard => "guard",
            Self::Lock => "lock",
            Self::Partial => "partial",
            Self::Credentials => "credentials",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::HungUp => "hung_up",
        }
    }
}

impl From<FailureKind> for ExitCode {
    fn from(kind: FailureKind) -> Self {
        Self::from(kind.exit_code())
    }
}

#[derive(Debug)]
pub struct Failure {
    pub kind: FailureKind,
    /// A lowercase phrase.
    pub message: String,
    /// What changed since a saved plan was made.
    pub differences: Box<[String]>,
    /// Outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
    /// The problems of the configuration, if there are any.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            differences: Box::default(),
            causes: Vec::new(),
            help: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// A failure with the sources of `error` as causes.
    #[must_use]
    pub fn from_error(kind: FailureKind, error: &dyn std::error::Error) -> Self {
        let mut failure = Self::new(kind, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(cause.to_string());
            source = cause.source();
        }
        failure
    }

    pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot write `{}`: {error}", path.display());
        Self::new(FailureKind::Error, message)
    }

    pub(super) fn cannot_read(path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot read `{}`: {error}", path.display());
        Self::new(FailureKind::Error, message)
    }

    /// The message, the differences and the causes, one line each.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let lines = std::iter::once(&self.message).chain(&*self.differences);
        lines.chain(&self.causes).cloned().collect()
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error: {}", escape_unprintable(&self.message))?;
        for difference in &*self.differences {
            write!(formatter, "\n  - {}", escape_unprintable(difference))?;
        }
        for cause in &self.causes {
            write!(formatter, "\n  caused by: {}", escape_unprintable(cause))?;
        }
        for help in &self.help {
            write!(formatter, "\n  = help: {}", escape_unprintable(help))?;
        }
        Ok(())
    }
}
