//! Command lines that make no sense: told as text, or as JSON where that is asked for, although nothing of the line could be
//! read.

use super::arguments::Arguments;
use super::failure::{Failure, Kind};
use super::output::{Output, unless_closed};
use super::report::Report;
use clap::CommandFactory;
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Help and version are no errors; everything else that clap refuses is wrong usage.
pub(super) fn refused(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if error.use_stderr() && wants_json(arguments) {
        let output = Output::new(true, true);
        let failure = failure(error);
        if is_apply(arguments) {
            return Report::bare(output).end(Err(failure));
        }
        output.failure(&failure);
        return failure.kind.into();
    }
    let lost = unless_closed(error.print());
    if error.use_stderr() {
        Kind::Usage.into()
    } else if lost.is_some() {
        Kind::Error.into()
    } else {
        ExitCode::SUCCESS
    }
}

/// Whether JSON is asked for, by the flag or by its variable.
fn wants_json(arguments: &[OsString]) -> bool {
    let mut flags = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    flags.any(|argument| argument == "--json")
        || std::env::var_os("SEGCTL_JSON").is_some_and(|value| is_yes(&value))
}

fn is_yes(value: &OsStr) -> bool {
    let read = BoolishValueParser::new().parse_ref(&Arguments::command(), None, value);
    read.is_ok_and(|is_yes| is_yes)
}

/// Whether the command is the one that prints events.
fn is_apply(arguments: &[OsString]) -> bool {
    let command = Arguments::command();
    let names = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut commands = names.filter(|name| command.find_subcommand(name).is_some());
    commands.next() == Some("apply")
}

/// What clap says, in the parts of a failure.
fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(Kind::Usage, "a command is missing").with_help("`segctl --help` lists them");
    }
    let text = error.render().to_string();
    let mut parts = text.split("\n\n").map(in_one_line);
    let message = parts.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let failure = Failure::new(Kind::Usage, message);
    let help = parts.filter(|part| !part.is_empty());
    help.fold(failure, |failure, part| {
        failure.with_help(part.strip_prefix("tip: ").unwrap_or(&part))
    })
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
