//! The HTTP transport. No other code reads the credentials.

use super::connections::{Connection, Connections};
use super::failure::{is_closed_connection, transport_error};
use super::proxy::{ProxyChoice, ProxyError};
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
    connections: Connections,
    /// Another secret that answers may contain.
    extra_secret: Arc<OnceLock<SecretString>>,
}

impl HttpTransport {
    /// Prepares a client without connecting.
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Result<Self, SetupError> {
        check_credentials(&credentials)?;
        let workspace = header_value(&credentials.workspace_id, "workspace_id")?;
        let proxy = ProxyChoice::for_endpoint(&endpoint, |name| std::env::var_os(name))
            .map_err(|source| SetupError::Proxy { source })?;
        let connections =
            Connections::new(&endpoint, proxy).map_err(|source| SetupError::Client { source })?;
        let client = connections.for_next_request().client;
        let authorization = authorization(client, &endpoint, &credentials)?;
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
            connections,
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
        client: &reqwest::Client,
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
        let builder = client
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
        let connection = self.connections.for_next_request();
        let request = self.build_request(connection.client, request, deadline)?;
        let result = receive(request, &connection, deadline).await;
        self.connections.record(&result);
        result
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
    /// An environment variable names no usable proxy.
    Proxy { source: ProxyError },
    /// The certificates of this machine cannot be used.
    Client { source: reqwest::Error },
}

impl SetupError {
    /// What to do next, if the message does not say it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Proxy { source } => Some(source.help()),
            Self::BadCredential { .. } | Self::Client { .. } => None,
        }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredential { name, reason } => write!(
                formatter,
                "`{name}` {reason}: check its value, or the source of the value, in segctl.yaml"
            ),
            Self::Proxy { source } => source.fmt(formatter),
            Self::Client { .. } => formatter.write_str(
                "cannot set up the HTTPS client: check the certificates of this machine, or the PEM file that \
                 `SSL_CERT_FILE` names",
            ),
        }
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::BadCredential { .. } | Self::Proxy { .. } => None,
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

async fn receive(
    request: reqwest::RequestBuilder,
    connection: &Connection<'_>,
    deadline: Duration,
) -> Result<Response, TransportError> {
    let failure = |error: &reqwest::Error| transport_error(error, deadline, connection.proxy);
    let response = request.send().await;
    let response = response.map_err(|error| match failure(&error) {
        TransportError::NoResponse { message }
            if connection.may_be_reused && is_closed_connection(&error) =>
        {
            TransportError::ConnectionClosed { message }
        }
        error => error,
    })?;
    Ok(Response {
        status: response.status().as_u16(),
        headers: rate_headers(response.headers()),
        date: date_header(response.headers()),
        location: text_header(response.headers(), &LOCATION),
        body: read_body(response, failure).await?,
    })
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

async fn read_body(
    mut response: reqwest::Response,
    classify: impl Fn(&reqwest::Error) -> TransportError,
) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    loop {
        let part = response.chunk().await.map_err(|error| classify(&error))?;
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
