//! The arguments of `segctl state`.

use super::{LockArguments, WorkspaceArguments};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct StateArguments {
    #[command(subcommand)]
    pub command: StateCommand,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List the segments of the state.
    List(WorkspaceArguments),
    /// Show everything that the state contains about one segment.
    Show(SegmentArguments),
    /// Show the previous versions of a segment and what changed between them.
    History(SegmentArguments),
    /// Write a previous version of a segment to its file. The workspace does not change until the next apply.
    Restore(RestoreArguments),
    /// Remove a segment from the state; segctl stops managing it.
    Rm(RmArguments),
    /// Rebuild a lost state from the configuration and the workspace.
    Rebuild(RebuildArguments),
    /// Remove a stale state lock.
    Unlock(UnlockArguments),
}

#[derive(Debug, Args)]
pub struct UnlockArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Skip interactive approval; required in non-interactive sessions. Not settable by environment variable, on purpose.
    #[arg(long, visible_alias = "yes")]
    pub auto_approve: bool,
}

#[derive(Debug, Args)]
pub struct SegmentArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Current or previous name of the segment.
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Current or previous name of the segment, and a version number from `segctl state history`.
    #[arg(value_name = "NAME@N")]
    pub revision: String,

    /// Write a new file. Without it, segctl edits the file of the segment, or creates one in the first directory of
    /// `segments` in segctl.yaml.
    #[arg(long, value_name = "FILE", env = "SEGCTL_OUTPUT_FILE")]
    pub output_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RmArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    #[command(flatten)]
    pub lock: LockArguments,

    /// Name of the segment when it was last applied.
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct RebuildArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    #[command(flatten)]
    pub lock: LockArguments,
}
