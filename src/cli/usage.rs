//! Errors of the command line, as text or as JSON.

use super::arguments::Arguments;
use super::environment::variables_at_fault;
use super::failure::{Failure, FailureKind};
use super::output::{Output, ignore_broken_pipe};
use super::reporter::RunReporter;
use clap::CommandFactory;
use clap::builder::{BoolishValueParser, StyledStr, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Prints help, the version, or a usage error.
pub(super) fn handle_parse_error(
    mut error: clap::Error,
    command: &clap::Command,
    arguments: &[OsString],
) -> ExitCode {
    let variables = variables_at_fault(&error, command, arguments);
    if !variables.is_empty() {
        let advice = format!(
            "the environment sets {}: unset it, or correct its value",
            variables.join(" and ")
        );
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(advice)]),
        );
    }
    if error.use_stderr() && wants_json(arguments) {
        let output = Output::new(true, true, 0);
        let failure = to_failure(&error);
        if is_apply(arguments) {
            return RunReporter::without_files(output).finish(Err(failure));
        }
        output.print_failure(&failure);
        return failure.kind.into();
    }
    let write_error = ignore_broken_pipe(error.print());
    if error.use_stderr() {
        FailureKind::Usage.into()
    } else if write_error.is_some() {
        FailureKind::Error.into()
    } else {
        ExitCode::SUCCESS
    }
}

/// Whether the command line or the environment requests JSON. Clap could not parse the arguments.
fn wants_json(arguments: &[OsString]) -> bool {
    let mut flags = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    flags.any(|argument| argument == "--json")
        || std::env::var_os("SEGCTL_JSON").is_some_and(|value| is_truthy(&value))
}

fn is_truthy(value: &OsStr) -> bool {
    let parsed = BoolishValueParser::new().parse_ref(&Arguments::command(), None, value);
    parsed.unwrap_or(false)
}

/// Whether the command is `apply`, which prints events.
fn is_apply(arguments: &[OsString]) -> bool {
    let command = Arguments::command();
    let names = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut commands = names.filter(|name| command.find_subcommand(name).is_some());
    commands.next() == Some("apply")
}

fn to_failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(FailureKind::Usage, "missing command")
            .with_help("run `segctl --help` for the list of commands");
    }
    let text = error.render().to_string();
    let mut parts = text.split("\n\n").map(collapse_whitespace);
    let message = parts.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let failure = Failure::new(FailureKind::Usage, message);
    let help = parts.filter(|part| !part.is_empty());
    help.fold(failure, |failure, part| {
        failure.with_help(part.strip_prefix("tip: ").unwrap_or(&part))
    })
}

fn collapse_whitespace(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
