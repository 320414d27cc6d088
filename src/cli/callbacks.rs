//! `segctl callbacks serve`: hears what the service says of lists while no run does.

use super::arguments::{CallbacksArguments, CallbacksCommand, ServeArguments};
use super::callback_listener::{callback_token, lost_callback_printer};
use super::connection::open_state_store;
use super::failure::{Failure, FailureKind};
use super::output::Output;
use super::project::Project;
use super::signals::Signals;
use crate::callbacks::{CallbackEvent, CallbackHandler, CallbackServer};
use crate::model::UploadResult;
use crate::render::json::FORMAT_VERSION;
use serde_json::json;
use std::process::ExitCode;

/// Runs the command.
///
/// # Errors
///
/// The workspace says nothing of callbacks, the secret is missing, or the address cannot be had.
pub(super) async fn run(
    project: &Project,
    arguments: &CallbacksArguments,
    output: Output,
) -> Result<ExitCode, Failure> {
    match &arguments.command {
        CallbacksCommand::Serve(serve) => self::serve(project, serve, output).await,
    }
}

async fn serve(project: &Project, arguments: &ServeArguments, output: Output) -> Result<ExitCode, Failure> {
    let (name, workspace) = project.workspace(&arguments.workspace)?;
    let settings = workspace.callbacks.as_ref().ok_or_else(|| {
        let message = format!("segctl.yaml says nothing of `callbacks` of the workspace `{name}`");
        Failure::new(FailureKind::Usage, message)
            .with_help("say `callbacks: {url: https://…, token: ${SEGCTL_CALLBACK_TOKEN}}` under it")
    })?;
    let listen = arguments.listen.or(settings.listen).ok_or_else(|| {
        Failure::new(FailureKind::Usage, "nothing says where to listen")
            .with_help("say --listen 0.0.0.0:8080, or `listen` under `callbacks` in segctl.yaml")
    })?;
    let kept = (
        open_state_store(project, name, workspace)?,
        &callback_token(settings)?,
    );
    let receiver = CallbackServer::start(listen, kept, callback_printer(output)).await?;
    let signals = Signals::listen(output)?;
    let address = format!("http://{}", receiver.address());
    if output.json {
        output.print_json(&json!({
            "format_version": FORMAT_VERSION,
            "workspace": name,
            "listens_on": address,
        }));
    } else {
        output.print_result(&format!("Callbacks of {name} are heard on {address}\n"));
    }
    signals.cancel_token.cancelled().await;
    receiver.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Tells of every callback.
fn callback_printer(output: Output) -> Box<CallbackHandler> {
    let told = lost_callback_printer(output);
    Box::new(move |heard| {
        if let CallbackEvent::Stored(segment, callback) = heard {
            let segment = segment.map_or_else(String::new, |segment| format!(" of \"{segment}\""));
            output.print_status_line(&match callback {
                UploadResult::Processed(processed) => format!("list{segment}: {processed}"),
                UploadResult::Failed { message } => format!("list{segment}: failed: {message}"),
            });
        }
        told(heard);
    })
}
