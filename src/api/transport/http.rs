//! The transport over HTTP, and the credentials that it alone can read.

use super::{ApiVersion, Endpoint, Method, Request, Response, Transport, TransportError};
use crate::model::redact_query_strings;
use crate::rate_limit::RateLimitHeaders;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The list of a thousand segments is well under a megabyte and a definition under 262,144 characters.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// A service that is there accepts a connection in a round trip or two. Ending the attempt early leaves most
/// of a call's time to the answer, and tells "never sent" from "perhaps processed".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter secrets are not taken out of messages: they would be found in every other word.
const MIN_REDACTED_LENGTH: usize = 4;

const REDACTED: &str = "[redacted]";
const WORKSPACE_HEADER: HeaderName = HeaderName::from_static("moe-appkey");
const DATABASE_HEADER: HeaderName = HeaderName::from_static("moe-dbname");

/// Who is calling. Printing it in any way shows no secret.
pub struct Credentials {
    /// The user of every call.
    pub workspace_id: String,
    /// The password of every call.
    pub api_key: SecretString,
    /// The workspace's database; archive and unarchive need it.
    pub db_name: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            workspace_id,
            api_key: _,
            db_name,
        } = self;
        formatter
            .debug_struct("Credentials")
            .field("workspace_id", workspace_id)
            .field("db_name", db_name)
            .finish_non_exhaustive()
    }
}

/// Calls a service over HTTPS, or over HTTP on this machine.
#[derive(Debug)]
pub struct HttpTransport {
    endpoint: Endpoint,
    credentials: Credentials,
    /// Headers of calls of these families; the authorization among them is marked as sensitive.
    headers_v1_v3: HeaderMap,
    /// Likewise.
    headers_v2: HeaderMap,
    client: reqwest::Client,
    /// Another secret that answers may repeat.
    extra_secret: Arc<OnceLock<SecretString>>,
}

impl HttpTransport {
    /// Makes ready to call `endpoint`; no connection is made yet.
    ///
    /// # Errors
    ///
    /// When a credential cannot be sent as it is, or the machine's TLS set-up does not work.
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Result<Self, SetupError> {
        check_credentials(&credentials)?;
        let workspace = header_value(&credentials.workspace_id, "workspace_id")?;
        let mut v2 = HeaderMap::new();
        if let Some(name) = &credentials.db_name {
            v2.insert(DATABASE_HEADER, header_value(name, "db_name")?);
        }
        let client = build_client(&endpoint)?;
        v2.insert(AUTHORIZATION, authorization(&client, &endpoint, &credentials)?);
        let mut v3_and_v1 = v2.clone();
        v3_and_v1.insert(WORKSPACE_HEADER, workspace);
        Ok(Self {
            endpoint,
            credentials,
            headers_v1_v3: v3_and_v1,
            headers_v2: v2,
            client,
            extra_secret: Arc::default(),
        })
    }

    /// Takes another secret out of messages, too, once there is one: it is what the service is told with calls.
    #[must_use]
    pub fn with_redacted_secret(self, other: Arc<OnceLock<SecretString>>) -> Self {
        Self {
            extra_secret: other,
            ..self
        }
    }

    fn build_request(
        &self,
        request: Request,
        deadline: Duration,
    ) -> Result<reqwest::RequestBuilder, TransportError> {
        if request.api_version == ApiVersion::V2 && self.credentials.db_name.is_none() {
            return Err(TransportError::MissingDatabaseName);
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let headers = match request.api_version {
            ApiVersion::V3 | ApiVersion::V1 => &self.headers_v1_v3,
            ApiVersion::V2 => &self.headers_v2,
        };
        let builder = self
            .client
            .request(method, self.endpoint.url(&request.path, &request.query))
            .headers(headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(deadline);
        Ok(match request.body {
            Some(body) => builder.body(body.to_string()),
            None => builder,
        })
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: Request, deadline: Duration) -> Result<Response, TransportError> {
        let prepared = self.build_request(request, deadline)?;
        let answer = prepared
            .send()
            .await
            .map_err(|error| transport_error(&error, deadline))?;
        let status = answer.status().as_u16();
        let headers = rate_headers(answer.headers());
        let date = date_header(answer.headers());
        let body = read_body(answer, deadline).await?;
        Ok(Response {
            status,
            headers,
            date,
            body,
        })
    }

    fn redact(&self, text: &str) -> String {
        let key = self.credentials.api_key.expose_secret();
        let encoded = self
            .headers_v2
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let encoded = encoded.and_then(|value| value.strip_prefix("Basic "));
        let other = self.extra_secret.get().map(ExposeSecret::expose_secret);
        let secrets = [Some(key), encoded, other].into_iter().flatten();
        secrets
            .filter(|secret| secret.len() >= MIN_REDACTED_LENGTH)
            .fold(redact_query_strings(text), |text, secret| {
                text.replace(secret, REDACTED)
            })
    }
}

/// Why calls cannot be made at all.
#[derive(Debug)]
pub enum SetupError {
    /// A credential is empty or holds characters that cannot be sent, such as a line break at its end.
    BadCredential {
        /// Its name in `segctl.yaml`.
        name: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The machine's TLS or proxy set-up does not work.
    Client {
        /// What the HTTP client says.
        source: reqwest::Error,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredential { name, reason: fault } => {
                write!(
                    formatter,
                    "`{name}` {fault}: check where the workspace's settings take it from"
                )
            }
            Self::Client { .. } => formatter.write_str(
                "no HTTPS client could be set up: check the machine's certificates and proxy variables",
            ),
        }
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::BadCredential { .. } => None,
            Self::Client { source } => Some(source),
        }
    }
}

fn check_credentials(credentials: &Credentials) -> Result<(), SetupError> {
    let texts = [
        ("workspace_id", Some(credentials.workspace_id.as_str())),
        ("api_key", Some(credentials.api_key.expose_secret())),
        ("db_name", credentials.db_name.as_deref()),
    ];
    for (name, text) in texts {
        let fault = match text {
            Some("") => "is empty",
            Some(text) if text.chars().any(char::is_control) => {
                "holds a line break or another control character"
            }
            Some(text) if text.trim() != text => "begins or ends with a space",
            // Basic authentication ends the user at the first colon.
            Some(text) if name == "workspace_id" && text.contains(':') => "holds a colon",
            _ => continue,
        };
        return Err(SetupError::BadCredential { name, reason: fault });
    }
    Ok(())
}

fn header_value(text: &str, name: &'static str) -> Result<HeaderValue, SetupError> {
    HeaderValue::from_str(text).map_err(|_| SetupError::BadCredential {
        name,
        reason: "holds characters that a header cannot hold",
    })
}

/// The header that carries the key, marked so that printing a request does not show it.
fn authorization(
    client: &reqwest::Client,
    endpoint: &Endpoint,
    credentials: &Credentials,
) -> Result<HeaderValue, SetupError> {
    let key = credentials.api_key.expose_secret();
    let request = client
        .get(endpoint.url("", &[]))
        .basic_auth(&credentials.workspace_id, Some(key))
        .build()
        .map_err(|source| SetupError::Client { source })?;
    let header = request.headers().get(AUTHORIZATION).cloned();
    header.ok_or(SetupError::BadCredential {
        name: "api_key",
        reason: "cannot be sent",
    })
}

fn build_client(endpoint: &Endpoint) -> Result<reqwest::Client, SetupError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may come first; then the provider is the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("segctl/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .https_only(endpoint.is_encrypted());
    if endpoint.is_loopback() {
        builder = builder.no_proxy();
    }
    if !endpoint.is_encrypted() {
        // The sandbox has to work where no certificates are installed.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|source| SetupError::Client { source })
}

/// Tells a request that never left from one whose answer is missing. In doubt it is the latter.
fn transport_error(error: &reqwest::Error, deadline: Duration) -> TransportError {
    let message = root_cause(error);
    if error.is_connect() || error.is_builder() {
        return TransportError::NotSent { message };
    }
    let message = if error.is_timeout() {
        format!("nothing came within {} s", deadline.as_secs_f32())
    } else {
        message
    };
    TransportError::NoResponse { message }
}

/// The cause under the client's own words, which say no more than that a request failed, and to which address.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "the request failed".to_owned();
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The `Date` header, in the one form that HTTP allows today.
fn date_header(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

fn rate_headers(headers: &HeaderMap) -> RateLimitHeaders {
    fn number<N: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<N> {
        headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }
    RateLimitHeaders {
        limit: number(headers, "x-ratelimit-limit"),
        remaining: number(headers, "x-ratelimit-remaining"),
        reset: number(headers, "x-ratelimit-reset"),
    }
}

async fn read_body(mut answer: reqwest::Response, deadline: Duration) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    loop {
        let part = answer
            .chunk()
            .await
            .map_err(|error| transport_error(&error, deadline))?;
        let Some(part) = part else {
            return Ok(body);
        };
        if body.len() + part.len() > MAX_RESPONSE_BYTES {
            return Err(TransportError::ResponseTooLarge {
                limit: MAX_RESPONSE_BYTES,
            });
        }
        body.extend_from_slice(&part);
    }
}

#[cfg(test)]
mod tests;
