//! The HTTP server for callbacks.

use super::health_check::{HealthCheck, is_health_check};
use super::message;
use super::text_response;
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

/// A callback has a few hundred bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits the memory that unauthenticated clients can use.
const MAX_CONNECTIONS: usize = 256;

/// How long to wait after a failed accept, such as without free file handles.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

pub type CallbackHandler = dyn Fn(&CallbackEvent<'_>) + Send + Sync;

#[derive(Debug)]
pub enum CallbackEvent<'h> {
    Stored(Option<&'h str>, &'h UploadResult),
    StoreFailed(StoreError),
}

pub struct CallbackServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    accept_task: JoinHandle<()>,
}

#[derive(Debug)]
pub struct CallbackServerError {
    address: SocketAddr,
    source: io::Error,
}

impl fmt::Display for CallbackServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot listen for callbacks on {}", self.address)
    }
}

impl error::Error for CallbackServerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

struct ServerContext {
    store: StateStore,
    health: HealthCheck,
    secret: SecretString,
    on_callback: Box<CallbackHandler>,
}

impl CallbackServer {
    /// Listens on `address` for callbacks with `secret` in their path, and stores them in `store`.
    pub async fn start(
        address: SocketAddr,
        store: StateStore,
        secret: &SecretString,
        on_callback: Box<CallbackHandler>,
    ) -> Result<Self, CallbackServerError> {
        let failed = |source| CallbackServerError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let context = ServerContext {
            store,
            health: HealthCheck::default(),
            secret: secret.clone(),
            on_callback,
        };
        let (stop, stopped) = watch::channel(false);
        let accept_task = tokio::spawn(accept_connections(listener, Arc::new(context), stopped));
        Ok(Self {
            address: bound,
            stop,
            accept_task,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn stop(self) {
        // The send fails only if the task has ended.
        self.stop.send(true).ok();
        self.accept_task.await.ok();
    }
}

async fn accept_connections(
    listener: TcpListener,
    context: Arc<ServerContext>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let has_capacity = connections.len() < MAX_CONNECTIONS;
        tokio::select! {
            accepted = listener.accept(), if has_capacity => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&context), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
            _ = connections.join_next(), if !connections.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    // MoEngage retries a request that is still unanswered then.
    drop(tokio::time::timeout(SHUTDOWN_TIMEOUT, drained).await);
}

async fn serve_connection(
    stream: TcpStream,
    context: Arc<ServerContext>,
    mut stopped: watch::Receiver<bool>,
) {
    let serve = service_fn(move |request| {
        let context = Arc::clone(&context);
        async move { Ok::<_, Infallible>(handle_request(&context, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Idle connections of unauthenticated clients must not block others.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), serve);
    tokio::pin!(connection);
    tokio::select! {
        // A client that disconnected needs no answer.
        _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection.as_mut()) => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

async fn handle_request(context: &ServerContext, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if is_health_check(&request) {
        return context.health.response(&context.store).await;
    }
    let secret = context.secret.expose_secret();
    let Some(upload) = authorized_upload_id(request.uri().path(), secret) else {
        return text_response(StatusCode::NOT_FOUND, "not found");
    };
    if request.method() != Method::POST {
        return text_response(StatusCode::METHOD_NOT_ALLOWED, "use POST for callbacks");
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES);
    let Ok(body) = body.collect().await else {
        let text = "the body is too large or incomplete";
        return text_response(StatusCode::PAYLOAD_TOO_LARGE, text);
    };
    let message = match message::parse(&body.to_bytes(), secret) {
        Ok(message) => message,
        Err(error) => return text_response(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let message::Message { result, segment } = message;
    match context.store.save_callback(&upload, &result).await {
        Ok(()) => {
            (context.on_callback)(&CallbackEvent::Stored(segment.as_deref(), &result));
            text_response(StatusCode::OK, "stored")
        }
        Err(error) => {
            (context.on_callback)(&CallbackEvent::StoreFailed(error));
            text_response(StatusCode::SERVICE_UNAVAILABLE, "cannot store it now; try again")
        }
    }
}

/// Reads a path that ends with the secret and an upload id. A proxy may add a prefix.
fn authorized_upload_id(path: &str, secret: &str) -> Option<UploadId> {
    let (rest, upload) = path.rsplit_once('/')?;
    let (_, given) = rest.rsplit_once('/')?;
    let upload = UploadId::try_from(upload.to_owned()).ok()?;
    // The time to compare digests does not reveal the secret.
    (secret_digest(given) == secret_digest(secret)).then_some(upload)
}

fn secret_digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_path_requires_the_secret_and_an_upload_id() {
        let id = "5a".repeat(16);
        for (path, is_authorized) in [
            (format!("/s3cret/{id}"), true),
            (format!("/hooks/segctl/s3cret/{id}"), true),
            (format!("/secret/{id}"), false),
            (format!("/s3cret/{id}/"), false),
            (format!("/{id}"), false),
            ("/s3cret/../../state".to_owned(), false),
            (format!("//{id}"), false),
            (String::new(), false),
        ] {
            assert_eq!(
                authorized_upload_id(&path, "s3cret").is_some(),
                is_authorized,
                "{path}"
            );
        }
    }
}
