//! Whether a run hears what becomes of lists, and where.

use super::arguments::UploadWaitArguments;
use super::connection::{open_state_store, resolve_setting};
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::Project;
use crate::apply::CallbackOptions;
use crate::callbacks::{CallbackEvent, CallbackHandler, CallbackServer, CallbackServerError};
use crate::config::settings::{CallbackSettings, ConnectionSettings, EndpointSetting, WorkspaceSettings};
use crate::model::{hexadecimal, is_loopback_http};
use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

/// What is shorter is guessed.
const MIN_TOKEN_LENGTH: usize = 16;

/// What a run hears with.
#[derive(Default)]
pub(super) struct CallbackListener {
    /// What the service is told.
    pub(super) callbacks: Option<CallbackOptions>,
    receiver: Option<CallbackServer>,
}

impl CallbackListener {
    /// Listens where the run is to, and says what the service has to be told; `secret` learns what must not be repeated.
    ///
    /// # Errors
    ///
    /// The service cannot call back, the secret is missing, or the address cannot be had.
    pub(super) async fn start(
        project: &Project,
        (name, workspace): (&str, &WorkspaceSettings),
        (arguments, output): (&UploadWaitArguments, Output),
        secret: &OnceLock<SecretString>,
    ) -> Result<Self, Failure> {
        require_callback_url(workspace, arguments)?;
        let wait = arguments.wait.then_some(arguments.wait_timeout);
        let settings = workspace.callbacks.as_ref();
        let token = match settings {
            Some(settings) => callback_token(settings)?,
            None if wait.is_none() => return Ok(Self::default()),
            None => hexadecimal(&random_bytes()?).into(),
        };
        let token = secret.get_or_init(|| token);
        let listen = settings.and_then(|settings| settings.listen);
        let listen = arguments.callback_listen.or(listen);
        let listen = match settings {
            Some(_) => listen,
            None => Some(listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
        };
        let receiver = match listen.filter(|_| wait.is_some()) {
            Some(listen) => {
                let kept = (open_state_store(project, name, workspace)?, token);
                Some(CallbackServer::start(listen, kept, lost_callback_printer(output)).await?)
            }
            None => None,
        };
        let url = match (settings, &receiver) {
            (Some(settings), _) => settings.url.clone(),
            (None, Some(receiver)) => format!("http://{}", reachable_address(receiver.address())),
            (None, None) => return Err(no_callback_url()),
        };
        let callbacks = CallbackOptions {
            base_url: format!("{url}/{}", token.expose_secret()).into(),
            timeout: wait,
            nonce: random_bytes()?,
        };
        Ok(Self {
            callbacks: Some(callbacks),
            receiver,
        })
    }

    /// Listens no more.
    pub(super) async fn stop(self) {
        if let Some(receiver) = self.receiver {
            receiver.stop().await;
        }
    }
}

impl From<CallbackServerError> for Failure {
    fn from(error: CallbackServerError) -> Self {
        Self::from_error(FailureKind::Error, &error).with_help(
            "where another run or `segctl callbacks serve` listens there, leave `listen` out of segctl.yaml, or give this one \
             another address",
        )
    }
}

/// Waiting takes an address at which the service can call back.
///
/// # Errors
///
/// There is none.
pub(super) fn require_callback_url(
    workspace: &WorkspaceSettings,
    arguments: &UploadWaitArguments,
) -> Result<(), Failure> {
    if arguments.wait && workspace.callbacks.is_none() && !is_local(workspace) {
        return Err(no_callback_url());
    }
    Ok(())
}

/// The secret, which becomes a part of addresses.
///
/// # Errors
///
/// It is not set, too short, or would mean something in an address.
pub(super) fn callback_token(settings: &CallbackSettings) -> Result<SecretString, Failure> {
    let token = resolve_setting(&settings.token, "callbacks.token")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if token.len() >= MIN_TOKEN_LENGTH && token.bytes().all(is_plain) {
        return Ok(token.into());
    }
    let message = format!(
        "the secret that `callbacks.token` of segctl.yaml names cannot be used: it has to have at least {MIN_TOKEN_LENGTH} letters, \
         digits, `-` and `_`"
    );
    Err(Failure::new(FailureKind::Credentials, message).with_help("make one with `openssl rand -hex 32`"))
}

/// What a receiver of callbacks has to tell.
pub(super) fn lost_callback_printer(output: Output) -> Box<CallbackHandler> {
    Box::new(move |heard| {
        if let CallbackEvent::StoreFailed(error) = heard {
            let failure = Failure::from_error(FailureKind::Error, error);
            output.print_status_line(&format!(
                "a callback cannot be kept, so that the service is told to try again: {}",
                failure.to_lines().join(": ")
            ));
        }
    })
}

/// What nobody can guess, and no other run has.
fn random_bytes() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Failure::new(FailureKind::Error, "the system gives no random numbers"))?;
    Ok(bytes)
}

/// Whether the service can call this machine without anybody in between.
fn is_local(workspace: &WorkspaceSettings) -> bool {
    match &workspace.connection {
        ConnectionSettings::Sandbox { .. } => true,
        ConnectionSettings::MoEngage { endpoint, .. } => {
            matches!(endpoint, EndpointSetting::Url(url, _) if is_loopback_http(url))
        }
    }
}

/// Where whoever is on this machine reaches what listens on an address.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

fn no_callback_url() -> Failure {
    let message = "--wait needs an address at which the service can call back, and segctl.yaml names none";
    Failure::new(FailureKind::Usage, message).with_help(
        "say `callbacks: {url: https://…, listen: 0.0.0.0:8080, token: ${SEGCTL_CALLBACK_TOKEN}}` under the workspace, or leave \
         --wait out: then a list that the service took is applied",
    )
}
