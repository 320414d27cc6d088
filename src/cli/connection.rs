//! A workspace that answers: the service, or the embedded sandbox started for the length of a command.

use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::Project;
use super::secret_command;
use super::wait_messages::WaitReporter;
use crate::api::{
    ApiError, CancelToken, Client, Clock, Credentials, Endpoint, HttpTransport, RequestError, SystemClock,
};
use crate::config::settings::{ConnectionSettings, EndpointSetting, ValueSource, WorkspaceSettings};
use crate::model::{Keyword, StateLocation, hexadecimal};
use crate::rate_limit::{RateLimits, Window};
use crate::reconcile::{ReconcileError, Reconciler, SharedCallLog};
use crate::sandbox;
use crate::state::{ConfiguredStore, NoteSink, StateStore, StoreError};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A workspace with the client that reaches it.
pub(super) struct Connection {
    /// Runs on it.
    pub(super) session: Reconciler<HttpTransport, SystemClock, ConfiguredStore>,
    /// Which service and workspace this is, as a digest: saved plans hold it.
    pub(super) workspace_digest: String,
    /// The embedded service, when there is one.
    sandbox_server: Option<sandbox::Server>,
    /// Learns a secret that the service is told with calls: what it answers is not repeated with that in it.
    pub(super) callback_secret: Arc<OnceLock<SecretString>>,
}

impl Connection {
    /// Looks up the credentials and starts the sandbox where the workspace is one.
    ///
    /// # Errors
    ///
    /// Missing credentials, an unusable endpoint, or a sandbox that does not start.
    pub(super) async fn open(
        project: &Project,
        (name, workspace): (&str, &WorkspaceSettings),
        (output, stop): (Output, CancelToken),
    ) -> Result<Self, Failure> {
        let (endpoint, credentials, server) = match &workspace.connection {
            ConnectionSettings::Sandbox { file } => start_sandbox(&project.directory.join(file)).await?,
            ConnectionSettings::MoEngage {
                endpoint,
                workspace_id,
                api_key,
                db_name,
            } => {
                let credentials = Credentials {
                    workspace_id: resolve_setting(workspace_id, "workspace_id")?,
                    api_key: resolve_setting(api_key, "api_key")?.into(),
                    db_name: db_name
                        .as_ref()
                        .map(|setting| resolve_setting(setting, "db_name"))
                        .transpose()?,
                };
                (remote_endpoint(endpoint)?, credentials, None)
            }
        };
        let service = match &workspace.connection {
            // The embedded service listens somewhere else each time.
            ConnectionSettings::Sandbox { file } => format!("sandbox {file}"),
            ConnectionSettings::MoEngage { .. } => format!("{endpoint} {}", credentials.workspace_id),
        };
        let service = hexadecimal(&Sha256::digest(service.as_bytes()));
        let secret = Arc::default();
        let transport = HttpTransport::new(endpoint, credentials)
            .map_err(|error| Failure::from_error(FailureKind::Error, &error))?
            .with_redacted_secret(Arc::clone(&secret));
        let note = move |note| output.print_status_line(&format!("note: {note}"));
        let calls = SharedCallLog::new(open_state_store(project, name, workspace)?, Box::new(note));
        let limits = rate_limits(workspace)?;
        let oldest = SystemClock.now().saturating_sub(limits.longest_span());
        let client = Client::new(transport, SystemClock, limits, retry_seed())
            .with_cancellation(stop)
            .with_wait_observer(WaitReporter::new(output).into_observer())
            .with_request_log(calls);
        let store = open_state_store(project, name, workspace)?;
        // Where this fails the log stays longer than it has to be, and the first call says that it cannot be kept.
        drop(store.prune_requests(oldest.unwrap_or_default()).await);
        let session = Reconciler {
            client,
            clock: SystemClock,
            store,
            on_note: print_notes_once(output),
        };
        Ok(Self {
            session,
            workspace_digest: service,
            sandbox_server: server,
            callback_secret: secret,
        })
    }

    /// Takes down the calls that were made, and stops the embedded service.
    pub(super) async fn close(self) {
        self.session.client.flush_request_log().await;
        if let Some(server) = self.sandbox_server {
            server.stop().await;
        }
    }
}

/// Notes, each said once: what is tried again and fails again is no news.
fn print_notes_once(output: Output) -> Box<NoteSink> {
    let said = Mutex::new(BTreeSet::new());
    Box::new(move |note| {
        let is_new = said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(note.clone());
        if is_new {
            output.print_status_line(&format!("note: {note}"));
        }
    })
}

/// Where the ledger of a workspace is.
///
/// # Errors
///
/// An object store that cannot be used from here.
pub(super) fn open_state_store(
    project: &Project,
    name: &str,
    workspace: &WorkspaceSettings,
) -> Result<ConfiguredStore, StoreError> {
    let place = workspace.state.clone();
    let place = place.unwrap_or_else(|| StateLocation::Directory(format!(".segctl/{name}")));
    ConfiguredStore::open(&place, &project.directory)
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let kind = if matches!(error.kind, ApiError::InvalidCredentials { .. }) {
            FailureKind::Credentials
        } else {
            FailureKind::Error
        };
        Self::from_error(kind, &error)
    }
}

impl From<ReconcileError> for Failure {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Api(error) => error.into(),
            ReconcileError::Store(error) => error.into(),
            ReconcileError::MemberList(..) => Self::new(FailureKind::InvalidFiles, error.to_string())
                .with_help(
                    "`segctl validate` tells of every fault; `segctl validate --fix` mends what is clear",
                ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from_error(FailureKind::Error, &error)
    }
}

/// The embedded service under credentials of its own: nobody else is to call it.
async fn start_sandbox(file: &Path) -> Result<(Endpoint, Credentials, Option<sandbox::Server>), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::from_error(FailureKind::Error, error);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    }
    let server = sandbox::Server::start(sandbox::SandboxOptions::embedded(file))
        .await
        .map_err(|error| failed(&error))?;
    let endpoint =
        Endpoint::parse(&format!("http://{}", server.address())).map_err(|error| failed(&error))?;
    let accepted = server.credentials();
    let credentials = Credentials {
        workspace_id: accepted.workspace_id.clone(),
        api_key: accepted.api_key.clone().into(),
        db_name: Some(accepted.db_name.clone()),
    };
    Ok((endpoint, credentials, Some(server)))
}

fn remote_endpoint(setting: &EndpointSetting) -> Result<Endpoint, Failure> {
    let endpoint = match setting {
        EndpointSetting::DataCenter(center) => Endpoint::data_center(center.as_str()),
        EndpointSetting::Url(url, _) => Endpoint::parse(url),
    };
    endpoint.map_err(|error| Failure::from_error(FailureKind::InvalidFiles, &error))
}

/// The value that a setting stands for. What a command printed is never repeated: it may be the secret.
pub(super) fn resolve_setting(setting: &ValueSource, field: &str) -> Result<String, Failure> {
    let missing = |message: String| Failure::new(FailureKind::Credentials, message);
    match setting {
        ValueSource::Literal(value) => Ok(value.clone()),
        ValueSource::Environment(name) => {
            env::var(name)
                .ok()
                .filter(|value| !value.is_empty())
                .ok_or_else(|| {
                    missing(format!(
                        "the environment variable {name}, which `{field}` of segctl.yaml names, is not set"
                    ))
                    .with_help(format!(
                        "set {name}, or choose a workspace that needs no credentials with --workspace"
                    ))
                })
        }
        ValueSource::Command(words) => {
            let (program, arguments) = words
                .split_first()
                .ok_or_else(|| missing(format!("`{field}` names no command")))?;
            secret_command::first_line(program, arguments, secret_command::TIMEOUT).map_err(|error| {
                missing(format!(
                    "the command `{program}`, which `{field}` of segctl.yaml names, {error}"
                ))
                .with_help("run it by hand: its first line of output has to be the value, and nobody is asked for anything")
            })
        }
    }
}

pub(super) fn rate_limits(workspace: &WorkspaceSettings) -> Result<RateLimits, Failure> {
    let mut limits = RateLimits::default();
    for class in &workspace.rate_limits {
        let windows: Result<Vec<Window>, Failure> = class
            .windows
            .iter()
            .map(|(text, place)| {
                Window::parse(text).map_err(|error| {
                    let failure = Failure::from_error(FailureKind::InvalidFiles, &error);
                    failure.with_help(format!("see {}:{}:{}", place.file, place.line, place.column))
                })
            })
            .collect();
        limits.set(class.class, windows?);
    }
    Ok(limits)
}

/// Spreads the retries of runs that were refused at the same moment.
fn retry_seed() -> u64 {
    u64::from(std::process::id())
}
