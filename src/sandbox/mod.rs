//! The Segments service on this machine: strict where MoEngage is documented, switchable where it is not.
//!
//! It shares no code with the client, so that each can find the other's mistakes. At its heart is [`Service`], a
//! value that answers calls and does no input or output of its own; [`Server`] puts it on a loopback socket, keeps
//! its state in a file, fetches files of users and calls back. Time is the machine's plus an offset that can be
//! moved forward, so that what takes 60 days can be seen at once.
//!
//! Beside the API's paths there is `/_sandbox/…` with the same credentials, for tests and the curious: `GET log`,
//! `GET state`, `GET clock`, `POST clock {advance_seconds}`, `POST run {id}` (a query or campaign uses a segment),
//! `POST segments` (what a dashboard user does), `POST faults` (which calls go wrong), `POST settle` (waits until
//! all files are processed) and `GET told-apart` (which of the settings in [`Options::compare_with`] would have made a
//! difference so far).

mod cohorts;
mod control_endpoints;
mod credentials;
mod data_file;
mod definition;
mod error_responses;
mod faults;
mod file_jobs;
mod file_parser;
mod file_segments;
mod file_transfer;
mod filter_segments;
mod http_conversion;
mod http_message;
mod lifecycle;
mod name_rules;
mod rate_limits;
mod route;
mod server;
mod service;
mod settings;
mod shadow;
mod shared_service;
mod state;
mod write_checks;

pub use definition::EchoFormat;
pub use faults::{Fault, FaultKind, FaultMatcher, FaultTiming};
pub use http_message::{Delivery, HttpRequest, HttpResponse};
pub use rate_limits::{RateLimitClass, RateLimitWindow};
pub use server::Server;
pub use service::{LogEntry, Service};
pub use settings::{
    HeaderWindow, MissingExcludedBehavior, RateLimitMode, SandboxSettings, UnchangedUpdateBehavior,
};
pub use state::{FileJob, FileOperation};

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// Who may call.
#[derive(Clone, PartialEq, Eq)]
pub struct SandboxCredentials {
    /// The user.
    pub workspace_id: String,
    /// The password.
    pub api_key: String,
    /// The value of `MOE-DBNAME`.
    pub db_name: String,
}

impl SandboxCredentials {
    /// Credentials for a service that only this process knows of: other users of the machine reach its socket too.
    #[must_use]
    pub fn random() -> Self {
        let word = || "sandbox".to_owned();
        // The standard library seeds these from the system's randomness.
        let random = || RandomState::new().build_hasher().finish();
        Self {
            workspace_id: word(),
            api_key: format!("{:016x}{:016x}", random(), random()),
            db_name: word(),
        }
    }
}

impl fmt::Debug for SandboxCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("workspace_id", &self.workspace_id)
            .finish_non_exhaustive()
    }
}

/// How a service is run.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The file that keeps the state; without it the state ends with the process.
    pub data_file: Option<PathBuf>,
    /// Who may call; made up where nothing is said.
    pub credentials: Option<SandboxCredentials>,
    /// Faults from the start.
    pub faults: Vec<Fault>,
    switches: Vec<(String, String)>,
    compared_switches: Vec<(String, String)>,
}

impl SandboxOptions {
    /// A service for the length of one command, kept in `data`.
    #[must_use]
    pub fn embedded(data: &Path) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_file: Some(data.to_path_buf()),
            ..Self::standalone(listen)
        }
    }

    /// A service on an address, in memory.
    #[must_use]
    pub fn standalone(listen: SocketAddr) -> Self {
        Self {
            listen,
            data_file: None,
            credentials: None,
            faults: Vec::new(),
            switches: Vec::new(),
            compared_switches: Vec::new(),
        }
    }

    /// Puts the switch `name` to `value`.
    ///
    /// # Errors
    ///
    /// No such switch, or no such value of it.
    pub fn set_switch(&mut self, name: &str, value: &str) -> Result<(), SandboxError> {
        self.switches.push(check_switch(name, value)?);
        Ok(())
    }

    /// Has the service tell, at `GET /_sandbox/told-apart`, whether anything would have been another way with the switch
    /// `name` at `value`. Only for a service in memory: with a data file, others write to it, too.
    ///
    /// # Errors
    ///
    /// No such switch, or no such value of it.
    pub fn add_compared_switch(&mut self, name: &str, value: &str) -> Result<(), SandboxError> {
        self.compared_switches.push(check_switch(name, value)?);
        Ok(())
    }

    /// Takes a script of faults: a JSON list.
    ///
    /// # Errors
    ///
    /// Text that is no such list.
    pub fn set_faults(&mut self, script: &str) -> Result<(), SandboxError> {
        self.faults = serde_json::from_str(script).map_err(SandboxError::Faults)?;
        Ok(())
    }
}

/// A switch and its value, if there is such a switch with such a value.
fn check_switch(name: &str, value: &str) -> Result<(String, String), SandboxError> {
    let checked = SandboxSettings::default().with_switch(name, value);
    checked.map_err(|source| SandboxError::Switch {
        name: name.to_owned(),
        source,
    })?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Why a service cannot be run.
#[derive(Debug)]
pub enum SandboxError {
    /// It would be open to other machines.
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// The data file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The data file is not what the service wrote.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such switch, or no such value of it.
    Switch {
        /// Its name.
        name: String,
        /// What was expected.
        source: serde_json::Error,
    },
    /// The script of faults cannot be read.
    Faults(serde_json::Error),
}

impl fmt::Display for SandboxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => {
                write!(
                    formatter,
                    "the sandbox listens on loopback only, not on {address}; use 127.0.0.1"
                )
            }
            Self::Listen { address, .. } => write!(formatter, "the sandbox cannot listen on {address}"),
            Self::File { path, .. } => write!(formatter, "the sandbox cannot use `{}`", path.display()),
            Self::Corrupt { path, reason } => write!(
                formatter,
                "the sandbox's file `{}` cannot be used: {reason}; move it away to start afresh",
                path.display()
            ),
            Self::Switch { name, .. } => write!(formatter, "the sandbox's switch `{name}` cannot be set so"),
            Self::Faults(_) => formatter.write_str("the script of faults cannot be read"),
        }
    }
}

impl error::Error for SandboxError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::File { source, .. } => Some(source),
            Self::Switch { source, .. } | Self::Faults(source) => Some(source),
            Self::NotLoopback(_) | Self::Corrupt { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
