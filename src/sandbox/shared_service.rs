//! The service shared by the connections of a server. It answers one request at a time, saves before it answers, and
//! processes files in the background.

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

pub(super) struct SharedService {
    stored_service: Mutex<StoredService>,
    pub(super) credentials: SandboxCredentials,
    /// Held while files are processed, which happens one after the other.
    queue_lock: tokio::sync::Mutex<()>,
    /// Tasks that outlive the connection that started them.
    background_tasks: Mutex<JoinSet<()>>,
}

struct StoredService {
    service: Service,
    data_file: Option<DataFile>,
}

impl SharedService {
    pub(super) fn open(options: &SandboxOptions) -> Result<Self, SandboxError> {
        let credentials = options.credentials.clone();
        let credentials = credentials.unwrap_or_else(SandboxCredentials::random);
        let mut service = Service::new(SandboxSettings::default(), credentials.clone());
        let mut data_file = None;
        if let Some(path) = &options.data_file {
            let unusable = |source| SandboxError::File {
                path: path.clone(),
                source,
            };
            let data_file = data_file.insert(DataFile::open(path).map_err(unusable)?);
            if let Some(state) = data_file.lock().map_err(unusable)?.load()? {
                service = Service::with_state(state, credentials.clone());
            }
        }
        let mut settings = service.state.settings.clone();
        for (name, value) in &options.switches {
            settings = settings.with_switch(name, value)?;
        }
        service.state.apply_settings(settings);
        service.set_faults(options.faults.clone());
        if options.data_file.is_none() {
            service.start_shadows(&options.compared_switches)?;
        }
        Ok(Self {
            stored_service: Mutex::new(StoredService { service, data_file }),
            credentials,
            queue_lock: tokio::sync::Mutex::new(()),
            background_tasks: Mutex::new(JoinSet::new()),
        })
    }

    /// Answers a request; `was_deferred` if its fault has already deferred it.
    pub(super) fn answer(&self, request: &HttpRequest, was_deferred: bool) -> HttpResponse {
        let response = self.lock_stored_service().update(|service| {
            if was_deferred {
                service.handle_deferred(now(), request)
            } else {
                service.handle(now(), request)
            }
        });
        response.unwrap_or_else(|error| {
            let message = format!("the sandbox cannot save its state: {error}");
            HttpResponse::new(
                500,
                json!({"title": "Internal Server Error", "description": message}),
            )
        })
    }

    pub(super) fn has_queued_files(&self) -> bool {
        self.lock_stored_service().service.next_job().is_some()
    }

    /// Runs a task that the end of the server waits for.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.lock_background_tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(super) async fn process_queue(&self) {
        let _guard = self.queue_lock.lock().await;
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
                (Ok(Some(callback)), Some(url)) => send_callback(url, &callback).await,
                (Ok(_), _) => {}
                // A retry would loop for ever. The next request reports why the state cannot be saved.
                (Err(_), _) => return,
            }
        }
    }

    /// Finishes the background tasks, and saves the times of reads: only writes are saved at once.
    pub(super) async fn shut_down(&self) {
        let tasks = std::mem::take(&mut *self.lock_background_tasks());
        tasks.join_all().await;
        self.process_queue().await;
        self.lock_stored_service()
            .update(|service| service.has_unsaved_changes = true)
            .ok();
    }

    fn lock_stored_service(&self) -> MutexGuard<'_, StoredService> {
        // The state is still valid after a panic of another holder.
        self.stored_service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_background_tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.background_tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredService {
    /// Changes the service as the last writer of the data file left it, and saves.
    fn update<T>(&mut self, change: impl FnOnce(&mut Service) -> T) -> Result<T, SandboxError> {
        let Self { service, data_file } = self;
        let Some(data_file) = data_file else {
            return Ok(change(service));
        };
        let path = data_file.path().to_path_buf();
        let unusable = |source: io::Error| SandboxError::File { path, source };
        let mut locked = match data_file.lock() {
            Ok(locked) => locked,
            Err(source) => return Err(unusable(source)),
        };
        if let Some(state) = locked.load_if_changed()? {
            service.state.reload(state);
        }
        let result = change(service);
        if service.has_unsaved_changes {
            locked.save(&service.state).map_err(unusable)?;
            service.mark_saved();
        }
        Ok(result)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the service has its own clock, ahead of the machine's"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
