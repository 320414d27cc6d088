//! The command line. Only this folder prints, reads the environment, and turns errors into exit codes.

mod apply;
mod approval;
pub mod arguments;
mod atomic_file;
mod callback_listener;
mod callbacks;
mod connection;
mod drift;
mod edits;
mod environment;
mod events;
pub mod failure;
mod file_index;
mod given_files;
mod home;
mod import;
mod logging;
mod new_files;
mod output;
mod plan;
mod planning;
mod project;
mod publisher;
mod reporter;
mod sandbox;
mod secret_command;
mod secret_settings;
mod show;
mod signals;
mod state;
mod state_lock;
mod usage;
mod validate;
mod wait_messages;

use crate::config::schema;
use arguments::{Arguments, Command, SchemaKind};
use clap::{CommandFactory, FromArgMatches};
use failure::{Failure, FailureKind};
use output::Output;
use project::{Project, ProjectOptions};
use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::process::ExitCode;

/// Runs the program; the first argument is its name.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command_line: Vec<OsString> = arguments.into_iter().collect();
    let mut command = environment::without_empty_variables(Arguments::command());
    let parsed = command.try_get_matches_from_mut(&command_line);
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return usage::handle_parse_error(error, &command, &command_line),
    };
    let output = Output::new(arguments.json, arguments.no_color, arguments.max_errors);
    logging::start();
    signals::ignore_file_size_signal();
    let code = run(&arguments, output).unwrap_or_else(|failure| {
        output.print_failure(&failure);
        failure.kind.into()
    });
    output.exit_code(code)
}

fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    let options = ProjectOptions {
        config: arguments.config.as_deref(),
        no_cache: arguments.no_cache,
    };
    let open = || Project::open(options, output);
    match &arguments.command {
        Command::Validate(validate) => validate::run(&open()?, validate, output),
        Command::Plan(plan) => {
            // The process ends after the plan, and freeing every segment first takes a while.
            let project = ManuallyDrop::new(open()?);
            project.require_valid(output)?;
            block_on(plan::run(&project, plan, output))
        }
        Command::Apply(apply) => Ok(apply::run(options, apply, output)),
        Command::Drift(drift) => {
            let project = open()?;
            project.require_valid(output)?;
            block_on(drift::run(&project, drift, output))
        }
        Command::Import(import) => {
            let project = open()?;
            project.require_valid_or_empty(output)?;
            block_on(import::run(&project, import, output))
        }
        Command::Callbacks(callbacks) => block_on(callbacks::run(&open()?, callbacks, output)),
        Command::State(state) => block_on(state::run(&open()?, state, output)),
        Command::Show(show) => show::run(show, output).map(|()| ExitCode::SUCCESS),
        Command::Schema(arguments) => {
            let schema = match arguments.kind {
                SchemaKind::Segment => schema::segment(),
                SchemaKind::Segctl => schema::settings(),
            };
            output.print_result(&schema::pretty(&schema));
            Ok(ExitCode::SUCCESS)
        }
        Command::Sandbox(sandbox) => block_on(sandbox::run(sandbox, output)).map(|()| ExitCode::SUCCESS),
        Command::Completions(completions) => {
            let mut script = Vec::new();
            clap_complete::generate(
                completions.shell,
                &mut Arguments::command(),
                "segctl",
                &mut script,
            );
            output.print_result(&String::from_utf8_lossy(&script));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs `work` to its end. It does not wait for other tasks: the thread that reads an approval may block forever.
fn block_on<A>(work: impl Future<Output = Result<A, Failure>>) -> Result<A, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from_error(FailureKind::Error, &error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
