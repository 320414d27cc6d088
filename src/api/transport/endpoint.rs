//! The base URL of the API, and the URLs of its requests.

use crate::model::{EndpointError, EndpointUrl};
use reqwest::Url;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base_url: EndpointUrl,
}

impl Endpoint {
    /// Parses a URL such as `https://api-01.moengage.com`. Its path is prepended to the API's paths.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        EndpointUrl::parse(text).map(Self::from)
    }

    /// `number` is the number of a MoEngage data center, such as `01` or `101`.
    pub fn data_center(number: &str) -> Result<Self, EndpointError> {
        EndpointUrl::data_center(number).map(Self::from)
    }

    /// Whether the endpoint is on this machine. Then no proxy is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.base_url.is_loopback()
    }

    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.base_url.as_url().scheme() == "https"
    }

    pub(super) fn url(&self, path: &str, query: &[(String, String)]) -> Url {
        let base_url = self.base_url.as_url();
        let mut url = base_url.clone();
        url.set_path(&format!("{}{path}", base_url.path().trim_end_matches('/')));
        if !query.is_empty() {
            let pairs = query
                .iter()
                .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)));
            url.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
        }
        url
    }
}

impl From<EndpointUrl> for Endpoint {
    fn from(base_url: EndpointUrl) -> Self {
        Self { base_url }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base_url.fmt(formatter)
    }
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
