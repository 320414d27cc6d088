//! Why something live cannot be said in a file.

use std::error::Error;
use std::fmt;

/// A definition, or a change, that no text says.
#[derive(Debug)]
#[non_exhaustive]
pub enum EditError {
    /// A part of a live definition that should be a group of filters is none: a fault or a novelty of the service.
    NotAGroup {
        /// The way to it, such as `included_filters`.
        path: String,
    },
    /// A filter that is not even JSON that a `raw` filter holds.
    InvalidFilter {
        /// The way to it, such as `included_filters.filters[2]`.
        path: String,
        /// What the decoder says of it.
        reason: String,
    },
    /// The text would have a fault in form.
    InvalidText {
        /// The field that it is about, or `document` for the whole.
        path: String,
        /// What the decoder says of it.
        reason: String,
    },
    /// The text would say something else.
    RoundTripMismatch {
        /// The first difference.
        path: String,
    },
    /// Edits of one file that touch each other.
    OverlappingEdits {
        /// The byte of the file where they meet.
        offset: usize,
    },
    /// Another field would change with what is edited, such as behind an alias.
    SharedField {
        /// The field.
        field: String,
    },
    /// A comment about something that stays would be lost.
    LostComment {
        /// The comment.
        text: String,
    },
    /// The emitter failed.
    Serialization(serde_yaml::ser::Error),
}

impl fmt::Display for EditError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAGroup { path } => write!(
                formatter,
                "`{path}` is no group of filters that a file can hold; declare the segment by hand"
            ),
            Self::InvalidFilter { path, reason } => {
                write!(
                    formatter,
                    "the filter `{path}` cannot be written, not even as raw: {reason}"
                )
            }
            Self::InvalidText { path, reason } => {
                write!(formatter, "the text for `{path}` would be refused: {reason}")
            }
            Self::RoundTripMismatch { path } => write!(
                formatter,
                "the text would say something else than the workspace: {path}; edit the file by hand"
            ),
            Self::OverlappingEdits { offset: at } => write!(
                formatter,
                "two edits of the file meet at byte {at}; write one declaration at a time"
            ),
            Self::SharedField { field } => write!(
                formatter,
                "the field `{field}` would change with it; edit the file by hand"
            ),
            Self::LostComment { text } => write!(
                formatter,
                "the comment `{text}` would be lost; edit the file by hand"
            ),
            Self::Serialization(_) => formatter.write_str("the definition cannot be written as YAML"),
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
