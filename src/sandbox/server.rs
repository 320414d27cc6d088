//! The service on a loopback socket.
//!
//! It uses hyper directly, because faults close connections before or in the middle of a response. A framework always
//! sends a response.

use super::credentials::check_basic_credentials;
use super::error_responses::EndpointFamily;
use super::http_conversion::{ConnectionCut, ReceivedRequest, ResponseBody, read_request, to_http_response};
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

/// The pause after a failed accept, which means that the process has no free file handles.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

pub struct Server {
    address: SocketAddr,
    shared: Arc<SharedService>,
    stop_sender: watch::Sender<bool>,
    accept_task: JoinHandle<()>,
}

impl Server {
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        if !options.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(options.listen));
        }
        let cannot_listen = |source| SandboxError::Listen {
            address: options.listen,
            source,
        };
        let shared = Arc::new(SharedService::open(&options)?);
        let listener = TcpListener::bind(options.listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let (stop_sender, stopped) = watch::channel(false);
        let accept_task = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        // The data file can contain queued files.
        process_queue_in_background(&shared);
        Ok(Self {
            address,
            shared,
            stop_sender,
            accept_task,
        })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    #[must_use]
    pub fn credentials(&self) -> &SandboxCredentials {
        &self.shared.credentials
    }

    /// Finishes the responses in progress, processes the queued files, and saves.
    pub async fn stop(self) {
        // Sending fails if the accept task has already ended.
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
    let request = match read_request(request).await? {
        ReceivedRequest::Complete(request) => request,
        ReceivedRequest::TooLong { path } => {
            let response = EndpointFamily::of_path(&path).error(413, "the body is too long");
            return to_http_response(&response);
        }
    };
    let may_control = check_basic_credentials(&shared.credentials, &request).is_ok();
    if request.path == "/_sandbox/process-files" && may_control {
        shared.process_queue().await;
    }
    let mut response = shared.answer(&request, false);
    if let Delivery::Deferred(milliseconds) = response.delivery {
        let (sender, receiver) = oneshot::channel();
        let service = Arc::clone(&shared);
        // In a task of its own, because this one ends when the caller closes the connection.
        shared.spawn(async move {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            drop(sender.send(service.answer(&request, true)));
        });
        response = receiver.await.map_err(|_| ConnectionCut)?;
    }
    process_queue_in_background(&shared);
    if let Delivery::Delayed(milliseconds) = response.delivery {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    to_http_response(&response)
}

fn process_queue_in_background(shared: &Arc<SharedService>) {
    if shared.has_queued_files() {
        let service = Arc::clone(shared);
        shared.spawn(async move { service.process_queue().await });
    }
}
