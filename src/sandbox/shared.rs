//! The service between the connections of a server: one call at a time, kept before it is answered, and the work
//! that goes on without a caller.

use super::call::{Call, Reply};
use super::download::{call_back, download};
use super::service::Service;
use super::settings::Settings;
use super::store::Store;
use super::{Credentials, Options, SandboxError};
use jiff::Timestamp;
use serde_json::json;
use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// A service that several tasks use.
pub(super) struct Shared {
    guarded: Mutex<Guarded>,
    pub(super) credentials: Credentials,
    /// Held while files are processed: one after the other.
    working: tokio::sync::Mutex<()>,
    /// Tasks that outlive the connection that started them.
    background: Mutex<JoinSet<()>>,
}

struct Guarded {
    service: Service,
    store: Option<Store>,
}

impl Shared {
    /// Opens the data file, or starts with nothing.
    pub(super) fn open(options: &Options) -> Result<Self, SandboxError> {
        let credentials = options.credentials.clone().unwrap_or_else(Credentials::made_up);
        let mut service = Service::new(Settings::default(), credentials.clone());
        let mut store = None;
        if let Some(path) = &options.data {
            let unusable = |source| SandboxError::File {
                path: path.clone(),
                source,
            };
            let store = store.insert(Store::open(path).map_err(unusable)?);
            if let Some(state) = store.lock().map_err(unusable)?.load()? {
                service = Service::with_state(state, credentials.clone());
            }
        }
        let mut settings = service.state.settings.clone();
        for (name, value) in &options.switches {
            settings = settings
                .with(name, value)
                .map_err(|source| SandboxError::Switch {
                    name: name.clone(),
                    source,
                })?;
        }
        service.state.set(settings);
        service.set_faults(options.faults.clone());
        if options.data.is_none() {
            service.compare_with(&options.alternatives)?;
        }
        Ok(Self {
            guarded: Mutex::new(Guarded { service, store }),
            credentials,
            working: tokio::sync::Mutex::new(()),
            background: Mutex::new(JoinSet::new()),
        })
    }

    /// Answers a call, for the second time when it was postponed.
    pub(super) fn answer(&self, call: &Call, was_postponed: bool) -> Reply {
        let answered = self.guarded().change(|service| {
            if was_postponed {
                service.handle_postponed(now(), call)
            } else {
                service.handle(now(), call)
            }
        });
        answered.unwrap_or_else(|error| {
            let message = format!("the sandbox cannot keep its state: {error}");
            Reply::new(
                500,
                json!({"title": "Internal Server Error", "description": message}),
            )
        })
    }

    /// Whether a call may use the control endpoints.
    pub(super) fn may_control(&self, call: &Call) -> bool {
        self.guarded().service.may_control(call)
    }

    /// Whether files wait to be processed.
    pub(super) fn has_work(&self) -> bool {
        self.guarded().service.next_job().is_some()
    }

    /// Runs a task that the end of the server waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut background = self.background.lock().unwrap_or_else(PoisonError::into_inner);
        while background.try_join_next().is_some() {}
        background.spawn(task);
    }

    /// Processes queued files until none is left.
    pub(super) async fn work(&self) {
        let _working = self.working.lock().await;
        loop {
            let Some(job) = self.guarded().service.next_job() else {
                return;
            };
            let file = download(&job.file_url)
                .await
                .map_err(|error| match error.source() {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                });
            let finished = self
                .guarded()
                .change(|service| service.finish_job(now(), &job, file));
            match (finished, &job.callback_url) {
                (Ok(Some(said)), Some(url)) => call_back(url, &said).await,
                (Ok(_), _) => {}
                // It would be queued for ever; who calls next learns why nothing can be kept.
                (Err(_), _) => return,
            }
        }
    }

    /// Ends what goes on in the background, and saves how often the service was read: only writes are saved at once.
    pub(super) async fn finish(&self) {
        let background = std::mem::take(&mut *self.background.lock().unwrap_or_else(PoisonError::into_inner));
        background.join_all().await;
        self.work().await;
        self.guarded().save_always().ok();
    }

    fn guarded(&self) -> MutexGuard<'_, Guarded> {
        // A panic while the lock was held is a bug of its own; the state is still whole.
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guarded {
    /// Does something with the service as the last writer left it, and keeps what changed.
    fn change<T>(&mut self, change: impl FnOnce(&mut Service) -> T) -> Result<T, SandboxError> {
        let Self { service, store } = self;
        let Some(store) = store else {
            return Ok(change(service));
        };
        let path = store.path().to_path_buf();
        let unusable = |source: io::Error| SandboxError::File { path, source };
        let mut locked = match store.lock() {
            Ok(locked) => locked,
            Err(source) => return Err(unusable(source)),
        };
        if let Some(state) = locked.load_news()? {
            service.state.replace_with(state);
        }
        let changed = change(service);
        if service.is_dirty() {
            locked.save(&service.state).map_err(unusable)?;
            service.saved();
        }
        Ok(changed)
    }

    fn save_always(&mut self) -> Result<(), SandboxError> {
        self.change(Service::touch)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service has a clock of its own, ahead of the machine's"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
