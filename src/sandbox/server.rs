//! The service on a socket of this machine.
//!
//! On hyper itself rather than on a framework: faults close connections before or in the middle of an answer, and a
//! framework answers always.

use super::http_conversion::{ConnectionCut, ResponseBody, read_request, to_http_response};
use super::http_message::Delivery;
use super::shared_service::SharedService;
use super::{SandboxCredentials, SandboxError, SandboxOptions};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// How long to wait for file handles when there are none.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A running service.
pub struct Server {
    address: SocketAddr,
    shared: Arc<SharedService>,
    stop_sender: watch::Sender<bool>,
    accept_task: JoinHandle<()>,
}

impl Server {
    /// Starts a service on loopback.
    ///
    /// # Errors
    ///
    /// An address that is not loopback or in use, or a data file that cannot be used.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        if !options.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(options.listen));
        }
        let listening = |source| SandboxError::Listen {
            address: options.listen,
            source,
        };
        let shared = Arc::new(SharedService::open(&options)?);
        let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        // Files that a former run left in the queue.
        process_queue_in_background(&shared);
        Ok(Self {
            address,
            shared,
            stop_sender: stop,
            accept_task: accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What callers have to use.
    #[must_use]
    pub fn credentials(&self) -> &SandboxCredentials {
        &self.shared.credentials
    }

    /// Lets answers in progress finish, processes the files that are queued, and saves.
    pub async fn stop(self) {
        // Nobody listens any more when the task is gone already.
        self.stop_sender.send(true).ok();
        self.accept_task.await.ok();
        self.shared.shut_down().await;
    }
}

async fn accept(listener: TcpListener, shared: Arc<SharedService>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&shared), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
            _ = stopped.changed() => break,
        }
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

async fn serve_connection(stream: TcpStream, shared: Arc<SharedService>, mut stopped: watch::Receiver<bool>) {
    let serve = service_fn(move |request| handle_request(Arc::clone(&shared), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), serve);
    tokio::pin!(connection);
    tokio::select! {
        // Faults end connections with errors on purpose.
        _ = connection.as_mut() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

async fn handle_request(
    shared: Arc<SharedService>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, ConnectionCut> {
    let call = read_request(request).await?;
    if call.path == "/_sandbox/settle" && shared.may_control(&call) {
        shared.process_queue().await;
    }
    let mut reply = shared.answer(&call, false);
    if let Delivery::Deferred(milliseconds) = reply.delivery {
        let (send, answered) = oneshot::channel();
        let later = Arc::clone(&shared);
        // Not in this task: that one ends when the caller hangs up.
        shared.spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            drop(send.send(later.answer(&call, true)));
        });
        reply = answered.await.map_err(|_| ConnectionCut)?;
    }
    process_queue_in_background(&shared);
    if let Delivery::Delayed(milliseconds) = reply.delivery {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    to_http_response(&reply)
}

fn process_queue_in_background(shared: &Arc<SharedService>) {
    if shared.has_queued_files() {
        let working = Arc::clone(shared);
        shared.spawn(async move { working.process_queue().await });
    }
}
