//! The command line's words. Every flag has a `SEGCTL_` variable.

mod callbacks;
mod state;

pub use callbacks::{CallbacksArguments, CallbacksCommand, ServeArguments, UploadWaitArguments};
pub use state::{
    HistoryArguments, RebuildArguments, RestoreArguments, RmArguments, StateArguments, StateCommand,
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

/// Puts what every command takes after what is its own.
const GLOBAL_FLAGS_ORDER: usize = 100;

/// Segments as code for MoEngage.
#[derive(Debug, Parser)]
#[command(name = "segctl", version, max_term_width = 100, arg_required_else_help = true)]
pub struct Arguments {
    /// The settings file; without it, segctl.yaml is looked for upward from here.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_name = "FILE", env = "SEGCTL_CONFIG")]
    pub config: Option<PathBuf>,

    /// Print one JSON document on standard output instead of text; `apply` prints a line of JSON for each event.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_parser = BoolishValueParser::new(), env = "SEGCTL_JSON")]
    pub json: bool,

    /// Leave colour out, as NO_COLOR does.
    #[arg(long, global = true, display_order = GLOBAL_FLAGS_ORDER, value_parser = BoolishValueParser::new(), env = "SEGCTL_NO_COLOR")]
    pub no_color: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the files, without a workspace or credentials.
    Validate(ValidateArguments),
    /// Show what would change in a workspace.
    #[command(visible_alias = "diff")]
    Plan(PlanArguments),
    /// Make a workspace what the files say.
    ///
    /// Ctrl-C and SIGTERM end it after the steps that are under way, and a second one at once.
    Apply(ApplyArguments),
    /// Show what changed in a workspace since it was last applied.
    Drift(DriftArguments),
    /// List live segments that nobody declares, and write files for those that are named.
    Import(ImportArguments),
    /// Hear what the service says of lists of users after it took them.
    Callbacks(CallbacksArguments),
    /// Look into and mend what is remembered of a workspace.
    State(StateArguments),
    /// Show a plan that `plan --out` saved or `plan --json` printed.
    Show(ShowArguments),
    /// Print the JSON Schema of a kind of file, for editors.
    Schema(SchemaArguments),
    /// Run the embedded service on its own.
    Sandbox(SandboxArguments),
    /// Print a completion script.
    Completions(CompletionsArguments),
}

/// Arguments of `validate`.
#[derive(Debug, Args)]
pub struct ValidateArguments {
    /// Show notes, too: what is worth knowing and needs no mending.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_NOTES")]
    pub notes: bool,

    /// Mend the lists of users that segments name: spaces, quotes and commas around values, byte order marks, empty lines
    /// and repeated values go. What is not clear stays, and is told.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_FIX")]
    pub fix: bool,

    /// Fail on this and on anything worse.
    #[arg(
        long,
        value_name = "SEVERITY",
        default_value = "error",
        env = "SEGCTL_FAIL_SEVERITY"
    )]
    pub fail_severity: FailSeverity,
}

/// What makes `validate` fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailSeverity {
    /// Errors only.
    Error,
    /// Warnings, too.
    Warning,
    /// Notes, too.
    Note,
}

/// Which workspace a command is about.
#[derive(Debug, Args)]
pub struct WorkspaceArguments {
    /// The workspace; without it, the default one of segctl.yaml.
    #[arg(long, short, value_name = "NAME", env = "SEGCTL_WORKSPACE")]
    pub workspace: Option<String>,
}

/// Which segments a run is about.
#[derive(Debug, Args)]
pub struct SelectionArguments {
    /// Only segments whose names fit; `*` is any text. A plan takes in what they depend on, too. May be repeated.
    #[arg(long, value_name = "PATTERN", value_parser = parse_name_pattern, env = "SEGCTL_TARGET", value_delimiter = '\n')]
    pub target: Vec<NamePattern>,

    /// No segments whose names fit. A plan leaves out what depends on them, too. May be repeated.
    #[arg(long, value_name = "PATTERN", value_parser = parse_name_pattern, env = "SEGCTL_EXCLUDE", value_delimiter = '\n')]
    pub exclude: Vec<NamePattern>,
}

/// What a plan is about and what it may do.
#[derive(Debug, Args)]
pub struct PlanningArguments {
    /// Which segments.
    #[command(flatten)]
    pub selection: SelectionArguments,

    /// The largest share of the managed segments that may be archived, in place of the guard in segctl.yaml.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, env = "SEGCTL_MAX_ARCHIVES")]
    pub max_archives: Option<u32>,

    /// The largest share of the managed segments that may be updated, in place of the guard in segctl.yaml.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, env = "SEGCTL_MAX_UPDATES")]
    pub max_updates: Option<u32>,

    /// Refuse a plan that is likely to take longer, such as 30m, 2h or 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, env = "SEGCTL_MAX_DURATION")]
    pub max_duration: Option<SignedDuration>,

    /// Archive everything that is owned when no segment is declared.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALLOW_EMPTY")]
    pub allow_empty: bool,

    /// Believe a list that lacks many segments of the ledger.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALLOW_SHORT_LIST")]
    pub allow_missing_segments: bool,

    /// Send the whole list of a live cohort or file segment of whose members nothing is known.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_RESEND")]
    pub force_upload: bool,

    /// Take a live cohort or file segment of whose members nothing is known to have those of its list.
    #[arg(long, conflicts_with = "resend", value_parser = BoolishValueParser::new(), env = "SEGCTL_ASSUME_IN_SYNC")]
    pub assume_members_in_sync: bool,
}

fn parse_name_pattern(text: &str) -> Result<NamePattern, PatternError> {
    NamePattern::parse(text)
}

/// More than this only makes calls wait for each other's turn.
const MAX_PARALLELISM: usize = 64;

fn parse_parallelism(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    count
        .filter(|count| (1..=MAX_PARALLELISM).contains(count))
        .ok_or_else(|| format!("a number from 1 to {MAX_PARALLELISM}"))
}

/// `30%` or `30`.
fn parse_percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<u32>().ok();
    number
        .filter(|number| *number <= 100)
        .ok_or_else(|| format!("`{text}` is no share from 0% to 100%"))
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// What the plan is about.
    #[command(flatten)]
    pub planning: PlanningArguments,

    /// How much of what was seen before is read again.
    #[arg(long, value_name = "HOW", default_value = "rolling", env = "SEGCTL_REFRESH")]
    pub refresh: RefreshMode,

    /// Plan from what was seen before, without any call and without credentials. That is in the directory of the ledger,
    /// which has to be kept whole.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_OFFLINE", conflicts_with = "out")]
    pub offline: bool,

    /// Save the plan in this file, for `segctl apply FILE`.
    #[arg(long, value_name = "FILE", env = "SEGCTL_OUT")]
    pub out: Option<PathBuf>,

    /// Where else to write it.
    #[command(flatten)]
    pub json_file: JsonFileArguments,

    /// Exit with 2 when there are changes, so that scripts can tell.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_DETAILED_EXITCODE")]
    pub detailed_exitcode: bool,
}

/// How much of what was seen before is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RefreshMode {
    /// Every managed segment.
    Full,
    /// Those that were read the longest ago: one of 25, and at least 12.
    Partial,
    /// None of them.
    None,
}

impl RefreshMode {
    /// The policy.
    #[must_use]
    pub fn policy(self) -> Refresh {
        match self {
            Self::Full => Refresh::Full,
            Self::Partial => Refresh::Partial,
            Self::None => Refresh::None,
        }
    }
}

/// JSON beside text.
#[derive(Debug, Args)]
pub struct JsonFileArguments {
    /// Write the JSON document into this file, too, whatever is printed.
    #[arg(long, value_name = "FILE", env = "SEGCTL_JSON_INTO")]
    pub json_file: Option<PathBuf>,
}

/// What happens when somebody else is changing the ledger.
#[derive(Debug, Args)]
pub struct LockArguments {
    /// Wait so long for a run that is changing the same ledger, such as 30s or 10m.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_lock_timeout, env = "SEGCTL_LOCK_TIMEOUT")]
    pub lock_timeout: SignedDuration,
}

/// A duration, or none at all.
fn parse_lock_timeout(text: &str) -> Result<SignedDuration, duration::DurationError> {
    match text {
        "0" | "0s" => Ok(SignedDuration::ZERO),
        _ => duration::parse(text),
    }
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// A plan that `segctl plan --out` saved: it is applied as it stands, without asking.
    #[arg(value_name = "PLAN", conflicts_with_all = ["target", "exclude", "max_archives", "max_updates", "allow_empty", "allow_short_list", "resend", "assume_in_sync"])]
    pub plan: Option<PathBuf>,

    /// Write the events that --json prints into this file, too, whatever is printed.
    #[arg(long, value_name = "FILE", env = "SEGCTL_JSON_INTO")]
    pub json_file: Option<PathBuf>,

    /// Write what came of each step into this file, as one JSON document, however the run ends.
    #[arg(long, value_name = "FILE", env = "SEGCTL_RECEIPT_INTO")]
    pub report_file: Option<PathBuf>,

    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// What the plan is about.
    #[command(flatten)]
    pub planning: PlanningArguments,

    /// How much of what was seen before is read again, to find what was changed by hand. What is about to be written is
    /// in any case.
    #[arg(long, value_name = "HOW", default_value = "none", env = "SEGCTL_REFRESH")]
    pub refresh: RefreshMode,

    /// Whom it waits for.
    #[command(flatten)]
    pub lock: LockArguments,

    /// Whether it waits for what becomes of lists of users.
    #[command(flatten)]
    pub upload_wait: UploadWaitArguments,

    /// The most steps that are under way at once; 1 runs one after the other.
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = parse_parallelism, env = "SEGCTL_PARALLELISM")]
    pub parallelism: usize,

    /// Apply without asking; required where nobody can be asked.
    #[arg(long, visible_alias = "yes", value_parser = BoolishValueParser::new(), env = "SEGCTL_AUTO_APPROVE")]
    pub auto_approve: bool,
}

/// Arguments of `drift`.
#[derive(Debug, Args)]
pub struct DriftArguments {
    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,

    /// Which segments.
    #[command(flatten)]
    pub selection: SelectionArguments,

    /// How much of what was seen before is read again.
    #[arg(long, value_name = "HOW", default_value = "full", env = "SEGCTL_REFRESH")]
    pub refresh: RefreshMode,

    /// Take the workspace's version into the files; what they say beside that stays, comments too.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_WRITE")]
    pub update_files: bool,

    /// Exit with 2 when there is any that the files do not say already, so that scripts can tell.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_DETAILED_EXITCODE")]
    pub detailed_exitcode: bool,
}

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct ImportArguments {
    /// Names of segments to write files for; `*` is any text. Without any, they are only listed.
    #[arg(value_name = "NAME", value_parser = parse_name_pattern)]
    pub patterns: Vec<NamePattern>,

    /// Write files for all of them.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "SEGCTL_ALL")]
    pub all: bool,

    /// Where to write; without it, the first directory of `segments` in segctl.yaml.
    #[arg(long, value_name = "DIRECTORY", env = "SEGCTL_INTO")]
    pub output_dir: Option<PathBuf>,

    /// Which workspace.
    #[command(flatten)]
    pub workspace: WorkspaceArguments,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The plan as `segctl plan --json` or `segctl plan --out` wrote it; `-` reads standard input.
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Which files the schema is of.
    pub kind: SchemaKind,
}

/// The kinds of files that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Segment files.
    Segment,
    /// segctl.yaml.
    Segctl,
}

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArguments {
    /// Where to listen; loopback only. Port 0 takes a free one, which is printed.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8020",
        env = "SEGCTL_SANDBOX_LISTEN"
    )]
    pub listen: SocketAddr,

    /// Keep the service's state in this file; without it, the state ends with the process.
    #[arg(long, value_name = "FILE", env = "SEGCTL_SANDBOX_DATA")]
    pub data: Option<PathBuf>,

    /// Whether calls are limited as documented.
    #[arg(long, value_name = "LIMITS", env = "SEGCTL_SANDBOX_RATE_LIMITS")]
    pub rate_limits: Option<SandboxRateLimits>,

    /// A script of faults, as JSON.
    #[arg(long, value_name = "FILE", env = "SEGCTL_SANDBOX_FAULTS")]
    pub faults: Option<PathBuf>,

    /// A behaviour that MoEngage does not document, as NAME=VALUE; may be repeated.
    #[arg(
        long = "set",
        value_name = "NAME=VALUE",
        env = "SEGCTL_SANDBOX_SET",
        value_delimiter = '\n'
    )]
    pub switches: Vec<String>,

    /// The workspace id that callers have to use.
    #[arg(
        long,
        value_name = "ID",
        default_value = "sandbox",
        env = "SEGCTL_SANDBOX_WORKSPACE_ID"
    )]
    pub workspace_id: String,

    /// The API key that callers have to use; without it, `sandbox-key`.
    #[arg(
        long,
        value_name = "KEY",
        env = "SEGCTL_SANDBOX_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,

    /// The database name that callers have to use.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "sandbox",
        env = "SEGCTL_SANDBOX_DB_NAME"
    )]
    pub db_name: String,
}

/// Whether the sandbox limits calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SandboxRateLimits {
    /// As documented.
    Documented,
    /// Not at all.
    Off,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell to write for.
    pub shell: clap_complete::Shell,
}
