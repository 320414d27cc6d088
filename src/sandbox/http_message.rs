//! Calls and replies, apart from sockets.

use serde_json::Value;
use std::collections::BTreeMap;

/// A call as it came in.
#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    /// `GET`, `POST`, `PATCH` or `PUT`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// JSON body.
    pub body: Value,
    /// How the answer reaches the caller.
    pub delivery: Delivery,
}

/// How an answer reaches the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Whole.
    #[default]
    Complete,
    /// Not at all yet: nothing was done, and the call goes to `Service::handle_postponed` after so many
    /// milliseconds, whether or not the caller is still there.
    Deferred(u64),
    /// Whole, after so many milliseconds.
    Delayed(u64),
    /// The connection is closed without an answer.
    Reset,
    /// The connection is closed in the middle of the body.
    Truncated,
    /// Something that is no JSON comes instead of the body.
    NotJson,
}

impl HttpResponse {
    /// A whole answer without headers of its own.
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: BTreeMap::new(),
            body,
            delivery: Delivery::Complete,
        }
    }

    pub(super) fn with_delivery(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl HttpRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The path without a slash at its end, which callers may or may not write.
    pub(super) fn path_without_trailing_slash(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }
}
