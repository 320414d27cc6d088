//! Why segctl cannot write a remote definition to a file.

use std::error::Error;
use std::fmt;

#[derive(Debug)]
#[non_exhaustive]
pub enum EditError {
    /// MoEngage returned something else where a group of filters should be.
    NotAGroup {
        path: String,
    },
    /// Not even valid as a `raw` filter.
    InvalidFilter {
        path: String,
        reason: String,
    },
    InvalidText {
        path: String,
        reason: String,
    },
    RoundTripMismatch {
        path: String,
    },
    OverlappingEdits {
        /// In bytes of the file.
        offset: usize,
    },
    /// The edit would also change another field, such as one behind the same alias.
    SharedField {
        field: String,
    },
    /// The edit is right, but text would be lost with it.
    LostText {
        /// A comment, an anchor or an alias.
        text: String,
        line: usize,
        /// Of the whole file.
        diff: String,
    },
    Serialization(serde_yaml::ser::Error),
}

impl EditError {
    pub(super) fn mismatch(path: impl Into<String>) -> Self {
        Self::RoundTripMismatch { path: path.into() }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAGroup { path } => write!(
                formatter,
                "`{path}` is not a group of filters, so segctl cannot write it; declare the segment manually"
            ),
            Self::InvalidFilter { path, reason } => {
                write!(
                    formatter,
                    "cannot write the filter `{path}`, not even as `raw`: {reason}"
                )
            }
            Self::InvalidText { path, reason } => {
                write!(formatter, "the new text for `{path}` would be invalid: {reason}")
            }
            Self::RoundTripMismatch { path } => write!(
                formatter,
                "the new text would differ from the workspace: {path}; edit the file manually"
            ),
            Self::OverlappingEdits { offset } => write!(
                formatter,
                "two edits of the file overlap at byte {offset}; update one segment at a time"
            ),
            Self::SharedField { field } => write!(
                formatter,
                "the field `{field}` would also change; edit the file manually"
            ),
            Self::LostText { text, line, diff } => write!(
                formatter,
                "`{text}` in line {line} would be lost; keep it, and apply this change manually:\n{diff}"
            ),
            Self::Serialization(_) => formatter.write_str("cannot write the definition as YAML"),
        }
    }
}

impl Error for EditError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Serialization(error) => Some(error),
            _ => None,
        }
    }
}
