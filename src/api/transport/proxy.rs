//! The proxy that the environment selects for an endpoint. A variable that cannot be used is an error: a direct
//! connection in its place would go unnoticed.
//!
//! Endpoints on other machines are https, so `HTTP_PROXY` applies to none of them.

use super::Endpoint;
use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use std::ffi::OsString;
use std::fmt;
use url::Url;

/// The first variable with a value counts, as in curl.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy, and the environment variable that sets it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    variable: &'static str,
    /// http or https, without path, query and fragment.
    url: Url,
}

/// How the environment connects an endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxyChoice {
    Use(Proxy),
    /// The endpoint is on this machine, or `NO_PROXY` excludes it.
    Direct,
    /// No variable is set. The operating system may have a proxy setting.
    NotSet,
}

impl ProxyChoice {
    /// `value_of` returns the value of an environment variable.
    pub(super) fn for_endpoint(
        endpoint: &Endpoint,
        value_of: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, ProxyError> {
        if endpoint.is_loopback() {
            return Ok(Self::Direct);
        }
        let first_set = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = value_of(name)?;
                let is_set = value.to_str().is_none_or(|value| !value.trim().is_empty());
                is_set.then_some((*name, value))
            })
        };
        if let Some((_, excluded)) = first_set(&NO_PROXY_VARIABLES)
            && is_excluded(endpoint, &excluded.to_string_lossy())
        {
            return Ok(Self::Direct);
        }
        let Some((variable, value)) = first_set(&PROXY_VARIABLES) else {
            return Ok(Self::NotSet);
        };
        let text = value.to_str().ok_or(ProxyError {
            variable,
            reason: ProxyErrorReason::Invalid("it is not valid UTF-8".to_owned()),
        })?;
        match parse(text.trim()) {
            Ok(url) => Ok(Self::Use(Proxy { variable, url })),
            Err(reason) => Err(ProxyError { variable, reason }),
        }
    }
}

impl Proxy {
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn has_password(&self) -> bool {
        self.url.password().is_some()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// Without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        // Fails only for URLs without a host.
        let _ = shown.set_password(None);
        let shown = shown.as_str().trim_end_matches('/');
        write!(formatter, "the proxy `{shown}` of {}", self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An environment variable that names no usable proxy. The error does not quote its value, which may contain a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyError {
    variable: &'static str,
    reason: ProxyErrorReason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ProxyErrorReason {
    Invalid(String),
    UnsupportedScheme(String),
}

impl ProxyError {
    pub(super) fn help(&self) -> &'static str {
        match self.reason {
            ProxyErrorReason::Invalid(_) => {
                "set it to a URL such as `http://USER:PASSWORD@HOST:PORT`; percent-encode special characters of the user \
                 and the password: `@` is `%40`, `:` is `%3A`, `/` is `%2F`, `\\` is `%5C`, `#` is `%23`"
            }
            ProxyErrorReason::UnsupportedScheme(_) => {
                "set it to an `http://` or `https://` proxy, or list the endpoint in NO_PROXY to connect without a proxy"
            }
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, reason } = self;
        match reason {
            ProxyErrorReason::Invalid(reason) => {
                write!(
                    formatter,
                    "the environment variable {variable} is not the URL of a proxy: {reason}"
                )
            }
            ProxyErrorReason::UnsupportedScheme(scheme) => write!(
                formatter,
                "the environment variable {variable} names a proxy with the unsupported scheme `{scheme}`: supported are \
                 `http` and `https`"
            ),
        }
    }
}

impl std::error::Error for ProxyError {}

/// Text without a scheme, such as `proxy.example:3128`, is an http proxy.
fn parse(text: &str) -> Result<Url, ProxyErrorReason> {
    let invalid = |reason: &str| ProxyErrorReason::Invalid(reason.to_owned());
    // The URL parser removes these.
    if text
        .chars()
        .any(|character| character.is_control() || character.is_whitespace())
    {
        return Err(invalid("it contains a space or a control character"));
    }
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = Url::parse(&with_scheme).map_err(|error| ProxyErrorReason::Invalid(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(ProxyErrorReason::UnsupportedScheme(url.scheme().to_owned()));
    }
    // Unescaped characters of a password end the host early, and the rest becomes the path, the query or the fragment.
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has text after the host and the port"));
    }
    let is_usable = Matcher::builder()
        .all(url.as_str())
        .build()
        .intercept(&Uri::from_static("https://endpoint.example"))
        .is_some();
    if !is_usable {
        return Err(invalid("it contains characters that must be percent-encoded"));
    }
    Ok(url)
}

/// Follows the rules of curl.
fn is_excluded(endpoint: &Endpoint, no_proxy: &str) -> bool {
    let any_proxy = Matcher::builder().all("http://127.0.0.1").no(no_proxy).build();
    let endpoint = endpoint.to_string().parse::<Uri>();
    endpoint.is_ok_and(|endpoint| any_proxy.intercept(&endpoint).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)]) -> Result<ProxyChoice, ProxyError> {
        choose_for("https://api-01.moengage.com", variables)
    }

    fn choose_for(endpoint: &str, variables: &[(&str, &str)]) -> Result<ProxyChoice, ProxyError> {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        ProxyChoice::for_endpoint(&endpoint, |name| {
            let (_, value) = variables.iter().find(|(set, _)| *set == name)?;
            Some(OsString::from(value))
        })
    }

    /// The proxy in use as messages show it.
    fn shown(variables: &[(&str, &str)]) -> String {
        match choose(variables) {
            Ok(ProxyChoice::Use(proxy)) => proxy.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_first_variable_with_a_value_selects_the_proxy() {
        let table: [(&[(&str, &str)], &str); 9] = [
            (&[], "Ok(NotSet)"),
            (&[("HTTPS_PROXY", ""), ("ALL_PROXY", " ")], "Ok(NotSet)"),
            (&[("HTTP_PROXY", "http://a:1")], "Ok(NotSet)"),
            (
                &[("ALL_PROXY", "http://b:1"), ("HTTPS_PROXY", "http://a:1")],
                "the proxy `http://a:1` of HTTPS_PROXY",
            ),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "a.example:3128")],
                "the proxy `http://a.example:3128` of https_proxy",
            ),
            (
                &[("all_proxy", "HTTPS://a.example\n")],
                "the proxy `https://a.example` of all_proxy",
            ),
            // Many desktops set both. The SOCKS proxy is not used.
            (
                &[("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "socks://a:2")],
                "the proxy `http://a:1` of HTTPS_PROXY",
            ),
            (
                &[("HTTPS_PROXY", "http://corp%5Cada:p%40ss%231@[::1]:3128/")],
                "the proxy `http://corp%5Cada@[::1]:3128` of HTTPS_PROXY",
            ),
            (
                &[("HTTPS_PROXY", "http://ada:hunter2@a:1")],
                "the proxy `http://ada@a:1` of HTTPS_PROXY",
            ),
        ];
        for (variables, expected) in table {
            assert_eq!(shown(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn an_excluded_endpoint_needs_no_proxy_even_if_the_variable_is_invalid() {
        let table = [
            ("NO_PROXY", "api-01.moengage.com", true),
            ("no_proxy", "other.example, .moengage.com", true),
            ("NO_PROXY", "*", true),
            ("NO_PROXY", "gage.com", false),
            ("NO_PROXY", "api-02.moengage.com", false),
        ];
        for (name, value, is_excluded) in table {
            for proxy in ["http://a:1", "socks5h://a:1", "::::"] {
                let choice = choose(&[("HTTPS_PROXY", proxy), (name, value)]);
                assert_eq!(
                    choice == Ok(ProxyChoice::Direct),
                    is_excluded,
                    "{name}={value} {proxy}"
                );
            }
        }
        for endpoint in ["http://127.0.0.1:1", "http://localhost:1", "https://[::1]:1"] {
            let choice = choose_for(endpoint, &[("ALL_PROXY", "socks5h://a:1")]);
            assert_eq!(choice, Ok(ProxyChoice::Direct), "{endpoint}");
        }
    }

    #[test]
    fn an_unusable_variable_is_an_error_that_names_it_and_hides_its_value() {
        let table = [
            (r"http://corp\ada:hunter2@ss#1@host:3128", "text after the host"),
            ("http://ada:hunter2#1@host:3128", "port"),
            ("http://ada:12#hunter2@host:3128", "text after the host"),
            ("http://ada:12/hunter2@host:3128", "text after the host"),
            ("http://ada:12?hunter2@host:3128", "text after the host"),
            ("http://ada:hunter 2@host:3128", "space"),
            ("http://proxy.example/hunter2.pac", "text after the host"),
            ("::::", "host"),
            ("http://", "host"),
            ("http://host:port", "port"),
            ("http://host:99999", "port"),
            ("http//hunter2:3128", "text after the host"),
            ("socks5h://ada:hunter2@host:1080", "unsupported scheme `socks5h`"),
            ("SOCKS4://host", "unsupported scheme `socks4`"),
            ("socks://host:1080/", "unsupported scheme `socks`"),
            ("ftp://host", "unsupported scheme `ftp`"),
        ];
        for (value, expected) in table {
            for variable in PROXY_VARIABLES {
                let error = choose(&[(variable, value)]).unwrap_err();
                let shown = format!("{error} {}", error.help());
                assert!(
                    shown.contains(variable) && shown.contains(expected),
                    "{value}: {shown}"
                );
                assert!(
                    !format!("{shown} {error:?}").contains("hunter2"),
                    "{value}: {shown}"
                );
            }
        }
    }
}
