//! The HTTP transport. No other code reads the credentials.

use super::{ApiVersion, Endpoint, Method, Request, Response, Transport, TransportError};
use crate::model::{Keyword as _, credential_problem, redact_query_strings};
use crate::rate_limit::RateLimitHeaders;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use secrecy::{ExposeSecret, SecretString};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A list of a thousand segments is well under a megabyte, and a definition is under 262,144 characters.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// A reachable server accepts a connection within a few round trips. An early timeout leaves most of the deadline to the
/// answer, and distinguishes "not sent" from "possibly processed".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Shorter secrets are not redacted, because they would match parts of ordinary words.
const MIN_REDACTED_LENGTH: usize = 4;

const REDACTED: &str = "[redacted]";
const WORKSPACE_HEADER: HeaderName = HeaderName::from_static("moe-appkey");
const DATABASE_HEADER: HeaderName = HeaderName::from_static("moe-dbname");

/// `Debug` output contains no secret.
pub struct Credentials {
    /// The user name of basic authentication.
    pub workspace_id: String,
    /// The password of basic authentication.
    pub api_key: SecretString,
    /// The workspace's database. Requests of API version 2 need it.
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

#[derive(Debug)]
pub struct HttpTransport {
    endpoint: Endpoint,
    credentials: Credentials,
    /// Each API version has one client header of its own. The authorization header is marked as sensitive.
    headers_v1_v3: HeaderMap,
    headers_v2: HeaderMap,
    client: reqwest::Client,
    /// Another secret that answers may contain.
    extra_secret: Arc<OnceLock<SecretString>>,
}

impl HttpTransport {
    /// Prepares a client without connecting.
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Result<Self, SetupError> {
        check_credentials(&credentials)?;
        let workspace = header_value(&credentials.workspace_id, "workspace_id")?;
        let client = build_client(&endpoint)?;
        let authorization = authorization(&client, &endpoint, &credentials)?;
        let headers_v1_v3 = HeaderMap::from_iter([
            (AUTHORIZATION, authorization.clone()),
            (WORKSPACE_HEADER, workspace),
        ]);
        let mut headers_v2 = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        if let Some(name) = &credentials.db_name {
            headers_v2.insert(DATABASE_HEADER, header_value(name, "db_name")?);
        }
        Ok(Self {
            endpoint,
            credentials,
            headers_v1_v3,
            headers_v2,
            client,
            extra_secret: Arc::default(),
        })
    }

    /// Also redacts a secret that is set later: the one in the callback URLs that segctl sends.
    #[must_use]
    pub fn with_redacted_secret(mut self, secret: Arc<OnceLock<SecretString>>) -> Self {
        self.extra_secret = secret;
        self
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
            .header(CONTENT_TYPE, request.content_type.as_str())
            .timeout(deadline);
        Ok(match request.body {
            Some(body) => builder.body(body.to_string()),
            None => builder,
        })
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: Request, deadline: Duration) -> Result<Response, TransportError> {
        let response = self
            .build_request(request, deadline)?
            .send()
            .await
            .map_err(|error| transport_error(&error, deadline))?;
        Ok(Response {
            status: response.status().as_u16(),
            headers: rate_headers(response.headers()),
            date: date_header(response.headers()),
            location: text_header(response.headers(), &LOCATION),
            body: read_body(response, deadline).await?,
        })
    }

    fn address(&self, path: &str) -> String {
        self.endpoint.url(path, &[]).to_string()
    }

    fn redact(&self, text: &str) -> String {
        let key = self.credentials.api_key.expose_secret();
        let authorization = self.headers_v2.get(AUTHORIZATION);
        let encoded = authorization.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let extra = self.extra_secret.get().map(ExposeSecret::expose_secret);
        let secrets = [Some(key), encoded, extra].into_iter().flatten();
        secrets
            .filter(|secret| secret.len() >= MIN_REDACTED_LENGTH)
            .fold(redact_query_strings(text), |text, secret| {
                text.replace(secret, REDACTED)
            })
    }
}

#[derive(Debug)]
pub enum SetupError {
    /// A credential is empty or contains characters that cannot be sent, such as a line break at its end.
    BadCredential {
        /// The key in `segctl.yaml`.
        name: &'static str,
        reason: &'static str,
    },
    /// The machine's TLS or proxy configuration does not work.
    Client { source: reqwest::Error },
}

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredential { name, reason } => write!(
                formatter,
                "`{name}` {reason}: check its value, or the source of the value, in segctl.yaml"
            ),
            Self::Client { .. } => formatter.write_str(
                "cannot set up the HTTPS client: check the machine's certificates and proxy variables",
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
        if let Some(reason) = text.and_then(|text| credential_problem(name, text)) {
            return Err(SetupError::BadCredential { name, reason });
        }
    }
    Ok(())
}

fn header_value(text: &str, name: &'static str) -> Result<HeaderValue, SetupError> {
    HeaderValue::from_str(text).map_err(|_| SetupError::BadCredential {
        name,
        reason: "contains characters that an HTTP header cannot contain",
    })
}

/// The authorization header, marked as sensitive so that `Debug` output does not show it.
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
        reason: "cannot be sent in an HTTP header",
    })
}

fn build_client(endpoint: &Endpoint) -> Result<reqwest::Client, SetupError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may install it first; it installs the same provider.
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
        // The sandbox must work on machines without certificates.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|source| SetupError::Client { source })
}

/// Distinguishes a request that was not sent from one without a response. In doubt, the request was sent.
fn transport_error(error: &reqwest::Error, deadline: Duration) -> TransportError {
    if error.is_connect() || error.is_builder() {
        let message = root_cause(error);
        return TransportError::NotSent { message };
    }
    let message = if error.is_timeout() {
        format!("no complete response within {} s", deadline.as_secs_f32())
    } else {
        root_cause(error)
    };
    TransportError::NoResponse { message }
}

/// The innermost cause. The HTTP client's own text contains only the URL and that the request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let Some(mut cause) = error.source() else {
        return "the request failed".to_owned();
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// HTTP allows only this date format today.
fn date_header(headers: &HeaderMap) -> Option<Timestamp> {
    let text = text_header(headers, &DATE)?;
    rfc2822::DateTimeParser::new().parse_timestamp(&text).ok()
}

fn text_header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
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

async fn read_body(mut response: reqwest::Response, deadline: Duration) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    loop {
        let part = response
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
