//! What a failed request means for the caller. segctl classifies by status and fields and not by wording, because
//! MoEngage's codes and texts vary. The exception are rejected client headers, which no field identifies.

mod from_response;

pub(super) use from_response::{
    ErrorResponse, escape_and_truncate, from_response, from_transport_error, is_rate_limit,
    malformed_response,
};

use super::operation::{Operation, OperationFamily};
use super::transport::SetupProblem;
use crate::model::{SegmentId, SegmentName};
use jiff::Timestamp;
use std::fmt;

/// A request that failed. The client does not retry it any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    pub operation: Operation,
    pub kind: ApiError,
}

impl RequestError {
    /// Whether the effect of a write is unknown. Then only reading the segment shows it.
    #[must_use]
    pub fn is_ambiguous_write(&self) -> bool {
        self.operation.is_write() && self.kind.may_have_been_processed()
    }

    /// Whether MoEngage may process the request after its answer. A gateway that timed out answers in MoEngage's place.
    #[must_use]
    pub fn may_still_be_processed(&self) -> bool {
        match self.kind {
            ApiError::ConnectionClosed { .. } | ApiError::NoResponse { .. } => true,
            ApiError::Server { status, .. } => matches!(status, 408 | 502 | 504),
            _ => false,
        }
    }

    /// Whether MoEngage may have checked the segment before it rejected the request. After an unanswered earlier attempt,
    /// any other rejection does not show the effect of that attempt.
    #[must_use]
    pub fn may_reflect_segment_state(&self) -> bool {
        match &self.kind {
            ApiError::Unreachable { .. }
            | ApiError::Misconfigured { .. }
            | ApiError::InvalidCredentials { .. }
            | ApiError::Redirected { .. }
            | ApiError::AddressNotFound { .. }
            | ApiError::ActiveLimit { .. }
            | ApiError::RateLimited { .. }
            | ApiError::Cancelled
            | ApiError::PermitExpired => false,
            ApiError::ConnectionClosed { .. }
            | ApiError::NoResponse { .. }
            | ApiError::NotUpdatable { .. }
            | ApiError::NotFound { .. }
            | ApiError::NameTaken { .. }
            | ApiError::DefinitionTaken { .. }
            | ApiError::Refused { .. }
            | ApiError::Server { .. }
            | ApiError::UnreadableSegment { .. }
            | ApiError::MalformedResponse { .. } => true,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, kind } = self;
        write!(formatter, "cannot {operation}: {kind}")?;
        if self.is_ambiguous_write() {
            formatter.write_str("; the write may have had an effect: check the segment before you retry")
        } else if let Some(help) = kind.help(operation.family()) {
            write!(formatter, "; {help}")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for RequestError {}

/// Messages of MoEngage in these errors are escaped, truncated and redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// There was no connection, so MoEngage certainly did not process the request.
    Unreachable {
        message: String,
    },
    /// There was no connection, and there will be none until a setting changes. All other requests will fail too.
    Misconfigured {
        problem: SetupProblem,
        message: String,
    },
    /// A connection that carried earlier requests was closed before a byte of the answer.
    ConnectionClosed {
        message: String,
    },
    /// The request was sent, and no complete answer arrived.
    NoResponse {
        message: String,
    },
    /// The credentials are wrong, or the key lacks a scope. All other requests will fail too.
    InvalidCredentials {
        /// 400, 401 or 403; `None` if segctl sent nothing because a credential is missing.
        status: Option<u16>,
        message: String,
    },
    /// The endpoint is not that of the API.
    Redirected {
        status: u16,
        address: String,
        location: Option<String>,
    },
    /// The endpoint does not have the address of the request.
    AddressNotFound {
        address: String,
        message: String,
    },
    /// The segment is archived, or is not a filter segment.
    NotUpdatable {
        message: String,
    },
    NotFound {
        message: String,
    },
    /// The name belongs to another segment, active or archived.
    NameTaken {
        message: String,
    },
    DefinitionTaken {
        existing_id: Option<SegmentId>,
        existing_name: Option<SegmentName>,
    },
    /// MoEngage rejects the request itself: bad format, circular reference, too large.
    Refused {
        status: u16,
        message: String,
    },
    ActiveLimit {
        actual_count: Option<u64>,
        limit: Option<u64>,
    },
    /// MoEngage did not process the request.
    RateLimited {
        /// MoEngage's message, which names the window.
        message: String,
        /// The end of the window, if MoEngage reports it.
        reset: Option<Timestamp>,
    },
    /// segctl sent nothing: the run was cancelled while the request waited.
    Cancelled,
    /// segctl sent nothing: the permit expired, so the data that the write depends on may be stale.
    PermitExpired,
    Server {
        status: u16,
        message: String,
    },
    /// A get request was answered, and the segment in the answer cannot be read. Another attempt gets the same answer.
    UnreadableSegment {
        /// A phrase such as "`name` is null".
        reason: String,
    },
    /// A success whose body cannot be decoded.
    MalformedResponse {
        expected: String,
        received: String,
    },
}

impl ApiError {
    /// Whether MoEngage may have processed the request although it failed.
    #[must_use]
    pub fn may_have_been_processed(&self) -> bool {
        match self {
            Self::ConnectionClosed { .. }
            | Self::NoResponse { .. }
            | Self::Server { .. }
            | Self::MalformedResponse { .. } => true,
            Self::Unreachable { .. }
            | Self::Misconfigured { .. }
            | Self::InvalidCredentials { .. }
            | Self::Redirected { .. }
            | Self::AddressNotFound { .. }
            | Self::NotUpdatable { .. }
            | Self::NotFound { .. }
            | Self::UnreadableSegment { .. }
            | Self::NameTaken { .. }
            | Self::DefinitionTaken { .. }
            | Self::Refused { .. }
            | Self::ActiveLimit { .. }
            | Self::RateLimited { .. }
            | Self::Cancelled
            | Self::PermitExpired => false,
        }
    }

    fn help(&self, family: OperationFamily) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => {
                Some("nothing was sent: check the endpoint, the network and the proxy")
            }
            Self::Misconfigured { problem, .. } => Some(setup_help(*problem)),
            Self::InvalidCredentials { status: None, .. } => {
                Some("nothing was sent: set it for the workspace in segctl.yaml")
            }
            Self::InvalidCredentials {
                status: Some(status), ..
            } => Some(credentials_help(family, *status)),
            Self::Redirected { .. } => Some(
                "check `endpoint` in segctl.yaml: segctl follows no redirects, so set the address that answers the API itself",
            ),
            Self::AddressNotFound { .. } => Some(
                "check `endpoint` in segctl.yaml: it is the address before `/v1`, `/v2` and `/v3`, such as \
                 `https://api-01.moengage.com`",
            ),
            Self::NotUpdatable { .. } => {
                Some("if the segment is archived, unarchive it first; only filter segments can be updated")
            }
            Self::NameTaken { .. } => Some(
                "choose another name: an archived segment keeps its name, and a renamed one may keep its old name",
            ),
            Self::ActiveLimit { .. } => Some("archive unused segments, or ask MoEngage to raise the limit"),
            Self::RateLimited { .. } => Some(
                "the request was not processed: run again later, or lower `rate_limits` if other programs use the workspace's API",
            ),
            Self::ConnectionClosed { .. }
            | Self::NoResponse { .. }
            | Self::Server { .. }
            | Self::MalformedResponse { .. }
            | Self::Cancelled
            | Self::PermitExpired => Some("run again later"),
            Self::UnreadableSegment { .. } => {
                Some("save the segment again in the dashboard, with another name if the name is the reason")
            }
            Self::NotFound { .. } | Self::DefinitionTaken { .. } | Self::Refused { .. } => None,
        }
    }
}

fn setup_help(problem: SetupProblem) -> &'static str {
    match problem {
        // On these systems, the operating system verifies certificates.
        SetupProblem::Certificate if cfg!(any(windows, target_vendor = "apple")) => {
            "nothing was sent: if a company's proxy signs connections, add its CA to the certificates of this machine \
             (`SSL_CERT_FILE` is used on Linux only); otherwise check `endpoint` and this machine's clock"
        }
        SetupProblem::Certificate => {
            "nothing was sent: if a company's proxy signs connections, set `SSL_CERT_FILE` to a PEM file with its CA; \
             otherwise check `endpoint` and this machine's clock"
        }
        SetupProblem::ProxyAuthentication => {
            "nothing was sent: set the user and the password in the URL of the proxy, percent-encoded: \
             `http://USER:PASSWORD@HOST:PORT`"
        }
        SetupProblem::Tls => {
            "nothing was sent: check that `endpoint` in segctl.yaml has the port of an HTTPS server with TLS 1.2 or 1.3"
        }
        SetupProblem::UnencryptedProxy => {
            "nothing was sent: the proxy does not answer in TLS, so set its URL to `http://HOST:PORT`"
        }
    }
}

/// The keys of segctl.yaml to check, the likeliest first.
fn credentials_help(family: OperationFamily, status: u16) -> &'static str {
    match (family, status) {
        (OperationFamily::FilterSegments | OperationFamily::Cohorts, 400) => {
            "check `workspace_id` in segctl.yaml, and `data_center` or `endpoint`: MoEngage does not know the workspace there"
        }
        (OperationFamily::FilesAndLifecycle, 400) => {
            "check `db_name` in segctl.yaml: it is the name of the workspace's database"
        }
        (OperationFamily::FilesAndLifecycle, _) => {
            "check `db_name` in segctl.yaml (the name of the workspace's database), then `workspace_id` and `api_key` (the \
             Data key, or one with the Segmentation scope)"
        }
        (OperationFamily::Cohorts, 403) => {
            "check `api_key` in segctl.yaml (the Data key, or one with the Segmentation scope) and `workspace_id`, or \
             whether the MoEngage account is suspended"
        }
        (OperationFamily::FilterSegments | OperationFamily::Cohorts, _) => {
            "check `workspace_id`, `api_key` (the Data key, or one with the Segmentation scope) and the data center"
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { message } | Self::Misconfigured { message, .. } => {
                write!(formatter, "cannot connect to the API ({message})")
            }
            Self::ConnectionClosed { message } | Self::NoResponse { message } => {
                write!(formatter, "no response ({message})")
            }
            Self::InvalidCredentials { status, message } => match status {
                None => formatter.write_str(message),
                Some(status) => write!(
                    formatter,
                    "MoEngage rejected the credentials ({status}: {message})"
                ),
            },
            Self::Redirected {
                status,
                address,
                location,
            } => {
                write!(formatter, "the address `{address}` redirects")?;
                if let Some(location) = location {
                    write!(formatter, " to `{location}`")?;
                }
                write!(formatter, " ({status})")
            }
            Self::AddressNotFound { address, message } => {
                write!(formatter, "the address `{address}` is not there (404: {message})")
            }
            Self::NotUpdatable { message } => {
                write!(formatter, "the segment cannot be updated (403: {message})")
            }
            Self::NotFound { message } => write!(formatter, "segment not found ({message})"),
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
                write!(formatter, "MoEngage rejected the request ({status}: {message})")
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
                write!(formatter, "rate limit exceeded ({message})")?;
                match reset {
                    Some(reset) => write!(formatter, ", retry after {reset:.0}"),
                    None => Ok(()),
                }
            }
            Self::Cancelled => formatter.write_str("the run was interrupted before the request was sent"),
            Self::PermitExpired => formatter.write_str("the request was not sent in time"),
            Self::Server { status, message } => write!(formatter, "server error ({status}: {message})"),
            Self::UnreadableSegment { reason } => {
                write!(
                    formatter,
                    "the segment that MoEngage returned cannot be read ({reason})"
                )
            }
            Self::MalformedResponse { expected, received } => {
                write!(
                    formatter,
                    "unexpected response: expected {expected}, got `{received}`"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
