//! The words of `segctl ledger`.

use super::{LockArguments, WorkspaceArguments};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub struct StateArguments {
    /// What to do.
    #[command(subcommand)]
    pub command: StateCommand,
}

/// The commands of `ledger`.
#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show what is remembered.
    List(WorkspaceArguments),
    /// Show the definitions of a segment that were replaced, and what replaced them.
    History(HistoryArguments),
    /// Write a definition that was replaced back into a file, for the next plan; the workspace stays as it is.
    Restore(RestoreArguments),
    /// Forget a segment: it is nobody's from then on.
    Rm(RmArguments),
    /// Find the declared and owned segments again after the ledger was lost.
    Rebuild(RebuildArguments),
    /// Take away the lock of a run that ended without giving it back.
    Unlock(UnlockArguments),
}

/// Arguments of `ledger unlock`.
#[derive(Debug, Args)]
pub struct UnlockArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Take it away without asking; required where nobody can be asked. No variable stands for it: one that approves plans
    /// must not take locks from runs.
    #[arg(long, visible_alias = "yes")]
    pub auto_approve: bool,
}

/// Arguments of `ledger history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// A name that the segment has, or had.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `ledger restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// A name that the segment has or had, and the number that `ledger history` shows.
    #[arg(value_name = "NAME@N")]
    pub revision: String,

    /// Write a new file; without it, the file that declares the segment is brought to it, or else a new file goes into the
    /// first directory of `segments` in segctl.yaml.
    #[arg(long, value_name = "FILE", env = "SEGCTL_INTO")]
    pub output_file: Option<PathBuf>,
}

/// Arguments of `ledger forget`.
#[derive(Debug, Args)]
pub struct RmArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Whom it waits for.
    #[command(flatten)]
    pub lock: LockArguments,

    /// The name that the segment was last applied under.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Arguments of `ledger rebuild`.
#[derive(Debug, Args)]
pub struct RebuildArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Whom it waits for.
    #[command(flatten)]
    pub lock: LockArguments,
}
