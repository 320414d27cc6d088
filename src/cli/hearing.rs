//! Whether a run hears what becomes of lists, and where.

use super::arguments::HearingArguments;
use super::connection::{store, value};
use super::failure::{Failure, Kind};
use super::output::Output;
use super::project::Project;
use crate::apply::Callbacks;
use crate::callbacks::{Heard, Listening, Receiver};
use crate::config::workspace::{CallbackSettings, EndpointSetting, Service, Workspace};
use crate::model::is_http_on_this_machine;
use rustls::crypto::ring;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What is shorter is guessed.
const SHORTEST_TOKEN: usize = 16;

/// What a run hears with.
#[derive(Default)]
pub(super) struct Hearing {
    /// What the service is told.
    pub(super) callbacks: Option<Callbacks>,
    /// The secret in it.
    pub(super) token: Option<SecretString>,
    receiver: Option<Receiver>,
}

impl Hearing {
    /// Listens where the run is to, and says what the service has to be told.
    ///
    /// # Errors
    ///
    /// The service cannot call back, the secret is missing, or the address cannot be had.
    pub(super) async fn begin(
        project: &Project,
        (name, workspace): (&str, &Workspace),
        (arguments, output): (&HearingArguments, Output),
    ) -> Result<Self, Failure> {
        let wait = arguments.wait.then_some(arguments.wait_timeout);
        let settings = workspace.callbacks.as_ref();
        let token = match settings {
            Some(settings) => token(settings)?,
            None if wait.is_none() => return Ok(Self::default()),
            None if is_on_this_machine(workspace) => made_up()?,
            None => return Err(nowhere()),
        };
        let listen = settings.and_then(|settings| settings.listen);
        let listen = arguments.callback_listen.or(listen);
        let listen = match settings {
            Some(_) => listen,
            None => Some(listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
        };
        let receiver = match listen.filter(|_| wait.is_some()) {
            Some(listen) => {
                let kept = (store(project, name, workspace)?, &token);
                let receiver = Receiver::start(listen, kept, told(output)).await;
                Some(receiver.map_err(|error| Failure::caused(Kind::Error, &error))?)
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
        };
        Ok(Self {
            callbacks: Some(callbacks),
            token: Some(token),
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

/// A secret for one run.
fn made_up() -> Result<SecretString, Failure> {
    let mut bytes = [0; 16];
    let filled = ring::default_provider().secure_random.fill(&mut bytes);
    filled.map_err(|_| Failure::new(Kind::Error, "the system gives no random numbers"))?;
    let text = bytes.iter().fold(String::new(), |mut text, byte| {
        // Text takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(text.into())
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
