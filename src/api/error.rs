//! What a failed call means for the caller: told apart by status and fields, never by wording, since the
//! service's codes and texts differ from answer to answer.

mod classify;

pub(super) use classify::{classify, classify_transport_error, escape_and_truncate, malformed_response};

use super::operation::Operation;
use crate::model::{SegmentId, SegmentName};
use jiff::Timestamp;
use std::fmt;

/// A call that failed, for good as far as this client is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// Which call.
    pub operation: Operation,
    /// What came of it.
    pub kind: ApiError,
}

impl RequestError {
    /// Whether the call was a write whose effect is unknown: only reading back can tell.
    #[must_use]
    pub fn is_ambiguous_write(&self) -> bool {
        self.operation.is_write() && self.kind.may_have_been_processed()
    }

    /// Whether the call may be processed later than its answer came, if one did: what stands between here and the service
    /// answers for it when it waited long enough.
    #[must_use]
    pub fn may_still_be_processed(&self) -> bool {
        match self.kind {
            ApiError::NoResponse { .. } => true,
            ApiError::Server { status, .. } => matches!(status, 408 | 502 | 504),
            _ => false,
        }
    }

    /// Whether the service looked at the segment before it refused, or may have: where an earlier call was not answered,
    /// any other refusal leaves open what became of that one.
    #[must_use]
    pub fn may_reflect_segment_state(&self) -> bool {
        match &self.kind {
            ApiError::Unreachable { .. }
            | ApiError::InvalidCredentials { .. }
            | ApiError::ActiveLimit { .. }
            | ApiError::RateLimited { .. }
            | ApiError::Cancelled
            | ApiError::PermitExpired => false,
            ApiError::NoResponse { .. }
            | ApiError::NotUpdatable { .. }
            | ApiError::NotFound { .. }
            | ApiError::NameTaken { .. }
            | ApiError::DefinitionTaken { .. }
            | ApiError::Refused { .. }
            | ApiError::Server { .. }
            | ApiError::MalformedResponse { .. } => true,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, kind } = self;
        write!(formatter, "cannot {operation}: {kind}")?;
        if self.is_ambiguous_write() {
            formatter
                .write_str("; it may have taken effect: read the segment back before anything is sent again")
        } else if let Some(next) = kind.help() {
            write!(formatter, "; {next}")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for RequestError {}

/// The ways a call fails. Messages are the service's own words: printable, short and without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// No connection came about; the call was certainly not processed.
    Unreachable {
        /// What went wrong.
        message: String,
    },
    /// The call went out and no answer came.
    NoResponse {
        /// What went wrong.
        message: String,
    },
    /// Wrong credentials, or a key without this scope: every other call will fail likewise.
    InvalidCredentials {
        /// 401 or 403; `None` when nothing was sent because a credential is missing.
        status: Option<u16>,
        /// The service's words.
        message: String,
    },
    /// The segment cannot be updated: it is archived, or no filter segment.
    NotUpdatable {
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
    Cancelled,
    /// Nothing was sent: getting ready for it took so long that what it rests on may be old.
    PermitExpired,
    /// The service failed.
    Server {
        /// The HTTP status.
        status: u16,
        /// The service's words.
        message: String,
    },
    /// An answer of success that cannot be read.
    MalformedResponse {
        /// What it should have held.
        expected: String,
        /// How it began.
        received: String,
    },
}

impl ApiError {
    /// Whether the service may have acted on the call all the same.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::NoResponse { .. } | Self::Server { .. } | Self::MalformedResponse { .. } => true,
            Self::Unreachable { .. }
            | Self::InvalidCredentials { .. }
            | Self::NotUpdatable { .. }
            | Self::NotFound { .. }
            | Self::NameTaken { .. }
            | Self::DefinitionTaken { .. }
            | Self::Refused { .. }
            | Self::ActiveLimit { .. }
            | Self::RateLimited { .. }
            | Self::Cancelled
            | Self::PermitExpired => false,
        }
    }

    /// What a person can do about it.
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => {
                Some("nothing was sent: check the endpoint, the network and the proxy")
            }
            Self::InvalidCredentials { status: None, .. } => {
                Some("nothing was sent: set it for this workspace")
            }
            Self::InvalidCredentials { .. } => Some(
                "check `workspace_id`, `api_key` (the Data key, or one with the Segmentation scope) and the data center",
            ),
            Self::NotUpdatable { .. } => {
                Some("an archived segment has to be unarchived first; only filter segments can be updated")
            }
            Self::NameTaken { .. } => Some(
                "names stay taken when segments are archived, and may when they are renamed: choose another one",
            ),
            Self::ActiveLimit { .. } => Some("archive segments that nobody uses, or have the limit raised"),
            Self::RateLimited { .. } => Some(
                "it was not processed: run again later, or lower `rate_limits` when others share the workspace",
            ),
            Self::NoResponse { .. }
            | Self::Server { .. }
            | Self::MalformedResponse { .. }
            | Self::Cancelled
            | Self::PermitExpired => Some("run again later"),
            Self::NotFound { .. } | Self::DefinitionTaken { .. } | Self::Refused { .. } => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { message } => write!(formatter, "no connection to the service ({message})"),
            Self::NoResponse { message } => write!(formatter, "the answer was lost ({message})"),
            Self::InvalidCredentials {
                status: None,
                message,
            } => formatter.write_str(message),
            Self::InvalidCredentials {
                status: Some(status),
                message,
            } => write!(
                formatter,
                "the service refused the credentials ({status}: {message})"
            ),
            Self::NotUpdatable { message } => {
                write!(formatter, "the segment cannot be updated (403: {message})")
            }
            Self::NotFound { message } => write!(formatter, "there is no such segment ({message})"),
            Self::NameTaken { message } => write!(formatter, "another segment has the name ({message})"),
            Self::DefinitionTaken {
                existing_id,
                existing_name,
            } => {
                match existing_name {
                    Some(name) => write!(formatter, "segment `{}`", escape_and_truncate(name.as_str()))?,
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
            Self::Cancelled => formatter.write_str("the run was stopped before it was sent"),
            Self::PermitExpired => formatter.write_str("its turn was over before it was sent"),
            Self::Server { status, message } => write!(formatter, "the service failed ({status}: {message})"),
            Self::MalformedResponse {
                expected,
                received: came,
            } => {
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
