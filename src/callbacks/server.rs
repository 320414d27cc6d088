//! The server.

use super::message;
use crate::model::{UploadId, UploadResult};
use crate::state::{StateStore, StoreError};
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
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Whoever takes longer than this for a request and its answer is no service.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// For so long answers that are under way hold up the end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// So many connections at once: whoever knows no secret must not take all memory.
const MAX_CONNECTIONS: usize = 256;

/// How long to wait for file handles when there are none.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Told of every callback that was kept, or could not be.
pub type CallbackHandler = dyn Fn(&CallbackEvent<'_>) + Send + Sync;

/// A callback that came.
#[derive(Debug)]
pub enum CallbackEvent<'h> {
    /// It is kept; with what the service calls the segment.
    Stored(Option<&'h str>, &'h UploadResult),
    /// It cannot be kept, for this reason.
    StoreFailed(StoreError),
}

/// Keeps what the service says.
pub struct CallbackServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accept_task: JoinHandle<()>,
}

/// It cannot listen where it is to.
#[derive(Debug)]
pub struct CallbackServerError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for CallbackServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "callbacks cannot be heard on {}", self.address)
    }
}

impl error::Error for CallbackServerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What connections share.
struct ServerContext<S> {
    store: S,
    secret: SecretString,
    on_callback: Box<CallbackHandler>,
}

impl CallbackServer {
    /// Listens on `address` for callbacks to addresses with `secret` in them, and keeps them in `store`.
    ///
    /// # Errors
    ///
    /// The address cannot be had.
    pub async fn start<S: StateStore + 'static>(
        address: SocketAddr,
        (store, secret): (S, &SecretString),
        on_callback: Box<CallbackHandler>,
    ) -> Result<Self, CallbackServerError> {
        let failed = |source| CallbackServerError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let shared = ServerContext {
            store,
            secret: secret.clone(),
            on_callback,
        };
        let (stop, stopped) = watch::channel(false);
        let accept_task = tokio::spawn(accept_connections(listener, Arc::new(shared), stopped));
        Ok(Self {
            address: bound,
            stop,
            accept_task,
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
        self.accept_task.await.ok();
    }
}

async fn accept_connections<S: StateStore + 'static>(
    listener: TcpListener,
    shared: Arc<ServerContext<S>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let is_free = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            accepted = listener.accept(), if is_free => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&shared), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    let last = async { while connections.join_next().await.is_some() {} };
    // Whoever is not done by then asks again, or never was to.
    drop(tokio::time::timeout(SHUTDOWN_TIMEOUT, last).await);
}

async fn serve_connection<S: StateStore + 'static>(
    stream: TcpStream,
    shared: Arc<ServerContext<S>>,
    mut stopped: watch::Receiver<bool>,
) {
    let serve = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(handle_request(&shared, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // One request for each: whoever knows no secret must not keep others out by staying.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), serve);
    tokio::pin!(connection);
    tokio::select! {
        // Whoever hangs up needs no answer.
        _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection.as_mut()) => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

async fn handle_request<S: StateStore>(
    shared: &ServerContext<S>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let secret = shared.secret.expose_secret();
    let Some(upload) = authorized_upload_id(request.uri().path(), secret) else {
        return text_response(StatusCode::NOT_FOUND, "there is nothing here");
    };
    if request.method() != Method::POST {
        return text_response(StatusCode::METHOD_NOT_ALLOWED, "callbacks are posted");
    }
    let body = match Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return text_response(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large, or not whole",
            );
        }
    };
    let message = match message::parse(&body, secret) {
        Ok(message) => message,
        Err(error) => return text_response(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match shared.store.save_callback(&upload, &message.callback).await {
        Ok(()) => {
            (shared.on_callback)(&CallbackEvent::Stored(
                message.segment.as_deref(),
                &message.callback,
            ));
            text_response(StatusCode::OK, "kept")
        }
        Err(error) => {
            (shared.on_callback)(&CallbackEvent::StoreFailed(error));
            text_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "it cannot be kept now; try again",
            )
        }
    }
}

/// The upload that an address is of, which ends with the secret and its id: what stands before is the business of whoever
/// passes requests on.
fn authorized_upload_id(path: &str, secret: &str) -> Option<UploadId> {
    let (rest, upload) = path.rsplit_once('/')?;
    let (_, given) = rest.rsplit_once('/')?;
    let upload = UploadId::try_from(upload.to_owned()).ok()?;
    // Digests are compared, so that the time it takes tells nothing of the secret.
    (secret_digest(given) == secret_digest(secret)).then_some(upload)
}

fn secret_digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn text_response(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{words}\n"))));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_path_requires_the_secret_and_an_upload_id() {
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
            assert_eq!(authorized_upload_id(&path, "s3cret").is_some(), is_one, "{path}");
        }
    }
}
