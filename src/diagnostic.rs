//! What is wrong, where, and what to do about it: a value, never printed here.
//!
//! Every stage that reads what people wrote returns all its diagnostics at once; `render` turns them into
//! text with excerpts or into JSON. Codes are stable for ever: a code that is no longer raised is retired,
//! not used again.

use std::ops::Range;
use std::sync::Arc;

/// How much a diagnostic matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The files cannot be used.
    Error,
    /// The files can be used, but say something that is probably not meant.
    Warning,
    /// Worth knowing, nothing to mend.
    Note,
}

impl Severity {
    /// The word used in text and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A place in a file that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file as the user would name it: relative to the working directory where possible, `/` between parts.
    pub file: Arc<str>,
    /// 1-based line; 0 when the place is the whole file (it could not be read, say).
    pub line: u32,
    /// 1-based column in characters; 0 when the place is the whole file.
    pub column: u32,
    /// Bytes of the file's text that are meant; empty when the place is the whole file.
    pub span: Range<usize>,
}

impl Location {
    /// The whole of `file`, for faults that have no line.
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

/// A place with the words that stand beside it in the excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What is pointed at.
    pub location: Location,
    /// The words; may be empty.
    pub message: String,
}

/// One thing worth saying about the files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a diagnostic says something only when it is rendered"]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// Stable code such as `SEG012`.
    pub code: &'static str,
    /// One lowercase phrase; names that users wrote stand in backticks.
    pub message: String,
    /// Where; the first is the primary one, the others are what it relates to.
    pub labels: Vec<Label>,
    /// Facts that explain the message.
    pub notes: Vec<String>,
    /// What to do next.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at `place`, with `label` beside the excerpt.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Error, code, message, location, label)
    }

    /// A warning at `place`, with `label` beside the excerpt.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        location: Location,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Severity::Warning, code, message, location, label)
    }

    /// A note at `place`, with `label` beside the excerpt.
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
        let labels = vec![Label {
            location,
            message: label.into(),
        }];
        Self {
            severity,
            code,
            message: message.into(),
            labels,
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Adds a second place, for faults that two places cause together.
    pub fn with_label(mut self, location: Location, message: impl Into<String>) -> Self {
        self.labels.push(Label {
            location,
            message: message.into(),
        });
        self
    }

    /// Adds a fact that explains the message.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do next.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}
