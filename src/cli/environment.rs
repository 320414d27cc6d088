//! Environment variables of flags. Pipelines set a variable to an empty text where an input is not given, so an empty
//! variable is an unset one.

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use std::env;
use std::ffi::{OsStr, OsString};

/// The command without the variables that are empty, here and in its subcommands.
pub(super) fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|argument| {
            if variable_value(&argument).is_some_and(|value| value.is_empty()) {
                argument.env(Resettable::Reset)
            } else {
                argument
            }
        })
        .mut_subcommands(without_empty_variables)
}

/// The variables that set the flags which `error` names. The user typed none of these flags.
pub(super) fn variables_at_fault(
    error: &clap::Error,
    root: &Command,
    command_line: &[OsString],
) -> Vec<String> {
    let mut named: Vec<&str> = Vec::new();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        match error.get(kind) {
            Some(ContextValue::String(argument)) => named.push(argument),
            Some(ContextValue::Strings(arguments)) => named.extend(arguments.iter().map(String::as_str)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let mut command = root;
    let mut words = command_line.iter().skip(1).filter_map(|word| word.to_str());
    loop {
        for argument in command.get_arguments() {
            let Some(variable) = argument.get_env() else {
                continue;
            };
            if named.contains(&argument.to_string().as_str())
                && variable_value(argument).is_some_and(|value| !value.is_empty())
                && !is_typed(argument, command_line)
            {
                found.push(variable.to_string_lossy().into_owned());
            }
        }
        match words.by_ref().find_map(|word| command.find_subcommand(word)) {
            Some(subcommand) => command = subcommand,
            None => return found,
        }
    }
}

fn variable_value(argument: &Arg) -> Option<OsString> {
    env::var_os(argument.get_env()?)
}

fn is_typed(argument: &Arg, command_line: &[OsString]) -> bool {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let short = argument.get_short().map(|short| format!("-{short}"));
    let mut words = command_line
        .iter()
        .skip(1)
        .take_while(|word| *word != OsStr::new("--"))
        .filter_map(|word| word.to_str());
    words.any(|word| {
        let flag = word.split_once('=').map_or(word, |(flag, _)| flag);
        long.as_deref() == Some(flag) || short.as_deref().is_some_and(|short| word.starts_with(short))
    })
}
