//! What a failed call means for the caller: told apart by status and fields, never by wording, since the
//! service's codes and texts differ from answer to answer.

mod classify;

pub(super) use classify::{classify, garbage, printable, silence};

use super::operation::Operation;
use crate::model::{SegmentId, SegmentName};
use jiff::Timestamp;
use std::fmt;

/// A call that failed, for good as far as this client is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// Which call.
    pub operation: Operation,
    /// What came of it.
    pub kind: ApiError,
}

impl CallError {
    /// Whether the call was a write whose effect is unknown: only reading back can tell.
    #[must_use]
    pub fn is_ambiguous_write(&self) -> bool {
        self.operation.is_write() && self.kind.may_have_been_processed()
    }

    /// Whether the call may be processed later than its answer came, if one did: what stands between here and the service
    /// answers for it when it waited long enough.
    #[must_use]
    pub fn may_still_arrive(&self) -> bool {
        match self.kind {
            ApiError::Lost { .. } => true,
            ApiError::Server { status, .. } => matches!(status, 408 | 502 | 504),
            _ => false,
        }
    }

    /// Whether the service looked at the segment before it refused, or may have: where an earlier call was not answered,
    /// any other refusal leaves open what became of that one.
    #[must_use]
    pub fn tells_of_segment(&self) -> bool {
        match &self.kind {
            ApiError::Unreachable { .. }
            | ApiError::Credentials { .. }
            | ApiError::ActiveLimit { .. }
            | ApiError::RateLimited { .. }
            | ApiError::Stopped
            | ApiError::TurnOver => false,
            ApiError::Lost { .. }
            | ApiError::Forbidden { .. }
            | ApiError::NotFound { .. }
            | ApiError::NameTaken { .. }
            | ApiError::DefinitionTaken { .. }
            | ApiError::Refused { .. }
            | ApiError::Server { .. }
            | ApiError::Garbage { .. } => true,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, kind } = self;
        write!(formatter, "cannot {operation}: {kind}")?;
        if self.is_ambiguous_write() {
            formatter
                .write_str("; it may have taken effect: read the segment back before anything is sent again")
        } else if let Some(next) = kind.next() {
            write!(formatter, "; {next}")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for CallError {}

/// The ways a call fails. Messages are the service's own words: printable, short and without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No connection came about; the call was certainly not processed.
    Unreachable {
        /// What went wrong.
        message: String,
    },
    /// The call went out and no answer came.
    Lost {
        /// What went wrong.
        message: String,
    },
    /// Wrong credentials, or a key without this scope: every other call will fail likewise.
    Credentials {
        /// 401 or 403; `None` when nothing was sent because a credential is missing.
        status: Option<u16>,
        /// The service's words.
        message: String,
    },
    /// The segment cannot be updated: it is archived, or no filter segment.
    Forbidden {
        /// The service's words.
        message: String,
    },
    /// No segment has this id or name.
    NotFound {
        /// The service's words.
        message: String,
    },
    /// Another segment, active or archived, has this name.
    NameTaken {
        /// The service's words.
        message: String,
    },
    /// Another segment has this definition.
    DefinitionTaken {
        /// Its id, when the service says so.
        existing_id: Option<SegmentId>,
        /// Its name, when the service says so.
        existing_name: Option<SegmentName>,
    },
    /// The service does not take this call as it is: bad format, circular reference, too large.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's words.
        message: String,
    },
    /// The workspace holds as many active segments as it may.
    ActiveLimit {
        /// How many it holds.
        actual_count: Option<u64>,
        /// How many it may hold.
        limit: Option<u64>,
    },
    /// Too many calls; the call was not processed.
    RateLimited {
        /// The service's words, which name the window.
        message: String,
        /// When the window ends, when the service says so.
        reset: Option<Timestamp>,
    },
    /// Nothing was sent: somebody wanted the run to end while the call waited for its turn.
    Stopped,
    /// Nothing was sent: getting ready for it took so long that what it rests on may be old.
    TurnOver,
    /// The service failed.
    Server {
        /// The HTTP status.
        status: u16,
        /// The service's words.
        message: String,
    },
    /// An answer of success that cannot be read.
    Garbage {
        /// What it should have held.
        expected: String,
        /// How it began.
        came: String,
    },
}

impl ApiError {
    /// Whether the service may have acted on the call all the same.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Server { .. } | Self::Garbage { .. } => true,
            Self::Unreachable { .. }
            | Self::Credentials { .. }
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::NameTaken { .. }
            | Self::DefinitionTaken { .. }
            | Self::Refused { .. }
            | Self::ActiveLimit { .. }
            | Self::RateLimited { .. }
            | Self::Stopped
            | Self::TurnOver => false,
        }
    }

    /// What a person can do about it.
    fn next(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => {
                Some("nothing was sent: check the endpoint, the network and the proxy")
            }
            Self::Credentials { status: None, .. } => Some("nothing was sent: set it for this workspace"),
            Self::Credentials { .. } => Some(
                "check `workspace_id`, `api_key` (the Data key, or one with the Segmentation scope) and the data center",
            ),
            Self::Forbidden { .. } => {
                Some("an archived segment has to be unarchived first; only filter segments can be updated")
            }
            Self::NameTaken { .. } => Some(
                "names stay taken when segments are archived, and may when they are renamed: choose another one",
            ),
            Self::ActiveLimit { .. } => Some("archive segments that nobody uses, or have the limit raised"),
            Self::RateLimited { .. } => Some(
                "it was not processed: run again later, or lower `rate_limits` when others share the workspace",
            ),
            Self::Lost { .. }
            | Self::Server { .. }
            | Self::Garbage { .. }
            | Self::Stopped
            | Self::TurnOver => Some("run again later"),
            Self::NotFound { .. } | Self::DefinitionTaken { .. } | Self::Refused { .. } => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { message } => write!(formatter, "no connection to the service ({message})"),
            Self::Lost { message } => write!(formatter, "the answer was lost ({message})"),
            Self::Credentials {
                status: None,
                message,
            } => formatter.write_str(message),
            Self::Credentials {
                status: Some(status),
                message,
            } => write!(
                formatter,
                "the service refused the credentials ({status}: {message})"
            ),
            Self::Forbidden { message } => {
                write!(formatter, "the segment cannot be updated (403: {message})")
            }
            Self::NotFound { message } => write!(formatter, "there is no such segment ({message})"),
            Self::NameTaken { message } => write!(formatter, "another segment has the name ({message})"),
            Self::DefinitionTaken {
                existing_id,
                existing_name,
            } => {
                match existing_name {
                    Some(name) => write!(formatter, "segment `{}`", printable(name.as_str()))?,
                    None => formatter.write_str("another segment")?,
                }
                if let Some(id) = existing_id {
                    write!(formatter, " (id `{id}`)")?;
                }
                formatter.write_str(" already has this definition")
            }
            Self::Refused { status, message } => {
                write!(formatter, "the service does not take it ({status}: {message})")
            }
            Self::ActiveLimit { actual_count, limit } => {
                formatter.write_str("the workspace's limit of active segments is reached")?;
                match (actual_count, limit) {
                    (Some(count), Some(limit)) => write!(formatter, " ({count} of {limit})"),
                    (Some(count), None) => write!(formatter, " ({count} are active)"),
                    (None, _) => Ok(()),
                }
            }
            Self::RateLimited { message, reset } => {
                write!(formatter, "too many calls ({message})")?;
                match reset {
                    Some(reset) => write!(formatter, ", none is let through before {reset:.0}"),
                    None => Ok(()),
                }
            }
            Self::Stopped => formatter.write_str("the run was stopped before it was sent"),
            Self::TurnOver => formatter.write_str("its turn was over before it was sent"),
            Self::Server { status, message } => write!(formatter, "the service failed ({status}: {message})"),
            Self::Garbage { expected, came } => {
                write!(
                    formatter,
                    "the answer cannot be read: expected {expected}, got `{came}`"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
