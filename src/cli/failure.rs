//! Why a command failed, and the exit code for it. Codes are part of the interface: scripts read them.

use crate::diagnostic::Diagnostic;
use crate::model::escape_unprintable;
use std::fmt;
use std::process::ExitCode;

/// The kinds of failure, one exit code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Anything without a code of its own.
    Error,
    /// The files cannot be used.
    InvalidFiles,
    /// The workspace has what the files want to make, or the files contradict it.
    Conflict,
    /// A saved plan does not hold any more.
    Stale,
    /// A guard refused the plan.
    Guard,
    /// Somebody else is changing the ledger.
    Lock,
    /// Some steps were not applied, or it is not known whether they were.
    Partial,
    /// The credentials are missing or refused.
    Credentials,
    /// The command line makes no sense.
    Usage,
    /// Ctrl-C ended the run.
    Interrupted,
    /// The signal that a pipeline sends ended the run.
    Terminated,
}

/// Exit code of a plan with changes, when asked to tell.
pub const EXIT_CODE_CHANGES: u8 = 2;

impl FailureKind {
    /// The exit code.
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
            // What a shell says of a program that died of the signal: 128 and the signal's number.
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The word for the kind in JSON.
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
        }
    }
}

impl From<FailureKind> for ExitCode {
    fn from(kind: FailureKind) -> Self {
        Self::from(kind.exit_code())
    }
}

/// A failure with what to say about it.
#[derive(Debug)]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// What failed; a lowercase phrase.
    pub message: String,
    /// What is not as it should be, each thing on its own.
    pub differences: Box<[String]>,
    /// What caused it, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
    /// What is wrong with which file, where files are at fault.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// A failure that `message` says all about.
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

    /// A failure that `error` and what caused it say all about.
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

    /// What failed, what is not as it should be, and what caused it, one line each.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let said = std::iter::once(&self.message).chain(&*self.differences);
        said.chain(&self.causes).cloned().collect()
    }

    /// Adds what to do next.
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
