//! Diagnostics: what is wrong in the configuration, where, and what to do about it. `render` prints them.
//!
//! A stage that reads the configuration returns all its diagnostics at once. Codes are stable: the code of a removed rule
//! is never reused.

pub mod phrases;
pub mod shell_commands;
pub mod yaml_scalar;

use std::ops::Range;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but probably contains a mistake.
    Warning,
    /// For information only.
    Note,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Relative to the working directory where possible, with `/` as separator.
    pub file: Arc<str>,
    /// 1-based; 0 for the whole file, such as an unreadable one.
    pub line: u32,
    /// 1-based, in characters; 0 for the whole file.
    pub column: u32,
    /// Byte range in the file's text; empty for the whole file.
    pub span: Range<usize>,
}

impl Location {
    #[must_use]
    pub fn whole_file(file: Arc<str>) -> Self {
        Self {
            file,
            line: 0,
            column: 0,
            span: 0..0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub location: Location,
    /// The text beside the excerpt. It may be empty.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a diagnostic has no effect unless it is rendered"]
pub struct Diagnostic {
    pub severity: Severity,
    /// Such as `SEG012`.
    pub code: &'static str,
    /// A lowercase phrase, with the user's names in backticks.
    pub message: String,
    /// The first label is the primary location. The others are related locations.
    pub labels: Vec<Label>,
    /// Facts that explain the message.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, message, location, label)
    }

    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, message, location, label)
    }

    pub fn note(
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Note, code, message, location, label)
    }

    fn new(
        severity: Severity,
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        let diagnostic = Self {
            severity,
            code,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        };
        diagnostic.with_label(location, label)
    }

    pub fn with_label(mut self, location: Location, message: impl Into<String>) -> Self {
        self.labels.push(Label {
            location,
            message: message.into(),
        });
        self
    }

    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
