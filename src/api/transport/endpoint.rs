//! API endpoints. An endpoint that would send the key unencrypted to another machine is rejected.

use reqwest::Url;
use std::fmt;

/// An https URL, or an http URL on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base_url: Url,
    loopback: bool,
}

impl Endpoint {
    /// Parses a URL such as `https://api-01.moengage.com`. Its path is prepended to the API's paths.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let base_url = Url::parse(text).map_err(|error| EndpointError::InvalidUrl(error.to_string()))?;
        // Checked first, so that no later message quotes a password.
        if !base_url.username().is_empty() || base_url.password().is_some() {
            return Err(EndpointError::ContainsCredentials);
        }
        let Some(host) = base_url.host_str() else {
            return Err(EndpointError::InvalidUrl("it has no host".to_owned()));
        };
        let loopback = is_loopback(host);
        match base_url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(EndpointError::Unencrypted(host.to_owned())),
            scheme => return Err(EndpointError::UnknownScheme(scheme.to_owned())),
        }
        if base_url.query().is_some() || base_url.fragment().is_some() {
            return Err(EndpointError::ContainsQuery);
        }
        Ok(Self { base_url, loopback })
    }

    /// `number` is the number of a MoEngage data center, such as `01` or `101`.
    pub fn data_center(number: &str) -> Result<Self, EndpointError> {
        if !matches!(number.len(), 2 | 3) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EndpointError::UnknownDataCenter(number.to_owned()));
        }
        Self::parse(&format!("https://api-{number}.moengage.com"))
    }

    /// Whether the endpoint is on this machine. Then no proxy is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.base_url.scheme() == "https"
    }

    pub(super) fn url(&self, path: &str, query: &[(String, String)]) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        if !query.is_empty() {
            let pairs = query
                .iter()
                .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)));
            url.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
        }
        url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.base_url.as_str().trim_end_matches('/'))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// The text is not quoted, because it may contain a password.
    InvalidUrl(String),
    ContainsCredentials,
    /// http to this host, which is another machine.
    Unencrypted(String),
    UnknownScheme(String),
    ContainsQuery,
    UnknownDataCenter(String),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl(reason) => write!(
                formatter,
                "the endpoint is not a valid URL such as `https://api-01.moengage.com`: {reason}"
            ),
            Self::ContainsCredentials => formatter.write_str(
                "the endpoint contains a user name or a password: remove it and set `workspace_id` and `api_key`",
            ),
            Self::Unencrypted(host) => write!(
                formatter,
                "the endpoint would send the API key unencrypted to `{host}`: use https, or http on this machine only"
            ),
            Self::UnknownScheme(scheme) => {
                write!(formatter, "the endpoint has the unsupported scheme `{scheme}`: use `https`")
            }
            Self::ContainsQuery => {
                formatter.write_str("the endpoint contains a query or a fragment: remove the part after `?` or `#`")
            }
            Self::UnknownDataCenter(number) => write!(
                formatter,
                "`{number}` is not a valid data center: use two or three digits, such as `01`"
            ),
        }
    }
}

impl std::error::Error for EndpointError {}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Escapes all characters but the unreserved ones. A space becomes `%20`, since only form decoders read `+` as a space.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_protect_the_key_are_accepted() {
        let table = [
            (
                "https://api-01.moengage.com",
                "https://api-01.moengage.com",
                false,
            ),
            (
                "https://gateway.example/moe/",
                "https://gateway.example/moe",
                false,
            ),
            ("http://localhost:8080", "http://localhost:8080", true),
            ("http://127.0.0.9:1/", "http://127.0.0.9:1", true),
            ("http://[::1]:80", "http://[::1]", true),
            ("https://localhost", "https://localhost", true),
        ];
        for (text, printed, loopback) in table {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(endpoint.to_string(), printed);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
        }
        assert_eq!(
            Endpoint::data_center("101").unwrap().to_string(),
            "https://api-101.moengage.com"
        );
    }

    #[test]
    fn unsafe_endpoints_are_rejected_and_no_password_is_quoted() {
        for text in [
            "",
            "api-01.moengage.com",
            "http://api-01.moengage.com",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "file:///etc/passwd",
            "https://user:hunter2@api-01.moengage.com",
            "http://user:hunter2@elsewhere",
            "https://user:hunter2@bad host",
            "https://x/?api_key=hunter2",
            "https://x/#hunter2",
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        }
        for number in ["", "1", "01.evil", "1/2", "1234"] {
            assert!(Endpoint::data_center(number).is_err(), "{number}");
        }
    }

    #[test]
    fn paths_are_appended_and_queries_escaped() {
        let name = vec![("name".to_owned(), "50% off & more+é".to_owned())];
        let endpoint = Endpoint::parse("https://gateway.example/moe/").unwrap();
        assert_eq!(
            endpoint.url("/v3/custom-segments", &name).as_str(),
            "https://gateway.example/moe/v3/custom-segments?name=50%25%20off%20%26%20more%2B%C3%A9"
        );
        assert_eq!(
            endpoint.url("/v3/custom-segments", &[]).as_str(),
            "https://gateway.example/moe/v3/custom-segments"
        );
    }
}
