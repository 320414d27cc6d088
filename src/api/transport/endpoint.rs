//! Where the service is, and what is refused as an address: anything that would send the key in the clear.

use reqwest::Url;
use std::fmt;

/// The address of a service: https, or http on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base_url: Url,
    loopback: bool,
}

impl Endpoint {
    /// Takes an address such as `https://api-01.moengage.com`; a path in it comes before those of the API.
    ///
    /// # Errors
    ///
    /// When the text is no address, would send the key unencrypted to another machine, or holds what an
    /// address of a service cannot hold.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let root = Url::parse(text).map_err(|error| EndpointError::InvalidUrl {
            reason: error.to_string(),
        })?;
        // Checked first, so that no later message repeats a password.
        if !root.username().is_empty() || root.password().is_some() {
            return Err(EndpointError::ContainsCredentials);
        }
        let Some(host) = root.host_str() else {
            return Err(EndpointError::InvalidUrl {
                reason: "it names no host".to_owned(),
            });
        };
        let loopback = is_loopback(host);
        match root.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(EndpointError::Unencrypted {
                    host: host.to_owned(),
                });
            }
            scheme => {
                return Err(EndpointError::UnknownScheme {
                    scheme: scheme.to_owned(),
                });
            }
        }
        if root.query().is_some() || root.fragment().is_some() {
            return Err(EndpointError::ContainsQuery);
        }
        Ok(Self {
            base_url: root,
            loopback,
        })
    }

    /// The address of MoEngage's data centre `number`, such as `01` or `101`.
    ///
    /// # Errors
    ///
    /// When `number` is not two or three digits.
    pub fn data_center(number: &str) -> Result<Self, EndpointError> {
        if !matches!(number.len(), 2 | 3) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(EndpointError::UnknownDataCenter {
                number: number.to_owned(),
            });
        }
        Self::parse(&format!("https://api-{number}.moengage.com"))
    }

    /// Whether the service is on this machine, where no proxy has any business.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether calls are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.base_url.scheme() == "https"
    }

    /// The address of one call.
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

/// Why a text is not the address of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// Not a URL. The text is left out: it may hold a password.
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// A user or a password is in the address.
    ContainsCredentials,
    /// Plain http to another machine.
    Unencrypted {
        /// The other machine.
        host: String,
    },
    /// Neither https nor http.
    UnknownScheme {
        /// What it is.
        scheme: String,
    },
    /// A `?` or `#` part.
    ContainsQuery,
    /// No data centre is numbered so.
    UnknownDataCenter {
        /// What was written.
        number: String,
    },
}

impl fmt::Display for EndpointError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUrl { reason } => {
                write!(
                    formatter,
                    "the endpoint is not an address such as `https://api-01.moengage.com`: {reason}"
                )
            }
            Self::ContainsCredentials => formatter.write_str(
                "the endpoint holds a user or a password: use `workspace_id` and `api_key` instead",
            ),
            Self::Unencrypted { host } => write!(
                formatter,
                "the endpoint would send the API key unencrypted to `{host}`: use https, or http on this machine only"
            ),
            Self::UnknownScheme { scheme } => {
                write!(
                    formatter,
                    "the endpoint begins with `{scheme}:`: expected `https:`"
                )
            }
            Self::ContainsQuery => formatter.write_str("the endpoint holds a `?` or `#` part: leave it out"),
            Self::UnknownDataCenter { number } => write!(
                formatter,
                "`{number}` is not a data center: write two or three digits, such as `01`"
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

/// Escapes all but the characters that mean themselves everywhere. A space is `%20`: `+` is a space only to
/// servers that read queries as forms.
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
