//! The server.

use super::message;
use crate::ledger::{LedgerStore, StoreError};
use crate::model::{Callback, UploadId};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt, io};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A callback is some hundred bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// Whoever takes longer than this for a request and its answer is no service.
const PATIENCE: Duration = Duration::from_secs(30);

/// For so long answers that are under way hold up the end.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// So many connections at once: whoever knows no secret must not take all memory.
const MOST_CONNECTIONS: usize = 256;

/// How long to wait for file handles when there are none.
const NO_HANDLES_PAUSE: Duration = Duration::from_millis(50);

/// Told of every callback that was kept, or could not be.
pub type Listening = dyn Fn(&Heard<'_>) + Send + Sync;

/// A callback that came.
#[derive(Debug)]
pub enum Heard<'h> {
    /// It is kept; with what the service calls the segment.
    Kept(Option<&'h str>, &'h Callback),
    /// It cannot be kept, for this reason.
    Lost(StoreError),
}

/// Keeps what the service says.
pub struct Receiver {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

/// It cannot listen where it is to.
#[derive(Debug)]
pub struct ReceiverError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for ReceiverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "callbacks cannot be heard on {}", self.address)
    }
}

impl error::Error for ReceiverError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What connections share.
struct Shared<S> {
    store: S,
    secret: SecretString,
    on_heard: Box<Listening>,
}

impl Receiver {
    /// Listens on `address` for callbacks to addresses with `secret` in them, and keeps them in `store`.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub async fn start<S: LedgerStore + 'static>(
        address: SocketAddr,
        (store, secret): (S, &SecretString),
        on_heard: Box<Listening>,
    ) -> Result<Self, ReceiverError> {
        let failed = |source| ReceiverError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let shared = Shared {
            store,
            secret: secret.clone(),
            on_heard,
        };
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::new(shared), stopped));
        Ok(Self {
            address: bound,
            stop,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers what was asked, and listens no more.
    pub async fn stop(self) {
        // Nobody listens any more when the task is gone already.
        self.stop.send(true).ok();
        self.accepting.await.ok();
    }
}

async fn accept<S: LedgerStore + 'static>(
    listener: TcpListener,
    shared: Arc<Shared<S>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let is_free = connections.len() < MOST_CONNECTIONS;
        tokio::select! {
            accepted = listener.accept(), if is_free => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(NO_HANDLES_PAUSE).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    // Whoever is not done by then asks again, or never was to.
    drop(tokio::time::timeout(LAST_ANSWERS, last).await);
}

async fn connection<S: LedgerStore + 'static>(
    stream: TcpStream,
    shared: Arc<Shared<S>>,
    mut stopped: watch::Receiver<bool>,
) {
    let serve = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // One request for each: whoever knows no secret must not keep others out by staying.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), serve);
    tokio::pin!(connection);
    tokio::select! {
        // Whoever hangs up needs no answer.
        _ = tokio::time::timeout(PATIENCE, connection.as_mut()) => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

async fn answer<S: LedgerStore>(shared: &Shared<S>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let secret = shared.secret.expose_secret();
    let Some(upload) = upload_in(request.uri().path(), secret) else {
        return said(StatusCode::NOT_FOUND, "there is nothing here");
    };
    if request.method() != Method::POST {
        return said(StatusCode::METHOD_NOT_ALLOWED, "callbacks are posted");
    }
    let body = match Limited::new(request.into_body(), LARGEST_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return said(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large, or not whole",
            );
        }
    };
    let message = match message::read(&body, secret) {
        Ok(message) => message,
        Err(error) => return said(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match shared.store.save_callback(&upload, &message.callback).await {
        Ok(()) => {
            (shared.on_heard)(&Heard::Kept(message.segment.as_deref(), &message.callback));
            said(StatusCode::OK, "kept")
        }
        Err(error) => {
            (shared.on_heard)(&Heard::Lost(error));
            said(
                StatusCode::SERVICE_UNAVAILABLE,
                "it cannot be kept now; try again",
            )
        }
    }
}

/// The upload that an address is of, which ends with the secret and its id: what stands before is the business of whoever
/// passes requests on.
fn upload_in(path: &str, secret: &str) -> Option<UploadId> {
    let (rest, upload) = path.rsplit_once('/')?;
    let (_, given) = rest.rsplit_once('/')?;
    let upload = UploadId::try_from(upload.to_owned()).ok()?;
    // Digests are compared, so that the time it takes tells nothing of the secret.
    (digest(given) == digest(secret)).then_some(upload)
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn said(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{words}\n"))));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_secret_and_an_id() {
        let id = "5a".repeat(16);
        for (path, is_one) in [
            (format!("/s3cret/{id}"), true),
            (format!("/hooks/segctl/s3cret/{id}"), true),
            (format!("/secret/{id}"), false),
            (format!("/s3cret/{id}/"), false),
            (format!("/{id}"), false),
            ("/s3cret/../../ledger".to_owned(), false),
            (format!("//{id}"), false),
            (String::new(), false),
        ] {
            assert_eq!(upload_in(&path, "s3cret").is_some(), is_one, "{path}");
        }
    }
}
