//! Whether a run hears what becomes of lists, and where.

use super::arguments::HearingArguments;
use super::connection::{store, value};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::project::Project;
use crate::apply::Callbacks;
use crate::callbacks::{Heard, Listening, Receiver, ReceiverError};
use crate::config::workspace::{CallbackSettings, EndpointSetting, Service, Workspace};
use crate::model::{hexadecimal, is_http_on_this_machine};
use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

/// What is shorter is guessed.
const SHORTEST_TOKEN: usize = 16;

/// What a run hears with.
#[derive(Default)]
pub(super) struct Hearing {
    /// What the service is told.
    pub(super) callbacks: Option<Callbacks>,
    receiver: Option<Receiver>,
}

impl Hearing {
    /// Listens where the run is to, and says what the service has to be told; `secret` learns what must not be repeated.
    ///
    /// # Errors
    ///
    /// The service cannot call back, the secret is missing, or the address cannot be had.
    pub(super) async fn begin(
        project: &Project,
        (name, workspace): (&str, &Workspace),
        (arguments, output): (&HearingArguments, Output),
        secret: &OnceLock<SecretString>,
    ) -> Result<Self, Failure> {
        require_address(workspace, arguments)?;
        let wait = arguments.wait.then_some(arguments.wait_timeout);
        let settings = workspace.callbacks.as_ref();
        let token = match settings {
            Some(settings) => token(settings)?,
            None if wait.is_none() => return Ok(Self::default()),
            None => hexadecimal(&random()?).into(),
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
                let kept = (store(project, name, workspace)?, token);
                Some(Receiver::start(listen, kept, told(output)).await?)
            }
            None => None,
        };
        let url = match (settings, &receiver) {
            (Some(settings), _) => settings.url.clone(),
            (None, Some(receiver)) => format!("http://{}", reached(receiver.address())),
            (None, None) => return Err(nowhere()),
        };
        let callbacks = Callbacks {
            address: format!("{url}/{}", token.expose_secret()).into(),
            wait,
            nonce: random()?,
        };
        Ok(Self {
            callbacks: Some(callbacks),
            receiver,
        })
    }

    /// Listens no more.
    pub(super) async fn end(self) {
        if let Some(receiver) = self.receiver {
            receiver.stop().await;
        }
    }
}

impl From<ReceiverError> for Failure {
    fn from(error: ReceiverError) -> Self {
        Self::caused(Kind::Error, &error).with_help(
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
pub(super) fn require_address(workspace: &Workspace, arguments: &HearingArguments) -> Result<(), Failure> {
    if arguments.wait && workspace.callbacks.is_none() && !is_on_this_machine(workspace) {
        return Err(nowhere());
    }
    Ok(())
}

/// The secret, which becomes a part of addresses.
///
/// # Errors
///
/// It is not set, too short, or would mean something in an address.
pub(super) fn token(settings: &CallbackSettings) -> Result<SecretString, Failure> {
    let token = value(&settings.token, "callbacks.token")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if token.len() >= SHORTEST_TOKEN && token.bytes().all(is_plain) {
        return Ok(token.into());
    }
    let message = format!(
        "the secret that `callbacks.token` of segctl.yaml names cannot be used: it has to have at least {SHORTEST_TOKEN} letters, \
         digits, `-` and `_`"
    );
    Err(Failure::new(Kind::Credentials, message).with_help("make one with `openssl rand -hex 32`"))
}

/// What a receiver of callbacks has to tell.
pub(super) fn told(output: Output) -> Box<Listening> {
    Box::new(move |heard| {
        if let Heard::Lost(error) = heard {
            let failure = Failure::caused(Kind::Error, error);
            output.line(&format!(
                "a callback cannot be kept, so that the service is told to try again: {}",
                failure.in_lines().join(": ")
            ));
        }
    })
}

/// What nobody can guess, and no other run has.
fn random() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Failure::new(Kind::Error, "the system gives no random numbers"))?;
    Ok(bytes)
}

/// Whether the service can call this machine without anybody in between.
fn is_on_this_machine(workspace: &Workspace) -> bool {
    match &workspace.service {
        Service::Sandbox { .. } => true,
        Service::Remote { endpoint, .. } => {
            matches!(endpoint, EndpointSetting::Url(url, _) if is_http_on_this_machine(url))
        }
    }
}

/// Where whoever is on this machine reaches what listens on an address.
fn reached(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    }
}

fn nowhere() -> Failure {
    let message = "--wait needs an address at which the service can call back, and segctl.yaml names none";
    Failure::new(Kind::Usage, message).with_help(
        "say `callbacks: {url: https://…, listen: 0.0.0.0:8080, token: ${SEGCTL_CALLBACK_TOKEN}}` under the workspace, or leave \
         --wait out: then a list that the service took is applied",
    )
}
