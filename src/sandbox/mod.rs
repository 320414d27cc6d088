//! An emulation of MoEngage's Segments API on this machine: strict where the API is documented, switchable elsewhere.
//!
//! It shares no code with the client, so that each side exposes the other's mistakes. [`Service`] answers requests
//! and does no input or output of its own. [`Server`] puts it on a loopback socket, saves its state in a file,
//! downloads member lists and sends callbacks. Its clock is the machine's plus an offset that only grows, so that a
//! test can skip 60 days.
//!
//! Control endpoints below `/_sandbox/` take the same credentials:
//! - `GET log`, `GET state`, `GET clock`
//! - `POST clock {advance_seconds}`
//! - `POST run {id}`: a query or campaign uses the segment
//! - `POST segments`: creates or edits a segment as a dashboard user does
//! - `POST faults`: replaces the fault script
//! - `POST process-files`: waits until all files are processed
//! - `GET distinguished-switches`: the values of [`SandboxOptions::add_compared_switch`] that would have changed a response so far

mod cohorts;
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
mod list_types;
mod name_rules;
mod rate_limit_class;
mod rate_limits;
mod route;
mod server;
mod service;
mod settings;
mod shared_service;
mod state;
mod write_checks;

pub use definition::EchoFormat;
pub use faults::{Fault, FaultKind, FaultMatcher, FaultTiming};
pub use http_message::{Delivery, HttpRequest, HttpResponse};
pub use rate_limit_class::{RateLimitClass, RateLimitWindow};
pub use server::Server;
pub use service::{LogEntry, Service};
pub use settings::{
    FileRequestContentType, HeaderWindow, ListedKinds, MissingExcludedBehavior, RateLimitMode,
    SandboxSettings, UnchangedUpdateBehavior, WrongDatabaseAnswer,
};
pub use state::{FileJob, FileOperation};

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{error, fmt, io};

#[derive(Clone, PartialEq, Eq)]
pub struct SandboxCredentials {
    /// The user name of Basic authentication.
    pub workspace_id: String,
    /// The password of Basic authentication.
    pub api_key: String,
    /// The value of the header `MOE-DBNAME`.
    pub db_name: String,
}

impl SandboxCredentials {
    /// Credentials with a random API key: other users of the machine can reach the socket, too.
    #[must_use]
    pub fn random() -> Self {
        // The standard library seeds these from the system's randomness.
        let random = || RandomState::new().build_hasher().finish();
        Self {
            workspace_id: "sandbox".to_owned(),
            api_key: format!("{:016x}{:016x}", random(), random()),
            db_name: "sandbox".to_owned(),
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

#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Port 0 selects a free port.
    pub listen: SocketAddr,
    /// Without a data file the state ends with the process.
    pub data_file: Option<PathBuf>,
    /// Random when `None`.
    pub credentials: Option<SandboxCredentials>,
    pub faults: Vec<Fault>,
    switches: Vec<(String, String)>,
    compared_switches: Vec<(String, String)>,
}

impl SandboxOptions {
    /// For one command: a free port, and the state in `data`.
    #[must_use]
    pub fn embedded(data: &Path) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_file: Some(data.to_path_buf()),
            ..Self::standalone(listen)
        }
    }

    /// With its state in memory.
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

    /// `value` is JSON or a bare word.
    pub fn set_switch(&mut self, name: &str, value: &str) -> Result<(), SandboxError> {
        self.switches.push(check_switch(name, value)?);
        Ok(())
    }

    /// Makes `GET /_sandbox/distinguished-switches` report whether any response would have differed with this switch value. It
    /// has no effect with a data file, which other processes also write.
    pub fn add_compared_switch(&mut self, name: &str, value: &str) -> Result<(), SandboxError> {
        self.compared_switches.push(check_switch(name, value)?);
        Ok(())
    }

    /// `script` is a JSON list of [`Fault`]s.
    pub fn set_faults(&mut self, script: &str) -> Result<(), SandboxError> {
        self.faults = serde_json::from_str(script).map_err(SandboxError::Faults)?;
        Ok(())
    }
}

fn check_switch(name: &str, value: &str) -> Result<(String, String), SandboxError> {
    SandboxSettings::default().with_switch(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug)]
pub enum SandboxError {
    /// Other machines could reach the address.
    NotLoopback(SocketAddr),
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    File {
        path: PathBuf,
        source: io::Error,
    },
    Corrupt {
        path: PathBuf,
        reason: String,
    },
    /// The switch or the value does not exist; `source` lists the existing ones.
    Switch {
        name: String,
        source: serde_json::Error,
    },
    Faults(serde_json::Error),
}

impl fmt::Display for SandboxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoopback(address) => write!(
                formatter,
                "the sandbox cannot listen on {address}: it accepts loopback addresses only; use 127.0.0.1"
            ),
            Self::Listen { address, .. } => write!(
                formatter,
                "the sandbox cannot listen on {address}; use another address or port"
            ),
            Self::File { path, .. } => write!(
                formatter,
                "the sandbox cannot read or write its data file `{}`",
                path.display()
            ),
            Self::Corrupt { path, reason } => write!(
                formatter,
                "the sandbox data file `{}` is invalid: {reason}; move it away to start with an empty workspace",
                path.display()
            ),
            Self::Switch { name, .. } => write!(
                formatter,
                "cannot set the sandbox switch `{name}`: unknown name or invalid value"
            ),
            Self::Faults(_) => formatter.write_str("invalid fault script; expected a JSON list of faults"),
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
