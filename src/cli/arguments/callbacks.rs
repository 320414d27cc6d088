//! The arguments of `segctl callbacks` and of `--wait`.

use super::WorkspaceArguments;
use crate::plan::estimate::duration;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use std::net::SocketAddr;

#[derive(Debug, Args)]
pub struct UploadWaitArguments {
    /// Wait until MoEngage reports the result of each uploaded list, and fail if it cannot read one. Without --wait, an
    /// accepted upload counts as applied.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_WAIT")]
    pub wait: bool,

    /// With --wait, how long to wait for the result of one list, such as 30m or 4h.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse, env = "SEGCTL_WAIT_TIMEOUT")]
    pub wait_timeout: SignedDuration,

    /// With --wait, address to listen on for callbacks (overrides `callbacks.listen` in segctl.yaml).
    #[arg(long, value_name = "ADDRESS", env = "SEGCTL_CALLBACK_LISTEN")]
    pub callback_listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct CallbacksArguments {
    #[command(subcommand)]
    pub command: CallbacksCommand,
}

#[derive(Debug, Subcommand)]
pub enum CallbacksCommand {
    /// Store upload results beside the state for later runs, until Ctrl-C or SIGTERM.
    Serve(ServeArguments),
}

#[derive(Debug, Args)]
pub struct ServeArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Address to listen on (overrides `callbacks.listen` in segctl.yaml). With port 0, the system chooses a free port,
    /// which segctl prints.
    #[arg(long, value_name = "ADDRESS", env = "SEGCTL_CALLBACK_LISTEN")]
    pub listen: Option<SocketAddr>,
}
