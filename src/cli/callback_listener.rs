//! The callback URL of a run's uploads, and the server that receives their results during the run.

use super::arguments::UploadWaitArguments;
use super::connection::open_state_store;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::SelectedWorkspace;
use super::secret_settings::SettingResolver;
use crate::apply::CallbackOptions;
use crate::callbacks::{CallbackEvent, CallbackHandler, CallbackServer, CallbackServerError};
use crate::config::settings::{CallbackSettings, ConnectionSettings, EndpointSetting, WorkspaceSettings};
use crate::model::hexadecimal;
use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::OnceLock;

/// A shorter token can be guessed.
const MIN_TOKEN_LENGTH: usize = 16;

#[derive(Default)]
pub(super) struct CallbackListener {
    /// What segctl sends to MoEngage with each upload.
    pub(super) callbacks: Option<CallbackOptions>,
    server: Option<CallbackServer>,
}

impl CallbackListener {
    /// Starts a server if the run waits and has an address to listen on. Sets `secret` to the token of the callback URL,
    /// so that it is redacted in responses.
    pub(super) async fn start(
        workspace: SelectedWorkspace<'_>,
        arguments: &UploadWaitArguments,
        output: Output,
        secret: &OnceLock<SecretString>,
    ) -> Result<Self, Failure> {
        require_callback_url(workspace.settings, arguments)?;
        let timeout = arguments.wait.then_some(arguments.wait_timeout);
        let settings = workspace.settings.callbacks.as_ref();
        let token = match settings {
            Some(settings) => callback_token(settings, &workspace.project.directory)?,
            None if timeout.is_none() => return Ok(Self::default()),
            None => hexadecimal(&random_bytes()?).into(),
        };
        let token = secret.get_or_init(|| token);
        let listen = match (arguments.callback_listen, settings) {
            (Some(address), _) => Some(address),
            (None, Some(settings)) => settings.listen,
            (None, None) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        };
        let server = match listen.filter(|_| timeout.is_some()) {
            Some(listen) => {
                let store = open_state_store(workspace)?;
                Some(CallbackServer::start(listen, store, token, lost_callback_printer(output)).await?)
            }
            None => None,
        };
        let url = match (settings, &server) {
            (Some(settings), _) => settings.url.clone(),
            (None, Some(server)) => format!("http://{}", reachable_address(server.address())),
            (None, None) => return Err(no_callback_url()),
        };
        let callbacks = CallbackOptions {
            base_url: format!("{url}/{}", token.expose_secret()).into(),
            timeout,
            nonce: random_bytes()?,
        };
        Ok(Self {
            callbacks: Some(callbacks),
            server,
        })
    }

    pub(super) async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

impl From<CallbackServerError> for Failure {
    fn from(error: CallbackServerError) -> Self {
        Self::from_error(FailureKind::Error, &error).with_help(
            "if another run or `segctl callbacks serve` uses this address, remove `callbacks.listen` from segctl.yaml, or use \
             another address here",
        )
    }
}

/// Fails if the run waits and MoEngage has no URL to call.
pub(super) fn require_callback_url(
    workspace: &WorkspaceSettings,
    arguments: &UploadWaitArguments,
) -> Result<(), Failure> {
    if arguments.wait && workspace.callbacks.is_none() && !is_local(workspace) {
        return Err(no_callback_url());
    }
    Ok(())
}

/// The token is a part of URLs, so it contains no character with a meaning there.
pub(super) fn callback_token(settings: &CallbackSettings, directory: &Path) -> Result<SecretString, Failure> {
    let mut resolver = SettingResolver::new(directory);
    let token = resolver.value("callbacks.token", &settings.token);
    resolver.finish()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if token.len() >= MIN_TOKEN_LENGTH && token.bytes().all(is_plain) {
        return Ok(token.into());
    }
    let message = format!(
        "invalid secret for `callbacks.token` of segctl.yaml: it must have at least {MIN_TOKEN_LENGTH} characters, only \
         letters, digits, `-` and `_`"
    );
    Err(Failure::new(FailureKind::Credentials, message).with_help("create one with `openssl rand -hex 32`"))
}

pub(super) fn lost_callback_printer(output: Output) -> Box<CallbackHandler> {
    Box::new(move |event| {
        if let CallbackEvent::StoreFailed(error) = event {
            let failure = Failure::from_error(FailureKind::Error, error);
            let error = failure.to_lines().join(": ");
            output.print_status_line(&format!(
                "warning: cannot store a callback; segctl asked MoEngage to retry it: {error}"
            ));
        }
    })
}

fn random_bytes() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Failure::new(FailureKind::Error, "the system provides no random numbers"))?;
    Ok(bytes)
}

/// Whether the workspace is on this machine and can reach a loopback address.
fn is_local(workspace: &WorkspaceSettings) -> bool {
    match &workspace.connection {
        ConnectionSettings::Sandbox { .. } => true,
        ConnectionSettings::MoEngage { endpoint, .. } => {
            matches!(endpoint, EndpointSetting::Url(url) if url.is_loopback())
        }
    }
}

/// An address on this machine that reaches a server listening on `address`.
fn reachable_address(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

fn no_callback_url() -> Failure {
    let message = "--wait needs a callback URL for MoEngage, and segctl.yaml sets none";
    Failure::new(FailureKind::Usage, message).with_help(
        "set `callbacks: {url: https://…, listen: 0.0.0.0:8080, token: ${SEGCTL_CALLBACK_TOKEN}}` for the workspace, or omit \
         --wait: then an accepted upload counts as applied",
    )
}
