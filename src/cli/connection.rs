//! The connection to a workspace: the MoEngage API, or the embedded sandbox, which runs as long as the command.

use super::failure::{Failure, FailureKind};
use super::home::expand_home;
use super::output::Output;
use super::project::SelectedWorkspace;
use super::secret_settings::SettingResolver;
use super::wait_messages::WaitReporter;
use crate::api::{
    ApiError, CancelToken, Client, Clock, Credentials, Endpoint, HttpTransport, RequestError, SetupError,
    SystemClock,
};
use crate::config::settings::{ConnectionSettings, EndpointSetting, WorkspaceSettings};
use crate::model::{Keyword, StateLocation, hexadecimal};
use crate::rate_limit::RateLimits;
use crate::reconcile::{ReconcileError, Reconciler, SharedRequestLog};
use crate::sandbox;
use crate::state::{NoteSink, StateStore, StoreError};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(super) struct Connection {
    pub(super) reconciler: Reconciler<HttpTransport, SystemClock>,
    /// A digest of the endpoint and the workspace id, which saved plans contain.
    pub(super) workspace_digest: String,
    sandbox_server: Option<sandbox::Server>,
    /// Set when a run sends its callback token to MoEngage. It is redacted in responses from then on.
    pub(super) callback_secret: Arc<OnceLock<SecretString>>,
}

impl Connection {
    /// Resolves the credentials, and starts the sandbox if the workspace is one.
    pub(super) async fn open(
        workspace: SelectedWorkspace<'_>,
        output: Output,
        cancel_token: CancelToken,
    ) -> Result<Self, Failure> {
        let (project, settings) = (workspace.project, workspace.settings);
        let (endpoint, credentials, sandbox_server) = match &settings.connection {
            ConnectionSettings::Sandbox { file } => {
                start_sandbox(&project.directory.join(expand_home(file, "sandbox")?)).await?
            }
            ConnectionSettings::MoEngage {
                endpoint,
                workspace_id,
                api_key,
                db_name,
            } => {
                let mut resolver = SettingResolver::new(&project.directory);
                let credentials = Credentials {
                    workspace_id: resolver.value("workspace_id", workspace_id),
                    api_key: resolver.value("api_key", api_key).into(),
                    db_name: db_name.as_ref().map(|source| resolver.value("db_name", source)),
                };
                resolver.finish()?;
                (remote_endpoint(endpoint)?, credentials, None)
            }
        };
        let workspace_digest = workspace_digest(&settings.connection, &endpoint, &credentials.workspace_id);
        let callback_secret = Arc::default();
        let transport =
            HttpTransport::new(endpoint, credentials)?.with_redacted_secret(Arc::clone(&callback_secret));
        let on_note = Box::new(move |note: String| output.print_note(note));
        let request_log = SharedRequestLog::new(open_state_store(workspace)?, on_note);
        let limits = rate_limits(settings);
        let oldest = SystemClock.now().saturating_sub(limits.longest_span());
        // The seed spreads the retries of runs that were rejected at the same moment.
        let seed = u64::from(std::process::id());
        let client = Client::new(transport, SystemClock, limits, seed)
            .with_cancellation(cancel_token)
            .with_file_content_type(settings.policy.api_behavior.file_request_content_type)
            .with_wait_observer(WaitReporter::new(output).into_observer())
            .with_request_log(request_log);
        let store = open_state_store(workspace)?;
        // If this fails, the log is only longer than necessary, and the first request reports the problem.
        drop(store.prune_requests(oldest.unwrap_or_default()).await);
        let reconciler = Reconciler {
            client,
            clock: SystemClock,
            store,
            on_note: print_notes_once(output),
        };
        Ok(Self {
            reconciler,
            workspace_digest,
            sandbox_server,
            callback_secret,
        })
    }

    /// Writes the request log and stops the sandbox.
    pub(super) async fn close(self) {
        self.reconciler.client.flush_request_log().await;
        if let Some(server) = self.sandbox_server {
            server.stop().await;
        }
    }
}

fn workspace_digest(connection: &ConnectionSettings, endpoint: &Endpoint, workspace_id: &str) -> String {
    let identity = match connection {
        // The sandbox listens on another port each time.
        ConnectionSettings::Sandbox { file } => format!("sandbox {file}"),
        ConnectionSettings::MoEngage { .. } => format!("{endpoint} {workspace_id}"),
    };
    hexadecimal(&Sha256::digest(identity.as_bytes()))
}

/// Prints each note once, because a retry may fail again with the same note.
fn print_notes_once(output: Output) -> Box<NoteSink> {
    let printed = Mutex::new(BTreeSet::new());
    Box::new(move |note: String| {
        let mut printed = printed.lock().unwrap_or_else(PoisonError::into_inner);
        if printed.insert(note.clone()) {
            output.print_note(note);
        }
    })
}

pub(super) fn open_state_store(workspace: SelectedWorkspace<'_>) -> Result<StateStore, Failure> {
    let default = || StateLocation::Directory(format!(".segctl/{}", workspace.name));
    let location = workspace.settings.state.clone().unwrap_or_else(default);
    let location = match location {
        StateLocation::Directory(directory) => StateLocation::Directory(expand_home(&directory, "state")?),
        StateLocation::ObjectStore(_) => location,
    };
    Ok(StateStore::open(&location, &workspace.project.directory)?)
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let kind = match error {
            // As for the variables of flags.
            SetupError::Proxy { .. } => FailureKind::Usage,
            SetupError::BadCredential { .. } | SetupError::Client { .. } => FailureKind::Error,
        };
        let mut failure = Self::from_error(kind, &error);
        failure.help.extend(error.help().map(str::to_owned));
        failure
    }
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
            ReconcileError::ReadingTooLong(error) => Self {
                help: error.help(),
                ..Self::new(FailureKind::Guard, error.to_string())
            },
            ReconcileError::MemberList(..) => Self::new(FailureKind::InvalidFiles, error.to_string())
                .with_help(
                    "`segctl validate` lists every problem; `segctl validate --fix` fixes the unambiguous ones",
                ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from_error(FailureKind::Error, &error)
    }
}

/// Starts the sandbox with random credentials, so that no other process can use it.
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
        EndpointSetting::Url(url) => Ok(Endpoint::from(url.clone())),
    };
    endpoint.map_err(|error| Failure::from_error(FailureKind::InvalidFiles, &error))
}

pub(super) fn rate_limits(workspace: &WorkspaceSettings) -> RateLimits {
    let mut limits = RateLimits::default();
    for class in &workspace.rate_limits {
        limits.set(class.class, class.windows.clone());
    }
    limits
}
