//! The service between the connections of a server: one call at a time, kept before it is answered, and the work
//! that goes on without a caller.

use super::data_file::DataFile;
use super::file_transfer::{download, send_callback};
use super::http_message::{HttpRequest, HttpResponse};
use super::service::Service;
use super::settings::SandboxSettings;
use super::{SandboxCredentials, SandboxError, SandboxOptions};
use jiff::Timestamp;
use serde_json::json;
use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;

/// A service that several tasks use.
pub(super) struct SharedService {
    stored_service: Mutex<StoredService>,
    pub(super) credentials: SandboxCredentials,
    /// Held while files are processed: one after the other.
    queue_lock: tokio::sync::Mutex<()>,
    /// Tasks that outlive the connection that started them.
    background_tasks: Mutex<JoinSet<()>>,
}

struct StoredService {
    service: Service,
    store: Option<DataFile>,
}

impl SharedService {
    /// Opens the data file, or starts with nothing.
    pub(super) fn open(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let credentials = options
            .credentials
            .clone()
            .unwrap_or_else(SandboxCredentials::random);
        let mut service = Service::new(SandboxSettings::default(), credentials.clone());
        let mut store = None;
        if let Some(path) = &options.data_file {
            let unusable = |source| SandboxError::File {
                path: path.clone(),
                source,
            };
            let store = store.insert(DataFile::open(path).map_err(unusable)?);
            if let Some(state) = store.lock().map_err(unusable)?.load()? {
                service = Service::with_state(state, credentials.clone());
            }
        }
        let mut settings = service.state.settings.clone();
        for (name, value) in &options.switches {
            settings = settings
                .with_switch(name, value)
                .map_err(|source| SandboxError::Switch {
                    name: name.clone(),
                    source,
                })?;
        }
        service.state.apply_settings(settings);
        service.set_faults(options.faults.clone());
        if options.data_file.is_none() {
            service.start_shadows(&options.compared_switches)?;
        }
        Ok(Self {
            stored_service: Mutex::new(StoredService { service, store }),
            credentials,
            queue_lock: tokio::sync::Mutex::new(()),
            background_tasks: Mutex::new(JoinSet::new()),
        })
    }

    /// Answers a call, for the second time when it was postponed.
    pub(super) fn answer(&self, call: &HttpRequest, was_postponed: bool) -> HttpResponse {
        let answered = self.lock_stored_service().update(|service| {
            if was_postponed {
                service.handle_postponed(now(), call)
            } else {
                service.handle(now(), call)
            }
        });
        answered.unwrap_or_else(|error| {
            let message = format!("the sandbox cannot keep its state: {error}");
            HttpResponse::new(
                500,
                json!({"title": "Internal Server Error", "description": message}),
            )
        })
    }

    /// Whether a call may use the control endpoints.
    pub(super) fn may_control(&self, call: &HttpRequest) -> bool {
        self.lock_stored_service().service.may_use_control_endpoints(call)
    }

    /// Whether files wait to be processed.
    pub(super) fn has_queued_files(&self) -> bool {
        self.lock_stored_service().service.next_job().is_some()
    }

    /// Runs a task that the end of the server waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut background = self
            .background_tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while background.try_join_next().is_some() {}
        background.spawn(task);
    }

    /// Processes queued files until none is left.
    pub(super) async fn process_queue(&self) {
        let _working = self.queue_lock.lock().await;
        loop {
            let Some(job) = self.lock_stored_service().service.next_job() else {
                return;
            };
            let file = download(&job.file_url)
                .await
                .map_err(|error| match error.source() {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                });
            let finished = self
                .lock_stored_service()
                .update(|service| service.finish_job(now(), &job, file));
            match (finished, &job.callback_url) {
                (Ok(Some(said)), Some(url)) => send_callback(url, &said).await,
                (Ok(_), _) => {}
                // It would be queued for ever; who calls next learns why nothing can be kept.
                (Err(_), _) => return,
            }
        }
    }

    /// Ends what goes on in the background, and saves how often the service was read: only writes are saved at once.
    pub(super) async fn shut_down(&self) {
        let background = std::mem::take(
            &mut *self
                .background_tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        background.join_all().await;
        self.process_queue().await;
        self.lock_stored_service().save().ok();
    }

    fn lock_stored_service(&self) -> MutexGuard<'_, StoredService> {
        // A panic while the lock was held is a bug of its own; the state is still whole.
        self.stored_service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredService {
    /// Does something with the service as the last writer left it, and keeps what changed.
    fn update<T>(&mut self, change: impl FnOnce(&mut Service) -> T) -> Result<T, SandboxError> {
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
        if let Some(state) = locked.load_if_changed()? {
            service.state.reload(state);
        }
        let changed = change(service);
        if service.has_unsaved_changes() {
            locked.save(&service.state).map_err(unusable)?;
            service.mark_saved();
        }
        Ok(changed)
    }

    fn save(&mut self) -> Result<(), SandboxError> {
        self.update(Service::mark_unsaved)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service has a clock of its own, ahead of the machine's"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
