//! A workspace that answers: the service, or the embedded sandbox started for the length of a command.

use super::announcer::Announcer;
use super::failure::{Failure, Kind};
use super::key_command;
use super::output::Output;
use super::project::Project;
use crate::api::{
    ApiError, CallError, Client, Clock, Credentials, Endpoint, HttpTransport, RateLimits, StopSignal,
    SystemClock, Window,
};
use crate::config::workspace::{EndpointSetting, Service, Setting, Workspace};
use crate::ledger::{ConfiguredStore, LedgerStore, StoreError};
use crate::model::{Keyword, LedgerPlace, hexadecimal};
use crate::sandbox;
use crate::session::{Notes, Session, SessionError, SharedCalls};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::env;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A workspace with the client that reaches it.
pub(super) struct Connection {
    /// Runs on it.
    pub(super) session: Session<HttpTransport, SystemClock, ConfiguredStore>,
    /// Which service and workspace this is, as a digest: saved plans hold it.
    pub(super) service: String,
    /// The embedded service, when there is one.
    server: Option<sandbox::Server>,
    /// Learns a secret that the service is told with calls: what it answers is not repeated with that in it.
    pub(super) secret: Arc<OnceLock<SecretString>>,
}

impl Connection {
    /// Looks up the credentials and starts the sandbox where the workspace is one.
    ///
    /// # Errors
    ///
    /// Missing credentials, an unusable endpoint, or a sandbox that does not start.
    pub(super) async fn open(
        project: &Project,
        (name, workspace): (&str, &Workspace),
        (output, stop): (Output, StopSignal),
    ) -> Result<Self, Failure> {
        let (endpoint, credentials, server) = match &workspace.service {
            Service::Sandbox { file } => embedded(&project.directory.join(file)).await?,
            Service::Remote {
                endpoint,
                workspace_id,
                api_key,
                db_name,
            } => {
                let credentials = Credentials {
                    workspace_id: value(workspace_id, "workspace_id")?,
                    api_key: value(api_key, "api_key")?.into(),
                    db_name: db_name
                        .as_ref()
                        .map(|setting| value(setting, "db_name"))
                        .transpose()?,
                };
                (remote(endpoint)?, credentials, None)
            }
        };
        let service = match &workspace.service {
            // The embedded service listens somewhere else each time.
            Service::Sandbox { file } => format!("sandbox {file}"),
            Service::Remote { .. } => format!("{endpoint} {}", credentials.workspace_id),
        };
        let service = hexadecimal(&Sha256::digest(service.as_bytes()));
        let secret = Arc::default();
        let transport = HttpTransport::new(endpoint, credentials)
            .map_err(|error| Failure::caused(Kind::Error, &error))?
            .redacting(Arc::clone(&secret));
        let note = move |note| output.line(&format!("note: {note}"));
        let calls = SharedCalls::new(store(project, name, workspace)?, Box::new(note));
        let limits = limits(workspace)?;
        let oldest = SystemClock.now().saturating_sub(limits.longest_span());
        let client = Client::new(transport, SystemClock, limits, retry_seed())
            .stopped_by(stop)
            .observed_by(Announcer::new(output).into_observer())
            .logged_in(calls);
        let store = store(project, name, workspace)?;
        // Where this fails the log stays longer than it has to be, and the first call says that it cannot be kept.
        drop(store.forget_requests(oldest.unwrap_or_default()).await);
        let session = Session {
            client,
            clock: SystemClock,
            store,
            on_note: said_once(output),
        };
        Ok(Self {
            session,
            service,
            server,
            secret,
        })
    }

    /// Takes down the calls that were made, and stops the embedded service.
    pub(super) async fn close(self) {
        self.session.client.keep_log().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

/// Notes, each said once: what is tried again and fails again is no news.
fn said_once(output: Output) -> Box<Notes> {
    let said = Mutex::new(BTreeSet::new());
    Box::new(move |note| {
        let is_new = said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(note.clone());
        if is_new {
            output.line(&format!("note: {note}"));
        }
    })
}

/// Where the ledger of a workspace is.
///
/// # Errors
///
/// An object store that cannot be used from here.
pub(super) fn store(
    project: &Project,
    name: &str,
    workspace: &Workspace,
) -> Result<ConfiguredStore, StoreError> {
    let place = workspace.ledger.clone();
    let place = place.unwrap_or_else(|| LedgerPlace::Directory(format!(".segctl/{name}")));
    ConfiguredStore::open(&place, &project.directory)
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let kind = if matches!(error.kind, ApiError::Credentials { .. }) {
            Kind::Credentials
        } else {
            Kind::Error
        };
        Self::caused(kind, &error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Call(error) => error.into(),
            SessionError::Store(error) => error.into(),
            SessionError::List(..) => Self::new(Kind::InvalidFiles, error.to_string()).with_help(
                "`segctl validate` tells of every fault; `segctl validate --fix` mends what is clear",
            ),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::caused(Kind::Error, &error)
    }
}

/// The embedded service under credentials of its own: nobody else is to call it.
async fn embedded(file: &Path) -> Result<(Endpoint, Credentials, Option<sandbox::Server>), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::caused(Kind::Error, error);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    }
    let server = sandbox::Server::start(sandbox::Options::embedded(file))
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

fn remote(setting: &EndpointSetting) -> Result<Endpoint, Failure> {
    let endpoint = match setting {
        EndpointSetting::DataCenter(center) => Endpoint::data_center(center.as_str()),
        EndpointSetting::Url(url, _) => Endpoint::parse(url),
    };
    endpoint.map_err(|error| Failure::caused(Kind::InvalidFiles, &error))
}

/// The value that a setting stands for. What a command printed is never repeated: it may be the secret.
pub(super) fn value(setting: &Setting, field: &str) -> Result<String, Failure> {
    let missing = |message: String| Failure::new(Kind::Credentials, message);
    match setting {
        Setting::Literal(value) => Ok(value.clone()),
        Setting::Environment(name) => {
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
        Setting::Command(words) => {
            let (program, arguments) = words
                .split_first()
                .ok_or_else(|| missing(format!("`{field}` names no command")))?;
            key_command::first_line(program, arguments, key_command::LIMIT).map_err(|error| {
                missing(format!(
                    "the command `{program}`, which `{field}` of segctl.yaml names, {error}"
                ))
                .with_help("run it by hand: its first line of output has to be the value, and nobody is asked for anything")
            })
        }
    }
}

pub(super) fn limits(workspace: &Workspace) -> Result<RateLimits, Failure> {
    let mut limits = RateLimits::default();
    for class in &workspace.rate_limits {
        let windows: Result<Vec<Window>, Failure> = class
            .windows
            .iter()
            .map(|(text, place)| {
                Window::parse(text).map_err(|error| {
                    let failure = Failure::caused(Kind::InvalidFiles, &error);
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
