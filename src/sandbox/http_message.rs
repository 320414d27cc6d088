//! Requests and responses, independent of sockets.

use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    /// Decoded.
    pub query: BTreeMap<String, String>,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HttpResponse {
    pub status: u16,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
    pub delivery: Delivery,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    #[default]
    Complete,
    /// Nothing was done yet. After these milliseconds the request goes to `Service::handle_deferred`, even if the caller
    /// has closed the connection.
    Deferred(u64),
    /// After these milliseconds.
    Delayed(u64),
    /// The connection is closed without a response.
    Reset,
    /// The connection is closed in the middle of the body.
    Truncated,
    /// The body is replaced by HTML.
    NotJson,
}

impl HttpResponse {
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

    pub(super) fn has_json_content_type(&self) -> bool {
        let media_type = self
            .header("content-type")
            .and_then(|header| header.split(';').next());
        media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
    }

    pub(super) fn path_without_trailing_slash(&self) -> &str {
        self.path.strip_suffix('/').unwrap_or(&self.path)
    }
}
