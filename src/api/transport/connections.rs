//! The connections of a transport. They are reused until a request gets no response; from then on, each request has a
//! connection of its own. A front end may close connections without notice, and a write that it drops must be verified.

use super::proxy::{Proxy, ProxyChoice};
use super::{Endpoint, Response, TransportError};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A reachable server accepts a connection within a few round trips. An early timeout leaves most of the deadline to the
/// answer, and distinguishes "not sent" from "possibly processed".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Connections {
    endpoint: Endpoint,
    proxy: ProxyChoice,
    /// Keeps connections open.
    reusing: reqwest::Client,
    /// Whether `reusing` may have an open connection.
    has_answered: AtomicBool,
    /// Set after the first request without a response.
    single_use: OnceLock<reqwest::Client>,
}

/// How the next request connects.
pub(super) struct Connection<'c> {
    pub(super) client: &'c reqwest::Client,
    /// Whether the connection may have carried other requests before.
    pub(super) may_be_reused: bool,
    pub(super) proxy: Option<&'c Proxy>,
}

impl Connections {
    pub(super) fn new(endpoint: &Endpoint, proxy: ProxyChoice) -> Result<Self, reqwest::Error> {
        let reusing = client_builder(endpoint, &proxy)?.build()?;
        Ok(Self {
            endpoint: endpoint.clone(),
            proxy,
            reusing,
            has_answered: AtomicBool::new(false),
            single_use: OnceLock::new(),
        })
    }

    pub(super) fn for_next_request(&self) -> Connection<'_> {
        let single_use = self.single_use.get();
        Connection {
            client: single_use.unwrap_or(&self.reusing),
            may_be_reused: single_use.is_none() && self.has_answered.load(Ordering::Relaxed),
            proxy: match &self.proxy {
                ProxyChoice::Use(proxy) => Some(proxy),
                ProxyChoice::Direct | ProxyChoice::NotSet => None,
            },
        }
    }

    pub(super) fn record(&self, result: &Result<Response, TransportError>) {
        match result {
            Ok(_) => self.has_answered.store(true, Ordering::Relaxed),
            Err(TransportError::NoResponse { .. } | TransportError::ConnectionClosed { .. })
                if self.single_use.get().is_none() =>
            {
                let builder = client_builder(&self.endpoint, &self.proxy);
                // The same settings built the other client, so a failure is unlikely; then that client stays in use.
                if let Ok(client) = builder.and_then(|builder| builder.pool_max_idle_per_host(0).build()) {
                    drop(self.single_use.set(client));
                }
            }
            Err(_) => {}
        }
    }
}

fn client_builder(
    endpoint: &Endpoint,
    proxy: &ProxyChoice,
) -> Result<reqwest::ClientBuilder, reqwest::Error> {
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
    builder = match proxy {
        ProxyChoice::Use(proxy) => builder.proxy(reqwest::Proxy::all(proxy.url().clone())?),
        ProxyChoice::Direct => builder.no_proxy(),
        ProxyChoice::NotSet => builder,
    };
    if !endpoint.is_encrypted() {
        // The sandbox must work on machines without certificates.
        builder = builder.tls_certs_only([]);
    }
    Ok(builder)
}
