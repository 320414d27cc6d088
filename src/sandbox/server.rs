//! The service on a socket of this machine.
//!
//! On hyper itself rather than on a framework: faults close connections before or in the middle of an answer, and a
//! framework answers always.

use super::call::{Call, Delivery, Reply};
use super::download::{call_back, download};
use super::service::Service;
use super::{Credentials, Options, SandboxError, store};
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes of a body that are read: far more than the longest definition takes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// A running service.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

struct Shared {
    service: Mutex<Service>,
    credentials: Credentials,
    data: Option<PathBuf>,
    /// Held while files are processed: one after the other.
    working: tokio::sync::Mutex<()>,
}

impl Server {
    /// Starts a service on loopback.
    ///
    /// # Errors
    ///
    /// An address that is not loopback or in use, or a data file that cannot be used.
    pub async fn start(options: Options) -> Result<Self, SandboxError> {
        if !options.listen.ip().is_loopback() {
            return Err(SandboxError::NotLoopback(options.listen));
        }
        let listening = |source| SandboxError::Listen {
            address: options.listen,
            source,
        };
        let shared = Arc::new(Shared::open(&options)?);
        let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        Ok(Self {
            address,
            shared,
            stop,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What callers have to use.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.shared.credentials
    }

    /// Lets answers in progress finish, processes the files that are queued, and saves.
    pub async fn stop(self) {
        // Nobody listens any more when the task is gone already.
        self.stop.send(true).ok();
        self.accepting.await.ok();
        work(&self.shared).await;
        // The file was saved after every write; what is lost here is how often the service was read.
        self.shared.save().ok();
    }
}

impl Shared {
    fn open(options: &Options) -> Result<Self, SandboxError> {
        let credentials = options.credentials.clone().unwrap_or_else(Credentials::made_up);
        let stored = options.data.as_deref().map(store::load).transpose()?.flatten();
        let mut service = match stored {
            Some(state) => Service::with_state(state, credentials.clone()),
            None => Service::new(super::Settings::default(), credentials.clone()),
        };
        for (name, value) in &options.switches {
            service.state.settings =
                service
                    .state
                    .settings
                    .with(name, value)
                    .map_err(|source| SandboxError::Switch {
                        name: name.clone(),
                        source,
                    })?;
        }
        service.set_faults(options.faults.clone());
        let working = tokio::sync::Mutex::new(());
        Ok(Self {
            service: Mutex::new(service),
            credentials,
            data: options.data.clone(),
            working,
        })
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        // A panic while the lock was held is a bug of its own; the state is still whole.
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> std::io::Result<()> {
        let service = self.service();
        match &self.data {
            Some(path) => store::save(path, &service.state),
            None => Ok(()),
        }
    }

    /// Answers, and keeps what changed before anybody is told.
    fn answer(&self, call: &Call) -> Reply {
        let mut service = self.service();
        let reply = service.handle(now(), call);
        if let Some(path) = self.data.as_deref().filter(|_| service.take_dirty())
            && let Err(error) = store::save(path, &service.state)
        {
            let message = format!("the sandbox cannot save its state: {error}");
            return Reply::new(
                500,
                serde_json::json!({"title": "Internal Server Error", "description": message}),
            );
        }
        reply
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service has a clock of its own, ahead of the machine's"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of file handles, say: the next try may succeed.
                Err(_) => continue,
            },
            _ = stopped.changed() => break,
        };
        let shared = Arc::clone(&shared);
        let mut stopped = stopped.clone();
        connections.spawn(async move {
            let serve = service_fn(move |request| serve(Arc::clone(&shared), request));
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
        });
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

/// A connection that a fault ends without an answer.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is cut by a fault")
    }
}

impl std::error::Error for Cut {}

type Body = http_body_util::combinators::BoxBody<Bytes, Cut>;

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let call = read(request).await?;
    let is_settle = call.path == "/_sandbox/settle";
    if is_settle {
        work(&shared).await;
    }
    let reply = if is_settle {
        Reply::new(200, serde_json::json!({}))
    } else {
        shared.answer(&call)
    };
    if shared.service().next_job().is_some() {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { work(&shared).await });
    }
    if let Delivery::Slow(milliseconds) = reply.delivery {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    respond(&reply)
}

async fn read(request: Request<Incoming>) -> Result<Call, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT)
        .collect()
        .await
        .map_err(|_| Cut)?
        .to_bytes()
        .to_vec();
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let query = parts.uri.query().unwrap_or_default();
    let url = reqwest::Url::parse(&format!("http://localhost/?{query}")).map_err(|_| Cut)?;
    Ok(Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: headers.collect(),
        body,
    })
}

fn respond(reply: &Reply) -> Result<Response<Body>, Cut> {
    let text = match reply.delivery {
        Delivery::Reset => return Err(Cut),
        Delivery::Garbage => "<html><body>Bad gateway</body></html>".to_owned(),
        Delivery::Whole | Delivery::Slow(_) | Delivery::Truncated => reply.body.to_string(),
    };
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", "application/json");
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = if reply.delivery == Delivery::Truncated {
        response = response.header("content-length", text.len());
        let half = Bytes::copy_from_slice(text.as_bytes().get(..text.len() / 2).unwrap_or_default());
        let frames = [Ok(Frame::data(half)), Err(Cut)];
        StreamBody::new(futures_stream(frames)).boxed()
    } else {
        http_body_util::Full::new(Bytes::from(text))
            .map_err(|never: Infallible| match never {})
            .boxed()
    };
    response.body(body).map_err(|_| Cut)
}

/// The frames, one after the other.
fn futures_stream(
    frames: [Result<Frame<Bytes>, Cut>; 2],
) -> impl futures_core::Stream<Item = Result<Frame<Bytes>, Cut>> + Send + Sync {
    struct Frames(std::array::IntoIter<Result<Frame<Bytes>, Cut>, 2>);
    impl futures_core::Stream for Frames {
        type Item = Result<Frame<Bytes>, Cut>;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(self.0.next())
        }
    }
    Frames(frames.into_iter())
}

/// Processes queued files until none is left.
async fn work(shared: &Shared) {
    let _working = shared.working.lock().await;
    loop {
        let Some(job) = shared.service().next_job() else {
            return;
        };
        let file = download(&job.file_url).await;
        let said = shared.service().finish_job(now(), file);
        shared.save().ok();
        if let (Some(url), Some(said)) = (&job.callback_url, said) {
            call_back(url, &said).await;
        }
    }
}
