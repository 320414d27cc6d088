//! API endpoints. An endpoint that would send the key unencrypted to another machine is rejected.

use std::fmt;
use url::{Host, Url};

/// An https URL, or an http URL on this machine, without user name, password, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Parses a URL such as `https://api-01.moengage.com`. Errors do not quote the text, which may contain a password.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|error| {
            if text.contains("${") {
                EndpointError::ContainsVariable
            } else {
                EndpointError::InvalidUrl(error.to_string())
            }
        })?;
        // Checked first, so that no later message quotes a password.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::ContainsCredentials);
        }
        if text.contains("${") {
            return Err(EndpointError::ContainsVariable);
        }
        let Some(host) = url.host_str() else {
            return Err(EndpointError::InvalidUrl("it has no host".to_owned()));
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(EndpointError::Unencrypted(host.to_owned())),
            scheme => return Err(EndpointError::UnknownScheme(scheme.to_owned())),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::ContainsQuery);
        }
        Ok(Self(url))
    }

    /// `number` is the number of a MoEngage data center, such as `01` or `101`.
    pub fn data_center(number: &str) -> Result<Self, EndpointError> {
        if !matches!(number.len(), 2 | 3) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EndpointError::UnknownDataCenter(number.to_owned()));
        }
        Self::parse(&format!("https://api-{number}.moengage.com"))
    }

    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// Whether the endpoint is on this machine. Then no proxy is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Plain HTTP is accepted only on this machine, where no other machine can read it.
#[must_use]
pub fn is_loopback_http(address: &str) -> bool {
    // Text before an `@` is a user name, not a host.
    Url::parse(address).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url) && !address.contains('@'))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
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
    ContainsVariable,
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
            Self::ContainsVariable => formatter.write_str(
                "the endpoint contains a variable: write the URL itself, and declare one workspace for each endpoint",
            ),
        }
    }
}

impl std::error::Error for EndpointError {}

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
            ("http://LOCALHOST:8080", "http://localhost:8080", true),
            ("http://127.1:8080", "http://127.0.0.1:8080", true),
        ];
        for (text, printed, loopback) in table {
            let endpoint = EndpointUrl::parse(text).unwrap();
            assert_eq!(endpoint.to_string(), printed);
            assert_eq!(endpoint.is_loopback(), loopback, "{text}");
        }
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
            "https://user:hunter2@${HOST}",
            "http://user:hunter2@127.0.0.1",
            "https://host:hunter2",
        ] {
            let error = EndpointUrl::parse(text).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn only_plain_http_on_a_loopback_host_is_accepted() {
        for address in [
            "http://127.0.0.1",
            "http://127.0.0.1:8333",
            "http://localhost/x",
            "http://[::1]:9/x",
            "http://127.0.0.10",
            "http://127.1:8333",
            "http://LOCALHOST",
        ] {
            assert!(is_loopback_http(address), "{address}");
        }
        for address in [
            "https://127.0.0.1",
            "http://store.example",
            "http://localhost.example",
            "http://128.0.0.1",
            "http://localhost:80@store.example",
            "127.0.0.1",
        ] {
            assert!(!is_loopback_http(address), "{address}");
        }
    }

    #[test]
    fn a_data_center_has_two_or_three_digits() {
        assert_eq!(
            EndpointUrl::data_center("101").unwrap().to_string(),
            "https://api-101.moengage.com"
        );
        for number in ["", "1", "01.evil", "1/2", "1234"] {
            assert!(EndpointUrl::data_center(number).is_err(), "{number}");
        }
    }

    #[test]
    fn a_variable_is_explained() {
        for text in ["${ENDPOINT}", "https://${HOST}/v3"] {
            assert_eq!(
                EndpointUrl::parse(text),
                Err(EndpointError::ContainsVariable),
                "{text}"
            );
        }
    }
}
