//! Classifies requests without a response: what may have been processed, and what a retry cannot help.

use super::proxy::Proxy;
use super::{SetupProblem, TransportError};
use std::error::Error;
use std::io;
use std::time::Duration;

/// The text of the tunnel's error, whose type is private.
const PROXY_REQUIRES_AUTHENTICATION: &str = "proxy authorization required";

/// Distinguishes a request that was not sent from one without a response. In doubt, the request was sent.
pub(super) fn transport_error(
    error: &reqwest::Error,
    deadline: Duration,
    proxy: Option<&Proxy>,
) -> TransportError {
    if error.is_connect() || error.is_builder() {
        return connect_error(error, proxy);
    }
    let message = if error.is_timeout() {
        format!("no complete response within {} s", deadline.as_secs_f32())
    } else {
        root_cause(error)
    };
    TransportError::NoResponse { message }
}

/// Whether the connection of a request without a response was closed, in contrast to a timeout.
pub(super) fn is_closed_connection(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    causes(error).any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let is_closed_socket = matches!(
            kind,
            Some(BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
        );
        let hyper_error = cause.downcast_ref::<hyper::Error>();
        is_closed_socket || hyper_error.is_some_and(hyper::Error::is_incomplete_message)
    })
}

fn connect_error(error: &reqwest::Error, proxy: Option<&Proxy>) -> TransportError {
    let cause = root_cause(error);
    if cause.contains(PROXY_REQUIRES_AUTHENTICATION) {
        let proxy_text = proxy.map_or_else(|| "the proxy of this machine".to_owned(), Proxy::to_string);
        let message = if proxy.is_some_and(Proxy::has_password) {
            format!("{proxy_text} rejects the user and the password (407)")
        } else {
            format!("{proxy_text} requires a user and a password (407)")
        };
        let problem = SetupProblem::ProxyAuthentication;
        return TransportError::Misconfigured { problem, message };
    }
    let message = match proxy {
        Some(proxy) => format!("through {proxy}: {cause}"),
        None => cause,
    };
    let tls_error = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
    match tls_error.and_then(|error| tls_problem(error, proxy)) {
        Some(problem) => TransportError::Misconfigured { problem, message },
        None => TransportError::NotSent { message },
    }
}

/// `None`: a retry may succeed.
fn tls_problem(error: &rustls::Error, proxy: Option<&Proxy>) -> Option<SetupProblem> {
    use rustls::AlertDescription::{
        CertificateRequired, HandshakeFailure, ProtocolVersion, UnrecognisedName,
    };
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Some(SetupProblem::Certificate)
        }
        // The proxy is connected first, so the answer is probably its own.
        rustls::Error::InvalidMessage(_) if proxy.is_some_and(Proxy::is_encrypted) => {
            Some(SetupProblem::UnencryptedProxy)
        }
        rustls::Error::InvalidMessage(_)
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            CertificateRequired | HandshakeFailure | ProtocolVersion | UnrecognisedName,
        ) => Some(SetupProblem::Tls),
        _ => None,
    }
}

/// The innermost cause. The HTTP client's own text contains only the URL and that the request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let innermost = causes(error).last();
    innermost.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

/// The causes, outermost first.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(cause(error), |error| cause(*error))
}

/// An I/O error that holds another error shows that error's cause as its own, and so skips the error itself.
fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}
