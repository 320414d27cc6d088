//! The seam to the network: one request out, one answer or one of two kinds of silence back.
//!
//! [`HttpTransport`] is the one place that knows HTTP and the one holder of the key. It sends once: it follows
//! no redirect and repeats nothing, since only the caller knows whether a repetition is safe.

mod endpoint;
mod http;

pub use endpoint::{Endpoint, EndpointError};
pub use http::{Credentials, HttpTransport, SetupError};

use crate::rate_limit::RateLimitHeaders;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// Sends one request and waits for its answer.
pub trait Transport: Send + Sync {
    /// Sends `request` once; the answer must be complete within `deadline`.
    fn send(
        &self,
        request: Request,
        deadline: Duration,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;

    /// `text` without the secrets that this transport sends, for messages that quote what came back.
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// What is asked of the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// From the root of the service, beginning with `/`; holds nothing that would need escaping.
    pub path: String,
    /// Names and values, not yet escaped.
    pub query: Vec<(String, String)>,
    /// Which headers go along.
    pub api_version: ApiVersion,
    /// Sent as JSON.
    pub body: Option<Value>,
}

/// The HTTP methods that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
}

/// The three generations of the API, which differ in headers and in the shape of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiVersion {
    /// Filter segments.
    V3,
    /// File segments and lifecycle; needs the name of the workspace's database.
    V2,
    /// Cohorts.
    V1,
}

/// What the service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// What the service says of its own limits.
    pub headers: RateLimitHeaders,
    /// What time it is by the service's clock, when it says so.
    pub date: Option<Timestamp>,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// Why there is no answer. What matters is whether the service may have acted on the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// No connection came about: the request was certainly not processed.
    NotSent {
        /// What went wrong.
        message: String,
    },
    /// The request, or part of it, went out and no whole answer came: it may have been processed.
    NoResponse {
        /// What went wrong.
        message: String,
    },
    /// An answer came and was over the size that is read: the request may have been processed.
    ResponseTooLarge {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// The call needs the name of the workspace's database and none is known; nothing was sent.
    MissingDatabaseName,
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { message } => write!(formatter, "no connection to the service: {message}"),
            Self::NoResponse { message } => write!(formatter, "the answer was lost: {message}"),
            Self::ResponseTooLarge { limit } => write!(formatter, "the answer is over {limit} bytes"),
            Self::MissingDatabaseName => formatter.write_str("this call needs the workspace's `db_name`"),
        }
    }
}

impl std::error::Error for TransportError {}
