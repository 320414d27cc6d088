//! The arguments of every command. Every flag can also be set by a `SEGCTL_` environment variable.

mod callbacks;
mod state;

pub use callbacks::{CallbacksArguments, CallbacksCommand, ServeArguments, UploadWaitArguments};
pub use state::{
    RebuildArguments, RestoreArguments, RmArguments, SegmentArguments, StateArguments, StateCommand,
    UnlockArguments,
};

use crate::model::{NamePattern, PatternError};
use crate::observe::Refresh;
use crate::plan::estimate::duration;
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Lists the global flags after the flags of the command.
const GLOBAL_FLAGS_ORDER: usize = 100;

/// Segments as code for MoEngage.
#[derive(Debug, Parser)]
#[command(name = "segctl", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Arguments {
    /// Settings file [default: segctl.yaml in this or a parent directory].
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_name = "FILE", env = "SEGCTL_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print one JSON document to standard output instead of text; `apply` prints one JSON line per event.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_parser = BoolishValueParser::new(), env = "SEGCTL_JSON")]
    pub json: bool,

    /// Parse every segment file, also the unchanged ones that `.segctl` has an index of.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_parser = BoolishValueParser::new(), env = "SEGCTL_NO_CACHE")]
    pub no_cache: bool,

    /// Disable colored output.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_parser = BoolishValueParser::new(), env = "SEGCTL_NO_COLOR")]
    pub no_color: bool,

    /// Maximum number of errors and warnings in the configuration to show in full; 0 shows all.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_name = "COUNT", default_value = "20", env = "SEGCTL_MAX_ERRORS")]
    pub max_errors: usize,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, without a workspace or credentials.
    Validate(ValidateArguments),
    /// Show what `apply` would change in a workspace.
    Plan(PlanArguments),
    /// Apply the configuration to a workspace.
    ///
    /// The first Ctrl-C, SIGTERM or SIGHUP finishes running operations; the second exits immediately.
    Apply(ApplyArguments),
    /// Show what changed in a workspace since the last apply.
    Drift(DriftArguments),
    /// List unmanaged segments, or import them as YAML files.
    #[command(visible_alias = "pull")]
    Import(ImportArguments),
    /// Receive upload-result callbacks from MoEngage.
    Callbacks(CallbacksArguments),
    /// Inspect and repair the state of a workspace.
    State(StateArguments),
    /// Show a plan written by `plan --out` or `plan --json`.
    Show(ShowArguments),
    /// Print the JSON Schema of segment files or of segctl.yaml, for editors.
    Schema(SchemaArguments),
    /// Run the embedded sandbox as a server.
    Sandbox(SandboxArguments),
    /// Print a shell completion script.
    Completions(CompletionsArguments),
}

#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// Report only problems of these segment files, member lists, directories or segctl.yaml; the whole configuration is
    /// still read. --fix changes only these.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Also show informational notes.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_NOTES")]
    pub notes: bool,

    /// Fix the member lists of segments: remove byte order marks, empty lines, repeated values, and spaces, quotes and
    /// commas around values. Ambiguous lines are left unchanged and reported.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_FIX")]
    pub fix: bool,

    /// Lowest severity that makes the command fail.
    #[arg(
        long,
        value_name = "SEVERITY",
        default_value = "error",
        env = "SEGCTL_FAIL_SEVERITY"
    )]
    pub fail_severity: FailSeverity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailSeverity {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warning,
    /// Errors, warnings and notes.
    Note,
}

#[derive(Debug, Args)]
pub struct WorkspaceArguments {
    /// Workspace to use [default: `default_workspace` of segctl.yaml].
    #[arg(long, short, value_name = "NAME", env = "SEGCTL_WORKSPACE")]
    pub workspace: Option<String>,
}

#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Select only matching segments; `*` is a wildcard. A plan includes their dependencies. May be repeated.
    #[arg(long, value_name = "PATTERN", value_parser = parse_name_pattern, env = "SEGCTL_TARGET", value_delimiter = '\n')]
    pub target: Vec<NamePattern>,

    /// Select the segments that this file declares, or that use it as a member list. May be repeated.
    #[arg(long, value_name = "FILE", env = "SEGCTL_TARGET_FILE", value_delimiter = '\n')]
    pub target_file: Vec<PathBuf>,

    /// Exclude matching segments. A plan also excludes everything that depends on them. May be repeated.
    #[arg(long, value_name = "PATTERN", value_parser = parse_name_pattern, env = "SEGCTL_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<NamePattern>,
}

#[derive(Debug, Args)]
pub struct PlanningArguments {
    #[command(flatten)]
    pub selection: SelectionArguments,

    /// Maximum percentage of managed segments to archive (overrides `guards` in segctl.yaml).
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, env = "SEGCTL_MAX_ARCHIVES")]
    pub max_archives: Option<u32>,

    /// Maximum percentage of managed segments to update (overrides `guards` in segctl.yaml).
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, env = "SEGCTL_MAX_UPDATES")]
    pub max_updates: Option<u32>,

    /// Maximum percentage of members to remove from one cohort or file segment (overrides `guards.members` in segctl.yaml).
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, env = "SEGCTL_MAX_MEMBER_REMOVALS")]
    pub max_member_removals: Option<u32>,

    /// Maximum estimated duration of an apply, such as 30m, 2h or 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, env = "SEGCTL_MAX_DURATION")]
    pub max_duration: Option<SignedDuration>,

    /// Allow a plan that archives all managed segments because the configuration is empty.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALLOW_EMPTY")]
    pub allow_empty: bool,

    /// Continue even if MoEngage lists far fewer segments than the state contains.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALLOW_MISSING_SEGMENTS")]
    pub allow_missing_segments: bool,

    /// Upload the whole list of each existing cohort or file segment whose members are unknown.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_FORCE_UPLOAD")]
    pub force_upload: bool,

    /// Assume that each existing cohort or file segment whose members are unknown has the members of its list.
    #[arg(long, conflicts_with = "force_upload", value_parser = BoolishValueParser::new(), env = "SEGCTL_ASSUME_MEMBERS_IN_SYNC")]
    pub assume_members_in_sync: bool,
}

fn parse_name_pattern(text: &str) -> Result<NamePattern, PatternError> {
    NamePattern::parse(text)
}

/// A higher value only makes requests wait for each other.
const MAX_PARALLELISM: usize = 64;

fn parse_parallelism(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    count
        .filter(|count| (1..=MAX_PARALLELISM).contains(count))
        .ok_or_else(|| format!("must be a number from 1 to {MAX_PARALLELISM}"))
}

/// Accepts `30%` and `30`.
fn parse_percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u32>().ok();
    number
        .filter(|number| *number <= 100)
        .ok_or_else(|| "must be a percentage from 0% to 100%".to_owned())
}

#[derive(Debug, Args)]
pub struct CompactArguments {
    /// Print one line for each step, without definitions or differences.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_COMPACT")]
    pub compact: bool,
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    #[command(flatten)]
    pub planning: PlanningArguments,

    #[command(flatten)]
    pub refresh: RefreshArguments,

    /// Plan from the cache, without API access. Needs a complete state directory.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_OFFLINE", conflicts_with = "out")]
    pub offline: bool,

    /// Save the plan to this file, for `segctl apply FILE`.
    #[arg(long, value_name = "FILE", env = "SEGCTL_OUT")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub compact: CompactArguments,

    #[command(flatten)]
    pub json_file: JsonFileArguments,

    /// Exit 2 if there are changes or adoptions.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_DETAILED_EXITCODE")]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub struct RefreshArguments {
    /// Which cached definitions to re-read. Segments are always re-read before they are changed.
    #[arg(long, value_name = "MODE", default_value = "auto", env = "SEGCTL_REFRESH")]
    pub refresh: RefreshMode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RefreshMode {
    /// What the plan changes, what its conflicts depend on, and the least recently read others as far as the rate limits
    /// allow without waiting. `drift` reads all of its segments.
    Auto,
    /// Every managed segment.
    Full,
    /// The least recently read 4%, at least 12.
    Partial,
    /// No cached definition.
    None,
}

impl RefreshArguments {
    #[must_use]
    pub fn policy(&self) -> Refresh {
        match self.refresh {
            RefreshMode::Auto => Refresh::Auto,
            RefreshMode::Full => Refresh::Full,
            RefreshMode::Partial => Refresh::Partial,
            RefreshMode::None => Refresh::None,
        }
    }
}

#[derive(Debug, Args)]
pub struct JsonFileArguments {
    /// Write the JSON document to this file, in addition to standard output.
    #[arg(long, value_name = "FILE", env = "SEGCTL_JSON_FILE")]
    pub json_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct LockArguments {
    /// How long to wait for the state lock, such as 30s or 10m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_lock_timeout, env = "SEGCTL_LOCK_TIMEOUT")]
    pub lock_timeout: SignedDuration,
}

fn parse_lock_timeout(text: &str) -> Result<SignedDuration, duration::DurationError> {
    match text {
        "0" | "0s" => Ok(SignedDuration::ZERO),
        _ => duration::parse(text),
    }
}

#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// Plan saved by `segctl plan --out`; it is applied exactly as saved, without approval.
    #[arg(value_name = "PLAN", conflicts_with_all = ["target", "target_file", "exclude", "max_archives", "max_updates", "max_member_removals", "allow_empty", "allow_missing_segments", "force_upload", "assume_members_in_sync"])]
    pub plan: Option<PathBuf>,

    /// Write the events of --json to this file, in addition to standard output.
    #[arg(long, value_name = "FILE", env = "SEGCTL_JSON_FILE")]
    pub json_file: Option<PathBuf>,

    /// Write a JSON report of the run, even if it fails.
    #[arg(long, value_name = "FILE", env = "SEGCTL_REPORT_FILE")]
    pub report_file: Option<PathBuf>,

    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    #[command(flatten)]
    pub planning: PlanningArguments,

    #[command(flatten)]
    pub refresh: RefreshArguments,

    #[command(flatten)]
    pub lock: LockArguments,

    #[command(flatten)]
    pub upload_wait: UploadWaitArguments,

    /// Maximum number of concurrent operations; 1 runs them one after the other.
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = parse_parallelism, env = "SEGCTL_PARALLELISM")]
    pub parallelism: usize,

    #[command(flatten)]
    pub compact: CompactArguments,

    /// Skip interactive approval; required in non-interactive sessions.
    #[arg(long, visible_alias = "yes", value_parser = BoolishValueParser::new(), env = "SEGCTL_AUTO_APPROVE")]
    pub auto_approve: bool,
}

#[derive(Debug, Args)]
pub struct DriftArguments {
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    #[command(flatten)]
    pub selection: SelectionArguments,

    #[command(flatten)]
    pub refresh: RefreshArguments,

    /// Maximum estimated duration of reading the definitions, such as 30m, 2h or 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, env = "SEGCTL_MAX_DURATION")]
    pub max_duration: Option<SignedDuration>,

    #[command(flatten)]
    pub compact: CompactArguments,

    /// Write the drift to the segment files; everything else in them stays, including comments.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_UPDATE_FILES")]
    pub update_files: bool,

    /// Exit 2 if there is drift not yet in the configuration.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_DETAILED_EXITCODE")]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub struct ImportArguments {
    /// Segments to import; `*` is a wildcard. Without names, the unmanaged segments are listed.
    #[arg(value_name = "NAME", value_parser = parse_name_pattern)]
    pub patterns: Vec<NamePattern>,

    /// Import every unmanaged segment.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALL")]
    pub all: bool,

    /// Directory for the new files [default: the first directory of `segments` in segctl.yaml].
    #[arg(long, value_name = "DIR", env = "SEGCTL_OUTPUT_DIR")]
    pub output_dir: Option<PathBuf>,

    #[command(flatten)]
    pub workspace: WorkspaceArguments,
}

#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Plan written by `segctl plan --json` or `segctl plan --out`; `-` reads standard input.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,

    #[command(flatten)]
    pub compact: CompactArguments,
}

#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Kind of file that the schema describes.
    pub kind: SchemaKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Segment files.
    Segment,
    /// segctl.yaml.
    Segctl,
}

#[derive(Debug, Args)]
pub struct SandboxArguments {
    /// Loopback address to listen on. With port 0, the system chooses a free port, which segctl prints.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8020",
        env = "SEGCTL_SANDBOX_LISTEN"
    )]
    pub listen: SocketAddr,

    /// Store the data of the sandbox in this file; without it, the data is lost at exit.
    #[arg(long, value_name = "FILE", env = "SEGCTL_SANDBOX_DATA")]
    pub data: Option<PathBuf>,

    /// Rate limits of the sandbox.
    #[arg(long, value_name = "LIMITS", env = "SEGCTL_SANDBOX_RATE_LIMITS")]
    pub rate_limits: Option<SandboxRateLimits>,

    /// JSON file with the faults to inject.
    #[arg(long, value_name = "FILE", env = "SEGCTL_SANDBOX_FAULTS")]
    pub faults: Option<PathBuf>,

    /// Behavior that MoEngage does not document. May be repeated.
    #[arg(
        long = "set",
        value_name = "NAME=VALUE",
        env = "SEGCTL_SANDBOX_SET",
        value_delimiter = '\n'
    )]
    pub switches: Vec<String>,

    /// Workspace id that requests must use.
    #[arg(
        long,
        value_name = "ID",
        default_value = "sandbox",
        env = "SEGCTL_SANDBOX_WORKSPACE_ID"
    )]
    pub workspace_id: String,

    /// API key that requests must use [default: sandbox-key].
    #[arg(
        long,
        value_name = "KEY",
        env = "SEGCTL_SANDBOX_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,

    /// Database name that requests must use.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sandbox",
        env = "SEGCTL_SANDBOX_DB_NAME"
    )]
    pub db_name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxRateLimits {
    /// The documented limits of MoEngage.
    Documented,
    /// No limits.
    Off,
}

#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// Shell to print the script for.
    pub shell: clap_complete::Shell,
}
