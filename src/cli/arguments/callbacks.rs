//! The words of hearing what becomes of lists.

use super::WorkspaceArguments;
use crate::plan::estimate::duration;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use std::net::SocketAddr;

/// Whether a run waits for what becomes of lists of users.
#[derive(Debug, Args)]
pub struct UploadWaitArguments {
    /// Wait until the service says what became of each list of users, and fail where it could not read one. Without it a
    /// list that the service took is applied.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_WAIT")]
    pub wait: bool,

    /// With --wait, the longest that is waited for one list, such as 30m or 4h.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse, env = "SEGCTL_WAIT_TIMEOUT")]
    pub wait_timeout: SignedDuration,

    /// With --wait, listen here for what the service says, in place of `listen` under `callbacks` in segctl.yaml.
    #[arg(long, value_name = "ADDRESS", env = "SEGCTL_CALLBACK_LISTEN")]
    pub callback_listen: Option<SocketAddr>,
}

/// Arguments of `callbacks`.
#[derive(Debug, Args)]
pub struct CallbacksArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: CallbacksCommand,
}

/// The commands of `callbacks`.
#[derive(Debug, Subcommand)]
pub enum CallbacksCommand {
    /// Listen, and keep what the service says beside the ledger for the runs to come, until Ctrl-C or SIGTERM.
    Serve(ServeArguments),
}

/// Arguments of `callbacks serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Listen here, in place of `listen` under `callbacks` in segctl.yaml. Port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", env = "SEGCTL_CALLBACK_LISTEN")]
    pub listen: Option<SocketAddr>,
}
