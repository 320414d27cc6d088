//! The interface to the network: it sends one request and returns a response or an error.
//!
//! [`HttpTransport`] is the only code that uses HTTP and the only holder of the API key. It sends each request once. It
//! follows no redirects and retries nothing, because only the caller knows whether a retry is safe.

mod connections;
mod endpoint;
mod failure;
mod http;
mod proxy;

pub use endpoint::Endpoint;
pub use http::{Credentials, HttpTransport, SetupError};
pub use proxy::ProxyError;

use crate::model::RequestContentType;
use crate::rate_limit::RateLimitHeaders;
use jiff::Timestamp;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

pub trait Transport: Send + Sync {
    /// Sends `request` once. The complete response must arrive within `deadline`.
    fn send(
        &self,
        request: Request,
        deadline: Duration,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;

    /// The address of a path of the API, for messages.
    fn address(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Removes the secrets that this transport sends, for messages that quote responses.
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    /// Begins with `/` and needs no escaping.
    pub path: String,
    /// Not yet escaped.
    pub query: Vec<(String, String)>,
    /// Selects the headers.
    pub api_version: ApiVersion,
    pub content_type: RequestContentType,
    pub body: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
}

/// The three generations of the API, which differ in headers and in error bodies. Each takes one client header: the
/// workspace id for v3 and v1, the database name for v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiVersion {
    /// Filter segments.
    V3,
    /// File segments and lifecycle changes. Requests need the workspace's database name.
    V2,
    /// Cohorts.
    V1,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: RateLimitHeaders,
    /// The `Date` header.
    pub date: Option<Timestamp>,
    /// The `Location` header of a redirect.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// The variants tell the caller whether MoEngage may have processed the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// There was no connection, so MoEngage certainly did not process the request.
    NotSent { message: String },
    /// There was no connection, and there will be none until a setting changes.
    Misconfigured { problem: SetupProblem, message: String },
    /// A connection that carried earlier requests was closed before a byte of the response. MoEngage may have processed
    /// the request. The next request has a connection of its own.
    ConnectionClosed { message: String },
    /// All or part of the request was sent, and no complete response arrived. MoEngage may have processed it.
    NoResponse { message: String },
    /// A response arrived and was too large. MoEngage may have processed the request.
    ResponseTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// segctl sent nothing.
    MissingDatabaseName,
}

/// The setting that prevents every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupProblem {
    /// The certificate of the server or of the proxy is not trusted, has expired, or has another name.
    Certificate,
    /// The proxy requires a user and a password, or rejects them.
    ProxyAuthentication,
    /// The server does not speak TLS, or no version that segctl speaks.
    Tls,
    /// The proxy's URL is https, and the proxy does not speak TLS.
    UnencryptedProxy,
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { message } | Self::Misconfigured { message, .. } => {
                write!(formatter, "cannot connect to the API: {message}")
            }
            Self::ConnectionClosed { message } | Self::NoResponse { message } => {
                write!(formatter, "no response: {message}")
            }
            Self::ResponseTooLarge { limit } => {
                write!(formatter, "the response is larger than {limit} bytes")
            }
            Self::MissingDatabaseName => {
                formatter.write_str("this request needs `db_name`: set it for the workspace in segctl.yaml")
            }
        }
    }
}

impl std::error::Error for TransportError {}
